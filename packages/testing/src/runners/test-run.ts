import {
  allTasks,
  allTimers,
  type Coroutine,
  DeadlockError,
  formatTasks,
  type Future,
  isCancelled,
  type Task,
  TimeoutError,
} from "corio";
import { LeakError } from "../leaks/leak-error.js";
import { type LeakOptions, leftOnLoop, Reports } from "../leaks/left-on-loop.js";
import { describeHandle, release } from "../leaks/open-handles.js";
import { programStack, withoutOwnFrames } from "../frames/program-lines.js";
import type { Chaos } from "../ready-order/chaos.js";
import { type BegunResource, BegunResources } from "../virtual-time/begun-resources.js";
import { cleanUp } from "../virtual-time/clean-up.js";
import { realNow } from "../virtual-time/real-activity.js";
import { nextTurn } from "../virtual-time/real-turns.js";
import { withNote } from "./note.js";
import { RealTestLoop } from "./real-test-loop.js";
import type { TestLoop } from "./test-loop.js";
import { VirtualTestLoop } from "./virtual-test-loop.js";

/** Options of a test, with their defaults. */
export interface Settings {
  readonly time: "virtual" | "real";
  readonly timeout: number;
  readonly realTimeout: number;
  readonly debug: boolean;
  readonly leaks: { readonly [K in keyof LeakOptions]-?: boolean };
  readonly chaos: Chaos;
}

// How many milliseconds a test that was cancelled, and then what it left, has to end.
export const GRACE = 1_000;
// For how many real milliseconds handles may be closing.
const CLOSING = 100;

/**
 * One run of a test, on a loop of its own.
 *
 *   main ──> what it has left ──> cleanup ──> handles ──> the loop is closed ──> report
 *     └──(too late)──> cancelled ──(a second later)──> given up ─^
 */
export class TestRun {
  static readonly #running = new Set<TestRun>();

  readonly #settings: Settings;
  readonly #begun: BegunResources | undefined;
  readonly #test: TestLoop;
  readonly #reports = new Reports((message, ...details) => console.warn(message, ...details));
  #failure: { readonly error: unknown } | undefined;
  #tasksListed = false;
  readonly #left: string[] = [];
  // whether another test ran meanwhile: nobody knows whose the handles are then
  #overlapped = false;

  constructor(settings: Settings) {
    const { time, leaks, realTimeout, chaos } = settings;
    this.#settings = settings;
    if (time === "real") {
      this.#begun = new BegunResources({ traces: leaks.handles });
      this.#test = new RealTestLoop(chaos, this.#begun);
    } else {
      this.#begun = leaks.handles ? new BegunResources({ traces: true }) : undefined;
      this.#test = new VirtualTestLoop(chaos, realTimeout);
    }
    if (leaks.errors) this.#reports.attach(this.#test.loop);
  }

  /** Runs the test and all that comes after it. Its promise rejects if the test fails. */
  async run(body: () => Coroutine<unknown>): Promise<void> {
    const { loop } = this.#test;
    for (const other of TestRun.#running) other.#overlapped = this.#overlapped = true;
    TestRun.#running.add(this);
    try {
      await this.#runMain(body);
      const { leaks } = this.#settings;
      // an error that lists the tasks already needs no second list
      this.#left.push(...leftOnLoop(loop, { ...leaks, tasks: leaks.tasks && !this.#tasksListed }));
      for (const timer of allTimers(loop)) timer.cancel();
      const atRest = await this.#cleanUp();
      const handles = await this.#openHandles(atRest);
      loop.close();
      for (const handle of handles) release(handle);
    } finally {
      TestRun.#running.delete(this);
      this.#begun?.end();
    }
    if (this.#settings.leaks.errors) this.#left.push(...this.#reports.lost);
    this.#report();
  }

  async #runMain(body: () => Coroutine<unknown>): Promise<void> {
    const { timeout, debug } = this.#settings;
    const test = this.#test;
    let whole: Future<unknown>;
    try {
      const main = test.loop.createTask(body, { name: "the test" });
      // only now: where main itself was made says nothing
      test.loop.debug = debug;
      // what debug mode is on for is where things are; its timers would be something to wait for, and hide a deadlock
      test.loop.slowCallbackDuration = test.loop.slowCancellationDuration = Number.POSITIVE_INFINITY;
      whole = test.loop.start(main);
    } catch (error) {
      this.#failure = { error };
      return;
    }
    let late: Error | undefined;
    try {
      if (!(await test.drive(whole, timeout))) late = timedOut(timeout, allTasks(test.loop));
    } catch (error) {
      late = error as Error;
    }
    if (late !== undefined) {
      whole.cancel(late);
      const ended = await this.#stopAfterGrace(whole);
      const error = errorOf(whole);
      // what its cleanup ran into
      if (ended && error !== undefined && !isCancelled(error) && error !== late) late.cause = error;
      this.#failure = { error: withoutStack(late) };
      this.#tasksListed = true;
      return;
    }
    try {
      whole.result();
    } catch (error) {
      this.#tasksListed = error instanceof DeadlockError;
      this.#failure = { error: error instanceof DeadlockError ? withoutStack(error) : error };
    }
  }

  /** Gives what was cancelled its time to end. Returns whether it did; the loop has stopped in any case. */
  async #stopAfterGrace(whole: Future<unknown>): Promise<boolean> {
    const test = this.#test;
    try {
      if (await test.drive(whole, GRACE, GRACE)) return true;
    } catch {
      // it goes round in circles: what is left of it is reported
    }
    test.loop.stop();
    while (!whole.done) await test.lookOn();
    return false;
  }

