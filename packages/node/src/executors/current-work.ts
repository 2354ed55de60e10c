import { CancelledError, CorioError } from "corio";
import { type WorkerScope, workerScope } from "./worker-scope.js";

/**
 * What is running in this worker: for functions that notice when they are cancelled. Call it at the function's beginning.
 *
 * A function that is given to {@link toThread} by its text gets it with `await import("@corio/node")`.
 *
 * @returns the work as it sees itself
 * @throws a `CorioError` outside of a function that an executor runs
 * @example
 * // primes.ts, the module of a `workerFunction`
 * import { currentWork } from "@corio/node";
 *
 * export function countPrimes(below: number): number {
 *   const work = currentWork();
 *   let count = 0;
 *   for (let n = 2; n < below; n++) {
 *     if (n % 1_000 === 0) work.throwIfCancelled();
 *     if (isPrime(n)) count++;
 *   }
 *   return count;
 * }
 *
 * function isPrime(n: number): boolean {
 *   for (let i = 2; i * i <= n; i++) if (n % i === 0) return false;
 *   return true;
 * }
 */
export function currentWork(): CurrentWork {
  const scope = workerScope();
  if (scope === undefined) {
    throw new CorioError(
      "ERR_CORIO_NO_WORK",
      "currentWork() is for functions that an executor runs in a worker; in a coroutine, cancellation is thrown where it waits",
    );
  }
  return new CurrentWork(scope);
}

/** What {@link currentWork} gives. */
export class CurrentWork {
  readonly #scope: WorkerScope;
  readonly #number: number;
  #signal: AbortSignal | undefined;

  /** @internal */
  constructor(scope: WorkerScope) {
    this.#scope = scope;
    this.#number = scope.number;
  }

  /**
   * Whether its result is no longer wanted. A thread sees it at any time, also in a loop that never waits; a process only after
   * it has waited for something (`await setImmediate()` of `node:timers/promises` is enough).
   */
  get cancelled(): boolean {
    return this.#scope.isCancelled(this.#number);
  }

  /** Aborted when its result is no longer wanted: for what takes an AbortSignal, as `fetch` does. */
  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      const controller = new AbortController();
      this.#signal = controller.signal;
      if (this.cancelled) controller.abort(new CancelledError());
      else this.#scope.whenCancelled(this.#number, () => controller.abort(new CancelledError()));
    }
    return this.#signal;
  }

  /** Throws a CancelledError if its result is no longer wanted. */
  throwIfCancelled(): void {
    if (this.cancelled) throw new CancelledError();
  }
}
