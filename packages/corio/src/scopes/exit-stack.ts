import { misuse, typeError } from "../errors/corio-error.js";
import { keepAsCause } from "../errors/keep-as-cause.js";
import { ensureFuture } from "../loop/ensure-future.js";
import { type Awaitable, type Coroutine, isCoroutine, settled } from "../tasks/coroutine.js";
import { isThenable } from "../tasks/promise-future.js";
import type { Enterable, Entered, Manager } from "./manager.js";
import { checkEnterable, enter, exit } from "./within.js";

type Cleanup = (error: unknown) => unknown;

/**
 * Enters managers as one goes, however many there turn out to be, and leaves all of them in reverse order at the end of its
 * block. Named after the native disposable stacks, and like Python's `AsyncExitStack`.
 *
 * @example
 * yield* within(new ExitStack(), function* (stack) {
 *   for (const path of paths) files.push(yield* stack.enter(openFile(path)));
 *   stack.defer(() => console.log("all closed"));
 * });
 * @see https://docs.python.org/3/library/contextlib.html#contextlib.AsyncExitStack
 */
export class ExitStack implements Manager<ExitStack> {
  #cleanups: Cleanup[] = [];
  #left = false;

  /**
   * Enters a manager; it is left when the stack is.
   *
   * @returns a coroutine of its value
   *
   * *If cancelled* while it enters, it is not on the stack.
   */
  enter<M extends Enterable>(manager: M): Coroutine<Entered<M>>;
  /** For `within`: the stack itself. */
  enter(): Coroutine<this>;
  enter(manager?: Enterable): Coroutine<unknown> {
    this.#checkOpen();
    if (manager === undefined) return settled(this);
    checkEnterable(manager);
    return this.#enter(manager);
  }

  *#enter(manager: Enterable): Coroutine<unknown> {
    const entering = enter(manager);
    const value = isCoroutine(entering) ? yield* entering : entering;
    if (this.#left) {
      // the stack was left while this one was entering
      const leaving = exit(manager, undefined);
      if (isCoroutine(leaving)) yield* leaving;
      this.#checkOpen();
    }
    this.#cleanups.push((error) => exit(manager, error));
    return value;
  }

  /**
   * Calls `cleanup(value)` when the stack is left.
   *
   * @param cleanup may be a `function*`, or return a promise
   * @returns the value
   */
  adopt<T>(value: T, cleanup: (value: T) => Awaitable<unknown> | void): T {
    this.#defer(cleanup, value);
    return value;
  }

  /**
   * Calls `cleanup()` when the stack is left.
   *
   * @param cleanup may be a `function*`, or return a promise
   */
  defer(cleanup: () => Awaitable<unknown> | void): void {
    this.#defer(cleanup, undefined);
  }

  #defer<T>(cleanup: (value: T) => Awaitable<unknown> | void, value: T): void {
    this.#checkOpen();
    if (typeof cleanup !== "function") throw typeError("EXIT_STACK", cleanup);
    this.#cleanups.push(function* () {
      const made = cleanup(value);
      if (isCoroutine(made)) yield* made;
      else if (isThenable(made)) yield* ensureFuture(made);
    });
  }

  /** Moves all that it holds to a new stack, and leaves itself empty. */
  move(): ExitStack {
    this.#checkOpen();
    const stack = new ExitStack();
    stack.#cleanups = this.#cleanups;
    this.#cleanups = [];
    return stack;
  }

  /**
   * Leaves all that was entered, in reverse order. `within` does it.
   *
   * @param error what the block threw, or `undefined`
   * @returns whether the error was swallowed
   * @throws the latest error of a cleanup, with the one that it replaced as its `cause`
   */
  *exit(error?: unknown): Coroutine<boolean> {
    this.#left = true;
    let current = error;
    while (this.#cleanups.length > 0) {
      const cleanup = this.#cleanups.pop() as Cleanup;
      try {
        const leaving = cleanup(current);
        if ((isCoroutine(leaving) ? yield* leaving : leaving) === true) current = undefined;
      } catch (thrown) {
        const another = thrown === undefined ? typeError("THROWN_UNDEFINED.block") : thrown;
        if (current !== undefined) keepAsCause(another, current);
        current = another;
      }
    }
    if (current !== undefined && current !== error) throw current;
    return error !== undefined && current === undefined;
  }

  #checkOpen(): void {
    if (this.#left) throw misuse("EXIT_STACK_LEFT");
  }
}
