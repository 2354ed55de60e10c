import { type Context, contextFor } from "../context/context.js";
import { misuse, rangeError, typeError } from "../errors/corio-error.js";
import type { AsyncContextRunner, Host } from "../hosts/host.js";
import type { EventLoop, ExceptionContext } from "../loop/event-loop.js";
import type { Future } from "../tasks/future.js";
import type { Task } from "../tasks/task.js";
import { Handle, TimerHandle } from "./handle.js";
import { FifoQueue, type Ready, type ReadyQueue } from "./ready-queue.js";
import { running } from "./running.js";
import { type Timer, Timers } from "./timers.js";

// A turn ends after so many callbacks if the clock does not move meanwhile: on virtual time it never does.
const CALLBACKS_PER_TURN = 16_384;
// How many callbacks may run between two looks at the clock, as long as all of them are fast.
const LONGEST_STRIDE = 16;
// So many reactions of promises may run turns of their own in a row, also while the clock stands still.
const REACTION_TURNS = 1_000;
// `setTimeout` may fire early by this many milliseconds; what it fired for counts as due.
const TIMER_TOLERANCE = 1;

/** @internal What debug mode watches. */
export interface LoopObserver {
  /** Runs an entry of the ready queue. */
  run(entry: Ready): void;
  taskMade(task: Task<unknown>): void;
  timerMade(handle: TimerHandle): void;
  /** Called where the task is about to wait, with its coroutines on the stack. */
  waits(task: Task<unknown>): void;
  taskEnds(task: Task<unknown>, normally: boolean): void;
  cancelRequested(task: Task<unknown>): void;
  timeoutIgnored(task: Task<unknown>, ms: number): void;
  /** Where a task or a timer handle was made: a frame. */
  originOf(made: Future<unknown> | TimerHandle): string | undefined;
  /** Where a task waits: frames, innermost first. */
  placeOf(task: Task<unknown>): string[] | undefined;
}

/**
 * Runs callbacks in order and at their times: the lower half of an event loop, which knows nothing of futures and tasks.
 *
 * The host visits it in turns. A turn runs iterations; an iteration runs every callback that was ready when it began, and
 * what those schedule waits for the next one. A turn ends when nothing is ready or when its budget of time is used up, if
 * need be in the midst of an iteration, which the next turn then takes up where it was left.
 *
 *   start ──> running ──(host's turn)──> in a turn ──> running … ──> stopped
 *                                          └─ stop() finishes the iteration first
 *
 * Looking at the clock costs as much as a callback, so it is looked at every few callbacks: the stride doubles while they
 * are fast and falls back to one after a slow one.
 */
export abstract class Scheduler {
  /** @internal */
  readonly _host: Host;
  /** @internal */
  readonly _ready: ReadyQueue;
  /** @internal */
  readonly _timers = new Timers();
  /** @internal Set by debug mode. */
  _observer: LoopObserver | undefined;

  readonly #turnBudget: number;
  #running = false;
  #stopping = false;
  #closed = false;
  // callbacks of the current iteration that have not run yet
  #left = 0;

  // the latest look at the clock, and how many callbacks are to run before the next one
  #clock = 0;
  #stride = 1;
  #untilLook = 1;
  #callbacksLeft = 0;
  // when the host last made a turn of its own, as opposed to one in a promise's reaction
  #hostTurnAt = 0;

  #reactionTurns = 0;

  #turnRequested = false;
  #alarmAt = Number.POSITIVE_INFINITY;
  #callOffAlarm: (() => void) | undefined;
  #inAsyncContext: AsyncContextRunner | undefined;
  #onStop: (() => void) | undefined;

  constructor(host: Host, turnBudget: number, readyQueue: ReadyQueue = new FifoQueue()) {
    this._host = host;
    this._ready = readyQueue;
    this.#turnBudget = turnBudget;
  }

  /** Where errors go that no caller can catch. */
  abstract callExceptionHandler(context: ExceptionContext): void;

