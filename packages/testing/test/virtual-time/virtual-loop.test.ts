import { runVirtually, VirtualLoop, type VirtualLoopOptions } from "@corio/testing";
import {
  allTasks,
  asyncGenerator,
  type CancelledError,
  type Coroutine,
  createTask,
  DeadlockError,
  Event,
  type EventLoop,
  Future,
  gather,
  getRunningLoop,
  isCancelled,
  Lock,
  Queue,
  run,
  sleep,
  timeout,
  TimeoutError,
  until,
  waitFor,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { reportsOf } from "./reports-of.js";
import { thrownBy } from "./thrown-by.js";

function* fail(message: string): Coroutine<never> {
  throw new Error(message);
}

const DAY = 24 * 60 * 60 * 1_000;

function now(): number {
  return getRunningLoop().time();
}

describe("time", () => {
  test("stands at 0 at first, or where it is told to", () => {
    expect(new VirtualLoop().time()).toBe(0);
    expect(new VirtualLoop({ startTime: -1.5 }).time()).toBe(-1.5);
    expect(runVirtually(() => sleep(10, "slept"), { startTime: 1_000 })).toBe("slept");
    expect(
      runVirtually(
        function* () {
          yield* sleep(10);
          return now();
        },
        { startTime: 1_000 },
      ),
    ).toBe(1_010);
  });

  test("a day of sleeping lasts exactly a day", () => {
    const lasted = runVirtually(function* () {
      for (let second = 0; second < DAY / 1_000; second++) yield* sleep(1_000);
      return now();
    });
    expect(lasted).toBe(DAY);
  });

  test("steps of a fraction sum up as numbers do, with nothing added", () => {
    let sum = 0;
    const lasted = runVirtually(function* () {
      for (let i = 0; i < 1_000; i++) {
        yield* sleep(0.1);
        sum += 0.1;
        expect(now()).toBe(sum);
      }
      return now();
    });
    expect(lasted).toBe(sum);
  });

  test("callbacks and sleeps that are due at the same time run in the order in which they were set", () => {
    const order: string[] = [];
    runVirtually(function* () {
      const loop = getRunningLoop();
      function* sleeper(name: string, ms: number): Coroutine<void> {
        yield* sleep(ms);
        order.push(`${name} at ${now()}`);
      }
      loop.callLater(10, () => order.push("first"));
      const tasks = [createTask(sleeper("second", 10))];
      yield* sleep(0);
      loop.callAt(10, () => order.push("third"));
      tasks.push(createTask(sleeper("fourth", 10)), createTask(sleeper("early", 9.999)));
      yield* gather(tasks);
    });
    expect(order).toEqual(["early at 9.999", "first", "third", "second at 10", "fourth at 10"]);
  });

  test("stands still while anything can run, however long that takes", () => {
    const times = runVirtually(function* () {
      const timer = createTask(sleep(1));
      const start = now();
      for (let i = 0; i < 50_000; i++) yield* sleep(0);
      const end = now();
      yield* timer;
      return [start, end, now()];
    });
    expect(times).toEqual([0, 0, 1]);
  });

  test("a timeout ends what would take for ever at its very millisecond", () => {
    const [error, at] = runVirtually(function* () {
      try {
        yield* waitFor(sleep(Number.POSITIVE_INFINITY), 5_000);
      } catch (error) {
        return [error, now()];
      }
      return [];
    });
    expect(error).toBeInstanceOf(TimeoutError);
    expect(at).toBe(5_000);
  });

  test("goes beyond what timers of a process can take", () => {
    const far = 2 ** 31 * 1_000;
    expect(
      runVirtually(function* () {
        yield* sleep(far);
        return now();
      }),
    ).toBe(far);
  });

  test("goes on from run to run, and not between them", () => {
    using virtual = new VirtualLoop();
    virtual.runUntilComplete(sleep(5));
    expect(virtual.time()).toBe(5);
    virtual.runUntilComplete(sleep(7));
    expect(virtual.time()).toBe(12);
  });
});

describe("a run", () => {
  test("returns what main returned, main being a coroutine, a function that makes it, a task, a future", () => {
    using virtual = new VirtualLoop();
    function* main(): Coroutine<string> {
      yield* sleep(1);
      return "result";
    }
    expect(virtual.runUntilComplete(main)).toBe("result");
    expect(virtual.runUntilComplete(main())).toBe("result");
    expect(virtual.runUntilComplete(virtual.loop.createTask(main))).toBe("result");
    const future = virtual.loop.createFuture<string>();
    virtual.loop.callLater(3, () => future.setResult("set"));
    expect(virtual.runUntilComplete(future)).toBe("set");
  });

  test("awaits what main returned if that is a future or a task", () => {
    const result: string = runVirtually(function* () {
      yield* sleep(1);
      return createTask(sleep(5, "from the task"));
    });
    expect(result).toBe("from the task");
  });

  test("throws what main threw, the same object", () => {
    const error = new Error("main has failed");
    expect(
      thrownBy(() =>
        runVirtually(function* (): Coroutine<void> {
          yield* sleep(1);
          throw error;
        }),
      ),
    ).toBe(error);
  });

  test("throws a CancelledError where main was cancelled", () => {
    using virtual = new VirtualLoop();
    const task = virtual.loop.createTask(sleep(10));
    virtual.loop.callLater(1, () => task.cancel("enough"));
    const error = thrownBy(() => virtual.runUntilComplete(task));
    expect(isCancelled(error)).toBe(true);
    expect((error as CancelledError).reason).toBe("enough");
    expect(virtual.time()).toBe(1);
  });

  test("ends when main does: tasks that are left go on in the next run", () => {
    using virtual = new VirtualLoop();
    const log: string[] = [];
    function* background(): Coroutine<void> {
      for (let i = 1; ; i++) {
        yield* sleep(10);
        log.push(`${i} at ${now()}`);
      }
    }
    virtual.runUntilComplete(function* () {
      createTask(background);
      yield* sleep(25);
    });
    expect(log).toEqual(["1 at 10", "2 at 20"]);
    virtual.runUntilComplete(sleep(10));
    expect(log).toEqual(["1 at 10", "2 at 20", "3 at 30"]);
  });

  test("runs in debug mode on request only, whatever the environment has", () => {
    const debug = (options: VirtualLoopOptions): boolean =>
      runVirtually(function* () {
        return getRunningLoop().debug;
      }, options);
    expect(debug({ debug: true })).toBe(true);
    expect(debug({ debug: false })).toBe(false);
  });

  test("tells errors of callbacks to the exception handler, and goes on", () => {
    using virtual = new VirtualLoop();
    const reports = reportsOf(virtual.loop);
    virtual.loop.callLater(1, function onTick() {
      throw new Error("in a callback");
    });
    expect(virtual.runUntilComplete(sleep(5, "slept"))).toBe("slept");
    expect(reports).toEqual(["Exception in callback onTick: Error: in a callback"]);
  });
});

describe("a deadlock", () => {
  test("is found at once, at its own time, with every task and who holds what it waits for", () => {
    using virtual = new VirtualLoop();
    const error = thrownBy(() =>
      virtual.runUntilComplete(function* () {
        const [a, b] = [new Lock(), new Lock()];
        function* both(first: Lock, second: Lock): Coroutine<void> {
          yield* first.acquire();
          yield* sleep(10);
          yield* second.acquire();
        }
        yield* gather(createTask(both(a, b), { name: "left" }), createTask(both(b, a), { name: "right" }));
      }),
    );
    expect(error).toBeInstanceOf(DeadlockError);
    expect((error as Error).message).toContain("left waits for Lock, held by right");
    expect((error as Error).message).toContain("right waits for Lock, held by left");
    expect((error as Error).message).toContain("left and right wait for each other");
    expect(virtual.time()).toBe(10);
  });

  test("is found however many tasks sleep for ever", () => {
    const ages = (): Coroutine<void> => sleep(Number.POSITIVE_INFINITY);
    function* main(): Coroutine<void> {
      yield* gather(ages(), ages(), ages());
    }
    expect(() => runVirtually(main)).toThrow(DeadlockError);
  });

  test("is none while a timer could still wake a task", () => {
    expect(
      runVirtually(function* () {
        const event = new Event();
        getRunningLoop().callLater(DAY, () => event.set());
        yield* event.wait();
        return now();
      }),
    ).toBe(DAY);
  });

  test("lets main clean up, with time for it", () => {
    using virtual = new VirtualLoop();
    const log: string[] = [];
    expect(() =>
      virtual.runUntilComplete(function* () {
        try {
          yield* new Queue().get();
        } finally {
          yield* sleep(100);
          log.push(`cleaned up at ${now()}`);
        }
      }),
    ).toThrow(DeadlockError);
    expect(log).toEqual(["cleaned up at 100"]);
  });

  test("in the cleanup after a deadlock ends the run all the same; closing ends what is left", () => {
    const virtual = new VirtualLoop();
    const log: string[] = [];
    expect(() =>
      virtual.runUntilComplete(function* () {
        try {
          yield* new Future();
        } finally {
          try {
            yield* new Future();
          } finally {
            log.push("inner finally");
          }
        }
      }),
    ).toThrow(DeadlockError);
    expect(log).toEqual([]);
    virtual.close();
    expect(log).toEqual(["inner finally"]);
  });

  test("that main survives is none: the run returns what main returns", () => {
    expect(
      runVirtually(function* () {
        try {
          yield* new Future();
        } catch (error) {
          return (error as CancelledError).reason;
        }
        return undefined;
      }),
    ).toBeInstanceOf(DeadlockError);
  });
});

describe("what never ends", () => {
  test("is given up after some real time, with its tasks in the report", () => {
    const virtual = new VirtualLoop({ realTimeout: 20 });
    const log: string[] = [];
    function* endless(): Coroutine<never> {
      try {
        for (;;) yield* sleep(0);
      } finally {
        log.push("cleaned up");
      }
    }
    const error = thrownBy(() => virtual.runUntilComplete(virtual.loop.createTask(endless, { name: "spinner" })));
    expect(error).toMatchObject({ code: "ERR_CORIO_REAL_TIMEOUT" });
    expect((error as Error).message).toMatch(/has not ended after 20 ms of real time; its clock stands at 0 ms/);
    expect((error as Error).message).toContain("spinner is ready");
    expect(log).toEqual([]);
    virtual.close();
    expect(log).toEqual(["cleaned up"]);
  });

  test("is given up while its clock goes on, too", () => {
    const virtual = new VirtualLoop({ realTimeout: 20 });
    const error = thrownBy(() =>
      virtual.runUntilComplete(function* (): Coroutine<never> {
        for (;;) yield* sleep(1_000);
      }),
    );
    expect(error).toMatchObject({ code: "ERR_CORIO_REAL_TIMEOUT" });
    expect(virtual.time()).toBeGreaterThan(1_000);
    virtual.close();
  });

  test("is stopped by close() even if it takes no notice of its cancellation", () => {
    const virtual = new VirtualLoop({ realTimeout: 20 });
    const reports = reportsOf(virtual.loop);
    virtual.start(function* (): Coroutine<never> {
      for (;;) {
        try {
          for (;;) yield* sleep(0);
        } catch {
          // which it ought not to do
        }
      }
    });
    expect(thrownBy(() => virtual.advance(0))).toMatchObject({ code: "ERR_CORIO_REAL_TIMEOUT" });
    expect(thrownBy(() => virtual.close())).toMatchObject({ code: "ERR_CORIO_REAL_TIMEOUT" });
    expect([virtual.loop.closed, virtual.loop.running]).toEqual([true, false]);
    expect(reports).toEqual([]);
  });
});

describe("what is real does not happen in a synchronous run", () => {
  const remedy = /nothing real happens while a synchronous run lasts: write `await virtual\.run\(main\)`/;

  test.each([
    ["a promise", () => until(Promise.resolve(1))],
    ["a function of a signal", () => until(() => Promise.resolve(1))],
    ["a promise among others", () => gather(until(Promise.resolve(1)), sleep(5))],
    ["a promise with a name of its own", () => waitFor(Promise.resolve(1), Number.POSITIVE_INFINITY)],
  ])("a task that waits for %s is told so, where a deadlock would be found", (_what, wait) => {
    const error = thrownBy(() =>
      runVirtually(function* (): Coroutine<void> {
        yield* wait() as Coroutine<unknown>;
      }),
    );
    expect(error).toMatchObject({ code: "ERR_CORIO_REAL_WAIT" });
    expect((error as Error).message).toMatch(/^Task-\d+ waits for a promise, and nothing real|^Task-\d+ waits for/);
    expect((error as Error).message).toMatch(remedy);
  });

  test("so is a background task, while main waits for it", () => {
    function* loader(): Coroutine<number> {
      return yield* until(Promise.resolve(1));
    }
    function* main(): Coroutine<void> {
      yield* gather(createTask(loader, { name: "loader" }), sleep(5));
    }
    expect(() => runVirtually(main)).toThrow(/^loader waits for a promise, and nothing real/);
  });

  test("main may be no promise, and may return none", async () => {
    expect(() => runVirtually(Promise.resolve(1))).toThrow(/^main is a promise, and nothing real/);
    const asynchronous = (() => Promise.resolve(1)) as unknown as () => Coroutine<number>;
    expect(() => runVirtually(asynchronous)).toThrow(/^main is a promise, and nothing real/);
    expect(() =>
      runVirtually(function* () {
        return Promise.resolve(1);
      }),
    ).toThrow(/^main has returned a promise/);
  });

  test("a loop that is held is told so, and no deadlock is found", () => {
    const virtual = new VirtualLoop();
    const error = thrownBy(() =>
      virtual.runUntilComplete(function* () {
        using _ = getRunningLoop().hold();
        yield* new Future();
      }),
    );
    expect(error).toMatchObject({ code: "ERR_CORIO_REAL_WAIT" });
    expect((error as Error).message).toMatch(/^the loop is held for something outside/);
    expect((error as Error).message).toMatch(remedy);
    virtual.close();
  });

  test("held for longer than main takes, it ends all the same; letting go twice counts once", () => {
    using virtual = new VirtualLoop();
    const [one, two] = [virtual.loop.hold(), virtual.loop.hold()];
    one[Symbol.dispose]();
    one[Symbol.dispose]();
    expect(() => virtual.runUntilComplete(new Future({ loop: virtual.loop }))).toThrow(/the loop is held/);
    two[Symbol.dispose]();
    expect(() => virtual.runUntilComplete(new Future({ loop: virtual.loop }))).toThrow(DeadlockError);
  });

  test("no time passes while a task waits for a promise, so that no time limit is over for want of it", () => {
    using virtual = new VirtualLoop();
    expect(() => virtual.runUntilComplete(() => waitFor(Promise.resolve(1), 10))).toThrow(remedy);
    expect(virtual.time()).toBe(0);
  });

  test("a task that waits for a promise is found among thousands, at the latest after a while", () => {
    using virtual = new VirtualLoop();
    function* main(): Coroutine<void> {
      for (let i = 0; i < 5_000; i++) createTask(sleep(DAY));
      createTask(waitFor(Promise.resolve(1), DAY), { name: "loader" });
      for (let i = 0; i < 1_000; i++) yield* sleep(1);
    }
    expect(() => virtual.runUntilComplete(main)).toThrow(/^loader waits for a promise/);
    expect(virtual.time()).toBeLessThan(1_000);
  });

  test("main cleans up before the error comes out, and may take it for its own", () => {
    const log: string[] = [];
    expect(() =>
      runVirtually(function* () {
        try {
          yield* until(new Promise(() => {}));
        } finally {
          yield* sleep(10);
          log.push(`cleaned up at ${now()}`);
        }
      }),
    ).toThrow(remedy);
    expect(log).toEqual(["cleaned up at 10"]);
    const own = runVirtually(function* () {
      try {
        yield* until(new Promise(() => {}));
      } catch (error) {
        return (error as CancelledError).reason;
      }
      return undefined;
    });
    expect(own).toMatchObject({ code: "ERR_CORIO_REAL_WAIT" });
  });

  test("main may fail in its cleanup, or wait for a promise again", () => {
    const failure = new Error("in the cleanup");
    function main(cleanup: () => unknown): () => Coroutine<void> {
      return function* () {
        try {
          yield* until(new Promise(() => {}));
        } finally {
          yield* cleanup() as Coroutine<void>;
        }
      };
    }
    expect(
      thrownBy(() =>
        runVirtually(
          main(() => {
            throw failure;
          }),
        ),
      ),
    ).toBe(failure);
    expect(() => runVirtually(main(() => until(new Promise(() => {}))))).toThrow(remedy);
  });
});

describe("advance", () => {
  test("runs what becomes due meanwhile, each at its own time, and comes to stand where it was told", () => {
    using virtual = new VirtualLoop();
    const log: string[] = [];
    const main = virtual.start(function* () {
      for (const ms of [10, 20, 30]) {
        yield* sleep(ms);
        log.push(`slept ${ms} at ${now()}`);
      }
      return "done";
    });
    expect([log, virtual.time()]).toEqual([[], 0]);
    virtual.advance(9.5);
    expect([log, virtual.time()]).toEqual([[], 9.5]);
    virtual.advance(0.5);
    expect([log, virtual.time()]).toEqual([["slept 10 at 10"], 10]);
    virtual.advance(100);
    expect(log).toEqual(["slept 10 at 10", "slept 20 at 30", "slept 30 at 60"]);
    expect([main.result(), virtual.time()]).toEqual(["done", 110]);
  });

  test("by 0 runs what is ready, and what that makes ready", () => {
    using virtual = new VirtualLoop();
    const log: string[] = [];
    virtual.start(function* () {
      for (let i = 0; i < 3; i++) yield* sleep(0);
      log.push("ready");
      yield* sleep(1);
      log.push("too late");
    });
    virtual.advance(0);
    expect([log, virtual.time()]).toEqual([["ready"], 0]);
  });

  test("in small steps comes to the same times as in one, without sums that are off", () => {
    using virtual = new VirtualLoop({ startTime: 0.7 });
    const task = virtual.start(sleep(0.2));
    virtual.advance(0.1);
    expect(virtual.time()).toBe(0.7 + 0.1);
    virtual.advance(0.2);
    expect([virtual.time(), task.done]).toEqual([0.7 + 0.1 + 0.2, true]);
  });

  test("lets two loops have times of their own", () => {
    using one = new VirtualLoop();
    using two = new VirtualLoop({ startTime: 100 });
    const [first, second] = [one.start(sleep(10)), two.start(sleep(10))];
    one.advance(10);
    expect([first.done, second.done, one.time(), two.time()]).toEqual([true, false, 10, 100]);
    two.advance(10);
    expect([first.done, second.done, one.time(), two.time()]).toEqual([true, true, 10, 110]);
  });

  test("finds no deadlock: whoever stands outside may still wake a task", () => {
    using virtual = new VirtualLoop();
    const event = new Event();
    const main = virtual.start(event.wait());
    virtual.advance(DAY);
    expect(main.done).toBe(false);
    event.set();
    virtual.advance(0);
    expect(main.done).toBe(true);
  });

  test("passes time also where no loop has been started", () => {
    using virtual = new VirtualLoop();
    virtual.advance(5);
    expect(virtual.time()).toBe(5);
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, "5", undefined])("by %s is refused", (ms) => {
    using virtual = new VirtualLoop();
    const error = thrownBy(() => virtual.advance(ms as number));
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ code: "ERR_CORIO_ADVANCE" });
    expect(virtual.time()).toBe(0);
  });

  test("is refused inside a loop, with the remedy", () => {
    using virtual = new VirtualLoop();
    const error = virtual.runUntilComplete(function* () {
      return thrownBy(() => virtual.advance(5));
    });
    expect(error).toMatchObject({ code: "ERR_CORIO_INSIDE_LOOP" });
    expect((error as Error).message).toContain("yield* sleep(ms)");
    expect(virtual.time()).toBe(0);
  });

  test("gives up after the real time that is allowed", () => {
    using virtual = new VirtualLoop({ realTimeout: 20 });
    virtual.start(function* (): Coroutine<never> {
      for (;;) yield* sleep(0);
    });
    expect(thrownBy(() => virtual.advance(1))).toMatchObject({ code: "ERR_CORIO_REAL_TIMEOUT" });
  });
});

