import {
  type Coroutine,
  createTask,
  currentTask,
  ExceptionGroup,
  Future,
  getRunningLoop,
  isCancelled,
  sleep,
  TaskGroup,
  type Timeout,
  TimeoutError,
  timeout,
  timeoutAt,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { failing, forever, later, now, thrownBy } from "../support/later.js";
import { runCleanly } from "../support/run-cleanly.js";
import { runVirtually } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

function* swallowing(ms: number): Coroutine<string> {
  try {
    yield* sleep(ms);
  } catch {}
  return "swallowed";
}

describe("timeout", () => {
  test("a body that ends in time gives its result, and the timer goes", () => {
    runCleanly(function* () {
      const limit = timeout(10);
      expect(yield* within(limit, () => later(5, "result"))).toBe("result");
      expect([limit.expired, now()]).toEqual([false, 5]);
    });
  });

  test("a body that does not is cancelled: a TimeoutError that says how long, with the cancellation as its cause", () => {
    const log: string[] = [];
    runCleanly(function* () {
      const limit = timeout(3);
      const error = yield* thrownBy(within(limit, () => forever(log, "body", 2)));
      expect(error).toBeInstanceOf(TimeoutError);
      expect(error).toMatchObject({ message: "timed out after 3 ms", code: "ERR_CORIO_TIMEOUT" });
      expect(isCancelled((error as Error).cause)).toBe(true);
      expect([limit.expired, now(), currentTask().cancelling]).toEqual([true, 5, 0]);
    });
    expect(log).toEqual(["body ended"]);
  });

  test("fractions of a millisecond are rounded in the message", () => {
    runCleanly(function* () {
      const error = yield* thrownBy(within(timeout(0.1 + 0.2), () => forever()));
      expect(error).toMatchObject({ message: "timed out after 0.3 ms" });
    });
  });

  test("0 and below are up at the first wait, and stop no body that does not wait", () => {
    runCleanly(function* () {
      for (const ms of [0, -5]) {
        const error = yield* thrownBy(within(timeout(ms), () => sleep(10)));
        expect(error).toMatchObject({ message: "timed out after 0 ms" });
        expect(yield* within(timeout(ms), () => "at once")).toBe("at once");
      }
      expect(now()).toBe(0);
    });
  });

  test("null and Infinity set no limit", () => {
    runCleanly(function* () {
      for (const ms of [null, Number.POSITIVE_INFINITY]) {
        expect(yield* within(timeout(ms), () => later(1e9, "result"))).toBe("result");
      }
    });
  });

  test("passes the body's own errors on, cancellations included", () => {
    runCleanly(function* () {
      const bad = new Error("bad");
      expect(yield* thrownBy(within(timeout(10), () => failing(1, bad)))).toBe(bad);
      const cancelled = new Future<void>();
      cancelled.cancel("own");
      const error = yield* thrownBy(within(timeout(10), () => cancelled));
      expect(isCancelled(error) && error.reason).toBe("own");
    });
  });

  test("when tells the point in time, expired whether it passed", () => {
    runCleanly(function* () {
      yield* sleep(7);
      const limit = timeout(10);
      expect([limit.when, limit.expired]).toEqual([null, false]);
      yield* within(limit, () => {
        expect([limit.when, limit.expired]).toEqual([17, false]);
      });
      const late = timeout(1);
      yield* within(late, function* () {
        yield* swallowing(5);
        expect(late.expired).toBe(true);
      });
      expect(late.expired).toBe(true);
    });
  });

  test("timeoutAt is up at a point on the loop's clock", () => {
    runCleanly(function* () {
      yield* sleep(5);
      expect(yield* thrownBy(within(timeoutAt(12), () => forever()))).toMatchObject({
        message: "timed out after 7 ms",
      });
      expect(now()).toBe(12);
      const past = yield* thrownBy(within(timeoutAt(3), () => forever()));
      expect(past).toMatchObject({ message: "timed out after 0 ms" });
      expect(yield* within(timeoutAt(null), () => later(100, "no limit"))).toBe("no limit");
    });
  });

  describe("reschedule", () => {
    test("sets another limit: later, sooner, none, and one again", () => {
      runCleanly(function* () {
        yield* within(timeout(10), function* (limit) {
          limit.reschedule(50);
          yield* sleep(40);
          limit.reschedule(null);
          expect(limit.when).toBeNull();
          yield* sleep(40);
        });
        const start = now();
        const error = yield* thrownBy(
          within(timeout(null), function* (limit) {
            limit.reschedule(start + 5);
            yield* forever();
          }),
        );
        expect(error).toMatchObject({ message: "timed out after 5 ms" });
      });
    });

    test("to a point that has passed cancels at the next wait", () => {
      runCleanly(function* () {
        const log: string[] = [];
        yield* sleep(10);
        const error = yield* thrownBy(
          within(timeout(100), function* (limit) {
            limit.reschedule(5);
            log.push("goes on");
            yield* sleep(10);
            log.push("not reached");
          }),
        );
        expect(error).toBeInstanceOf(TimeoutError);
        expect(log).toEqual(["goes on"]);
        expect(now()).toBe(10);
      });
    });

    test("is refused before, while the time is up, and after", () => {
      runCleanly(function* () {
        const limit = timeout(5);
        expect(() => limit.reschedule(1)).toThrow(withCode("TIMEOUT_STATE", /has not been entered/));
        yield* within(limit, function* () {
          yield* swallowing(10);
          expect(() => limit.reschedule(100)).toThrow(withCode("TIMEOUT_STATE", /expiring/));
        });
        expect(() => limit.reschedule(100)).toThrow(withCode("TIMEOUT_STATE", /expired/));
        const finished = timeout(5);
        yield* within(finished, () => {});
        expect(() => finished.reschedule(100)).toThrow(withCode("TIMEOUT_STATE", /finished/));
        expect(() => finished.reschedule(Number.NaN)).toThrow(withCode("MILLISECONDS"));
      });
    });
  });

  describe("with a body that catches", () => {
    test("ends normally if the body does, and debug mode tells", () => {
      const main = function* (): Coroutine<string> {
        const result = yield* within(timeout(3), () => swallowing(10));
        expect(currentTask().cancelling).toBe(0);
        return result;
      };
      expect(runVirtually(main).reports).toEqual([]);
      const { result, messages } = runVirtually(main, { debug: true });
      expect(result).toBe("swallowed");
      expect(messages).toEqual([expect.stringMatching(/a timeout of 3 ms expired in .*, and its body ended normally/)]);
    });

    test("does not cancel a second time", () => {
      runCleanly(function* () {
        yield* within(timeout(3), function* () {
          yield* swallowing(10);
          yield* sleep(10);
        });
        expect(now()).toBe(13);
      });
    });

    test("an error that its cleanup throws goes on up, with the time limit under it", () => {
      runCleanly(function* () {
        const error = yield* thrownBy(
          within(timeout(3), function* () {
            try {
              yield* sleep(10);
            } catch (cause) {
              throw new Error("cleanup", { cause });
            }
          }),
        );
        expect(error).toMatchObject({ message: "cleanup", cause: { message: "timed out after 3 ms" } });
        expect(isCancelled((error as { cause: Error }).cause.cause)).toBe(true);
      });
    });

    test("of a task group in it, the members' errors go on up", () => {
      runCleanly(function* () {
        const error = yield* thrownBy(
          within(timeout(3), new TaskGroup(), function* (_limit, group) {
            group.createTask(function* () {
              try {
                yield* sleep(10);
              } catch (cause) {
                throw new Error("cleanup", { cause });
              }
            });
            yield* sleep(100);
          }),
        );
        expect(error).toBeInstanceOf(ExceptionGroup);
        expect((error as ExceptionGroup).errors).toMatchObject([
          { message: "cleanup", cause: { name: "TimeoutError" } },
        ]);
      });
    });
  });

  describe("nested", () => {
    test("the one whose time is up throws", () => {
      runCleanly(function* () {
        const [outer, inner] = [timeout(10), timeout(5)];
        const error = yield* thrownBy(within(outer, inner, () => forever()));
        expect(error).toMatchObject({ message: "timed out after 5 ms" });
        expect([outer.expired, inner.expired]).toEqual([false, true]);
      });
      runCleanly(function* () {
        const [outer, inner] = [timeout(5), timeout(10)];
        const error = yield* thrownBy(within(outer, inner, () => forever()));
        expect(error).toMatchObject({ message: "timed out after 5 ms" });
        expect([outer.expired, inner.expired]).toEqual([true, false]);
      });
    });

    test("the inner one's error can be handled inside the outer one", () => {
      runCleanly(function* () {
        const result = yield* within(timeout(10), function* () {
          const error = yield* thrownBy(within(timeout(5), () => forever()));
          expect(error).toBeInstanceOf(TimeoutError);
          return yield* later(1, "handled");
        });
        expect(result).toBe("handled");
      });
    });

    test("both up at once: one TimeoutError, of the outer one, and no request is left", () => {
      runCleanly(function* () {
        const [outer, inner] = [timeoutAt(5), timeoutAt(5)];
        const log: string[] = [];
        const error = yield* thrownBy(
          within(outer, function* () {
            try {
              yield* within(inner, () => forever());
            } finally {
              log.push("between");
            }
          }),
        );
        expect(error).toBeInstanceOf(TimeoutError);
        expect([outer.expired, inner.expired, currentTask().cancelling]).toEqual([true, true, 0]);
        expect(log).toEqual(["between"]);
        yield* sleep(1);
      });
    });

    test("the outer one up while the inner one's body cleans up", () => {
      runCleanly(function* () {
        const log: string[] = [];
        const error = yield* thrownBy(within(timeout(10), timeout(5), () => forever(log, "body", 100)));
        expect(error).toMatchObject({ message: "timed out after 10 ms" });
        expect([now(), currentTask().cancelling]).toEqual([10, 0]);
        expect(log).toEqual(["body interrupted"]);
      });
    });
  });

  describe("with a cancellation from outside", () => {
    /** Runs a body under a limit of 5 ms in a task that is cancelled at a time. */
    function* cancelledAt(ms: number, order: "before" | "after", limits: Timeout[]): Coroutine<unknown> {
      const loop = getRunningLoop();
      const start = now();
      let task = createTask(sleep(0));
      if (order === "before") loop.callAt(start + ms, () => task.cancel("outside"));
      task = createTask(function* () {
        const limit = timeoutAt(start + 5);
        limits.push(limit);
        yield* within(limit, () => forever());
      });
      yield* sleep(0);
      if (order === "after") loop.callAt(start + ms, () => task.cancel("outside"));
      return yield* thrownBy(task);
    }

    test("it is a cancellation, no time limit", () => {
      runCleanly(function* () {
        const error = yield* cancelledAt(2, "after", []);
        expect(isCancelled(error) && error.reason).toBe("outside");
      });
    });

    test("at once with the time limit, it is not lost, whichever comes first", () => {
      runCleanly(function* () {
        for (const order of ["before", "after"] as const) {
          const limits: Timeout[] = [];
          expect(isCancelled(yield* cancelledAt(5, order, limits))).toBe(true);
          expect(limits[0]?.expired).toBe(true);
        }
      });
    });

    test("while the body cleans up after the time limit, it is not lost", () => {
      runCleanly(function* () {
        const task = createTask(within(timeout(5), () => forever([], "body", 10)));
        yield* sleep(7);
        task.cancel("outside");
        const error = yield* thrownBy(task);
        expect(isCancelled(error) && error.reason).toBe("outside");
        expect(task.cancelling).toBe(1);
      });
    });

    test("one that came before the block does not count: the limit is still one", () => {
      runCleanly(function* () {
        const task = createTask(function* () {
          yield* swallowing(100);
          expect(currentTask().cancelling).toBe(1);
          yield* within(timeout(5), () => forever());
        });
        yield* sleep(1);
        task.cancel();
        expect(yield* thrownBy(task)).toBeInstanceOf(TimeoutError);
      });
    });
  });

  describe("used wrongly", () => {
    test("NaN and undefined are refused where it is called", () => {
      expect(() => timeout(Number.NaN)).toThrow(withCode("MILLISECONDS"));
      expect(() => timeoutAt(Number.NaN)).toThrow(withCode("MILLISECONDS"));
      expect(() => timeout(undefined as never)).toThrow(
        withCode("MILLISECONDS", /or null for no limit, not undefined/),
      );
      expect(() => timeout("5" as never)).toThrow(withCode("MILLISECONDS"));
    });

    test("one is for one block, and inside a task", () => {
      runCleanly(function* () {
        const limit = timeout(5);
        yield* within(limit, () => {});
        expect(yield* thrownBy(within(limit, () => {}))).toMatchObject({
          code: "ERR_CORIO_TIMEOUT_STATE",
          message: expect.stringMatching(/already been entered/),
        });
        expect(() => timeout(5).exit()).toThrow(withCode("TIMEOUT_STATE", /not been entered/));
      });
      expect(() => timeout(5).enter()).toThrow(withCode("OUTSIDE_TASK", /^Timeout should be used inside a task/));
    });
  });
});
