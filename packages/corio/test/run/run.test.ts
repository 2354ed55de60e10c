import { getEventListeners } from "node:events";
import {
  allTasks,
  asyncGenerator,
  ContextVar,
  copyContext,
  type Coroutine,
  createTask,
  currentTask,
  EventLoop,
  Future,
  getRunningLoop,
  ManualHost,
  run,
  sleep,
  Task,
} from "corio";
import { afterEach, describe, expect, test } from "vitest";
import { drainPromises, virtualLoop } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

describe("run", () => {
  test("takes a coroutine, a function that makes one, a promise, and a future of the loop", async () => {
    expect(await run(sleep(1, "coroutine"))).toBe("coroutine");
    expect(await run(() => sleep(1, "function"))).toBe("function");
    expect(await run(Promise.resolve("promise"))).toBe("promise");
    const { loop, host } = virtualLoop();
    const running = run(loop.createTask(sleep(1, "task")), { loopFactory: () => loop });
    while (host.step());
    expect(await running).toBe("task");
  });

  test("awaits a result that is itself a task, a future or a promise", async () => {
    expect(
      await run(function* () {
        return createTask(sleep(2, "task"));
      }),
    ).toBe("task");
    expect(
      await run(function* () {
        const future = new Future<Promise<string>>();
        getRunningLoop().callLater(1, () => future.setResult(Promise.resolve("promise of a future")));
        return future;
      }),
    ).toBe("promise of a future");
    await expect(
      run(function* () {
        return Promise.reject(new Error("of a promise"));
      }),
    ).rejects.toThrow("of a promise");
  });

  test("rejects with what main throws, be it no error at all", async () => {
    const error = new Error("main");
    await expect(
      run(function* () {
        throw error;
      }),
    ).rejects.toBe(error);
    await expect(
      run(function* () {
        throw null;
      }),
    ).rejects.toBe(null);
  });

  test("cancels the tasks that are left, waits for their cleanup, and closes the loop", async () => {
    const { loop, host } = virtualLoop();
    const seen: string[] = [];
    const running = run(
      function* () {
        for (const name of ["a", "b"]) {
          createTask(function* () {
            try {
              yield* sleep(10_000);
            } finally {
              yield* sleep(5);
              seen.push(name);
            }
          });
        }
        yield* sleep(1);
        return "main";
      },
      { loopFactory: () => loop },
    );
    while (host.step());
    expect(await running).toBe("main");
    expect([seen, loop.closed, host.now(), allTasks(loop).size]).toEqual([["a", "b"], true, 6, 0]);
  });

  test("does so also when main fails", async () => {
    const { loop, host } = virtualLoop();
    let cleaned = false;
    const running = run(
      function* () {
        createTask(function* () {
          try {
            yield* sleep(10_000);
          } finally {
            cleaned = true;
          }
        });
        yield* sleep(1);
        throw new Error("main");
      },
      { loopFactory: () => loop },
    );
    while (host.step());
    await expect(running).rejects.toThrow("main");
    expect([cleaned, loop.closed]).toEqual([true, true]);
  });

  test("ends asynchronous generators that were begun and not ended", async () => {
    let closed = false;
    await run(function* () {
      const numbers = asyncGenerator(function* () {
        try {
          for (let i = 0; ; i++) yield i;
        } finally {
          closed = true;
        }
      });
      yield* numbers().next();
    });
    expect(closed).toBe(true);
  });

  test("shuts the default executor down", async () => {
    let down = false;
    await run(function* () {
      getRunningLoop().defaultExecutor = {
        submit: () => sleep(0) as never,
        *shutdown() {
          yield* sleep(1);
          down = true;
        },
      };
    });
    expect(down).toBe(true);
  });

  test("runs main in a copy of the caller's context", async () => {
    const user = new ContextVar<string>("user", { default: "nobody" });
    const running = copyContext().run(() => {
      user.set("caller");
      return run(function* () {
        const seen = user.get();
        user.set("main");
        yield* sleep(1);
        return [seen, user.get()];
      });
    });
    expect(await running).toEqual(["caller", "main"]);
    expect(user.get()).toBe("nobody");
  });

  test("the option debug makes the loop a debug loop, or not", async () => {
    for (const debug of [true, false]) {
      expect(
        await run(
          function* () {
            return getRunningLoop().debug;
          },
          { debug },
        ),
      ).toBe(debug);
    }
  });

  test("a main function that throws before it makes a coroutine throws at the call", () => {
    const { loop } = virtualLoop();
    expect(() =>
      run(
        () => {
          throw new Error("no coroutine");
        },
        { loopFactory: () => loop },
      ),
    ).toThrow("no coroutine");
    expect(loop.running).toBe(false);
  });

  test("a loop that main stops rejects, and cleanup runs all the same", async () => {
    const { loop, host } = virtualLoop();
    let cleaned = false;
    const running = run(
      function* () {
        try {
          loop.stop();
          yield* sleep(1_000);
        } finally {
          yield* sleep(1);
          cleaned = true;
        }
      },
      { loopFactory: () => loop },
    );
    while (host.step());
    await expect(running).rejects.toMatchObject({ code: "ERR_CORIO_LOOP_STOPPED" });
    expect([cleaned, loop.closed, host.now()]).toEqual([true, true, 1]);
  });

  test("a loopFactory that throws closes main", () => {
    const coroutine = (function* (): Coroutine<void> {
      yield;
    })();
    expect(() =>
      run(coroutine, {
        loopFactory: () => {
          throw new Error("no loop");
        },
      }),
    ).toThrow("no loop");
    expect(coroutine.next().done).toBe(true);
  });

  test("a deadlock rejects after the cleanup of every task", async () => {
    const { loop, host } = virtualLoop();
    const cleaned: string[] = [];
    const running = run(
      function* () {
        createTask(function* () {
          try {
            yield* new Future<void>();
          } finally {
            yield* sleep(3);
            cleaned.push("worker");
          }
        });
        try {
          yield* new Future<void>();
        } finally {
          yield* sleep(2);
          cleaned.push("main");
        }
      },
      { loopFactory: () => loop },
    );
    while (host.step());
    await expect(running).rejects.toMatchObject({ code: "ERR_CORIO_DEADLOCK" });
    expect([cleaned, loop.closed]).toEqual([["main", "worker"], true]);
  });

  test("a task that refuses to end when the run cancels it does not hang the run for ever", async () => {
    const { loop, host } = virtualLoop();
    const running = run(
      function* () {
        createTask(function* () {
          for (;;) {
            try {
              yield* new Future<void>();
            } catch {}
          }
        });
        yield* sleep(1);
        return "main";
      },
      { loopFactory: () => loop },
    );
    while (host.step());
    expect(loop.closed).toBe(true);
    await expect(running).rejects.toMatchObject({ code: "ERR_CORIO_DEADLOCK" });
  });
});

