import { typeError } from "../errors/corio-error.js";
import type { EventLoop } from "../loop/event-loop.js";
import type { Coroutine } from "./coroutine.js";
import type { Future } from "./future.js";
import { Task, type TaskOptions } from "./task.js";

/** What `loop.taskFactory` is: makes the tasks of a loop. */
export type TaskFactory = <T>(loop: EventLoop, coroutine: Coroutine<T>, options: TaskOptions) => Future<T>;

/** Makes a task: the class `Task`, a subclass, or a function. */
export type TaskConstructor =
  | (new <T>(
      coroutine: Coroutine<T>,
      options: TaskOptions & { loop: EventLoop },
    ) => Future<T>)
  | (<T>(coroutine: Coroutine<T>, options: TaskOptions & { loop: EventLoop }) => Future<T>);

/**
 * A task factory that starts tasks at once: a coroutine that need not wait is done before `createTask` returns.
 *
 * @example
 * getRunningLoop().taskFactory = eagerTaskFactory;
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.eager_task_factory
 */
export const eagerTaskFactory: TaskFactory = (loop, coroutine, options) =>
  new Task(coroutine, { eagerStart: true, ...options, loop });

/**
 * The same for tasks of another class.
 *
 * @param taskClass a subclass of `Task`, or a function that makes the task
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.create_eager_task_factory
 */
export function createEagerTaskFactory(taskClass: TaskConstructor): TaskFactory {
  if (typeof taskClass !== "function") {
    throw typeError("TASK_CLASS");
  }
  return <T>(loop: EventLoop, coroutine: Coroutine<T>, options: TaskOptions): Future<T> => {
    const all = { eagerStart: true, ...options, loop };
    return isClass(taskClass)
      ? new taskClass(coroutine, all)
      : (taskClass as <R>(coroutine: Coroutine<R>, options: object) => Future<R>)(coroutine, all);
  };
}

function isClass(fn: TaskConstructor): fn is new <T>(coroutine: Coroutine<T>, options: object) => Future<T> {
  return fn === Task || fn.prototype instanceof Task;
}
