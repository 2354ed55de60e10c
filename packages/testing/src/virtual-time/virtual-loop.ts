import {
  allTasks,
  CorioError,
  DeadlockError,
  EventLoop,
  formatTasks,
  Future,
  getRunningLoop,
  isCoroutine,
  type Main,
  type Task,
  waitsForPromise,
} from "corio";
import { type Chaos, chaosQueue } from "../ready-order/chaos.js";
import { cleanUp } from "./clean-up.js";
import { RealActivity, realNow } from "./real-activity.js";
import { standsOn, VirtualHost } from "./virtual-host.js";

/** Options of a {@link VirtualLoop}. */
export interface VirtualLoopOptions extends Chaos {
  /** Where the clock stands at first, in milliseconds; default 0. */
  readonly startTime?: number | undefined;
  /** Debug mode, in which reports know where tasks were made and where they wait; default whether `CORIO_DEBUG=1` is set. */
  readonly debug?: boolean | undefined;
  /** Real milliseconds after which a run that still has something to do is given up; default 30,000. */
  readonly realTimeout?: number | undefined;
}

// How many turns run between two looks at the real clock, or at what is real.
const TURNS_PER_LOOK = 16;
// A search for a task that waits for a promise costs as much as there are tasks: among so few there is one at each jump of the clock,
// among many it is seldom.
const SEARCHED_EACH_JUMP = 16;

/**
 * An event loop on virtual time: the clock stands still while anything can run, and jumps to the next timer when every task waits.
 * A day of sleeping passes in milliseconds, durations are exact, and a deadlock is found at once.
 *
 * @example
 * using virtual = new VirtualLoop();
 * const day = virtual.runUntilComplete(function* () {
 *   yield* sleep(24 * 60 * 60 * 1000);
 *   return getRunningLoop().time();
 * });
 * console.log(day); // 86400000
 */
export class VirtualLoop implements Disposable, AsyncDisposable {
  /** The loop itself, for `createTask`, `callLater`, `exceptionHandler` and the like. */
  readonly loop: EventLoop;
  /** The seed of the shuffled order, if it is shuffled. */
  readonly seed: number | undefined;
  readonly #host: VirtualHost;
  readonly #realTimeout: number;
  readonly #activity = new RealActivity();
  // what was started last, and the future of its result
  #main: unknown;
  #future: Future<unknown> | undefined;

