import type { Coroutine, Future } from "corio";

/** @internal Where bytes are read that may not have come yet. */
export interface ByteSource {
  /** Up to `size` bytes, or a line if `size` is 0; `undefined` as long as they have not come. */
  _takeIfThere(size: number): Uint8Array | undefined;
  /** Done when something has come. */
  _arrival(method: string): Future<void>;
}

/**
 * @internal A read, as a coroutine by hand: what a `function*` in its place would cost, to make and to keep while it waits, is
 * more than the read itself. Nothing is taken before it is awaited.
 *
 *   ──next()──> takes what is there ──> over
 *                 └─ nothing is ──> waits for an arrival ──next()──> takes …
 */
export class Reading<T> {
  readonly #source: ByteSource;
  readonly #size: number;
  #arrival: Future<void> | undefined;
  #over = false;

  constructor(source: ByteSource, size: number) {
    this.#source = source;
    this.#size = size;
  }

  /** What awaiting it gives. */
  protected resultOf(data: Uint8Array): T {
    return data as T;
  }

  asCoroutine(): Coroutine<T> {
    return this as unknown as Coroutine<T>;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<unknown, T> {
    if (this.#over) return { done: true, value: undefined as T };
    this.#over = true; // unless it has to wait; an error ends it, too
    const waited = this.#arrival === undefined ? undefined : stepOf(this.#arrival);
    if (waited === undefined || waited.done === true) {
      const data = this.#source._takeIfThere(this.#size);
      if (data !== undefined) return { done: true, value: this.resultOf(data) };
      this.#arrival = this.#source._arrival(this.#size === 0 ? "readline" : "read");
    }
    this.#over = false;
    return stepOf(this.#arrival as Future<void>) as IteratorYieldResult<unknown>;
  }

  throw(error: unknown): never {
    this.#over = true;
    throw error;
  }

  return(value?: unknown): IteratorResult<unknown, T> {
    this.#over = true;
    return { done: true, value: value as T };
  }
}

// As `yield*` does it: a future is its own iterator.
function stepOf(future: Future<void>): IteratorResult<unknown, void> {
  return future[Symbol.iterator]().next(undefined);
}
