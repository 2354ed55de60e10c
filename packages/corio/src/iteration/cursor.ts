import { isCancelled } from "../errors/cancelled-error.js";
import { typeError } from "../errors/corio-error.js";
import { QueueShutDown } from "../errors/queue-errors.js";
import { ensureFuture } from "../loop/ensure-future.js";
import { Queue } from "../queues/queue.js";
import { type Coroutine, isCoroutine } from "../tasks/coroutine.js";
import { attempt } from "../waiting/attempt.js";
import { AsyncGenerator } from "./async-generator.js";

/**
 * The key of the method by which an object is iterated in coroutines: it makes a cursor. An object that has it needs no
 * promises for it, as a native asynchronous iterable does.
 */
export const makeCursor: unique symbol = Symbol.for("corio.makeCursor");

/** An object with a cursor of its own. */
export interface CursorSource<T> {
  [makeCursor](): ClosableCursor<T>;
}

/** What can be iterated: an asynchronous generator, a queue, what makes its own cursor, native asynchronous and synchronous iterables. */
export type Source<T> = AsyncGenerator<T, unknown, void> | Queue<T> | CursorSource<T> | AsyncIterable<T> | Iterable<T>;

/** Steps through a source: `while (yield* it.next()) use(it.value)`. */
export interface Cursor<T> {
  /**
   * Goes on to the next item, and waits for it.
   *
   * @returns whether there is one
   *
   * *If cancelled*, so is what it waits for; no item of a queue is lost.
   */
  next(): Coroutine<boolean>;
  /** The current item; `undefined` before the first `next()`. */
  readonly value: T;
}

/** A cursor that can be left. */
export interface ClosableCursor<T> extends Cursor<T> {
  /** Called when the iteration is left, at the end of the source or before. */
  close(): Coroutine<void>;
}

/** @internal The cursor of a source. */
export function cursorOf<T>(source: Source<T>): ClosableCursor<T> {
  if (source instanceof Queue) return new QueueCursor(source);
  if (source instanceof AsyncGenerator) return new GeneratorCursor(source);
  if (typeof (source as CursorSource<T> | undefined)?.[makeCursor] === "function") {
    return (source as CursorSource<T>)[makeCursor]();
  }
  const { [Symbol.asyncIterator]: asynchronous } = (source ?? {}) as Partial<AsyncIterable<T>>;
  if (typeof asynchronous === "function") return new AsyncCursor(source as AsyncIterable<T>);
  const { [Symbol.iterator]: synchronous } = Object(source ?? {}) as Partial<Iterable<T>>;
  if (typeof synchronous === "function" && !isCoroutine(source)) return new SyncCursor(synchronous.call(source));
  throw typeError("ITERATE", source);
}

abstract class BaseCursor<T> implements ClosableCursor<T> {
  value: T = undefined as T;
  protected over = false;

  *next(): Coroutine<boolean> {
    if (this.over) return false;
    try {
      const answer = yield* this.step();
      if (answer.done !== true) {
        this.value = answer.value;
        return true;
      }
    } catch (error) {
      if (isCancelled(error)) throw error;
      this.over = true;
      this.failed(error);
    }
    this.over = true;
    return false;
  }

  protected abstract step(): Coroutine<IteratorResult<T, unknown>>;

  /** What an error of `step` means; most mean themselves. */
  protected failed(error: unknown): void {
    throw error;
  }

  abstract close(): Coroutine<void>;
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

class AsyncCursor<T> extends BaseCursor<T> {
  readonly #source: AsyncIterable<T>;
  readonly #iterator: AsyncIterator<T>;
  // The answer that is under way. One whose wait was cancelled is there for who asks next.
  #answer: Promise<IteratorResult<T, unknown>> | undefined;

  constructor(source: AsyncIterable<T>) {
    super();
    this.#source = source;
    this.#iterator = source[Symbol.asyncIterator]();
  }

  protected *step(): Coroutine<IteratorResult<T, unknown>> {
    this.#answer ??= this.#iterator.next();
    const answer = yield* ensureFuture(this.#answer);
    this.#answer = undefined;
    return answer;
  }

  *close(): Coroutine<void> {
    if (this.over) return;
    this.over = true;
    const { destroy } = this.#source as { destroy?: () => void };
    if (this.#answer === undefined) {
      if (this.#iterator.return !== undefined) yield* ensureFuture(this.#iterator.return());
    } else if (typeof destroy === "function") {
      // return() would queue up behind the answer that may never come; a stream can be destroyed, and that is the answer
      destroy.call(this.#source);
      yield* attempt(this.#answer);
    } else this.#iterator.return?.().then(undefined, () => {});
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