  /** @param options `startTime`, `debug`, `realTimeout`, `shuffle`, `lateCancellation`: see {@link VirtualLoopOptions} */
  constructor(options: VirtualLoopOptions = {}) {
    const { startTime = 0, debug, realTimeout = 30_000, ...chaos } = options;
    if (!Number.isFinite(startTime)) throw wrongOption("startTime", "a finite number of milliseconds", startTime);
    if (typeof realTimeout !== "number" || !(realTimeout >= 0)) {
      throw wrongOption("realTimeout", "a number of milliseconds from 0", realTimeout);
    }
    const { readyQueue, seed } = chaosQueue(chaos);
    this.#host = new VirtualHost(startTime);
    this.#realTimeout = realTimeout;
    this.seed = seed;
    this.loop = new EventLoop({
      host: this.#host,
      ...(debug !== undefined && { debug }),
      ...(readyQueue !== undefined && { readyQueue }),
    });
    standsOn(this.loop, this.#host);
  }

  /** The time on its clock, in milliseconds. */
  time(): number {
    return this.#host.now();
  }

  /**
   * Runs main until it is done, and the clock with it. Synchronous: no promise of the program gets its say.
   *
   * @param main a coroutine or a function that makes it
   * @returns what main returned
   * @throws what main threw; a DeadlockError if all tasks wait and nothing is left that could wake one; a `CorioError` if all tasks
   * wait and one of them for a promise, or if only who holds the loop (`loop.hold()`) could wake one: main is cancelled with it
   * first; a `CorioError` if it still runs after `realTimeout`
   */
  runUntilComplete<T>(main: Main<T>): Awaited<T> {
    const future = this.start(main);
    this.#drive(future, "write `await virtual.run(main)`");
    return future.result();
  }

  /**
   * Runs main until it is done, with real promises and real I/O allowed: the clock jumps only when nothing real is under way. That
   * is so when the reactions of promises have run, nobody holds the loop (`loop.hold()`), no timer, no request, no child process
   * and no work in a thread is under way in this process which began in a run of this loop, and, where sockets or the like are open
   * that were opened so, nothing has happened for 20 ms. Only Node can tell; elsewhere nothing must have happened for 20 ms.
   *
   * @param main a coroutine or a function that makes it, or another awaitable
   * @returns a promise of what main returned
   * @throws like {@link runUntilComplete}, but promises are waited for; a deadlock is only found where nothing is open that could
   * wake a task, and after a second of silence if one waits for a promise
   */
  run<T>(main: Main<T>): Promise<Awaited<T>> {
    // what main begins while it is made is seen, too
    this.#activity.begin();
    let future: Future<Awaited<T>>;
    try {
      future = this.start(main);
    } catch (error) {
      this.#activity.end();
      throw error;
    }
    return this.#driveWithPromises(future)
      .then(() => future.result())
      .finally(() => this.#activity.end());
  }

  /**
   * Runs as {@link run} does, until a future of this loop is done or its clock has reached a time. For test runners, which set
   * limits that are none of the loop's timers: those would hide a deadlock.
   *
   * @param future such as of {@link start}
   * @param options `until`: on this loop's clock, in milliseconds, default never; `realTimeout`: default as the loop has it
   * @returns a promise of whether the future is done; false also if nothing is left that could happen before `until`
   * @throws a `CorioError` after `realTimeout`
   */
  runUntil(future: Future<unknown>, options?: { until?: number; realTimeout?: number }): Promise<boolean> {
    return this.#driveWithPromises(future, options);
  }

  /**
   * Starts main without running anything: {@link advance} does. For tests that stand outside and look on.
   *
   * @returns a future of what main returns
   */
  start<T>(main: Main<T>): Future<Awaited<T>> {
    const awaitable = typeof main === "function" ? main() : main;
    const future = this.loop.start(awaitable);
    this.#main = awaitable;
    this.#future = future;
    return future;
  }

  /**
   * Lets so much time pass: everything that is ready runs, and everything that becomes due meanwhile, each at its own time. For
   * tests that stand outside of the loop; a coroutine sleeps.
   *
   * @param ms in milliseconds; 0 runs only what is ready
   * @throws a `RangeError` unless `ms` is a finite number from 0; a `CorioError` inside a coroutine or a callback of a loop, or if
   * it takes longer than `realTimeout`
   */
  advance(ms: number): void {
    if (typeof ms !== "number" || !(ms >= 0 && ms < Number.POSITIVE_INFINITY)) {
      throw Object.assign(new RangeError(`advance(ms) takes a finite number from 0, not ${String(ms)}`), {
        code: "ERR_CORIO_ADVANCE",
      });
    }
    checkOutside("advance(ms)", "a coroutine lets time pass with `yield* sleep(ms)`");
    const host = this.#host;
    const until = host.now() + ms;
    const end = realNow() + this.#realTimeout;
    // what it begins may be under way in a run that comes later
    this.#activity.begin();
    try {
      for (;;) {
        while (!host.runReady(TURNS_PER_LOOK)) this.#checkRealTime(end);
        if (host.tellBlocked()) continue;
        if ((host.nextAlarm ?? Number.POSITIVE_INFINITY) > until) break;
        host.step();
        this.#checkRealTime(end);
      }
    } finally {
      this.#activity.end();
    }
    host.moveTo(until);
  }

  /**
   * Cancels the tasks that are left, lets them clean up, and closes the loop. What was never retrieved is reported then.
   *
   * @throws what a task's cleanup ran into if it does not end: a DeadlockError, or a `CorioError` as of {@link runUntilComplete}.
   * The loop is closed all the same, unless this is called inside a running loop
   */
  close(): void {
    if (this.loop.closed) return;
    checkOutside("close()", "close it when the run has ended");
    const remedy = "write `await using virtual = new VirtualLoop()`, which closes it with real promises";
    try {
      const left = this.#cancelMain();
      if (left !== undefined) this.#drive(left, remedy);
      this.#stop();
      const cleanup = this.start(cleanUp(this.loop));
      this.#drive(cleanup, remedy);
      cleanup.result();
    } finally {
      this.#stop();
      this.loop.close();
    }
  }

  /** For `using`: {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** For `await using`: {@link close}, where the tasks that are left clean up with real promises and real I/O. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.loop.closed) return;
    checkOutside("close()", "close it when the run has ended");
    try {
      const left = this.#cancelMain();
      if (left !== undefined) await this.#driveWithPromises(left);
      this.#stop();
      await this.run(cleanUp(this.loop));
    } finally {
      this.#stop();
      this.loop.close();
    }
  }

  /** Cancels what is still running: what {@link start} began, or a run that was given up. */
  #cancelMain(): Future<unknown> | undefined {
    const left = this.loop.running ? this.#future : undefined;
    left?.cancel();
    return left;
  }

  /** Stops the loop if it still runs: main does not end, or somebody has started it to run for ever. */
  #stop(): void {
    if (!this.loop.running) return;
    this.loop.stop();
    this.#host.runReady();
    // that the loop was stopped is no error of main's that goes unseen
    if (this.#future?.done && !this.#future.cancelled) this.#future.exception();
  }

  #drive(future: Future<unknown>, remedy: string): void {
    const host = this.#host;
    const end = realNow() + this.#realTimeout;
    let realWait: CorioError | undefined;
    let untilNextSearch = 0;
    for (;;) {
      while (!host.runReady(TURNS_PER_LOOK)) this.#checkRealTime(end);
      if (future.done) break;
      if (host.tellBlocked()) continue;
      if (realWait === undefined && (host.nextAlarm === undefined || --untilNextSearch < 0)) {
        const tasks = allTasks(this.loop);
        untilNextSearch = (tasks.size / SEARCHED_EACH_JUMP) ** 1.5 - 1;
        realWait = this.#realWait(tasks, remedy);
        if (realWait !== undefined && future.cancel(realWait)) continue;
      }
      // a loop that is held is not told that nothing can happen any more
      if (!host.step() && realWait !== undefined && host.held) throw realWait;
      this.#checkRealTime(end);
    }
    if (realWait !== undefined && isEndedBy(realWait, future)) throw realWait;
  }

