import { attempt, CancelledError, createTask, Future, isCancelled, sleep, TimeoutError, timeout, within } from "corio";
import { describe, expect, test } from "vitest";
import { failing, forever, later, thrownBy } from "../support/later.js";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtuallyWithPromises } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

describe("attempt", () => {
  test("gives a result, or the error as a value", () => {
    runCleanly(function* () {
      const bad = new Error("bad");
      expect(yield* attempt(later(1, "good"))).toEqual({ ok: true, value: "good" });
      expect(yield* attempt(failing(1, bad))).toEqual({ ok: false, error: bad });
    });
  });

  test("takes a function that makes the coroutine, a future, and a promise", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      const future = new Future<string>();
      future.setResult("future");
      return [
        yield* attempt(() => later(1, "function")),
        yield* attempt(future),
        yield* attempt(Promise.resolve("promise")),
        yield* attempt(Promise.reject(new Error("rejected"))),
      ];
    });
    expect(result).toEqual([
      { ok: true, value: "function" },
      { ok: true, value: "future" },
      { ok: true, value: "promise" },
      { ok: false, error: new Error("rejected") },
    ]);
  });

  test("what is thrown need not be an Error", () => {
    runCleanly(function* () {
      expect(yield* attempt(failing(1, "a string"))).toEqual({ ok: false, error: "a string" });
      expect(yield* attempt(failing(1, undefined))).toEqual({ ok: false, error: undefined });
    });
  });

  test("never catches a cancellation of its own task", () => {
    const log: string[] = [];
    runCleanly(function* () {
      const task = createTask(function* () {
        yield* attempt(forever(log));
        log.push("went on");
      });
      yield* turns(1);
      task.cancel("why");
      const error = yield* thrownBy(task);
      expect(isCancelled(error) && error.reason).toBe("why");
    });
    expect(log).toEqual(["forever ended"]);
  });

  test("nor that of what it awaits", () => {
    runCleanly(function* () {
      const cancelled = createTask(forever());
      yield* turns(1);
      cancelled.cancel();
      expect(isCancelled(yield* thrownBy(attempt(cancelled)))).toBe(true);
      expect(isCancelled(yield* thrownBy(attempt(failing(1, new CancelledError()))))).toBe(true);
    });
  });

  test("a time limit inside is an error, one outside goes through", () => {
    runCleanly(function* () {
      const inside = yield* attempt(within(timeout(5), () => forever()));
      expect(inside).toMatchObject({ ok: false, error: expect.any(TimeoutError) });
      expect(yield* thrownBy(within(timeout(5), () => attempt(sleep(100))))).toBeInstanceOf(TimeoutError);
    });
  });

  test("what cannot be awaited is refused where it is called, not made a value", () => {
    expect(() => attempt(5 as never)).toThrow(withCode("NOT_AWAITABLE", /attempt\(main\)/));
  });
});
