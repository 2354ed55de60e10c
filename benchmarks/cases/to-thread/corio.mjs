import { toThread } from "@corio/node";
import { run } from "corio";

/** @param {number} n */
function* main(n) {
  let done = 0;
  for (let i = 0; i < n; i++) {
    yield* toThread(() => {});
    done++;
  }
  return done;
}

/** @param {number} n */
export const work = (n) => run(main(n));