  /** What cannot come while a synchronous run lasts, if that is what it waits for. */
  #realWait(tasks: Set<Task<unknown>>, remedy: string): CorioError | undefined {
    const waiting = firstThatWaitsForPromise(tasks);
    let what: string;
    if (waiting !== undefined) what = `${waiting.name} waits for a promise`;
    else if (this.#host.nextAlarm !== undefined) return undefined;
    else if (this.#host.held) what = "the loop is held for something outside";
    else if (tasks.size > 0 || this.#main instanceof Future) return undefined;
    else if (isCoroutine(this.#main)) what = "main has returned a promise, or a future that nobody sets";
    else what = "main is a promise";
    return new CorioError(
      "ERR_CORIO_REAL_WAIT",
      `${what}, and nothing real happens while a synchronous run lasts: ${remedy}\n${formatTasks(tasks)}`.trimEnd(),
    );
  }

  async #driveWithPromises(
    future: Future<unknown>,
    { until = Number.POSITIVE_INFINITY, realTimeout = this.#realTimeout } = {},
  ): Promise<boolean> {
    const host = this.#host;
    const activity = this.#activity;
    const end = realNow() + realTimeout;
    let turns = host.turnsRun;
    activity.begin();
    try {
      for (;;) {
        const rests = host.runReady(TURNS_PER_LOOK);
        if (future.done) return true;
        this.#checkRealTime(end, { activity, realTimeout });
        await activity.settle();
        if (future.done) return true;
        if (host.turnsRun !== turns) activity.noteActivity();
        turns = host.turnsRun;
        if (!rests || host.turns > 0) continue;
        if (host.held || !activity.quiet) await activity.pause();
        else if (host.tellBlocked()) continue;
        else if (host.nextAlarm === undefined && this.#mayBeWoken()) await activity.pause();
        else {
          const isLate = host.nextAlarm !== undefined && host.nextAlarm > until;
          // a step that does nothing: somebody has told the loop that a deadlock is none
          if (!isLate && (host.step() || until === Number.POSITIVE_INFINITY)) continue;
          host.moveTo(until);
          return false;
        }
      }
    } finally {
      activity.end();
    }
  }

  /** Whether anything real could still wake a task, where no time can pass. */
  #mayBeWoken(): boolean {
    const tasks = allTasks(this.loop);
    // what settles a promise is not always seen; main may be one, or have returned one
    const promise =
      firstThatWaitsForPromise(tasks) !== undefined || (tasks.size === 0 && !(this.#main instanceof Future));
    return !this.#activity.isOver(promise || undefined);
  }

  #checkRealTime(
    end: number,
    { activity, realTimeout = this.#realTimeout }: { activity?: RealActivity; realTimeout?: number } = {},
  ): void {
    if (realNow() < end) return;
    const real = activity?.list().join(", ");
    let why = "Does a task go round in circles?";
    if (this.#host.held) why = "The loop is held (`loop.hold()`).";
    else if (real) why = `Under way in this process: ${real}.`;
    throw new CorioError(
      "ERR_CORIO_REAL_TIMEOUT",
      `the run has not ended after ${realTimeout} ms of real time; its clock stands at ${this.time()} ms. ${why} The tasks:\n` +
        formatTasks(allTasks(this.loop)),
    );
  }
}

function firstThatWaitsForPromise(tasks: Iterable<Task<unknown>>): Task<unknown> | undefined {
  for (const task of tasks) if (waitsForPromise(task)) return task;
  return undefined;
}

/** Whether a run ended because it was cancelled with this, and not in a way of its own. */
function isEndedBy(error: CorioError, future: Future<unknown>): boolean {
  if (future.cancelled) return future.cancelReason === error;
  return future.exception() instanceof DeadlockError;
}

function checkOutside(call: string, remedy: string): void {
  if (isInsideLoop())
    throw new CorioError("ERR_CORIO_INSIDE_LOOP", `${call} was called inside a running loop: ${remedy}`);
}

function isInsideLoop(): boolean {
  try {
    getRunningLoop();
    return true;
  } catch {
    return false;
  }
}

function wrongOption(name: string, wanted: string, value: unknown): CorioError {
  return new CorioError("ERR_CORIO_VIRTUAL_LOOP", `${name} is ${wanted}, not ${String(value)}`);
}

/**
 * `run(main)` on virtual time: makes a {@link VirtualLoop}, runs main to its end, and closes the loop.
 *
 * @param main a coroutine or a function that makes it
 * @param options `startTime`, `debug`, `realTimeout`, `shuffle`, `lateCancellation`: see {@link VirtualLoopOptions}
 * @returns what main returned; no promise
 * @throws like {@link VirtualLoop.runUntilComplete}, and like {@link VirtualLoop.close}; the error of main goes first, and the other
 * is reported to the loop's exception handler
 * @example
 * const slowest = runVirtually(function* () {
 *   yield* gather(sleep(1_000), sleep(60_000));
 *   return getRunningLoop().time();
 * });
 * console.log(slowest); // 60000
 */
export function runVirtually<T>(main: Main<T>, options?: VirtualLoopOptions): Awaited<T> {
  const virtual = new VirtualLoop(options);
  let result: Awaited<T>;
  try {
    result = virtual.runUntilComplete(main);
  } catch (error) {
    if (options?.shuffle === true) {
      virtual.loop.reporter.warn(`the order that failed was shuffled: \`{ shuffle: ${virtual.seed} }\` repeats it`);
    }
    closeAfterFailure(virtual);
    throw error;
  }
  virtual.close();
  return result;
}

function closeAfterFailure(virtual: VirtualLoop): void {
  try {
    // where a loop is running already, nothing was begun
    if (isInsideLoop()) virtual.loop.close();
    else virtual.close();
  } catch (exception) {
    virtual.loop.callExceptionHandler({ message: "The tasks that a failed run left did not end", exception });
  }
}
