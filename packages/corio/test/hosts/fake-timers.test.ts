import { getRunningLoop, run, sleep } from "corio";
import { afterEach, describe, expect, test, vi } from "vitest";

describe("fake timers of a test runner", () => {
  afterEach(() => void vi.useRealTimers());

  test("do not freeze a loop whose module was loaded before", async () => {
    vi.useFakeTimers({
      toFake: ["setTimeout", "clearTimeout", "setImmediate", "performance", "Date", "queueMicrotask"],
    });
    const result = await run(function* () {
      const start = getRunningLoop().time();
      yield* sleep(2);
      yield* sleep(2);
      return getRunningLoop().time() - start;
    });
    expect(result).toBeGreaterThanOrEqual(2);
    expect(vi.getTimerCount()).toBe(0);
  });
});
