import { Future, run } from "corio";

/** @param {number} n */
function* main(n) {
  /** @type {Future<number>} */
  const future = new Future();
  future.setResult(1);
  let sum = 0;
  for (let i = 0; i < n; i++) sum += yield* future;
  return sum;
}

/** @param {number} n */
export const work = (n) => run(main(n));
