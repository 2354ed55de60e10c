import {
  CorioError,
  type Coroutine,
  type EventLoop,
  getRunningLoop,
  isCancelled,
  isCoroutine,
  type Task,
  type TaskGroup,
  until,
  wait,
} from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import { HeldTaskGroup } from "./held-task-group.js";
import { ServerRequest } from "./server-request.js";

/**
 * @internal The coroutines that frameworks of plain async code run for one request: handlers, middleware, hooks. Each is a task.
 *
 *   open ──cancel()──> cancelled: its tasks are, the innermost first, and so is whatever is begun after that
 *
 * Frameworks know of no cancellation, and would take it for a failure. So a task that ends by that of its request gives what the
 * framework is to believe, and what it does with that reaches nobody.
 */
export class RequestScope {
  readonly loop: EventLoop;
  // in the order in which they were begun
  readonly #runs = new Set<Run>();
  #count = 0;
  #shared: HeldTaskGroup | undefined;
  #cancelled: { readonly reason: unknown } | undefined;

  constructor(loop: EventLoop) {
    this.loop = loop;
  }

  /**
   * Runs a coroutine as a task of the request.
   *
   * @param abandoned gives the result if it is cancelled with the request, or throws
   * @returns the result, at once if nothing had to be waited for
   * @throws what the coroutine throws; an ExceptionGroup if that is its cancellation after a task of its group has failed
   */
  run<T>(
    coroutine: Coroutine<T | Promise<T>>,
    name: string,
    abandoned: (reason: unknown) => T | Promise<T>,
  ): T | Promise<T> {
    if (!isCoroutine(coroutine)) throw noHandler("a coroutine function: function* (…) { … }", coroutine);
    const cancelled = this.#cancelled;
    const run: Run = { number: ++this.#count, task: undefined, group: undefined, cancelled };
    this.#runs.add(run);
    let task: Task<T | Promise<T>>;
    try {
      task = this.loop.createTask(this.#main(run, coroutine), { name, eagerStart: cancelled === undefined });
    } catch (error) {
      this.#runs.delete(run);
      throw error;
    }
    run.task = task;
    if (cancelled !== undefined) task.cancel(cancelled.reason);
    if (!task.done || task.cancelled) return this.#resultOf(run, task, abandoned);
    this.#runs.delete(run);
    return task.result();
  }

  /**
   * Waits for what a middleware lets follow.
   *
   * *If cancelled*, the coroutines that follow are, too, and are waited for: they may use what the middleware has opened for them,
   * and closes now.
   */
  *follow(next: () => PromiseLike<void>): Coroutine<void> {
    const before = this.#count;
    try {
      yield* until(next());
    } catch (error) {
      if (isCancelled(error)) {
        this.#cancelThose(before, { reason: error.reason });
        yield* this.#ended(before);
      }
      throw error;
    }
  }

  /**
   * A task group for the innermost of the coroutines that run. That one does not end before all tasks of the group have, and is
   * cancelled if one of them fails.
   *
   * @throws a `CorioError` if none runs; a NoRunningLoopError outside of the loop
   */
  get group(): TaskGroup {
    getRunningLoop();
    const run = [...this.#runs].findLast(({ task }) => task?.done !== true);
    if (run === undefined) throw noScope("taskGroup(c) is for coroutine handlers, and for what they call");
    run.group ??= new HeldTaskGroup(this.loop, () => interrupt(run));
    return run.group.group;
  }

  /**
   * A task group for the request as a whole, which ends when it is ended. If one of its tasks fails, the coroutines that run are
   * cancelled, and give what the group gives; if none runs, the next one does, or {@link endShared}.
   *
   * @throws a NoRunningLoopError outside of the loop
   */
  get sharedGroup(): TaskGroup {
    getRunningLoop();
    this.#shared ??= new HeldTaskGroup(this.loop, () => {
      for (const run of this.#runs) interrupt(run);
    });
    return this.#shared.group;
  }

  get hasSharedGroup(): boolean {
    return this.#shared !== undefined;
  }

  /** Waits until the group for the request as a whole has ended. @throws what its tasks have failed with, if nobody was told yet */
  *endShared(): Coroutine<void> {
    const shared = this.#shared;
    if (shared === undefined) return;
    try {
      yield* shared.end();
    } finally {
      if (this.#shared === shared) this.#shared = undefined;
    }
  }

  /** Whether nothing runs. */
  get isIdle(): boolean {
    return this.#shared === undefined && this.#tasks(0).length === 0;
  }

  /** The answer is not wanted any more: what runs for it is cancelled. */
  cancel(reason?: unknown): void {
    if (this.#cancelled !== undefined) return;
    this.#cancelled = { reason };
    this.#cancelThose(0, this.#cancelled);
    this.#shared?.cancel(reason);
  }

  /**
   * Waits until all that runs for the request has ended.
   *
   * @throws what tasks of the group for the request as a whole have failed with, if nobody was told yet
   *
   * *If cancelled*, so are they, and their cleanup is waited for.
   */
  *end(): Coroutine<void> {
    try {
      for (let left = this.#tasks(0); left.length > 0; left = this.#tasks(0)) yield* wait(left);
    } catch (error) {
      this.cancel(isCancelled(error) ? error.reason : error);
      yield* this.#ended(0);
      throw error;
    } finally {
      yield* this.endShared();
    }
  }

  *#main<T>(run: Run, coroutine: Coroutine<T>): Coroutine<T> {
    try {
      if (this.#shared?.failed === true) yield* this.endShared();
      const result = yield* coroutine;
      if (run.group !== undefined) yield* run.group.end();
      return result;
    } catch (error) {
      yield* this.#failed(run, error);
      throw error;
    }
  }

  // Of a cancellation that comes of a task that has failed, that is the reason to tell.
  *#failed({ group }: Run, error: unknown): Coroutine<void> {
    group?.cancel(error);
    try {
      if (group !== undefined) yield* group.end();
      else if (isCancelled(error) && this.#shared?.failed === true) yield* this.endShared();
    } catch (exception) {
      if (isCancelled(exception)) return;
      if (isCancelled(error)) throw exception;
      this.loop.callExceptionHandler({ message: "A task of a request failed after its handler", exception });
    }
  }

  async #resultOf<T>(run: Run, task: Task<T | Promise<T>>, abandoned: (reason: unknown) => T | Promise<T>): Promise<T> {
    try {
      return await task;
    } catch (error) {
      if (run.cancelled === undefined || !isCancelled(error)) throw error;
      // the middleware that has cancelled it is to answer
      return run.cancelled === this.#cancelled ? abandoned(run.cancelled.reason) : (undefined as T);
    } finally {
      this.#runs.delete(run);
    }
  }

  /** The tasks of those that run, of those that were begun after so many. */
  #tasks(after: number): Task<unknown>[] {
    const tasks: Task<unknown>[] = [];
    for (const { number, task } of this.#runs) {
      if (number > after && task !== undefined && !task.done) tasks.push(task);
    }
    return tasks;
  }

  /** Cancels those that were begun after so many. */
  #cancelThose(after: number, cancelled: { readonly reason: unknown }): void {
    for (const run of this.#runs) {
      if (run.number <= after || run.cancelled !== undefined) continue;
      run.cancelled = cancelled;
      run.task?.cancel(cancelled.reason);
    }
  }

  /** Waits for those that were begun after so many, and cannot be cancelled. */
  *#ended(after: number): Coroutine<void> {
    for (let left = this.#tasks(after); left.length > 0; left = this.#tasks(after)) {
      try {
        yield* wait(left);
      } catch (error) {
        if (!isCancelled(error)) throw error;
      }
    }
  }
}

interface Run {
  readonly number: number;
  /** `undefined` before its first wait. */
  task: Task<unknown> | undefined;
  group: HeldTaskGroup | undefined;
  /** Set if it was cancelled with its request, or with a middleware that it follows. */
  cancelled: { readonly reason: unknown } | undefined;
}

// A second request would interrupt the cleanup that the first one began.
function interrupt({ task }: Run): void {
  if (task?.cancelling === 0) task.cancel();
}

// of requests that another server has got
const scopes = new WeakMap<object, RequestScope>();

/** @internal The scope of a request; one that `serve` has got has its own as soon as it is asked for. */
export function scopeOf(request: object): RequestScope | undefined {
  if (request instanceof ServerRequest) return (request._scope ??= new RequestScope(request._loop));
  return scopes.get(request);
}

/** @internal Gives a scope to a request of another server, or to what a framework makes of a request. Who opens a scope ends it. */
export function bindScope(request: object, scope: RequestScope): void {
  scopes.set(request, scope);
}

/** @internal @throws a `TypeError` for what is no function */
export function checkHandler(fn: unknown, call: string): void {
  if (typeof fn !== "function") throw noHandler(`a coroutine function: ${call}`, fn);
}

function noHandler(what: string, value: unknown): TypeError {
  const promise = typeof (value as Partial<PromiseLike<unknown>> | undefined)?.then === "function";
  const got = promise
    ? "one that returns a promise: that is a handler as it is"
    : typeof value === "function"
      ? "another function"
      : value === null
        ? "null"
        : typeof value;
  return invalidArgument("HANDLER", `a handler of coroutines is made of ${what}, not of ${got}`);
}

/** @internal */
export function noScope(how: string): CorioError {
  return new CorioError("ERR_CORIO_REQUEST_SCOPE", how);
}
