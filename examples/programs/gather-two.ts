/** Two tasks at once: B is done first, and yet the results come back in the order of the call. */
import { gather, sleep } from "corio";

function* fetchAfter(name: string, seconds: number) {
  yield* sleep(seconds * 1_000);
  console.log(`${name} is done`);
  return `the result of ${name}`;
}

export function* main() {
  const [a, b] = yield* gather(fetchAfter("A", 2), fetchAfter("B", 1));
  console.log(a);
  console.log(b);
}
