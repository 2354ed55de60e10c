import { run, sleep } from "corio";

/** @param {number} n */
function* main(n) {
  let count = 0;
  while (count < n) {
    yield* sleep(0);
    count++;
  }
  return count;
}

/** @param {number} n */
export const work = (n) => run(main(n));
