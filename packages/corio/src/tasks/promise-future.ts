import type { EventLoop } from "../loop/event-loop.js";
import { isCoroutine } from "./coroutine.js";
import { DONE, FAILED, Future, PENDING } from "./future.js";

/**
 * @internal A future that a promise settles.
 *
 * A reaction that was attached to a promise cannot be taken off again. So the futures that wait for one promise share a
 * reaction, and a future that is cancelled leaves it: a promise that lives long keeps nothing of those that gave up waiting.
 */
export class PromiseFuture<T> extends Future<T> {
  /** @internal */
  _reaction: Reaction | undefined = undefined;
  // its neighbours among those that share the reaction
  /** @internal */
  _before: PromiseFuture<unknown> | undefined = undefined;
  /** @internal */
  _after: PromiseFuture<unknown> | undefined = undefined;

  override cancel(reason?: unknown): boolean {
    if (this._state !== PENDING) return false;
    this._reaction?.leave(this, reason);
    return super.cancel(reason);
  }
}

/** @internal A future of a promise's result. */
export function futureOf<T>(promise: PromiseLike<T>, loop: EventLoop): Future<T> {
  const future = new PromiseFuture<T>({ loop });
  reactionOf(promise).join(future);
  return future;
}

// Looking up every promise would cost more than waiting for it. A promise can only be waited for again while its first
// wait lasts or after it was given up; so only the latest promise and those that were given up are looked up.
let latestPromise: PromiseLike<unknown> | undefined;
let latest: Reaction | undefined;
let givenUp: WeakMap<PromiseLike<unknown>, Reaction> | undefined;
const free: Reaction[] = [];

function reactionOf(promise: PromiseLike<unknown>): Reaction {
  if (promise === latestPromise && latest !== undefined) return latest;
  const known = givenUp?.get(promise);
  if (known !== undefined) return known;
  const reaction = free.pop() ?? new Reaction();
  latestPromise = promise;
  latest = reaction;
  reaction.attach(promise);
  return reaction;
}

const { then } = Promise.prototype;

/** @internal Somebody will wait for a promise in a turn to come: the host is not to find it unhandled if it is rejected by then. */
export function expectLater(promise: PromiseLike<unknown>): void {
  if (isPlainPromise(promise)) void then.call(promise, undefined, ignore);
}

function isPlainPromise(promise: PromiseLike<unknown>): promise is Promise<unknown> {
  return promise instanceof Promise && promise.then === then;
}

function ignore(): void {}

/** What the core attached to a promise, with the futures that wait for it. Used again when the promise is settled. */
class Reaction {
  #promise: PromiseLike<unknown> | undefined;
  #first: PromiseFuture<unknown> | undefined;
  #last: PromiseFuture<unknown> | undefined;
  // the loop and the reason of the latest wait that was given up, while nobody waits
  #deserter: { loop: EventLoop; reason: unknown } | undefined;

  attach(promise: PromiseLike<unknown>): void {
    this.#promise = promise;
    // any other thenable might call back at once, or twice: a promise of it does not
    const native = isPlainPromise(promise) ? promise : Promise.resolve(promise);
    void then.call(native, this.#fulfilled, this.#rejected);
  }

  join(future: PromiseFuture<unknown>): void {
    future._reaction = this;
    future._before = this.#last;
    if (this.#last === undefined) this.#first = future;
    else this.#last._after = future;
    this.#last = future;
  }

  leave(future: PromiseFuture<unknown>, reason: unknown): void {
    this.#unlink(future);
    this.#deserter = { loop: future.loop, reason };
    givenUp ??= new WeakMap();
    if (this.#promise !== undefined && !givenUp.has(this.#promise)) givenUp.set(this.#promise, this);
  }

  #unlink(future: PromiseFuture<unknown>): void {
    const { _before: before, _after: after } = future;
    if (before === undefined) this.#first = after;
    else before._after = after;
    if (after === undefined) this.#last = before;
    else after._before = before;
    future._reaction = future._before = future._after = undefined;
  }

  readonly #fulfilled = (value: unknown): void => this.#settle(DONE, value);

  readonly #rejected = (error: unknown): void => {
    const deserter = this.#deserter;
    if (this.#first === undefined && deserter !== undefined && !isAbort(error, deserter.reason)) {
      deserter.loop.callExceptionHandler({
        message: "A promise was rejected after the wait for it was cancelled",
        exception: error,
      });
    }
    this.#settle(FAILED, error === undefined ? new Error("a promise was rejected with undefined") : error);
  };

  #settle(state: number, value: unknown): void {
    if (latest === this) latest = latestPromise = undefined;
    if (this.#deserter !== undefined) {
      givenUp?.delete(this.#promise as PromiseLike<unknown>);
      this.#deserter = undefined;
    }
    this.#promise = undefined;
    let loop: EventLoop | undefined;
    for (let future = this.#first; future !== undefined; ) {
      const next = future._after;
      future._reaction = future._before = future._after = undefined;
      if (loop !== undefined && loop !== future.loop) loop._wake();
      loop = future.loop;
      // with its loop, everything ended that waited for it
      if (loop.closed) future._callbacks = undefined;
      future._settle(state, value);
      future = next;
    }
    this.#first = this.#last = undefined;
    if (free.length < 256) free.push(this);
    loop?._wakeFromReaction();
  }
}

/** @internal Whether a rejection is only the answer to the abort that the cancellation itself made. */
export function isAbort(error: unknown, reason: unknown): boolean {
  const { name, cause } = (error ?? {}) as { name?: unknown; cause?: unknown };
  return (
    error === reason || name === "AbortError" || name === "CancelledError" || (reason !== undefined && cause === reason)
  );
}

/** @internal Whether it has a `then`: promises, and futures too. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === "object" && value !== null) || typeof value === "function") &&
    typeof (value as Partial<PromiseLike<unknown>>).then === "function"
  );
}

/** @internal Whether it can be waited for: a coroutine or, as futures are thenables, a thenable. */
export function isAwaitable(value: unknown): boolean {
  return isCoroutine(value) || isThenable(value);
}

/** @internal Ends one future as another ended. */
export function settleLike(future: Future<unknown>, source: Future<unknown>): void {
  if (future._state !== PENDING) return;
  source._retrieved();
  future._settle(source._state, source._value);
}
