import { getEventListeners, setMaxListeners } from "node:events";
import {
  type AbortSignalLike,
  CancelledError,
  createTask,
  currentTask,
  Future,
  getRunningLoop,
  isCancelled,
  run,
  sleep,
  type Task,
  until,
} from "corio";
import { describe, expect, test } from "vitest";
import { drainPromises, runVirtually, runVirtuallyWithPromises, virtualLoop } from "../support/virtual-loop.js";

describe("task.cancel", () => {
  test("throws at the await, runs catch and finally, and ends the task as cancelled", () => {
    const { result } = runVirtually(function* () {
      const seen: unknown[] = [];
      const task = createTask(function* () {
        try {
          yield* sleep(1_000);
        } catch (error) {
          seen.push(error);
          throw error;
        } finally {
          yield* sleep(5);
          seen.push("cleaned up");
        }
      });
      yield* sleep(1);
      expect(task.cancel("why")).toBe(true);
      expect([task.done, task.cancelling]).toEqual([false, 1]);
      try {
        yield* task;
      } catch (error) {
        seen.push(error);
      }
      return { seen, task, time: getRunningLoop().time() };
    });
    const [thrown, cleaned, received] = result.seen;
    expect(thrown).toBeInstanceOf(CancelledError);
    expect((thrown as CancelledError).reason).toBe("why");
    expect([cleaned, received]).toEqual(["cleaned up", thrown]);
    expect([result.task.cancelled, result.task.cancelReason, result.time]).toEqual([true, "why", 6]);
    expect(result.task.cancel()).toBe(false);
  });

  test("before the start, the coroutine never begins", () => {
    let began = false;
    const { result } = runVirtually(function* () {
      const task = createTask(function* () {
        began = true;
        yield* sleep(1);
      });
      task.cancel("early");
      expect([task.cancelPending, task.done]).toEqual([true, false]);
      yield;
      return [task.cancelled, task.cancelReason];
    });
    expect(began).toBe(false);
    expect(result).toEqual([true, "early"]);
  });

  test("reaches through a chain of tasks that wait for each other", () => {
    const { result } = runVirtually(function* () {
      const seen: string[] = [];
      const make = (name: string, inner?: Task<void>): Task<void> =>
        createTask(function* () {
          try {
            yield* inner ?? sleep(1_000);
          } catch (error) {
            seen.push(`${name} ${(error as CancelledError).reason as string}`);
            throw error;
          }
        });
      const innermost = make("innermost");
      const middle = make("middle", innermost);
      const outer = make("outer", middle);
      yield* sleep(1);
      outer.cancel("all of you");
      try {
        yield* outer;
      } catch (error) {
        if (!isCancelled(error)) throw error;
      }
      return [...seen, innermost.cancelled, middle.cancelled, outer.cancelled, getRunningLoop().time()];
    });
    expect(result).toEqual(["innermost all of you", "middle all of you", "outer all of you", true, true, true, 1]);
  });

  test("keeps the reason raw: none, an empty text, null and objects differ", () => {
    const reasons = [undefined, "", "text", null, 0, { code: 1 }, new Error("reason")];
    const { result } = runVirtually(function* () {
      const seen: unknown[] = [];
      for (const reason of reasons) {
        const task = createTask(sleep(1_000));
        yield;
        task.cancel(reason);
        try {
          yield* task;
        } catch (error) {
          seen.push((error as CancelledError).reason);
        }
        expect(task.cancelReason).toBe(reason);
      }
      return seen;
    });
    result.forEach((reason, i) => expect(reason).toBe(reasons[i]));
    expect(result).toHaveLength(reasons.length);
  });

  test("that is swallowed leaves the task running, and its result counts", () => {
    const { result } = runVirtually(function* () {
      const task = createTask(function* () {
        try {
          yield* sleep(1_000);
        } catch {
          yield* sleep(1);
        }
        return "went on";
      });
      yield* sleep(1);
      task.cancel();
      return [yield* task, task.cancelled, task.cancelling];
    });
    expect(result).toEqual(["went on", false, 1]);
  });

  test("twice before the task runs is one CancelledError with the latest reason, and two requests", () => {
    const { result } = runVirtually(function* () {
      const seen: unknown[] = [];
      const task = createTask(function* () {
        for (;;) {
          try {
            yield* sleep(1_000);
            return "slept";
          } catch (error) {
            seen.push((error as CancelledError).reason);
          }
        }
      });
      yield* sleep(1);
      task.cancel("first");
      task.cancel("second");
      return [yield* task, task.cancelling, ...seen];
    });
    expect(result[0]).toBe("slept");
    expect(result[1]).toBe(2);
    expect(result.slice(2)).toEqual(["second"]);
  });

  test("twice in a row is two CancelledErrors", () => {
    const { result } = runVirtually(function* () {
      const seen: unknown[] = [];
      const task = createTask(function* () {
        for (let i = 0; i < 3; i++) {
          try {
            yield* sleep(1_000);
          } catch (error) {
            seen.push((error as CancelledError).reason);
          }
        }
      });
      for (const reason of ["first", "second"]) {
        yield* sleep(1);
        task.cancel(reason);
      }
      yield* task;
      return seen;
    });
    expect(result).toEqual(["first", "second"]);
  });

  test("of the task itself arrives at its next await", () => {
    const { result } = runVirtually(function* () {
      const seen: string[] = [];
      const task = createTask(function* () {
        currentTask().cancel();
        seen.push("goes on up to its next await");
        yield;
        seen.push("never");
      });
      yield* sleep(1);
      return [...seen, task.cancelled];
    });
    expect(result).toEqual(["goes on up to its next await", true]);
  });

  test("of the task itself, with no await after it, ends it as cancelled all the same", () => {
    const { result } = runVirtually(function* () {
      const task = createTask(function* () {
        currentTask().cancel("late");
        return "result";
      });
      yield* sleep(1);
      return [task.cancelled, task.cancelReason];
    });
    expect(result).toEqual([true, "late"]);
  });

  test("of what it waits for, when that is done already, arrives instead of the result", () => {
    const { result } = runVirtually(function* () {
      const future = new Future<string>();
      const task = createTask(function* () {
        return yield* future;
      });
      yield;
      future.setResult("too late");
      task.cancel();
      yield* sleep(1);
      return [task.cancelled, future.result()];
    });
    expect(result).toEqual([true, "too late"]);
  });

  test("an error of the cleanup replaces it", () => {
    const { result } = runVirtually(function* () {
      const task = createTask(function* () {
        try {
          yield* sleep(1_000);
        } finally {
          // eslint-disable-next-line no-unsafe-finally
          throw new Error("cleanup failed");
        }
      });
      yield* sleep(1);
      task.cancel();
      yield* sleep(1);
      return [task.cancelled, (task.exception() as Error).message];
    });
    expect(result).toEqual([false, "cleanup failed"]);
  });

  test("a CancelledError that a body throws by itself ends the task as cancelled, with its reason", () => {
    const { result } = runVirtually(function* () {
      const error = new CancelledError("by itself");
      const task = createTask(function* () {
        throw error;
      });
      yield* sleep(1);
      let thrown: unknown;
      try {
        task.result();
      } catch (caught) {
        thrown = caught;
      }
      return [task.cancelled, task.cancelReason, thrown === error, task.cancelling];
    });
    expect(result).toEqual([true, "by itself", true, 0]);
  });

  test("wakes in the order of the calls, and a cancelled task leaves nothing in what it waited for", () => {
    const { result } = runVirtually(function* () {
      const ended: number[] = [];
      const futures = [1, 2, 3].map(() => new Future<void>());
      const tasks = futures.map((future, i) =>
        createTask(function* () {
          try {
            yield* future;
          } finally {
            ended.push(i);
          }
        }),
      );
      yield;
      for (const i of [2, 0, 1]) tasks[i]?.cancel();
      yield* sleep(1);
      return [ended, futures.map((future) => [future.cancelled, future.awaitedBy.size])];
    });
    expect(result).toEqual([
      [2, 0, 1],
      [
        [true, 0],
        [true, 0],
        [true, 0],
      ],
    ]);
  });
});

