import { allTimers, createTask, getRunningLoop, sleep, timeout, wait, within } from "corio";
import { describe, expect, test } from "vitest";
import { randomFrom } from "../support/random.js";
import { runCleanly } from "../support/run-cleanly.js";
import { virtualLoop } from "../support/virtual-loop.js";

describe("allTimers", () => {
  test("has what is armed, in the order in which it becomes due", () => {
    runCleanly(function* () {
      const loop = getRunningLoop();
      const late = loop.callLater(30, () => {});
      const early = loop.callAt(loop.time() + 10, () => {});
      const tied = loop.callLater(30, () => {});
      const never = loop.callLater(Number.POSITIVE_INFINITY, () => {});
      const alsoNever = loop.callLater(Number.POSITIVE_INFINITY, () => {});
      expect([...allTimers()]).toEqual([early, late, tied, never, alsoNever]);
      expect([...allTimers(loop)].map(({ when }) => when - loop.time())).toEqual([10, 30, 30, Infinity, Infinity]);
      never.cancel();
      alsoNever.cancel();
      yield* sleep(31);
    });
  });

  test("keeps that order for many timers, through cancellations", () => {
    const random = randomFrom(5);
    const { loop } = virtualLoop();
    const handles = Array.from({ length: 500 }, () => loop.callLater(random(50), () => {}));
    const kept = handles.filter((handle, i) => {
      if (i % 3 === 0) handle.cancel();
      return i % 3 !== 0;
    });
    // sorting is stable: those of the same time stay in the order in which they were set
    expect([...allTimers(loop)]).toEqual(kept.toSorted((a, b) => a.when - b.when));
    loop.close();
  });

  test("has none that was cancelled, or that has run", () => {
    runCleanly(function* () {
      const loop = getRunningLoop();
      loop.callLater(5, () => {});
      loop.callLater(5, () => {}).cancel();
      expect(allTimers().size).toBe(1);
      yield* sleep(5);
      yield;
      expect(allTimers().size).toBe(0);
    });
  });

  test("has one whose time has come until the loop looks at it", () => {
    runCleanly(function* () {
      const handle = getRunningLoop().callLater(0, () => {});
      expect([...allTimers()]).toEqual([handle]);
      yield;
      expect(allTimers().size).toBe(0);
    });
  });

  test("has no sleeps of tasks, but time limits", () => {
    runCleanly(function* () {
      createTask(sleep(20));
      yield;
      expect(allTimers().size).toBe(0);
      const task = createTask(sleep(5));
      createTask(() => wait([task], { timeout: 30 }));
      yield* within(timeout(50), function* () {
        yield;
        expect([...allTimers()].map(({ when }) => when - getRunningLoop().time())).toEqual([30, 50]);
      });
      expect(allTimers().size).toBe(1);
      yield* sleep(40);
      expect(allTimers().size).toBe(0);
    });
  });

  test("is a copy: to change it changes no timer", () => {
    let ran = 0;
    runCleanly(function* () {
      getRunningLoop().callLater(1, () => void ran++);
      allTimers().clear();
      expect(allTimers().size).toBe(1);
      yield* sleep(2);
    });
    expect(ran).toBe(1);
  });

  test("needs a loop, running or given", () => {
    expect(() => allTimers()).toThrow(expect.objectContaining({ code: "ERR_CORIO_NO_RUNNING_LOOP" }));
    const { loop } = virtualLoop();
    loop.callLater(5, () => {});
    expect(allTimers(loop).size).toBe(1);
    loop.close();
    expect(allTimers(loop).size).toBe(0);
  });
});
