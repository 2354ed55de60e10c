/** @param {number} n */
export async function work(n) {
  let count = 0;
  while (count < n) {
    await null;
    count++;
  }
  return count;
}
