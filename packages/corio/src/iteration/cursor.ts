import { typeError } from "../errors/corio-error.js";
import { QueueShutDown } from "../errors/queue-errors.js";
import { Queue } from "../queues/queue.js";
import { type Coroutine, isCoroutine } from "../tasks/coroutine.js";
import { AsyncCursor } from "./async-cursor.js";
import { AsyncGenerator } from "./async-generator.js";
import { BaseCursor } from "./base-cursor.js";
import { isReadable, ReadableCursor } from "./readable-cursor.js";
import { WebCursor, type WebStream } from "./web-cursor.js";

/**
 * The key of the method by which an object is iterated in coroutines: it makes a cursor. An object that has it needs no
 * promises for it, as a native asynchronous iterable does.
 */
export const makeCursor: unique symbol = Symbol.for("corio.makeCursor");

/** An object with a cursor of its own. */
export interface CursorSource<T> {
  [makeCursor](): ClosableCursor<T>;
}

/**
 * What can be iterated: an asynchronous generator, a queue, what makes its own cursor, a web stream, native asynchronous
 * iterables such as Node's `Readable`, and synchronous ones.
 */
export type Source<T> =
  | AsyncGenerator<T, unknown, void>
  | Queue<T>
  | CursorSource<T>
  | WebStream<T>
  | AsyncIterable<T>
  | Iterable<T>;

/** Steps through a source: `while (yield* it.next()) use(it.value)`. */
export interface Cursor<T> {
  /**
   * Goes on to the next item, and waits for it.
   *
   * @returns whether there is one
   *
   * *If cancelled*, so is what it waits for. No item is lost of a queue, a stream, a native iterable: the next call gets it.
   */
  next(): Coroutine<boolean>;
  /** The current item; `undefined` before the first `next()`. */
  readonly value: T;
}

/** A cursor that can be left. */
export interface ClosableCursor<T> extends Cursor<T> {
  /**
   * Called when the iteration is left, at the end of the source or before.
   *
   * @param error what it is left with, if it is by an error or by a cancellation
   */
  close(error?: unknown): Coroutine<void>;
}

/** @internal The cursor of a source. */
export function cursorOf<T>(source: Source<T>): ClosableCursor<T> {
  if (source instanceof Queue) return new QueueCursor(source);
  if (source instanceof AsyncGenerator) return new GeneratorCursor(source);
  if (typeof (source as CursorSource<T> | undefined)?.[makeCursor] === "function") {
    return (source as CursorSource<T>)[makeCursor]();
  }
  const { getReader, [Symbol.asyncIterator]: asynchronous } = (source ?? {}) as Partial<
    WebStream<T> & AsyncIterable<T>
  >;
  if (typeof getReader === "function") return new WebCursor(source as WebStream<T>);
  if (typeof asynchronous === "function") {
    return isReadable<T>(source) ? new ReadableCursor(source) : new AsyncCursor(source as AsyncIterable<T>);
  }
  const { [Symbol.iterator]: synchronous } = Object(source ?? {}) as Partial<Iterable<T>>;
  if (typeof synchronous === "function" && !isCoroutine(source)) return new SyncCursor(synchronous.call(source));
  throw typeError("ITERATE", source);
}

class QueueCursor<T> extends BaseCursor<T> {
  readonly #queue: Queue<T>;

  constructor(queue: Queue<T>) {
    super();
    this.#queue = queue;
  }

  protected *step(): Coroutine<IteratorResult<T, unknown>> {
    return { done: false, value: yield* this.#queue.get() };
  }

  protected override failed(error: unknown): void {
    if (!(error instanceof QueueShutDown)) throw error;
  }

  *close(): Coroutine<void> {}
}

class GeneratorCursor<T> extends BaseCursor<T> {
  readonly #generator: AsyncGenerator<T, unknown, void>;

  constructor(generator: AsyncGenerator<T, unknown, void>) {
    super();
    this.#generator = generator;
  }

  protected step(): Coroutine<IteratorResult<T, unknown>> {
    return this.#generator.next();
  }

  *close(): Coroutine<void> {
    yield* this.#generator.return(undefined);
  }
}

class SyncCursor<T> extends BaseCursor<T> {
  readonly #iterator: Iterator<T>;

  constructor(iterator: Iterator<T>) {
    super();
    this.#iterator = iterator;
  }

  protected *step(): Coroutine<IteratorResult<T, unknown>> {
    return this.#iterator.next();
  }

  *close(): Coroutine<void> {
    if (!this.over) this.#iterator.return?.();
    this.over = true;
  }
}
