import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** What a foreign process may be given. */
export interface ForeignProcessOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** Told each line of its standard output. */
  readonly onLine?: (line: string) => void;
  /** Told each line of its standard error. */
  readonly onErrorLine?: (line: string) => void;
}

/** A program of others that runs until it is stopped. If it ends before, whoever waits for it gets what it wrote to standard error. */
export class ForeignProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #name: string;
  readonly #closed: Promise<void>;
  #ended: string | undefined;
  #stopped = false;
  #stderr = "";

  constructor(command: string, args: readonly string[], { cwd, env, onLine, onErrorLine }: ForeignProcessOptions = {}) {
    this.#name = [command, ...args].join(" ");
    this.#child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: "pipe" });
    createInterface({ input: this.#child.stdout }).on("line", (line) => onLine?.(line));
    createInterface({ input: this.#child.stderr }).on("line", (line) => onErrorLine?.(line));
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-KEPT_OF_STDERR);
    });
    // of a process that has ended
    this.#child.stdin.on("error", () => {});
    const kill = (): void => void this.#child.kill("SIGKILL");
    process.once("exit", kill);
    this.#closed = new Promise((resolve) => {
      this.#child.once("error", (error) => {
        this.#ended = error.message;
      });
      this.#child.once("close", (code, signal) => {
        this.#ended ??= signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
        process.off("exit", kill);
        resolve();
      });
    });
  }

  /** Writes a line to its standard input. */
  writeLine(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /**
   * Waits for something that it is to do.
   *
   * @param limit milliseconds
   * @throws if it ends, or takes longer: with what it has written to standard error
   */
  async whileRunning<T>(promise: Promise<T>, limit = 30_000): Promise<T> {
    let alarm: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      alarm = setTimeout(() => reject(this.#error(`did not answer within ${limit} ms`)), limit);
    });
    const ended = this.#closed.then(() => Promise.reject(this.#error(this.#ended)));
    try {
      return await Promise.race([promise, ended, tooLate]);
    } finally {
      clearTimeout(alarm);
    }
  }

  /**
   * Ends it, and waits for that.
   *
   * @throws if it had ended by itself
   */
  async stop(): Promise<void> {
    if (this.#ended !== undefined && !this.#stopped) throw this.#error(this.#ended);
    this.#stopped = true;
    this.#child.kill("SIGTERM");
    const alarm = setTimeout(() => this.#child.kill("SIGKILL"), GRACE);
    await this.#closed;
    clearTimeout(alarm);
  }

  #error(what: string | undefined): Error {
    return new Error(`${this.#name} ${what}${this.#stderr && `:\n${this.#stderr}`}`);
  }
}

/** Letters. */
const KEPT_OF_STDERR = 8_192;

/** Milliseconds between asking a process to end and ending it. */
const GRACE = 5_000;
