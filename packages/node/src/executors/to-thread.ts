import { type Future, getRunningLoop } from "corio";
import { PoolExecutor } from "./pool-executor.js";
import { ThreadPoolExecutor } from "./thread-pool-executor.js";

/**
 * Runs a function in a thread (elsewhere: a worker), so that the loop goes on meanwhile. It begins at once.
 *
 * A small function may be given as it is. The thread gets its text and nothing else: it must not use a name that is declared
 * outside of it, and imports what it needs with `await import("…")` (packages are looked up from the current folder). For
 * anything larger there is {@link workerFunction}. Arguments and result are copied, or handed over with {@link transfer}.
 *
 * It runs in the loop's default executor. Where there is none, a {@link ThreadPoolExecutor} is made, which the end of the run
 * shuts down.
 *
 * @param fn an ordinary or an async function, or what {@link workerFunction} made
 * @param args what it is called with
 * @returns a future of its result
 * @throws a `TypeError` at once for a function that a thread cannot run, which says why, and names what is missing there
 * @throws what the function throws: errors keep their built-in class, message, stack, causes and enumerable properties
 * @throws a `CorioError` with the code `ERR_CORIO_WORKER_DIED` if the thread ends before the function does
 *
 * *If cancelled*, it does not begin if it has not yet. A function that is running is told (see {@link currentWork}), and keeps its
 * thread until it ends; its result is dropped.
 * @example
 * const digest = yield* toThread(async (text: string) => {
 *   const { createHash } = await import("node:crypto");
 *   return createHash("sha256").update(text).digest("hex");
 * }, "corio");
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.to_thread
 */
export function toThread<Args extends unknown[], R>(fn: (...args: Args) => R, ...args: Args): Future<Awaited<R>> {
  const loop = getRunningLoop();
  const executor = (loop.defaultExecutor ??= new ThreadPoolExecutor());
  // without the detour by the loop, which does the same
  return executor instanceof PoolExecutor ? executor.submit(fn, ...args) : loop.runInExecutor(executor, fn, ...args);
}
