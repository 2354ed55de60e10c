import { type Coroutine, settled } from "../tasks/coroutine.js";
import { type ClosableCursor, type Cursor, cursorOf, type Source } from "./cursor.js";

/**
 * Iterates what gives its items over time: Python's `async for`, together with the closing of what it iterates.
 *
 * Left early, the source is closed: a generator's `finally` runs, which is waited for; a `Readable` is destroyed, and not waited
 * for; a web stream is cancelled, and its lock released. A native generator that is left while an item is awaited is closed once
 * that has come. An error that a source comes to tell later still is reported to the loop's exception handler. At its end a
 * `Readable` is left as it is, so that the writable half of a socket goes on.
 *
 * @param source an asynchronous generator, a queue (up to its shutdown), a native asynchronous iterable such as a `Readable`, a
 * web stream such as the body of a response, an ordinary iterable
 * @returns a context manager of a cursor; nothing is read, and a web stream not locked, before the first item is asked for
 *
 * *If cancelled*, the source is closed as well. A single `next()` of the cursor loses no item: the following one gets it.
 * @example
 * yield* within(iterate(lines), function* (it) {
 *   while (yield* it.next()) console.log(it.value);
 * });
 * @see https://docs.python.org/3/reference/compound_stmts.html#async-for
 */
export function iterate<T>(source: Source<T>): Iteration<T> {
  return new Iteration(cursorOf(source));
}

/** What {@link iterate} makes: a context manager of a {@link Cursor}. */
export class Iteration<T> {
  readonly #cursor: ClosableCursor<T>;

  /** @internal */
  constructor(cursor: ClosableCursor<T>) {
    this.#cursor = cursor;
  }

  /** For `within`. */
  enter(): Coroutine<Cursor<T>> {
    return settled(this.#cursor);
  }

  /** For `within`. */
  exit(error?: unknown): Coroutine<void> {
    return this.#cursor.close(error);
  }
}
