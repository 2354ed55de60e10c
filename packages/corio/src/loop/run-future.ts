import { typeError } from "../errors/corio-error.js";
import { DONE, Future } from "../tasks/future.js";
import { futureOf, isThenable } from "../tasks/promise-future.js";
import type { EventLoop } from "./event-loop.js";

/**
 * @internal The future of a whole run. It follows main to its end, and then what main returned, if that is to be awaited
 * itself: promises flatten what they are resolved with, and here the loop is still there to run it. To cancel it is to cancel
 * what it follows.
 */
export class RunFuture<T> extends Future<T> {
  /** @internal What it follows at present. */
  _main!: Future<unknown>;
  #next: Future<unknown> | undefined;

  constructor(loop: EventLoop, main: Future<unknown>) {
    super({ loop });
    this.#follow(main);
  }

  override cancel(reason?: unknown): boolean {
    return (this.#next ?? this._main).cancel(reason);
  }

  /** @internal Follows no further. */
  _leave(): void {
    this._main.removeDoneCallback(this.#done);
    this._main._removeCallbacks((waiting) => waiting._futureDone === this.#take);
  }

  #follow(main: Future<unknown>): void {
    this._main = main;
    this.#next = undefined;
    // not in the loop's order: a promise that is rejected already must not wait for the next turn
    main._whenDone(this.#take);
    main.addDoneCallback(this.#done);
  }

  readonly #take = (): void => {
    const { _main: main, loop } = this;
    const result = main._state === DONE ? main._value : undefined;
    if (!isThenable(result)) return;
    if (result === main) {
      this.#next = loop.createFuture();
      this.#next.setException(typeError("CYCLE"));
    } else this.#next = result instanceof Future && result.loop === loop ? result : futureOf(result, loop);
  };

  readonly #done = (): void => {
    if (this.#next === undefined) this.loop.stop();
    else this.#follow(this.#next);
  };
}
