import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const packages = fileURLToPath(new URL("../..", import.meta.url));
const bin = join(packages, "cli", "dist", "bin.js");

for (const built of [
  bin,
  ...["corio/dist/index.js", "node/dist/program/index.js"].map((file) => join(packages, file)),
]) {
  if (!existsSync(built)) throw new Error(`these tests run what is built, and ${built} is not: npm run build`);
}

/**
 * A folder that lasts as long as the test, with the given files in it, in which programs find corio.
 *
 * @param files sources by file name; `package.json` is an ES module's unless it is given
 */
export function project(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "corio-cli-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(join(packages, "corio"), join(folder, "node_modules", "corio"), "junction");
  for (const [name, source] of Object.entries({ "package.json": `{ "type": "module" }`, ...files })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), source);
  }
  return folder;
}

/** How a process ended, and all it wrote. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `corio …` as a process of its own. */
export class CorioProcess {
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();
  stdout = "";
  stderr = "";
  readonly ended: Promise<Ended>;

  constructor(
    args: readonly string[],
    { cwd, env = {}, command = bin }: { cwd?: string; env?: Record<string, string>; command?: string } = {},
  ) {
    const inherited = { ...process.env };
    // A program under test must not look like a worker of vitest.
    for (const name of ["NODE_OPTIONS", "CORIO_DEBUG", "VITEST"]) delete inherited[name];
    this.#child = spawn(process.execPath, [command, ...args], { cwd, env: { ...inherited, ...env } });
    for (const name of ["stdout", "stderr"] as const) {
      this.#child[name]?.setEncoding("utf8").on("data", (text: string) => {
        this[name] += text;
        for (const watcher of this.#watchers) watcher();
      });
    }
    this.ended = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.on("close", (code, signal) => {
        for (const watcher of this.#watchers) watcher();
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
    onTestFinished(() => void this.#child.kill("SIGKILL"));
  }

  /** Waits until the process has written `text` to standard output. */
  async wrote(text: string): Promise<void> {
    const written = new Promise<void>((resolve) => {
      const watcher = (): void => {
        if (!this.stdout.includes(text)) return;
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
      watcher();
    });
    const ended = await Promise.race([written, this.ended]);
    if (ended === undefined || this.stdout.includes(text)) return;
    throw new Error(`ended with ${ended.code ?? ended.signal} before it wrote ${text}:\n${this.stdout}${this.stderr}`);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** No more of the program's output is read until {@link resume}. */
  pause(): void {
    this.#child.stdout?.pause();
  }

  resume(): void {
    this.#child.stdout?.resume();
  }
}

/** Starts `corio run` of a program, given as its source. */
export function start(
  source: string,
  { name = "program.ts", args = [] as readonly string[], options = [] as readonly string[] } = {},
) {
  return new CorioProcess(["run", ...options, name, ...args], { cwd: project({ [name]: source }) });
}

/** Runs `corio run` of a program, given as its source, to its end. */
export function corioRun(source: string, how?: Parameters<typeof start>[1]): Promise<Ended> {
  return start(source, how).ended;
}
