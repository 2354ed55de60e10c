import { rangeError } from "../errors/corio-error.js";
import { ensureFuture } from "../loop/ensure-future.js";
import type { Awaitable, Coroutine } from "../tasks/coroutine.js";
import { FAILED, Future } from "../tasks/future.js";
import { wait } from "./wait.js";

type ResultOf<A> = A extends Future<infer T> ? T : A extends Generator<unknown, infer T, void> ? T : Awaited<A>;

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
export function* race<const A extends readonly Awaitable<unknown>[]>(...awaitables: A): Coroutine<ResultOf<A[number]>> {
  if (awaitables.length === 0) throw rangeError("RACE_EMPTY");
  const runners = [...new Set(awaitables)].map((awaitable) => ensureFuture(awaitable));
  let winner: Future<unknown> | undefined;
  try {
    yield* wait(runners, { returnWhen: "FIRST_COMPLETED" });
    winner = runners.find((runner) => runner.done);
  } finally {
    yield* end(runners, winner);
  }
  return (winner as Future<unknown>).result() as ResultOf<A[number]>;
}

function* end(runners: Future<unknown>[], winner: Future<unknown> | undefined): Coroutine<void> {
  let losers = runners.filter((runner) => !runner.done);
  for (const loser of losers) loser.cancel();
  while (losers.length > 0) {
    yield* wait(losers);
    losers = losers.filter((loser) => !loser.done);
  }
  for (const loser of runners) {
    if (loser === winner || loser._state !== FAILED) continue;
    loser.loop.callExceptionHandler({
      message: "race was decided already when another of its awaitables threw",
      exception: loser.exception(),
      future: loser,
    });
  }
}
