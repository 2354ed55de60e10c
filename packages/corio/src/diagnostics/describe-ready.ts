import { Handle } from "../scheduling/handle.js";
import type { Ready } from "../scheduling/ready-queue.js";
import { DoneCallback, Future } from "../tasks/future.js";
import { Task } from "../tasks/task.js";

/**
 * What an entry of a {@link ReadyQueue} is: the name of a task, `callback onData` for a handle or a callback of a future,
 * `end of worker's sleep`.
 *
 * @example
 * class Noisy implements ReadyQueue {
 *   readonly #entries: Ready[] = [];
 *   get length(): number {
 *     return this.#entries.length;
 *   }
 *   push(entry: Ready): void {
 *     console.log(`${describeReady(entry)} is ready`);
 *     this.#entries.push(entry);
 *   }
 *   shift(): Ready {
 *     return this.#entries.shift() as Ready;
 *   }
 *   clear(): void {
 *     this.#entries.length = 0;
 *   }
 * }
 */
export function describeReady(entry: Ready): string {
  if (entry instanceof Task) return entry.name;
  if (entry instanceof Future) {
    const [sleeper] = entry.awaitedBy;
    return sleeper instanceof Task ? `end of ${sleeper.name}'s sleep` : "end of a sleep";
  }
  const callback = entry instanceof Handle ? entry._callback : entry instanceof DoneCallback ? entry.fn : undefined;
  return callback === undefined ? "callback" : `callback ${callback.name || "(anonymous)"}`;
}
