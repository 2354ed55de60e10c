import { availableParallelism } from "node:os";
import { PoolExecutor, type PoolExecutorOptions } from "./pool-executor.js";
import { ProcessSlot } from "./process-slot.js";

/** What a {@link ProcessPoolExecutor} is made of. */
export interface ProcessPoolExecutorOptions extends PoolExecutorOptions {}

/**
 * Runs functions in processes of their own: for work that may crash, leak or change the state of its process. They are slower to
 * start than threads, and everything between them is copied. A process starts when there is work for it.
 *
 * @example
 * yield* within(new ProcessPoolExecutor(), function* (pool) {
 *   console.log(yield* pool.submit(() => process.pid));
 * });
 * @see https://docs.python.org/3/library/concurrent.futures.html#concurrent.futures.ProcessPoolExecutor
 */
export class ProcessPoolExecutor extends PoolExecutor {
  /** @param options see {@link ProcessPoolExecutorOptions}; `maxWorkers`: default as many as there are processors */
  constructor(options: ProcessPoolExecutorOptions = {}) {
    super(ProcessSlot, options, availableParallelism());
  }
}
