import { CorioError } from "corio";
import type { LeakOptions } from "../leaks/left-on-loop.js";
import { randomFrom } from "../random/random.js";
import { ExplorationError } from "./exploration-error.js";
import type { Exploration, ExploreOptions } from "./explore-options.js";
import { type Failure, isAlike } from "./failure.js";
import { decodeSeed, encodeSeed, type RandomSeed } from "./random-seed.js";
import { decodeSchedule, type Deviation, encodeSchedule, type Schedule } from "./schedule.js";
import { notAProgram, type Openings, type Program, type RunOptions, ScheduleRun } from "./schedule-run.js";
import { shrink } from "./shrink.js";
import { AnyOrder, ByPriority, Follow, type Steering } from "./steering.js";
import { scheduleOf, SystematicSearch } from "./systematic-search.js";
import { Timeline } from "./timeline.js";

/** What whoever drives an exploration is asked for: everything waits in this run, so let promises settle. */
export type Pause = ScheduleRun<unknown>;

/**
 * Explores a program, or replays one schedule of it. Its generators yield whenever everything waits.
 *
 *   the ordinary order ──> systematic search ──> random schedules
 *            └───────────────────┴── one that fails ──> shortened ──> run again, written down ──> ExplorationError
 */
export class Explorer<T> {
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
    this.#delays = delays === Number.POSITIVE_INFINITY ? delays : atLeast("delays", delays, 0);
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

function atLeast(option: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
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
