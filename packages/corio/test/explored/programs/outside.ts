import assert from "node:assert/strict";
import { type Coroutine, createTask, sleep, type Task } from "corio";
import { allEnded } from "./all-ended.js";

/** When and how often each of the tasks is cancelled. */
interface When {
  /** Default once. */
  readonly times?: number;
  /** In milliseconds; default 0. */
  readonly after?: number;
}

/**
 * Waits until all tasks have ended. Meanwhile others cancel each of them; none of these requests may be lost, and nothing else may
 * be left of a request, unless cancellations are injected, too.
 *
 * @returns how many requests were made in time
 */
export function* cancelledFromOutside(
  tasks: readonly Task<unknown>[],
  injected: boolean,
  { times = 1, after = 0 }: When = {},
): Coroutine<number> {
  let all = 0;
  const requests = new Map(tasks.map((task) => [task, 0]));

  function* cancel(task: Task<unknown>): Coroutine<void> {
    yield* sleep(after);
    if (!task.cancel("from outside")) return;
    all++;
    requests.set(task, (requests.get(task) ?? 0) + 1);
  }

  const others = tasks.flatMap((task) =>
    Array.from({ length: times }, (_, i) => createTask(cancel(task), { name: `outside ${i + 1} of ${task.name}` })),
  );
  yield* allEnded([...tasks, ...others]);
  if (!injected) for (const [task, count] of requests) assert.equal(task.cancelling, count);
  return all;
}
