import { running } from "../scheduling/running.js";
import { FAILED } from "../tasks/future.js";
import type { Task } from "../tasks/task.js";

/** @internal The lines of `task.getStack()`. */
export function stackOf(task: Task<unknown>): string[] {
  if (task._state === FAILED) return framesOf((task._value as { stack?: unknown } | null)?.stack);
  if (task.done) return [];
  if (running.task === task) return framesOf(new Error().stack);
  const place = task.loop._observer?.placeOf(task);
  if (place !== undefined) return framesOf(place);
  const names: string[] = [];
  for (let named = task._named; named !== undefined; named = named.child) names.unshift(`at ${named.coroutineName}`);
  return names;
}

/** The frames of a stack as V8 prints it, without those of the core. */
function framesOf(stack: unknown): string[] {
  const lines = String(stack ?? "").split("\n");
  const end = lines.findIndex((line) => / at \w*Task\._step /.test(line));
  return (end < 0 ? lines : lines.slice(0, end))
    .map((line) => line.trim())
    .filter((line) => line.startsWith("at ") && !/(next|throw) \(<anonymous>\)$/.test(line) && !/at (stackOf|\w*Task\.(getStack|printStack)) /.test(line));
}
