import assert from "node:assert/strict";
import { type Coroutine, type Task, wait } from "corio";

/**
 * Waits until all tasks have ended, and throws what one of them threw. To be cancelled is no error, but it must have been asked
 * for; and a task that was asked to, and never catches a cancellation, is to end so.
 */
export function* allEnded(tasks: readonly Task<unknown>[]): Coroutine<void> {
  yield* wait(tasks);
  for (const task of tasks) {
    if (!task.cancelled) task.result();
    assert.equal(task.cancelled, task.cancelling > 0, `${task.name} had ${task.cancelling} requests to be cancelled`);
  }
}
