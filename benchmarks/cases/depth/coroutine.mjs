import { coroutine, run } from "corio";

const leaf = coroutine(function* (/** @type {number} */ n) {
  let count = 0;
  while (count < n) {
    yield;
    count++;
  }
  return count;
});

/** @type {(depth: number, n: number) => import("corio").Coroutine<number>} */
const level = coroutine(function* (/** @type {number} */ depth, /** @type {number} */ n) {
  return depth === 2 ? yield* leaf(n) : yield* level(depth - 1, n);
});

/** @param {number} n @param {{ depth: number }} parameters */
export const work = (n, { depth }) => run(depth === 1 ? leaf(n) : level(depth, n));
