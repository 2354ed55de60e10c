import { misuse } from "../errors/corio-error.js";
import type { EventLoop } from "../loop/event-loop.js";
import { getRunningLoop } from "../scheduling/running.js";
import { Future } from "../tasks/future.js";

/**
 * The one wait-queue under every lock, event, semaphore, condition, barrier and queue.
 *
 * Fair: whoever came first is woken first. Cancellable: a waiter that is cancelled leaves at once, wherever it stands, in
 * constant time. What a primitive has to see to is only whom it wakes, and what becomes of a wake-up whose receiver is
 * cancelled before it runs.
 *
 *   #first ─> woken ─> woken ─> pending ─> pending <─ #last
 *                               #pending
 *
 * A woken waiter stays in the queue until its task runs and leaves: meanwhile newcomers must not overtake it. Waiters are
 * woken from the front, so the woken ones come before the pending ones; `#pending` is the border.
 */
export class WaitQueue {
  readonly #owner: object;
  #loop: EventLoop | undefined;
  #first: Waiter | undefined;
  #last: Waiter | undefined;
  #pending: Waiter | undefined;
  #size = 0;

  /** @param owner what it belongs to, for messages */
  constructor(owner: object) {
    this.#owner = owner;
  }

  /** How many wait, those that were woken and have not run yet included. */
  get size(): number {
    return this.#size;
  }

  /** Adds a waiter at the end; `yield*` it, and `leave` in a `finally`. */
  join(): Waiter {
    const waiter = new Waiter(this, this.#bind());
    waiter._before = this.#last;
    if (this.#last === undefined) this.#first = waiter;
    else this.#last._after = waiter;
    this.#last = waiter;
    this.#pending ??= waiter;
    this.#size++;
    return waiter;
  }

  /** Takes a waiter out; one that left already is left alone. */
  leave(waiter: Waiter): void {
    if (waiter._queue === undefined) return;
    waiter._queue = undefined;
    if (this.#pending === waiter) this.#pending = waiter._after;
    if (waiter._before === undefined) this.#first = waiter._after;
    else waiter._before._after = waiter._after;
    if (waiter._after === undefined) this.#last = waiter._before;
    else waiter._after._before = waiter._before;
    waiter._before = waiter._after = undefined;
    this.#size--;
  }

  /** Wakes the first pending waiter. Returns whether there was one. */
  wakeNext(): boolean {
    const waiter = this.#pending;
    if (waiter === undefined) return false;
    this.#pending = waiter._after;
    waiter.setResult();
    return true;
  }

  /** Wakes the first waiter unless it was woken already: for what only one may have. */
  wakeFirst(): void {
    if (this.#first === this.#pending) this.wakeNext();
  }

  /** Wakes the first waiter, which leaves at once: for those who come back to look for themselves. */
  release(): boolean {
    const waiter = this.#pending;
    if (!this.wakeNext()) return false;
    this.leave(waiter as Waiter);
    return true;
  }

  #bind(): EventLoop {
    const loop = getRunningLoop();
    this.#loop ??= loop;
    if (this.#loop !== loop) {
      throw misuse(
        "OTHER_LOOP",
        `this ${this.#owner.constructor.name} is bound to a different event loop: make one for each run`,
      );
    }
    return loop;
  }
}

/** A place in a wait-queue. */
export class Waiter extends Future<void> {
  /** @internal `undefined` once it has left. */
  _queue: WaitQueue | undefined;
  /** @internal */
  _before: Waiter | undefined = undefined;
  /** @internal */
  _after: Waiter | undefined = undefined;

  constructor(queue: WaitQueue, loop: EventLoop) {
    super({ loop });
    this._queue = queue;
  }

  override cancel(reason?: unknown): boolean {
    if (!super.cancel(reason)) return false;
    this._queue?.leave(this);
    return true;
  }

  /** @internal */
  override _inspectName(): string {
    return "a place in a wait-queue";
  }
}
