import type { Timer } from "../scheduling/timers.js";
import { running } from "../scheduling/running.js";
import type { Waiter, WaitQueue } from "../sync/wait-queue.js";
import { DONE, FAILED, Future, PENDING, type StandIn } from "../tasks/future.js";
import { PromiseFuture } from "../tasks/promise-future.js";
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

/** What reports call a future that is waited for. */
export function wantedName(future: Future<unknown>): string {
  const wanted = standsFor(future);
  // the usual names say it themselves
  if (wanted instanceof Task && wanted.name.startsWith("Task-")) return wanted.name;
  if (wanted instanceof Task || wanted.done) return nameOf(wanted);
  if (wanted instanceof PromiseFuture) return "a promise";
  if (isSleep(wanted)) return "a sleep";
  return queueOf(wanted)?._purpose ?? (wanted._value as StandIn | undefined)?.what ?? nameOf(wanted);
}

/** The future that one which is pending stands for; most stand for themselves. */
export function standsFor(future: Future<unknown>): Future<unknown> {
  let last = future;
  while (!last.done && last._value instanceof Future) last = last._value;
  return last;
}

/** Whether a future is itself an entry among the timers. */
export function isSleep(future: Future<unknown>): future is Future<void> & Timer {
  return "_order" in future;
}

/** The wait-queue in which a future is a place. */
export function queueOf(future: Future<unknown>): WaitQueue | undefined {
  return (future as Partial<Waiter>)._queue;
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
  const waits = waitingFor === undefined ? "" : `, waiting for ${wantedName(waitingFor)}`;
  return `${state}${waits}${future.cancelling > 0 ? ", cancelling" : ""}`;
}
