import type { EventLoop } from "../loop/event-loop.js";
import { TimerHandle } from "../scheduling/handle.js";
import { getRunningLoop } from "../scheduling/running.js";

/**
 * The timers of a loop that are armed: what `callLater` and `callAt` returned, neither cancelled nor due. One whose time has
 * come is still listed until the loop looks at it, before its next iteration. A task that sleeps has no timer handle, so sleeps
 * are not listed; time limits are, such as those of `timeout` and `wait`.
 *
 * @param loop default the running loop
 * @returns in the order in which they become due
 * @throws a NoRunningLoopError without a loop, where none is running
 * @example
 * const loop = getRunningLoop();
 * const timer = loop.callLater(1_000, () => console.log("late"));
 * for (const { when, origin } of allTimers()) console.log(when - loop.time(), origin); // 1000, and in debug mode where
 * timer.cancel();
 */
export function allTimers(loop: EventLoop = getRunningLoop()): Set<TimerHandle> {
  const handles = loop._timers
    .entries()
    .flatMap(([timer]) => (timer instanceof TimerHandle && !timer.cancelled ? [timer] : []));
  // of two that are never due, the difference is NaN
  return new Set(handles.toSorted((a, b) => a.when - b.when || a._order - b._order));
}
