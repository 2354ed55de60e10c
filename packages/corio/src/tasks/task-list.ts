import type { Task } from "./task.js";

/**
 * @internal The tasks of a loop that are not done, in the order in which they were made: a list through the tasks themselves,
 * so that adding and removing one allocates nothing. The loop holds them: a task lives until it is done.
 */
export class TaskList {
  #first: Task<unknown> | undefined = undefined;
  #last: Task<unknown> | undefined = undefined;
  size = 0;

  add(task: Task<unknown>): void {
    task._previous = this.#last;
    if (this.#last === undefined) this.#first = task;
    else this.#last._next = task;
    this.#last = task;
    this.size++;
  }

  /** Removes a task that is in the list. */
  delete(task: Task<unknown>): void {
    const { _previous: previous, _next: next } = task;
    if (previous === undefined) this.#first = next;
    else previous._next = next;
    if (next === undefined) this.#last = previous;
    else next._previous = previous;
    task._previous = task._next = undefined;
    this.size--;
  }

  *[Symbol.iterator](): Generator<Task<unknown>, void, void> {
    for (let task = this.#first; task !== undefined; task = task._next) yield task;
  }
}