  /** Cancels what is left. Returns whether all of it has ended. */
  async #cleanUp(): Promise<boolean> {
    const { loop } = this.#test;
    const tasks = [...allTasks(loop)];
    const whole = loop.start(cleanUp(loop), { deadlock: false, cleanup: true });
    const ended = await this.#stopAfterGrace(whole);
    const error = errorOf(whole);
    if (ended && error !== undefined) this.#left.push(`an error of the loop's cleanup: ${programStack(error)}`);
    const stuck = tasks.filter((task) => !task.done);
    if (stuck.length > 0) {
      this.#left.push(`what was still there ${GRACE} ms after it was cancelled:\n${formatTasks(stuck)}`);
    }
    return ended;
  }

  /** The handles that the test has opened and that stay open. */
  async #openHandles(atRest: boolean): Promise<readonly BegunResource[]> {
    const begun = this.#begun;
    if (begun === undefined || !this.#settings.leaks.handles || this.#overlapped) return [];
    // what reactions and `process.nextTick` still have to open
    await nextTurn();
    if (atRest && !isClosed(begun)) await this.#letClose(begun);
    const open = this.#overlapped ? [] : begun.open;
    this.#left.push(...open.map((handle) => describeHandle(handle, begun)));
    return open;
  }

  /** Closing is asynchronous, and may be the loop's work; and so is opening, which a test need not have waited for. */
  async #letClose(begun: BegunResources): Promise<void> {
    const { loop } = this.#test;
    const closing = loop.createFuture<void>();
    const whole = loop.start(closing, { deadlock: false, cleanup: true });
    const end = realNow() + CLOSING;
    do await this.#test.lookOn();
    while (!isClosed(begun) && realNow() < end);
    closing.setResult();
    await this.#stopAfterGrace(whole);
  }

  #report(): void {
    const { seed } = this.#test;
    const leak = this.#left.length > 0 ? new LeakError("the test", this.#left.map(withoutOwnFrames)) : undefined;
    let error: unknown = this.#failure?.error;
    if (this.#failure === undefined) {
      if (leak === undefined) return;
      withoutStack(leak);
      if (this.#reports.cause !== undefined) leak.cause = this.#reports.cause;
      error = leak;
    } else if (leak !== undefined) error = withNote(error, leak.message);
    throw seed === undefined ? error : withNote(error, `The order was shuffled: \`shuffle: ${seed}\` repeats it.`);
  }
}

function isClosed(begun: BegunResources): boolean {
  return begun.open.length === 0 && begun.activity !== "busy";
}

function timedOut(ms: number, tasks: Iterable<Task<unknown>>): TimeoutError {
  const text = `the test did not end within ${ms} ms (loop time). Its tasks:\n${indent(formatTasks(tasks))}`;
  return new TimeoutError(text);
}

/** An error that a test run itself has found: where it did so says nothing, and its message has the places that matter. */
function withoutStack<E extends Error>(error: E): E {
  error.message = withoutOwnFrames(error.message);
  error.stack = `${error.name}: ${error.message}`;
  return error;
}

/** The error of a run that has ended, if it has one; it counts as seen then. */
function errorOf(whole: Future<unknown>): unknown {
  try {
    whole.result();
    return undefined;
  } catch (error) {
    return error;
  }
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
