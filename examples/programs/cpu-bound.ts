/**
 * A hash of a large input beside a ticker: all at once nothing else runs meanwhile; in slices, with a `yield` after each, the
 * ticker keeps ticking. (Work that cannot be cut into slices belongs into a thread or a process; pools of both come with
 * another package.)
 */
import { createHash } from "node:crypto";
import { type Coroutine, createTask, sleep } from "corio";

const size = 128 * 2 ** 20;
const slice = 64 * 2 ** 10;

function* allAtOnce(input: Buffer) {
  return createHash("sha256").update(input).digest("hex");
}

function* inSlices(input: Buffer) {
  const hash = createHash("sha256");
  for (let start = 0; start < input.length; start += slice) {
    hash.update(input.subarray(start, start + slice));
    yield; // the others have their turn
  }
  return hash.digest("hex");
}

function* besideTicker(hash: (input: Buffer) => Coroutine<string>, input: Buffer) {
  let longestGap = 0;
  const ticker = createTask(function* () {
    for (let last = performance.now(); ; ) {
      yield* sleep(10);
      const now = performance.now();
      longestGap = Math.max(longestGap, now - last);
      last = now;
    }
  });

  yield* sleep(50);
  const digest = yield* hash(input);
  yield* sleep(50);
  ticker.cancel();
  console.log(`${hash.name}: ${digest.slice(0, 16)}, longest gap between two ticks ${longestGap.toFixed(0)} ms`);
}

export function* main() {
  const input = Buffer.alloc(size, "corio");
  yield* besideTicker(allAtOnce, input);
  yield* besideTicker(inSlices, input);
}
