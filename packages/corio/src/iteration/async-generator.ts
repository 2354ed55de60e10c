import { misuse, typeError } from "../errors/corio-error.js";
import type { Closeable, EventLoop } from "../loop/event-loop.js";
import { getRunningLoop } from "../scheduling/running.js";
import { type Emitted, upToEmission } from "../scopes/context-manager.js";
import { type Coroutine, isCoroutineFunction, type Resumable } from "../tasks/coroutine.js";

/**
 * Makes an asynchronous generator function of a `function*`: in it, `yield value` emits a value and `yield*` waits.
 *
 * @param fn its `yield` gives what the consumer sent with `next(value)`
 * @returns a function that makes generators, for `iterate` and `forEach` and, in plain async code, for `for await`
 * @example
 * const ticks = asyncGenerator(function* (count: number) {
 *   for (let i = 0; i < count; i++) {
 *     yield* sleep(1_000);
 *     yield i;
 *   }
 * });
 * yield* forEach(ticks(5), (tick) => console.log(tick));
 * @see https://docs.python.org/3/reference/expressions.html#asynchronous-generator-functions
 */
export function asyncGenerator<Args extends unknown[], Y, R>(
  fn: (...args: Args) => Generator<Y, R, never>,
): (...args: Args) => AsyncGenerator<Emitted<Y>, R, unknown> {
  if (!isCoroutineFunction(fn)) {
    throw typeError("ASYNC_GENERATOR", fn);
  }
  return (...args) => new AsyncGenerator<Emitted<Y>, R, unknown>(new Driver(fn(...args)));
}

/**
 * What a function made by {@link asyncGenerator} makes. Its methods are coroutines: `next(value)` is Python's `asend`, `throw`
 * is `athrow`, `return` is `aclose`.
 *
 * One that was begun and is dropped before its end is closed by its loop, at the latest when the run ends.
 */
export class AsyncGenerator<T, R, N> {
  readonly #driver: Driver;
  #registered = false;

  /** @internal */
  constructor(driver: Driver) {
    this.#driver = driver;
  }

  /**
   * Runs on to the next emission.
   *
   * @param value what the `yield` gives that it goes on from
   * @throws what the generator throws
   *
   * *If cancelled*, the generator gets the cancellation where it waits.
   */
  next(value?: N): Coroutine<IteratorResult<T, R>> {
    this.#register();
    return this.#driver.resume((generator) => generator.next(value), this) as Coroutine<IteratorResult<T, R>>;
  }

  /** Throws an error at the `yield` that it stands at, and runs on to the next emission. */
  throw(error: unknown): Coroutine<IteratorResult<T, R>> {
    this.#register();
    return this.#driver.resume((generator) => generator.throw(error), this) as Coroutine<IteratorResult<T, R>>;
  }

  /** Ends it: its `finally` runs, and may wait. */
  return(value?: R): Coroutine<IteratorResult<T, R>> {
    return this.#driver.close(value) as Coroutine<IteratorResult<T, R>>;
  }

  /** For `for await` in plain async code: each step is a task of the loop that is running now. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    const loop = getRunningLoop();
    return this._iterator(loop);
  }

  /** @internal */
  _iterator(loop: EventLoop): AsyncIterableIterator<T> {
    return {
      next: async () => (await loop.createTask(this.next())) as IteratorResult<T>,
      throw: async (error: unknown) => (await loop.createTask(this.throw(error))) as IteratorResult<T>,
      return: async () => (await loop.createTask(this.return())) as IteratorResult<T>,
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  #register(): void {
    if (this.#registered) return;
    this.#registered = true;
    const loop = getRunningLoop();
    this.#driver.begin(loop);
    dropped.register(this, { driver: this.#driver, loop });
  }
}

// The driver does not refer to the generator object that users have, so dropping that object can be noticed.
const dropped = new FinalizationRegistry<{ driver: Driver; loop: EventLoop }>(({ driver, loop }) => {
  if (!driver.over && !driver.running && loop.running) loop.createTask(driver.aclose());
});

/** The part of an asynchronous generator that its loop holds, to close it at the end. */
class Driver implements Closeable {
  readonly #generator: Resumable;
  #loop: EventLoop | undefined;
  running = false;
  #begun = false;
  over = false;

  constructor(generator: Resumable) {
    this.#generator = generator;
  }

  begin(loop: EventLoop): void {
    if (this.over) return;
    this.#loop = loop;
    loop._addAsyncGenerator(this);
  }

  // who asked is held while it waits: a generator that somebody waits for was not dropped
  *resume(
    step: (generator: Resumable) => IteratorResult<unknown, unknown>,
    _asker?: AsyncGenerator<unknown, unknown, never>,
  ): Coroutine<IteratorResult<unknown, unknown>> {
    if (this.running) {
      throw misuse("GENERATOR_RUNNING");
    }
    if (this.over) return { done: true, value: undefined };
    this.running = true;
    this.#begun = true;
    let ended = true;
    try {
      const answer = yield* upToEmission(this.#generator, step(this.#generator));
      ended = answer.done === true;
      return answer;
    } finally {
      this.running = false;
      if (ended) this.#end();
    }
  }

  *close(value: unknown): Coroutine<IteratorResult<unknown, unknown>> {
    if (!this.#begun || this.over) {
      this.#end();
      this.#generator.return(value);
      return { done: true, value };
    }
    // not generator.return(): a finally that waits in a delegated generator would make it run on
    const closing = new GeneratorExit();
    try {
      const answer = yield* this.resume((generator) => generator.throw(closing));
      if (answer.done !== true) {
        this.#end();
        throw misuse("GENERATOR_IGNORED_CLOSE");
      }
    } catch (error) {
      if (error !== closing) throw error;
    }
    return { done: true, value };
  }

  *aclose(): Coroutine<void> {
    yield* this.close(undefined);
  }

  #end(): void {
    this.over = true;
    this.#loop?._asyncGenerators.delete(this);
  }
}

/** Thrown at the `yield` of an asynchronous generator that is closed. Let it pass. */
class GeneratorExit extends Error {
  override readonly name: string = "GeneratorExit";

  constructor() {
    super("the asynchronous generator is being closed: let this error pass");
  }
}
