/** Three workers, each a task. All start at once, so the slowest sets the total, whichever is awaited first. */
import { createTask, sleep } from "corio";

function* work(name: string, seconds: number) {
  console.log(`${name} starts`);
  yield* sleep(seconds * 1_000);
  console.log(`${name} is done after ${seconds} s`);
}

export function* main() {
  const a = createTask(work("A", 3));
  const b = createTask(work("B", 1));
  const c = createTask(work("C", 2));

  yield* a;
  yield* b;
  yield* c;
  console.log("all are done");
}
