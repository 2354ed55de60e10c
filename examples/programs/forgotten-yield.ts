/** Calling a coroutine function runs nothing: it makes a coroutine, which waits for a `yield*` or a task to run it. */
import { coroutine, isCoroutine, isCoroutineFunction, sleep } from "corio";

function* greet(name: string) {
  yield* sleep(1_000);
  console.log(`hello, ${name}`);
}

// Of what `coroutine()` wraps, corio reports at the end of the run what was never awaited.
const greetPolitely = coroutine(function* greetPolitely(name: string) {
  yield* sleep(1_000);
  console.log(`good evening, ${name}`);
});

export function* main() {
  greet("nobody"); // forgotten: does nothing

  const greeting = greet("world");
  console.log("isCoroutineFunction(greet):", isCoroutineFunction(greet));
  console.log("isCoroutine(greet):", isCoroutine(greet));
  console.log("isCoroutine(greeting):", isCoroutine(greeting));
  console.log("a greeting is", String(greeting));
  yield* greeting;

  greetPolitely("nobody"); // forgotten: does nothing, and is reported
}
