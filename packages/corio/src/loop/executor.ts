import type { Awaitable } from "../tasks/coroutine.js";

/** What runs functions somewhere else than on the loop: threads, processes, other machines. */
export interface Executor {
  /**
   * Runs `fn(...args)` elsewhere.
   *
   * @returns the result, which can be awaited
   */
  submit<Args extends unknown[], R>(fn: (...args: Args) => R, ...args: Args): Awaitable<Awaited<R>>;
  /** Takes no more work and waits for what it has. */
  shutdown(): Awaitable<void>;
}
