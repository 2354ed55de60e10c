import { type EventLoop, Future } from "corio";
import type { PortableFunction } from "./portable-function.js";

/** @internal Who is told that a piece of work was cancelled. */
export interface WorkOwner {
  _cancelled(work: Work<unknown>): void;
}

/** @internal What `submit` returns: the future of a call in a worker. */
export class Work<T> extends Future<T> {
  readonly #owner: WorkOwner;
  /** @internal */
  readonly _fn: PortableFunction;
  /** @internal Dropped when they are of no more use. */
  _args: readonly unknown[];

  constructor(loop: EventLoop, owner: WorkOwner, fn: PortableFunction, args: readonly unknown[]) {
    super({ loop });
    this.#owner = owner;
    this._fn = fn;
    this._args = args;
  }

  override cancel(reason?: unknown): boolean {
    if (!super.cancel(reason)) return false;
    this.#owner._cancelled(this);
    return true;
  }

  /** @internal Ends it with news from a worker. */
  _end(succeeded: boolean, value: unknown): void {
    const { loop } = this;
    // the news may come after the loop was closed
    if (!this.done && !loop.closed) loop.callFromHost(settle, this, succeeded, value);
  }
}

function settle(work: Work<unknown>, succeeded: boolean, value: unknown): void {
  if (work.done) return;
  if (succeeded) work.setResult(value);
  else work.setException(value === undefined ? new Error("the function threw undefined") : value);
}
