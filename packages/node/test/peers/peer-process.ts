import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { onTestFinished } from "vitest";

/** How a process ended, and all it wrote. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program of somebody else's at the other end of a connection. It ends with its test at the latest. */
export class PeerProcess {
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();
  readonly #command: string;
  stdout = "";
  stderr = "";
  readonly ended: Promise<Ended>;

  constructor(
    command: string,
    args: readonly string[],
    { env = {}, ...options }: Pick<SpawnOptions, "cwd" | "env"> = {},
  ) {
    this.#command = [command, ...args].join(" ");
    // a group of its own, so that what it starts ends with it
    this.#child = spawn(command, args, { ...options, detached: true, env: { ...process.env, ...env } });
    for (const name of ["stdout", "stderr"] as const) {
      this.#child[name]?.setEncoding("utf8").on("data", (text: string) => {
        this[name] += text;
        for (const watcher of this.#watchers) watcher();
      });
    }
    // of a peer that has ended
    this.#child.stdin?.on("error", () => {});
    this.ended = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.on("close", (code, signal) => {
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
    onTestFinished(async () => {
      this.kill("SIGKILL");
      await this.ended;
    });
  }

  /** Writes to its standard input. */
  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Ends its standard input. */
  end(text = ""): void {
    this.#child.stdin?.end(text);
  }

  /** Waits until it has written what matches, to standard output or error. */
  async wrote(pattern: RegExp): Promise<RegExpExecArray> {
    const search = (): RegExpExecArray | null => pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
    const written = new Promise<void>((resolve) => {
      const watcher = (): void => {
        if (search() === null) return;
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
      watcher();
    });
    await Promise.race([written, this.ended]);
    const match = search();
    if (match !== null) return match;
    throw new Error(`${this.#command} has ended and did not write ${pattern}:\n${this.stdout}${this.stderr}`);
  }

  /** Waits for its end, which must be a good one. */
  async succeeded(): Promise<Ended> {
    const ended = await this.ended;
    if (ended.code === 0) return ended;
    const how = ended.signal ?? `exit code ${ended.code}`;
    throw new Error(`${this.#command} ended by ${how}:\n${ended.stdout}${ended.stderr}`);
  }

  kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    try {
      if (pid !== undefined) process.kill(-pid, signal);
    } catch {
      // It has ended.
    }
  }
}
