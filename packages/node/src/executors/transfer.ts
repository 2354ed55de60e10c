import type { MessagePort } from "node:worker_threads";
import { transferList } from "./transfer-list.js";

/** What can be handed over to a thread instead of being copied: ArrayBuffers, MessagePorts, streams, … */
export type Transferable = Exclude<Parameters<MessagePort["postMessage"]>[1], undefined>[number];

/**
 * Says that an argument, or a worker function's result, is handed over to the other thread and not copied. It is gone then from where
 * it was: an ArrayBuffer's length there is 0. Between processes everything is copied, so this does nothing.
 *
 * @param value an argument or a result, itself; what is further inside is not looked at
 * @param what the parts of it to hand over; default the value itself, or the buffer of a typed array
 * @returns the value
 * @throws a `TypeError` at once for what is not an object, and by default for what has no buffer to hand over
 * @example
 * const pixels = new Uint8Array(1_000_000);
 * const sum = yield* toThread((data: Uint8Array) => data.reduce((a, b) => a + b, 0), transfer(pixels));
 */
export function transfer<T extends object>(value: T, what?: readonly Transferable[]): T {
  transferList.mark(value, what);
  return value;
}
