import { writeSync } from "node:fs";
import { basename } from "node:path";
import { ActiveRuns } from "./active-runs.js";
import type { RunCommand } from "./command-line.js";
import { endProcess } from "./end-process.js";
import { findMain, nameOf, notACoroutine } from "./find-main.js";
import { loadProgram } from "./load-program.js";
import { corioOf } from "./program-corio.js";
import { programFile } from "./program-file.js";
import { reportError } from "./report-error.js";
import { Signals } from "./signals.js";

/**
 * `corio run`: runs the program's module and, unless that has called `run()` itself, the main coroutine it exports.
 *
 * Like any Node process, this one goes on while something keeps it alive, also when main has ended; it ends early only
 * after an error and after a signal.
 */
export async function runProgram({ program, args, debug }: RunCommand): Promise<void> {
  const file = programFile(program);
  process.argv.splice(1, process.argv.length - 1, file, ...args);
  if (debug) process.env["CORIO_DEBUG"] = "1";
  // Two frames a coroutine, of which one is shown: V8's ten would show five coroutines.
  if (Error.stackTraceLimit === 10) Error.stackTraceLimit = 50;
  const runs = new ActiveRuns().install();
  const signals = new Signals(runs);

  const fail = (error: unknown): void => {
    // How a run ends that a signal cancelled.
    if (signals.received && isCancellation(error)) return;
    process.exitCode = 1;
    reportError(error);
    // One whose cleanup failed does not take the others' from them.
    if (!signals.received || runs.size === 0) endProcess();
  };
  // Also reached by rejections that nobody handles, unless the program has a say in them.
  process.on("uncaughtException", (error) => {
    if (process.listenerCount("uncaughtException") === 1) fail(error);
  });

  try {
    const stopWaiting = exitWith13IfUnfinished(file);
    const namespace = await loadProgram(file).finally(stopWaiting);
    signals.moduleEnded();
    if (runs.everStarted) return;
    const main = findMain(file, namespace);
    if (main === undefined) return;
    const corio = await corioOf(file);
    if (!main.isNamed && !corio.isCoroutineFunction(main.make)) return;
    await corio.run(
      () => {
        const made = main.make([...args]);
        if (!corio.isCoroutine(made)) throw notACoroutine(file, `returned ${nameOf(made)}`);
        return made;
      },
      debug ? { debug } : {},
    );
  } catch (error) {
    signals.moduleEnded();
    fail(error);
  }
}

// As Node does it when nothing is left that could end a top-level await; process.exit() is another matter.
function exitWith13IfUnfinished(file: string): () => void {
  let drained = false;
  const onBeforeExit = (): void => {
    drained = true;
  };
  const onExit = (): void => {
    if (!drained || process.exitCode !== undefined) return;
    process.exitCode = 13;
    writeSync(2, `corio: ${basename(file)} waits in a top-level await for something that can no longer happen\n`);
  };
  process.on("beforeExit", onBeforeExit).on("exit", onExit);
  return () => process.off("beforeExit", onBeforeExit).off("exit", onExit);
}

// By its code: the program may have a copy of corio that is not ours.
function isCancellation(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === "ERR_CORIO_CANCELLED";
}
