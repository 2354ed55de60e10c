import assert from "node:assert/strict";
import { type Coroutine, createTask, currentTask, Future, getRunningLoop, isCancelled, sleep } from "corio";
import { cancelledFromOutside } from "./outside.js";

/** Coroutines that are run together: how many of them go on, and what they throw. */
export class Children {
  readonly #injected: boolean;
  readonly #thrown: unknown[] = [];
  readonly #told: unknown[] = [];
  #going = 0;
  mostAtOnce = 0;

  constructor(injected: boolean) {
    this.#injected = injected;
    // told so is what can be thrown to nobody any more
    getRunningLoop().exceptionHandler = (_loop, { exception }) => this.#told.push(exception);
  }

  /** Returns a value after a while. */
  works<T>(value: T): Coroutine<T> {
    return this.#child(() => sleep(0, value));
  }

  /** Throws after a while. */
  fails(): Coroutine<never> {
    const children = this;
    return this.#child(function* () {
      yield* sleep(0);
      return children.#fail();
    });
  }

  /** Waits until it is cancelled, and throws then. */
  failsWhenCancelled(): Coroutine<void> {
    const forever = function* (): Coroutine<void> {
      yield* new Future<void>();
    };
    return this.#child(forever, () => this.#fail());
  }

  #fail(): never {
    const error = new Error("a child fails");
    this.#thrown.push(error);
    throw error;
  }

  // whoever is cancelled cleans up, which takes a while
  *#child<T>(body: () => Coroutine<T>, whenCancelled?: () => never): Coroutine<T> {
    this.#going++;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#going);
    try {
      return yield* body();
    } catch (error) {
      if (!isCancelled(error)) throw error;
      whenCancelled?.();
      yield* this.#cleanUp();
      throw error;
    } finally {
      this.#going--;
    }
  }

  *#cleanUp(): Coroutine<void> {
    try {
      yield* sleep(0);
      yield* sleep(0);
    } catch (error) {
      // those from outside have a reason
      const again = isCancelled(error) && error.reason === undefined;
      assert.ok(this.#injected || !again, "the cleanup of a child was interrupted by a second request of its parent's");
      throw error;
    }
  }

  /** Says that an error has come as a result. */
  tell(error: unknown): void {
    this.#told.push(error);
  }

  /** All have ended. Each error was told once: thrown, reported, or given as a result. */
  check({ all }: { all: boolean }): void {
    assert.equal(this.#going, 0, "some go on although their end was waited for");
    for (const one of this.#told) if (!this.#thrown.includes(one)) throw one;
    assert.equal(new Set(this.#told).size, this.#told.length, "an error was told twice");
    if (all) assert.equal(this.#told.length, this.#thrown.length, "an error was told to nobody");
  }
}

/** Runs a block that has children, and cancels it from outside at some time. When it ends, the children must have. */
export function* parent(children: Children, injected: boolean, block: () => Coroutine<unknown>): Coroutine<void> {
  function* run(): Coroutine<void> {
    let thrown: unknown;
    try {
      yield* block();
    } catch (error) {
      thrown = error;
      if (!isCancelled(error)) children.tell(error);
    }
    // what was about to be thrown when a cancellation came instead is reported at the end of the run
    children.check({ all: !isCancelled(thrown) });
    if (isCancelled(thrown) && currentTask().cancelling > 0) throw thrown;
    // that of a child
    assert.ok(injected || !isCancelled(thrown), "cancelled, and nobody asked for it");
    yield* sleep(0);
  }

  const task = createTask(run, { name: "parent" });
  yield* cancelledFromOutside([task], injected);
}
