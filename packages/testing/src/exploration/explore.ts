import { CorioError } from "corio";
import { RealActivity, realNow } from "../virtual-time/real-activity.js";
import type { Exploration, ExploreOptions, ReplayOptions } from "./explore-options.js";
import { Explorer, type Pause } from "./explorer.js";
import type { Program } from "./schedule-run.js";

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