describe("close", () => {
  test("cancels the tasks that are left, lets them clean up in their own time, and closes the loop", () => {
    const log: string[] = [];
    const virtual = new VirtualLoop();
    virtual.runUntilComplete(function* () {
      createTask(function* () {
        try {
          yield* new Future();
        } finally {
          yield* sleep(50);
          log.push(`cleaned up at ${now()}`);
        }
      });
      yield* sleep(5);
    });
    virtual.close();
    expect([log, virtual.loop.closed, allTasks(virtual.loop).size]).toEqual([["cleaned up at 55"], true, 0]);
  });

  test("ends what start() began", () => {
    const log: string[] = [];
    {
      using virtual = new VirtualLoop();
      virtual.start(function* () {
        createTask(function* () {
          try {
            yield* new Future();
          } finally {
            log.push("child");
          }
        });
        try {
          yield* sleep(DAY);
        } finally {
          yield* sleep(3);
          log.push(`main at ${now()}`);
        }
      });
      virtual.advance(10);
    }
    expect(log).toEqual(["main at 13", "child"]);
  });

  test("closes what start() began and nothing has run: it never begins", () => {
    const virtual = new VirtualLoop();
    const reports = reportsOf(virtual.loop);
    let begun = false;
    const main = virtual.start(function* () {
      begun = true;
      yield* sleep(1);
    });
    virtual.close();
    expect([begun, main.cancelled, reports]).toEqual([false, true, []]);
  });

  test("ends asynchronous generators that were begun", () => {
    const log: string[] = [];
    runVirtually(function* () {
      const numbers = asyncGenerator(function* () {
        try {
          yield 1;
        } finally {
          yield* sleep(1);
          log.push("generator ended");
        }
      })();
      yield* numbers.next();
    });
    expect(log).toEqual(["generator ended"]);
  });

  test("reports errors that nobody retrieved, and what tasks that were left throw", () => {
    const virtual = new VirtualLoop();
    const reports = reportsOf(virtual.loop);
    virtual.runUntilComplete(function* () {
      createTask(
        function* () {
          yield* sleep(1);
          throw new Error("nobody has seen me");
        },
        { name: "early" },
      );
      createTask(
        function* () {
          try {
            yield* new Future();
          } finally {
            yield* fail("in my cleanup");
          }
        },
        { name: "late" },
      );
      yield* sleep(5);
    });
    expect(reports).toEqual([]);
    virtual.close();
    expect(reports.toSorted()).toEqual([
      expect.stringMatching(/never retrieved.*in my cleanup/),
      expect.stringMatching(/never retrieved.*nobody has seen me/),
    ]);
  });

  test("does nothing the second time, and nothing runs any more afterwards", () => {
    const virtual = new VirtualLoop();
    virtual.close();
    virtual.close();
    expect(() => virtual.runUntilComplete(sleep(1))).toThrow(/closed/);
  });

  test("throws what ran into a deadlock while it cleaned up, and is closed all the same", () => {
    const virtual = new VirtualLoop();
    const reports = reportsOf(virtual.loop);
    virtual.runUntilComplete(function* () {
      createTask(function* () {
        try {
          yield* new Future();
        } finally {
          yield* new Future();
        }
      });
      yield* sleep(1);
    });
    expect(() => virtual.close()).toThrow(DeadlockError);
    expect([virtual.loop.closed, reports]).toEqual([true, []]);
  });

  test("tells to close with promises where a cleanup waits for one", () => {
    const virtual = new VirtualLoop();
    virtual.runUntilComplete(function* () {
      createTask(function* () {
        try {
          yield* new Future();
        } finally {
          yield* until(Promise.resolve());
        }
      });
      yield* sleep(1);
    });
    const error = thrownBy(() => virtual.close());
    expect(error).toMatchObject({ code: "ERR_CORIO_REAL_WAIT" });
    expect((error as Error).message).toContain("await using virtual = new VirtualLoop()");
    expect(virtual.loop.closed).toBe(true);
  });

  test("is refused inside of a run, which goes on", () => {
    const virtual = new VirtualLoop();
    const result = virtual.runUntilComplete(function* () {
      const error = thrownBy(() => virtual.close());
      yield* sleep(1);
      return error;
    });
    expect(result).toMatchObject({ code: "ERR_CORIO_INSIDE_LOOP" });
    virtual.close();
  });

  test("stops a loop that somebody started for ever", async () => {
    const virtual = new VirtualLoop();
    const stopped = virtual.loop.runForever();
    virtual.advance(10);
    virtual.close();
    await stopped;
    expect(virtual.loop.closed).toBe(true);
  });
});

