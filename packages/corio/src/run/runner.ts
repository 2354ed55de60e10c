import { type Context, copyContext } from "../context/context.js";
import { misuse } from "../errors/corio-error.js";
import { coroutineFor } from "../loop/ensure-future.js";
import { EventLoop } from "../loop/event-loop.js";
import { insideLoop } from "../scheduling/scheduler.js";
import { running } from "../scheduling/running.js";
import { type AbortSignalLike, cancelOnAbort } from "../tasks/abort-signal.js";
import { type Coroutine, closeCoroutine, type Main } from "../tasks/coroutine.js";
import { FAILED, type Future } from "../tasks/future.js";
import { settleLike } from "../tasks/promise-future.js";
import type { Task } from "../tasks/task.js";

/** Options of a runner. */
export interface RunnerOptions {
  /** Debug mode; default as the loop has it, which looks at `CORIO_DEBUG`. */
  debug?: boolean | undefined;
  /** Makes the loop; default `() => new EventLoop()`. */
  loopFactory?: (() => EventLoop) | undefined;
  /** Whether a deadlock is an error; default true. */
  deadlock?: boolean | undefined;
  /** Whether AsyncLocalStorage follows tasks, which costs some microseconds a task; default false. */
  asyncLocalStorage?: boolean | undefined;
}

/**
 * Runs several coroutines one after another on one loop and in one context; `run` is for one.
 *
 * @example
 * const runner = new Runner();
 * try {
 *   await runner.run(prepare());
 *   await runner.run(main());
 * } finally {
 *   await runner.close();
 * }
 * @see https://docs.python.org/3/library/asyncio-runner.html#asyncio.Runner
 */
export class Runner implements AsyncDisposable {
  readonly #options: RunnerOptions;
  #loop: EventLoop | undefined;
  #context: Context | undefined;
  #closed = false;

  constructor(options: RunnerOptions = {}) {
    this.#options = options;
  }

  /** Its loop, made when it is first asked for. */
  get loop(): EventLoop {
    if (this.#closed) throw misuse("RUNNER_CLOSED");
    if (this.#loop === undefined) {
      const { debug, loopFactory, asyncLocalStorage } = this.#options;
      const loop = loopFactory === undefined ? new EventLoop() : loopFactory();
      if (debug !== undefined) loop.debug = debug;
      loop._tracksAsyncContext = asyncLocalStorage ?? false;
      this.#loop = loop;
      this.#context = copyContext();
    }
    return this.#loop;
  }

  /**
   * Runs a coroutine on the runner's loop, until it is done.
   *
   * @param main a coroutine, a function that makes it, or another awaitable
   * @param options `context`: default that of the runner; `signal`: an abort cancels it, and what it returned if that is awaited
   * @throws at once if it is called inside a running loop; the coroutine is closed then
   */
  run<T>(
    main: Main<T>,
    options: { context?: Context | undefined; signal?: AbortSignalLike | undefined } = {},
  ): Promise<Awaited<T>> {
    return this._start(main, options)._promise();
  }

  /** @internal The same as a future, for those who drive the host by hand. */
  _start<T>(
    main: Main<T>,
    options: { context?: Context | undefined; signal?: AbortSignalLike | undefined },
  ): Future<Awaited<T>> {
    if (running.loop !== undefined) {
      closeCoroutine(main);
      throw insideLoop();
    }
    const coroutine = coroutineFor(main, "run(main)");
    try {
      const { loop } = this;
      loop._checkStart();
      const { context = this.#context, signal } = options;
      const whole = loop.start(loop.createTask(coroutine, { context }), { deadlock: this.#options.deadlock });
      // not the task alone: an abort is to reach what main returned as well
      if (signal !== undefined && cancelOnAbort(whole, signal)) whole.cancel(signal.reason);
      return whole;
    } catch (error) {
      closeCoroutine(coroutine);
      throw error;
    }
  }

  /**
   * Cancels the tasks that are left and waits for them, ends asynchronous generators and the default executor, reports what
   * nobody retrieved, and closes the loop.
   */
  close(): Promise<void> {
    const whole = this._startClosing();
    return whole === undefined ? Promise.resolve() : whole._promise();
  }

  /** @internal The same as a future; `undefined` if there is nothing to do. */
  _startClosing(): Future<void> | undefined {
    const loop = this.#loop;
    if (this.#closed || loop === undefined) {
      this.#closed = true;
      return undefined;
    }
    if (running.loop !== undefined) throw insideLoop();
    loop._checkStart();
    this.#closed = true;
    const closed = loop.createFuture<void>();
    const cleanup = loop.start(shutDown(loop), { deadlock: this.#options.deadlock, cleanup: true });
    cleanup._whenDone(() => {
      settleLike(closed, cleanup); // which leaves one that is done as it is
      loop.close();
    });
    return closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function* shutDown(loop: EventLoop): Coroutine<void> {
  const tasks = [...loop._tasks].filter((task) => task !== running.task);
  for (const task of tasks) task.cancel();
  for (const task of tasks) {
    if (!task.done) yield* endOf(task);
    // an error that the program has seen is not told again
    if (task._state !== FAILED || task._callbacks === undefined) continue;
    loop.callExceptionHandler({
      message: "unhandled exception during run() shutdown",
      exception: task.exception(),
      task,
    });
  }
  yield* loop.shutdownAsyncGenerators();
  yield* loop.shutdownDefaultExecutor(EXECUTOR_TIMEOUT);
}

/** Waits for a task without taking its result, or its error, from those whom it concerns. */
function* endOf(task: Task<unknown>): Coroutine<void> {
  const ended = task.loop.createFuture<void>();
  ended._value = task; // for reports
  const waiting = task._whenDone(() => ended.setResult());
  try {
    yield* ended;
  } finally {
    task._removeCallbacks((other) => other === waiting);
  }
}

// milliseconds, as CPython's asyncio waits for its threads
const EXECUTOR_TIMEOUT = 300_000;
