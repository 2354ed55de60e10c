import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const corio = fileURLToPath(new URL("../../packages/cli/dist/bin.js", import.meta.url));

/** A program that `corio run` runs in a process of its own. Leaving its block ends it at once, if it is still there. */
export class StartedProgram {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #end: Promise<{ code: number | null; stderr: string }>;
  readonly #output: string[] = [];

  /** @param file relative to the folder of the examples */
  constructor(file: string, ...args: string[]) {
    const program = fileURLToPath(new URL(`../${file}`, import.meta.url));
    const child = spawn(process.execPath, [corio, "run", program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const code = new Promise<number | null>((resolve) => child.once("close", resolve));
    this.#end = Promise.all([code, text(child.stderr)]).then(([code, stderr]) => ({ code, stderr }));
  }

  /** The next line that it prints. */
  async line(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done) throw new Error(`the program has ended: ${JSON.stringify(await this.#end)}`);
    this.#output.push(value);
    return value;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }

  /** Waits for its end. `output` has all lines, those that were read before included. */
  async ended(): Promise<{ code: number | null; output: string[]; stderr: string }> {
    for (let next = await this.#lines.next(); !next.done; next = await this.#lines.next())
      this.#output.push(next.value);
    return { ...(await this.#end), output: this.#output };
  }
}
