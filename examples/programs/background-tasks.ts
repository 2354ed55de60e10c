/**
 * A task runs from its creation on, not from when it is awaited. And it runs to its end, whether or not anybody keeps it: the
 * loop does.
 */
import { createTask, gather, sleep } from "corio";

function* download(name: string, seconds: number) {
  yield* sleep(seconds * 1_000);
  console.log(`${name} is here`);
  return name;
}

export function* main() {
  const downloads = ["A", "B", "C"].map((name) => createTask(download(name, 1)));
  createTask(download("what nobody waits for", 3));

  console.log("doing something else");
  yield* sleep(2_000);

  console.log("gathering what is there by now");
  console.log("got", (yield* gather(downloads)).join(", "));

  yield* sleep(2_000);
  console.log("the end");
}
