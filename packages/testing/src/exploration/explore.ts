import { CorioError, type Task } from "corio";
import type { LeakOptions } from "../leaks/left-on-loop.js";
import { randomFrom } from "../random/random.js";
import { RealActivity, realNow } from "../virtual-time/real-activity.js";
import { ExplorationError } from "./exploration-error.js";
import { type Failure, isAlike } from "./failure.js";
import { decodeSchedule, type Deviation, encodeSchedule, type Schedule } from "./schedule.js";
import { notAProgram, type Openings, type Program, type RunOptions, ScheduleRun } from "./schedule-run.js";
import { shrink } from "./shrink.js";
import { AnyOrder, ByPriority, Follow, type Steering } from "./steering.js";
import { scheduleOf, SystematicSearch } from "./systematic-search.js";
import { Timeline } from "./timeline.js";

/** Options of `replay`: those that change what one schedule does. */
export interface ReplayOptions {
  /**
   * Whether tasks are cancelled at their awaits: `true` any but the main one, a function those for which it returns true; default
   * false. A program that ends because of such a cancellation does not fail; in what it leaves behind it may.
   */
  readonly cancel?: boolean | ((task: Task<unknown>) => boolean) | undefined;
  /** Whether time may pass although tasks are ready, as it does where they are slow: timers then come too early for them; default false. */
  readonly slowTasks?: boolean | undefined;
  /** After how many steps a program that has not ended fails; default 10,000. */
  readonly maxSteps?: number | undefined;
  /** What a program must not leave behind; default everything, `false` nothing. */
  readonly leaks?: boolean | LeakOptions | undefined;
}

/** Options of `explore`. */
export interface ExploreOptions extends ReplayOptions {
  /** How many schedules are run at most; default 1,000. */
  readonly schedules?: number | undefined;
  /** Which schedules the random half consists of; default 1. The same seed gives the same ones. */
  readonly seed?: number | undefined;
  /** How many delays the schedules of the systematic half have at most; default no bound but the number of schedules. 0 leaves that half out. */
  readonly delays?: number | undefined;
}

/** What an exploration without a failure has seen. */
export interface Exploration {
  /** How many schedules were run. */
  readonly schedules: number;
  /** How many steps they had together. */
  readonly steps: number;
  /** Whether these were all schedules that there are. */
  readonly exhaustive: boolean;
}

/**
 * Runs a program under many orders of what is ready, on virtual time, and finds one under which it fails: throws, deadlocks, does not
 * end, or leaves tasks, timers or errors behind.
 *
 * First the ordinary order, then systematically those that are near to it, for half of the schedules; the rest is drawn at random,
 * by a seed. Within what asyncio guarantees: tasks that are ready may go in any order, callbacks keep theirs. Synchronous: a program
 * that waits for promises needs {@link exploreAsync}.
 *
 * @param program a function that makes a new coroutine each time, and everything that it works on
 * @param options `schedules`, `seed`, `delays`, `cancel`, `slowTasks`, `maxSteps`, `leaks`: see {@link ExploreOptions}
 * @returns how many schedules were run, and whether there are more
 * @throws an ExplorationError for the first schedule that fails, with a seed, the choices that matter and a timeline; a `CorioError`
 * if the program is not deterministic
 * @example
 * explore(
 *   function* () {
 *     let count = 0;
 *     function* increment(): Coroutine<void> {
 *       const before = count;
 *       yield* sleep(0);
 *       count = before + 1;
 *     }
 *     yield* gather(increment(), increment());
 *     if (count !== 2) throw new Error(`an update was lost: ${count}`);
 *   },
 *   { schedules: 1_000 },
 * );
 */
export function explore(program: Program<unknown>, options: ExploreOptions = {}): Exploration {
  return synchronously(new Explorer(program, options).explore());
}

/**
 * The same as {@link explore} for programs that wait for promises: whenever all tasks wait, the reactions of promises run.
 *
 * @param program a function that makes a new coroutine each time, and everything that it works on
 * @param options see {@link ExploreOptions}
 * @returns a promise of how many schedules were run, and whether there are more
 * @throws like {@link explore}; the promise rejects then
 * @example
 * await exploreAsync(function* () {
 *   const text = yield* until(Promise.resolve("text"));
 *   if (text !== "text") throw new Error(text);
 * });
 */
export function exploreAsync(program: Program<unknown>, options: ExploreOptions = {}): Promise<Exploration> {
  return asynchronously(new Explorer(program, options).explore());
}

