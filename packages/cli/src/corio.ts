import { readFileSync } from "node:fs";
import { parseCommandLine } from "./command-line.js";
import { help } from "./help.js";
import { runProgram } from "./run-program.js";
import { UsageError } from "./usage-error.js";

/** The `corio` command. What its user got wrong is said on standard error, and the exit code is 2. */
export async function corio(argv: readonly string[]): Promise<void> {
  try {
    const line = parseCommandLine(argv);
    switch (line.command) {
      case "help":
        process.stdout.write(help[line.topic]);
        return;
      case "version":
        process.stdout.write(`${version()}\n`);
        return;
      case "run":
        return await runProgram(line);
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`corio: ${error.message}\n`);
    process.exitCode = 2;
  }
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return (manifest as { version: string }).version;
}
