import {
  asCompleted,
  type Awaitable,
  type Coroutine,
  createTask,
  Future,
  gather,
  isCancelled,
  sleep,
  type Task,
  TimeoutError,
  until,
  waitFor,
} from "corio";
import { describe, expect, test } from "vitest";
import { failing, forever, later, now, thrownBy } from "../support/later.js";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtuallyWithPromises } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

describe("asCompleted", () => {
  test("gives the results as they come, the fastest first", () => {
    runCleanly(function* () {
      const results: [string, number][] = [];
      for (const next of asCompleted([later(30, "c"), later(10, "a"), later(20, "b")]))
        results.push([yield* next, now()]);
      expect(results).toEqual([
        ["a", 10],
        ["b", 20],
        ["c", 30],
      ]);
    });
  });

  test("runs all of them at once, before the first is asked for", () => {
    runCleanly(function* () {
      const completed = asCompleted([later(10, 1), later(10, 2)]);
      yield* sleep(20);
      for (const next of completed) yield* next;
      expect(now()).toBe(20);
    });
  });

  test("takes futures, tasks, promises, sets, and the same twice as one", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      const task = createTask(later(5, "task"));
      const results: string[] = [];
      for (const next of asCompleted(new Set([task, Promise.resolve("promise")]))) results.push(yield* next);
      for (const next of asCompleted([task, task])) results.push(yield* next);
      return results;
    });
    expect(result.toSorted()).toEqual(["promise", "task", "task"]);
  });

  test("of nothing ends at once", () => {
    runCleanly(function* () {
      const completed = asCompleted([], { timeout: 1000 });
      expect([...completed]).toEqual([]);
      expect(completed.takeFuture()).toBeUndefined();
    });
  });

  test("throws the error of what failed, and goes on", () => {
    runCleanly(function* () {
      const results: unknown[] = [];
      for (const next of asCompleted([failing(1, new Error("bad")), later(2, "good")])) {
        try {
          results.push(yield* next);
        } catch (error) {
          results.push(error);
        }
      }
      expect(results).toEqual([new Error("bad"), "good"]);
    });
  });

  test("takeFuture gives the futures themselves, those that were passed in", () => {
    runCleanly(function* () {
      const [slow, quick] = [createTask(later(20, "slow")), createTask(later(10, "quick"))];
      const completed = asCompleted([slow, quick]);
      const first = completed.takeFuture();
      const second = completed.takeFuture();
      expect(completed.takeFuture()).toBeUndefined();
      expect((yield* first as NonNullable<typeof first>) === quick).toBe(true);
      expect((yield* second as NonNullable<typeof second>) === slow).toBe(true);
    });
  });

  test("takeFuture gives a failed future without throwing its error", () => {
    runCleanly(function* () {
      const bad = createTask(failing(1, new Error("bad")));
      const next = asCompleted([bad]).takeFuture() as NonNullable<
        ReturnType<ReturnType<typeof asCompleted>["takeFuture"]>
      >;
      expect((yield* next) === bad).toBe(true);
      expect(bad.exception()).toEqual(new Error("bad"));
    });
  });

  test("for await in plain async code gives the futures", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      const slow: Task<string> = createTask(later(20, "slow"));
      const quick: Task<string> = createTask(failing(10, new Error("quick")));
      async function consume(): Promise<unknown[]> {
        const seen: unknown[] = [];
        for await (const future of asCompleted([slow, quick])) {
          seen.push(future === quick ? future.exception() : future.result());
        }
        return seen;
      }
      return yield* until(consume());
    });
    expect(result).toEqual([new Error("quick"), "slow"]);
  });

  test("the timeout is for all of it: what is not there by then is a TimeoutError each", () => {
    runCleanly(function* () {
      const [slow, slower] = [createTask(later(50, "slow")), createTask(later(60, "slower"))];
      const results: unknown[] = [];
      for (const next of asCompleted([slow, later(5, "quick"), slower], { timeout: 10 })) {
        try {
          results.push(yield* next);
        } catch (error) {
          results.push(error);
        }
      }
      expect(results).toEqual(["quick", expect.any(TimeoutError), expect.any(TimeoutError)]);
      expect(results[1]).toMatchObject({ message: "timed out after 10 ms" });
      expect(now()).toBe(10);
      expect([slow.done, slow.cancelling]).toEqual([false, 0]);
      yield* gather(slow, slower);
    });
  });

  test("what was there before the time was up can still be taken after it", () => {
    runCleanly(function* () {
      const never = new Future<string>();
      const completed = asCompleted([later(5, "quick"), never], { timeout: 10 });
      yield* sleep(20);
      const [first, second] = completed;
      expect(yield* first as NonNullable<typeof first>).toBe("quick");
      expect(yield* thrownBy(second as NonNullable<typeof second>)).toBeInstanceOf(TimeoutError);
      never.cancel();
    });
  });

  test("the timer goes when all are done", () => {
    runCleanly(function* () {
      for (const next of asCompleted([later(1, 1)], { timeout: 1_000_000 })) yield* next;
    });
  });

  test("a cancelled next loses no result", () => {
    runCleanly(function* () {
      const completed = asCompleted([later(20, "a"), later(30, "b")]);
      const first = completed.next().value as Exclude<ReturnType<typeof completed.next>["value"], undefined>;
      expect(yield* thrownBy(waitFor(first, 5))).toBeInstanceOf(TimeoutError);
      const results: string[] = [];
      for (const next of completed) results.push(yield* next);
      expect(results).toEqual(["a", "b"]);
    });
  });

  test("a next that is cancelled just when its result is there hands it on", () => {
    runCleanly(function* () {
      const [a, b] = [new Future<string>(), new Future<string>()];
      const completed = asCompleted([a, b]);
      const [first, second] = [...completed].map((next) => createTask(next));
      yield* turns(1);
      a.setResult("a");
      yield* sleep(0);
      first?.cancel();
      b.setResult("b");
      expect(isCancelled(yield* thrownBy(first as NonNullable<typeof first>))).toBe(true);
      expect(yield* second as NonNullable<typeof second>).toBe("a");
      const results: string[] = [];
      for (const next of completed) results.push(yield* next);
      expect(results).toEqual(["b"]);
    });
  });

  test("a next that is cancelled before it began leaves its result to the others", () => {
    runCleanly(function* () {
      const completed = asCompleted([later(10, "a"), later(20, "b")]);
      const first = completed.next().value;
      const task = createTask(first as Coroutine<string>);
      task.cancel();
      expect(isCancelled(yield* thrownBy(task))).toBe(true);
      const results: string[] = [];
      for (const next of completed) results.push(yield* next);
      expect(results).toEqual(["a", "b"]);
    });
  });

  test("several may wait at once; they are served in turn", () => {
    runCleanly(function* () {
      const completed = asCompleted([later(20, "b"), later(10, "a")]);
      expect(yield* gather([...completed])).toEqual(["a", "b"]);
    });
  });

  describe("used wrongly", () => {
    test("a single awaitable is refused", () => {
      runCleanly(function* () {
        const one = later(1, 1);
        expect(() => asCompleted(one as never)).toThrow(withCode("AS_COMPLETED", /asCompleted\(\[main\(\)\]\)/));
        expect(one.next().done).toBe(true);
        expect(() => asCompleted(new Future<void>() as never)).toThrow(withCode("AS_COMPLETED"));
      });
    });

    test("what cannot be awaited is refused, and what was started is cancelled", () => {
      const log: string[] = [];
      runCleanly(function* () {
        expect(() => asCompleted([forever(log), 5 as unknown as Awaitable<number>])).toThrow(withCode("NOT_AWAITABLE"));
        yield* turns();
      });
      expect(log).toEqual([]);
    });

    test("a timeout of NaN is refused", () => {
      runCleanly(function* () {
        expect(() => asCompleted([new Future<void>()], { timeout: Number.NaN })).toThrow(withCode("MILLISECONDS"));
      });
    });
  });
});
