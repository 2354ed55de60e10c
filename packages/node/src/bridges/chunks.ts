import { finished, type Readable } from "node:stream";
import {
  type ClosableCursor,
  type Coroutine,
  type CursorSource,
  Future,
  getRunningLoop,
  makeCursor,
  until,
} from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";

/** A web stream, such as the body of a response: what {@link chunks} needs of a `ReadableStream`, be it Node's or the page's. */
export interface WebStream {
  readonly locked: boolean;
  getReader(): unknown;
}

/** The type of a web stream's chunks. */
export type ChunkOf<S extends WebStream> =
  AnswerOf<ReturnType<S["getReader"]>> extends infer A
    ? A extends { done: false; value: infer T }
      ? T
      : never
    : never;

// Of the readers that there may be, the one that is read without a buffer to fill.
type AnswerOf<R> = R extends { read(): Promise<infer A> } ? A : never;

/**
 * The chunks of a `Readable` or of a web stream, for `forEach` and `iterate`.
 *
 * Both can be iterated as they are. What this adds is the way out while a chunk is waited for: a web stream's own iterator
 * cancels the stream only when that chunk has come, and keeps it locked, and with it the connection behind it open, if none ever
 * does; and a `Readable` is waited for until it has closed, which some never do. From here on,
 *
 * - a web stream is cancelled and its reader released, at once; how the stream deals with that is waited for;
 * - a `Readable` is destroyed, and not waited for. An error that it still has to tell is reported to the loop's exception handler.
 *
 * A stream is asked for a chunk only when the iteration wants one. At its end it is left as it is, so that the writable half of
 * a socket goes on.
 *
 * @param stream a `Readable`, whose chunks are what you say, `chunks<Buffer>(socket)`, or a `ReadableStream`
 * @returns what `forEach` and `iterate` take; nothing is read, and a web stream not locked, before the first item is asked for
 * @throws a `TypeError` at once for what is no stream
 *
 * *If cancelled*, the stream is closed as above. A single `next()` of a cursor loses no chunk: the following one gets it.
 * @example
 * const { body } = yield* until(fetch(url));
 * if (body !== null) yield* forEach(chunks(body), (chunk) => console.log(chunk.length));
 */
export function chunks<S extends WebStream>(stream: S): CursorSource<ChunkOf<S>>;
export function chunks<T = unknown>(stream: Readable): CursorSource<T>;
export function chunks(stream: Readable | WebStream): CursorSource<unknown> {
  if (isWebStream(stream)) return { [makeCursor]: () => new WebCursor(stream) };
  const { read, on, destroy } = (stream ?? {}) as Partial<Readable>;
  if (typeof read === "function" && typeof on === "function" && typeof destroy === "function") {
    return { [makeCursor]: () => new ReadableCursor(stream) };
  }
  throw invalidArgument(
    "STREAM",
    `chunks(stream) takes a Readable or a ReadableStream, not ${String(stream)}: give iterables to forEach as they are`,
  );
}

function isWebStream(stream: Readable | WebStream): stream is WebStream {
  return typeof (stream as Partial<WebStream> | undefined)?.getReader === "function";
}

class ReadableCursor implements ClosableCursor<unknown> {
  value: unknown = undefined;
  readonly #stream: Readable;
  #watching: (() => void) | undefined;
  // how the stream ended, if it has
  #end: { readonly error: Error | null | undefined } | undefined;
  #news: Future<void> | undefined;
  #over = false;

  constructor(stream: Readable) {
    this.#stream = stream;
  }

  *next(): Coroutine<boolean> {
    if (this.#over) return false;
    this.#watching ??= this.#watch();
    for (;;) {
      const chunk: unknown = this.#stream.destroyed ? null : this.#stream.read();
      if (chunk !== null) {
        this.value = chunk;
        return true;
      }
      if (this.#end !== undefined) break;
      this.#news = new Future();
      yield* this.#news;
    }
    this.#over = true;
    this.#watching();
    if (this.#end.error) throw this.#end.error;
    return false;
  }

  *close(): Coroutine<void> {
    if (this.#over) return;
    this.#over = true;
    const stream = this.#stream;
    if (this.#watching === undefined && stream.destroyed) return;
    const loop = getRunningLoop();
    // an error that is still to come has nobody else who listens
    const stop = finished(stream, { writable: false }, (exception) => {
      stop();
      if (!exception || exception.code === "ERR_STREAM_PREMATURE_CLOSE") return;
      loop.callExceptionHandler({ message: "A stream failed after it was left", exception });
    });
    this.#watching?.();
    stream.destroy();
  }

  #watch(): () => void {
    const stream = this.#stream;
    const wake = (): void => {
      if (this.#news?.done === false) this.#news.setResult();
    };
    stream.on("readable", wake);
    const stop = finished(stream, { writable: false }, (error) => {
      this.#end = { error };
      wake();
    });
    return () => {
      stop();
      stream.off("readable", wake);
    };
  }
}

/** The reader of a web stream. */
interface Reader {
  read(): Promise<{ done: boolean; value?: unknown }>;
  cancel(): Promise<void>;
  releaseLock(): void;
}

class WebCursor implements ClosableCursor<unknown> {
  value: unknown = undefined;
  readonly #stream: WebStream;
  #reader: Reader | undefined;
  // The read that is under way, which does not fail. One whose wait was cancelled is there for who asks next.
  #answer: Promise<{ done: boolean; value?: unknown } | { error: unknown }> | undefined;
  #over = false;

  constructor(stream: WebStream) {
    this.#stream = stream;
  }

  *next(): Coroutine<boolean> {
    if (this.#over) return false;
    const reader = (this.#reader ??= this.#stream.getReader() as Reader);
    this.#answer ??= reader.read().catch((error: unknown) => ({ error }));
    const answer = yield* until(this.#answer);
    this.#answer = undefined;
    if ("done" in answer && !answer.done) {
      this.value = answer.value;
      return true;
    }
    this.#over = true;
    reader.releaseLock();
    if ("error" in answer) throw answer.error;
    return false;
  }

  *close(): Coroutine<void> {
    if (this.#over) return;
    this.#over = true;
    // locked by somebody else, it is not ours to cancel
    if (this.#reader === undefined && this.#stream.locked) return;
    const reader = (this.#reader ??= this.#stream.getReader() as Reader);
    const cancelled = reader.cancel();
    reader.releaseLock();
    yield* until(cancelled);
  }
}