describe("runVirtually", () => {
  test("has closed its loop when it returns, and when it throws", () => {
    const log: string[] = [];
    let loop: EventLoop | undefined;
    function* main(fails: boolean): Coroutine<string> {
      loop = getRunningLoop();
      createTask(function* () {
        try {
          yield* new Future();
        } finally {
          log.push("cleaned up");
        }
      });
      yield* sleep(1);
      if (fails) throw new Error("main has failed");
      return "done";
    }
    expect(runVirtually(() => main(false))).toBe("done");
    expect([log, loop?.closed]).toEqual([["cleaned up"], true]);
    expect(() => runVirtually(() => main(true))).toThrow("main has failed");
    expect([log, loop?.closed]).toEqual([["cleaned up", "cleaned up"], true]);
  });

  test("throws the error of main where the tasks that are left do not end either, and reports that", () => {
    const reports: string[] = [];
    expect(() =>
      runVirtually(function* () {
        getRunningLoop().exceptionHandler = (_loop, { message, exception }) =>
          void reports.push(`${message}: ${(exception as Error).name}`);
        createTask(function* () {
          try {
            yield* new Future();
          } finally {
            yield* new Future();
          }
        });
        yield* sleep(1);
        throw new Error("main has failed");
      }),
    ).toThrow("main has failed");
    expect(reports).toEqual(["The tasks that a failed run left did not end: DeadlockError"]);
  });

  test("is refused inside a running loop; the coroutine is closed", async () => {
    const error = await run(function* () {
      return thrownBy(() => runVirtually(sleep(1)));
    });
    expect(error).toMatchObject({ code: "ERR_CORIO_INSIDE_LOOP" });
  });
});

