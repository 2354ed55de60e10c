import { type Context, contextFor, contexts, enterContext, leaveContext } from "../context/context.js";
import { CancelledError } from "../errors/cancelled-error.js";
import { misuse, typeError } from "../errors/corio-error.js";
import { diagnostics } from "../errors/diagnostics.js";
import type { AsyncContextRunner } from "../hosts/host.js";
import type { EventLoop } from "../loop/event-loop.js";
import { noRunningLoop, running } from "../scheduling/running.js";
import { type AbortSignalLike, cancelOnAbort } from "./abort-signal.js";
import { ofAnotherCopy, refuse } from "./brand.js";
import {
  awaitedTwice,
  type Coroutine,
  closeCoroutine,
  coroutineOf,
  Generated,
  HandedOver,
  type Main,
  own,
  ownerOf,
  type Resumable,
  turn,
} from "./coroutine.js";
import type { NamedCoroutine } from "./coroutine-function.js";
import { CANCELLED, CANCELLED_BY, DONE, FAILED, Future, PENDING } from "./future.js";

/** Options of a task. */
export interface TaskOptions {
  /** For reports, the call graph and inspection; default `Task-1`, `Task-2`, … */
  name?: string | undefined;
  /** The context that it runs in; default a copy of the current one. */
  context?: Context | undefined;
  /** Runs it up to its first wait before the call returns, instead of in the next iteration; default false. */
  eagerStart?: boolean | undefined;
  /** One abort is one cancel request. A signal that is aborted already never starts the coroutine, and closes it. */
  signal?: AbortSignalLike | undefined;
}

let count = 0;

// The latest step has this number; they begin anew before the engine would have to keep them as doubles.
let steps = 0;
const LAST_STEP = 2 ** 30 - 1;

// The tasks that are handing a cancellation on to what they wait for.
const handingOn = new Set<Task<unknown>>();

/**
 * A future that drives a coroutine: the only thing that runs by itself. `createTask(main)` makes one.
 *
 * Resumed by its loop, the coroutine runs up to the next future that is not done (that future wakes the task), up to a bare
 * `yield` (the task is ready again), or to its end (the task is done).
 *
 *   created ──> ready ──> step ──> done
 *                 ^         │
 *                 └─ waits ─┘      `_waiter` is what it waits for
 *
 * Cancellation goes the same way: `cancel()` cancels what the task waits for, whose CancelledError then arrives at the
 * `yield*`; where there is nothing to cancel, `_mustCancel` makes the next step throw it in.
 *
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.Task
 */
export class Task<T> extends Future<T> {
  /** What it drives. */
  readonly coroutine: Coroutine<T>;
  /** The context that it runs in. */
  readonly context: Context;

  /** @internal What a step resumes: the coroutine, or what was handed over to run on a stack of its own. */
  _top: Resumable;
  /** @internal What few tasks need. */
  _extra: Extra | undefined = undefined;
  /** @internal What it waits for; `null` until its first step. */
  _waiter: Future<unknown> | undefined | null = null;
  /** @internal What the next step throws, of a kind that the coroutine itself caused. */
  _mistake: Error | undefined = undefined;
  /** @internal */
  _mustCancel = false;
  /** @internal */
  _requests = 0;
  /** @internal Its name, or its number while it has none. */
  _label: string | number;
  /** @internal Its neighbours among the tasks of its loop. */
  _previous: Task<unknown> | undefined = undefined;
  /** @internal */
  _next: Task<unknown> | undefined = undefined;

  /**
   * @param main a coroutine, or a function that makes it
   * @param options `loop`: default the running loop; and those of {@link TaskOptions}
   * @throws a `TypeError` for what is no coroutine; a NoRunningLoopError where no loop is running
   */
  constructor(main: Main<T>, options: TaskOptions & { loop?: EventLoop | undefined } = {}) {
    const coroutine = coroutineOf(main, "createTask(main)") ?? refuse("NOT_COROUTINE", "createTask(main)", main);
    const loop = options.loop ?? running.loop;
    try {
      if (loop === undefined) throw noRunningLoop();
      loop._checkOpen();
      if (ownerOf(coroutine) !== undefined || wasAwaited(coroutine)) throw awaitedTwice(nameOf(coroutine));
    } catch (error) {
      closeCoroutine(coroutine);
      throw error;
    }
    super({ loop });
    this.coroutine = coroutine;
    this._top = coroutine;
    this.context = contextFor(options.context);
    this._label = options.name ?? ++count;
    if (loop._tracksAsyncContext) this._extras().asyncContext = loop._host.captureAsyncContext?.();
    loop._tasks.add(this);
    loop._observer?.taskMade(this);
    if (options.signal !== undefined && cancelOnAbort(this, options.signal)) {
      closeCoroutine(coroutine);
      this._end(CANCELLED, options.signal.reason);
      return;
    }
    own(coroutine, this);
    if (options.eagerStart && running.loop === loop) this._run();
    else loop._enqueue(this);
  }

