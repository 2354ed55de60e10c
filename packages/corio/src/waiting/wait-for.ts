import { isCancelled } from "../errors/cancelled-error.js";
import { timedOutAfter } from "../errors/timeout-error.js";
import { adopt, ensureFuture } from "../loop/ensure-future.js";
import { checkMilliseconds } from "../scheduling/scheduler.js";
import { timeout } from "../scopes/timeout.js";
import { within } from "../scopes/within.js";
import { refuse } from "../tasks/brand.js";
import { type Awaitable, type Coroutine, closeCoroutine } from "../tasks/coroutine.js";
import { Future } from "../tasks/future.js";
import { isAwaitable } from "../tasks/promise-future.js";

/**
 * Waits for an awaitable, but no longer than a time (elsewhere: withTimeout). When the time is up, what it waits for is
 * cancelled; that may take longer. For a block of several waits use `within(timeout(ms), …)`.
 *
 * @param ms in milliseconds; `null` for no limit; 0 and below: takes the result if it is there already
 * @throws TimeoutError if the time is up
 *
 * *If cancelled*, so is what it waits for.
 * @example
 * const user = yield* waitFor(fetchUser(id), 1_000);
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.wait_for
 */
export function waitFor<T>(awaitable: Awaitable<T>, ms: number | null): Coroutine<T> {
  if (!isAwaitable(awaitable)) {
    refuse("NOT_AWAITABLE", "waitFor(awaitable, ms)", awaitable);
  }
  try {
    if (ms !== null) checkMilliseconds(ms, "waitFor(awaitable, ms)");
  } catch (error) {
    closeCoroutine(awaitable);
    throw error;
  }
  const adopted = adopt(awaitable);
  if (ms !== null && ms <= 0) return takeNow(adopted, ms);
  return within(timeout(ms), () => adopted as Coroutine<T>);
}

function* takeNow<T>(awaitable: Awaitable<T>, ms: number): Coroutine<T> {
  const future = ensureFuture(awaitable);
  if (future.done) return future.result();
  yield* cancelAndWait(future);
  try {
    return future.result();
  } catch (error) {
    throw isCancelled(error) ? timedOutAfter(ms, error) : error;
  }
}

/** @internal Cancels a future and waits until it is done, whatever comes of it. */
function* cancelAndWait(future: Future<unknown>): Coroutine<void> {
  const ended = new Future<void>({ loop: future.loop });
  ended._value = future; // for reports
  const end = (): void => {
    if (!ended.done) ended.setResult();
  };
  future.addDoneCallback(end);
  try {
    future.cancel();
    yield* ended;
  } finally {
    future.removeDoneCallback(end);
  }
}
