import { createTask, Future, getRunningLoop, isCancelled, shield, sleep, waitFor } from "corio";
import { describe, expect, test } from "vitest";
import { callbacksOf } from "../support/internals.js";
import { failing, later, now, thrownBy } from "../support/later.js";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtually } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

describe("shield", () => {
  test("gives the result of what it shields", () => {
    runCleanly(function* () {
      expect(yield* shield(later(5, "coroutine"))).toBe("coroutine");
      expect(yield* shield(createTask(later(5, "task")))).toBe("task");
    });
  });

  test("passes errors on, once", () => {
    runCleanly(function* () {
      const bad = new Error("bad");
      expect(yield* thrownBy(shield(failing(1, bad)))).toBe(bad);
    });
  });

  test("what is done already is given back as it is", () => {
    runCleanly(function* () {
      const done = createTask(later(0, 1));
      yield* done;
      expect(shield(done) === done).toBe(true);
    });
  });

  test("cancelling the wait does not cancel what it waits for", () => {
    runCleanly(function* () {
      const saving = createTask(later(20, "saved"));
      const waiting = createTask(function* () {
        return yield* shield(saving);
      });
      yield* turns();
      waiting.cancel("why");
      const error = yield* thrownBy(waiting);
      expect(isCancelled(error) && error.reason).toBe("why");
      expect([saving.done, saving.cancelling]).toEqual([false, 0]);
      expect(yield* saving).toBe("saved");
    });
  });

  test("a coroutine goes on as a task after the wait was cancelled", () => {
    const log: string[] = [];
    runCleanly(function* () {
      yield* thrownBy(
        waitFor(
          shield(
            (function* () {
              yield* sleep(20);
              log.push(`saved at ${now()}`);
            })(),
          ),
          5,
        ),
      );
      yield* sleep(20);
    });
    expect(log).toEqual(["saved at 20"]);
  });

  test("if what it shields is cancelled, so is the wait", () => {
    runCleanly(function* () {
      const inner = createTask(sleep(100));
      getRunningLoop().callLater(5, () => inner.cancel("inner"));
      const outer = shield(inner);
      const error = yield* thrownBy(outer);
      expect(isCancelled(error) && error.reason).toBe("inner");
      expect(outer.cancelled).toBe(true);
    });
  });

  test("leaves no callback behind when it is cancelled", () => {
    runCleanly(function* () {
      const inner = new Future<void>();
      for (let i = 0; i < 100; i++) {
        const outer = shield(inner);
        outer.cancel();
        yield* sleep(0);
      }
      expect(callbacksOf(inner)).toBe(0);
    });
  });

  test("an error that nobody is left to retrieve is reported", () => {
    const { reports } = runVirtually(function* () {
      const outer = shield(failing(5, new Error("lost")));
      yield* turns(1);
      outer.cancel();
      yield* sleep(10);
    });
    expect(reports.map(({ exception }) => exception)).toEqual([new Error("lost")]);
  });

  test("inner and outer done at once: the result is not lost for the one who cancels", () => {
    runCleanly(function* () {
      const inner = new Future<string>();
      const outer = shield(inner);
      yield* turns(1);
      inner.setResult("result");
      outer.cancel();
      yield* turns(2);
      expect([inner.result(), outer.cancelled]).toEqual(["result", true]);
    });
  });

  test("what cannot be awaited is refused", () => {
    runCleanly(function* () {
      expect(() => shield(1 as never)).toThrow(withCode("NOT_AWAITABLE"));
    });
  });
});
