import type { Future, Waiting } from "./future.js";

/** What the core needs of an `AbortSignal`. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/**
 * @internal Makes an abort of the signal a request to cancel the future. All futures of a signal share one listener, which goes
 * when the last of them is done: a signal that lives long gathers none.
 *
 * @returns whether the signal is aborted already; then nothing was done
 */
export function cancelOnAbort(future: Future<unknown>, signal: AbortSignalLike): boolean {
  if (signal.aborted) return true;
  const listener = listeners.get(signal) ?? new AbortListener(signal);
  listener.add(future);
  return false;
}

const listeners = new WeakMap<AbortSignalLike, AbortListener>();

class AbortListener implements Waiting {
  readonly _awaiter = undefined;
  readonly #signal: AbortSignalLike;
  readonly #futures = new Set<Future<unknown>>();

  constructor(signal: AbortSignalLike) {
    this.#signal = signal;
    listeners.set(signal, this);
    signal.addEventListener("abort", this.#abort);
  }

  add(future: Future<unknown>): void {
    this.#futures.add(future);
    future._addCallback(this);
  }

  _futureDone(future: Future<unknown>): void {
    this.#futures.delete(future);
    if (this.#futures.size > 0) return;
    this.#signal.removeEventListener("abort", this.#abort);
    listeners.delete(this.#signal);
  }

  readonly #abort = (): void => {
    for (const future of [...this.#futures]) future.cancel(this.#signal.reason);
  };
}
