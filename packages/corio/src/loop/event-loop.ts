import type { Context } from "../context/context.js";
import { misuse, typeError } from "../errors/corio-error.js";
import { diagnostics } from "../errors/diagnostics.js";
import { keepAsCause } from "../errors/keep-as-cause.js";
import { DeadlockError } from "../errors/state-errors.js";
import { defaultHost } from "../hosts/default-host.js";
import type { Host } from "../hosts/host.js";
import { platform } from "../hosts/platform.js";
import type { Handle } from "../scheduling/handle.js";
import type { ReadyQueue } from "../scheduling/ready-queue.js";
import { Scheduler } from "../scheduling/scheduler.js";
import { refuse } from "../tasks/brand.js";
import { type Awaitable, type Coroutine, closeCoroutine, isCoroutineFunction, type Main } from "../tasks/coroutine.js";
import { atRunEnd } from "../tasks/at-run-end.js";
import type { TaskFactory } from "../tasks/eager.js";
import { FAILED, Future, rejectThens } from "../tasks/future.js";
import { isAwaitable, settleLike } from "../tasks/promise-future.js";
import { Task, type TaskOptions } from "../tasks/task.js";
import { TaskList } from "../tasks/task-list.js";
import type { UnretrievedError } from "../tasks/unretrieved.js";
import { coroutineFor, ensureFuture } from "./ensure-future.js";
import type { Executor } from "./executor.js";
import { RunFuture } from "./run-future.js";

/** What an exception handler is told. */
export interface ExceptionContext {
  message: string;
  exception?: unknown;
  future?: Future<unknown>;
  task?: Future<unknown>;
  handle?: Handle;
  /** The name of a task that is gone. */
  taskName?: string;
  /** Where the task was created; in debug mode. */
  origin?: string;
  [detail: string]: unknown;
}

/** Takes errors that no caller can catch. */
export type ExceptionHandler = (loop: EventLoop, context: ExceptionContext) => void;

/** Where reports go: `console`, or what has its two methods. */
export interface Reporter {
  error(message: string, ...details: unknown[]): void;
  warn(message: string, ...details: unknown[]): void;
}

/** What cleans up when the loop's run ends; asynchronous generators are such. */
export interface Closeable {
  aclose(): Coroutine<unknown>;
}

/**
 * Runs callbacks in order, wakes tasks and keeps the timers. Single-threaded; owns nothing of the host that it stands on.
 *
 * Programs need it seldom: `run(main)` makes one, and `getRunningLoop()` gives it. Scheduling is in the class below this one,
 * `Scheduler`; here is what has to do with futures and tasks, with running, and with errors.
 *
 * @example
 * const loop = new EventLoop();
 * try {
 *   console.log(await loop.runUntilComplete(main()));
 * } finally {
 *   loop.close();
 * }
 * @see https://docs.python.org/3/library/asyncio-eventloop.html
 */
export class EventLoop extends Scheduler {
  /** In debug mode, a callback that holds the loop for longer than this is reported. In milliseconds; default 100. */
  slowCallbackDuration = 100;
  /** In debug mode, a task that still runs so long after it was cancelled is reported. In milliseconds; default 5,000. */
  slowCancellationDuration = 5_000;
  /** Where `runInExecutor(undefined, …)` runs functions. `@corio/node` sets it. */
  defaultExecutor: Executor | undefined;
  /** Where reports go; default `console`. */
  reporter: Reporter = platform.console;

  /** @internal */
  readonly _tasks = new TaskList();
  /** @internal */
  readonly _unretrieved = new Set<UnretrievedError>();
  /** @internal Whether AsyncLocalStorage follows tasks; an option of a run. */
  _tracksAsyncContext = false;
  /** @internal Futures that plain async code waits for. */
  readonly _pendingThens = new Set<Future<unknown>>();
  /** @internal Asynchronous generators that were begun and have not ended. */
  readonly _asyncGenerators = new Set<Closeable>();

  #taskFactory: TaskFactory | undefined;
  #exceptionHandler: ExceptionHandler | undefined;
  readonly #closeCallbacks = new Set<() => void>();
  #holds = 0;
  #generatorsShutDown = false;

