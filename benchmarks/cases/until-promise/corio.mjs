import { run, until } from "corio";

/** @param {number} n */
function* main(n) {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += yield* until(Promise.resolve(1));
  return sum;
}

/** @param {number} n */
export const work = (n) => run(main(n));
