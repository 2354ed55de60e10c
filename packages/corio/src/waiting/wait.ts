import { contextFor } from "../context/context.js";
import { rangeError, typeError } from "../errors/corio-error.js";
import { getRunningLoop, running } from "../scheduling/running.js";
import { checkMilliseconds } from "../scheduling/scheduler.js";
import { type Coroutine, closeCoroutine } from "../tasks/coroutine.js";
import { DoneCallback, Future, type StandIn } from "../tasks/future.js";

/** What `wait` waits for: all, the first, or the first error (all, if there is none). */
export type ReturnWhen = "ALL_COMPLETED" | "FIRST_COMPLETED" | "FIRST_EXCEPTION";

/** Options of `wait`. */
export interface WaitOptions {
  /** Waits no longer than this, in milliseconds; default no limit. It is no error if the time is up. */
  timeout?: number | undefined;
  /** Default `"ALL_COMPLETED"`. */
  returnWhen?: ReturnWhen | undefined;
}

/**
 * Waits for futures and tasks (Promise.allSettled, Promise.race), and tells which are done and which are not. It throws none
 * of their errors, and cancels none of them.
 *
 * @param futures an array or a set of futures or tasks, at least one; coroutines and promises are refused, for they would come
 * back as other objects
 * @returns the sets of those that are done and those that are pending
 *
 * *If cancelled*, the futures are left as they are.
 * @example
 * const { done, pending } = yield* wait(tasks, { timeout: 1_000, returnWhen: "FIRST_COMPLETED" });
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.wait
 */
export function wait<F extends Future<unknown>>(
  futures: Iterable<F>,
  { timeout, returnWhen = "ALL_COMPLETED" }: WaitOptions = {},
): Coroutine<{ done: Set<F>; pending: Set<F> }> {
  const all = checked(futures, returnWhen);
  if (timeout !== undefined) checkMilliseconds(timeout, "wait(futures, { timeout })");
  return waitForAll(all, timeout, returnWhen);
}

function* waitForAll<F extends Future<unknown>>(
  all: Set<F>,
  timeout: number | undefined,
  returnWhen: ReturnWhen,
): Coroutine<{ done: Set<F>; pending: Set<F> }> {
  yield* waitUntilOver(all, timeout, returnWhen);
  const done = new Set<F>();
  const pending = new Set<F>();
  for (const future of all) (future.done ? done : pending).add(future);
  return { done, pending };
}

function checked<F extends Future<unknown>>(futures: Iterable<F>, returnWhen: ReturnWhen): Set<F> {
  if (futures instanceof Future || typeof (futures as Iterable<F> | undefined)?.[Symbol.iterator] !== "function") {
    throw typeError("WAIT_FUTURES");
  }
  if (typeof (futures as { throw?: unknown }).throw === "function") {
    closeCoroutine(futures);
    throw typeError("WAIT_FUTURES.coroutine");
  }
  const all = new Set(futures);
  if (all.size === 0) throw rangeError("WAIT_EMPTY");
  if (!["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"].includes(returnWhen)) {
    throw rangeError("RETURN_WHEN", returnWhen);
  }
  for (const future of all) {
    if (future instanceof Future) continue;
    for (const refused of all) closeCoroutine(refused);
    throw typeError("WAIT_FUTURES.member");
  }
  return all;
}

function endsWait(future: Future<unknown>, returnWhen: ReturnWhen): boolean {
  if (returnWhen === "FIRST_EXCEPTION") return !future.cancelled && future.exception() !== undefined;
  return returnWhen === "FIRST_COMPLETED";
}

function* waitUntilOver(
  futures: Set<Future<unknown>>,
  timeout: number | undefined,
  returnWhen: ReturnWhen,
): Coroutine<void> {
  const loop = getRunningLoop();
  const over = loop.createFuture<void>();
  over._value = {
    what: `wait (${returnWhen})`,
    futures,
    one: returnWhen === "FIRST_COMPLETED",
  } satisfies StandIn;
  const end = (): void => {
    if (!over.done) over.setResult();
  };
  const timer = timeout === undefined ? undefined : loop.callLater(timeout, end);
  let pending = 0;
  const callback = new Set<object>();
  const completed = (future: Future<unknown>): void => {
    if (--pending === 0 || endsWait(future, returnWhen)) {
      timer?.cancel();
      end();
    }
  };
  const context = contextFor(undefined);
  for (const future of futures) {
    pending++;
    const done = new DoneCallback(completed, context, running.task);
    callback.add(done);
    future._addCallback(done);
  }
  try {
    yield* over;
  } finally {
    timer?.cancel();
    for (const future of futures) future._removeCallbacks((waiting) => callback.has(waiting));
  }
}
