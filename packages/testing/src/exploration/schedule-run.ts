import {
  allTasks,
  type Coroutine,
  CorioError,
  DeadlockError,
  EventLoop,
  formatTasks,
  type Future,
  isCoroutine,
  isFuture,
  nextDeadline,
  type Ready,
  type Task,
  waitsForPromise,
} from "corio";
import { LeakError } from "../leaks/leak-error.js";
import { type LeakOptions, leftOnLoop, Reports } from "../leaks/left-on-loop.js";
import { ChoosingQueue } from "../ready-order/choosing-queue.js";
import { cleanUp } from "../virtual-time/clean-up.js";
import { standsOn, VirtualHost } from "../virtual-time/virtual-host.js";
import { asError, type Failure } from "./failure.js";
import { INJECTED, isInjected } from "./injected-cancellation.js";
import type { Deviation } from "./schedule.js";
import type { Situation, Steering } from "./steering.js";

/** What is explored: a function that makes a new coroutine or future, with everything that it works on, for each schedule. */
export type Program<T> = () => Coroutine<T> | Future<T>;

/** How programs are run under schedules. */
export interface RunOptions {
  /** Whether tasks are cancelled at their awaits, or which. */
  readonly cancel: boolean | ((task: Task<unknown>) => boolean);
  readonly slowTasks: boolean;
  readonly maxSteps: number;
  readonly leaks: LeakOptions;
}

/** Watches a run for a report. */
export interface RunObserver {
  /** An entry is about to run. */
  runs(step: number, time: number, entry: Ready): void;
  /** Everything waits, and time passes from one time to another. */
  timePasses(step: number, from: number, to: number): void;
  /** One is about to run before others that became ready first. */
  goesFirst(chosen: Ready, passedOver: readonly Ready[]): void;
  /** A task is about to be cancelled. */
  cancels(step: number, time: number, task: Task<unknown>, ready: boolean): void;
  /** Time passes although something is ready. */
  hurries(step: number, from: number, to: number, ready: readonly Ready[]): void;
  /** Everything waits, and nothing is left that could wake a task. */
  deadlocks(step: number, time: number): void;
  /** The program has ended, before it is cleaned up. */
  ends(): void;
}

/** Where a schedule could deviate from the one that was run. */
export interface Openings {
  /** For each step, from 1, how many alternatives there were. */
  readonly alternatives: number[];
  /** Who could be cancelled before which step; whether a new moment of that task begins there: it waits, or it was woken. */
  readonly cancels: { readonly step: number; readonly task: number; readonly begins: boolean }[];
  /** The steps before which time could pass. */
  readonly times: number[];
}

const STEPS_OF_CLEANUP = 10_000;

/**
 * One run of a program under one schedule, on a loop and a virtual clock of its own.
 *
 * A step is one entry of the ready queue that runs, or a jump of the clock. Before each the steering may cancel a task or let time
 * pass; then it chooses who runs.
 */
export class ScheduleRun<T> implements Situation {
  /** Where it deviated from the ordinary schedule, in order. */
  readonly taken: Deviation[] = [];
  /** What was recorded, if it was asked for. */
  readonly openings: Openings | undefined;
  result: T | undefined;
  failure: Failure | undefined;
  step = 0;

  readonly #program: Program<T>;
  readonly #steering: Steering;
  readonly #options: RunOptions;
  readonly #observer: RunObserver | undefined;
  readonly #host = new VirtualHost();
  readonly #loop: EventLoop;
  readonly #queue: ChoosingQueue;
  readonly #reports = new Reports(() => {});
  // tasks by the order in which they were met, when they became ready or, started eagerly, at the next step; only where tasks may be
  // cancelled or somebody looks on
  readonly #numbers = new Map<Task<unknown>, number>();
  #main: Task<unknown> | undefined;
  #whole: Future<T> | undefined;
  // undefined while the program runs; then how many steps may be used to clean up
  #cleanupLeft: number | undefined;
  readonly #lastMoments: number[] = [];
  // how many steps each task has run, while openings are recorded: that tells one await from another
  readonly #stepsOf = new Map<Ready, number>();
  #overrun = false;
  #stuck = false;

