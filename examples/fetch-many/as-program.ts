import { realpathSync } from "node:fs";
import { constants } from "node:os";
import { pathToFileURL } from "node:url";
import { type Coroutine, run } from "corio";

/**
 * Runs `main` if its module is the program that Node was started with. It adds to `run` what `corio run` adds by itself,
 * and therefore does nothing there: the arguments, and that Ctrl-C cancels the main task, which then ends in its own
 * order. A second Ctrl-C ends the process at once.
 */
export async function runAsProgram(module: ImportMeta, main: (args: string[]) => Coroutine<unknown>): Promise<void> {
  const [, program, ...args] = process.argv;
  const byCorioRun = Symbol.for("corio.runs") in globalThis;
  if (byCorioRun || program === undefined || pathToFileURL(realpathSync(program)).href !== module.url) return;

  const interruption = new AbortController();
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  try {
    await run(() => main(args), { signal: interruption.signal });
  } catch (error) {
    if (error !== interruption.signal.reason) throw error;
  } finally {
    leaveSignalsAlone();
  }

  function interrupt(signal: NodeJS.Signals): void {
    if (interruption.signal.aborted) {
      leaveSignalsAlone();
      process.kill(process.pid, signal);
    }
    process.exitCode = 128 + constants.signals[signal];
    interruption.abort(new Error(`interrupted by ${signal}`));
  }

  function leaveSignalsAlone(): void {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}
