import { gather, run, sleep } from "corio";

/** @param {number} ms */
function* nap(ms) {
  yield* sleep(ms);
  return 1;
}

/** @param {number} n */
function* main(n) {
  const results = yield* gather(Array.from({ length: n }, (_, i) => nap(1 + (i % 1000))));
  return results.reduce((sum, one) => sum + one, 0);
}

/** @param {number} n */
export const work = (n) => run(main(n));
