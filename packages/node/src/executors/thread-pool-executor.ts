import { availableParallelism } from "node:os";
import type { ResourceLimits } from "node:worker_threads";
import { PoolExecutor, type PoolExecutorOptions } from "./pool-executor.js";
import { ThreadSlot } from "./thread-slot.js";

/** What a {@link ThreadPoolExecutor} is made of. */
export interface ThreadPoolExecutorOptions extends PoolExecutorOptions {
  /** Limits for the memory of each thread, in megabytes, as `new Worker()` of Node takes them; default none. */
  readonly resourceLimits?: ResourceLimits | undefined;
}

/**
 * Runs functions in threads of this process: for work that would hold the loop. A thread starts when there is work for it.
 *
 * @example
 * yield* within(new ThreadPoolExecutor({ maxWorkers: 4 }), function* (pool) {
 *   const fib = (n: number): number => {
 *     let [a, b] = [0, 1];
 *     for (let i = 0; i < n; i++) [a, b] = [b, a + b];
 *     return a;
 *   };
 *   yield* forEach(pool.map(fib, [10, 20, 30]), (n) => console.log(n));
 * });
 * @see https://docs.python.org/3/library/concurrent.futures.html#concurrent.futures.ThreadPoolExecutor
 */
export class ThreadPoolExecutor extends PoolExecutor {
  /** @param options see {@link ThreadPoolExecutorOptions}; `maxWorkers`: default four more than there are processors, at most 32 */
  constructor(options: ThreadPoolExecutorOptions = {}) {
    super(ThreadSlot, options, Math.min(32, availableParallelism() + 4));
  }
}
