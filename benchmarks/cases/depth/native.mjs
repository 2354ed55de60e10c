/**
 * @param {number} n
 * @returns {Promise<number>}
 */
async function leaf(n) {
  let count = 0;
  while (count < n) {
    await null;
    count++;
  }
  return count;
}

/**
 * @param {number} depth
 * @param {number} n
 * @returns {Promise<number>}
 */
async function level(depth, n) {
  return depth === 2 ? await leaf(n) : await level(depth - 1, n);
}

/** @param {number} n @param {{ depth: number }} parameters */
export const work = (n, { depth }) => (depth === 1 ? leaf(n) : level(depth, n));
