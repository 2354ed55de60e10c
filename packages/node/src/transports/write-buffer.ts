import { invalidArgument } from "../errors/invalid-argument.js";

/** How many bytes may wait to be sent before the protocol is told to pause, and how few before it may go on. */
export interface WriteBufferLimits {
  /** In bytes; default 64 KiB. */
  high: number;
  /** In bytes; default a quarter of `high`. */
  low?: number;
}

/** @internal asyncio's. */
export const DEFAULT_LIMITS: Readonly<Required<WriteBufferLimits>> = { high: 64 * 1024, low: 16 * 1024 };

/** @internal */
export function checkLimits({ high, low = Math.floor(high / 4) }: WriteBufferLimits): Required<WriteBufferLimits> {
  if (low >= 0 && high >= low) return { high, low };
  throw invalidArgument("WRITE_BUFFER_LIMITS", `high (${high}) must be >= low (${low}) must be >= 0, in bytes`);
}

/** @internal */
export function checkBytes(data: unknown, call: string): asserts data is Uint8Array | string {
  if (typeof data === "string" || data instanceof Uint8Array) return;
  const got = data === null ? "null" : typeof data === "object" ? "an object" : typeof data;
  throw invalidArgument(
    "NOT_BYTES",
    `${call} takes a Uint8Array, or a string to be sent as UTF-8, not ${got}; of an object send JSON.stringify(it)`,
  );
}
