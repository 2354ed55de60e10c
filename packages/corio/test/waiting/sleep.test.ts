import { createTask, isCancelled, NoRunningLoopError, sleep } from "corio";
import { describe, expect, test } from "vitest";
import { now, thrownBy } from "../support/later.js";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { withCode } from "../support/with-code.js";

describe("sleep", () => {
  test("waits for so many milliseconds", () => {
    expect(runCleanly(() => sleep(1500)).duration).toBe(1500);
  });

  test("gives undefined, or the result that it was given", () => {
    runCleanly(function* () {
      expect(yield* sleep(1)).toBeUndefined();
      expect(yield* sleep(1, "result")).toBe("result");
      expect(yield* sleep(0, "at once")).toBe("at once");
    });
  });

  test("0 and below give the others a turn and take no time", () => {
    const log: string[] = [];
    const { duration } = runCleanly(function* () {
      const other = createTask(function* () {
        log.push("other");
      });
      yield* sleep(0);
      log.push("main");
      yield* sleep(-5);
      yield* other;
    });
    expect(log).toEqual(["other", "main"]);
    expect(duration).toBe(0);
  });

  test("begins when it is awaited, not when it is called", () => {
    runCleanly(function* () {
      const nap = sleep(10);
      yield* sleep(5);
      yield* nap;
      expect(now()).toBe(15);
    });
  });

  test("sleeps of equal length end in the order in which they began", () => {
    const log: number[] = [];
    runCleanly(function* () {
      const tasks = [1, 2, 3].map((n) =>
        createTask(function* () {
          yield* sleep(10);
          log.push(n);
        }),
      );
      for (const task of tasks) yield* task;
    });
    expect(log).toEqual([1, 2, 3]);
  });

  test("NaN is refused where sleep is called", () => {
    expect(() => sleep(Number.NaN)).toThrow(withCode("MILLISECONDS", /NaN/));
  });

  test("what is no number is refused", () => {
    expect(() => sleep("10" as unknown as number)).toThrow(withCode("MILLISECONDS"));
  });

  test("cancelled, its timer goes at once", () => {
    runCleanly(function* () {
      const sleeper = createTask(sleep(1_000_000));
      yield* turns(1);
      sleeper.cancel("enough");
      const error = yield* thrownBy(sleeper);
      expect(isCancelled(error) && error.reason).toBe("enough");
      expect(now()).toBe(0);
    });
  });

  test("sleep(0) can be cancelled", () => {
    runCleanly(function* () {
      const sleeper = createTask(sleep(0));
      yield* sleep(0);
      sleeper.cancel();
      expect(isCancelled(yield* thrownBy(sleeper))).toBe(true);
    });
  });

  test("Infinity never fires", () => {
    runCleanly(function* () {
      const sleeper = createTask(sleep(Number.POSITIVE_INFINITY));
      yield* sleep(1e12);
      expect(sleeper.done).toBe(false);
      sleeper.cancel();
      yield* thrownBy(sleeper);
    });
  });

  test("closed, its timer goes", () => {
    runCleanly(function* () {
      const nap = sleep(1000);
      nap.next();
      nap.return(undefined);
    });
  });

  test("outside of a loop it throws when it begins", () => {
    expect(() => sleep(1).next()).toThrow(NoRunningLoopError);
  });
});
