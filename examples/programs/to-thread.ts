/**
 * Functions that block, in threads: a ticker on the loop keeps ticking meanwhile. What they return and what they throw
 * arrives here, and a cancellation there.
 */
import { toThread, workerFunctions } from "@corio/node";
import { createTask, isCancelled, sleep } from "corio";
import type * as blocking from "./to-thread/blocking.js";

const { blockFor, blockUntilCancelled, divide } = workerFunctions<typeof blocking>(
  new URL("./to-thread/blocking.js", import.meta.url),
);

const ticks = sharedNumber();
const state = sharedNumber();

function* tick() {
  for (;;) {
    yield* sleep(10);
    Atomics.add(ticks, 0, 1);
    Atomics.notify(ticks, 0);
  }
}

/** Numbers that threads share are an array of them. */
function sharedNumber(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4));
}

export function* main() {
  const ticker = createTask(tick);

  console.log("a value:", yield* toThread(blockFor, 10, ticks));

  try {
    yield* toThread(divide, 1, 0);
  } catch (error) {
    console.log("an error:", String(error));
  }

  const blocked = createTask(toThread(blockUntilCancelled, state));
  while (Atomics.load(state, 0) < 1) yield* sleep(10);
  blocked.cancel();
  try {
    yield* blocked;
  } catch (error) {
    console.log("a cancellation:", isCancelled(error));
  }
  while (Atomics.load(state, 0) < 2) yield* sleep(10);
  console.log("the thread knows");

  ticker.cancel();
}
