import { createTask, Future, getRunningLoop, isCancelled, sleep, TimeoutError, waitFor } from "corio";
import { describe, expect, test } from "vitest";
import { callbacksOf } from "../support/internals.js";
import { failing, forever, later, now, thrownBy } from "../support/later.js";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtuallyWithPromises } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

describe("waitFor", () => {
  test("gives the result if it comes in time", () => {
    runCleanly(function* () {
      expect(yield* waitFor(later(5, "coroutine"), 10)).toBe("coroutine");
      expect(yield* waitFor(createTask(later(5, "task")), 10)).toBe("task");
      expect(yield* waitFor(later(5, "no limit"), null)).toBe("no limit");
      expect(yield* waitFor(later(5, "never"), Number.POSITIVE_INFINITY)).toBe("never");
      expect(now()).toBe(20);
    });
  });

  test("throws a TimeoutError that tells the time, with the cancellation as its cause", () => {
    runCleanly(function* () {
      const error = yield* thrownBy(waitFor(forever(), 3));
      expect(error).toBeInstanceOf(TimeoutError);
      expect(error).toMatchObject({ message: "timed out after 3 ms", code: "ERR_CORIO_TIMEOUT" });
      expect(isCancelled((error as Error).cause)).toBe(true);
      expect(now()).toBe(3);
    });
  });

  test("passes errors on", () => {
    runCleanly(function* () {
      const bad = new Error("bad");
      expect(yield* thrownBy(waitFor(failing(1, bad), 10))).toBe(bad);
    });
  });

  test("cancels what it waits for when the time is up, and waits for its cleanup", () => {
    const log: string[] = [];
    runCleanly(function* () {
      const task = createTask(forever(log, "task", 20));
      expect(yield* thrownBy(waitFor(task, 5))).toBeInstanceOf(TimeoutError);
      expect(now()).toBe(25);
      expect(task.cancelled).toBe(true);
    });
    expect(log).toEqual(["task ended"]);
  });

  test("gives the result after all if what it waits for swallows the cancellation", () => {
    runCleanly(function* () {
      const task = createTask(function* () {
        try {
          yield* sleep(100);
        } catch {}
        return "late";
      });
      expect(yield* waitFor(task, 5)).toBe("late");
    });
  });

  test("throws what the cleanup throws, and tells of the time limit in its cause", () => {
    runCleanly(function* () {
      const task = createTask(function* () {
        try {
          yield* sleep(100);
        } finally {
          yield* failing(1, new Error("in cleanup"));
        }
      });
      expect(yield* thrownBy(waitFor(task, 5))).toEqual(new Error("in cleanup"));
    });
  });

  test("0 and below take the result if it is there already", () => {
    runCleanly(function* () {
      const done = createTask(later(0, "there"));
      yield* done;
      expect(yield* waitFor(done, 0)).toBe("there");
      expect(yield* waitFor(done, -1)).toBe("there");
      const pending = createTask(later(5, "not there"));
      expect(yield* thrownBy(waitFor(pending, 0))).toBeInstanceOf(TimeoutError);
      expect(pending.cancelled).toBe(true);
      const ran: string[] = [];
      expect(yield* thrownBy(waitFor(forever(ran), 0))).toBeInstanceOf(TimeoutError);
      expect(ran).toEqual([]);
    });
  });

  test("0: waits for the cleanup, and passes its error on", () => {
    runCleanly(function* () {
      const log: string[] = [];
      const task = createTask(forever(log, "task", 5));
      yield* turns(1);
      expect(yield* thrownBy(waitFor(task, 0))).toBeInstanceOf(TimeoutError);
      expect(log).toEqual(["task ended"]);
      const bad = createTask(function* () {
        try {
          yield* sleep(100);
        } finally {
          yield* failing(1, new Error("in cleanup"));
        }
      });
      yield* turns(1);
      expect(yield* thrownBy(waitFor(bad, 0))).toEqual(new Error("in cleanup"));
      expect(callbacksOf(bad)).toBe(0);
    });
  });

  test("cancelled, so is what it waits for", () => {
    const log: string[] = [];
    runCleanly(function* () {
      const task = createTask(forever(log, "task"));
      const waiting = createTask(waitFor(task, 100));
      yield* sleep(1);
      waiting.cancel("outside");
      const error = yield* thrownBy(waiting);
      expect(isCancelled(error) && error.reason).toBe("outside");
    });
    expect(log).toEqual(["task ended"]);
  });

  test("cancelled just when the time is up, the cancellation is not lost", () => {
    runCleanly(function* () {
      const waiting = createTask(waitFor(forever(), 5));
      getRunningLoop().callLater(5, () => waiting.cancel("outside"));
      expect(isCancelled(yield* thrownBy(waiting))).toBe(true);
    });
  });

  test("cancelled just when the result is there, the cancellation is not lost", () => {
    runCleanly(function* () {
      const future = new Future<string>();
      const waiting = createTask(waitFor(future, 5));
      yield* sleep(1);
      future.setResult("there");
      waiting.cancel();
      expect(isCancelled(yield* thrownBy(waiting))).toBe(true);
      expect(waiting.cancelled).toBe(true);
    });
  });

  test("nested, the inner one ends first", () => {
    runCleanly(function* () {
      expect(yield* thrownBy(waitFor(waitFor(forever(), 5), 10))).toMatchObject({ message: "timed out after 5 ms" });
      expect(yield* thrownBy(waitFor(waitFor(forever(), 10), 5))).toMatchObject({ message: "timed out after 5 ms" });
    });
  });

  test("waits for promises", async () => {
    const { result } = await runVirtuallyWithPromises(() => waitFor(Promise.resolve("promise"), 10));
    expect(result).toBe("promise");
  });

  describe("used wrongly", () => {
    test("what cannot be awaited is refused where it is called", () => {
      expect(() => waitFor(5 as never, 1)).toThrow(withCode("NOT_AWAITABLE", /waitFor\(awaitable, ms\)/));
      expect(() => waitFor((() => later(1, 1)) as never, 1)).toThrow(withCode("NOT_AWAITABLE", /call it first/));
    });

    test("a time that is none is refused, and the coroutine closed", () => {
      const coroutine = later(1, 1);
      expect(() => waitFor(coroutine, Number.NaN)).toThrow(withCode("MILLISECONDS"));
      expect(coroutine.next().done).toBe(true);
      expect(() => waitFor(later(1, 1), undefined as unknown as number)).toThrow(withCode("MILLISECONDS"));
    });
  });
});
