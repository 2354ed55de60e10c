import { CancelledError } from "../errors/cancelled-error.js";
import { ensureFuture } from "../loop/ensure-future.js";
import { getRunningLoop } from "../scheduling/running.js";
import { refuse } from "../tasks/brand.js";
import { closeCoroutine } from "../tasks/coroutine.js";
import { Future, PENDING } from "../tasks/future.js";
import { futureOf, isThenable, PromiseFuture } from "../tasks/promise-future.js";

/** What `until` hands to a function: the platform's `AbortSignal`, where its types are known. */
export type Signal = typeof globalThis extends { AbortSignal: { prototype: infer S } } ? S : AbortSignalShape;

interface AbortSignalShape {
  readonly aborted: boolean;
  readonly reason: unknown;
}

/**
 * Makes a future of a promise (elsewhere: fromPromise), so that a coroutine can wait for it. Given a function, it hands it an
 * AbortSignal, and cancelling the wait aborts the signal with the reason.
 *
 * @param source a promise, or a function from a signal to a promise
 * @returns a future of what the promise gives
 * @throws a NoRunningLoopError where no loop is running
 *
 * *If cancelled*, the signal is aborted. A promise cannot be: it goes on, its result is dropped, and a rejection is reported
 * to the loop's exception handler, unless it is the abort itself.
 * @example
 * const response = yield* until((signal) => fetch(url, { signal }));
 * const text = yield* until(response.text());
 */
export function until<T>(source: PromiseLike<T>): Future<T>;
export function until<T>(source: (signal: Signal) => PromiseLike<T>): Future<T>;
export function until<T>(source: PromiseLike<T> | ((signal: Signal) => PromiseLike<T>)): Future<T> {
  const loop = getRunningLoop();
  if (source instanceof Future) return source as Future<T>;
  if (isThenable(source)) return futureOf(source, loop);
  if (typeof source !== "function") {
    closeCoroutine(source);
    return refuse("NOT_AWAITABLE", "until(promise)", source);
  }
  const controller = new AbortController();
  const promise = source(controller.signal as Signal);
  if (!isThenable(promise)) return refuse("NOT_AWAITABLE", "until((signal) => promise)", promise);
  return new AbortingFuture(ensureFuture(promise, { loop }), controller);
}

declare const AbortController: new () => { readonly signal: object; abort(reason: unknown): void };

/** A future that aborts when it is cancelled. */
class AbortingFuture<T> extends PromiseFuture<T> {
  readonly #source: Future<T>;
  readonly #controller: { abort(reason: unknown): void };

  constructor(source: Future<T>, controller: { abort(reason: unknown): void }) {
    super({ loop: source.loop });
    this.#source = source;
    this.#controller = controller;
    source._addCallback({
      _awaiter: this,
      _futureDone: () => {
        if (this._state === PENDING) this._settle(source._state, source._value);
        source._retrieved();
      },
    });
  }

  override cancel(reason?: unknown): boolean {
    if (this._state !== PENDING) return false;
    super.cancel(reason);
    const abort = reason === undefined ? new CancelledError() : reason;
    this.#source.cancel(abort);
    this.#controller.abort(abort);
    return true;
  }
}