  /** Its name, for reports, the call graph and inspection. */
  get name(): string {
    return typeof this._label === "number" ? `Task-${this._label}` : this._label;
  }

  set name(name: string | number) {
    this._label = String(name);
  }

  /** How many requests to cancel it there were, less those that `uncancel()` took back. */
  get cancelling(): number {
    return this._requests;
  }

  /** Whether a cancellation was requested that has not been thrown into the coroutine yet. */
  get cancelPending(): boolean {
    return this._mustCancel;
  }

  /** The future that it waits for. */
  get waitingFor(): Future<unknown> | undefined {
    return this._waiter ?? undefined;
  }

  /** Where it was created, a frame such as `at main (file.ts:3:5)`; known in debug mode only. */
  get origin(): string | undefined {
    return this.loop._observer?.originOf(this);
  }

  override get cancelReason(): unknown {
    return super.cancelReason ?? this._extra?.reason;
  }

  /**
   * Requests that the task be cancelled: a CancelledError is thrown at the `yield*` where it waits, or where it waits next.
   * `catch` and `finally` run as for any error; a coroutine that swallows it goes on.
   *
   * @param reason kept as it is, in `CancelledError.reason`
   * @returns false if the task is done already
   * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.Task.cancel
   */
  override cancel(reason?: unknown): boolean {
    if (this._state !== PENDING) return false;
    const chain: Task<unknown>[] = [];
    try {
      // Down the chain of tasks that wait for each other; a loop, for the chain may be long.
      for (let task = this as Task<unknown>; ; ) {
        if (handingOn.has(task)) {
          task._stopWaiting();
          return true;
        }
        handingOn.add(task);
        chain.push(task);
        task._requests++;
        if (reason !== task._extra?.reason) task._extras().reason = reason;
        task.loop._observer?.cancelRequested(task);
        const waiter = task._waiter;
        if (waiter instanceof Task && waiter._state === PENDING && waiter.cancel === Task.prototype.cancel)
          task = waiter;
        else {
          if (!waiter?.cancel(reason)) task._mustCancel = true;
          return true;
        }
      }
    } finally {
      for (const task of chain) handingOn.delete(task);
    }
  }

  // Tasks that wait for each other in a circle hand a cancellation on for ever, unless one of them stops waiting.
  private _stopWaiting(): void {
    this._waiter?._removeCallbacks((waiting) => waiting === this);
    this._waiter = undefined;
    this._mustCancel = true;
    this.loop._enqueue(this);
  }

  /**
   * Takes one request to cancel back; for those who make such requests, as timeouts and task groups do. A cancellation that
   * is pending no longer happens when none is left.
   *
   * @returns how many requests are left
   * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.Task.uncancel
   */
  uncancel(): number {
    if (this._requests > 0) {
      this._requests--;
      if (this._requests === 0) this._mustCancel = false;
    }
    return this._requests;
  }

  /** Not for tasks: their coroutine's result ends them. */
  override setResult(_value: T): never {
    throw misuse("TASK_SET");
  }

  /** Not for tasks: their coroutine's error ends them. */
  override setException(_error: unknown): never {
    throw misuse("TASK_SET.exception");
  }

  /**
   * Where the task is, innermost first: of the running task the stack, of one that waits the named coroutines that wait (in
   * debug mode with their places), of one that failed the stack of its error.
   *
   * @param options `limit`: at most so many lines
   */
  getStack(options?: { limit?: number }): string[] {
    return (diagnostics.stackOf?.(this) ?? []).slice(0, options?.limit);
  }

  /** Reports {@link getStack} to the loop's reporter. */
  printStack(options?: { limit?: number }): void {
    const lines = this.getStack(options);
    const text = lines.length > 0 ? `Stack for ${this.name}, innermost first:` : `No stack for ${this.name}`;
    this.loop.reporter.warn([text, ...lines.map((line) => `    ${line}`)].join("\n"));
  }

  /** @internal One step, in the asynchronous context of the task if it has one. */
  _run(): void {
    const extra = this._extra;
    if (extra?.asyncContext === undefined) return this._step();
    extra.asyncContext(() => {
      this._step();
      // what the step put into its context (`enterWith`) is there in the next step too
      extra.asyncContext = this.loop._host.captureAsyncContext?.();
    });
  }

  /** Resumes the coroutine until it waits or ends. */
  private _step(): void {
    const { task: outerTask, step: outerStep } = running;
    const outerContext = contexts.current;
    steps = (steps + 1) & LAST_STEP || 1;
    const step = steps;
    // an eager task may be given the context that its creator runs in
    const inIts = outerContext === this.context;
    running.task = this;
    running.step = step;
    this._waiter = undefined;
    let wanted: unknown;
    let entered = false;
    try {
      if (!inIts) enterContext(this.context);
      entered = !inIts;
      const answer = this._mustCancel || this._mistake !== undefined ? this._resumeWithError() : this._top.next();
      if (answer.done === true || answer.value instanceof HandedOver) wanted = this._goOn(answer);
      else wanted = answer.value;
    } catch (error) {
      if (this._extra?.below === undefined) this._fail(error);
      else wanted = this._unwind(error);
    } finally {
      running.task = outerTask;
      running.step = outerStep;
      if (entered) leaveContext(this.context, outerContext);
    }
    if (this._state === PENDING) this._wait(wanted, step);
  }