  /**
   * @param options `host`: what the loop stands on, default this process or page; `debug`: default whether the environment
   * has `CORIO_DEBUG=1`; `turnBudget`: for how many milliseconds it runs at most before the host gets its say, default 0.25;
   * `readyQueue`: what decides the order of what is ready, for tests, default first in, first out
   */
  constructor(options: { host?: Host; debug?: boolean; turnBudget?: number; readyQueue?: ReadyQueue } = {}) {
    const { turnBudget = 0.25 } = options;
    if (!(turnBudget >= 0)) throw typeError("TURN_BUDGET", turnBudget);
    super(options.host ?? defaultHost(), turnBudget, options.readyQueue);
    const env = options.debug === undefined ? platform.process?.env["CORIO_DEBUG"] : undefined;
    this.debug = options.debug ?? (env !== undefined && env !== "" && env !== "0");
  }

  /** Debug mode: slow callbacks, origins of tasks and timers, places where tasks wait, swallowed cancellations are told. */
  get debug(): boolean {
    return this._observer !== undefined;
  }

  set debug(on: boolean) {
    if (on !== this.debug) this._observer = on ? diagnostics.debugMode?.(this) : undefined;
  }

  /** Makes this loop's tasks, if set: `(loop, coroutine, options) => task`. */
  get taskFactory(): TaskFactory | undefined {
    return this.#taskFactory;
  }

  set taskFactory(factory: TaskFactory | undefined) {
    if (factory !== undefined && typeof factory !== "function") {
      throw typeError("TASK_FACTORY");
    }
    this.#taskFactory = factory;
  }

  /** Takes the errors that no caller can catch, if set: `(loop, context) => void`. */
  get exceptionHandler(): ExceptionHandler | undefined {
    return this.#exceptionHandler;
  }

  set exceptionHandler(handler: ExceptionHandler | undefined) {
    if (handler !== undefined && typeof handler !== "function") {
      throw typeError("EXCEPTION_HANDLER");
    }
    this.#exceptionHandler = handler;
  }

  /** A future of this loop. */
  createFuture<T>(): Future<T> {
    return new Future<T>({ loop: this });
  }

