import PQueue from "p-queue";

/** @param {number} i */
async function job(i) {
  await null;
  return i;
}

/** @param {number} n */
export async function work(n) {
  const items = Array.from({ length: n }, (_, i) => i);
  const queue = new PQueue({ concurrency: 10 });
  const results = await queue.addAll(items.map((i) => () => job(i)));
  return results.reduce((sum, i) => sum + i, 0);
}
