import { ensureFuture } from "../loop/ensure-future.js";
import { contextFor } from "../context/context.js";
import { running } from "../scheduling/running.js";
import type { Awaitable } from "../tasks/coroutine.js";
import { DoneCallback, Future } from "../tasks/future.js";
import { settleLike } from "../tasks/promise-future.js";

/**
 * Protects an awaitable from the cancellation of whoever waits for it: cancelling the wait does not cancel what it waits for.
 *
 * Keep a reference to what is shielded if you want its result after such a cancellation; an error of it that nobody retrieves
 * is reported like any other.
 *
 * @returns a future of the same result
 *
 * *If cancelled*, only this future is.
 * @example
 * const saving = createTask(save());
 * yield* shield(saving); // saving goes on even if this task is cancelled here
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.shield
 */
export function shield<T>(awaitable: Awaitable<T>): Future<T> {
  const inner = ensureFuture(awaitable);
  if (inner.done) return inner;
  const outer = new Future<T>({ loop: inner.loop });
  outer._value = inner; // for reports
  const pass = new DoneCallback(() => settleLike(outer, inner), contextFor(undefined), running.task);
  inner._addCallback(pass);
  outer.addDoneCallback(() => {
    if (!inner.done) inner._removeCallbacks((waiting) => waiting === pass);
  });
  return outer;
}
