/** @param {number} ms */
async function nap(ms) {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** @param {number} n @param {() => void} allAsleep */
export async function hold(n, allAsleep) {
  const naps = Array.from({ length: n }, (_, i) => nap(60_000 + (i % 1000)));
  await new Promise((resolve) => setTimeout(resolve, 100));
  allAsleep();
  return naps.length;
}
