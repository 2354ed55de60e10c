import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { PeerProcess } from "../peers/peer-process.js";

// They run what is built, as a user would.
const built = fileURLToPath(new URL("../../dist/index.js", import.meta.url));
if (!existsSync(built)) throw new Error(`these tests run what is built, and ${built} is not: npm run build`);

/** How many files a process may have open at most. */
export function openFilesLimit(): number {
  if (process.platform === "win32") return Number.POSITIVE_INFINITY;
  const limit = execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).trim();
  return limit === "unlimited" ? Number.POSITIVE_INFINITY : Number(limit);
}

/** How often which error came. */
export type Errors = Record<string, number>;

/** A program of this folder, which tells in JSON what it has to tell, a line each. */
class Program extends PeerProcess {
  #told = 0;

  /** @param openFiles how many files it may have open; default as many as this process */
  constructor(file: string, args: readonly number[], openFiles: number | undefined) {
    const command = [process.execPath, file, ...args.map(String)] as const;
    if (openFiles === undefined) super(command[0], command.slice(1));
    else super("sh", ["-c", `ulimit -n ${openFiles}; exec "$0" "$@"`, ...command]);
  }

  /** Waits for what it tells next. */
  protected async next<T>(): Promise<T> {
    const [, line] = await this.wrote(new RegExp(`^(?:.*\\n){${this.#told++}}(\\{.+)\\n`));
    return JSON.parse(line as string) as T;
  }
}

/** What a {@link LineServer} tells: its connections, its tasks but for the main one, and what was reported to its loop. */
export interface ServerState {
  readonly connections: number;
  readonly tasks: number;
  readonly errors: Errors;
}

/** A server that sends every line back. */
export class LineServer extends Program {
  constructor(openFiles?: number) {
    super(fileURLToPath(new URL("line-server.mjs", import.meta.url)), [], openFiles);
  }

  /** Waits until it listens. */
  async port(): Promise<number> {
    return (await this.next<{ port: number }>()).port;
  }

  state(): Promise<ServerState> {
    this.write("now\n");
    return this.next();
  }

  /** Its state when the last connection has ended. */
  idle(): Promise<ServerState> {
    this.write("idle\n");
    return this.next();
  }

  /** Stops it, and waits for its end, which comes when nothing is left open. */
  async stopped(): Promise<ServerState> {
    this.end();
    const state = await this.next<ServerState>();
    await this.succeeded();
    return state;
  }
}

/** Many connections to a {@link LineServer}: they are opened, and over each goes a line there and back. */
export class LineClients extends Program {
  constructor(port: number, count: number, openFiles?: number) {
    super(fileURLToPath(new URL("line-clients.mjs", import.meta.url)), [port, count], openFiles);
  }

  /** How many are open and have got their line back, and what the others met with. */
  opened(): Promise<{ answered: number; errors: Errors }> {
    return this.next();
  }

  /** Sends another line there and back over each. */
  again(): Promise<{ answered: number; errors: Errors }> {
    this.write("again\n");
    return this.next();
  }

  /** Closes them, uses one more, and waits for its end, which comes when nothing is left open. */
  async closed(): Promise<{ closed: number; errors: Errors }> {
    this.end();
    const told = await this.next<{ closed: number; errors: Errors }>();
    await this.succeeded();
    return told;
  }
}
