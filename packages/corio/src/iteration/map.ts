import { rangeError, typeError } from "../errors/corio-error.js";
import { ExceptionGroup } from "../errors/exception-group.js";
import { coroutineFor } from "../loop/ensure-future.js";
import { getRunningLoop } from "../scheduling/running.js";
import { TaskGroup } from "../scopes/task-group.js";
import { within } from "../scopes/within.js";
import { Semaphore } from "../sync/semaphore.js";
import type { Awaitable, Coroutine } from "../tasks/coroutine.js";
import type { Future } from "../tasks/future.js";
import { type Cursor, cursorOf, type Source } from "./cursor.js";
import { Iteration } from "./iterate.js";

/**
 * Runs a coroutine for each item, so many at once, and gives the results in the order of the items (elsewhere: p-map). Items
 * are taken from the source only when there is room for them.
 *
 * When one fails or is cancelled, the others are cancelled; `map` fails with that error once they have ended.
 *
 * @param items an iterable, or an asynchronous one as for `iterate`
 * @param fn makes the coroutine of an item; also gets its index
 * @param options `concurrency`: how many run at once; default no limit
 *
 * *If cancelled*, all that run are cancelled and waited for.
 * @example
 * const pages = yield* map(urls, (url) => download(url), { concurrency: 10 });
 */
export function map<T, R>(
  items: Source<T>,
  fn: (item: T, index: number) => Awaitable<R>,
  options?: { concurrency?: number | undefined },
): Coroutine<R[]> {
  const concurrency = options?.concurrency ?? Number.POSITIVE_INFINITY;
  if (typeof fn !== "function") throw typeError("MAP", fn);
  if (!(concurrency >= 1) || concurrency % 1) throw rangeError("CONCURRENCY", concurrency);
  const cursor = cursorOf(items);
  return within(new Iteration(cursor), () => mapAll(cursor, fn, concurrency));
}

function* mapAll<T, R>(
  cursor: Cursor<T>,
  fn: (item: T, index: number) => Awaitable<R>,
  concurrency: number,
): Coroutine<R[]> {
  const results: R[] = [];
  const permits = new Semaphore(concurrency);
  const group = new TaskGroup();
  let cancellation: unknown;
  // whether the group cancels its tasks because the block has failed
  let failed = false;

  function* work(item: T, index: number): Coroutine<void> {
    results[index] = yield* coroutineFor(fn(item, index), "map(items, fn)");
    // not after an error: then no further item is wanted
    permits.release();
  }

  // A group passes over a task that was cancelled; here its result would be missing.
  function ended(task: Future<void>): void {
    if (!task.cancelled || failed) return;
    cancellation ??= task._cancelledError();
    group.cancel();
  }

  try {
    yield* within(group, function* () {
      try {
        for (let index = 0; ; index++) {
          yield* permits.acquire();
          if (!(yield* cursor.next())) return;
          const task = group.createTask(work(cursor.value, index));
          // at once, and not through the loop: the group must not end before
          task._whenDone(() => ended(task));
        }
      } catch (error) {
        failed = true;
        throw error;
      }
    });
  } catch (error) {
    throw error instanceof ExceptionGroup ? firstOf(error) : error;
  }
  if (cancellation !== undefined) throw cancellation;
  return results;
}

/** The error that failed the whole; what the others threw while they were cancelled is reported. */
function firstOf(group: ExceptionGroup): unknown {
  const [first, ...others] = group.errors;
  for (const exception of others) {
    getRunningLoop().callExceptionHandler({ message: "map had failed already when another item threw", exception });
  }
  return first;
}
