import { gather, run, sleep } from "corio";

/** @param {number} i */
function* job(i) {
  yield* sleep(0);
  return i;
}

/** @param {number} n */
function* main(n) {
  const results = yield* gather(Array.from({ length: n }, (_, i) => job(i)));
  return results.reduce((sum, i) => sum + i, 0);
}

/** @param {number} n */
export const work = (n) => run(main(n));
