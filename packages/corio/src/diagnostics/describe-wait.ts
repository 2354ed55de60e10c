import type { Queue } from "../queues/queue.js";
import { running } from "../scheduling/running.js";
import type { Timer } from "../scheduling/timers.js";
import type { Barrier } from "../sync/barrier.js";
import type { Lock } from "../sync/lock.js";
import type { WaitPurpose } from "../sync/wait-queue.js";
import { FAILED, type Future, type StandIn } from "../tasks/future.js";
import { PromiseFuture } from "../tasks/promise-future.js";
import { Task } from "../tasks/task.js";
import { isSleep, queueOf, standsFor, wantedName } from "./inspect.js";

/**
 * What a task does at present, in a line that goes on from its name: `waits for Lock, held by deposit-1`, `waits for
 * Queue.put: the queue is full (3 of 3)`, `waits until 5,000 ms (a sleep)`, `is ready`, `has not started`, `is running`,
 * `has ended`, `was cancelled`, `has failed: TypeError: …` (which does not count as having retrieved the error). Reports are
 * made of it; where the task waits is in `task.getStack()`.
 *
 * @example
 * for (const task of allTasks()) console.log(task.name, describeWait(task));
 */
export function describeWait(task: Task<unknown>): string {
  return describeWaitAt(task, new Map());
}

/**
 * @internal The same, for many tasks.
 *
 * @param times when sleeps end, as far as it was read; the caller keeps it for the next task
 */
export function describeWaitAt(task: Task<unknown>, times: Map<Timer, number>): string {
  if (task.done) return endOf(task);
  if (running.task === task) return "is running";
  if (task._waiter === null) return "has not started";
  const future = waitedFor(task);
  if (future !== undefined && !isSleep(future)) return `waits for ${wantedName(future)}${reason(future, task)}`;
  if (future !== undefined && !times.has(future))
    for (const [timer, when] of task.loop._timers.entries()) times.set(timer, when);
  const when = future && times.get(future);
  // a sleep that is in no list has ended, and its task is about to hear of it
  return when === undefined ? "is ready" : `waits until ${when.toLocaleString("en")} ms (a sleep)`;
}

function endOf(task: Task<unknown>): string {
  if (task.cancelled) return "was cancelled";
  return task._state === FAILED ? `has failed: ${String(task._value).split("\n", 1)[0]}` : "has ended";
}

/**
 * Whether a task waits for a promise, directly or through a gather, a wait or the like: then only the host can wake it.
 *
 * @example
 * const task = createTask(until(new Promise(() => {})));
 * yield* sleep(0);
 * console.log(waitsForPromise(task)); // true
 */
export function waitsForPromise(task: Task<unknown>): boolean {
  const wanted = waitedFor(task);
  // most wait for what stands for nothing else
  if (wanted === undefined || wanted._value === undefined) return wanted instanceof PromiseFuture;
  const futures = new Set([wanted]);
  for (const future of futures) {
    if (future instanceof PromiseFuture) return true;
    // another task is asked itself
    if (!(future instanceof Task)) for (const needed of pendingOf(future)) futures.add(needed);
  }
  return false;
}

/** @internal The tasks that all have to do something before this one goes on. */
export function blockersOf(task: Task<unknown>): Task<unknown>[] {
  const wanted = waitedFor(task);
  // a set that grows while it is walked: a gather of gathers is followed to its tasks
  const futures = new Set(wanted && [wanted]);
  for (const future of futures)
    if (!(future instanceof Task)) for (const needed of neededFor(future)) futures.add(needed);
  return [...futures].filter((future) => future instanceof Task);
}

/** The future that a task waits for; none if that is done: the task is ready then, and has not run yet. */
function waitedFor({ _waiter: waiter }: Task<unknown>): Future<unknown> | undefined {
  const future = waiter ? standsFor(waiter) : undefined;
  return future?.done ? undefined : future;
}

/** The futures that all have to be done before this one is. */
function neededFor(future: Future<unknown>): Future<unknown>[] {
  const pending = pendingOf(future);
  return (future._value as StandIn | undefined)?.one && pending.length > 1 ? [] : pending;
}

/** Those that it stands for; of a place in line for a lock, the task that has it. */
function pendingOf(future: Future<unknown>): Future<unknown>[] {
  const queue = queueOf(future);
  const owner = queue?._purpose === "Lock" ? (queue._owner as Lock).owner : undefined;
  const futures = new Set((future._value as StandIn | undefined)?.futures ?? (owner && [owner]));
  return [...futures].map(standsFor).filter(({ done }) => !done);
}

/** What is to be said about what a task waits for, beside its name. */
function reason(future: Future<unknown>, task: Task<unknown>): string {
  if (future instanceof Task || future instanceof PromiseFuture) return "";
  if (future._value !== undefined) return `: ${missing(pendingOf(future))}`;
  const queue = queueOf(future);
  if (queue?._purpose === undefined) return ": nobody is known who would set it";
  return REASONS[queue._purpose](queue._owner as never, task);
}

function missing(pending: Future<unknown>[]): string {
  const count = pending.length;
  const which = count === 0 || count > MOST_NAMES ? `${count} of them` : listed(pending.map(wantedName));
  return `${which} ${count === 1 ? "is" : "are"} not done`;
}

const MOST_NAMES = 3;

/** @internal `a`, `a and b`, `a, b and c`. */
export function listed(names: readonly string[]): string {
  const last = names.at(-1) ?? "";
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${last}` : last;
}

const REASONS: Record<WaitPurpose, (owner: never, task: Task<unknown>) => string> = {
  Lock: ({ owner }: Lock, task) => {
    if (owner === undefined) return ", which no task holds at present";
    return owner === task
      ? ", which it holds itself"
      : `, held by ${owner.name}${owner.done ? ", which has ended" : ""}`;
  },
  Semaphore: () => ": no permit is free",
  Event: () => ": it is not set",
  Condition: () => ": nobody has notified it",
  Barrier: ({ state, waiting, parties }: Barrier) =>
    state === "filling" ? `: ${waiting} of ${parties} are there` : ": its last round has not left yet",
  "Queue.get": ({ empty }: Queue<unknown>) => (empty ? ": the queue is empty" : AHEAD),
  "Queue.put": ({ full, size, maxSize }: Queue<unknown>) =>
    full ? `: the queue is full (${size} of ${maxSize})` : AHEAD,
  "Queue.join": ({ _unfinished }: Queue<unknown>) => `: taskDone() has to be called for ${_unfinished} of its items`,
};

const AHEAD = ": others are before it";
