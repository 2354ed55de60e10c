async function waitOnce() {
  await null;
}

/** @param {number} n */
export async function work(n) {
  let count = 0;
  while (count < n) {
    await waitOnce();
    count++;
  }
  return count;
}
