import { type Main, run, type RunnerOptions } from "corio";
import { ActiveRuns } from "./active-runs.js";
import { Supervisor } from "./supervisor.js";

/**
 * Runs a program of the command line: the last line of its file. Runs `main` as `run` does, and sees to what the process owes
 * to those who started it.
 *
 * - SIGINT (Ctrl-C) and SIGTERM cancel the main task of every run that is going on in the process, with the signal's name as
 *   the reason. When all have cleaned up, the process ends, whatever else is open. A second signal ends it at once. While the
 *   program listens to a signal itself, by `addSignalHandler` or `process.on`, that signal is the program's alone.
 * - An error that nobody catches is printed to standard error with its stack, its cause and the members of a group, and ends
 *   the process, once all output is written.
 * - The exit code is 1 after an error, also one while cleaning up; else 130 or 143 after a SIGINT or a SIGTERM, also if main
 *   caught the cancellation; else 0. A `process.exitCode` that main sets takes the place of the last three, one after a signal
 *   only if it is set after the signal. What main returns is not looked at.
 *
 * When main ends by itself, the process goes on, as any does, for as long as something keeps it alive, and signals are Node's
 * matter again. Under the command `corio run`, which does all of this itself, runMain is no more than `run`.
 *
 * @param main a coroutine, a function that makes it, or another awaitable
 * @param options `debug`, `loopFactory`, `deadlock`, `asyncLocalStorage`: as for `run`
 * @throws at once inside a running loop (write `yield* main()` there) and for what cannot be run; a coroutine is closed then
 * @example
 * runMain(function* () {
 *   try {
 *     yield* main();
 *   } finally {
 *     yield* save(); // on Ctrl-C, too
 *   }
 * });
 * @see https://docs.python.org/3/library/asyncio-runner.html#handling-keyboard-interruption
 */
export function runMain(main: Main<unknown>, options: RunnerOptions = {}): void {
  const { installed } = ActiveRuns;
  if (installed !== undefined && installed !== supervisor?.runs) {
    // whoever supervises cancels this run, and gets to know of its error as of any that nobody handles
    void run(main, options);
    return;
  }
  const own = installed === undefined ? new Supervisor() : (supervisor as Supervisor);
  supervisor = own;
  try {
    run(main, options).catch((error: unknown) => own.fail(error));
  } catch (error) {
    if (own.runs.size === 0) own.uninstall();
    throw error;
  }
}

let supervisor: Supervisor | undefined;
