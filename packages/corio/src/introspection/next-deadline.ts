import type { EventLoop } from "../loop/event-loop.js";
import { getRunningLoop } from "../scheduling/running.js";

/**
 * When the next timer or sleep of a loop is due, on its clock, in milliseconds; `undefined` if there is none that ever comes.
 *
 * @param loop default the running loop
 * @throws a NoRunningLoopError without a loop, where none is running
 * @example
 * createTask(sleep(1_000));
 * yield* sleep(0);
 * console.log((nextDeadline() ?? 0) - getRunningLoop().time()); // 1000, or a little less
 */
export function nextDeadline(loop: EventLoop = getRunningLoop()): number | undefined {
  const when = loop._timers.next();
  return when === Number.POSITIVE_INFINITY ? undefined : when;
}
