import { formatTasks } from "./format-tasks.js";
import type { EventLoop } from "../loop/event-loop.js";

/** @internal Every task of a loop with what it waits for, for the message of a DeadlockError. */
export function deadlockReport(loop: EventLoop): string {
  const tasks = formatTasks(loop._tasks) || "no task is left: the run waits for a future that nobody is going to set";
  return [
    "deadlock: nothing is left that could wake the tasks that this run waits for",
    ...tasks.split("\n").map((line) => `  ${line}`),
    "If something outside wakes them, hold the loop meanwhile: `using _ = getRunningLoop().hold()`",
  ].join("\n");
}
