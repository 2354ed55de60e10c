import { misuse, rangeError } from "../errors/corio-error.js";
import { getRunningLoop, noRunningLoop, running } from "../scheduling/running.js";
import { refuse } from "../tasks/brand.js";
import {
  type Awaitable,
  type Coroutine,
  closeCoroutine,
  coroutineOf,
  isCoroutine,
  type Main,
} from "../tasks/coroutine.js";
import { Future } from "../tasks/future.js";
import { expectLater, futureOf, isAwaitable, isThenable } from "../tasks/promise-future.js";
import type { Task, TaskOptions } from "../tasks/task.js";
import type { EventLoop } from "./event-loop.js";

/**
 * Makes a future of any awaitable: a task of a coroutine, a future of a promise; a future stays what it is.
 *
 * @param options `loop`: default the running loop
 * @throws a `TypeError` for what cannot be awaited, a `RangeError` if a future belongs to another loop
 * @see https://docs.python.org/3/library/asyncio-future.html#asyncio.ensure_future
 */
export function ensureFuture<T>(awaitable: Awaitable<T>, options?: { loop?: EventLoop | undefined }): Future<T> {
  if (awaitable instanceof Future) {
    if (options?.loop !== undefined && awaitable.loop !== options.loop) {
      throw rangeError("OTHER_LOOP.argument");
    }
    return awaitable;
  }
  if (isCoroutine(awaitable)) return loopFor(awaitable, options?.loop).createTask(awaitable);
  if (!isThenable(awaitable)) return refuse("NOT_AWAITABLE", "an awaitable is required", awaitable);
  const loop = options?.loop ?? getRunningLoop();
  loop._checkOpen();
  return futureOf(awaitable, loop);
}

/**
 * Runs a coroutine as a task of the running loop: it starts in the next iteration, and runs while its creator goes on.
 * Other libraries call this spawn or fork. Better still, create it in a `TaskGroup`, which waits for it.
 *
 * @param main a coroutine, a function that makes it, or another awaitable
 * @param options `name`, `context`, `eagerStart`, `signal`: see {@link TaskOptions}
 * @throws a NoRunningLoopError where no loop is running; the coroutine is closed then
 * @example
 * const task = createTask(worker("A"));
 * // … meanwhile it runs …
 * const result = yield* task;
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task
 */
export function createTask<T>(main: Main<T>, options?: TaskOptions): Task<T> {
  return loopFor(main, undefined).createTask(main, options);
}

function loopFor(main: unknown, loop: EventLoop | undefined): EventLoop {
  const found = loop ?? running.loop;
  if (found !== undefined) return found;
  if (typeof main !== "function" && !isAwaitable(main)) refuse("NOT_AWAITABLE", "createTask(main)", main);
  closeCoroutine(main);
  throw noRunningLoop();
}

/**
 * @internal Takes over what a coroutine will await in a turn to come. A promise has somebody who waits for it from now on: if it
 * is rejected before that turn, the host would call it unhandled otherwise, and Node end the process.
 */
export function adopt<T>(awaitable: Awaitable<T>, loop: EventLoop | undefined = running.loop): Awaitable<T> {
  if (awaitable instanceof Future || isCoroutine(awaitable) || !isThenable(awaitable) || loop?.closed) return awaitable;
  if (loop !== undefined) return futureOf(awaitable, loop);
  expectLater(awaitable);
  return awaitable;
}

/** @internal The coroutine to drive for a `Main`: what is another awaitable is awaited by one. */
export function coroutineFor<T>(main: Main<T>, call: string, loop?: EventLoop): Coroutine<T> {
  const coroutine = coroutineOf(main, call);
  if (coroutine !== undefined) return coroutine;
  if (!isThenable(main)) return refuse("NOT_AWAITABLE", call, main);
  return awaitIt(adopt(main as Awaitable<T>, loop));
}

function* awaitIt<T>(awaitable: Awaitable<T>): Coroutine<T> {
  return yield* ensureFuture(awaitable);
}

/** @internal The task that is running. */
export function requireTask(what: string): Task<unknown> {
  if (running.task !== undefined) return running.task;
  throw misuse("OUTSIDE_TASK", what);
}

/**
 * The task that is running.
 *
 * @param loop with it, the answer is `undefined` where no task of that loop is running
 * @throws a NoRunningLoopError outside of a loop, and a `CorioError` outside of a task, unless a loop is given
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.current_task
 */
export function currentTask(): Task<unknown>;
export function currentTask(loop: EventLoop): Task<unknown> | undefined;
export function currentTask(loop?: EventLoop): Task<unknown> | undefined {
  if (loop !== undefined) return running.loop === loop ? running.task : undefined;
  getRunningLoop();
  return requireTask("currentTask()");
}

/**
 * The tasks of a loop that are not done.
 *
 * @param loop default the running loop
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.all_tasks
 */
export function allTasks(loop: EventLoop = getRunningLoop()): Set<Task<unknown>> {
  return new Set(loop._tasks);
}
