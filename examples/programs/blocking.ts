/**
 * Two that wait for 2 s: together they take 2 s if they let the loop go on, and 4 s if they hold the thread. Debug mode
 * names who held it, and for how long: `corio run --debug blocking.ts`.
 */
import { type Coroutine, createTask, sleep } from "corio";
import { block } from "./blocking/block.js";

function* polite(name: string) {
  console.log(`${name} waits`);
  yield* sleep(2_000);
  console.log(`${name} has waited`);
}

function* rude(name: string) {
  console.log(`${name} blocks`);
  block(2_000);
  console.log(`${name} has blocked`);
}

function* both(coroutine: (name: string) => Coroutine<void>) {
  const began = performance.now();
  const a = createTask(coroutine("A"), { name: "A" });
  const b = createTask(coroutine("B"), { name: "B" });
  yield* a;
  yield* b;
  console.log(`${((performance.now() - began) / 1_000).toFixed(1)} s`);
}

export function* main() {
  yield* both(polite);
  yield* both(rude);
}