describe("chaos", () => {
  function* order(): Coroutine<string> {
    const order: number[] = [];
    function* worker(i: number): Coroutine<void> {
      yield* sleep(1);
      order.push(i);
    }
    yield* gather(Array.from({ length: 8 }, (_, i) => worker(i)));
    return order.join("");
  }

  test("shuffled by a seed, tasks run in an order of its own, the same each time", () => {
    expect(runVirtually(order)).toBe("01234567");
    const orders = Array.from({ length: 20 }, (_, seed) => runVirtually(order, { shuffle: seed }));
    expect(new Set(orders).size).toBeGreaterThan(10);
    expect(Array.from({ length: 20 }, (_, seed) => runVirtually(order, { shuffle: seed }))).toEqual(orders);
  });

  test("shuffled without a seed, the loop tells which one it took, and that repeats it", () => {
    using virtual = new VirtualLoop({ shuffle: true });
    const shuffled = virtual.runUntilComplete(order);
    expect(runVirtually(order, { shuffle: virtual.seed })).toBe(shuffled);
    expect(new VirtualLoop({ shuffle: 5 }).seed).toBe(5);
    expect([new VirtualLoop().seed, new VirtualLoop({ shuffle: false }).seed]).toEqual([undefined, undefined]);
  });

  test("a run that fails in an order of its own choice reports the seed", () => {
    const warnings: string[] = [];
    function* failing(): Coroutine<never> {
      getRunningLoop().reporter = { error: () => {}, warn: (message) => void warnings.push(message) };
      yield* sleep(1);
      throw new Error("it failed");
    }
    expect(() => runVirtually(failing, { shuffle: true })).toThrow("it failed");
    expect(warnings).toEqual([
      expect.stringMatching(/^the order that failed was shuffled: `\{ shuffle: \d+ \}` repeats it$/),
    ]);
    expect(() => runVirtually(failing, { shuffle: 3 })).toThrow("it failed");
    expect(() => runVirtually(failing)).toThrow("it failed");
    expect(warnings).toHaveLength(1);
  });

  test("times are exact in every order, and so is a deadlock", () => {
    for (let seed = 0; seed < 20; seed++) {
      expect(
        runVirtually(
          function* () {
            yield* gather(sleep(30), sleep(10), sleep(20));
            return now();
          },
          { shuffle: seed, lateCancellation: seed % 2 === 0 },
        ),
      ).toBe(30);
      expect(() => runVirtually(new Event().wait(), { shuffle: seed, lateCancellation: true })).toThrow(DeadlockError);
    }
  });

  test("cancellations arrive after all else that is ready, on request", () => {
    function* who(): Coroutine<string[]> {
      const log: string[] = [];
      const waiting = createTask(function* () {
        try {
          yield* new Future();
        } finally {
          log.push("cancelled");
        }
      });
      yield* sleep(0);
      waiting.cancel();
      createTask(function* () {
        log.push("other");
      });
      yield* sleep(1);
      return log;
    }
    expect(runVirtually(who)).toEqual(["cancelled", "other"]);
    expect(runVirtually(who, { lateCancellation: true })).toEqual(["other", "cancelled"]);
  });
});

