import { misuse } from "../errors/corio-error.js";
import type { EventLoop } from "../loop/event-loop.js";
import { getRunningLoop } from "../scheduling/running.js";
import { Future } from "../tasks/future.js";

/** What one waits for in a wait-queue, in the words of a report. */
export type WaitPurpose =
  | "Lock"
  | "Semaphore"
  | "Event"
  | "Condition"
  | "Barrier"
  | "Queue.get"
  | "Queue.put"
  | "Queue.join";

/**
 * The one wait-queue under every lock, event, semaphore, condition, barrier and queue.
 *
 * Fair: whoever came first is woken first. Cancellable: a waiter that is cancelled is passed over, and leaves in constant time
 * wherever it stands. What a primitive has to see to is only whom it wakes, and what becomes of a wake-up whose receiver is
 * cancelled before it runs.
 *
 *   _first ─> woken ─> woken ─> cancelled ─> pending ─> cancelled ─> pending <─ #last
 *                                            #pending
 *
 * A waiter stays until its task runs and leaves, so that newcomers do not overtake one that was woken. Waiters are woken from
 * the front: no pending one stands before `#pending`, where the next search begins.
 */
export class WaitQueue {
  /** @internal */
  _first: Waiter | undefined = undefined;
  #owner: object;
  #purpose: WaitPurpose | undefined;
  #loop: EventLoop | undefined;
  #last: Waiter | undefined;
  #pending: Waiter | undefined;
  #size = 0;
  #woken = 0;
  #cancelled = 0;

  /**
   * @param owner what it belongs to, for messages
   * @param purpose what one waits for in it, for reports; none where each waiter says itself what it stands for
   */
  constructor(owner: object, purpose?: WaitPurpose) {
    this.#owner = owner;
    this.#purpose = purpose;
  }

  /** @internal What it belongs to. */
  get _owner(): object {
    return this.#owner;
  }

  /** @internal */
  get _purpose(): WaitPurpose | undefined {
    return this.#purpose;
  }

  /** How many stand in it, those that were woken or cancelled and have not run yet included. */
  get size(): number {
    return this.#size;
  }

  /** Whether somebody stands in it who was not cancelled. */
  get busy(): boolean {
    return this.#size > this.#cancelled;
  }

  /** Adds a waiter at the end; `yield*` it, and `leave` in a `finally`. */
  join(): Waiter {
    const waiter = new Waiter(this, this.#bind());
    waiter._before = this.#last;
    if (this.#last === undefined) this._first = waiter;
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
    if (waiter._before === undefined) this._first = waiter._after;
    else waiter._before._after = waiter._after;
    if (waiter._after === undefined) this.#last = waiter._before;
    else waiter._after._before = waiter._before;
    waiter._before = waiter._after = undefined;
    this.#size--;
    if (waiter.cancelled) this.#cancelled--;
    else if (waiter.done) this.#woken--;
  }

  /** Wakes the first pending waiter. Returns it, if there was one. */
  wakeNext(): Waiter | undefined {
    let waiter = this.#pending;
    while (waiter?.done) waiter = waiter._after;
    this.#pending = waiter?._after;
    if (waiter !== undefined) {
      this.#woken++;
      waiter.setResult();
    }
    return waiter;
  }

  /** Wakes the first pending waiter unless another one is on its way: for what only one may have. */
  wakeFirst(): void {
    if (this.#woken === 0) this.wakeNext();
  }

  /** Wakes the first pending waiter, which leaves at once: for those who come back to look for themselves. */
  release(): boolean {
    const waiter = this.wakeNext();
    if (waiter !== undefined) this.leave(waiter);
    return waiter !== undefined;
  }

  /** @internal For what is built on another primitive: its waits are told as its own. */
  _belongTo(owner: object, purpose: WaitPurpose): void {
    this.#owner = owner;
    this.#purpose = purpose;
  }

  /** @internal */
  _waiterCancelled(): void {
    this.#cancelled++;
  }

  #bind(): EventLoop {
    const loop = getRunningLoop();
    this.#loop ??= loop;
    if (this.#loop !== loop) {
      throw misuse("OTHER_LOOP.bound", this.#owner.constructor.name);
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
    this._queue?._waiterCancelled();
    return true;
  }
}
