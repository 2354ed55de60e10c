import { Socket } from "node:net";
import { isAbsolute } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { invalidArgument } from "../errors/invalid-argument.js";
import { checkLimit, DEFAULT_LIMIT } from "../streams/stream-reader.js";

/**
 * Where a standard stream of a child comes from or goes to:
 * - `"pipe"`: a pipe to this process
 * - `"inherit"`: what this process has itself
 * - `"ignore"`: nowhere (asyncio's DEVNULL)
 * - a file descriptor, or what has one: a stream of `node:fs` that is open, a FileHandle, a socket of `node:net`. It stays open.
 */
export type StdioTarget = "pipe" | "inherit" | "ignore" | number | { readonly fd: number } | Readable | Writable;

/** How a child process is started, and how it ends. */
export interface SubprocessOptions {
  /** Default `"inherit"`. */
  stdin?: StdioTarget;
  /** Default `"inherit"`. */
  stdout?: StdioTarget;
  /** Default `"inherit"`; `"stdout"` (asyncio's STDOUT): to where the standard output goes, in the order of writing. */
  stderr?: StdioTarget | "stdout";
  /** For the readers of its output: how many bytes `readline` may look through, half of what is buffered; default 64 KiB. */
  limit?: number;
  /** The child's working directory; default this process's. */
  cwd?: string | URL;
  /** The child's whole environment; default this process's. Add to that by `{ ...process.env, NAME: "value" }`. */
  env?: Readonly<Record<string, string | undefined>>;
  /** The user that the child runs as. */
  uid?: number;
  /** The group of users that the child runs as. */
  gid?: number;
  /** Whether no console window opens on Windows; default false. */
  windowsHide?: boolean;
  /**
   * Whether the child becomes the head of a process group of its own (and of a session): signals go to all of the group then,
   * also those by which the block ends it. So what the child has started itself does not outlive it, unless it leaves the
   * group. Ctrl-C in a terminal does not reach such a child. Windows has no such groups: there it means nothing. Default false.
   */
  processGroup?: boolean;
  /** For how many milliseconds a child that is terminated at the end of its block may clean up before it is killed; default 5,000. */
  gracePeriod?: number;
}

/** Options of `createSubprocessExec`. */
export interface ExecOptions extends SubprocessOptions {
  /** What the program is told to be called itself; default `program`. */
  argv0?: string;
}

/** Options of `createSubprocessShell`. */
export interface ShellOptions extends SubprocessOptions {
  /** The shell's path; default `/bin/sh`, on Windows what `ComSpec` says. It takes `-c command`. */
  shell?: string;
}

/** The standard streams of a child that was started without options. */
export interface Inherited {
  readonly stdin?: "inherit";
  readonly stdout?: "inherit";
  readonly stderr?: "inherit";
}

/** What there is of a standard stream: `T` if it was piped, else `undefined`; both if the compiler cannot know. */
export type Piped<O, Name extends "stdin" | "stdout" | "stderr", T> = O extends {
  readonly [key in Name]?: infer Target;
}
  ? Target extends "pipe"
    ? T
    : undefined
  : undefined;

/** @internal Bytes. */
export function limitOf({ limit = DEFAULT_LIMIT }: SubprocessOptions): number {
  return checkLimit(limit);
}

/** @internal */
export function gracePeriodOf({ gracePeriod = 5_000 }: SubprocessOptions): number {
  if (!(gracePeriod >= 0)) throw invalidArgument("GRACE_PERIOD", `gracePeriod is milliseconds, not ${gracePeriod}`);
  return gracePeriod;
}

/** @internal What Node's spawn takes for a standard stream. */
export function stdioOf(
  options: SubprocessOptions,
  name: "stdin" | "stdout" | "stderr",
): "pipe" | "ignore" | number | Socket {
  const { [name]: target = "inherit" } = options;
  if (target === "stdout" && name === "stderr") return stdioOf(options, "stdout");
  if (target === "pipe" || target === "ignore") return target;
  if (target === "inherit") return STANDARD[name];
  if (typeof target === "number" && Number.isInteger(target) && target >= 0) return target;
  if (target instanceof Socket && !target.destroyed) return target;
  if (typeof target === "object" && target !== null) {
    const { fd } = target as { fd?: unknown };
    if (typeof fd === "number" && fd >= 0) return fd;
    throw invalidArgument(
      "STDIO",
      `${name} is a stream without a file descriptor: a file's has one once it is open (yield* once(stream, "open")); for others write "pipe", and copy`,
    );
  }
  const more = name === "stderr" ? ', "stdout"' : "";
  throw invalidArgument(
    "STDIO",
    `${name} is "pipe", "inherit", "ignore"${more}, a file descriptor, or a stream that has one, not ${show(target)}`,
  );
}

const STANDARD = { stdin: 0, stdout: 1, stderr: 2 };

/** @internal */
export function cwdOf({ cwd }: SubprocessOptions): string | undefined {
  const path = cwd instanceof URL ? fileURLToPath(cwd) : cwd;
  if (path !== undefined) checkText(path, "CWD", "cwd");
  return path;
}

/** @internal */
export function envOf({ env }: SubprocessOptions): Record<string, string | undefined> | undefined {
  for (const [name, value] of Object.entries(env ?? {})) {
    checkText(name, "ENV", "a name of env", value);
    if (value === undefined) continue;
    if (typeof value !== "string") {
      throw invalidArgument("ENV", `env has texts: write { ${name}: "${String(value)}" }`);
    }
    checkText(`=${value}`, "ENV", `env.${name}`);
  }
  return env;
}

/** @internal */
export function checkProgram(program: unknown): asserts program is string {
  checkText(program, "PROGRAM", "the program");
}

/** @internal */
export function checkArguments(program: string, args: unknown): asserts args is readonly string[] {
  if (!Array.isArray(args)) {
    const given = typeof args === "string" ? show(args) : "…";
    throw invalidArgument(
      "ARGUMENTS",
      `the arguments are an array of strings: createSubprocessExec(${show(program)}, [${given}], { … })`,
    );
  }
  for (const [i, argument] of args.entries()) {
    if (typeof argument !== "string") {
      throw invalidArgument("ARGUMENTS", `args[${i}] is a string, not ${show(argument)}: write "${String(argument)}"`);
    }
    checkText(`=${argument}`, "ARGUMENTS", `args[${i}]`);
  }
}

/** @internal */
export function checkText(text: unknown, code: string, what: string, of: unknown = text): asserts text is string {
  if (typeof text !== "string" || text === "") {
    throw invalidArgument(code, `${what} is a string with something in it, not ${show(of)}`);
  }
  if (text.includes("\0")) {
    throw invalidArgument(code, `${what} has a NUL character in it, which the system takes for its end`);
  }
}

/** @internal Whether the system looks for a program of this name in the PATH. */
export function isName(program: string): boolean {
  return !isAbsolute(program) && !/[/\\]/.test(program);
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : typeof value === "object" ? "an object" : String(value);
}
