import type { Coroutine } from "../tasks/coroutine.js";
import { WaitQueue } from "./wait-queue.js";

/**
 * A flag that tasks can wait for. Not a DOM event: it is set, and stays set until it is cleared.
 *
 * @example
 * const ready = new Event();
 * createTask(function* () { yield* ready.wait(); console.log("go"); });
 * ready.set();
 * @see https://docs.python.org/3/library/asyncio-sync.html#asyncio.Event
 */
export class Event {
  #set = false;
  /** @internal */
  readonly _queue = new WaitQueue(this, "Event");

  /** Whether it is set. */
  get isSet(): boolean {
    return this.#set;
  }

  /** How many tasks wait for it. */
  get waiting(): number {
    return this._queue.size;
  }

  /** Sets it: all who wait go on, and who comes later does not wait. Works from any callback of the host. */
  set(): void {
    this.#set = true;
    while (this._queue.wakeNext() !== undefined);
  }

  /** Clears it: who comes from now on waits for the next `set()`. */
  clear(): void {
    this.#set = false;
  }

  /**
   * Waits until it is set.
   *
   * *If cancelled*, nothing changes.
   */
  *wait(): Coroutine<true> {
    if (this.#set) return true;
    const waiter = this._queue.join();
    try {
      yield* waiter;
      return true;
    } finally {
      this._queue.leave(waiter);
    }
  }
}
