import { NoRunningLoopError } from "../errors/state-errors.js";
import type { EventLoop } from "../loop/event-loop.js";
import type { Task } from "../tasks/task.js";

/**
 * @internal What is on the stack right now: the loop whose callback runs, and the task whose step runs.
 *
 * Between turns both are `undefined`, so code of the host never passes for code of a loop.
 */
export const running: { loop: EventLoop | undefined; task: Task<unknown> | undefined } = {
  loop: undefined,
  task: undefined,
};

/**
 * The loop whose callback or task is running.
 *
 * @throws NoRunningLoopError anywhere else, callbacks of the host included; keep `const loop = getRunningLoop()` for those
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.get_running_loop
 */
export function getRunningLoop(): EventLoop {
  if (running.loop === undefined) throw new NoRunningLoopError();
  return running.loop;
}
