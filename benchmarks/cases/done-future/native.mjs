/** @param {number} n */
export async function work(n) {
  const promise = Promise.resolve(1);
  let sum = 0;
  for (let i = 0; i < n; i++) sum += await promise;
  return sum;
}
