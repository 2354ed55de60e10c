import {
  CorioError,
  type Coroutine,
  type EventLoop,
  type Future,
  isCancelled,
  type Task,
  TaskGroup,
  wait,
  within,
} from "corio";
import { ServerRequest } from "./server-request.js";

/**
 * @internal What is done for one request besides its handler, by the adapters for frameworks of plain async code: the tasks of its
 * coroutine handlers, and its task group.
 *
 *   open ──end()──> over: the group's tasks have ended, then the answer goes out
 *     ├──cancel()──> cancelled: the client has gone, or the time is up
 *     └──a task of the group fails──> cancelled, and what failed is thrown instead of the cancellation
 */
export class RequestScope {
  readonly loop: EventLoop;
  readonly #tasks = new Set<Task<unknown>>();
  #group: TaskGroup | undefined;
  #groupTask: Task<void> | undefined;
  #groupMayEnd: Future<void> | undefined;
  #failure: unknown;
  #cancelled: { readonly reason: unknown } | undefined;

  constructor(loop: EventLoop) {
    this.loop = loop;
  }

  /** Runs a coroutine as a task of the request. Plain async code waits for the promise. */
  run<T>(coroutine: Coroutine<T>, name: string): Promise<T> {
    const task = this.loop.createTask(coroutine, { name });
    this.#tasks.add(task);
    task.addDoneCallback(() => this.#tasks.delete(task));
    if (this.#cancelled !== undefined) task.cancel(this.#cancelled.reason);
    return this.#resultOf(task);
  }

  /**
   * A task group that lasts as long as the request. Its tasks are awaited when the handler is done, before the answer goes out.
   *
   * @throws a `CorioError` outside of a coroutine
   */
  get group(): TaskGroup {
    if (this.#group !== undefined) return this.#group;
    const group = new TaskGroup();
    const mayEnd = this.loop.createFuture<void>();
    const task = this.loop.createTask(keepOpen(group, mayEnd), {
      name: "the task group of a request",
      eagerStart: true,
    });
    this.#group = group;
    this.#groupMayEnd = mayEnd;
    this.#groupTask = task;
    task.addDoneCallback(() => this.#groupEnded(task));
    return group;
  }

  /** The answer is not wanted any more: what runs for it is cancelled. */
  cancel(reason?: unknown): void {
    if (this.#cancelled !== undefined) return;
    this.#cancelled = { reason };
    for (const task of this.#tasks) task.cancel(reason);
    this.#groupTask?.cancel(reason);
  }

  /**
   * Waits until all that runs for the request has ended.
   *
   * @throws what a task of the group has failed with
   *
   * *If cancelled*, so are the tasks, and their cleanup is waited for.
   */
  *end(): Coroutine<void> {
    try {
      yield* this.#ended();
    } catch (error) {
      this.cancel(isCancelled(error) ? error.reason : error);
      yield* this.#ended();
      throw error;
    }
    const failure = this.#failure;
    this.#failure = undefined; // once: what is answered instead has the same scope
    if (failure !== undefined) throw failure;
  }

  *#ended(): Coroutine<void> {
    if (this.#groupMayEnd?.done === false) this.#groupMayEnd.setResult();
    for (;;) {
      const left = [...this.#tasks, ...(this.#groupTask?.done === false ? [this.#groupTask] : [])];
      if (left.length === 0) return;
      yield* wait(left);
    }
  }

  #groupEnded(task: Task<void>): void {
    const error = task.cancelled ? undefined : task.exception();
    if (error === undefined) return;
    this.#failure = error;
    this.cancel(error);
  }

  async #resultOf<T>(task: Task<T>): Promise<T> {
    try {
      return await task;
    } catch (error) {
      if (isCancelled(error)) throw this.#failure ?? error;
      this.#groupTask?.cancel(error);
      throw error;
    }
  }
}

function* keepOpen(group: TaskGroup, until: Future<void>): Coroutine<void> {
  yield* within(group, function* () {
    yield* until;
  });
}

// of requests that another server has got
const scopes = new WeakMap<object, RequestScope>();

/** @internal The scope of a request; one that `serve` has got has its own as soon as it is asked for. */
export function scopeOf(request: object): RequestScope | undefined {
  if (request instanceof ServerRequest) return (request._scope ??= new RequestScope(request._loop));
  return scopes.get(request);
}

/** @internal Gives a request of another server a scope. Who opens it ends it. */
export function openScope(request: object, loop: EventLoop): RequestScope {
  const scope = new RequestScope(loop);
  scopes.set(request, scope);
  return scope;
}

/** @internal */
export function noScope(how: string): CorioError {
  return new CorioError("ERR_CORIO_REQUEST_SCOPE", `this request belongs to no loop: ${how}`);
}
