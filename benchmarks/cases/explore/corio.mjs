import { explore } from "@corio/testing";
import { gather, sleep } from "corio";

/** A task starts, and then waits for its turn nine times: ten steps. */
function* worker() {
  for (let i = 0; i < 9; i++) yield* sleep(0);
}

function* fiveTasks() {
  yield* gather(worker(), worker(), worker(), worker(), worker());
}

/** @param {number} n @param {{ delays?: number, cancel?: boolean }} options */
export const work = (n, options) => explore(fiveTasks, { schedules: n, ...options }).schedules;
