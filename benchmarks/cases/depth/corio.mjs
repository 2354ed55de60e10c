import { run } from "corio";

/**
 * @param {number} n
 * @returns {Generator<undefined, number, void>}
 */
function* leaf(n) {
  let count = 0;
  while (count < n) {
    yield;
    count++;
  }
  return count;
}

/**
 * @param {number} depth
 * @param {number} n
 * @returns {Generator<undefined, number, void>}
 */
function* level(depth, n) {
  return depth === 2 ? yield* leaf(n) : yield* level(depth - 1, n);
}

/** @param {number} n @param {{ depth: number }} parameters */
export const work = (n, { depth }) => run(depth === 1 ? leaf(n) : level(depth, n));
