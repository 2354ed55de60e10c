import { running } from "../scheduling/running.js";
import { FAILED } from "../tasks/future.js";
import type { Task } from "../tasks/task.js";
import { programFrames } from "./frames.js";

/** The lines of `task.getStack()`. */
export function stackOf(task: Task<unknown>): string[] {
  if (task._state === FAILED) return programFrames((task._value as { stack?: unknown } | null)?.stack);
  if (task.done) return [];
  if (running.task === task) return programFrames(new Error().stack);
  const place = task.loop._observer?.placeOf(task);
  if (place !== undefined) return place;
  const names: string[] = [];
  for (let named = task._extra?.named; named !== undefined; named = named.child)
    names.push(`at ${named.coroutineName}`);
  return names.toReversed();
}
