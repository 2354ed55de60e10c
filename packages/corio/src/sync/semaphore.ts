import { rangeError } from "../errors/corio-error.js";
import { type Coroutine, Leaf, NOTHING } from "../tasks/coroutine.js";
import { WaitQueue } from "./wait-queue.js";

/**
 * A number of permits: each `acquire()` takes one, each `release()` gives one, and who finds none waits in order. Bounds how
 * many do something at once.
 *
 * @example
 * const limit = new Semaphore(10);
 * yield* within(limit, () => download(url));
 * @see https://docs.python.org/3/library/asyncio-sync.html#asyncio.Semaphore
 */
export class Semaphore implements Disposable {
  #value: number;
  /** @internal */
  readonly _queue = new WaitQueue(this, "Semaphore");

  /** @param value how many permits there are at first, a whole number or `Infinity`; default 1 */
  constructor(value = 1) {
    if (!(value >= 0) || value % 1) {
      throw rangeError("SEMAPHORE_VALUE", value);
    }
    this.#value = value;
  }

  /** How many permits are free. */
  get value(): number {
    return this.#value;
  }

  /** Whether `acquire()` would have to wait. */
  get locked(): boolean {
    return this.#value === 0 || this._queue.busy;
  }

  /** How many tasks wait. */
  get waiting(): number {
    return this._queue.size;
  }

  /**
   * Takes a permit, and waits for one if there is none. Fair: who came first gets it first.
   *
   * @returns the semaphore itself, for `using`
   *
   * *If cancelled*, no permit is taken, and one that was on its way goes to the next in line.
   */
  acquire(): Coroutine<this> {
    return new Acquisition(this, this) as unknown as Coroutine<this>;
  }

  /** Gives a permit; the first in line gets it. */
  release(): void {
    this.#value++;
    this.#grant();
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

  // The permit is taken when it is granted, not when the waiter runs: newcomers cannot snatch it meanwhile.
  #grant(): boolean {
    if (this._queue.wakeNext() === undefined) return false;
    this.#value--;
    return true;
  }

  /** @internal */
  _take(): boolean {
    if (this.locked) return false;
    this.#value--;
    return true;
  }

  /** @internal */
  *_wait<R>(result: R): Coroutine<R> {
    const waiter = this._queue.join();
    let taken = false;
    try {
      yield* waiter;
      taken = true;
      return result;
    } finally {
      // a permit may have been granted to us, who do not take it
      if (!taken && waiter.done && !waiter.cancelled) this.#value++;
      this._queue.leave(waiter);
      while (this.#value > 0 && this.#grant());
    }
  }
}

/**
 * A semaphore that finds a `release()` too many.
 *
 * @see https://docs.python.org/3/library/asyncio-sync.html#asyncio.BoundedSemaphore
 */
export class BoundedSemaphore extends Semaphore {
  readonly #bound: number;

  /** @param value how many permits there are at first, and ever; default 1 */
  constructor(value = 1) {
    super(value);
    this.#bound = value;
  }

  /** @throws a `RangeError` if every permit is free already */
  override release(): void {
    if (this.value >= this.#bound) {
      throw rangeError("RELEASED_TOO_OFTEN");
    }
    super.release();
  }
}

class Acquisition<R> extends Leaf<R> {
  readonly #semaphore: Semaphore;
  readonly #result: R;

  constructor(semaphore: Semaphore, result: R) {
    super();
    this.#semaphore = semaphore;
    this.#result = result;
  }

  protected begin(): IteratorResult<unknown, R> {
    if (this.#semaphore._take()) return { done: true, value: this.#result };
    return this.waitIn(this.#semaphore._wait(this.#result));
  }
}
