import { misuse } from "../errors/corio-error.js";
import { NoRunningLoopError } from "../errors/state-errors.js";
import { thisCopy } from "../errors/this-copy.js";
import type { EventLoop } from "../loop/event-loop.js";
import type { Task } from "../tasks/task.js";

/**
 * @internal What is on the stack right now: the loop whose callback runs, and the task whose step runs.
 *
 * Between turns both are `undefined`, so code of the host never passes for code of a loop.
 */
export const running: { loop: EventLoop | undefined; task: Task<unknown> | undefined; step: number } = {
  loop: undefined,
  task: undefined,
  /** The number of the step; 0 where no task is running. */
  step: 0,
};

/**
 * The loop whose callback or task is running.
 *
 * @throws NoRunningLoopError anywhere else, callbacks of the host included; keep `const loop = getRunningLoop()` for those
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.get_running_loop
 */
export function getRunningLoop(): EventLoop {
  if (running.loop === undefined) throw noRunningLoop();
  return running.loop;
}

// What is on the stack, of each copy of corio that the program has loaded.
const COPIES = Symbol.for("corio.copies");
const copies = ((globalThis as { [COPIES]?: Map<string, { loop: unknown }> })[COPIES] ??= new Map());
copies.set(thisCopy, running);

/** @internal The error for what needs a running loop. One of another copy explains why there seems to be none. */
export function noRunningLoop(): Error {
  for (const [copy, other] of copies) {
    if (copy !== thisCopy && other.loop !== undefined) return misuse("TWO_COPIES", copy, thisCopy);
  }
  return new NoRunningLoopError();
}
