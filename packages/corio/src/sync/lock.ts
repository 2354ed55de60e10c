import { misuse } from "../errors/corio-error.js";
import { running } from "../scheduling/running.js";
import { type Coroutine, Leaf, NOTHING } from "../tasks/coroutine.js";
import type { Task } from "../tasks/task.js";
import { WaitQueue } from "./wait-queue.js";

/**
 * A mutex for tasks: one has it, the others wait in order.
 *
 * @example
 * const lock = new Lock();
 * yield* within(lock, () => update()); // released however update() ends
 * // or
 * using _ = yield* lock.acquire();
 * @see https://docs.python.org/3/library/asyncio-sync.html#asyncio.Lock
 */
export class Lock implements Disposable {
  #locked = false;
  #owner: Task<unknown> | undefined = undefined;
  /** @internal */
  readonly _queue = new WaitQueue(this, "Lock");

  /** Whether somebody has it. */
  get locked(): boolean {
    return this.#locked;
  }

  /**
   * The task that has it: the one that took it, also after it has ended without giving it back. `undefined` while nobody has
   * it, and between a `release()` and the turn of the next in line.
   */
  get owner(): Task<unknown> | undefined {
    return this.#owner;
  }

  /** How many tasks wait for it. */
  get waiting(): number {
    return this._queue.size;
  }

  /**
   * Waits until it is free, and takes it. Fair: who came first gets it first.
   *
   * @returns the lock itself, for `using`
   *
   * *If cancelled*, it is not taken, and the next in line gets it.
   */
  acquire(): Coroutine<this> {
    return new Acquisition(this, this) as unknown as Coroutine<this>;
  }

  /**
   * Gives it back; the next in line gets it.
   *
   * @throws a `CorioError` if nobody has it
   */
  release(): void {
    if (!this.#locked) throw misuse("NOT_ACQUIRED");
    this.#locked = false;
    this.#owner = undefined;
    this._queue.wakeFirst();
  }

  /** For `within`. */
  enter(): Coroutine<void> {
    return new Acquisition(this, undefined) as unknown as Coroutine<void>;
  }

  /** For `within`. */
  exit(_error?: unknown): Coroutine<void> {
    this.release();
    return NOTHING;
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** @internal Takes it if it is free and nobody is in line. */
  _take(): boolean {
    if (this.#locked || this._queue.busy) return false;
    this.#locked = true;
    this.#owner = running.task;
    return true;
  }

  /** @internal */
  *_wait<R>(result: R): Coroutine<R> {
    const waiter = this._queue.join();
    try {
      yield* waiter;
      this.#locked = true;
      this.#owner = running.task;
      return result;
    } finally {
      this._queue.leave(waiter);
      // it may have been given to us, who do not take it
      if (!this.#locked) this._queue.wakeFirst();
    }
  }
}

class Acquisition<R> extends Leaf<R> {
  readonly #lock: Lock;
  readonly #result: R;

  constructor(lock: Lock, result: R) {
    super();
    this.#lock = lock;
    this.#result = result;
  }

  protected begin(): IteratorResult<unknown, R> {
    if (this.#lock._take()) return { done: true, value: this.#result };
    return this.waitIn(this.#lock._wait(this.#result));
  }
}