describe("the option signal", () => {
  /** Runs main on virtual time with a signal that is aborted at so many milliseconds. */
  function runAborted<T>(main: () => Coroutine<T>, ms: number, reason: unknown = "enough") {
    const { loop, host, reports } = virtualLoop();
    const controller = new AbortController();
    const ended = run(main, { loopFactory: () => loop, signal: controller.signal }).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    loop.callAt(ms, () => controller.abort(reason));
    while (host.step());
    return ended.then((how) => ({
      ...how,
      at: host.now(),
      reports,
      listeners: getEventListeners(controller.signal, "abort").length,
    }));
  }

  test("regression: an abort cancels the task that main returned, once, and waits for its cleanup", async () => {
    const requests: unknown[] = [];
    const ended = await runAborted(function* () {
      yield* sleep(1);
      return createTask(function* () {
        try {
          yield* sleep(1_000);
        } finally {
          requests.push([currentTask().cancelling, currentTask().cancelReason]);
          yield* sleep(5);
        }
      });
    }, 50);
    expect(ended).toEqual({ error: "enough", at: 55, reports: [], listeners: 0 });
    expect(requests).toEqual([[1, "enough"]]);
  });

  test("regression: an abort cancels a future or a promise that main returned, and what a task that it returned returns", async () => {
    const never = new Promise<void>(() => {});
    const mains: (() => Coroutine<unknown>)[] = [
      function* () {
        return new Future<void>();
      },
      function* () {
        return never;
      },
      function* () {
        return createTask(function* () {
          return createTask(sleep(1_000));
        });
      },
    ];
    for (const main of mains) {
      // a timer keeps the host from being idle until the abort
      const ended = await runAborted(main, 50);
      expect(ended).toEqual({ error: "enough", at: 50, reports: [], listeners: 0 });
    }
  });

  test("an abort while main runs reaches main once, and not what main returns after it", async () => {
    const requests: number[] = [];
    const ended = await runAborted(function* () {
      try {
        yield* sleep(1_000);
      } catch {
        requests.push(currentTask().cancelling);
      }
      return createTask(function* () {
        yield* sleep(5);
        return [...requests, currentTask().cancelling];
      });
    }, 50);
    expect(ended).toEqual({ value: [1, 0], at: 55, reports: [], listeners: 0 });
  });

  test("an abort when only tasks are left that main did not return changes nothing", async () => {
    const ended = await runAborted(function* () {
      createTask(function* () {
        try {
          yield* sleep(1_000);
        } finally {
          yield* sleep(100);
        }
      });
      yield* sleep(1);
      return "main";
    }, 50);
    expect(ended).toEqual({ value: "main", at: 101, reports: [], listeners: 0 });
  });

  test("a signal that is aborted while the loop is made, or by the task factory, counts as aborted before", async () => {
    for (const where of ["loopFactory", "taskFactory"]) {
      const controller = new AbortController();
      const { loop, host } = virtualLoop();
      const abort = (at: string): void => void (at === where && controller.abort(at));
      loop.taskFactory = (_loop, coroutine, options) => {
        abort("taskFactory");
        return new Task(coroutine, { ...options, loop });
      };
      let began = false;
      const running = run(
        function* () {
          began = true;
        },
        { signal: controller.signal, loopFactory: () => (abort("loopFactory"), loop) },
      );
      while (host.step());
      await expect(running).rejects.toBe(where);
      expect(began).toBe(false);
    }
  });
});

