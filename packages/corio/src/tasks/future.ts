import { type Context, contextFor } from "../context/context.js";
import { CancelledError } from "../errors/cancelled-error.js";
import { misuse, textOf, typeError } from "../errors/corio-error.js";
import { diagnostics } from "../errors/diagnostics.js";
import { thisCopy } from "../errors/this-copy.js";
import { InvalidStateError } from "../errors/state-errors.js";
import type { EventLoop } from "../loop/event-loop.js";
import type { Ready } from "../scheduling/ready-queue.js";
import { getRunningLoop, running } from "../scheduling/running.js";
import { BRAND } from "./brand.js";
import type { Suspended } from "./coroutine.js";
import { UnretrievedError } from "./unretrieved.js";

// The states of a future. It leaves the first one once, and for good.
/** @internal `_value` is what the future stands for, where its maker says so, for reports: another future, or a {@link StandIn}. */
export const PENDING = 0;
/** @internal `_value` is the result. */
export const DONE = 1;
/** @internal `_value` is what was thrown. */
export const FAILED = 2;
/** @internal `_value` is the reason. */
export const CANCELLED = 3;
/** @internal `_value` is the CancelledError that ended it. */
export const CANCELLED_BY = 4;

/** @internal What a pending future stands for that is done when others are. */
export interface StandIn {
  /** What reports call it. */
  readonly what: string;
  readonly futures: Iterable<Future<unknown>>;
  /** Whether one of them is enough. */
  readonly one?: boolean;
}

/** What wants to know that a future is done: a waiting task, a callback, a promise. */
export interface Waiting {
  /** Called as soon as the future is done; schedules, and does not throw. */
  _futureDone(future: Future<unknown>): void;
  /** The future that cannot go on before, if there is one. */
  readonly _awaiter: Future<unknown> | undefined;
}

/**
 * A result that is not there yet. `yield* future` waits for it; `await future` does so in plain async code.
 *
 * Much like a promise with `setResult` and `setException` on the outside, except that it can be cancelled, and that its
 * callbacks run on its loop, in order.
 *
 * @example
 * const future = new Future<number>();
 * emitter.once("answer", (answer) => future.setResult(answer));
 * const answer = yield* future;
 * @see https://docs.python.org/3/library/asyncio-future.html#asyncio.Future
 */
export class Future<T> implements PromiseLike<T> {
  /** The loop that it belongs to. */
  readonly loop: EventLoop;
  /** @internal */
  _state: number = PENDING;
  /** @internal What it holds depends on the state. */
  _value: unknown = undefined;
  /** @internal While pending who waits, one or several; once it has failed, the record of an error that nobody has retrieved. */
  _callbacks: Waiting | Waiting[] | UnretrievedError | undefined = undefined;
  /** @internal The number of the step in which `yield*` asked for it while it was pending. */
  _asked = -1;

  /** @param options `loop`: default the running loop */
  constructor(options?: { loop?: EventLoop | undefined }) {
    this.loop = options?.loop ?? getRunningLoop();
  }

  /** Whether it has a result or an error, or was cancelled. */
  get done(): boolean {
    return this._state !== PENDING;
  }

  /** Whether it was cancelled. */
  get cancelled(): boolean {
    return this._state >= CANCELLED;
  }

  /** What `cancel(reason)` was given, as it was given. */
  get cancelReason(): unknown {
    if (this._state === CANCELLED_BY) return (this._value as CancelledError).reason;
    return this._state === CANCELLED ? this._value : undefined;
  }

  /** The futures and tasks that wait for this one. */
  get awaitedBy(): ReadonlySet<Future<unknown>> {
    return new Set(
      waitingFor(this).flatMap(({ _awaiter }) => (_awaiter === undefined || _awaiter.done ? [] : [_awaiter])),
    );
  }

  /**
   * The result.
   *
   * @throws the error that was set; a CancelledError if it was cancelled; an InvalidStateError if it is not done
   */
  result(): T {
    if (this._state === DONE) return this._value as T;
    if (this._state === FAILED) {
      this._retrieved();
      throw this._value;
    }
    if (this._state === PENDING) throw new InvalidStateError(textOf("INVALID_STATE.result"));
    throw this._cancelledError();
  }

