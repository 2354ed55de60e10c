import type { Task } from "../tasks/task.js";
import type { EventLoop } from "../loop/event-loop.js";
import { nameOf } from "./inspect.js";

/** @internal Every task of a loop with what it waits for, for the message of a DeadlockError. */
export function deadlockReport(loop: EventLoop): string {
  const tasks = [...loop._tasks];
  return [
    "deadlock: nothing is left that could wake the tasks that this run waits for",
    ...tasks.map((task) => `  ${describeTask(task)}`),
    ...(tasks.length === 0 ? ["  no task is left: the run waits for a future that nobody is going to set"] : []),
    "If something outside wakes them, hold the loop meanwhile: `using _ = getRunningLoop().hold()`",
  ].join("\n");
}

function describeTask(task: Task<unknown>): string {
  const waiter = task.waitingFor;
  const what = waiter === undefined ? "is ready" : `waits for ${nameOf(waiter)}`;
  return [`${task.name} ${what}`, ...task.getStack()].join("\n      ");
}