describe("uncancel", () => {
  test("counts requests down to zero, and no further", () => {
    const { result } = runVirtually(function* () {
      const task = createTask(sleep(1));
      task.cancel();
      task.cancel();
      return [task.cancelling, task.uncancel(), task.uncancel(), task.uncancel(), task.cancelling];
    });
    expect(result).toEqual([2, 1, 0, 0, 0]);
  });

  test("of the last request drops a cancellation that is pending", () => {
    const { result } = runVirtually(function* () {
      const task = createTask(sleep(1, "slept"));
      task.cancel();
      task.cancel();
      task.uncancel();
      expect(task.cancelPending).toBe(true);
      task.uncancel();
      expect(task.cancelPending).toBe(false);
      return yield* task;
    });
    expect(result).toBe("slept");
  });
});

describe("the option signal", () => {
  test("one abort is one request to cancel, with the reason of the signal", () => {
    const { result } = runVirtually(function* () {
      const controller = new AbortController();
      const seen: unknown[] = [];
      const task = createTask(
        function* () {
          try {
            yield* sleep(1_000);
          } catch (error) {
            seen.push((error as CancelledError).reason);
            yield* sleep(10);
            seen.push("cleaned up");
            throw error;
          }
        },
        { signal: controller.signal },
      );
      yield* sleep(1);
      controller.abort("enough");
      controller.abort("again");
      expect(task.cancelling).toBe(1);
      yield* sleep(20);
      return [...seen, task.cancelled, task.cancelReason];
    });
    expect(result).toEqual(["enough", "cleaned up", true, "enough"]);
  });

  test("a signal that is aborted already never starts the coroutine, and closes it", () => {
    const ran: string[] = [];
    const { result } = runVirtually(function* () {
      const coroutine = (function* () {
        try {
          ran.push("body");
          yield;
        } finally {
          ran.push("finally");
        }
      })();
      const task = createTask(coroutine, { signal: AbortSignal.abort("before") });
      expect([task.done, task.cancelled, task.cancelReason]).toEqual([true, true, "before"]);
      yield* sleep(1);
      return coroutine.next();
    });
    expect(result).toEqual({ done: true, value: undefined });
    expect(ran).toEqual([]);
  });

  test("run rejects with the reason itself, and only after cleanup", async () => {
    const controller = new AbortController();
    const reason = new Error("the user left");
    let cleaned = false;
    const running = run(
      function* () {
        try {
          yield* sleep(10_000);
        } finally {
          yield* sleep(1);
          cleaned = true;
        }
      },
      { signal: controller.signal },
    );
    await drainPromises();
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    expect(cleaned).toBe(true);
  });

  test("run with a signal that is aborted already rejects with its reason and starts nothing", async () => {
    let began = false;
    const running = run(
      function* () {
        began = true;
        yield;
      },
      { signal: AbortSignal.abort("before") },
    );
    await expect(running).rejects.toBe("before");
    expect(began).toBe(false);
  });

  test("run resolves where main swallows the abort, and rejects with the error that its cleanup throws", async () => {
    const swallowing = new AbortController();
    const swallowed = run(
      function* () {
        try {
          yield* sleep(10_000);
        } catch {}
        return "swallowed";
      },
      { signal: swallowing.signal },
    );
    const throwing = new AbortController();
    const thrown = run(
      function* () {
        try {
          yield* sleep(10_000);
        } finally {
          yield* until(Promise.reject(new Error("cleanup failed")));
        }
      },
      { signal: throwing.signal },
    );
    await drainPromises();
    swallowing.abort();
    throwing.abort();
    // both at once: either run may be the first to end, and a rejection waits for no one
    await Promise.all([expect(swallowed).resolves.toBe("swallowed"), expect(thrown).rejects.toThrow("cleanup failed")]);
  });

  test("an abort after the end does nothing", async () => {
    const controller = new AbortController();
    expect(await run(sleep(1, "result"), { signal: controller.signal })).toBe("result");
    controller.abort();
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });

  test("a signal that many tasks share cancels each that still runs, in the order of their creation", async () => {
    const warnings: Error[] = [];
    const warned = (warning: Error): void => void warnings.push(warning);
    process.on("warning", warned);
    const { result } = runVirtually(function* () {
      const controller = new AbortController();
      const ended: number[] = [];
      const tasks = Array.from({ length: 20 }, (_, i) =>
        createTask(
          function* () {
            try {
              yield* i % 4 === 0 ? sleep(1) : sleep(1_000);
            } finally {
              if (i % 4 !== 0) ended.push(i);
            }
          },
          { signal: controller.signal },
        ),
      );
      yield* sleep(5);
      controller.abort("all");
      yield* sleep(5);
      return { ended, cancelled: tasks.filter((task) => task.cancelled && task.cancelReason === "all").length };
    });
    await drainPromises();
    process.off("warning", warned);
    expect(result.ended).toEqual(Array.from({ length: 20 }, (_, i) => i).filter((i) => i % 4 !== 0));
    expect(result.cancelled).toBe(15);
    // such as MaxListenersExceededWarning
    expect(warnings).toEqual([]);
  });

  test("listeners are gone after 100,000 tasks", () => {
    const counts = { added: 0, removed: 0, most: 0 };
    const { signal: real } = new AbortController();
    setMaxListeners(0, real);
    const signal: AbortSignalLike = {
      aborted: false,
      reason: undefined,
      addEventListener: (type, listener) => {
        counts.added++;
        counts.most = Math.max(counts.most, counts.added - counts.removed);
        real.addEventListener(type, listener);
      },
      removeEventListener: (type, listener) => {
        counts.removed++;
        real.removeEventListener(type, listener);
      },
    };
    runVirtually(function* () {
      for (let batch = 0; batch < 1_000; batch++) {
        const tasks: Task<void>[] = [];
        for (let i = 0; i < 100; i++) tasks.push(createTask(sleep(i % 3), { signal }));
        if (batch % 2 === 0) for (const task of tasks) task.cancel();
        yield* sleep(3);
      }
    });
    expect(counts.added).toBeGreaterThan(0);
    expect(counts.removed).toBe(counts.added);
    expect(counts.most).toBeLessThanOrEqual(100);
    expect(getEventListeners(real, "abort")).toHaveLength(0);
  });
});

describe("until((signal) => …)", () => {
  test("cancelling the wait aborts the signal with the reason", async () => {
    let aborted: unknown;
    const { result, reports } = await runVirtuallyWithPromises(function* () {
      const task = createTask(function* () {
        yield* until(
          (signal) =>
            new Promise<void>((_resolve, reject) => {
              signal.addEventListener("abort", () => {
                aborted = signal.reason;
                reject(signal.reason as Error);
              });
            }),
        );
      });
      yield* sleep(1);
      task.cancel("enough");
      try {
        yield* task;
      } catch (error) {
        return isCancelled(error);
      }
      return false;
    });
    expect([result, aborted]).toEqual([true, "enough"]);
    expect(reports).toEqual([]);
  });
});

describe("a loop that is closed under its tasks", () => {
  test("lets them be cancelled without running anything", () => {
    const { loop, host } = virtualLoop();
    const task = loop.createTask(sleep(5));
    void loop.runForever();
    host.runTurn();
    loop.stop();
    while (host.runTurn());
    loop.close();
    expect(task.cancel()).toBe(true);
    expect(host.step()).toBe(false);
  });
});
