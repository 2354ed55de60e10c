import { type Coroutine, createTask, isCancelled, retry, sleep, TimeoutError, timeout, waitFor, within } from "corio";
import { afterEach, describe, expect, test, vi } from "vitest";
import { failing, forever, later, now, thrownBy } from "../support/later.js";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtually, runVirtuallyWithPromises } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

afterEach(() => vi.restoreAllMocks());

/** Fails at once until the attempt of that number, and notes when each attempt was. */
function flaky(succeedsAt: number, times: number[]): (attempt: number) => Coroutine<string> {
  return function* (attempt) {
    times.push(now());
    if (attempt < succeedsAt) throw new Error(`attempt ${attempt}`);
    return `attempt ${attempt}`;
  };
}

describe("retry", () => {
  test("gives the result of the first attempt that succeeds", () => {
    const times: number[] = [];
    runCleanly(function* () {
      expect(yield* retry(flaky(1, times))).toBe("attempt 1");
      expect(yield* retry(flaky(2, times))).toBe("attempt 2");
    });
    expect(times).toEqual([0, 0, 100]);
  });

  test("throws the error of the last attempt", () => {
    const times: number[] = [];
    runCleanly(function* () {
      expect(yield* thrownBy(retry(flaky(9, times)))).toEqual(new Error("attempt 3"));
    });
    expect(times).toEqual([0, 100, 300]);
  });

  test("the delays grow by the factor, up to the longest", () => {
    const times: number[] = [];
    runCleanly(function* () {
      yield* retry(flaky(6, times), { attempts: 6, delay: 10, factor: 3, maxDelay: 200 });
    });
    expect(times).toEqual([0, 10, 40, 130, 330, 530]);
  });

  test("a factor of 1 keeps the delay, a delay of 0 waits for no time", () => {
    const times: number[] = [];
    runCleanly(function* () {
      yield* retry(flaky(4, times), { attempts: 4, delay: 7, factor: 1 });
      yield* retry(flaky(3, times), { delay: 0 });
    });
    expect(times).toEqual([0, 7, 14, 21, 21, 21, 21]);
  });

  test("regression: a delay of 0 stays 0 however often it is doubled", () => {
    const times: number[] = [];
    runCleanly(function* () {
      yield* retry(flaky(1100, times), { attempts: Number.POSITIVE_INFINITY, delay: 0 });
    });
    expect(times.length).toBe(1100);
  });

  test("one attempt is no retry", () => {
    const times: number[] = [];
    runCleanly(function* () {
      expect(yield* thrownBy(retry(flaky(2, times), { attempts: 1 }))).toEqual(new Error("attempt 1"));
    });
    expect(times).toEqual([0]);
  });

  test("when decides by the error and by how many attempts there were", () => {
    const asked: [unknown, number][] = [];
    runCleanly(function* () {
      const error = yield* thrownBy(
        retry(flaky(9, []), {
          attempts: 9,
          when: (error, attempts) => {
            asked.push([error, attempts]);
            return attempts < 2;
          },
        }),
      );
      expect(error).toEqual(new Error("attempt 2"));
    });
    expect(asked).toEqual([
      [new Error("attempt 1"), 1],
      [new Error("attempt 2"), 2],
    ]);
  });

  test("jitter shortens each delay by at most that part of it", () => {
    const delays = (random: number): number[] => {
      vi.spyOn(Math, "random").mockReturnValue(random);
      const times: number[] = [];
      runCleanly(() => retry(flaky(4, times), { attempts: 4, delay: 100, jitter: 0.5 }));
      return times.slice(1).map((time, i) => time - (times[i] as number));
    };
    expect(delays(0)).toEqual([100, 200, 400]);
    expect(delays(0.5)).toEqual([75, 150, 300]);
    expect(delays(1)).toEqual([50, 100, 200]);
  });

  test("jitter of 1 may come down to nothing, never below", () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const times: number[] = [];
    runCleanly(() => retry(flaky(3, times), { jitter: 1 }));
    expect(times).toEqual([0, 0, 0]);
  });

  test("takes a function that makes a promise", async () => {
    let attempts = 0;
    const { result } = await runVirtuallyWithPromises(() =>
      retry(async () => {
        if (++attempts < 3) throw new Error("not yet");
        return attempts;
      }),
    );
    expect(result).toBe(3);
  });

  test("a cancellation is never retried: in an attempt", () => {
    const log: string[] = [];
    let made = 0;
    runCleanly(function* () {
      const task = createTask(
        retry(() => {
          made++;
          return forever(log, "attempt", 5);
        }),
      );
      yield* sleep(1);
      task.cancel("why");
      const error = yield* thrownBy(task);
      expect(isCancelled(error) && error.reason).toBe("why");
    });
    expect(log).toEqual(["attempt ended"]);
    expect(made).toBe(1);
  });

  test("a cancellation is never retried: in a delay", () => {
    const times: number[] = [];
    runCleanly(function* () {
      const task = createTask(retry(flaky(9, times), { delay: 1000 }));
      yield* sleep(5);
      task.cancel();
      expect(isCancelled(yield* thrownBy(task))).toBe(true);
      expect(now()).toBe(5);
    });
    expect(times).toEqual([0]);
  });

  test("a time limit inside each attempt is retried, one around all of them is not", () => {
    let attempts = 0;
    runCleanly(function* () {
      const slow = (): Coroutine<void> => {
        attempts++;
        return waitFor(sleep(50), 10);
      };
      expect(yield* thrownBy(retry(slow, { attempts: 3, delay: 1, factor: 1 }))).toBeInstanceOf(TimeoutError);
      expect([attempts, now()]).toEqual([3, 32]);
      const error = yield* thrownBy(within(timeout(25), () => retry(slow, { attempts: 99, delay: 1 })));
      expect(error).toMatchObject({ message: "timed out after 25 ms" });
      expect(attempts).toBe(6);
    });
  });

  test("a retry loop around an empty catch goes on after its cancellation, and debug mode tells", () => {
    let attempts = 0;
    const { messages } = runVirtually(
      function* () {
        const stubborn = createTask(
          function* () {
            while (attempts < 8) {
              try {
                attempts++;
                yield* sleep(1000);
                yield* failing(0, new Error("bad"));
              } catch {}
            }
          },
          { name: "stubborn" },
        );
        yield* sleep(10);
        stubborn.cancel();
        yield* stubborn;
      },
      { debug: true },
    );
    expect(attempts).toBe(8);
    expect(messages).toEqual([
      expect.stringMatching(/stubborn.* still runs 5000 ms after it was cancelled; it is ready/),
      expect.stringMatching(/stubborn.* was cancelled and ended normally: a catch swallowed the CancelledError/),
    ]);
  });

  test("retry in the place of such a loop ends at once", () => {
    runCleanly(
      function* () {
        const task = createTask(retry(() => failing(1000, new Error("bad")), { attempts: Number.POSITIVE_INFINITY }));
        yield* sleep(10);
        task.cancel();
        yield* turns(2);
        expect([task.cancelled, now()]).toEqual([true, 10]);
      },
      { debug: true },
    );
  });

  describe("used wrongly", () => {
    test("a coroutine in place of the function that makes it is refused", () => {
      expect(() => retry(later(1, 1) as never)).toThrow(withCode("RETRY", /retry\(\(\) => main\(\)\)/));
    });

    test("impossible numbers are refused", () => {
      const make = (): Coroutine<number> => later(1, 1);
      expect(() => retry(make, { attempts: 0 })).toThrow(withCode("RETRY_ATTEMPTS"));
      expect(() => retry(make, { attempts: Number.NaN })).toThrow(withCode("RETRY_ATTEMPTS"));
      for (const options of [{ delay: -1 }, { factor: -1 }, { maxDelay: Number.NaN }, { delay: Number.NaN }]) {
        expect(() => retry(make, options)).toThrow(withCode("RETRY_DELAY"));
      }
      for (const jitter of [-0.1, 1.1, Number.NaN])
        expect(() => retry(make, { jitter })).toThrow(withCode("RETRY_JITTER"));
    });
  });
});
