import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { randomFrom } from "../../src/random/random.js";

describe("randomFrom", () => {
  test("gives whole numbers from 0 up to, not including, the limit", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 2 ** 31 }), (seed, limit) => {
        const random = randomFrom(seed);
        for (let i = 0; i < 50; i++) {
          const number = random(limit);
          expect(Number.isInteger(number) && number >= 0 && number < limit).toBe(true);
        }
      }),
    );
  });

  test("gives the same numbers for the same seed, on every machine and in every version", () => {
    expect(draw(1, 5)).toEqual(draw(1, 5));
    // a schedule that was found once is found again by its seed: do not change these
    expect(draw(1, 5)).toEqual([360_280, 218_859, 977_769, 554_790, 570_394]);
    expect(draw(2, 3)).toEqual([937_717, 611_933, 484_403]);
    expect(draw(-1, 3)).toEqual([667_127, 380_879, 653_681]);
  });

  test("gives different numbers for neighbouring seeds", () => {
    const firsts = new Set(Array.from({ length: 1_000 }, (_, seed) => draw(seed, 3).join(" ")));
    expect(firsts.size).toBe(1_000);
  });

  test("neither the first nor the later numbers of neighbouring seeds prefer anything", () => {
    for (const at of [0, 1, 7]) {
      const counts = new Array<number>(8).fill(0);
      for (let seed = 0; seed < 8_000; seed++) counts[draw(seed, at + 1, 8)[at] as number]!++;
      for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(200);
    }
  });
});

function draw(seed: number, count: number, limit = 1_000_000): number[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, () => random(limit));
}
