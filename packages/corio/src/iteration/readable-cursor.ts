import type { Coroutine } from "../tasks/coroutine.js";
import { PromisedCursor, tellLateError } from "./promised-cursor.js";

/** @internal What the core needs of Node's `Readable`. */
export interface ReadableLike<T> {
  readonly destroyed: boolean;
  destroy(): unknown;
  iterator(options: { destroyOnReturn: boolean }): AsyncIterator<T>;
}

/** @internal */
export function isReadable<T>(source: object): source is ReadableLike<T> {
  const { read, destroy, iterator } = source as { [name: string]: unknown };
  return typeof read === "function" && typeof destroy === "function" && typeof iterator === "function";
}

/**
 * @internal The cursor of a `Readable`. Left, it is destroyed and not waited for: some never say that they have closed. At its
 * end it is left as it is, so that the writable half of a socket goes on, which the stream's own way would destroy.
 */
export class ReadableCursor<T> extends PromisedCursor<T> {
  readonly #stream: ReadableLike<T>;
  #iterator: AsyncIterator<T> | undefined;

  constructor(stream: ReadableLike<T>) {
    super();
    this.#stream = stream;
  }

  protected ask(): Promise<IteratorResult<T, unknown>> {
    this.#iterator ??= this.#stream.iterator({ destroyOnReturn: false });
    return this.#iterator.next();
  }

  *close(error?: unknown): Coroutine<void> {
    if (this.over) return;
    this.over = true;
    const stream = this.#stream;
    if (this.#iterator === undefined && stream.destroyed) return;
    stream.destroy();
    // of an error that is still to come, who asks is told, and then it has a listener, without which it would end the process
    if (!this.leaveAnswer(error)) tellLateError(this.ask(), error);
  }
}
