import {
  type Awaitable,
  createTask,
  Future,
  getRunningLoop,
  isCancelled,
  race,
  shield,
  sleep,
  TimeoutError,
  waitFor,
} from "corio";
import { describe, expect, test } from "vitest";
import { failing, forever, later, now, thrownBy } from "../support/later.js";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtually, runVirtuallyWithPromises } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

describe("race", () => {
  test("gives the result of the first", () => {
    const { result, duration } = runCleanly(() => race(later(20, "slow"), later(10, "quick")));
    expect(result).toBe("quick");
    expect(duration).toBe(10);
  });

  test("gives the error of the first", () => {
    runCleanly(function* () {
      const bad = new Error("bad");
      expect(yield* thrownBy(race(later(20, "slow"), failing(10, bad)))).toBe(bad);
    });
  });

  test("cancels the others, and waits until their cleanup has ended", () => {
    const log: string[] = [];
    runCleanly(function* () {
      expect(yield* race(forever(log, "slow", 30), later(10, "quick"), forever(log, "other", 5))).toBe("quick");
      expect(now()).toBe(40);
    });
    expect(log).toEqual(["other ended", "slow ended"]);
  });

  test("cancels the caller's tasks too; shield what is to go on", () => {
    runCleanly(function* () {
      const [mine, shielded] = [createTask(later(50, 1)), createTask(later(50, 2))];
      yield* race(mine, shield(shielded), sleep(5));
      expect([mine.cancelled, shielded.done]).toEqual([true, false]);
      expect(yield* shielded).toBe(2);
    });
  });

  test("reports what the losers throw in their cleanup", () => {
    const { result, reports } = runVirtually(() =>
      race(
        later(1, "first"),
        (function* () {
          try {
            yield* sleep(10);
          } finally {
            yield* failing(1, new Error("loser"));
          }
        })(),
      ),
    );
    expect(result).toBe("first");
    expect(reports).toMatchObject([{ message: expect.stringContaining("race"), exception: new Error("loser") }]);
  });

  test("of two that end in the same iteration, the one that ended first wins, not the one that stands first", () => {
    runCleanly(function* () {
      const [a, b] = [new Future<string>(), new Future<string>()];
      getRunningLoop().callLater(5, () => {
        b.setResult("b");
        a.setResult("a");
      });
      expect(yield* race(a, b)).toBe("b");
    });
  });

  test("of those that are done already, the first in line wins", () => {
    runCleanly(function* () {
      const [a, b] = [new Future<string>(), new Future<string>()];
      b.setResult("b");
      a.setResult("a");
      expect(yield* race(a, b)).toBe("a");
    });
  });

  test("the same awaitable twice runs once", () => {
    let runs = 0;
    runCleanly(function* () {
      const same = (function* () {
        runs++;
        yield* sleep(1);
        return "same";
      })();
      expect(yield* race(same, same)).toBe("same");
    });
    expect(runs).toBe(1);
  });

  test("a cancelled one wins as a cancellation", () => {
    runCleanly(function* () {
      const task = createTask(forever());
      getRunningLoop().callLater(5, () => task.cancel("it"));
      const error = yield* thrownBy(race(task, later(10, 1)));
      expect(isCancelled(error) && error.reason).toBe("it");
    });
  });

  test("cancelled, all are cancelled and waited for", () => {
    const log: string[] = [];
    runCleanly(function* () {
      const racing = createTask(race(forever(log, "a", 5), forever(log, "b", 10)));
      yield* sleep(1);
      racing.cancel("outside");
      const error = yield* thrownBy(racing);
      expect(isCancelled(error) && error.reason).toBe("outside");
      expect(now()).toBe(11);
    });
    expect(log).toEqual(["a ended", "b ended"]);
  });

  test("cancelled a second time while it waits for the others, it still waits for them", () => {
    const log: string[] = [];
    runCleanly(function* () {
      const racing = createTask(race(forever(log, "a", 20), later(1, "winner")));
      yield* sleep(5);
      racing.cancel("second");
      expect(isCancelled(yield* thrownBy(racing))).toBe(true);
      expect(log).toEqual(["a ended"]);
    });
  });

  test("a time limit around it cancels it", () => {
    runCleanly(function* () {
      expect(yield* thrownBy(waitFor(race(forever(), forever()), 5))).toBeInstanceOf(TimeoutError);
    });
  });

  test("takes promises", async () => {
    const { result } = await runVirtuallyWithPromises(() => race(forever(), Promise.resolve("promise")));
    expect(result).toBe("promise");
  });

  test("needs at least one, and says so where it is called", () => {
    expect(() => (race as () => unknown)()).toThrow(withCode("RACE_EMPTY"));
  });

  test("what cannot be awaited is refused, and what was started is cancelled", () => {
    const log: string[] = [];
    runCleanly(function* () {
      const error = yield* thrownBy(race(forever(log), 5 as unknown as Awaitable<number>));
      expect(error).toMatchObject({ code: "ERR_CORIO_NOT_AWAITABLE" });
      yield* turns();
    });
    expect(log).toEqual([]);
  });
});
