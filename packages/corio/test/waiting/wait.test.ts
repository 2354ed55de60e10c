import { createTask, Future, getRunningLoop, isCancelled, type ReturnWhen, wait } from "corio";
import { describe, expect, test } from "vitest";
import { callbacksOf } from "../support/internals.js";
import { failing, forever, later, now, thrownBy } from "../support/later.js";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { withCode } from "../support/with-code.js";

describe("wait", () => {
  test("waits for all, and says which are done", () => {
    runCleanly(function* () {
      const tasks = [createTask(later(10, 1)), createTask(later(30, 2))];
      const { done, pending } = yield* wait(tasks);
      expect([done.size, pending.size]).toEqual([2, 0]);
      expect([...done].map((task) => task.result())).toEqual([1, 2]);
      expect(now()).toBe(30);
    });
  });

  test("takes a set, and the same future twice as one", () => {
    runCleanly(function* () {
      const task = createTask(later(1, 1));
      expect((yield* wait(new Set([task]))).done.size).toBe(1);
      expect((yield* wait([task, task])).done.size).toBe(1);
    });
  });

  test("throws none of their errors, and leaves them to be retrieved", () => {
    runCleanly(function* () {
      const bad = createTask(failing(1, new Error("bad")));
      const { done } = yield* wait([bad]);
      expect(done.has(bad)).toBe(true);
      expect(bad.exception()).toEqual(new Error("bad"));
    });
  });

  test("of what is all done already it takes no time", () => {
    const { duration } = runCleanly(function* () {
      const future = getRunningLoop().createFuture<number>();
      future.setResult(1);
      const { done } = yield* wait([future], { timeout: 100 });
      expect(done.size).toBe(1);
    });
    expect(duration).toBe(0);
  });

  test("a timeout is no error: those that are not done are pending, and go on", () => {
    runCleanly(function* () {
      const [quick, slow] = [createTask(later(1, 1)), createTask(later(50, 2))];
      const { done, pending } = yield* wait([quick, slow], { timeout: 10 });
      expect([done.has(quick), pending.has(slow), now()]).toEqual([true, true, 10]);
      expect(yield* slow).toBe(2);
    });
  });

  test("a timeout of 0 looks once", () => {
    runCleanly(function* () {
      const slow = createTask(later(50, 2));
      const { done, pending } = yield* wait([slow], { timeout: 0 });
      expect([done.size, pending.size, now()]).toEqual([0, 1, 0]);
      yield* slow;
    });
  });

  test("FIRST_COMPLETED ends with the first, whatever it came to", () => {
    runCleanly(function* () {
      for (const first of [later(1, 1), failing(1, new Error("bad"))]) {
        const [quick, slow] = [createTask(first), createTask(later(50, 2))];
        const { done, pending } = yield* wait([slow, quick], { returnWhen: "FIRST_COMPLETED" });
        expect([done.has(quick), pending.has(slow)]).toEqual([true, true]);
        yield* slow;
        if (quick.exception() !== undefined) expect(quick.exception()).toEqual(new Error("bad"));
      }
    });
  });

  test("FIRST_EXCEPTION ends with the first error", () => {
    runCleanly(function* () {
      const [good, bad, slow] = [
        createTask(later(1, 1)),
        createTask(failing(5, new Error("bad"))),
        createTask(later(50, 2)),
      ];
      const { done, pending } = yield* wait([slow, bad, good], { returnWhen: "FIRST_EXCEPTION" });
      expect([done.has(good), done.has(bad), pending.has(slow), now()]).toEqual([true, true, true, 5]);
      bad.exception();
      yield* slow;
    });
  });

  test("FIRST_EXCEPTION: a future that was cancelled is done, but no error", () => {
    runCleanly(function* () {
      const [cancelled, slow] = [createTask(forever()), createTask(later(50, 2))];
      getRunningLoop().callLater(5, () => cancelled.cancel());
      const { done } = yield* wait([cancelled, slow], { returnWhen: "FIRST_EXCEPTION" });
      expect(now()).toBe(50);
      expect(done.size).toBe(2);
    });
  });

  test("FIRST_EXCEPTION without an error waits for all", () => {
    runCleanly(function* () {
      const { done } = yield* wait([createTask(later(1, 1)), createTask(later(5, 2))], {
        returnWhen: "FIRST_EXCEPTION",
      });
      expect([done.size, now()]).toEqual([2, 5]);
    });
  });

  test("leaves no callback behind: ended, timed out or cancelled", () => {
    runCleanly(function* () {
      const longLived = new Future<void>();
      for (let i = 0; i < 10; i++) {
        yield* wait([longLived, createTask(later(0, 1))], { returnWhen: "FIRST_COMPLETED" });
        yield* wait([longLived], { timeout: 1 });
        const waiting = createTask(wait([longLived]));
        yield* turns(1);
        expect(callbacksOf(longLived)).toBe(1);
        waiting.cancel();
        yield* thrownBy(waiting);
      }
      expect(callbacksOf(longLived)).toBe(0);
      expect(longLived.awaitedBy.size).toBe(0);
    });
  });

  test("cancelled, it leaves the futures as they are", () => {
    runCleanly(function* () {
      const slow = createTask(later(50, 2));
      const waiting = createTask(wait([slow], { timeout: 1000 }));
      yield* turns(1);
      waiting.cancel("why");
      const error = yield* thrownBy(waiting);
      expect(isCancelled(error) && error.reason).toBe("why");
      expect([slow.done, slow.cancelling]).toEqual([false, 0]);
      yield* slow;
    });
  });

  test("tells who waits for what", () => {
    runCleanly(function* () {
      const slow = createTask(later(50, 2));
      const waiting = createTask(wait([slow]));
      yield* turns(1);
      expect(slow.awaitedBy.has(waiting)).toBe(true);
      yield* waiting;
    });
  });

  describe("used wrongly", () => {
    test("coroutines and promises are refused where wait is called, and the coroutines are closed", () => {
      const cleanups: string[] = [];
      runCleanly(function* () {
        const task = createTask(later(1, 1));
        const begun = forever(cleanups, "begun");
        expect(() => wait([task, begun as never])).toThrow(withCode("WAIT_FUTURES", /createTask\(main\)/));
        expect(begun.next()).toEqual({ done: true, value: undefined });
        expect(() => wait([Promise.resolve(1) as never])).toThrow(withCode("WAIT_FUTURES", /until\(promise\)/));
        yield* task;
      });
    });

    test("a single future, a single coroutine or nothing at all is refused", () => {
      runCleanly(function* () {
        const future = new Future<void>();
        const one = later(1, 1);
        expect(() => wait(future as never)).toThrow(withCode("WAIT_FUTURES", /wait\(\[task1, task2\]\)/));
        expect(() => wait(one as never)).toThrow(withCode("WAIT_FUTURES"));
        expect(one.next().done).toBe(true);
        expect(() => wait(undefined as never)).toThrow(withCode("WAIT_FUTURES"));
        expect(() => wait([])).toThrow(withCode("WAIT_EMPTY"));
      });
    });

    test("an unknown returnWhen and a timeout of NaN are refused", () => {
      runCleanly(function* () {
        const future = new Future<void>();
        expect(() => wait([future], { returnWhen: "FIRST" as ReturnWhen })).toThrow(withCode("RETURN_WHEN", /FIRST/));
        expect(() => wait([future], { timeout: Number.NaN })).toThrow(withCode("MILLISECONDS"));
      });
    });
  });
});
