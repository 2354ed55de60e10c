import { ActiveRuns } from "./active-runs.js";
import { endProcess } from "./end-process.js";
import { formatError } from "./format-error.js";
import { ProgramSignals } from "./program-signals.js";

/** Options of a supervisor. */
export interface SupervisorOptions {
  /** Says which error ended the program; default prints it to standard error. */
  report?: (error: unknown) => void;
  /**
   * Whether it watches over the program's module as well, and so until the process ends: `moduleEnded()` says when the module
   * has been evaluated. Default false: it leaves the process to Node when no run is going on any more.
   */
  module?: boolean;
}

/**
 * Watches over the runs of a program from outside, for `runMain` and for the command `corio run`: SIGINT and SIGTERM cancel
 * them, and an error that nobody catches is printed and ends the process. It imports nothing of corio, for the program may
 * have a copy of its own.
 *
 *   watching ──signal──> signalled: runs are cancelled ──(they have ended, and so has the module)──> the process ends
 *      └──────error────────────────────────────────────────────────────────────────────────────────> the process ends
 */
export class Supervisor {
  /** The runs that are going on, of all copies of corio. */
  readonly runs = new ActiveRuns();
  readonly #signals: ProgramSignals;
  readonly #report: (error: unknown) => void;
  readonly #watchesModule: boolean;
  #moduleEnded = false;
  #failed = false;

  constructor(options: SupervisorOptions = {}) {
    this.#report = options.report ?? ((error) => void process.stderr.write(`${formatError(error)}\n`));
    this.#watchesModule = options.module ?? false;
    // Two frames a coroutine, of which one is shown: V8's ten would show five coroutines.
    if (Error.stackTraceLimit === 10) Error.stackTraceLimit = 50;
    this.runs.install().onEmpty = this.#onEmpty;
    this.#signals = new ProgramSignals(this.runs);
    process.on("uncaughtException", this.#onUncaught);
    // Whoever read it has gone: nobody is left to tell, and telling of that would fail again, and again.
    process.stderr.on("error", ignore);
  }

  /** Whether a signal has told the program to end. */
  get signalled(): boolean {
    return this.#signals.received;
  }

  /** The program's module has been evaluated, its top-level awaits included. */
  moduleEnded(): void {
    this.#moduleEnded = true;
    this.#onEmpty();
  }

  /** Ends the process with 1 for an error that nobody catches, unless it is how a run ends that a signal cancelled. */
  fail(error: unknown): void {
    if (this.signalled && isCancellation(error)) return;
    this.#failed = true;
    process.exitCode = 1;
    this.#report(error);
    // One whose cleanup failed does not take the others' from them.
    if (!this.signalled || this.runs.size === 0) endProcess();
  }

  /** Leaves the process to Node. */
  uninstall(): void {
    this.runs.uninstall();
    this.#signals.uninstall();
    process.off("uncaughtException", this.#onUncaught);
    process.stderr.off("error", ignore);
  }

  // Also reached by rejections that nobody handles, unless the program has a say in them.
  readonly #onUncaught = (error: unknown): void => {
    if (process.listenerCount("uncaughtException") === 1) this.fail(error);
  };

  // A turn later: what awaited the run has gone on by then, and may have started another one to clean up.
  readonly #onEmpty = (): void => {
    setImmediate(() => {
      if (this.runs.size > 0) return;
      if (this.signalled) {
        if (this.#moduleEnded || !this.#watchesModule) endProcess();
      } else if (!this.#watchesModule && !this.#failed) this.uninstall();
    });
  };
}

function ignore(): void {}

// By its code: the program may have another copy of corio.
function isCancellation(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === "ERR_CORIO_CANCELLED";
}
