import type { Task } from "corio";
import type { LeakOptions } from "../leaks/left-on-loop.js";

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
