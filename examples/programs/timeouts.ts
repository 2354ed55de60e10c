/** A task of 5 s under a limit of 3 s. For a block of several waits there is `within(timeout(3_000), function* () {…})`. */
import { createTask, sleep, TimeoutError, waitFor } from "corio";

function* work() {
  try {
    console.log("working");
    yield* sleep(5_000);
    console.log("never printed");
  } finally {
    console.log("cleaning up");
  }
}

export function* main() {
  const task = createTask(work());
  try {
    yield* waitFor(task, 3_000);
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    console.log(String(error));
  }
  console.log("the task was cancelled:", task.cancelled);
}
