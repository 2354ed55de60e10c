import { ensureFuture } from "../loop/ensure-future.js";
import type { EventLoop } from "../loop/event-loop.js";
import { type Awaitable, closeCoroutine, isCoroutine, ownerOf } from "../tasks/coroutine.js";
import type { Future } from "../tasks/future.js";

/**
 * @internal Makes a future of each awaitable; the same coroutine twice is one task. If one is refused, none runs: what was started
 * is cancelled, and the coroutines after it are closed.
 */
export function startAll<T>(awaitables: readonly Awaitable<T>[], loop: EventLoop): Future<T>[] {
  const started: Future<T>[] = [];
  try {
    for (const awaitable of awaitables) {
      const owner = isCoroutine(awaitable) ? (ownerOf(awaitable) as Future<T> | undefined) : undefined;
      started.push(owner !== undefined && started.includes(owner) ? owner : ensureFuture(awaitable, { loop }));
    }
  } catch (error) {
    for (const [i, future] of started.entries()) if (future !== awaitables[i]) future.cancel();
    for (const awaitable of awaitables.slice(started.length)) closeCoroutine(awaitable);
    throw error;
  }
  return started;
}
