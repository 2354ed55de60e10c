import type * as Crypto from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import * as asyncGenerator from "../programs/async-generator.js";
import * as backgroundTasks from "../programs/background-tasks.js";
import * as blocking from "../programs/blocking.js";
import * as boundedConcurrency from "../programs/bounded-concurrency.js";
import * as collect from "../programs/collect.js";
import * as collectingErrors from "../programs/collecting-errors.js";
import * as cpuBound from "../programs/cpu-bound.js";
import * as exceptions from "../programs/exceptions.js";
import * as factorials from "../programs/factorials.js";
import * as forgottenYield from "../programs/forgotten-yield.js";
import * as gatherTwo from "../programs/gather-two.js";
import * as hello from "../programs/hello.js";
import * as lookingAround from "../programs/looking-around.js";
import * as producerConsumer from "../programs/producer-consumer.js";
import * as timeouts from "../programs/timeouts.js";
import * as wait from "../programs/wait.js";
import * as workers from "../programs/workers.js";
import { passTime, virtualImport, virtualRun } from "./virtual-run.js";

vi.mock("../programs/blocking/block.js", () => ({ block: (ms: number) => passTime(ms) }));

// A hash takes a millisecond of virtual time for each megabyte.
vi.mock("node:crypto", async (importOriginal) => {
  const crypto = await importOriginal<typeof Crypto>();
  return {
    ...crypto,
    createHash(algorithm: string) {
      const hash = crypto.createHash(algorithm);
      const update = hash.update.bind(hash);
      return Object.assign(hash, {
        update(data: Buffer) {
          passTime(data.length / 2 ** 20);
          return update(data);
        },
      });
    },
  };
});

describe("workers", () => {
  it("runs three workers at once: they finish in the order of their durations, and the slowest sets the total", async () => {
    const { output, reports, duration } = await virtualRun(workers.main);
    expect(output).toEqual([
      "A starts",
      "B starts",
      "C starts",
      "B is done after 1 s",
      "C is done after 2 s",
      "A is done after 3 s",
      "all are done",
    ]);
    expect(reports).toEqual([]);
    expect(duration).toBe(3_000);
  });
});

describe("collect", () => {
  it("gathers results in the order of the items within 4 s, and takes 10 s one after another", async () => {
    const { output, reports, duration } = await virtualRun(collect.main);
    expect(output).toEqual([
      "collected 5",
      "collected 4",
      "collected 3",
      "collected 2",
      "collected 1",
      "allAtOnce: item 1, item 2, item 3, item 4, item 5 in 4.0 s",
      "collected 1",
      "collected 2",
      "collected 3",
      "collected 4",
      "collected 5",
      "oneAfterAnother: item 1, item 2, item 3, item 4, item 5 in 10.0 s",
    ]);
    expect(reports).toEqual([]);
    expect(duration).toBe(14_000);
  });
});

describe("hello", () => {
  it("prints, waits for a second and prints", async () => {
    expect(await virtualRun(hello.main)).toEqual({ output: ["hello", "world"], reports: [], duration: 1_000 });
  });
});

describe("gather-two", () => {
  it("is done with B first and gives the results in the order of the call", async () => {
    const { output, reports, duration } = await virtualRun(gatherTwo.main);
    expect(output).toEqual(["B is done", "A is done", "the result of A", "the result of B"]);
    expect(reports).toEqual([]);
    expect(duration).toBe(2_000);
  });
});

describe("blocking", () => {
  const printed = [
    "A waits",
    "B waits",
    "A has waited",
    "B has waited",
    "2.0 s",
    "A blocks",
    "A has blocked",
    "B blocks",
    "B has blocked",
    "4.0 s",
  ];

  it("waits for both within 2 s, and blocks for 4 s", async () => {
    expect(await virtualRun(blocking.main)).toEqual({ output: printed, reports: [], duration: 6_000 });
  });

  it("is told in debug mode which tasks held the loop, where they were created, and for how long", async () => {
    const { output, reports } = await virtualRun(blocking.main, { debug: true });
    expect(output).toEqual(printed);
    expect(reports).toEqual([
      expect.stringMatching(/^Executing A \(created at .*\bblocking\.ts:\d+:\d+.*\) took 2000\.0 ms: /),
      expect.stringMatching(/^Executing B \(created at .*\bblocking\.ts:\d+:\d+.*\) took 2000\.0 ms: /),
    ]);
  });
});

