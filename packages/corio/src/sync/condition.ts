import { isCancelled } from "../errors/cancelled-error.js";
import { misuse, typeError } from "../errors/corio-error.js";
import type { Coroutine } from "../tasks/coroutine.js";
import { Lock } from "./lock.js";
import { WaitQueue } from "./wait-queue.js";

/**
 * A lock together with "wait until something has changed": a task that has the lock waits and gives the lock up meanwhile;
 * another one that has it notifies.
 *
 * @example
 * yield* within(condition, function* () {
 *   yield* condition.waitFor(() => items.length > 0);
 *   return items.shift();
 * });
 * @see https://docs.python.org/3/library/asyncio-sync.html#asyncio.Condition
 */
export class Condition implements Disposable {
  readonly #lock: Lock;
  /** @internal */
  readonly _queue = new WaitQueue(this, "Condition");

  /** @param lock default a new one; several conditions may share one */
  constructor(lock: Lock = new Lock()) {
    if (!(lock instanceof Lock)) throw typeError("CONDITION_LOCK");
    this.#lock = lock;
  }

  /** Whether somebody has the lock. */
  get locked(): boolean {
    return this.#lock.locked;
  }

  /** How many tasks wait to be notified. */
  get waiting(): number {
    return this._queue.size;
  }

  /**
   * Takes the lock.
   *
   * @returns the condition itself, for `using`
   *
   * *If cancelled*, the lock is not taken.
   */
  *acquire(): Coroutine<this> {
    yield* this.#lock.acquire();
    return this;
  }

  /** Gives the lock back. */
  release(): void {
    this.#lock.release();
  }

  /**
   * Gives the lock up, waits to be notified, and takes the lock again. What one waits for may have changed back meanwhile:
   * {@link waitFor} tests it.
   *
   * @throws a `CorioError` without the lock
   *
   * *If cancelled*, it still takes the lock again before it throws, and passes on a notification that it got.
   */
  *wait(): Coroutine<true> {
    if (!this.locked) throw misuse("NOT_ACQUIRED.wait");
    const waiter = this._queue.join();
    this.release();
    try {
      try {
        yield* waiter;
      } finally {
        this._queue.leave(waiter);
        yield* this.#reacquire();
      }
      return true;
    } catch (error) {
      // it may have been notified; then another one is to hear of it
      if (!waiter.cancelled) this._queue.wakeNext();
      throw error;
    }
  }

  *#reacquire(): Coroutine<void> {
    let cancellation: unknown;
    for (;;) {
      try {
        yield* this.#lock.acquire();
        break;
      } catch (error) {
        if (!isCancelled(error)) throw error;
        cancellation = error;
      }
    }
    if (cancellation !== undefined) throw cancellation;
  }

  /**
   * Waits until `predicate()` is true; it is called with the lock held, at first and after each notification.
   *
   * @returns what the predicate returned
   *
   * *If cancelled*, like {@link wait}.
   */
  *waitFor<T>(predicate: () => T): Coroutine<T> {
    let result = predicate();
    while (!result) {
      yield* this.wait();
      result = predicate();
    }
    return result;
  }

  /**
   * Wakes tasks that wait; they go on when they get the lock.
   *
   * @param n how many at most; default 1
   * @throws a `CorioError` without the lock
   */
  notify(n = 1): void {
    if (!this.locked) throw misuse("NOT_ACQUIRED.notify");
    for (let i = 0; i < n && this._queue.wakeNext() !== undefined; i++);
  }

  /** Wakes all tasks that wait. */
  notifyAll(): void {
    this.notify(this._queue.size);
  }

  /** For `within`. */
  enter(): Coroutine<void> {
    return this.#lock.enter();
  }

  /** For `within`. */
  exit(_error?: unknown): Coroutine<void> {
    return this.#lock.exit();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
