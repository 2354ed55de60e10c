import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createSubprocessExec, type StreamReader } from "@corio/node";
import { contextManager, type Coroutine, createTask, forEach, Future, within } from "corio";

/** Where a server can be reached, as a `Client` of `pg` takes it. */
export interface Address {
  /** The folder of its socket: it listens on no port. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

const port = 5_432;

/**
 * Runs `body` beside a PostgreSQL of its own, which is installed if need be, has its data in a temporary folder, and is gone
 * with it in the end. What is on the machine besides is not touched.
 */
export function* withPostgres(body: (address: Address) => Coroutine<void>): Coroutine<void> {
  const ensure = fileURLToPath(new URL("./ensure-postgresql.mjs", import.meta.url));
  const programs = (yield* execute(process.execPath, [ensure])).trim();
  const user = yield* unprivilegedUser();
  yield* within(temporaryFolder(user), function* (host) {
    const data = join(host, "data");
    const options = { ...user, cwd: host };
    yield* execute(
      join(programs, "initdb"),
      ["--pgdata", data, "--username=corio", "--auth=trust", "--locale=C", "--encoding=UTF8", "--no-sync"],
      options,
    );
    const server = yield* createSubprocessExec(
      join(programs, "postgres"),
      ["-D", data, "-k", host, "-p", String(port), "-c", "listen_addresses=", "-c", "fsync=off"],
      // Ctrl-C is for us: the server is stopped when nobody needs it any more
      { ...options, stdin: "ignore", stdout: "ignore", stderr: "pipe", processGroup: true },
    );
    const log = new Log();
    yield* within(server, inBackground(log.read(server.stderr)), function* () {
      yield* log.untilReady();
      try {
        yield* body({ host, port, user: "corio", database: "postgres" });
      } finally {
        server.sendSignal("SIGINT"); // its "fast shutdown", which waits for no client
        yield* server.wait();
      }
    });
  });
}

/** PostgreSQL refuses to be run by root. */
function* unprivilegedUser(): Coroutine<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  return { uid: Number(yield* execute("id", ["-u", "nobody"])), gid: Number(yield* execute("id", ["-g", "nobody"])) };
}

const temporaryFolder = contextManager(function* ({ uid, gid }: { uid?: number; gid?: number }) {
  const folder = mkdtempSync(join(tmpdir(), "corio-postgres-"));
  try {
    if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid);
    yield folder;
  } finally {
    rmSync(folder, { recursive: true }); // which a cancellation cannot interrupt
  }
});

/** Runs a program to its end. */
function* execute(program: string, args: string[], options: { uid?: number; gid?: number; cwd?: string } = {}) {
  const pipes = { stdin: "ignore", stdout: "pipe", stderr: "pipe" } as const;
  const child = yield* createSubprocessExec(program, args, { ...options, ...pipes });
  return yield* within(child, function* () {
    const [output, errors] = yield* child.communicate();
    if (child.returnCode === 0) return text(output);
    throw new Error(text(errors).trim() || `${program} ended with ${child.returnCode}`);
  });
}

/** What the server says. It is read to its end, or else the server would wait for that. */
class Log {
  readonly #ready = new Future<boolean>();
  readonly #beginning: string[] = [];

  *read(stderr: StreamReader): Coroutine<void> {
    yield* forEach(stderr, (bytes) => {
      if (this.#ready.done) return;
      const line = text(bytes);
      this.#beginning.push(line);
      if (line.includes("ready to accept connections")) this.#ready.setResult(true);
    });
    if (!this.#ready.done) this.#ready.setResult(false);
  }

  *untilReady(): Coroutine<void> {
    if (yield* this.#ready) return;
    throw new Error(`PostgreSQL did not start:\n${this.#beginning.join("")}`);
  }
}

const inBackground = contextManager(function* (coroutine: Coroutine<void>) {
  const task = createTask(coroutine);
  try {
    yield task;
  } finally {
    task.cancel();
  }
});

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