describe("forgotten-yield", () => {
  it("runs nothing that is not awaited, and reports what `coroutine()` wraps", async () => {
    const { output, reports, duration } = await virtualRun(forgottenYield.main);
    expect(output).toEqual([
      "isCoroutineFunction(greet): true",
      "isCoroutine(greet): false",
      "isCoroutine(greeting): true",
      "a greeting is [object Generator]",
      "hello, world",
    ]);
    expect(reports).toEqual([
      "coroutine 'greetPolitely' was never awaited: write `yield* greetPolitely(…)`, or createTask(greetPolitely(…))",
    ]);
    expect(duration).toBe(1_000);
  });
});

describe("exceptions", () => {
  const printed = ["caught: RangeError: 1 / 0", "the loop goes on: 3"];

  it("catches what it awaits, and goes on while what nobody awaits is reported with the task's name", async () => {
    const { output, reports, duration } = await virtualRun(exceptions.main);
    expect(output).toEqual(printed);
    expect(reports).toEqual([
      expect.stringMatching(/^Task exception was never retrieved\n  taskName: forgotten RangeError: 2 \/ 0\n/),
    ]);
    expect(duration).toBe(4_000);
  });

  it("is told in debug mode where that task was created, too", async () => {
    const { output, reports } = await virtualRun(exceptions.main, { debug: true });
    expect(output).toEqual(printed);
    expect(reports).toEqual([
      expect.stringMatching(/\n  taskName: forgotten\n  origin: +at .*\bexceptions\.ts:\d+:\d+/),
    ]);
  });
});

describe("bounded-concurrency", () => {
  it("makes 1,000 requests, 10 at a time", async () => {
    expect(await virtualRun(boundedConcurrency.main)).toEqual({
      output: ["1000 answers, never more than 10 requests in flight"],
      reports: [],
      duration: 1_000,
    });
  });
});

describe("one-loop-at-a-time", () => {
  it("is told what to write instead, and makes two runs one after another", async () => {
    const { output, reports, duration } = await virtualImport(() => import("../programs/one-loop-at-a-time.js"));
    expect(output).toEqual([
      "- run() inside a running loop",
      "CorioError: Cannot run the event loop while another loop is running: in a coroutine write `yield* main()`, or " +
        "createTask(main)",
      "- the running loop, where none is running",
      "NoRunningLoopError: no running event loop here: call this from a coroutine that run(main) drives. In a callback " +
        "of the host (a timer, an event listener) keep the loop first: `const loop = getRunningLoop()`, then " +
        "`loop.createTask(…)` or `{ loop }`",
      "- a closed loop, used again",
      "CorioError: Event loop is closed: it runs nothing any more; run(main) makes a new one each time",
      "- two runs, one after another",
      "hello from the first run",
      "hello from the second run",
    ]);
    expect(reports).toEqual([]);
    expect(duration).toBe(1_000);
  });
});

describe("background-tasks", () => {
  it("has its tasks run before it gathers them, and to their end where nobody keeps them", async () => {
    const { output, reports, duration } = await virtualRun(backgroundTasks.main);
    expect(output).toEqual([
      "doing something else",
      "A is here",
      "B is here",
      "C is here",
      "gathering what is there by now",
      "got A, B, C",
      "what nobody waits for is here",
      "the end",
    ]);
    expect(reports).toEqual([]);
    expect(duration).toBe(4_000);
  });
});

describe("collecting-errors", () => {
  it("gets an error in its place, and else the first error once the others are cancelled", async () => {
    const { output, reports, duration } = await virtualRun(collectingErrors.main);
    expect(output).toEqual([
      "the answer of A",
      "error: B has no answer",
      "the answer of C",
      "C is cancelled",
      "caught: Error: B has no answer",
    ]);
    expect(reports).toEqual([]);
    expect(duration).toBe(3_000 + 2_000);
  });
});

describe("looking-around", () => {
  it("finds its task, all tasks and its loop", async () => {
    const { output, reports, duration } = await virtualRun(lookingAround.main);
    expect(output).toEqual([
      "tasks: main, A, B, C",
      "this is A",
      "this is B",
      "this is C",
      "tasks: main",
      "the loop is running: true",
      "it runs this task: true",
    ]);
    expect(reports).toEqual([]);
    expect(duration).toBe(1_000);
  });
});

