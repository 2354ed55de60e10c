/** `gather` with `returnExceptions` gives errors in place. Without it, the first error ends it, and what it had started. */
import { gather, isCancelled, sleep } from "corio";

function* ask(name: string, seconds: number) {
  try {
    yield* sleep(seconds * 1_000);
    if (name === "B") throw new Error("B has no answer");
    return `the answer of ${name}`;
  } catch (error) {
    if (isCancelled(error)) console.log(`${name} is cancelled`);
    throw error;
  }
}

export function* main() {
  const answers = yield* gather([ask("A", 1), ask("B", 2), ask("C", 3)], { returnExceptions: true });
  for (const answer of answers) console.log(answer instanceof Error ? `error: ${answer.message}` : answer);

  try {
    yield* gather(ask("A", 1), ask("B", 2), ask("C", 3));
  } catch (error) {
    console.log("caught:", String(error));
  }
}
