import { running } from "../scheduling/running.js";
import { DONE, FAILED, type Future, PENDING } from "../tasks/future.js";
import { Task } from "../tasks/task.js";

/** What `util.inspect` and `console.log` show of a future: `Task Task-1 { pending, waiting for Queue.get }`. */
export function inspectFuture(
  future: Future<unknown>,
  options: object,
  inspect: (value: unknown, options: object) => string,
): string {
  return `${nameOf(future)} { ${stateOf(future, (value) => inspect(value, options))} }`;
}

/** What reports call a future. */
export function nameOf(future: Future<unknown>): string {
  const kind = future.constructor.name;
  return future instanceof Task ? `${kind} ${future.name}` : kind;
}

/** What a future is doing, or what came of it. */
export function stateOf(future: Future<unknown>, show: (value: unknown) => string): string {
  if (future._state === DONE) return `result: ${show(future._value)}`;
  if (future._state === FAILED) return `exception: ${String(future._value)}`;
  if (future._state !== PENDING) {
    return future.cancelReason === undefined ? "cancelled" : `cancelled: ${show(future.cancelReason)}`;
  }
  if (!(future instanceof Task)) return "pending";
  const { waitingFor } = future;
  const state = running.task === future ? "running" : waitingFor === undefined ? "ready" : "pending";
  const waits = waitingFor === undefined ? "" : `, waiting for ${nameOf(waitingFor)}`;
  return `${state}${waits}${future.cancelling > 0 ? ", cancelling" : ""}`;
}