  /**
   * Runs a coroutine as a task of this loop. Unlike the function `createTask` it works from any callback of the host.
   *
   * @param main a coroutine, a function that makes it, or another awaitable
   * @param options `name`, `context`, `eagerStart`, `signal`: see {@link TaskOptions}
   * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.create_task
   */
  createTask<T>(main: Main<T>, options?: TaskOptions): Task<T> {
    const coroutine = coroutineFor(main, "createTask(main)", this);
    try {
      this._checkOpen();
    } catch (error) {
      closeCoroutine(coroutine);
      throw error;
    }
    if (this.#taskFactory !== undefined) return this.#taskFactory(this, coroutine, options ?? {}) as Task<T>;
    return new Task(coroutine, options === undefined ? { loop: this } : { ...options, loop: this });
  }

  /**
   * Says that something outside will wake a task although the host seems to have nothing to do: as long as it is held, the
   * host stays alive and no deadlock is found.
   *
   * @returns what ends it
   */
  hold(): Disposable {
    const letGo = this._host.keepAlive?.();
    this.#holds++;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#holds--;
        held = false;
        letGo?.();
      },
    };
  }

  /**
   * Runs the loop until the awaitable is done. `runUntilComplete` and `run` stand on it; it is for those who drive a host by
   * hand and look at the future instead of waiting for a promise.
   *
   * @param options `deadlock`: whether a deadlock is an error, default true; `cleanup`: whether this only cleans up after
   * another run, so that a supervisor has nothing to cancel, default false
   * @returns a future that is done when the loop has stopped; to cancel it is to cancel the awaitable
   * @throws at once if the loop is closed or running, or if it is called inside a running loop
   */
  start<T>(
    awaitable: Awaitable<T>,
    options: { deadlock?: boolean | undefined; cleanup?: boolean } = {},
  ): Future<Awaited<T>> {
    if (!isAwaitable(awaitable)) {
      refuse("NOT_AWAITABLE", "the loop runs an awaitable", awaitable);
    }
    try {
      this._checkStart();
    } catch (error) {
      closeCoroutine(awaitable);
      throw error;
    }
    const whole = new RunFuture<Awaited<T>>(this, ensureFuture(awaitable, { loop: this }));
    let deadlock: DeadlockError | undefined;
    const idle = (): void => {
      if (!this.running || this.#holds > 0 || this._busy || whole._main.done) return;
      const again = deadlock !== undefined;
      deadlock ??= new DeadlockError(diagnostics.deadlockReport?.(this) ?? "deadlock");
      if (again) this.stop();
      else whole.cancel(deadlock);
    };
    const forget = announce((reason) => !options.cleanup && whole.cancel(reason));
    const forgetIdle = options.deadlock === false ? undefined : this._host.onIdle?.(idle);

    this._start(() => {
      forgetIdle?.();
      forget?.();
      whole._leave();
      const main = whole._main;
      if (deadlock !== undefined && main._state === FAILED) keepAsCause(main._value, deadlock);
      if (main.done && !(main.cancelled && deadlock !== undefined && main.cancelReason === deadlock))
        settleLike(whole, main);
      else whole.setException(deadlock ?? misuse("LOOP_STOPPED"));
    });
    return whole;
  }

  /**
   * Runs the loop until the awaitable is done.
   *
   * @returns a promise of its result
   * @throws at once if the loop is closed or running, or if it is called inside a running loop
   * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.run_until_complete
   */
  runUntilComplete<T>(awaitable: Awaitable<T>): Promise<Awaited<T>> {
    return this.start(awaitable)._promise();
  }

  /**
   * Runs the loop until `stop()`.
   *
   * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.run_forever
   */
  runForever(): Promise<void> {
    this._checkStart();
    return new Promise((resolve) => this._start(resolve));
  }

  /**
   * Closes the loop: what is scheduled does not run any more, and what plain async code still waits for is rejected.
   * `run(main)` does so itself.
   *
   * @throws a `CorioError` if it is running
   * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.close
   */
  close(): void {
    if (this.closed) return;
    this._close();
    for (const callback of this.#closeCallbacks) callback();
    this._reportLost();
    for (const future of this._pendingThens) rejectThens(future);
    this._pendingThens.clear();
    const executor = this.defaultExecutor;
    this.defaultExecutor = undefined;
    if (executor !== undefined) closeCoroutine(executor.shutdown());
  }

  /**
   * Calls `callback` when the loop is closed: for what was opened on the loop's behalf and must not outlive it.
   *
   * @param callback must not throw
   * @returns a function that calls it off
   */
  onClose(callback: () => void): () => void {
    this.#closeCallbacks.add(callback);
    return () => void this.#closeCallbacks.delete(callback);
  }

  /** @internal Reports, when a run ends, the errors that nobody retrieved and the coroutines that nobody awaited. */
  _reportLost(): void {
    for (const error of [...this._unretrieved]) error.report();
    atRunEnd.report?.(this);
  }

  /**
   * Ends the asynchronous generators that were begun and have not ended; their `finally` runs. `run(main)` does so itself.
   *
   * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.shutdown_asyncgens
   */
  *shutdownAsyncGenerators(): Coroutine<void> {
    this.#generatorsShutDown = true;
    const generators = [...this._asyncGenerators];
    this._asyncGenerators.clear();
    const closing = generators.map((generator) => this.createTask(generator.aclose()));
    for (const [i, task] of closing.entries()) {
      try {
        yield* task;
      } catch (exception) {
        if (!task.done) throw exception; // this coroutine was cancelled, not the generator's
        this.callExceptionHandler({
          message: "an error occurred during closing of an asynchronous generator",
          exception,
          asyncGenerator: generators[i],
        });
      }
    }
  }

  /** @internal Notes an asynchronous generator that begins. */
  _addAsyncGenerator(generator: Closeable): void {
    if (this.#generatorsShutDown) {
      this.reporter.warn(
        "an asynchronous generator was begun after loop.shutdownAsyncGenerators(): nothing will end it",
      );
    }
    this._asyncGenerators.add(generator);
  }

  /**
   * Shuts the default executor down, and waits for what it still runs.
   *
   * @param timeout in milliseconds; default no limit
   * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.shutdown_default_executor
   */
  *shutdownDefaultExecutor(timeout?: number): Coroutine<void> {
    const executor = this.defaultExecutor;
    if (executor === undefined) return;
    this.defaultExecutor = undefined;
    const down = ensureFuture(executor.shutdown(), { loop: this });
    const limit =
      timeout === undefined
        ? undefined
        : this.callLater(timeout, () => {
            this.reporter.warn(`The executor did not finish within ${timeout} ms`);
            down.cancel();
          });
    try {
      yield* down;
    } catch (error) {
      if (!down.cancelled) throw error;
    } finally {
      limit?.cancel();
    }
  }

  /**
   * Runs `fn(...args)` in an executor, and so off the loop.
   *
   * @param executor default {@link defaultExecutor}
   * @throws a `CorioError` where there is no executor
   * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.run_in_executor
   */
  runInExecutor<Args extends unknown[], R>(
    executor: Executor | undefined,
    fn: (...args: Args) => R,
    ...args: Args
  ): Future<Awaited<R>> {
    this._checkOpen();
    if (isCoroutineFunction(fn) || typeof fn !== "function") {
      throw typeError("EXECUTOR_FUNCTION");
    }
    const chosen = executor ?? this.defaultExecutor;
    if (chosen === undefined) {
      throw misuse("NO_EXECUTOR");
    }
    return ensureFuture(chosen.submit(fn, ...args), { loop: this });
  }

  /**
   * Takes an error that no caller can catch: hands it to {@link exceptionHandler}, or else to
   * {@link defaultExceptionHandler}. Never throws.
   *
   * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.call_exception_handler
   */
  callExceptionHandler(context: ExceptionContext): void {
    const handler = this.#exceptionHandler;
    try {
      if (handler === undefined) this.defaultExceptionHandler(context);
      else {
        const own = contextOf(context);
        if (own === undefined || own._entered) handler(this, context);
        else own.run(() => handler(this, context));
      }
    } catch (exception) {
      if (handler !== undefined) {
        try {
          this.defaultExceptionHandler({ message: "Unhandled error in exception handler", exception, context });
          return;
        } catch {
          // reported below, as an error of the default handler
        }
      }
      try {
        this.reporter.error("Exception in default exception handler", exception);
      } catch {
        // a reporter that throws leaves nobody to tell
      }
    }
  }

  /**
   * Reports an error: the message, then what the context holds, then the error with its stack.
   *
   * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.default_exception_handler
   */
  defaultExceptionHandler(context: ExceptionContext): void {
    const { message, exception, ...details } = context;
    const lines = Object.entries(details).map(
      ([key, value]) => `${key}: ${typeof value === "string" ? value : (diagnostics.show?.(value) ?? String(value))}`,
    );
    const text = [message || "Unhandled exception in event loop", ...lines].join("\n  ");
    if ("exception" in context) this.reporter.error(text, exception);
    else this.reporter.error(text);
  }
}

// A supervisor, such as the command `corio run`, may want to cancel what runs in a process from outside. It puts a set here
// before the program starts; what runs is in the set as long as it does.
const RUNS = Symbol.for("corio.runs");

function announce(cancel: (reason?: unknown) => boolean): (() => void) | undefined {
  const runs = (globalThis as { [RUNS]?: Set<unknown> })[RUNS];
  if (runs === undefined) return undefined;
  const entry = { cancel };
  runs.add(entry);
  return () => void runs.delete(entry);
}

function contextOf({ task, future, handle }: ExceptionContext): Context | undefined {
  const thing = (task ?? future ?? handle) as { context?: Context; _context?: Context } | undefined;
  return thing?.context ?? thing?._context;
}
