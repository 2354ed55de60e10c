import { map, run, sleep } from "corio";

/** @param {number} i */
function* job(i) {
  yield* sleep(0);
  return i;
}

/** @param {number} n */
function* main(n) {
  const items = Array.from({ length: n }, (_, i) => i);
  const results = yield* map(items, job, { concurrency: 10 });
  return results.reduce((sum, i) => sum + i, 0);
}

/** @param {number} n */
export const work = (n) => run(main(n));
