/** Print, wait, print. */
import { sleep } from "corio";

export function* main() {
  console.log("hello");
  yield* sleep(1_000);
  console.log("world");
}
