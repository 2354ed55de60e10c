import {
  allTasks,
  type Awaitable,
  CorioError,
  DeadlockError,
  describeWait,
  EventLoop,
  formatTasks,
  Future,
  getRunningLoop,
  isCoroutine,
  type Main,
  type Task,
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
// For how many real milliseconds nothing must have happened before a task that waits for a promise is taken to wait in vain: what
// settles a promise is not always seen.
const PROMISE_SILENCE = 1_000;

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
  // what was started last
  #main: Future<unknown> | undefined;

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
   * @throws what main threw; a DeadlockError if all tasks wait and nothing is left that could wake one; a `CorioError` if then one
   * waits for a promise or the loop is held (`loop.hold()`), which main is cancelled with first; or if it still runs after
   * `realTimeout`
   */
  runUntilComplete<T>(main: Main<T>): Awaited<T> {
    const awaitable = typeof main === "function" ? main() : main;
    const future = this.start(awaitable);
    this.#drive(future, awaitable, "write `await virtual.run(main)`");
    return future.result();
  }

  /**
   * Runs main until it is done, with real promises and real I/O allowed: the clock jumps only when nothing real is under way. That
   * is so when the reactions of promises have run, nobody holds the loop (`loop.hold()`), this process has no timer, no request, no
   * child process and no working thread under way which was not there before, and, where it has sockets or the like open, nothing
   * has happened for 20 ms. Work of `crypto` and `zlib` and of addons is not seen: hold the loop meanwhile.
   *
   * @param main a coroutine or a function that makes it, or another awaitable
   * @returns a promise of what main returned
   * @throws like {@link runUntilComplete}, but promises are waited for; a deadlock is only found where nothing is open that could
   * wake a task, and after a second of silence if one waits for a promise
   */
  run<T>(main: Main<T>): Promise<Awaited<T>> {
    const future = this.start(main);
    return this.#driveWithPromises(future).then(() => future.result());
  }

  /**
   * Starts main without running anything: {@link advance} does. For tests that stand outside and look on.
   *
   * @returns a future of what main returns
   */
  start<T>(main: Main<T>): Future<Awaited<T>> {
    const future = this.loop.start(typeof main === "function" ? main() : main);
    this.#main = future;
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
    for (;;) {
      while (!host.runReady(TURNS_PER_LOOK)) this.#checkRealTime(end);
      if (host.tellBlocked()) continue;
      if ((host.nextAlarm ?? Number.POSITIVE_INFINITY) > until) break;
      host.step();
      this.#checkRealTime(end);
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
      const main = this.#cancelMain();
      if (main !== undefined) this.#drive(main, main, remedy);
      this.#stop();
      const cleanup = cleanUp(this.loop);
      const future = this.start(cleanup);
      this.#drive(future, cleanup, remedy);
      future.result();
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
      const main = this.#cancelMain();
      if (main !== undefined) await this.#driveWithPromises(main);
      this.#stop();
      await this.run(cleanUp(this.loop));
    } finally {
      this.#stop();
      this.loop.close();
    }
  }

  /** Cancels what is still running: what {@link start} began, or a run that was given up. */
  #cancelMain(): Future<unknown> | undefined {
    const main = this.loop.running ? this.#main : undefined;
    main?.cancel();
    return main;
  }

  /** Stops the loop if it still runs: main does not end, or somebody has started it to run for ever. */
  #stop(): void {
    if (!this.loop.running) return;
    this.loop.stop();
    this.#host.runReady();
  }

  #drive(future: Future<unknown>, main: Awaitable<unknown>, remedy: string): void {
    const host = this.#host;
    const end = realNow() + this.#realTimeout;
    let realWait: CorioError | undefined;
    for (;;) {
      while (!host.runReady(TURNS_PER_LOOK)) this.#checkRealTime(end);
      if (future.done) break;
      if (host.tellBlocked()) continue;
      if (host.nextAlarm === undefined && realWait === undefined) {
        realWait = this.#realWait(main, remedy);
        if (realWait !== undefined && future.cancel(realWait)) continue;
      }
      // a loop that is held is not told that nothing can happen any more
      if (!host.step() && realWait !== undefined && host.held) throw realWait;
      this.#checkRealTime(end);
    }
    if (realWait !== undefined && isEndedBy(realWait, future)) throw realWait;
  }

  /** What cannot come while a synchronous run lasts, if that is what it waits for. */
  #realWait(main: Awaitable<unknown>, remedy: string): CorioError | undefined {
    const tasks = allTasks(this.loop);
    const waiting = [...tasks].find(waitsForPromise);
    let what: string;
    if (this.#host.held) what = "the loop is held for something outside";
    else if (waiting !== undefined) what = `${waiting.name} waits for a promise`;
    else if (tasks.size > 0 || main instanceof Future) return undefined;
    else what = isCoroutine(main) ? "main has returned a promise, or a future that nobody sets" : "main is a promise";
    return new CorioError(
      "ERR_CORIO_REAL_WAIT",
      `${what}, and nothing real happens while a synchronous run lasts: ${remedy}\n${formatTasks(tasks)}`.trimEnd(),
    );
  }

  async #driveWithPromises(future: Future<unknown>): Promise<void> {
    const host = this.#host;
    const activity = this.#activity;
    const end = realNow() + this.#realTimeout;
    let turns = host.turnsRun;
    activity.begin();
    try {
      for (;;) {
        const rests = host.runReady(TURNS_PER_LOOK);
        if (future.done) return;
        this.#checkRealTime(end, activity);
        await activity.settle();
        if (future.done) return;
        if (host.turnsRun !== turns) activity.noteActivity();
        turns = host.turnsRun;
        if (!rests || host.turns > 0) continue;
        if (host.held || !activity.quiet) await activity.pause();
        else if (host.tellBlocked()) continue;
        else if (host.nextAlarm === undefined && this.#mayBeWoken()) await activity.pause();
        else host.step();
      }
    } finally {
      activity.end();
    }
  }

  /** Whether anything real could still wake a task, where no time can pass. */
  #mayBeWoken(): boolean {
    const activity = this.#activity;
    if (!activity.none) return true;
    if (activity.silence < PROMISE_SILENCE && [...allTasks(this.loop)].some(waitsForPromise)) return true;
    return activity.restsBeforeOthers();
  }

  #checkRealTime(end: number, activity?: RealActivity): void {
    if (realNow() < end) return;
    const real = activity?.list().join(", ");
    let why = "Does a task go round in circles?";
    if (this.#host.held) why = "The loop is held (`loop.hold()`).";
    else if (real) why = `Under way in this process: ${real}.`;
    throw new CorioError(
      "ERR_CORIO_REAL_TIMEOUT",
      `the run has not ended after ${this.#realTimeout} ms of real time; its clock stands at ${this.time()} ms. ${why} The tasks:\n` +
        formatTasks(allTasks(this.loop)),
    );
  }
}

function waitsForPromise(task: Task<unknown>): boolean {
  return /\ba promise\b/.test(describeWait(task));
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
