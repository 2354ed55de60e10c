import {
  allTimers,
  attempt,
  createTask,
  type Coroutine,
  currentTask,
  EventLoop,
  Future,
  getRunningLoop,
  isCancelled,
  ManualHost,
  retry,
  sleep,
  TaskGroup,
  timeout,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { forever } from "../support/later.js";
import { runVirtually, type VirtualOptions } from "../support/virtual-loop.js";

let clock: ManualHost;
const DEBUG: VirtualOptions = { debug: true, prepare: ({ host }) => void (clock = host) };

describe("debug mode: slow callbacks", () => {
  test("a slow step is reported with the task's name, its origin and the duration", () => {
    const { messages } = runVirtually(function* () {
      yield* createTask(
        function* () {
          clock.advance(150);
        },
        { name: "cruncher" },
      );
    }, DEBUG);
    expect(messages).toEqual([expect.stringMatching(/cruncher \(created .*debug-mode\.test\.ts.*\) took 150\.0 ms/)]);
  });

  test("a slow callback, timer and done callback are reported with the function's name", () => {
    const { messages } = runVirtually(function* () {
      const loop = getRunningLoop();
      loop.callSoon(function crunchSoon() {
        clock.advance(101);
      });
      loop.callLater(1, function crunchLater() {
        clock.advance(102);
      });
      const future = new Future<void>();
      future.addDoneCallback(function crunchDone() {
        clock.advance(103);
      });
      future.setResult();
      yield* sleep(1_000);
    }, DEBUG);
    expect(messages.toSorted()).toEqual([
      expect.stringMatching(/callback crunchDone took 103\.0 ms/),
      expect.stringMatching(/callback crunchLater took 102\.0 ms/),
      expect.stringMatching(/callback crunchSoon took 101\.0 ms/),
    ]);
  });

  test("how slow is slow is the loop's to say; what is faster is not reported, nor anything without debug mode", () => {
    function* main(): Coroutine<void> {
      getRunningLoop().slowCallbackDuration = 20;
      clock.advance(19);
      yield;
      clock.advance(21);
      yield;
    }
    expect(runVirtually(main, DEBUG).messages).toHaveLength(1);
    expect(runVirtually(main, { ...DEBUG, debug: false }).messages).toEqual([]);
  });

  test("it can be switched on while the loop runs", () => {
    const { messages } = runVirtually(
      function* () {
        const loop = getRunningLoop();
        expect(loop.debug).toBe(false);
        loop.debug = true;
        yield;
        clock.advance(200);
        yield;
        loop.debug = false;
        yield;
        clock.advance(200);
        yield;
      },
      { ...DEBUG, debug: false },
    );
    expect(messages).toHaveLength(1);
  });

  test("is the default where the environment has CORIO_DEBUG=1", () => {
    const before = process.env["CORIO_DEBUG"];
    try {
      for (const [value, debug] of [
        ["1", true],
        ["0", false],
        ["", false],
      ] as const) {
        process.env["CORIO_DEBUG"] = value;
        expect(new EventLoop({ host: new ManualHost() }).debug).toBe(debug);
      }
    } finally {
      if (before === undefined) delete process.env["CORIO_DEBUG"];
      else process.env["CORIO_DEBUG"] = before;
    }
  });
});

describe("debug mode: cancellations", () => {
  test("one that was swallowed is reported with the task and the remedy", () => {
    const { messages } = runVirtually(function* () {
      const task = createTask(
        function* () {
          try {
            yield* sleep(1_000);
          } catch {}
        },
        { name: "swallower" },
      );
      yield;
      task.cancel();
      yield* task;
    }, DEBUG);
    expect(messages).toEqual([expect.stringMatching(/swallower.*swallowed.*isCancelled\(error\)/)]);
  });

  test("one that was uncancelled, one that ended the task, and one after which it failed are not", () => {
    const { messages } = runVirtually(function* () {
      const uncancelling = createTask(function* () {
        try {
          yield* sleep(1_000);
        } catch {
          currentTask().uncancel();
        }
      });
      const ending = createTask(sleep(1_000));
      const failing = createTask(function* () {
        try {
          yield* sleep(1_000);
        } catch {
          throw new Error("x");
        }
      });
      yield;
      for (const task of [uncancelling, ending, failing]) task.cancel();
      yield* sleep(1);
      failing.exception();
    }, DEBUG);
    expect(messages).toEqual([]);
  });

  test("a timeout whose body ended normally all the same is reported", () => {
    const { messages } = runVirtually(function* () {
      yield* within(timeout(5), function* () {
        try {
          yield* sleep(1_000);
        } catch {}
      });
    }, DEBUG);
    expect(messages).toEqual([expect.stringMatching(/timeout of 5 ms.*ended normally/)]);
  });

  test("a task that still runs 5 s after it was cancelled is reported with what it waits for, once", () => {
    const { messages, duration } = runVirtually(function* () {
      const task = createTask(
        function* () {
          try {
            yield* sleep(100);
          } finally {
            yield* cleanUp();
          }
        },
        { name: "stubborn" },
      );
      function* cleanUp(): Coroutine<void> {
        yield* sleep(20_000);
      }
      yield* sleep(1);
      task.cancel();
      try {
        yield* task;
      } catch {}
    }, DEBUG);
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatch(
      /stubborn.*still runs 5000 ms after it was cancelled; it waits until 20,001 ms \(a sleep\)/,
    );
    expect(messages[0]).toContain("cleanUp");
    expect(duration).toBe(20_001);
  });

  test("how long is too long is the loop's to say; one that ends in time is not reported, and leaves no timer", () => {
    const { messages, duration, host } = runVirtually(function* () {
      getRunningLoop().slowCancellationDuration = 50;
      const [slow, quick] = [60, 40].map((ms) =>
        createTask(
          function* () {
            try {
              yield* sleep(100_000);
            } finally {
              yield* sleep(ms);
            }
          },
          { name: `takes ${ms} ms` },
        ),
      );
      yield* sleep(1);
      slow?.cancel();
      quick?.cancel();
      yield* sleep(70);
    }, DEBUG);
    expect(messages).toEqual([expect.stringMatching(/takes 60 ms.*still runs 50 ms/)]);
    expect(duration).toBe(71);
    expect(host.step()).toBe(false);
  });

  test("a retry loop around an empty catch shows up", () => {
    const { messages } = runVirtually(function* () {
      const task = createTask(
        function* () {
          for (let i = 0; i < 100; i++) {
            try {
              yield* sleep(1_000);
              return;
            } catch {}
          }
        },
        { name: "retries" },
      );
      yield* sleep(1);
      task.cancel();
      yield* task;
    }, DEBUG);
    expect(messages).toEqual([expect.stringMatching(/retries.*swallowed/)]);
  });

  test("attempt and retry never swallow one", () => {
    const { messages, result } = runVirtually(function* () {
      const tasks = [
        createTask(() => attempt(() => sleep(1_000))),
        createTask(() => retry(() => sleep(1_000), { attempts: 5, delay: 1 })),
      ];
      yield* sleep(1);
      for (const task of tasks) task.cancel();
      yield* sleep(1);
      return tasks.map((task) => task.cancelled);
    }, DEBUG);
    expect(result).toEqual([true, true]);
    expect(messages).toEqual([]);
  });

  test("isCancelled makes the right catch", () => {
    const { messages, result } = runVirtually(function* () {
      const task = createTask(function* () {
        try {
          yield* sleep(1_000);
        } catch (error) {
          if (isCancelled(error)) throw error;
        }
      });
      yield;
      task.cancel();
      yield* sleep(1);
      return task.cancelled;
    }, DEBUG);
    expect([result, messages]).toEqual([true, []]);
  });
});

describe("debug mode: origins", () => {
  test("a task knows where it was created, however it was", () => {
    const { result } = runVirtually(function* main() {
      const tasks = [
        createTask(sleep(1)),
        getRunningLoop().createTask(sleep(1)),
        createTask(sleep(1), { eagerStart: true }),
      ];
      yield* within(new TaskGroup(), function* body(group) {
        tasks.push(group.createTask(sleep(1)));
      });
      yield* sleep(2);
      return [...tasks.map((task) => task.origin), tasks.every((task) => task.done)];
    }, DEBUG);
    expect(result).toEqual([
      expect.stringMatching(/^at main \(.*debug-mode\.test\.ts:\d+:\d+\)$/),
      expect.stringMatching(/^at main \(.*debug-mode\.test\.ts:\d+:\d+\)$/),
      expect.stringMatching(/^at main \(.*debug-mode\.test\.ts:\d+:\d+\)$/),
      expect.stringMatching(/^at body \(.*debug-mode\.test\.ts:\d+:\d+\)$/),
      true,
    ]);
  });

  test("a timer handle knows where it was made, also one that a time limit made", () => {
    const { result } = runVirtually(function* main() {
      const loop = getRunningLoop();
      const handles = [loop.callLater(1, () => {}), loop.callAt(loop.time() + 1, () => {})];
      const limit = yield* within(timeout(100), function* body() {
        return [...allTimers()].at(-1)?.origin;
      });
      return [...handles.map((handle) => handle.origin), limit];
    }, DEBUG);
    expect(result).toEqual([
      expect.stringMatching(/^at main \(.*debug-mode\.test\.ts:\d+:\d+\)$/),
      expect.stringMatching(/^at main \(.*debug-mode\.test\.ts:\d+:\d+\)$/),
      expect.stringMatching(/^at main \(.*debug-mode\.test\.ts:\d+:\d+\)$/),
    ]);
  });

  test("are not known without debug mode, nor of what was made before it was switched on", () => {
    const { result } = runVirtually(
      function* () {
        const task = createTask(sleep(1));
        const timer = getRunningLoop().callLater(1, () => {});
        const before = [task.origin, timer.origin];
        getRunningLoop().debug = true;
        yield* task;
        return [...before, task.origin, timer.origin];
      },
      { ...DEBUG, debug: false },
    );
    expect(result).toEqual([undefined, undefined, undefined, undefined]);
  });

  test("the timer with which debug mode itself watches a cancellation is none of the program's", () => {
    const { result, messages } = runVirtually(function* () {
      const stubborn = createTask(forever([], "stubborn", 6_000), { name: "stubborn" });
      yield* sleep(1);
      stubborn.cancel();
      const timers = allTimers().size;
      yield* sleep(7_000);
      return timers;
    }, DEBUG);
    expect(result).toBe(0);
    expect(messages).toEqual([expect.stringMatching(/stubborn.* still runs 5000 ms after it was cancelled/)]);
  });
});