  /**
   * The error that was set, or `undefined` if there is a result.
   *
   * @throws a CancelledError if it was cancelled; an InvalidStateError if it is not done
   */
  exception(): unknown {
    if (this._state === PENDING) throw new InvalidStateError(textOf("INVALID_STATE.exception"));
    if (this._state >= CANCELLED) throw this._cancelledError();
    this._retrieved();
    return this._state === FAILED ? this._value : undefined;
  }

  /**
   * Ends it with a result. Whoever waits is woken in the next iteration, never inside this call.
   *
   * @throws an InvalidStateError if it is done already
   */
  setResult(value: T): void {
    if (this._state !== PENDING) throw alreadyDone(this);
    this._settle(DONE, value);
  }

  /**
   * Ends it with an error. One that nobody retrieves is reported to the loop's exception handler.
   *
   * @param error anything but `undefined`
   * @throws an InvalidStateError if it is done already
   */
  setException(error: unknown): void {
    if (this._state !== PENDING) throw alreadyDone(this);
    if (error === undefined) throw typeError("NO_EXCEPTION");
    this._settle(FAILED, error);
  }

  /**
   * Cancels it: whoever waits for it gets a CancelledError.
   *
   * @param reason kept as it is, in `CancelledError.reason` and `cancelReason`
   * @returns false if it was done already
   */
  cancel(reason?: unknown): boolean {
    if (this._state !== PENDING) return false;
    this._settle(CANCELLED, reason);
    return true;
  }

  /**
   * Calls `fn` with this future on its loop when it is done, in the order in which they were added. If it is done already,
   * `fn` is called in the next iteration, never inside this call.
   *
   * @param options `context`: what it runs in; default a copy of the current context
   */
  addDoneCallback(fn: (future: this) => void, options?: { context?: Context | undefined }): void {
    if (typeof fn !== "function") throw typeError("CALLBACK.done", fn);
    this._addCallback(
      new DoneCallback(fn as (future: Future<unknown>) => void, contextFor(options?.context), undefined),
    );
  }

  /**
   * Removes every callback that is `fn`.
   *
   * @returns how many there were
   */
  removeDoneCallback(fn: (future: this) => void): number {
    return this._removeCallbacks((waiting) => waiting instanceof DoneCallback && waiting.fn === (fn as unknown));
  }

  /** Makes `await future` work in plain async code, also after the run and whether or not its loop runs. */
  // biome-ignore lint/suspicious/noThenProperty: a future is a thenable
  then<R1 = T, R2 = never>(
    onFulfilled?: ((value: T) => R1 | PromiseLike<R1>) | null,
    onRejected?: ((error: unknown) => R2 | PromiseLike<R2>) | null,
  ): Promise<R1 | R2> {
    return this._promise().then(onFulfilled, onRejected);
  }

  /** For `yield*`. */
  [Symbol.iterator](): Iterator<Suspended, T, void> {
    return this as unknown as Iterator<Suspended, T, void>;
  }

  /**
   * @internal A future is its own iterator, so waiting for it allocates nothing but the answer of `next()`.
   *
   * `yield*` always passes a value on, if only `undefined`; `[...future]`, `for (… of future)` and `const [x] = future` call
   * `next()` with none, and would take the future itself for an item. Who asks twice in one step is no task.
   */
  next(_sent?: undefined): IteratorResult<unknown, T> {
    // biome-ignore lint/complexity/noArguments: only this tells the two apart
    if (arguments.length === 0) throw misuse("ITERATED");
    const { task } = running;
    if (this._state === PENDING) {
      const again = this._asked === running.step;
      this._asked = again ? -1 : running.step;
      if (again) throw misuse("ITERATED");
      if (task !== undefined) this.loop._observer?.waits(task);
      return { done: false, value: this };
    }
    if (this._state === FAILED && task !== undefined)
      diagnostics.addToStack?.(this._value, task.name, Future.prototype.next);
    return { done: true, value: this.result() };
  }

  /** @internal */
  throw(error: unknown): never {
    throw error;
  }

  /** @internal */
  return(value?: unknown): IteratorResult<unknown, T> {
    return { done: true, value: value as T };
  }

  /** @internal */
  _promise(): Promise<T> {
    if (this._state === PENDING) {
      return new Promise<T>((resolve, reject) => {
        if (this.loop.closed) return reject(misuse("LOOP_CLOSED.then"));
        this.loop._pendingThens.add(this);
        this._addCallback(new PromiseCallback(resolve as (value: unknown) => void, reject));
      });
    }
    return new Promise((resolve) => resolve(this.result()));
  }

