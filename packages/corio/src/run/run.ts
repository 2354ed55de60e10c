import type { AbortSignalLike } from "../tasks/abort-signal.js";
import type { Main } from "../tasks/coroutine.js";
import { CancelledError } from "../errors/cancelled-error.js";
import type { Future } from "../tasks/future.js";
import { Runner, type RunnerOptions } from "./runner.js";

/** Options of `run`. */
export interface RunOptions extends RunnerOptions {
  /**
   * An abort cancels main, or what main returned, if that is still awaited; the promise rejects with the signal's reason when
   * cleanup has ended.
   */
  signal?: AbortSignalLike | undefined;
}

/**
 * Runs a program: makes a loop, runs `main` on it, cancels the tasks that are left when main ends, waits for their cleanup, and
 * closes the loop.
 *
 * @param main a coroutine, a function that makes it, or another awaitable; what it returns is awaited, if it is a future
 * @param options `debug`, `loopFactory`, `signal`, `deadlock`, `asyncLocalStorage`
 * @returns a promise of main's result
 * @throws at once inside a running loop (write `yield* main()` there) and for what cannot be run; a coroutine is closed then
 * @example
 * await run(function* main() {
 *   yield* sleep(1_000);
 *   return "done";
 * });
 * @see https://docs.python.org/3/library/asyncio-runner.html#asyncio.run
 */
export function run<T>(main: Main<T>, options: RunOptions = {}): Promise<Awaited<T>> {
  const runner = new Runner(options);
  const { signal } = options;
  const whole = runner._start(main, { signal });
  return new Promise((resolve, reject) => {
    // callbacks of futures instead of promises: who drives the host by hand needs no reactions for it to go on
    whole._whenDone(() => {
      const closing = runner._startClosing() as Future<void>;
      closing._whenDone(() => {
        const byAbort = signal?.aborted && (whole.cancelled || isAbort(whole, signal.reason));
        try {
          const result = whole.result();
          closing.result();
          resolve(result);
        } catch (error) {
          reject(byAbort ? signal.reason : error);
        }
      });
    });
  });
}

function isAbort(future: Future<unknown>, reason: unknown): boolean {
  const error = future._value;
  return error instanceof CancelledError && error.reason === reason;
}
