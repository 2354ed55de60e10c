/** @param {number} i */
async function job(i) {
  await null;
  return i;
}

/** @param {number} n */
export async function work(n) {
  const results = await Promise.all(Array.from({ length: n }, (_, i) => job(i)));
  return results.reduce((sum, i) => sum + i, 0);
}
