import { rangeError } from "../errors/corio-error.js";
import { adopt } from "../loop/ensure-future.js";
import { getRunningLoop } from "../scheduling/running.js";
import type { Awaitable, Coroutine, ResultOf } from "../tasks/coroutine.js";
import { FAILED, type Future } from "../tasks/future.js";
import { startAll } from "./start-all.js";
import { wait } from "./wait.js";

/**
 * Runs awaitables at once and gives the result, or the error, of the first that is done (Promise.race). The others are
 * cancelled, and waited for until their cleanup has ended; what they throw then is reported. `shield` what is to go on.
 *
 * @param awaitables at least one
 *
 * *If cancelled*, all are cancelled and waited for.
 * @example
 * const fastest = yield* race(ask(mirror1), ask(mirror2));
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.wait
 */
export function race<const A extends readonly Awaitable<unknown>[]>(...awaitables: A): Coroutine<ResultOf<A[number]>> {
  if (awaitables.length === 0) throw rangeError("RACE_EMPTY");
  const distinct = new Set<Awaitable<unknown>>(awaitables);
  return raceAll(Array.from(distinct, (awaitable) => adopt(awaitable))) as Coroutine<ResultOf<A[number]>>;
}

function* raceAll(awaitables: Awaitable<unknown>[]): Coroutine<unknown> {
  const runners = startAll(awaitables, getRunningLoop());
  let winner: Future<unknown> | undefined;
  for (const runner of runners) runner.addDoneCallback(() => void (winner ??= runner));
  let cancellation: unknown;
  try {
    yield* wait(runners, { returnWhen: "FIRST_COMPLETED" });
  } catch (error) {
    cancellation = error;
  } finally {
    for (const runner of runners) runner.cancel();
  }
  // The wait for the others can itself be cancelled, again and again; they are waited for all the same.
  while (runners.some((runner) => !runner.done)) {
    try {
      yield* wait(runners);
    } catch (error) {
      cancellation ??= error;
    }
  }
  for (const loser of runners) {
    if (loser._state !== FAILED || (loser === winner && cancellation === undefined)) continue;
    loser.loop.callExceptionHandler({
      message: "race was decided already when another of its awaitables threw",
      exception: loser.exception(),
      future: loser,
    });
  }
  if (cancellation !== undefined) throw cancellation;
  return (winner as Future<unknown>).result();
}
