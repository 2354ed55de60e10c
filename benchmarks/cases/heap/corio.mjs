import { createTask, run, sleep } from "corio";

/** @param {number} ms */
function* nap(ms) {
  yield* sleep(ms);
}

/** @param {number} n @param {() => void} allAsleep */
export const hold = (n, allAsleep) =>
  run(function* () {
    const tasks = Array.from({ length: n }, (_, i) => createTask(nap(60_000 + (i % 1000))));
    yield* sleep(100);
    allAsleep();
    return tasks.filter((task) => !task.done).length;
  });
