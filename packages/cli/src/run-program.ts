import { writeSync } from "node:fs";
import { basename } from "node:path";
import { Supervisor } from "@corio/node/program";
import type { RunCommand } from "./command-line.js";
import { findMain, nameOf, notACoroutine } from "./find-main.js";
import { loadProgram } from "./load-program.js";
import { corioOf } from "./program-corio.js";
import { programFile } from "./program-file.js";
import { reportError } from "./report-error.js";

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
  const supervisor = new Supervisor({ module: true, report: reportError });
  try {
    const stopWaiting = exitWith13IfUnfinished(file);
    const namespace = await loadProgram(file).finally(stopWaiting);
    supervisor.moduleEnded();
    if (supervisor.runs.everStarted) return;
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
    supervisor.moduleEnded();
    supervisor.fail(error);
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
