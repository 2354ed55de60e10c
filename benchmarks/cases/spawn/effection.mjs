import { run, spawn } from "effection";

function* child() {
  return 1;
}

/** @param {number} n */
function* main(n) {
  let sum = 0;
  for (let i = 0; i < n; i++) {
    const task = yield* spawn(child);
    sum += yield* task;
  }
  return sum;
}

/** @param {number} n */
export const work = (n) => run(() => main(n));