  /** @internal */
  _cancelledError(): CancelledError {
    return this._state === CANCELLED_BY ? (this._value as CancelledError) : new CancelledError(this._value);
  }

  /** @internal Somebody has seen the error, if there is one. */
  _retrieved(): void {
    if (this._state !== FAILED) return;
    (this._callbacks as UnretrievedError | undefined)?.drop();
    this._callbacks = undefined;
  }

  /** @internal */
  _settle(state: number, value: unknown): void {
    const callbacks = this._callbacks as Waiting | Waiting[] | undefined;
    this._state = state;
    this._value = value;
    this._callbacks =
      state === FAILED
        ? new UnretrievedError(this, value, this._name(), this.loop._observer?.originOf(this))
        : undefined;
    if (callbacks === undefined) return;
    if (!Array.isArray(callbacks)) callbacks._futureDone(this);
    else for (const callback of callbacks) callback._futureDone(this);
  }

  /** @internal What a report calls it; tasks have names. */
  _name(): string | undefined {
    return undefined;
  }

  /** @internal */
  _addCallback(waiting: Waiting): void {
    const callbacks = this._callbacks as Waiting | Waiting[] | undefined;
    if (this._state !== PENDING) waiting._futureDone(this);
    else if (callbacks === undefined) this._callbacks = waiting;
    else if (Array.isArray(callbacks)) callbacks.push(waiting);
    else this._callbacks = [callbacks, waiting];
  }

  /** @internal Calls `done` as soon as it is done, and not through the loop. Returns what `_removeCallbacks` removes. */
  _whenDone(done: () => void): Waiting {
    const waiting = { _awaiter: undefined, _futureDone: done };
    this._addCallback(waiting);
    return waiting;
  }

  /** @internal */
  _removeCallbacks(matches: (waiting: Waiting) => boolean): number {
    const before = waitingFor(this);
    const after = before.filter((waiting) => !matches(waiting));
    if (after.length < before.length) this._callbacks = after.length > 1 ? after : after[0];
    return before.length - after.length;
  }
}

Object.defineProperty(Future.prototype, BRAND, { value: thisCopy });

/** @internal A callback of a future: when the future is done, it is itself what the ready queue holds. */
export class DoneCallback implements Waiting, Ready {
  readonly fn: (future: Future<unknown>) => void;
  readonly _context: Context;
  readonly _awaiter: Future<unknown> | undefined;
  #future: Future<unknown> | undefined;

  constructor(fn: (future: Future<unknown>) => void, context: Context, awaiter: Future<unknown> | undefined) {
    this.fn = fn;
    this._context = context;
    this._awaiter = awaiter;
  }

  _futureDone(future: Future<unknown>): void {
    this.#future = future;
    future.loop._checkOpen();
    future.loop._enqueue(this);
  }

  _run(): void {
    const future = this.#future as Future<unknown>;
    try {
      this._context.run(() => this.fn(future));
    } catch (exception) {
      future.loop.callExceptionHandler({
        message: `Exception in callback ${this.fn.name || "(anonymous)"} of a future`,
        exception,
        future,
      });
    }
  }
}

/** A promise that waits for a future. It is settled at once: plain async code is not bound to the loop. */
class PromiseCallback implements Waiting {
  readonly _awaiter = undefined;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;

  constructor(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  _futureDone(future: Future<unknown>): void {
    future.loop._pendingThens.delete(future);
    try {
      this.#resolve(future.result());
    } catch (error) {
      this.#reject(error);
    }
  }

  loopClosed(error: Error): void {
    this.#reject(error);
  }
}

/** @internal Rejects what `then` of a future still waits for, when the loop closes. */
export function rejectThens(future: Future<unknown>): void {
  const error = misuse("LOOP_CLOSED.then");
  for (const waiting of waitingFor(future)) if (waiting instanceof PromiseCallback) waiting.loopClosed(error);
}

function waitingFor(future: Future<unknown>): Waiting[] {
  if (future._state !== PENDING || future._callbacks === undefined) return [];
  return [future._callbacks as Waiting | Waiting[]].flat();
}

function alreadyDone(future: Future<unknown>): InvalidStateError {
  return new InvalidStateError(textOf("INVALID_STATE", future));
}

/**
 * Whether `value` is a future or a task.
 *
 * @see https://docs.python.org/3/library/asyncio-future.html#asyncio.isfuture
 */
export function isFuture(value: unknown): value is Future<unknown> {
  return value instanceof Future;
}
