import { timedOutAfter } from "../errors/timeout-error.js";
import { typeError } from "../errors/corio-error.js";
import { getRunningLoop } from "../scheduling/running.js";
import { checkMilliseconds } from "../scheduling/scheduler.js";
import type { TimerHandle } from "../scheduling/handle.js";
import { WaitQueue } from "../sync/wait-queue.js";
import { type Awaitable, closeCoroutine, type Coroutine, Leaf } from "../tasks/coroutine.js";
import { Future, type StandIn } from "../tasks/future.js";
import { startAll } from "./start-all.js";

/**
 * Runs awaitables at once and gives their results as they come, the fastest first.
 *
 * Iterated, it gives coroutines, each of which waits for the next result. `takeFuture()` gives the futures themselves, in the
 * order in which they are done, which are the tasks and futures that were passed in; so does `for await` in plain async code.
 *
 * @param awaitables an array, a set or another iterable
 * @param options `timeout`: for all of it, in milliseconds; default no limit
 * @throws (from the coroutines) the error of what failed, or a TimeoutError when the time is up
 *
 * *If cancelled* (one of the coroutines), no result is lost: the next one gets it.
 * @example
 * for (const next of asCompleted(urls.map(download), { timeout: 5_000 })) {
 *   console.log(yield* next);
 * }
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.as_completed
 */
export function asCompleted<T>(
  awaitables: Iterable<Awaitable<T>>,
  options?: { timeout?: number | undefined },
): AsCompleted<T> {
  if (awaitables instanceof Future || typeof (awaitables as { throw?: unknown }).throw === "function") {
    closeCoroutine(awaitables);
    throw typeError("AS_COMPLETED");
  }
  if (options?.timeout !== undefined) checkMilliseconds(options.timeout, "asCompleted(…, { timeout })");
  return new AsCompleted(awaitables, options?.timeout);
}

/** What {@link asCompleted} returns. */
export class AsCompleted<T> {
  readonly #loop = getRunningLoop();
  readonly #todo: Set<Future<T>>;
  readonly #done: Future<T>[] = [];
  readonly #waiting = new WaitQueue(this);
  readonly #timeout: number | undefined;
  readonly #timer: TimerHandle | undefined;
  // how many of the results nobody has asked for yet
  #left: number;
  #timedOut = false;

  /** @internal */
  constructor(awaitables: Iterable<Awaitable<T>>, timeout: number | undefined) {
    this.#timeout = timeout;
    this.#todo = new Set(startAll([...new Set(awaitables)], this.#loop));
    this.#left = this.#todo.size;
    for (const future of this.#todo) future.addDoneCallback(this.#completed);
    if (this.#todo.size > 0 && timeout !== undefined) this.#timer = this.#loop.callLater(timeout, this.#timeUp);
  }

  [Symbol.iterator](): this {
    return this;
  }

  /** The next coroutine, which waits for the next result. */
  next(): IteratorResult<Coroutine<T>, undefined> {
    if (this.#left === 0) return { done: true, value: undefined };
    this.#left--;
    return { done: false, value: this.#take(() => this.#result()) };
  }

  /** A coroutine of the next future that is done, or `undefined` if all have been taken. */
  takeFuture(): Coroutine<Future<T>> | undefined {
    if (this.#left === 0) return undefined;
    this.#left--;
    return this.#take(() => this.#next());
  }

  /**
   * The futures as they are done, for `for await` in plain async code. The type leaves out `then`: TypeScript takes it that
   * `for await` would wait for them, which it does not.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Omit<Future<T>, "then">> {
    return {
      next: async (): Promise<IteratorResult<Future<T>, undefined>> => {
        const next = this.takeFuture();
        if (next === undefined) return { done: true, value: undefined };
        return { done: false, value: (await this.#loop.createTask(wrapped(next))).future };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  // one that is cancelled before it began takes no result either
  #take<R>(wait: () => Coroutine<R>): Coroutine<R> {
    return new Taking(wait, () => this.#left++) as unknown as Coroutine<R>;
  }

  *#result(): Coroutine<T> {
    return (yield* this.#next()).result();
  }

  *#next(): Coroutine<Future<T>> {
    while (this.#done.length === 0 && !this.#timedOut) {
      const waiter = this.#waiting.join();
      waiter._value = { what: "asCompleted", futures: this.#todo, one: true } satisfies StandIn;
      try {
        yield* waiter;
      } catch (error) {
        const woken = waiter.done && !waiter.cancelled;
        this.#waiting.leave(waiter);
        this.#left++;
        if (woken) this.#waiting.release();
        throw error;
      }
    }
    const future = this.#done.shift();
    if (future === undefined) throw timedOutAfter(this.#timeout ?? 0);
    return future;
  }

  readonly #completed = (future: Future<T>): void => {
    if (!this.#todo.delete(future)) return;
    this.#done.push(future);
    this.#waiting.release();
    if (this.#todo.size === 0) this.#timer?.cancel();
  };

  readonly #timeUp = (): void => {
    for (const future of this.#todo) future.removeDoneCallback(this.#completed);
    this.#todo.clear();
    this.#timedOut = true;
    while (this.#waiting.release());
  };
}

class Taking<R> extends Leaf<R> {
  readonly #wait: () => Coroutine<R>;
  readonly #giveBack: () => void;

  constructor(wait: () => Coroutine<R>, giveBack: () => void) {
    super();
    this.#wait = wait;
    this.#giveBack = giveBack;
  }

  protected begin(): IteratorResult<unknown, R> {
    return this.waitIn(this.#wait());
  }

  protected override abandoned(): void {
    this.#giveBack();
  }
}

// A promise would take the future's result; the object keeps it a future.
function* wrapped<T>(next: Coroutine<Future<T>>): Coroutine<{ future: Future<T> }> {
  return { future: yield* next };
}
