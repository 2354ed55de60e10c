import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

// Hosts capture the timers when they load: these tests load corio while the timers are fake. What was built is loaded by
// Node itself, which loads a module once.
const built = process.env["CORIO_BUILT"] === "1";

describe.skipIf(built)("timers of the host that are longer than it can take", () => {
  beforeEach(() => {
    vi.resetModules();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.resetModules();
  });

  test("2^31 milliseconds and more fire when they are due, and not at once", async () => {
    const { NodeHost } = await import("corio");
    const host = new NodeHost();
    const delay = 3 * 2 ** 31 + 7;
    let rangAt: number | undefined;
    const start = host.now();
    host.requestTurnAt(start + delay, () => {
      rangAt = host.now() - start;
    });
    vi.advanceTimersByTime(2 ** 31 + 5);
    expect(rangAt).toBeUndefined();
    vi.advanceTimersByTime(2 * 2 ** 31);
    expect(rangAt).toBeUndefined();
    vi.advanceTimersByTime(2);
    expect(rangAt).toBeGreaterThanOrEqual(delay - 1);
    expect(rangAt).toBeLessThanOrEqual(delay);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("Infinity never fires, keeps a timer, and can be called off after it was split", async () => {
    const { NodeHost } = await import("corio");
    const host = new NodeHost();
    const callOff = host.requestTurnAt(Number.POSITIVE_INFINITY, () => expect.unreachable());
    vi.advanceTimersByTime(3 * 2 ** 31);
    expect(vi.getTimerCount()).toBe(1);
    callOff();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("no timer of the host is asked for more than 2^31 - 1 ms, nor for less than 0", async () => {
    const asked = vi.spyOn(globalThis, "setTimeout");
    const { NodeHost } = await import("corio");
    const host = new NodeHost();
    host.requestTurnAt(host.now() + 1e15, () => {});
    host.requestTurnAt(host.now() - 1e15, () => {});
    expect(asked.mock.calls.map(([, ms]) => ms)).toEqual([2 ** 31 - 1, 0]);
    asked.mockRestore();
  });

  test("a sleep of 30 days on the default loop ends after 30 days", async () => {
    const { run, sleep } = await import("corio");
    const days = 30 * 24 * 3_600_000;
    const start = performance.now();
    let over = false;
    const done = run(function* () {
      yield* sleep(days);
      over = true;
      return performance.now() - start;
    });
    await new Promise((resolve) => void setImmediate(resolve));
    await vi.advanceTimersByTimeAsync(days - 10);
    expect(over).toBe(false);
    await vi.advanceTimersByTimeAsync(20);
    expect(await done).toBeGreaterThanOrEqual(days - 1);
  });
});
