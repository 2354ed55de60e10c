/**
 * What a loop stands on: a clock, "run me soon" and "run me at". The loop owns nothing else of where it runs, so a test
 * can put it on a clock of its own.
 */
export interface Host {
  /** Milliseconds from a fixed point; never runs backwards. */
  now(): number;
  /** Calls `turn` once, soon, and never before it returns. */
  requestTurn(turn: () => void): void;
  /**
   * Calls `turn` once when `now()` has reached `when`. However far away `when` is; `Infinity` never comes, but still
   * keeps the host alive.
   *
   * @returns a function that calls it off
   */
  requestTurnAt(when: number, turn: () => void): () => void;
  /**
   * Calls `idle` whenever the host has nothing left that could ever call back. A host that cannot know leaves it out.
   *
   * @returns a function that calls it off
   */
  onIdle?(idle: () => void): () => void;
  /** Keeps the host alive although it may have nothing to do. Returns a function that lets it go. */
  keepAlive?(): () => void;
  /**
   * Captures the asynchronous context (AsyncLocalStorage) of the caller.
   *
   * @returns a function that runs another in it
   */
  captureAsyncContext?(): AsyncContextRunner;
}

/** Runs a function in an asynchronous context that was captured before. */
export type AsyncContextRunner = (run: () => void) => void;
