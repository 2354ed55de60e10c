import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Deviation, Schedule } from "../../src/exploration/schedule.js";
import { shrink } from "../../src/exploration/shrink.js";

/** Order deviations at steps 1, 2, …, with these choices. */
function ordersOf(choices: readonly number[]): Schedule {
  return choices.map((choice, i) => ({ kind: "order", step: i + 1, choice }));
}

/** Shrinks with a plain function for a program: everything that is asked for takes place. */
function shrunk(
  schedule: Schedule,
  fails: (schedule: Schedule) => boolean,
  attempts?: number,
): { best: Schedule; tried: Schedule[] } {
  const tried: Schedule[] = [];
  // biome-ignore lint/correctness/useYield: a run that waits for nothing
  function* attempt(one: Schedule): Generator<void, Schedule | undefined, void> {
    tried.push(one);
    return fails(one) ? one : undefined;
  }
  const { value } = shrink(schedule, attempt, attempts).next();
  return { best: value as Schedule, tried };
}

const has = (schedule: Schedule, ...steps: number[]): boolean =>
  steps.every((step) => schedule.some((deviation) => deviation.step === step));

describe("shrink", () => {
  test("keeps what matters, and nothing else", () => {
    const { best } = shrunk(ordersOf(new Array<number>(40).fill(1)), (schedule) => has(schedule, 3, 17, 40));
    expect(best.map(({ step }) => step)).toEqual([3, 17, 40]);
  });

  test("comes down to the ordinary order if that fails as well", () => {
    const { best, tried } = shrunk(ordersOf(new Array<number>(64).fill(3)), () => true);
    expect(best).toEqual([]);
    expect(tried.length).toBeLessThan(64);
  });

  test("leaves a schedule of which everything matters as it is", () => {
    const schedule = ordersOf([1, 1, 1]);
    expect(shrunk(schedule, (one) => has(one, 1, 2, 3)).best).toEqual(schedule);
    expect(shrunk([], () => true).best).toEqual([]);
  });

  test("makes choices smaller, as far as it still fails", () => {
    const fails = (schedule: Schedule): boolean =>
      schedule.some((deviation) => deviation.kind === "order" && deviation.step === 2 && deviation.choice >= 3);
    expect(shrunk(ordersOf([1, 9, 1]), fails).best).toEqual([{ kind: "order", step: 2, choice: 3 }]);
  });

  test("leaves out cancellations and the passing of time as well", () => {
    const schedule: Deviation[] = [
      { kind: "cancel", step: 1, task: 2 },
      { kind: "time", step: 1 },
      { kind: "order", step: 1, choice: 2 },
      { kind: "cancel", step: 4, task: 1 },
      { kind: "time", step: 9 },
    ];
    const fails = (one: Schedule): boolean => one.some(({ kind, step }) => kind === "cancel" && step === 4);
    expect(shrunk(schedule, fails).best).toEqual([schedule[3]]);
  });

  test("whatever fails, the result fails, is part of what failed, and no single deviation can be left out", () => {
    const failures = fc.array(fc.array(fc.integer({ min: 1, max: 24 }), { minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(failures, (needed) => {
        // any of several sets of steps makes it fail: what can be left out depends on what was
        const fails = (schedule: Schedule): boolean => needed.some((steps) => has(schedule, ...steps));
        const { best } = shrunk(ordersOf(new Array<number>(24).fill(1)), fails);
        expect(fails(best)).toBe(true);
        for (let i = 0; i < best.length; i++) expect(fails(best.toSpliced(i, 1))).toBe(false);
      }),
    );
  });

  test("a deviation that is no longer needed once a choice is smaller is left out", () => {
    const choiceOf = (schedule: Schedule, step: number): number => {
      const deviation = schedule.find((one) => one.step === step);
      return deviation?.kind === "order" ? deviation.choice : 0;
    };
    const fails = (schedule: Schedule): boolean =>
      choiceOf(schedule, 1) === 1 || (choiceOf(schedule, 1) === 2 && has(schedule, 2));
    expect(shrunk(ordersOf([2, 1]), fails).best).toEqual([{ kind: "order", step: 1, choice: 1 }]);
  });

  test("goes on from what took place, which may be less than what was asked for", () => {
    // step 5 only comes about with step 4, and makes nothing fail
    function* attempt(schedule: Schedule): Generator<void, Schedule | undefined, void> {
      yield;
      const taken = has(schedule, 4) ? schedule : schedule.filter(({ step }) => step !== 5);
      return has(taken, 1) ? taken : undefined;
    }
    const shrinking = shrink(ordersOf([1, 1, 1, 1, 1]), attempt);
    let answer = shrinking.next();
    while (!answer.done) answer = shrinking.next();
    expect(answer.value).toEqual(ordersOf([1]));
  });

  test("that is so from the first attempt on", () => {
    // biome-ignore lint/correctness/useYield: a run that waits for nothing
    function* withoutFive(schedule: Schedule): Generator<void, Schedule | undefined, void> {
      return has(schedule, 6) ? schedule.filter(({ step }) => step !== 5) : undefined;
    }
    const { value } = shrink(ordersOf([1, 1, 1, 1, 1, 1]), withoutFive, 1).next();
    expect((value as Schedule).map(({ step }) => step)).toEqual([4, 6]);
  });

  test("tries no more often than it may, and gives the best so far", () => {
    for (const attempts of [0, 1, 5, 20]) {
      const schedule = ordersOf(new Array<number>(100).fill(5));
      const { best, tried } = shrunk(schedule, (one) => has(one, 50, 99), attempts);
      expect(tried.length).toBeLessThanOrEqual(attempts);
      expect(has(best, 50, 99)).toBe(true);
    }
  });
});
