import { isatty } from "node:tty";
import type { ActiveRuns } from "./active-runs.js";
import { endProcess } from "./end-process.js";

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
type ProgramSignal = keyof typeof EXIT_CODES;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

// One Ctrl-C in a terminal can arrive twice: from the terminal, which signals all processes in the foreground, and
// passed on by npm or another runner. No hand presses it twice within this many milliseconds.
const SAME_KEY_PRESS = 100;

/**
 * What SIGINT (Ctrl-C) and SIGTERM do to a program.
 *
 * - The first one cancels the main task of every run that is going on (the reason is the signal's name). When no run is
 *   going on, the process ends at once.
 * - The second one ends the process at once.
 * - The exit code is 130 or 143, unless the program sets one of its own or fails while it cleans up.
 * - While the program itself listens to the signal, it is left alone.
 */
export class ProgramSignals {
  readonly #runs: ActiveRuns;
  #first: { readonly signal: ProgramSignal; readonly at: number } | undefined;
  readonly #listeners = SIGNALS.map((signal) => ({ signal, listener: () => this.#receive(signal) }));

  constructor(runs: ActiveRuns) {
    this.#runs = runs;
    for (const { signal, listener } of this.#listeners) process.on(signal, listener);
  }

  /** Whether a signal has told the program to end. */
  get received(): boolean {
    return this.#first !== undefined;
  }

  /** Leaves the signals to Node. */
  uninstall(): void {
    for (const { signal, listener } of this.#listeners) process.off(signal, listener);
  }

  #receive(signal: ProgramSignal): void {
    if (isHandledByProgram(signal)) return;
    const first = this.#first;
    const now = performance.now();
    if (first?.signal === signal && now - first.at < SAME_KEY_PRESS && isInTerminal()) return;
    process.exitCode = EXIT_CODES[signal];
    if (first !== undefined) process.exit();
    this.#first = { signal, at: now };
    if (this.#runs.size === 0) return endProcess();
    for (const run of [...this.#runs]) run.cancel(signal);
  }
}

function isHandledByProgram(signal: ProgramSignal): boolean {
  return process.listenerCount(signal) - 1 > exitWatchers();
}

// The package signal-exit, part of many command-line tools, listens to signals only to learn that the process ends, and
// publishes how many of its listeners there are (version 4, version 3).
function exitWatchers(): number {
  const version4 = (globalThis as { [key: symbol]: unknown })[Symbol.for("signal-exit emitter")];
  const version3 = (process as { __signal_exit_emitter__?: unknown }).__signal_exit_emitter__;
  return [version4, version3].reduce<number>((sum, emitter) => {
    const count = (emitter as { count?: unknown } | undefined)?.count;
    return sum + (typeof count === "number" ? count : 0);
  }, 0);
}

function isInTerminal(): boolean {
  return isatty(0) || isatty(1) || isatty(2);
}
