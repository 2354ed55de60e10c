import type { Future } from "./future.js";

/** What the core needs of an `AbortSignal`. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/**
 * @internal Makes an abort of the signal a request to cancel the future. The listener goes when the future is done, so a
 * signal that lives long gathers none.
 *
 * @returns whether the signal is aborted already; then nothing was done
 */
export function cancelOnAbort(future: Future<unknown>, signal: AbortSignalLike): boolean {
  if (signal.aborted) return true;
  const abort = (): void => void future.cancel(signal.reason);
  signal.addEventListener("abort", abort);
  future._addCallback({ _awaiter: undefined, _futureDone: () => signal.removeEventListener("abort", abort) });
  return false;
}
