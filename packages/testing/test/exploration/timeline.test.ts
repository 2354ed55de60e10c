import {
  type Coroutine,
  createTask,
  Event,
  Future,
  getRunningLoop,
  Lock,
  Queue,
  sleep,
  type Task,
  timeout,
  wait,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { decodeSchedule } from "../../src/exploration/schedule.js";
import { type Program, type RunOptions, ScheduleRun } from "../../src/exploration/schedule-run.js";
import { Follow } from "../../src/exploration/steering.js";
import { Timeline, type TimelineEntry } from "../../src/exploration/timeline.js";

describe("a timeline", () => {
  test("tells of each step who ran, when, and what it came to", () => {
    const rows = rowsOf(function* () {
      const event = new Event();
      const task = createTask(
        function* worker(): Coroutine<void> {
          yield* event.wait();
        },
        { name: "worker" },
      );
      yield* sleep(10);
      event.set();
      yield* task;
    });
    expect(rows).toEqual([
      "1 0 main: starts, waits until 10 ms (a sleep)",
      "2 0 worker: starts, waits for Event: it is not set",
      "3 10 (clock): everything waits: time passes from 0 to 10 ms",
      "4 10 end of a sleep: runs",
      "5 10 main: waits for Task worker",
      "6 10 worker: ends",
      "7 10 main: ends",
    ]);
  });

  test("tells how a task ended", () => {
    const rows = rowsOf(function* () {
      const tasks: Task<unknown>[] = [
        createTask(sleep(0), { name: "sleeper" }),
        createTask(
          function* (): Coroutine<void> {
            throw new RangeError("far");
          },
          { name: "thrower" },
        ),
        createTask(sleep(0), { name: "victim" }),
      ];
      tasks[2]?.cancel();
      yield* wait(tasks);
      for (const task of tasks) if (!task.cancelled) task.exception();
    });
    expect(rows.filter((row) => / (sleeper|thrower|victim):/.test(row))).toEqual([
      expect.stringContaining("sleeper: starts, lets others go first"),
      expect.stringContaining("thrower: starts, fails: RangeError: far"),
      expect.stringContaining("victim: starts, ends: it was cancelled"),
      expect.stringContaining("sleeper: ends"),
    ]);
  });

  test("tells where a task waits, and who called that", () => {
    const { entries } = timelineOf(function* main() {
      yield* helper();
    });
    function* helper(): Coroutine<void> {
      yield* sleep(0);
    }
    expect(entries[0]?.what).toMatch(
      /^starts, lets others go first, at helper \(packages\/testing\/test\/.*timeline\.test\.ts:\d+:\d+\), called at main \(packages\//,
    );
  });

  test("tells who holds what a task waits for, as it was then", () => {
    const rows = rowsOf(function* () {
      const lock = new Lock();
      const queue = new Queue<number>({ maxSize: 1 });
      function* holder(): Coroutine<void> {
        yield* within(lock, () => sleep(10));
        yield* queue.put(1);
        yield* queue.put(2);
      }
      const tasks = [createTask(holder(), { name: "first" }), createTask(holder(), { name: "second" })];
      yield* sleep(100);
      while (!queue.empty) {
        queue.getNowait();
        yield* sleep(100);
      }
      yield* wait(tasks);
    });
    expect(rows).toContainEqual(expect.stringContaining("second: starts, waits for Lock, held by first"));
    expect(rows).toContainEqual(expect.stringContaining("first: waits for Queue.put: the queue is full (1 of 1)"));
  });

  test("names callbacks, and leaves out those with which the loop stops", () => {
    const rows = rowsOf(function* () {
      const loop = getRunningLoop();
      loop.callSoon(function announce() {});
      loop.callLater(5, function late() {});
      yield* sleep(5);
    });
    expect(rows).toEqual([
      expect.stringContaining("main: starts"),
      "2 0 callback announce: runs",
      expect.stringContaining("(clock)"),
      "4 5 callback late: runs",
      "5 5 end of a sleep: runs",
      "6 5 main: ends",
    ]);
  });

  test("names tasks without a name by their order in the program, the same each time", () => {
    const program = function* (): Coroutine<void> {
      yield* wait([createTask(sleep(0)), createTask(sleep(0), { name: "named" }), createTask(sleep(0))]);
    };
    const names = (): string[] => {
      const all = timelineOf(program).entries.map(({ who }) => who);
      return [...new Set(all.filter((who) => !who.startsWith("callback")))];
    };
    expect(names()).toEqual(["main", "Task-1", "named", "Task-3"]);
    expect(names()).toEqual(names());
  });

  test("marks what departed from the ordinary order, in words", () => {
    const program = function* (): Coroutine<void> {
      const tasks = ["a", "b", "c"].map((name) => createTask(sleep(1), { name }));
      yield* wait(tasks);
    };
    expect(deviationsOf(program, "2:3")).toEqual([[2, "c", "c goes before a and b, which became ready first"]]);
    expect(deviationsOf(program, "3:2")).toEqual([[3, "c", "c goes before b, which became ready first"]]);
  });

  test("marks cancellations with what they met", () => {
    const program = function* (): Coroutine<void> {
      const event = new Event();
      const task = createTask(() => event.wait(), { name: "worker" });
      yield* sleep(0);
      event.set();
      yield* wait([task]);
    };
    const cancelledAt = (step: number): unknown[] => deviationsOf(program, `${step}:c2`, { cancel: true }).flat();
    expect(cancelledAt(2)).toEqual([2, "worker", "worker is cancelled before it starts"]);
    expect(cancelledAt(3)).toEqual([
      3,
      "worker",
      expect.stringMatching(/^worker is cancelled while it waits for Event: it is not set/),
    ]);
    expect(cancelledAt(4)).toEqual([
      4,
      "worker",
      expect.stringMatching(/^worker is cancelled after what it waited for has come, and before it goes on/),
    ]);
  });

  test("marks time that passes too early", () => {
    const program = function* (): Coroutine<void> {
      const tasks = [createTask(sleep(100), { name: "sleeper" }), createTask(sleep(0), { name: "other" })];
      yield* sleep(0);
      yield* wait(tasks);
    };
    expect(deviationsOf(program, "4:t", { slowTasks: true })).toEqual([
      [4, "(clock)", "time passes from 0 to 100 ms, although main and other could run"],
    ]);
  });

  test("ends a deadlock with what everybody waits for, not with what the deadlock did to them", () => {
    const rows = rowsOf(function* () {
      createTask(() => new Event().wait(), { name: "worker" });
      try {
        yield* new Future();
      } finally {
        yield* sleep(0);
      }
    });
    expect(rows).toEqual([
      expect.stringContaining("main: starts, waits for Future"),
      expect.stringContaining("worker: starts, waits for Event: it is not set"),
      "3 0 (clock): everything waits, and nothing is left that could wake a task: a deadlock",
    ]);
  });

  test("has times that are not whole as short as they are", () => {
    const rows = rowsOf(function* () {
      yield* sleep(0.1);
      yield* sleep(0.2);
    });
    expect(rows).toContain("5 0.3 (clock): everything waits: time passes from 0.1 to 0.3 ms");
  });

  test("does not change what happens: debug mode, in which it runs, reports nothing and sets no timers of the program's", () => {
    const program = function* (): Coroutine<unknown[]> {
      const { time } = { time: () => getRunningLoop().time() };
      const seen: unknown[] = [];
      const stubborn = createTask(function* (): Coroutine<void> {
        for (let i = 0; i < 3; i++) {
          try {
            yield* sleep(10_000);
          } catch {
            seen.push(time());
          }
        }
      });
      yield* sleep(1);
      stubborn.cancel();
      try {
        yield* within(timeout(20_000), () => stubborn);
      } catch {
        seen.push("timed out", time());
      }
      yield* wait([stubborn]);
      return [...seen, time()];
    };
    const plain = new ScheduleRun(program, new Follow([]), DEFAULTS);
    for (const _ of plain.run());
    const watched = runOf(program, "ordinary", {}, new Timeline());
    expect(plain.failure).toBeUndefined();
    expect([watched.result, watched.step, watched.failure]).toEqual([plain.result, plain.step, undefined]);
  });
});

const DEFAULTS: RunOptions = { cancel: false, slowTasks: false, maxSteps: 10_000, leaks: { tasks: false } };

function timelineOf(program: Program<unknown>, schedule = "ordinary", options: Partial<RunOptions> = {}): Timeline {
  const timeline = new Timeline();
  runOf(program, schedule, options, timeline);
  return timeline;
}

function runOf<T>(
  program: Program<T>,
  schedule: string,
  options: Partial<RunOptions>,
  observer: Timeline,
): ScheduleRun<T> {
  const run = new ScheduleRun(program, new Follow(decodeSchedule(schedule)), { ...DEFAULTS, ...options }, { observer });
  for (const _ of run.run());
  return run;
}

/** Its rows, without the places in this file. */
function rowsOf(program: Program<unknown>): string[] {
  return timelineOf(program).entries.map(
    ({ step, time, who, what }: TimelineEntry) =>
      `${step} ${Math.round(time * 1_000) / 1_000} ${who}: ${what.replace(/,? (called )?at .*/, "")}`,
  );
}

function deviationsOf(program: Program<unknown>, schedule: string, options?: Partial<RunOptions>): unknown[][] {
  return timelineOf(program, schedule, options).entries.flatMap(({ step, who, deviation }) =>
    deviation === undefined ? [] : [[step, who, deviation]],
  );
}
