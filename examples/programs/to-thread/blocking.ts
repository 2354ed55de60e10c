/** What the threads run: functions that block, each on memory that it shares with the loop. */
import { currentWork } from "@corio/node";

/** Blocks its thread until the loop has ticked so many times. */
export function blockFor(count: number, ticks: Int32Array): string {
  const end = Atomics.load(ticks, 0) + count;
  for (let now = end - count; now < end; now = Atomics.load(ticks, 0)) Atomics.wait(ticks, 0, now);
  return `${count} ticks were counted from a thread that was blocked`;
}

export function divide(a: number, b: number): number {
  if (b === 0) throw new RangeError(`${a} / ${b}`);
  return a / b;
}

/** Blocks its thread until its result is no longer wanted. It tells by `state`: 1 when it has begun, 2 when it gives up. */
export function blockUntilCancelled(state: Int32Array): void {
  const work = currentWork();
  Atomics.store(state, 0, 1);
  while (!work.cancelled) Atomics.wait(state, 0, 1, 10);
  Atomics.store(state, 0, 2);
}