  /** @internal What it waited for is done. */
  _futureDone(_future: Future<unknown>): void {
    this.loop._enqueue(this);
  }

  /** @internal */
  get _awaiter(): Future<unknown> {
    return this;
  }

  /** @internal */
  _extras(): Extra {
    this._extra ??= { below: undefined, named: undefined, reason: undefined, asyncContext: undefined };
    return this._extra;
  }

  private _resumeWithError(): IteratorResult<unknown, unknown> {
    let error: Error | undefined = this._mistake;
    this._mistake = undefined;
    if (this._mustCancel) {
      this._mustCancel = false;
      error = new CancelledError(this._extra?.reason);
    }
    return this._top.throw(error);
  }

  // A coroutine that is handed over becomes the new top; when it ends, the one below goes on with its result or its error.

  private _goOn(first: IteratorResult<unknown, unknown>): unknown {
    let answer = first;
    for (;;) {
      if (answer.done === true) {
        const below = this._extra?.below?.pop();
        if (below === undefined) {
          this._finish(answer.value as T);
          return undefined;
        }
        this._top = below;
      } else if (answer.value instanceof HandedOver) {
        const extra = this._extras();
        extra.below ??= [];
        extra.below.push(this._top);
        this._top = answer.value;
        answer = { done: true, value: undefined };
      } else return answer.value;
      try {
        answer = this._top.next(answer.value);
      } catch (error) {
        return this._unwind(error);
      }
    }
  }

  private _unwind(thrown: unknown): unknown {
    let error = thrown;
    for (;;) {
      const below = this._extra?.below?.pop();
      if (below === undefined) {
        this._fail(error);
        return undefined;
      }
      this._top = below;
      let answer: IteratorResult<unknown, unknown>;
      try {
        answer = below.throw(error);
      } catch (next) {
        error = next;
        continue;
      }
      return this._goOn(answer);
    }
  }

  private _wait(wanted: unknown, step: number): void {
    if (wanted instanceof Future) {
      if (wanted.loop !== this.loop) return this._throwNext(misuse("OTHER_LOOP", wanted));
      if (wanted._asked !== step) return this._throwNext(misuse("BAD_YIELD", wanted));
      if ((wanted as Future<unknown>) === this) return this._throwNext(misuse("AWAITS_ITSELF", this.name));
      wanted._addCallback(this);
      this._waiter = wanted;
      if (this._mustCancel && wanted.cancel(this._extra?.reason)) this._mustCancel = false;
    } else if (wanted === undefined) {
      turn.asked = false;
      this.loop._enqueue(this);
    } else this._throwNext(ofAnotherCopy(wanted) ?? misuse("BAD_YIELD", wanted));
  }

  private _throwNext(mistake: Error): void {
    this._mistake = mistake;
    this.loop._enqueue(this);
  }

  private _finish(result: T): void {
    if (this._mustCancel) {
      this._mustCancel = false;
      this._end(CANCELLED, this._extra?.reason);
    } else this._end(DONE, result);
  }

  private _fail(error: unknown): void {
    if (error instanceof CancelledError) this._end(CANCELLED_BY, error);
    else this._end(FAILED, thrownError(error));
  }

  /** @internal */
  _end(state: number, value: unknown): void {
    this.loop._tasks.delete(this);
    this.loop._observer?.taskEnds(this, state === DONE);
    this._settle(state, value);
  }

  /** @internal */
  override _name(): string {
    return this.name;
  }
}

// A bare generator cannot say whether it was begun; what is looked up on it is searched for in vain, and slowly.
function wasAwaited(coroutine: Coroutine<unknown>): boolean {
  return !(coroutine instanceof Generated) && (coroutine as { awaited?: boolean }).awaited === true;
}

function nameOf(coroutine: Coroutine<unknown>): string {
  return (coroutine as { coroutineName?: string }).coroutineName ?? "";
}

interface Extra {
  /** Those that handed over, and wait for `_top` to end; the last one waits for it directly. */
  below: Resumable[] | undefined;
  /** The outermost of its coroutines that know their names. */
  named: NamedCoroutine | undefined;
  /** The reason of the latest request to cancel. */
  reason: unknown;
  /** Runs its steps, where the run makes AsyncLocalStorage follow tasks. */
  asyncContext: AsyncContextRunner | undefined;
}

/** What a coroutine threw, as an error that can be told from "none" and that says what overflowed. */
function thrownError(error: unknown): unknown {
  if (error === undefined) return typeError("THROWN_UNDEFINED");
  // what the engines throw: V8 and JavaScriptCore a RangeError, SpiderMonkey an InternalError
  if (!(error instanceof Error && /^Maximum call stack|^too much recursion/.test(error.message))) return error;
  return Object.assign(misuse("STACK_OVERFLOW"), { cause: error });
}
