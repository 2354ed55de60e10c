/**
 * What a coroutine throws is caught where it is awaited. What nobody ever awaits is reported with the task's name and, in
 * debug mode (`corio run --debug exceptions.ts`), with the place where it was created; the loop goes on.
 */
import { createTask, sleep } from "corio";

function* divide(a: number, b: number) {
  yield* sleep(1_000);
  if (b === 0) throw new RangeError(`${a} / ${b}`);
  return a / b;
}

export function* main() {
  const awaited = createTask(divide(1, 0));
  try {
    console.log(yield* awaited);
  } catch (error) {
    console.log("caught:", String(error));
  }

  createTask(divide(2, 0), { name: "forgotten" });
  yield* sleep(2_000);
  console.log("the loop goes on:", yield* divide(6, 2));
}
