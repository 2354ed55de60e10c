import { type Coroutine, settled } from "../tasks/coroutine.js";
import { type ClosableCursor, type Cursor, cursorOf, type Source } from "./cursor.js";

/**
 * Iterates what gives its items over time: Python's `async for`, together with the closing of what it iterates.
 *
 * @param source an asynchronous generator, a queue (up to its shutdown), a native asynchronous iterable such as a Readable or
 * a web stream, an ordinary iterable
 * @returns a context manager of a cursor; leaving it early closes the source, so that the source's `finally` runs
 *
 * *If cancelled*, the source is closed as well.
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
