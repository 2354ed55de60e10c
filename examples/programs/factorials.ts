/**
 * Two factorials with a pause of 1 s after each step. Where the pause lets the loop go on, the steps interleave and take 3 s;
 * where it holds the thread, one follows the other in 5 s.
 */
import { type Coroutine, gather, sleep } from "corio";
import { block } from "./blocking/block.js";

function* factorial(name: string, n: number, pause: () => Coroutine<void>) {
  let product = 1;
  for (let i = 2; i <= n; i++) {
    console.log(`${name}: ${product} * ${i}`);
    product *= i;
    yield* pause();
  }
  console.log(`${name}: ${n}! = ${product}`);
  return product;
}

function* waiting() {
  yield* sleep(1_000);
}

function* blocking() {
  block(1_000);
}

export function* main() {
  for (const pause of [waiting, blocking]) {
    const began = performance.now();
    const [a, b] = yield* gather(factorial("A", 3, pause), factorial("B", 4, pause));
    const seconds = (performance.now() - began) / 1_000;
    console.log(`${pause.name}: ${a} and ${b} in ${seconds.toFixed(1)} s`);
  }
}
