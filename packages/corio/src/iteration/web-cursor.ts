import { ensureFuture } from "../loop/ensure-future.js";
import type { Coroutine } from "../tasks/coroutine.js";
import { FAILED } from "../tasks/future.js";
import { isFarewell, PromisedCursor } from "./promised-cursor.js";

/**
 * A web stream, such as the body of a response: what the core needs of a `ReadableStream`, be it Node's, the page's or a
 * library's. `pipeTo` is there for what it says of the chunks, which the overloads of `getReader` hide from the compiler.
 */
export interface WebStream<T> {
  readonly locked: boolean;
  getReader(): unknown;
  pipeTo(destination: { getWriter(): { write(chunk?: T): Promise<void> } }): Promise<void>;
}

interface Reader<T> {
  read(): Promise<IteratorResult<T, unknown>>;
  cancel(): Promise<void>;
  releaseLock(): void;
}

/**
 * @internal The cursor of a web stream. Its own iterator would cancel the stream only when a chunk that is waited for has come, and
 * keep it locked, and the connection behind it open, if none ever does.
 */
export class WebCursor<T> extends PromisedCursor<T> {
  readonly #stream: WebStream<T>;
  #reader: Reader<T> | undefined;

  constructor(stream: WebStream<T>) {
    super();
    this.#stream = stream;
  }

  protected ask(): Promise<IteratorResult<T, unknown>> {
    this.#reader ??= this.#stream.getReader() as Reader<T>;
    return this.#reader.read();
  }

  protected override ended(): void {
    this.#reader?.releaseLock();
  }

  *close(error?: unknown): Coroutine<void> {
    if (this.over) return;
    this.over = true;
    // locked by somebody else, it is not ours to cancel
    if (this.#reader === undefined && this.#stream.locked) return;
    const { answer } = this;
    // what it failed with, its cancellation tells as well
    answer?._whenDone(() => answer._retrieved());
    const reader = (this.#reader ??= this.#stream.getReader() as Reader<T>);
    const cancelled = ensureFuture(reader.cancel());
    reader.releaseLock();
    try {
      yield* cancelled;
    } catch (thrown) {
      if (cancelled._state !== FAILED || !isFarewell(thrown, error)) throw thrown;
    }
  }
}