/**
 * Runs a program under one schedule: to look at a failure that `explore` has found, with a debugger or with more output.
 *
 * @param program the same that was explored
 * @param seed the `seed` or the `schedule` of the ExplorationError
 * @param options what was given to `explore`: `maxSteps`, `leaks`, and for a seed `cancel` and `slowTasks`, which a schedule tells itself
 * @returns what the program returned
 * @throws an ExplorationError if it fails; a `CorioError` if it passes and the schedule does not fit it
 * @example
 * replay(function* () {
 *   yield* sleep(0);
 * }, "ordinary");
 */
export function replay<T>(program: Program<T>, seed: string, options: ReplayOptions = {}): T {
  return synchronously(new Explorer(program, options).replay(seed));
}

/** The same as {@link replay} for programs that wait for promises. */
export function replayAsync<T>(program: Program<T>, seed: string, options: ReplayOptions = {}): Promise<T> {
  return asynchronously(new Explorer(program, options).replay(seed));
}

/** What the drivers are asked for: everything waits, so let promises settle. */
type Pause = ScheduleRun<unknown>;

function synchronously<T>(work: Generator<Pause, T, void>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    if (!value.waitsForPromise) continue;
    throw new CorioError(
      "ERR_CORIO_REAL_WAIT",
      "the program waits for a promise, and no promise settles while explore() runs: write `await exploreAsync(program)`",
    );
  }
}

async function asynchronously<T>(work: Generator<Pause, T, void>): Promise<T> {
  const activity = new RealActivity();
  activity.begin();
  try {
    for (;;) {
      const { done, value: run } = work.next();
      if (done) return run;
      const end = realNow() + REAL_LIMIT;
      await activity.settle();
      while (run.idle && (run.held || !activity.quiet)) {
        if (realNow() > end) throw realTimeout();
        await activity.pause();
      }
    }
  } finally {
    activity.end();
  }
}

// How long an explored program may wait for something real at one place, in milliseconds.
const REAL_LIMIT = 30_000;

function realTimeout(): CorioError {
  return new CorioError(
    "ERR_CORIO_REAL_TIMEOUT",
    `the explored program waits for something real that has not come for ${REAL_LIMIT} ms: a timer, a request, a socket, or who is to ` +
      "end `loop.hold()`",
  );
}

class Explorer<T> {
  readonly #program: Program<T>;
  #options: RunOptions;
  readonly #schedules: number;
  readonly #seed: number;
  readonly #delays: number;
  #run = 0;
  #steps = 0;

  constructor(program: Program<T>, options: ExploreOptions) {
    if (typeof program !== "function") throw notAProgram(program);
    const { cancel = false, slowTasks = false, maxSteps = 10_000, leaks = true } = options;
    const { schedules = 1_000, seed = 1, delays = Number.POSITIVE_INFINITY } = options;
    this.#program = program;
    this.#options = { cancel, slowTasks, maxSteps, leaks: leaks === false ? NOTHING : leaks === true ? {} : leaks };
    this.#schedules = atLeast("schedules", schedules, 1);
    if (!Number.isSafeInteger(seed)) throw notAnOption(`seed is a whole number, not ${String(seed)}`);
    this.#seed = seed;
    this.#delays = atLeast("delays", delays, 0);
    atLeast("maxSteps", maxSteps, 1);
  }