describe("a supervisor that put a set under Symbol.for(corio.runs)", () => {
  const key = Symbol.for("corio.runs");
  const place = globalThis as { [key]?: Set<{ cancel(reason?: unknown): boolean }> };

  afterEach(() => {
    delete place[key];
  });

  test("finds each run in it while it lasts, and can cancel it", async () => {
    const runs = new Set<{ cancel(reason?: unknown): boolean }>();
    place[key] = runs;
    let cleaned = false;
    const running = run(function* () {
      try {
        yield* sleep(100_000);
      } finally {
        yield* sleep(1);
        cleaned = true;
      }
    });
    expect(runs.size).toBe(1);
    await drainPromises();
    for (const one of runs) one.cancel("supervisor");
    await expect(running).rejects.toMatchObject({ name: "CancelledError", reason: "supervisor" });
    expect([cleaned, runs.size]).toEqual([true, 0]);
  });
});

describe("the loop of a run", () => {
  test("is a new one each time, and closed afterwards", async () => {
    const loops: EventLoop[] = [];
    for (let i = 0; i < 2; i++) {
      await run(function* () {
        loops.push(getRunningLoop());
      });
    }
    expect(loops[0]).not.toBe(loops[1]);
    expect(loops.map((loop) => loop.closed)).toEqual([true, true]);
  });

  test("main is a task like any other", async () => {
    const { loop, host } = virtualLoop();
    const running = run(
      function* () {
        currentTask().cancel("by itself");
        yield* sleep(1);
      },
      { loopFactory: () => loop },
    );
    while (host.step());
    await expect(running).rejects.toMatchObject({ name: "CancelledError", reason: "by itself" });
  });

  test("a loop that is closed, or that runs, is refused at the call", () => {
    const closed = new EventLoop({ host: new ManualHost() });
    closed.close();
    expect(() => run(sleep(1), { loopFactory: () => closed })).toThrow(withCode("LOOP_CLOSED"));
  });
});
