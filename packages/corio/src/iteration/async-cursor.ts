import { ensureFuture } from "../loop/ensure-future.js";
import type { Coroutine } from "../tasks/coroutine.js";
import { PromisedCursor, tellLateError } from "./promised-cursor.js";

/** @internal The cursor of a native asynchronous iterable. */
export class AsyncCursor<T> extends PromisedCursor<T> {
  readonly #source: AsyncIterable<T> & { destroy?: unknown };
  readonly #iterator: AsyncIterator<T>;

  constructor(source: AsyncIterable<T>) {
    super();
    this.#source = source;
    this.#iterator = source[Symbol.asyncIterator]();
  }

  protected ask(): Promise<IteratorResult<T, unknown>> {
    return this.#iterator.next();
  }

  *close(error?: unknown): Coroutine<void> {
    if (this.over) return;
    this.over = true;
    if (!this.leaveAnswer(error)) {
      if (this.#iterator.return !== undefined) yield* ensureFuture(this.#iterator.return());
      return;
    }
    // return() queues up behind the answer, which may never come; what can be destroyed gives it up
    if (typeof this.#source.destroy === "function") this.#source.destroy();
    const returned = this.#iterator.return?.();
    if (returned !== undefined) tellLateError(returned, error);
  }
}
