/** A run of an event loop that is going on. */
export interface ActiveRun {
  /** Cancels the main task of the run, as `task.cancel(reason)` does. */
  cancel(reason?: unknown): boolean;
}

/**
 * The runs that are going on in this process.
 *
 * `run()` of every copy of corio that finds such a set under `Symbol.for("corio.runs")` on `globalThis` adds itself
 * before it returns, and takes itself out when its main task has ended and all is cleaned up, just before its promise
 * settles. That is how a signal reaches the main task of a program that calls `run()` itself.
 */
export class ActiveRuns extends Set<ActiveRun> {
  /** Whether there has been any run. */
  everStarted = false;
  /** Called when the last of the runs has ended. */
  onEmpty: (() => void) | undefined;

  /** Those that a supervisor watches over at present; `undefined` where there is none. */
  static get installed(): object | undefined {
    return (globalThis as { [RUNS]?: object })[RUNS];
  }

  /** Makes the set known to all copies of corio, for the runs that begin from now on. */
  install(): this {
    Object.defineProperty(globalThis, RUNS, { value: this, configurable: true });
    return this;
  }

  /** Takes it back. */
  uninstall(): void {
    if (ActiveRuns.installed === this) delete (globalThis as { [RUNS]?: object })[RUNS];
  }

  override add(run: ActiveRun): this {
    this.everStarted = true;
    return super.add(run);
  }

  override delete(run: ActiveRun): boolean {
    const deleted = super.delete(run);
    if (deleted && this.size === 0) this.onEmpty?.();
    return deleted;
  }
}

const RUNS = Symbol.for("corio.runs");