describe("misuse", () => {
  test.each([
    { startTime: Number.NaN },
    { startTime: Number.POSITIVE_INFINITY },
    { startTime: "0" as unknown as number },
    { realTimeout: Number.NaN },
    { realTimeout: -1 },
    { realTimeout: "5" as unknown as number },
  ])("the option %o is refused", (options) => {
    expect(thrownBy(() => new VirtualLoop(options))).toMatchObject({ code: "ERR_CORIO_VIRTUAL_LOOP" });
  });

  test.each([undefined, null, 5, "main", {}, () => 5])("what is no awaitable is refused: %s", async (main) => {
    await using virtual = new VirtualLoop();
    for (const start of [
      () => virtual.runUntilComplete(main as never),
      () => virtual.start(main as never),
      () => virtual.run(main as never),
      () => runVirtually(main as never),
    ]) {
      expect(thrownBy(start)).toBeInstanceOf(TypeError);
    }
    expect(virtual.runUntilComplete(sleep(1, "still works"))).toBe("still works");
  });

  test("a second run while one is under way is refused, and the first one goes on", () => {
    using virtual = new VirtualLoop();
    const main = virtual.start(sleep(10, "first"));
    expect(() => virtual.runUntilComplete(sleep(1))).toThrow(/already running/);
    expect(() => virtual.start(sleep(1))).toThrow(/already running/);
    expect(() => virtual.run(sleep(1))).toThrow(/already running/);
    virtual.advance(10);
    expect(main.result()).toBe("first");
  });

  test("a run inside a running loop is refused at once, on whatever loop, and its coroutine closed", async () => {
    using virtual = new VirtualLoop();
    let begun = false;
    function* main(): Coroutine<void> {
      begun = true;
      yield* sleep(1);
    }
    await run(function* () {
      expect(() => virtual.runUntilComplete(main())).toThrow(/while another loop is running/);
      expect(() => virtual.run(main())).toThrow(/while another loop is running/);
      expect(() => virtual.start(main())).toThrow(/while another loop is running/);
    });
    virtual.runUntilComplete(function* () {
      expect(() => virtual.runUntilComplete(main())).toThrow(/already running/);
      expect(() => runVirtually(main)).toThrow(/while another loop is running/);
      yield* sleep(0);
    });
    expect(begun).toBe(false);
  });

  test("a future of another loop is refused", () => {
    using virtual = new VirtualLoop();
    using other = new VirtualLoop();
    const future = other.loop.createFuture<void>();
    expect(thrownBy(() => virtual.runUntilComplete(future))).toBeInstanceOf(RangeError);
  });
});

test("a timeout within a context manager works on virtual time", () => {
  expect(() => runVirtually(() => within(timeout(10), () => sleep(DAY)))).toThrow(TimeoutError);
});
