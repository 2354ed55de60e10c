import { contextFor } from "../context/context.js";
import { isCancelled } from "../errors/cancelled-error.js";
import { misuse } from "../errors/corio-error.js";
import { ExceptionGroup } from "../errors/exception-group.js";
import { requireTask } from "../loop/ensure-future.js";
import { type Coroutine, closeCoroutine, type Main, settled } from "../tasks/coroutine.js";
import { DoneCallback, type Future, type StandIn } from "../tasks/future.js";
import type { Task, TaskOptions } from "../tasks/task.js";

/**
 * Tasks that belong together (structured concurrency; elsewhere: nursery, scope). The block that makes them does not end
 * before the last of them has; if one fails, the others and the block are cancelled, and the errors come together in an
 * ExceptionGroup.
 *
 * Three things cancel the members: a member that fails, the block that fails, a cancellation from outside. `#aborting` is set
 * then, once, and the block still waits until every member has ended.
 *
 * @example
 * yield* within(new TaskGroup(), function* (group) {
 *   group.createTask(worker("A"));
 *   group.createTask(worker("B"));
 * }); // here both have ended
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.TaskGroup
 */
export class TaskGroup {
  readonly #tasks = new Set<Task<unknown>>();
  readonly #errors: unknown[] = [];
  #parent: Task<unknown> | undefined;
  // whether we have requested that the parent be cancelled; then we take that request back at the end
  #parentCancelled = false;
  #aborting = false;
  #exiting = false;
  #exited = false;
  #completed: Future<void> | undefined;

  /**
   * Runs a coroutine as a task of this group. Works from any callback while the group is running.
   *
   * @param main a coroutine, a function that makes it, or another awaitable
   * @param options `name`, `context`, `eagerStart`, `signal`: see {@link TaskOptions}
   * @throws a `CorioError` if the group is not running or shuts down; the coroutine is closed then
   */
  createTask<T>(main: Main<T>, options?: TaskOptions): Task<T> {
    const parent = this.#parent;
    if (parent === undefined || this.#aborting || (this.#exiting && this.#tasks.size === 0)) {
      closeCoroutine(main);
      const state = parent === undefined ? "has not been entered" : this.#aborting ? "is shutting down" : "is finished";
      throw misuse("TASK_GROUP_STATE", state);
    }
    const task = parent.loop.createTask(main, options);
    this.#tasks.add(task);
    task._addCallback(new DoneCallback(this.#taskDone, contextFor(undefined), parent));
    return task;
  }

  /**
   * Cancels the members and the block. The block then ends without an error, unless a member fails. Does nothing if the group
   * is being cancelled already; called before the group is entered, it takes effect then.
   */
  cancel(): void {
    this.#abort();
    if (this.#parent !== undefined && !this.#exited) this.#cancelParent();
  }

  /** For `within`. */
  enter(): Coroutine<this> {
    if (this.#parent !== undefined) throw misuse("TASK_GROUP_STATE.entered");
    this.#parent = requireTask("TaskGroup");
    if (this.#aborting) this.#cancelParent();
    return settled(this);
  }

  /** For `within`. */
  *exit(error?: unknown): Coroutine<boolean> {
    const parent = this.#parent;
    if (parent === undefined) throw misuse("TASK_GROUP_STATE.created");
    this.#exiting = true;
    let cancellation: unknown = isCancelled(error) ? error : undefined;
    if (error !== undefined) this.#abort();

    // The wait can itself be cancelled, again and again; the members are waited for all the same.
    while (this.#tasks.size > 0) {
      this.#completed ??= parent.loop.createFuture<void>();
      this.#completed._value = { what: "TaskGroup", futures: this.#tasks } satisfies StandIn;
      try {
        yield* this.#completed;
      } catch (thrown) {
        if (!isCancelled(thrown)) throw thrown;
        cancellation = thrown;
        this.#abort();
      }
      this.#completed = undefined;
    }
    this.#exited = true;

    // Ours to take back; if no other request is left, there is no cancellation to pass on.
    if (this.#parentCancelled && parent.uncancel() === 0) cancellation = undefined;
    if (error !== undefined && !isCancelled(error)) this.#errors.push(error);
    if (this.#errors.length === 0) {
      if (cancellation !== undefined) throw cancellation;
      return true;
    }
    if (parent.cancelling > 0) {
      // errors go before a cancellation from outside, which then comes at the next wait
      parent.uncancel();
      parent.cancel();
    }
    // without a cause: the cancellation that it replaces is only the group's own way to stop the block
    throw new ExceptionGroup("unhandled errors in a TaskGroup", this.#errors, { cause: undefined });
  }

  // Once: a second request would interrupt the cleanup that the first one began.
  #abort(): void {
    if (this.#aborting) return;
    this.#aborting = true;
    for (const task of this.#tasks) if (!task.done) task.cancel();
  }

  #cancelParent(): void {
    if (this.#parentCancelled) return;
    this.#parentCancelled = true;
    (this.#parent as Task<unknown>).cancel();
  }

  readonly #taskDone = (done: Future<unknown>): void => {
    const task = done as Task<unknown>;
    this.#tasks.delete(task);
    if (this.#tasks.size === 0 && this.#completed?.done === false) this.#completed.setResult();
    if (task.cancelled) return;
    const exception = task.exception();
    if (exception === undefined) return;
    this.#errors.push(exception);
    if (this.#parent?.done) {
      task.loop.callExceptionHandler({
        message: `Task ${task.name} has errored out but its parent task ${this.#parent.name} is already completed`,
        exception,
        task,
      });
    } else if (!this.#aborting && !this.#parentCancelled) {
      this.#abort();
      this.#cancelParent();
    }
  };
}
