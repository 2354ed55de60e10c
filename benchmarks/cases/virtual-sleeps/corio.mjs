import { runVirtually } from "@corio/testing";
import { gather, sleep } from "corio";

const HOUR = 3_600_000;

/** @param {number} ms */
function* nap(ms) {
  yield* sleep(ms);
  return 1;
}

/** @param {number} n */
function* main(n) {
  const results = yield* gather(Array.from({ length: n }, () => nap(Math.random() * HOUR)));
  return results.reduce((sum, one) => sum + one, 0);
}

/** @param {number} n */
export const work = (n) => runVirtually(() => main(n));