  /** Whether it has been started and has not stopped yet; also true between its turns. */
  get running(): boolean {
    return this.#running;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * The time on this loop's clock, in milliseconds from some fixed point. Never runs backwards.
   *
   * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.time
   */
  time(): number {
    return this._host.now();
  }

  /**
   * Calls `callback` in the next iteration, after what is ready already.
   *
   * @param options `context`: the context that it runs in; default a copy of the current one
   * @returns a handle that cancels it
   * @throws a `TypeError` for a `function*`: it would make a coroutine that nothing runs
   * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.call_soon
   */
  callSoon(callback: () => void, options?: { context?: Context | undefined }): Handle {
    this.#check(callback, "callSoon");
    const handle = new Handle(this, callback, contextFor(options?.context));
    this._enqueue(handle);
    return handle;
  }

  /** The same as {@link callSoon}: closures do not cross threads, and callbacks of the host may call either. */
  callSoonThreadsafe(callback: () => void, options?: { context?: Context | undefined }): Handle {
    return this.callSoon(callback, options);
  }

  /**
   * Calls `callback(...args)` as a callback of this loop, for callbacks of the host that bring news for its tasks, such as those
   * of a socket: where nothing else is ready it runs at once, and then what it wakes, so that no turn of the host is waited for.
   * Otherwise it runs in its turn, after what is ready already. What it throws goes to the exception handler.
   *
   * @param callback must not rely on being called later: it may run before this returns
   */
  callFromHost<Args extends unknown[]>(callback: (...args: Args) => void, ...args: Args): void {
    this.#check(callback, "callFromHost");
    // bound, it keeps its name, for reports
    const bound = (callback as (...args: unknown[]) => void).bind(undefined, ...args);
    const handle = new Handle(this, bound, contextFor(undefined));
    if (running.loop !== undefined || !this.#running || this._ready.length > 0) return this._enqueue(handle);
    this._ready.push(handle);
    this.#beginHostTurn();
    this.#turn();
  }

  /**
   * Calls `callback` after a delay.
   *
   * @param delay in milliseconds; a negative one means "now", `Infinity` never comes
   * @param options `context`: the context that it runs in; default a copy of the current one
   * @returns a handle that cancels it
   * @throws a `RangeError` if the delay is NaN
   * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.call_later
   */
  callLater(delay: number, callback: () => void, options?: { context?: Context | undefined }): TimerHandle {
    checkMilliseconds(delay, "callLater(delay, callback)");
    return this.callAt(this._look() + delay, callback, options);
  }

  /**
   * Calls `callback` at a time on the loop's clock. Callbacks of the same time run in the order in which they were set.
   *
   * @param when in milliseconds, as {@link time} has them
   * @param options `context`: the context that it runs in; default a copy of the current one
   * @returns a handle that cancels it
   * @throws a `RangeError` if the time is NaN
   * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.call_at
   */
  callAt(when: number, callback: () => void, options?: { context?: Context | undefined }): TimerHandle {
    checkMilliseconds(when, "callAt(when, callback)");
    this.#check(callback, "callAt");
    const handle = new TimerHandle(this, when, callback, contextFor(options?.context));
    this._observer?.timerMade(handle);
    this._addTimer(when, handle);
    return handle;
  }

  /**
   * Stops the loop at the end of the current iteration, or of the next one if it is not in the midst of one. Called before
   * the loop runs, it lets that run make one iteration.
   */
  stop(): void {
    this.#stopping = true;
    this._wake();
  }

  /** @internal The time, which is also what the loop goes by from now on: a delay of 0 from here is due at once. */
  _look(): number {
    this.#clock = this._host.now();
    return this.#clock;
  }

  /** @internal Throws unless the loop is open. */
  _checkOpen(): void {
    if (this.#closed) {
      throw misuse("LOOP_CLOSED");
    }
  }

  /** @internal Throws unless it can be started here and now. */
  _checkStart(): void {
    this._checkOpen();
    if (this.#running) throw misuse("LOOP_RUNNING");
    if (running.loop !== undefined) throw insideLoop();
  }

  /** @internal Whether it has anything to do that will come by itself. */
  get _busy(): boolean {
    return this._ready.length > 0 || this.#turnRequested || this._timers.next() !== Number.POSITIVE_INFINITY;
  }

  /** @internal Every timer of the loop is set here. */
  _addTimer(when: number, timer: Timer): void {
    this._timers.add(when, timer);
    this._wake();
  }

  /** @internal Adds to what is ready, and sees to it that a turn comes. */
  _enqueue(entry: Ready): void {
    this._ready.push(entry);
    if (running.loop !== (this as unknown)) this._wake();
  }

  /** @internal Requests a turn, unless one is coming or the loop looks at its queues anyway before this turn ends. */
  _wake(): void {
    if (!this.#running || this.#turnRequested || running.loop === (this as unknown)) return;
    this.#turnRequested = true;
    this._host.requestTurn(this.#hostTurn);
  }

  /**
   * @internal Runs what is ready inside a reaction of a promise that the core itself attached: a turn of the host costs many
   * times as much. Not for longer than a budget since the host's own turn, or reactions upon reactions would starve it.
   */
  _wakeFromReaction(): void {
    const soon = this.#clock - this.#hostTurnAt < this.#turnBudget && this.#reactionTurns++ < REACTION_TURNS;
    if (soon && running.loop === undefined && this.#running) this.#turn();
    else this._wake();
  }

  /**
   * @internal Runs until `stop()`; `onStop` is called when it has stopped.
   *
   * Each of its turns runs in the asynchronous context (AsyncLocalStorage) of the caller of this function, never in that of
   * whoever wakes it: else what one tenant stored shows in another's task.
   */
  _start(onStop: () => void): void {
    this._checkStart();
    this.#running = true;
    this.#onStop = onStop;
    this.#inAsyncContext = this._host.captureAsyncContext?.();
    this._wake();
  }

  /** @internal */
  _close(): void {
    if (this.#running) {
      throw misuse("LOOP_RUNNING.close");
    }
    this.#closed = true;
    this._ready.clear();
    this._timers.clear();
    this.#left = 0;
  }

  readonly #hostTurn = (): void => {
    this.#turnRequested = false;
    this.#beginHostTurn();
    this.#turn();
  };

  readonly #alarm = (): void => {
    const when = this.#alarmAt;
    this.#callOffAlarm = undefined;
    this.#alarmAt = Number.POSITIVE_INFINITY;
    this.#beginHostTurn();
    if (when > this.#clock && when - this.#clock <= TIMER_TOLERANCE) this.#clock = when;
    this.#turn();
  };

  #beginHostTurn(): void {
    this.#clock = this.#hostTurnAt = this._host.now();
    this.#stride = this.#untilLook = 1;
    this.#reactionTurns = 0;
  }

  #turn(): void {
    if (!this.#running) return;
    if (this.#inAsyncContext === undefined) this.#runTurn();
    else this.#inAsyncContext(this.#runTurn);
  }

  readonly #runTurn = (): void => {
    const { loop, task } = running;
    running.loop = this as unknown as EventLoop;
    running.task = undefined;
    try {
      this.#runIterations();
    } finally {
      running.loop = loop;
      running.task = task;
      if (!this.#running) this.#stopped();
      else if (this._ready.length > 0) this._wake();
      else this.#setAlarm();
    }
  };

  #runIterations(): void {
    const ready = this._ready;
    const end = this.#hostTurnAt + this.#turnBudget;
    this.#callbacksLeft = CALLBACKS_PER_TURN;
    for (;;) {
      if (this.#left === 0) {
        if (this._timers.size > 0) {
          if (this.#isOver(end)) return;
          this.#enqueueDue();
        }
        this.#left = ready.length;
      }
      while (this.#left > 0) {
        if (this.#isOver(end)) return;
        this.#untilLook--;
        this.#callbacksLeft--;
        this.#left--;
        const entry = ready.shift();
        if (this._observer === undefined) entry._run();
        else this._observer.run(entry);
      }
      if (this.#stopping) {
        this.#stopping = false;
        this.#running = false;
        return;
      }
      if (ready.length === 0) return;
    }
  }

  /** Looks at the clock if it is time to, and says whether the turn has used up its budget. */
  #isOver(end: number): boolean {
    if (this.#untilLook > 0) return false;
    if (this.#look()) this.#callbacksLeft = CALLBACKS_PER_TURN;
    return (this.#clock >= end || this.#callbacksLeft <= 0) && !this.#stopping;
  }

  /** Looks at the clock, which is done before a callback and not after one: the last of a turn needs none. Returns whether it has moved. */
  #look(): boolean {
    const now = this._host.now();
    const moved = now > this.#clock;
    const perCallback = (now - this.#clock) / this.#stride;
    this.#clock = now;
    // ten microseconds: so slow that the next sixteen might outlast the budget
    this.#stride = perCallback > 0.01 ? 1 : Math.min(this.#stride * 2, LONGEST_STRIDE);
    this.#untilLook = this.#stride;
    return moved;
  }

  #enqueueDue(): void {
    for (
      let timer = this._timers.takeDue(this.#clock);
      timer !== undefined;
      timer = this._timers.takeDue(this.#clock)
    ) {
      this._ready.push(timer);
    }
  }

  // The host's alarm is set to the next timer, and only while nothing else brings a turn.
  #setAlarm(): void {
    if (this.#turnRequested) return;
    const when = this._timers.next();
    if (when === this.#alarmAt && this.#callOffAlarm !== undefined) return;
    this.#dropAlarm();
    if (this._timers.size === 0) return;
    if (when <= this._host.now()) return this._wake();
    this.#alarmAt = when;
    this.#callOffAlarm = this._host.requestTurnAt(when, this.#alarm);
  }

  #dropAlarm(): void {
    this.#callOffAlarm?.();
    this.#callOffAlarm = undefined;
    this.#alarmAt = Number.POSITIVE_INFINITY;
  }

  #stopped(): void {
    this.#dropAlarm();
    this.#inAsyncContext = undefined;
    const onStop = this.#onStop;
    this.#onStop = undefined;
    onStop?.();
  }

  #check(callback: () => void, method: string): void {
    this._checkOpen();
    if (typeof callback !== "function") {
      (callback as { return?: () => void } | undefined)?.return?.();
      throw typeError("CALLBACK", method, callback);
    }
    if ((callback as { [Symbol.toStringTag]?: string })[Symbol.toStringTag]?.endsWith("GeneratorFunction")) {
      throw typeError("COROUTINE_CALLBACK", method, callback.name || "main");
    }
  }
}

/** @internal Times and delays are milliseconds, and NaN is none. */
export function checkMilliseconds(value: number, call: string): void {
  if (typeof value !== "number") throw typeError("MILLISECONDS", call, value);
  if (Number.isNaN(value)) throw rangeError("MILLISECONDS.nan", call);
}

/** @internal */
export function insideLoop(): Error {
  return misuse("INSIDE_LOOP");
}
