import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import type { Duplex } from "node:stream";
import { type Coroutine, type EventLoop, type Future, getRunningLoop } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import { ChildPipe } from "./child-pipe.js";
import { Process } from "./process.js";
import { socketPair } from "./socket-pair.js";
import { cannotStart } from "./spawn-error.js";
import {
  checkArguments,
  checkProgram,
  checkText,
  cwdOf,
  envOf,
  type ExecOptions,
  gracePeriodOf,
  type Inherited,
  limitOf,
  type ShellOptions,
  stdioOf,
  type SubprocessOptions,
} from "./subprocess-options.js";

/**
 * Starts a program as a child process (spawn). No shell is involved: the program gets its arguments as they are.
 *
 * Use it as a context manager: then the child does not outlive its block, see {@link Process}.
 *
 * @param program a path, or a name that is looked for in the PATH
 * @param args its arguments
 * @param options `stdin`, `stdout`, `stderr` (default: this process's own), `cwd`, `env` and more: see {@link ExecOptions}
 * @returns the process, which runs
 * @throws Node's error with its `code`, and a text that says what is missing: `ENOENT` (the program, the `cwd`), `EACCES`, …;
 * a `TypeError` for wrong arguments, before anything is started
 *
 * *If cancelled*, no child is left. It is started without waiting, unless `stderr` is `"stdout"`.
 * @example
 * const child = yield* createSubprocessExec("git", ["log", "--oneline"], { stdout: "pipe" });
 * yield* within(child, function* () {
 *   yield* forEach(child.stdout, (line) => console.log(line.length));
 *   console.log(yield* child.wait());
 * });
 * @see https://docs.python.org/3/library/asyncio-subprocess.html#asyncio.create_subprocess_exec
 */
export function createSubprocessExec<const O extends ExecOptions = Inherited>(
  program: string,
  args: readonly string[] = [],
  options?: O,
): Coroutine<Process<O>> {
  checkProgram(program);
  checkArguments(program, args);
  const { argv0 } = checkOptions(options, "createSubprocessExec(program, args, { … })") as ExecOptions;
  if (argv0 !== undefined) checkText(argv0, "ARGUMENTS", "argv0");
  return start(program, program, args, argv0 === undefined ? {} : { argv0 }, settingsOf(options));
}

/**
 * Runs a command line in a shell, as a child process: pipelines, redirections, patterns and variables work. What comes from
 * outside does not belong into the text, where the shell would take it for code: give it to the command by `env`, or use
 * {@link createSubprocessExec}.
 *
 * A signal reaches the shell; what the shell has started gets it with `processGroup: true`.
 *
 * @param command for the shell
 * @param options `stdin`, `stdout`, `stderr` (default: this process's own), `shell`, `env` and more: see {@link ShellOptions}
 * @returns the shell's process, which runs
 * @throws Node's error with its `code` if the shell or the `cwd` is missing; that a command was not found the shell tells, by
 * the exit code 127
 *
 * *If cancelled*, no child is left. It is started without waiting, unless `stderr` is `"stdout"`.
 * @example
 * const child = yield* createSubprocessShell("sort < $FILE | uniq -c", { stdout: "pipe", env: { ...process.env, FILE: "names" } });
 * const [output] = yield* child.communicate();
 * @see https://docs.python.org/3/library/asyncio-subprocess.html#asyncio.create_subprocess_shell
 */
export function createSubprocessShell<const O extends ShellOptions = Inherited>(
  command: string,
  options?: O,
): Coroutine<Process<O>> {
  checkText(command, "COMMAND", "the command");
  const { shell } = checkOptions(options, "createSubprocessShell(command, { … })") as ShellOptions;
  if (shell !== undefined) checkText(shell, "SHELL", "shell");
  return start(command, shell ?? "the shell", [], { shell: shell ?? true }, settingsOf(options));
}

function checkOptions(options: unknown, call: string): object {
  if (options === undefined) return {};
  if (typeof options === "object" && options !== null && !Array.isArray(options)) return options;
  throw invalidArgument("OPTIONS", `the options are an object: ${call}`);
}

function settingsOf(options: SubprocessOptions = {}) {
  const stdout = stdioOf(options, "stdout");
  return {
    limit: limitOf(options),
    gracePeriod: gracePeriodOf(options),
    processGroup: (options.processGroup ?? false) && process.platform !== "win32",
    cwd: cwdOf(options),
    env: envOf(options),
    uid: options.uid,
    gid: options.gid,
    windowsHide: options.windowsHide ?? false,
    stdin: stdioOf(options, "stdin"),
    stdout,
    stderr: stdioOf(options, "stderr"),
    // Node cannot give a child the same pipe twice
    sharedPipe: stdout === "pipe" && options.stderr === "stdout",
  };
}

function* start<O extends SubprocessOptions>(
  file: string,
  program: string,
  args: readonly string[],
  more: SpawnOptions,
  settings: ReturnType<typeof settingsOf>,
): Coroutine<Process<O>> {
  const loop = getRunningLoop();
  const { limit, gracePeriod, processGroup, cwd, env, uid, gid, windowsHide, stdin } = settings;
  let { stdout, stderr } = settings;
  const [ours, theirs] = settings.sharedPipe ? yield* socketPair() : [];
  if (theirs !== undefined) stdout = stderr = theirs;

  let child: ChildProcess;
  try {
    child = spawn(file, args, {
      ...more,
      stdio: [stdin, stdout, stderr],
      detached: processGroup,
      windowsHide,
      ...(cwd === undefined ? {} : { cwd }),
      ...(env === undefined ? {} : { env }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    });
  } catch (error) {
    ours?.destroy();
    throw cannotStart(error, program, cwd);
  } finally {
    theirs?.destroy();
  }
  if (child.pid === undefined) {
    ours?.destroy();
    throw cannotStart(yield* failure(loop, child), program, cwd);
  }
  const pipes = {
    stdin: pipe(loop, child.stdin, "out", limit),
    stdout: pipe(loop, ours ?? child.stdout, "in", limit),
    stderr: pipe(loop, child.stderr, "in", limit),
  };
  return new Process<O>(loop, child, pipes, gracePeriod, processGroup);
}

function pipe(loop: EventLoop, stream: unknown, direction: "in" | "out", limit: number): ChildPipe | undefined {
  return stream === null ? undefined : new ChildPipe(loop, stream as Duplex, direction, limit);
}

/** Why a child could not be started: Node tells so a little later. */
function* failure(loop: EventLoop, child: ChildProcess): Coroutine<Error> {
  const failed: Future<Error> = loop.createFuture();
  child.on("error", (error) => {
    if (!failed.done) failed.setResult(error);
  });
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.on("error", () => {}).destroy();
  return yield* failed;
}