  constructor(
    program: Program<T>,
    steering: Steering,
    options: RunOptions,
    { record = false, observer }: { record?: boolean; observer?: RunObserver } = {},
  ) {
    this.#program = program;
    this.#steering = steering;
    this.#options = options;
    this.#observer = observer;
    this.openings = record ? { alternatives: [0], cancels: [], times: [] } : undefined;
    const named = observer !== undefined;
    this.#queue = new ChoosingQueue(this.#choose, named || options.cancel !== false ? this.#number : undefined);
    this.#loop = new EventLoop({
      host: this.#host,
      readyQueue: this.#queue,
      debug: named,
      // where time passes between two steps, the loop is to see it at once
      ...(options.slowTasks && { turnBudget: 0 }),
    });
    // debug mode's own timers must not change what happens
    this.#loop.slowCancellationDuration = Number.POSITIVE_INFINITY;
    standsOn(this.#loop, this.#host);
    this.#reports.attach(this.#loop);
  }

  /** Runs it to its end. Yields whenever everything waits: promises may settle then. */
  *run(): Generator<void, void, void> {
    this.#main = this.#loop.createTask(start(this.#program), { name: "main" });
    const whole = (this.#whole = this.#loop.start(this.#main) as Future<T>);
    while (!whole.done && !this.#stuck && !this.#overrun) {
      if (this.#host.runTurn()) continue;
      yield;
      if (!this.#host.runTurn() && !whole.done) this.#pass();
    }
    this.#judge(whole);
  }

  /** Whether everything waits at present. */
  get idle(): boolean {
    return this.#host.turns === 0 && !this.#whole?.done;
  }

  /** Whether something outside was declared that is going to wake a task: `loop.hold()`. */
  get held(): boolean {
    return this.#host.held;
  }

  /** Whether a task waits for a promise. */
  get waitsForPromise(): boolean {
    for (const task of allTasks(this.#loop)) if (waitsForPromise(task)) return true;
    return false;
  }

  get alternatives(): number {
    return this.#queue.alternatives;
  }

  list(): Ready[] {
    return this.#queue.list();
  }

  get timeMayPass(): boolean {
    return this.#options.slowTasks && (nextDeadline(this.#loop) ?? -1) > this.#host.now();
  }

  cancellable(): number[] {
    return this.#cancellable().map((task) => this.#numbers.get(task) as number);
  }

  // Nothing is ready: the clock goes on, if there is anything to go on to.
  #pass(): void {
    const host = this.#host;
    if (this.step >= this.#options.maxSteps) {
      this.#overrun = true;
      return;
    }
    this.step++;
    if (this.openings !== undefined) this.#recordCancels(this.openings.cancels);
    if (this.#deviate()) return;
    if (host.tellBlocked()) return;
    const from = host.now();
    if (host.nextAlarm !== undefined) this.#observer?.timePasses(this.step, from, host.nextAlarm);
    else if (!this.held) this.#observer?.deadlocks(this.step, from);
    // a loop that is held is not told that nothing can happen any more
    this.#stuck = !host.step();
  }

  readonly #choose = (queue: ChoosingQueue): number => {
    if (this.#cleanupLeft !== undefined) {
      if (--this.#cleanupLeft <= 0) this.#loop.stop();
      return 0;
    }
    if (this.step >= this.#options.maxSteps) {
      this.#overrun = true;
      this.#loop.stop();
      return 0;
    }
    this.step++;
    if (this.#options.cancel !== false) for (const task of allTasks(this.#loop)) this.#number(task);
    if (this.openings !== undefined) this.#recordCancels(this.openings.cancels);
    this.#deviate();
    const { alternatives } = queue;
    if (this.openings !== undefined) {
      this.openings.alternatives[this.step] = alternatives;
      if (this.timeMayPass) this.openings.times.push(this.step);
    }
    const choice = alternatives > 1 ? this.#steering.choose(this) : 0;
    const ready = this.#observer === undefined && this.openings === undefined ? undefined : queue.list();
    if (choice > 0) {
      this.taken.push({ kind: "order", step: this.step, choice });
      if (ready !== undefined) this.#observer?.goesFirst(ready[choice] as Ready, ready.slice(0, choice));
    }
    if (ready !== undefined) this.#note(ready[choice] as Ready);
    return choice;
  };

  #note(chosen: Ready): void {
    this.#observer?.runs(this.step, this.#host.now(), chosen);
    this.#stepsOf.set(chosen, (this.#stepsOf.get(chosen) ?? 0) + 1);
  }

  /** Does what the steering wants before this step. Returns whether it did anything. */
  #deviate(): boolean {
    let deviated = false;
    for (;;) {
      const deviation = this.#steering.before(this);
      if (deviation === undefined) return deviated;
      deviated = this.#apply(deviation) || deviated;
    }
  }

  #apply(deviation: Deviation): boolean {
    if (deviation.kind === "time") {
      if (!this.timeMayPass || this.#queue.length === 0) return false;
      this.taken.push(deviation);
      const from = this.#host.now();
      const to = nextDeadline(this.#loop) as number;
      this.#observer?.hurries(this.step, from, to, this.#queue.list());
      this.#host.advance(to - from);
      return true;
    }
    if (deviation.kind !== "cancel") return false;
    const task = this.#cancellable().find((one) => this.#numbers.get(one) === deviation.task);
    if (task === undefined) return false;
    this.taken.push(deviation);
    this.#observer?.cancels(this.step, this.#host.now(), task, isReady(task));
    task.cancel(INJECTED);
    return true;
  }

  #cancellable(): Task<unknown>[] {
    const { cancel } = this.#options;
    if (cancel === false) return [];
    const may = typeof cancel === "function" ? cancel : (task: Task<unknown>): boolean => task !== this.#main;
    return [...allTasks(this.#loop)].filter((task) => this.#numbers.has(task) && may(task));
  }

  readonly #number = (task: Task<unknown>): void => {
    if (this.#numbers.has(task)) return;
    this.#numbers.set(task, this.#numbers.size);
    // their usual names count all tasks of the process
    if (this.#observer !== undefined && /^Task-\d+$/.test(task.name)) task.name = `Task-${this.#numbers.size - 1}`;
  };

  #recordCancels(cancels: Openings["cancels"]): void {
    for (const task of this.#cancellable()) {
      const number = this.#numbers.get(task) as number;
      const moment = 2 * (this.#stepsOf.get(task) ?? 0) + (isReady(task) ? 1 : 0);
      // a task's moments follow one another, so a new one differs from the last
      const begins = this.#lastMoments[number] !== moment;
      this.#lastMoments[number] = moment;
      cancels.push({ step: this.step, task: number, begins });
    }
  }

  #judge(whole: Future<T>): void {
    const loop = this.#loop;
    const { leaks } = this.#options;
    this.#cleanupLeft = STEPS_OF_CLEANUP;
    this.#observer?.ends();
    if (this.#overrun || this.#stuck) this.failure = { kind: "unending", error: this.#unending() };
    else this.#take(whole);
    const left = this.failure === undefined ? leftOnLoop(loop, leaks) : [];
    this.#abandon();
    if (leaks.errors !== false) left.push(...this.#reports.lost);
    if (this.failure !== undefined || left.length === 0) return;
    const error = new LeakError("the program", left);
    if (this.#reports.cause !== undefined) error.cause = this.#reports.cause;
    this.failure = { kind: "leak", error };
  }

  #take(whole: Future<T>): void {
    try {
      this.result = whole.result();
    } catch (thrown) {
      if (isInjected(thrown)) return;
      const error = asError(thrown);
      this.failure = { kind: error instanceof DeadlockError ? "deadlock" : "error", error };
    }
  }

  #unending(): Error {
    const why = this.#stuck
      ? "holds its loop for something outside, which does not come while it is explored"
      : `did not end within ${this.#options.maxSteps} steps (the option \`maxSteps\`)`;
    return new CorioError("ERR_CORIO_UNENDING", `the program ${why}. Its tasks:\n${formatTasks(allTasks(this.#loop))}`);
  }

  /** Lets the tasks that are left clean up, as far as they do so soon, and closes the loop. */
  #abandon(): void {
    const loop = this.#loop;
    this.#stop(this.#whole as Future<unknown>);
    const cleaning = loop.start(cleanUp(loop), { deadlock: false });
    while (loop.running && this.#host.step());
    this.#stop(cleaning);
    loop.close();
  }

  #stop(run: Future<unknown>): void {
    if (this.#loop.running) {
      this.#loop.stop();
      this.#host.runReady();
    }
    // that it was stopped is nothing to report
    if (run.done && !run.cancelled) run.exception();
  }
}

/** Inside of the loop, where a program that is no `function*` may use it, too. */
function* start<T>(program: Program<T>): Coroutine<T> {
  const made: unknown = program();
  if (!isCoroutine(made) && !isFuture(made)) throw notAProgram(made);
  return yield* made as Coroutine<T>;
}

/** The error for what is no program, or does not make a coroutine. */
export function notAProgram(value: unknown): Error {
  const remedy = isCoroutine(value)
    ? "a coroutine runs only once: give the function itself, explore(program), not explore(program())"
    : `explore(program) takes a function* that makes a new coroutine for each schedule; this one is or gives ${describe(value)}`;
  return Object.assign(new TypeError(remedy), { code: "ERR_CORIO_EXPLORE" });
}

function describe(value: unknown): string {
  if (typeof (value as { then?: unknown } | undefined)?.then === "function")
    return "a promise: write function*, not async";
  return typeof value === "object" ? Object.prototype.toString.call(value) : String(value);
}

/** Whether a task that is not running can go on. */
function isReady(task: Task<unknown>): boolean {
  return task.waitingFor?.done !== false;
}
