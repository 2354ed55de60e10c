import { explore, LeakError, waitAllTasksBlocked } from "@corio/testing";
import {
  asyncGenerator,
  type Coroutine,
  CancelledError,
  createTask,
  currentTask,
  Event,
  ExitStack,
  Future,
  gather,
  getRunningLoop,
  Lock,
  Queue,
  sleep,
  type Task,
  TaskGroup,
  timeout,
  wait,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import type { Failure } from "../../src/exploration/failure.js";
import { decodeSchedule, type Deviation } from "../../src/exploration/schedule.js";
import { type Openings, type Program, type RunOptions, ScheduleRun } from "../../src/exploration/schedule-run.js";
import { Follow } from "../../src/exploration/steering.js";

describe("a run", () => {
  test("has the result of its program, and counts a step for everything that ran", () => {
    const { result, failure, step } = run(function* () {
      yield* sleep(0);
      return "result";
    });
    expect([result, failure]).toEqual(["result", undefined]);
    // main twice, and how it stops
    expect(step).toBe(3);
  });

  test("counts a jump of the clock as a step", () => {
    const steps = (ms: number): number =>
      run(function* () {
        yield* sleep(ms);
      }).step;
    // the clock, the timer
    expect(steps(1_000) - steps(0)).toBe(2);
  });

  test("has virtual time of its own, from 0", () => {
    for (let i = 0; i < 2; i++) {
      const { result } = run(function* () {
        const before = getRunningLoop().time();
        yield* sleep(86_400_000);
        return [before, getRunningLoop().time()];
      });
      expect(result).toEqual([0, 86_400_000]);
    }
  });

  test("calls its main task main", () => {
    expect(run(() => nameOfCurrent()).result).toBe("main");
    function* nameOfCurrent(): Coroutine<string | undefined> {
      return currentTask()?.name;
    }
  });

  test("lets waitAllTasksBlocked wait until all others wait", () => {
    const { result } = run(function* () {
      const queue = new Queue<number>();
      const task = createTask(queue.get());
      yield* waitAllTasksBlocked();
      const { getters } = queue;
      queue.putNowait(1);
      yield* task;
      return getters;
    });
    expect(result).toBe(1);
  });
});

describe("a run fails", () => {
  test("if its program throws", () => {
    const error = new RangeError("far");
    const { failure } = run(function* () {
      yield* sleep(0);
      throw error;
    });
    expect(failure).toEqual({ kind: "error", error });
    expect(failure?.error).toBe(error);
  });

  test.each([
    ["a string", "text"],
    ["a number", 42],
    ["null", null],
    ["undefined", undefined],
    ["a symbol", Symbol("s")],
    ["an object", { code: 1 }],
  ])("if its program throws %s, which is no error", (_, thrown) => {
    const { failure } = run(function* () {
      yield* sleep(0);
      throw thrown;
    });
    expect(failure?.kind).toBe("error");
    expect(failure?.error).toBeInstanceOf(Error);
  });

  test("if it deadlocks, also where its cleanup waits for ever once more", () => {
    const once = run(function* () {
      yield* new Event().wait();
    });
    expect(once.failure).toMatchObject({ kind: "deadlock", error: { name: "DeadlockError" } });
    expect(once.failure?.error.message).toContain("main waits for Event");
    const twice = run(function* () {
      try {
        yield* new Event().wait();
      } finally {
        yield* new Event().wait();
      }
    });
    expect(twice.failure?.kind).toBe("deadlock");
  });

  test("if two tasks wait for each other's locks", () => {
    const { failure } = run(function* () {
      const [a, b] = [new Lock(), new Lock()];
      function* both(first: Lock, second: Lock): Coroutine<void> {
        yield* within(first, function* () {
          yield* sleep(0);
          yield* within(second, () => sleep(0));
        });
      }
      yield* gather(createTask(both(a, b), { name: "ab" }), createTask(both(b, a), { name: "ba" }));
    });
    expect(failure?.kind).toBe("deadlock");
    expect(failure?.error.message).toContain("ab waits for Lock, held by ba");
  });

  test("if it does not end", () => {
    const { failure } = run(
      function* (): Coroutine<void> {
        for (;;) yield* sleep(0);
      },
      { maxSteps: 100 },
    );
    expect(failure).toMatchObject({ kind: "unending", error: { code: "ERR_CORIO_UNENDING" } });
    expect(failure?.error.message).toMatch(/100 steps.*maxSteps/);
  });

  test("if it does not end, but sleeps again and again", () => {
    const { failure } = run(
      function* (): Coroutine<void> {
        for (;;) yield* sleep(1_000);
      },
      { maxSteps: 100 },
    );
    expect(failure?.kind).toBe("unending");
  });

  test("if it takes more steps than it may, and not if it takes so many", () => {
    function* program(): Coroutine<void> {
      for (let i = 0; i < 50; i++) yield* sleep(0);
    }
    const { step } = run(program);
    expect(run(program, { maxSteps: step }).failure).toBeUndefined();
    expect(run(program, { maxSteps: step - 10 }).failure?.kind).toBe("unending");
  });

  test("of one that is held up for something outside, with what to think of it", () => {
    const { failure } = run(function* () {
      const hold = getRunningLoop().hold();
      try {
        yield* new Future<void>();
      } finally {
        hold[Symbol.dispose]();
      }
    });
    expect(failure?.kind).toBe("unending");
    expect(failure?.error.message).toContain("holds its loop");
  });

  test("not if it is held while other things go on", () => {
    const { failure } = run(function* () {
      const hold = getRunningLoop().hold();
      yield* sleep(10);
      hold[Symbol.dispose]();
    });
    expect(failure).toBeUndefined();
  });

  test("if the program itself was cancelled, by itself or by one of its tasks", () => {
    const byItself = run(function* () {
      currentTask()?.cancel("reason");
      yield* sleep(0);
    });
    expect(byItself.failure).toMatchObject({ kind: "error", error: { name: "CancelledError", reason: "reason" } });
    const byChild = run(function* () {
      const main = currentTask();
      createTask(function* (): Coroutine<void> {
        main?.cancel();
      });
      yield* sleep(1);
    });
    expect(byChild.failure?.error).toBeInstanceOf(CancelledError);
  });

  test("if it waits for a task that it cancelled", () => {
    const { failure } = run(function* () {
      const task = createTask(sleep(1));
      task.cancel();
      yield* task;
    });
    expect(failure).toMatchObject({ kind: "error", error: { name: "CancelledError" } });
  });

  test("if its cleanup throws, with that error", () => {
    const { failure } = run(function* () {
      try {
        throw new Error("first");
      } finally {
        yield* cleanUp();
      }
    });
    function* cleanUp(): Coroutine<void> {
      yield* sleep(0);
      throw new RangeError("cleanup");
    }
    expect(failure?.error.message).toBe("cleanup");
  });
});

describe("a run that leaves something behind fails", () => {
  test("for a task that is not done, with what it waits for", () => {
    const { failure } = run(leavesTask);
    expect(failure?.kind).toBe("leak");
    expect(leaksOf(failure)).toEqual([expect.stringContaining("1 task is pending:\nforgotten waits until")]);
  });

  test("for a timer that is armed", () => {
    const { failure } = run(leavesTimer);
    expect(leaksOf(failure)).toEqual([expect.stringContaining("a timer armed for 1000 ms")]);
  });

  test("not for a timer that was cancelled", () => {
    const { failure } = run(function* () {
      const timer = getRunningLoop().callLater(1_000, () => {});
      yield* sleep(0);
      timer.cancel();
    });
    expect(failure).toBeUndefined();
  });

  test("for an error of a task that nobody retrieved", () => {
    const { failure } = run(leavesError);
    expect(leaksOf(failure)).toEqual([expect.stringMatching(/exception was never retrieved of failing\n(.|\n)*lost/)]);
    expect(failure?.error.cause).toMatchObject({ message: "lost" });
  });

  test("for an error of a callback", () => {
    const { failure } = run(function* () {
      getRunningLoop().callSoon(function explode() {
        throw new Error("in a callback");
      });
      yield* sleep(0);
    });
    expect(failure?.kind).toBe("leak");
    expect(failure?.error.cause).toMatchObject({ message: "in a callback" });
  });

  test("for several things at once, each told", () => {
    const { failure } = run(function* () {
      yield* leavesTask();
      yield* leavesTimer();
      yield* leavesError();
    });
    expect(leaksOf(failure)).toHaveLength(3);
  });

  test("in what it says its options leave out, not", () => {
    expect(run(leavesTask, { leaks: { tasks: false } }).failure).toBeUndefined();
    expect(run(leavesTimer, { leaks: { timers: false } }).failure).toBeUndefined();
    expect(run(leavesError, { leaks: { errors: false } }).failure).toBeUndefined();
    expect(run(leavesTask, { leaks: { timers: false, errors: false } }).failure?.kind).toBe("leak");
    expect(run(leavesTimer, { leaks: { tasks: false, errors: false } }).failure?.kind).toBe("leak");
    expect(run(leavesError, { leaks: { tasks: false, timers: false } }).failure?.kind).toBe("leak");
  });

  test("not if it fails in another way, which is told then", () => {
    const { failure } = run(function* () {
      yield* leavesTask();
      throw new Error("first of all");
    });
    expect(failure).toMatchObject({ kind: "error", error: { message: "first of all" } });
  });

  function* leavesTask(): Coroutine<void> {
    createTask(sleep(1_000), { name: "forgotten" });
    yield* sleep(0);
  }

  function* leavesTimer(): Coroutine<void> {
    getRunningLoop().callLater(1_000, () => {});
    yield* sleep(0);
  }

  function* leavesError(): Coroutine<void> {
    const task = createTask(
      function* (): Coroutine<void> {
        throw new Error("lost");
      },
      { name: "failing" },
    );
    yield* sleep(0);
    yield* sleep(0);
    void task;
  }
});

describe("what a run leaves behind", () => {
  test("is cancelled, and cleans up", () => {
    const log: string[] = [];
    run(function* () {
      createTask(function* (): Coroutine<void> {
        try {
          yield* sleep(1_000);
        } finally {
          yield* sleep(10);
          log.push("clean");
        }
      });
      yield* sleep(0);
    });
    expect(log).toEqual(["clean"]);
  });

  test("may hang or throw in its cleanup, which changes nothing about the failure", () => {
    for (const end of [() => new Event().wait(), () => sleep(Number.POSITIVE_INFINITY), fails]) {
      const { failure } = run(function* () {
        createTask(function* (): Coroutine<void> {
          try {
            yield* sleep(1_000);
          } finally {
            yield* end();
          }
        });
        yield* sleep(0);
        throw new Error("program");
      });
      expect(failure).toMatchObject({ kind: "error", error: { message: "program" } });
    }
    function* fails(): Coroutine<void> {
      throw new Error("cleanup");
    }
  });

  test("may refuse to end, and is given up soon", () => {
    let turns = 0;
    const { failure } = run(function* () {
      createTask(function* (): Coroutine<void> {
        for (;;) {
          turns++;
          try {
            yield* sleep(0);
          } catch {
            // not even cancellation ends it
          }
        }
      });
      yield* sleep(0);
    });
    expect(failure?.kind).toBe("leak");
    expect(turns).toBeLessThan(100_000);
  });

  test("has its context managers left, and its asynchronous generators ended", () => {
    const log: string[] = [];
    const numbers = asyncGenerator(function* () {
      try {
        yield 1;
        yield 2;
      } finally {
        log.push("generator");
      }
    });
    run(function* () {
      createTask(function* (): Coroutine<void> {
        yield* within(new ExitStack(), function* (stack) {
          stack.defer(() => void log.push("stack"));
          yield* sleep(1_000);
        });
      });
      yield* numbers().next();
      yield* sleep(0);
    });
    expect(log).toEqual(["stack", "generator"]);
  });
});

describe("the moments at which a task may be cancelled", () => {
  test("are before it starts, at each await while it waits, and once it was woken", () => {
    const moments = momentsOf("worker", function* () {
      const event = new Event();
      const worker = createTask(
        function* (): Coroutine<void> {
          // before it starts; then ready after a turn; then waiting, and woken
          yield* sleep(0);
          yield* event.wait();
        },
        { name: "worker" },
      );
      yield* sleep(0);
      yield* sleep(0);
      event.set();
      yield* worker;
    });
    expect(moments).toBe(4);
  });

  test("are two at a sleep: while it sleeps, and once its time has come", () => {
    const moments = momentsOf("worker", function* () {
      yield* createTask(sleep(10), { name: "worker" });
    });
    expect(moments).toBe(3);
  });

  test("are one at a bare yield, as at a sleep of 0", () => {
    const moments = momentsOf("worker", function* () {
      yield* createTask(
        function* (): Coroutine<void> {
          yield;
          yield;
        },
        { name: "worker" },
      );
    });
    expect(moments).toBe(3);
  });

  test("are one where what it awaits is done already", () => {
    const moments = momentsOf("worker", function* () {
      const future = new Future<void>();
      future.setResult();
      yield* createTask(
        function* (): Coroutine<void> {
          yield* future;
          yield* future;
        },
        { name: "worker" },
      );
    });
    // it never waits: only before it starts
    expect(moments).toBe(1);
  });

  test("are none once it has ended", () => {
    const { taken, failure } = run(
      function* () {
        yield* createTask(sleep(0));
        yield* sleep(10);
      },
      { cancel: true },
      "5:c2,6:c2",
    );
    expect([taken, failure]).toEqual([[], undefined]);
  });

  test("are none of the main task, unless a function says so", () => {
    expect(momentsOf("main", () => sleep(10))).toBe(0);
    expect(
      momentsOf(
        "main",
        () => sleep(10),
        () => true,
      ),
    ).toBe(3);
  });

  test("are those of the tasks that a function chooses", () => {
    const program = function* (): Coroutine<void> {
      yield* gather(createTask(sleep(0), { name: "a" }), createTask(sleep(0), { name: "b" }));
    };
    const only = (task: Task<unknown>): boolean => task.name === "b";
    expect([momentsOf("a", program, only), momentsOf("b", program, only)]).toEqual([0, 2]);
    expect([momentsOf("a", program), momentsOf("b", program)]).toEqual([2, 2]);
  });

  test("are none without the option", () => {
    expect(recorded(() => sleep(10), { cancel: false }).cancels).toEqual([]);
  });

  test("each take the cancellation there: the program sees it at its await", () => {
    // what the worker had done when it was cancelled, over all the moments
    const seen = new Set<string>();
    const program = (): Coroutine<void> => {
      let done = "nothing";
      return (function* () {
        const worker = createTask(
          function* (): Coroutine<void> {
            done = "started";
            yield* sleep(0);
            done = "turn";
            yield* sleep(10);
            done = "slept";
            yield;
            done = "all";
          },
          { name: "worker" },
        );
        yield* wait([worker]);
        seen.add(`${done} ${worker.cancelled}`);
      })();
    };
    expect(explore(program, { cancel: true }).exhaustive).toBe(true);
    expect([...seen].toSorted()).toEqual(["all false", "nothing true", "slept true", "started true", "turn true"]);
  });
});

describe("a cancellation that explore makes", () => {
  test("is no failure where it surfaces in the program", () => {
    for (const cancel of [true, () => true]) {
      const { failure } = run(
        function* () {
          yield* createTask(sleep(10));
        },
        { cancel },
        "3:c2",
      );
      expect(failure).toBeUndefined();
    }
  });

  test("is one in what the program makes of it", () => {
    const { failure, taken } = run(
      function* () {
        try {
          yield* createTask(sleep(10));
        } catch {
          throw new Error("made of it");
        }
      },
      { cancel: true },
      "3:c2",
    );
    expect(taken).toHaveLength(1);
    expect(failure).toMatchObject({ kind: "error", error: { message: "made of it" } });
  });

  test("is one in what it leaves behind", () => {
    const { failure } = run(
      function* () {
        const lock = new Lock();
        const worker = createTask(function* (): Coroutine<void> {
          const helper = createTask(sleep(1_000), { name: "helper" });
          yield* within(lock, () => sleep(10));
          helper.cancel();
          yield* wait([helper]);
        });
        yield* worker;
      },
      { cancel: true },
      "4:c2",
    );
    expect(failure?.kind).toBe("leak");
    expect(failure?.error.message).toContain("helper");
  });

  test("finds the same task in a run that records and in one that does not, whatever has ended before", () => {
    const program = function* (): Coroutine<void> {
      yield* createTask(sleep(0), { name: "short" });
      yield* gather(createTask(sleep(10), { name: "a" }), createTask(sleep(10), { name: "b" }));
    };
    const { cancels } = recorded(program, { cancel: true });
    for (const { step, task } of cancels) {
      const deviation: Deviation = { kind: "cancel", step, task };
      expect(run(program, { cancel: true }, [deviation]).taken).toEqual([deviation]);
    }
    expect(cancels.map(({ task }) => task)).toContain(3);
  });

  test("may be the next thing that its task hears of, before all else that is ready", () => {
    const log: string[] = [];
    const { taken } = run(
      function* () {
        const worker = createTask(function* (): Coroutine<void> {
          try {
            yield* new Event().wait();
          } finally {
            log.push("worker");
          }
        });
        yield* sleep(0);
        getRunningLoop().callSoon(() => log.push("callback"));
        yield* sleep(0);
        log.push("main");
        yield* wait([worker]);
      },
      { cancel: true },
      "4:c2,4:3",
    );
    expect(taken).toHaveLength(2);
    expect(log).toEqual(["worker", "callback", "main"]);
  });

  test("reaches a task that was started eagerly at its first wait, too", () => {
    const moments = momentsOf("eager", function* () {
      yield* createTask(sleep(10), { eagerStart: true, name: "eager" });
    });
    // while it sleeps, and once its time has come
    expect(moments).toBe(2);
  });

  test("leaves a group, a timeout and a lock as they were", () => {
    const program = function* (): Coroutine<void> {
      const lock = new Lock();
      yield* within(timeout(1_000), function* () {
        yield* within(new TaskGroup(), function* (group) {
          for (let i = 0; i < 3; i++) group.createTask(() => within(lock, () => sleep(1)));
        });
      });
      if (lock.locked || lock.waiting > 0) throw new Error("the lock is not free");
    };
    expect(explore(program, { cancel: true, schedules: 3_000 }).schedules).toBe(3_000);
    expect(explore(program, { cancel: () => true, schedules: 3_000 }).schedules).toBe(3_000);
  });
});

describe("slow tasks", () => {
  const program = function* (): Coroutine<number> {
    createTask(sleep(100));
    yield* sleep(0);
    const { time } = { time: () => getRunningLoop().time() };
    yield* sleep(0);
    const seen = time();
    yield* sleep(200);
    return seen;
  };

  test("let time pass up to the next timer although something is ready", () => {
    expect(run(program, { slowTasks: true }).result).toBe(0);
    const { result, taken } = run(program, { slowTasks: true }, "3:t");
    expect([result, taken]).toEqual([100, [{ kind: "time", step: 3 }]]);
  });

  test("are no matter without the option", () => {
    expect(recorded(program, { slowTasks: false }).times).toEqual([]);
    expect(run(program, { slowTasks: false }, "3:t")).toMatchObject({ result: 0, taken: [] });
  });

  test("are recorded where a timer is armed and something is ready", () => {
    expect(recorded(program, { slowTasks: true }).times).toContain(3);
    expect(recorded(() => sleep(0), { slowTasks: true }).times).toEqual([]);
    // while everything waits, time passes anyway
    expect(recorded(() => sleep(10), { slowTasks: true }).times).toEqual([]);
  });

  test("make a timeout come before what is ready", () => {
    const limited = function* (): Coroutine<string> {
      const event = new Event();
      createTask(function* (): Coroutine<void> {
        event.set();
      });
      try {
        yield* within(timeout(10), () => event.wait());
        return "in time";
      } catch {
        return "too late";
      }
    };
    const results = new Set<unknown>();
    const { exhaustive } = explore(
      function* () {
        results.add(yield* limited());
      },
      { slowTasks: true },
    );
    expect(exhaustive).toBe(true);
    expect([...results].map(String).toSorted()).toEqual(["in time", "too late"]);
    results.clear();
    explore(function* () {
      results.add(yield* limited());
    });
    expect([...results]).toEqual(["in time"]);
  });
});

function leaksOf(failure: Failure | undefined): readonly string[] {
  expect(failure?.error).toBeInstanceOf(LeakError);
  return (failure?.error as LeakError | undefined)?.leaks ?? [];
}

/** Runs a program under a schedule, the ordinary one by default. */
function run<T>(
  program: Program<T>,
  options: Partial<RunOptions> = {},
  schedule: string | Deviation[] = [],
): ScheduleRun<T> {
  const steering = new Follow(typeof schedule === "string" ? decodeSchedule(schedule) : schedule);
  const one = new ScheduleRun(program, steering, { ...DEFAULTS, ...options });
  for (const _ of one.run());
  return one;
}

function recorded(program: Program<unknown>, options: Partial<RunOptions>): Openings {
  const one = new ScheduleRun(program, new Follow([]), { ...DEFAULTS, ...options }, { record: true });
  for (const _ of one.run());
  expect(one.failure).toBeUndefined();
  return one.openings as Openings;
}

/** How many moments there are in the ordinary order at which the task of this name may be cancelled. */
function momentsOf(name: string, program: Program<unknown>, cancel: RunOptions["cancel"] = true): number {
  const { cancels } = recorded(program, { cancel });
  return cancels.filter(({ step, task, begins }) => {
    if (!begins) return false;
    let cancelled: string | undefined;
    const observer = {
      cancels: (_step: number, _time: number, one: Task<unknown>) => void (cancelled = one.name),
      runs() {},
      goesFirst() {},
      hurries() {},
      timePasses() {},
      deadlocks() {},
      ends() {},
    };
    const follow = new Follow([{ kind: "cancel", step, task }]);
    for (const _ of new ScheduleRun(program, follow, { ...DEFAULTS, cancel, leaks: {} }, { observer }).run());
    expect(cancelled).toBeDefined();
    return cancelled === name;
  }).length;
}

const DEFAULTS: RunOptions = { cancel: false, slowTasks: false, maxSteps: 10_000, leaks: {} };
