import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { isName } from "./subprocess-options.js";

/**
 * @internal What Node says of a child that could not be started, in words that tell what is wrong: the system has one code
 * for a missing program, a missing working directory and a missing interpreter.
 */
export function cannotStart(error: unknown, program: string, cwd: string | undefined): unknown {
  if (!(error instanceof Error) || typeof (error as NodeJS.ErrnoException).errno !== "number") return error;
  const { code = "", errno, syscall, path = program } = error as NodeJS.ErrnoException;
  const text = `cannot start ${JSON.stringify(program)}: ${reason(code, program, cwd) ?? error.message}`;
  const { spawnargs } = error as { spawnargs?: unknown };
  return Object.assign(new Error(text, { cause: error }), {
    code,
    errno,
    syscall,
    path,
    ...(spawnargs === undefined ? {} : { spawnargs }),
  });
}

function reason(code: string, program: string, cwd: string | undefined): string | undefined {
  if (cwd !== undefined && (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES")) {
    const stats = statSync(cwd, { throwIfNoEntry: false });
    if (stats === undefined) return `its cwd does not exist: ${cwd} (${code})`;
    if (!stats.isDirectory()) return `its cwd is no directory: ${cwd} (${code})`;
  }
  if (code === "ENOENT" && isName(program)) {
    const hint = /\s/.test(program)
      ? "; arguments go into the array, and a whole command line to createSubprocessShell"
      : "";
    return `no such program in the PATH (${code})${hint}`;
  }
  if (code === "ENOENT") {
    const there = existsSync(resolve(cwd ?? ".", program));
    return there ? `the interpreter that its first line names does not exist (${code})` : `no such file (${code})`;
  }
  if (code === "EACCES") return `no permission, or no file that can be run: chmod +x (${code})`;
  if (code === "E2BIG")
    return `its arguments and environment are too long: write them to its stdin, or to a file (${code})`;
  if (code === "EPERM") return `not permitted: only root may set uid and gid (${code})`;
  if (code === "EBADF") return `a file descriptor for stdin, stdout or stderr is not open (${code})`;
  return undefined;
}
