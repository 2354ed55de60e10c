import { setTimeout } from "node:timers/promises";

/** @param {number} ms */
async function nap(ms) {
  await setTimeout(ms);
  return 1;
}

/** @param {number} n */
export async function work(n) {
  const results = await Promise.all(Array.from({ length: n }, (_, i) => nap(1 + (i % 1000))));
  return results.reduce((sum, one) => sum + one, 0);
}
