import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { onTestFinished } from "vitest";

const packages = fileURLToPath(new URL("../../..", import.meta.url));
const built = (file: string): string => {
  const path = join(packages, file);
  if (!existsSync(path)) throw new Error(`these tests run what is built, and ${path} is not: npm run build`);
  return path;
};
built("corio/dist/index.js");

/** What programs under test import: corio, and the modules of this package, of which a program would get all by its name. */
const IMPORTS = [
  `import * as corio from "corio";`,
  `import { runMain } from "${pathToFileURL(built("node/dist/program/run-main.js")).href}";`,
  `import * as signals from "${pathToFileURL(built("node/dist/signals/signal-handlers.js")).href}";`,
  `const { createTask, currentTask, ExceptionGroup, Future, getRunningLoop, isCancelled, run, sleep, until } = corio;`,
  `const { addSignalHandler, removeSignalHandler } = signals;`,
].join(" ");

/** How a process ended, and all it wrote. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program as a process of its own: JavaScript, with the names of corio and of this package at hand. */
export class ProgramProcess {
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();
  stdout = "";
  stderr = "";
  readonly ended: Promise<Ended>;

  /** @param options `supervised`: runs it by the command `corio run` instead of by Node */
  constructor(source: string, { supervised = false }: { supervised?: boolean } = {}) {
    const folder = mkdtempSync(join(tmpdir(), "corio-node-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(join(packages, "corio"), join(folder, "node_modules", "corio"), "junction");
    const program = join(folder, "program.mjs");
    writeFileSync(program, `${IMPORTS}\n${source}`);
    const inherited = { ...process.env };
    // A program under test must not look like a worker of vitest.
    for (const name of ["NODE_OPTIONS", "CORIO_DEBUG", "VITEST"]) delete inherited[name];
    const args = supervised ? [built("cli/dist/bin.js"), "run", program] : [program];
    this.#child = spawn(process.execPath, args, { env: inherited });
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

  /** Writes to the program's standard input. */
  tell(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Nobody reads the program's standard error any more: writing to it fails. */
  async closeStandardError(): Promise<void> {
    const { stderr } = this.#child;
    if (stderr === null) return;
    const closed = new Promise((resolve) => stderr.once("close", resolve));
    stderr.destroy();
    await closed;
  }

  /** No more of the program's output is read until {@link resume}. */
  pause(): void {
    this.#child.stdout?.pause();
  }

  resume(): void {
    this.#child.stdout?.resume();
  }
}

/** Runs a program to its end. */
export function runProgram(source: string, options?: { supervised?: boolean }): Promise<Ended> {
  return new ProgramProcess(source, options).ended;
}