  *explore(): Generator<Pause, Exploration, void> {
    const ordinary = yield* this.#perform(new Follow([]), true);
    if (ordinary.failure !== undefined) yield* this.#report(ordinary, encodeSchedule([]));
    const half = this.#delays === 0 ? 0 : Math.ceil(this.#schedules / 2);
    const search = new SystematicSearch(this.#delays, Math.max(half - 1, 0), randomFrom(this.#seed));
    search.add(ordinary.openings as Openings);
    for (let branch = search.next(); branch !== undefined; branch = search.next()) {
      const schedule = scheduleOf(branch);
      const run = yield* this.#perform(new Follow(schedule), true);
      if (run.failure !== undefined) yield* this.#report(run, encodeSchedule(schedule));
      search.add(run.openings as Openings, branch);
    }
    const horizon = ordinary.step;
    while (!search.exhausted && this.#run < this.#schedules) {
      const seed: RandomSeed = { seed: this.#seed, number: this.#run, horizon };
      const run = yield* this.#perform(this.#drawn(seed), false);
      if (run.failure !== undefined) yield* this.#report(run, encodeSeed(seed));
    }
    return { schedules: this.#run, steps: this.#steps, exhaustive: search.exhausted };
  }

  *replay(seed: string): Generator<Pause, T, void> {
    const random = decodeSeed(seed);
    const schedule = random === undefined ? decodeSchedule(seed) : [];
    // what a schedule contains need not be allowed besides
    if (schedule.some(({ kind }) => kind === "cancel")) this.#options = { ...this.#options, cancel: () => true };
    if (schedule.some(({ kind }) => kind === "time")) this.#options = { ...this.#options, slowTasks: true };
    const timeline = new Timeline();
    const steering = random === undefined ? new Follow(schedule) : this.#drawn(random);
    const run = yield* this.#perform(steering, false, timeline);
    if (run.failure === undefined) {
      const missed = schedule.find(
        ({ step, kind }) => !run.taken.some((one) => one.step === step && one.kind === kind),
      );
      if (missed !== undefined) throw doesNotFit(missed);
      return run.result as T;
    }
    throw new ExplorationError({
      failure: run.failure,
      seed,
      number: 1,
      schedules: 0,
      schedule: run.taken,
      deviations: run.taken.length,
      timeline: timeline.entries,
    });
  }

  #drawn({ seed, number, horizon }: RandomSeed): Steering {
    const random = randomFrom(Math.imul(seed, 0x9e3779b1) + number);
    const kinds = { cancel: this.#options.cancel !== false, time: this.#options.slowTasks };
    return number % 2 === 0 ? new AnyOrder(random, horizon, kinds) : new ByPriority(random, horizon, kinds);
  }

  *#perform(steering: Steering, record: boolean, timeline?: Timeline): Generator<Pause, ScheduleRun<T>, void> {
    const run = new ScheduleRun(this.#program, steering, this.#options, {
      record,
      ...(timeline !== undefined && { observer: timeline }),
    });
    const steps = run.run();
    const isOver = (): boolean => steps.next().done === true;
    while (!(timeline === undefined ? withoutStacks(isOver) : isOver())) yield run;
    this.#run++;
    this.#steps += run.step;
    return run;
  }

  *#report(found: ScheduleRun<T>, seed: string): Generator<Pause, never, void> {
    const failure = found.failure as Failure;
    const number = this.#run;
    const shortest = yield* this.#shorten(found.taken, failure);
    const timeline = new Timeline();
    const again = yield* this.#perform(new Follow(shortest), false, timeline);
    if (again.failure === undefined || !isAlike(again.failure, failure)) throw notDeterministic(failure, seed);
    throw new ExplorationError({
      failure: again.failure,
      seed,
      number,
      schedules: this.#schedules,
      schedule: again.taken,
      deviations: found.taken.length,
      timeline: timeline.entries,
    });
  }

  *#shorten(schedule: Schedule, failure: Failure): Generator<Pause, Schedule, void> {
    const explorer = this;
    let pause: Pause | undefined;
    const shrinking = shrink(schedule, function* (attempt) {
      const performing = explorer.#perform(new Follow(attempt), false);
      for (;;) {
        const { done, value } = performing.next();
        if (done) return value.failure !== undefined && isAlike(value.failure, failure) ? value.taken : undefined;
        pause = value;
        yield;
      }
    });
    for (;;) {
      const { done, value } = shrinking.next();
      if (done) return value;
      if (pause !== undefined) yield pause;
    }
  }
}

const NOTHING: LeakOptions = { tasks: false, timers: false, errors: false };

/** What a random schedule is drawn by: it depends on how long the ordinary one is. */
interface RandomSeed {
  readonly seed: number;
  readonly number: number;
  readonly horizon: number;
}

/** A schedule that is only searched needs no stacks, which cost more than all the rest: the report runs it again. */
function withoutStacks<T>(search: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return search();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function encodeSeed({ seed, number, horizon }: RandomSeed): string {
  return `${seed}/${number}/${horizon}`;
}

function decodeSeed(text: string): RandomSeed | undefined {
  const { seed, number, horizon } = /^(?<seed>-?\d+)\/(?<number>\d+)\/(?<horizon>\d+)$/.exec(text)?.groups ?? {};
  return seed === undefined ? undefined : { seed: Number(seed), number: Number(number), horizon: Number(horizon) };
}

function atLeast(option: string, value: number, least: number): number {
  if (value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && value >= least)) return value;
  throw notAnOption(`${option} is a whole number, ${least} or more, not ${String(value)}`);
}

function notAnOption(text: string): Error {
  return Object.assign(new RangeError(text), { code: "ERR_CORIO_EXPLORE" });
}

function doesNotFit(missed: Deviation): CorioError {
  return new CorioError(
    "ERR_CORIO_SCHEDULE",
    `the program passes, but "${encodeSchedule([missed])}" of this schedule did not take place: so much was not ready there, or the program had ` +
      "ended. It is not the program that was explored, or not with these options: explore it again",
  );
}

function notDeterministic({ error }: Failure, seed: string): CorioError {
  return new CorioError(
    "ERR_CORIO_NOT_DETERMINISTIC",
    `the program failed once (${error.name}: ${error.message}), and not again under the same schedule (${seed}): it is not ` +
      "deterministic. Make all that it works on inside the function that is explored, and let nothing depend on Math.random(), " +
      "Date.now() or what an earlier run has left",
    { cause: error },
  );
}
