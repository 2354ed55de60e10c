import { setTimeout } from "node:timers/promises";

/** @param {number} ms */
async function nap(ms) {
  await setTimeout(ms);
}

/** @param {number} n @param {() => void} allAsleep */
export async function hold(n, allAsleep) {
  const naps = Array.from({ length: n }, (_, i) => nap(60_000 + (i % 1000)));
  await setTimeout(100);
  allAsleep();
  return naps.length;
}
