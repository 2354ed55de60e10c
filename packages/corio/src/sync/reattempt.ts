import { awaitedTwice, type Resumable } from "../tasks/coroutine.js";
import type { Waiter } from "./wait-queue.js";

/**
 * A coroutine that attempts something, waits in a queue where it cannot be had, and attempts again when it is woken. Written
 * as an object because a queue makes one for each item: a generator would cost as much as all the rest.
 */
export abstract class Reattempt<T> implements Resumable {
  protected result: T | undefined = undefined;
  private _waiter: Waiter | undefined = undefined;
  private _begun = false;

  /** Does it, and sets `result`; or joins a queue, and gives the place in it. */
  protected abstract attempt(): Waiter | undefined;

  /** Leaves the queue, and passes on a wake-up that came already. */
  protected abstract giveUp(waiter: Waiter): void;

  [Symbol.iterator](): this {
    return this;
  }

  next(_sent?: unknown): IteratorResult<unknown, T> {
    if (this._begun && this._waiter === undefined) throw awaitedTwice("");
    this._begun = true;
    try {
      this._waiter?.next(undefined);
      this._waiter = this.attempt();
    } catch (error) {
      return this.throw(error);
    }
    if (this._waiter !== undefined) return this._waiter.next(undefined) as IteratorResult<unknown, T>;
    return { done: true, value: this.result as T };
  }

  throw(error: unknown): never {
    this.return();
    throw error;
  }

  return(value?: unknown): IteratorResult<unknown, T> {
    this._begun = true;
    const waiter = this._waiter;
    this._waiter = undefined;
    if (waiter !== undefined) this.giveUp(waiter);
    return { done: true, value: value as T };
  }
}
