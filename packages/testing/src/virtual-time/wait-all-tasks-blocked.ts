import { type Coroutine, CorioError, getRunningLoop } from "corio";
import { virtualHostOf } from "./virtual-host.js";

/**
 * Waits until every other task waits, and nothing is left to run before the clock moves: then whatever was set going has come as
 * far as it gets by itself. Virtual time stands still meanwhile.
 *
 * @throws a `CorioError` on a loop without virtual time
 *
 * *If cancelled*, nothing else changes.
 * @example
 * const queue = new Queue<string>();
 * const task = createTask(queue.get());
 * yield* waitAllTasksBlocked();
 * console.log(queue.getters); // 1
 * @see https://trio.readthedocs.io/en/stable/reference-testing.html#trio.testing.wait_all_tasks_blocked
 */
export function waitAllTasksBlocked(): Coroutine<void> {
  const loop = getRunningLoop();
  const host = virtualHostOf(loop);
  if (host === undefined) {
    throw new CorioError(
      "ERR_CORIO_REAL_TIME",
      "waitAllTasksBlocked() needs virtual time, where it is known what is left to run: a VirtualLoop, or a coroutine test " +
        'without `time: "real"`',
    );
  }
  return blocked();

  function* blocked(): Coroutine<void> {
    const future = loop.createFuture<void>();
    host?.whenBlocked(() => {
      if (!future.done) future.setResult();
    });
    yield* future;
  }
}
