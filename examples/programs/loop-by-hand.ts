/** A loop made, run and closed by hand. `run(main)` does the same, and cancels the tasks that are left besides. */
import { EventLoop, sleep } from "corio";

function* answer() {
  console.log("thinking");
  yield* sleep(1_000);
  return 42;
}

const loop = new EventLoop();
try {
  console.log("the answer is", await loop.runUntilComplete(answer()));
  console.log("running:", loop.running, "closed:", loop.closed);
} finally {
  loop.close();
}
console.log("running:", loop.running, "closed:", loop.closed);