describe("loop-by-hand", () => {
  it("runs a loop until a coroutine completes, and closes it", async () => {
    const { output, reports, duration } = await virtualImport(() => import("../programs/loop-by-hand.js"));
    expect(output).toEqual([
      "thinking",
      "the answer is 42",
      "running: false closed: false",
      "running: false closed: true",
    ]);
    expect(reports).toEqual([]);
    expect(duration).toBe(1_000);
  });
});

describe("timeouts", () => {
  it("cancels a task of 5 s after 3 s, and lets it clean up", async () => {
    const { output, reports, duration } = await virtualRun(timeouts.main);
    expect(output).toEqual([
      "working",
      "cleaning up",
      "TimeoutError: timed out after 3000 ms",
      "the task was cancelled: true",
    ]);
    expect(reports).toEqual([]);
    expect(duration).toBe(3_000);
  });
});

describe("async-generator", () => {
  it("consumes a number a second, and lets the generator clean up when it leaves early", async () => {
    const { output, reports, duration } = await virtualRun(asyncGenerator.main);
    expect(output).toEqual([
      ...["0", "1", "2", "3", "4", "the generator ends"],
      ...["once more, up to 2", "0", "1", "2", "the generator ends"],
    ]);
    expect(reports).toEqual([]);
    expect(duration).toBe(5_000 + 3_000);
  });
});

describe("factorials", () => {
  it("interleaves the steps within 3 s, and takes 5 s where they block", async () => {
    const { output, reports, duration } = await virtualRun(factorials.main);
    expect(output).toEqual([
      "A: 1 * 2",
      "B: 1 * 2",
      "A: 2 * 3",
      "B: 2 * 3",
      "A: 3! = 6",
      "B: 6 * 4",
      "B: 4! = 24",
      "waiting: 6 and 24 in 3.0 s",
      "A: 1 * 2",
      "A: 2 * 3",
      "A: 3! = 6",
      "B: 1 * 2",
      "B: 2 * 3",
      "B: 6 * 4",
      "B: 4! = 24",
      "blocking: 6 and 24 in 5.0 s",
    ]);
    expect(reports).toEqual([]);
    expect(duration).toBe(8_000);
  });
});

describe("wait", () => {
  it("is told who is done and who is pending: after the first, the first error, half a second, and all", async () => {
    const { output, reports, duration } = await virtualRun(wait.main);
    expect(output).toEqual([
      "the first: A is fine; pending: B, C, D, E",
      "the first error: B is fine, Error: C failed; pending: D, E",
      "within half a second: nothing; pending: D, E",
      "all: D is fine, E is fine; pending: nothing",
    ]);
    expect(reports).toEqual([]);
    expect(duration).toBe(5_000);
  });
});

describe("producer-consumer", () => {
  it("holds producers back, deals with every item, and sends the consumers home", async () => {
    const { output, reports, duration } = await virtualRun(producerConsumer.main);
    expect(output).toEqual([
      "put a1",
      "put a2",
      "put a3",
      "put b1",
      "put b2",
      "X has dealt with a1",
      "Y has dealt with a2",
      "Z has dealt with a3",
      "put b3",
      "all is put",
      "X has dealt with b1",
      "Y has dealt with b2",
      "Z has dealt with b3",
      "all is dealt with",
      "X goes home",
      "Y goes home",
      "Z goes home",
    ]);
    expect(reports).toEqual([]);
    expect(duration).toBe(2_000);
  });
});

describe("cpu-bound", () => {
  it("stops the ticker for the whole of a hash, and not when it is cut into slices", async () => {
    const { output, reports, duration } = await virtualRun(() =>
      cpuBound.onTheLoop(Buffer.alloc(cpuBound.size, "corio")),
    );
    // 128 ms for the hash, and the 10 ms before it: the tick that was due when it began came too late.
    expect(output).toEqual([
      "allAtOnce: 26ffe2049bfeee56, longest gap between two ticks 138 ms",
      "inSlices: 26ffe2049bfeee56, longest gap between two ticks 10 ms",
    ]);
    expect(reports).toEqual([]);
    expect(duration).toBe(2 * (50 + 128 + 50));
  });
});

describe("loop-from-scratch", () => {
  it("does from scratch what the real loop does, in the same time", async () => {
    const { output, reports, duration } = await virtualImport(() => import("../programs/loop-from-scratch.js"));
    const printed = ["A starts", "B starts", "B ends", "A ends", "A took 2 s", "B took 1 s"];
    expect(output).toEqual(["from scratch:", ...printed, "for real:", ...printed]);
    expect(reports).toEqual([]);
    expect(duration).toBe(2_000 + 2_000);
  });
});
