import {
  chmodSync,
  closeSync,
  createWriteStream,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { attempt, type Coroutine, createTask, Future, gather, run, until, within } from "corio";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSubprocessExec, createSubprocessShell } from "../../src/subprocess/create-subprocess.js";
import type { Process } from "../../src/subprocess/process.js";
import { text } from "../support/bytes.js";
import { ended, expectNothingLeft, lives, node, runQuietly } from "./children.js";

expectNothingLeft();

let folder = "";
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "corio-subprocess-"))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a child with a pipe for stdout writes there. */
function* output(starting: Coroutine<Process<{ stdout: "pipe" }>>): Coroutine<string> {
  const child = yield* starting;
  return yield* within(child, function* () {
    const [out] = yield* child.communicate();
    expect(yield* child.wait()).toBe(0);
    return text(out);
  });
}

/** Why a child could not be started. */
async function refusal(starting: () => Coroutine<unknown>): Promise<NodeJS.ErrnoException> {
  const result = await runQuietly(() => attempt(starting()));
  if (result.ok) throw new Error("it was started");
  return result.error as NodeJS.ErrnoException;
}

const PIPED = { stdout: "pipe" } as const;

describe("createSubprocessExec", () => {
  test("gives the program its arguments as they are, without a shell", async () => {
    const args = ["a b", "$HOME", "*", '"', "", "ü"];
    const script = "process.stdout.write(JSON.stringify(process.argv.slice(1)))";
    const start = (): Coroutine<Process<typeof PIPED>> =>
      createSubprocessExec(process.execPath, ["-e", script, "--", ...args], PIPED);
    expect(JSON.parse(await run(output(start())))).toEqual(args);
  });

  test("looks for a name in the PATH", async () => {
    expect(await run(output(createSubprocessExec("echo", ["found"], PIPED)))).toBe("found\n");
  });

  test("starts the child in a cwd, a path or a URL, with an environment and a name for itself", async () => {
    const script =
      "process.stdout.write([process.cwd(), process.env.GREETING, process.env.HOME, process.argv0].join())";
    for (const cwd of [folder, pathToFileURL(`${folder}/`)]) {
      const env = { GREETING: "hello", HOME: undefined };
      expect(await run(output(node(script, { stdout: "pipe", cwd, env, argv0: "somebody" })))).toBe(
        [folder, "hello", "", "somebody"].join(),
      );
    }
  });

  test.skipIf(process.getuid?.() !== 0)("starts the child as another user", async () => {
    const options = { stdout: "pipe", uid: 12_345, gid: 54_321 } as const;
    expect(await run(output(createSubprocessShell("id -u; id -g", options)))).toBe("12345\n54321\n");
  });

  test("returns without waiting, so that a cancellation cannot come in between and leave a child", async () => {
    await run(function* () {
      const task = createTask(function* () {
        task.cancel();
        const child = yield* node("", { stdin: "ignore" });
        expect(child.pid).toBeGreaterThan(0);
        return yield* within(child, () => child.wait());
      });
      const result = yield* attempt(gather([task], { returnExceptions: true }));
      expect(result).toMatchObject({ ok: true });
      expect(task.cancelled).toBe(true);
    });
  });
});

describe("createSubprocessShell", () => {
  test("runs a command line", async () => {
    const options = { stdout: "pipe", env: { ...process.env, NAME: "b" } } as const;
    expect(await run(output(createSubprocessShell("printf 'c\\n'$NAME'\\na\\n' | sort", options)))).toBe("a\nb\nc\n");
  });

  test("uses another shell", async () => {
    const shell = join(folder, "shell");
    writeFileSync(shell, '#!/bin/sh\necho "other: $1 $2"\n');
    chmodSync(shell, 0o755);
    expect(await run(output(createSubprocessShell("the command", { stdout: "pipe", shell })))).toBe(
      "other: -c the command\n",
    );
  });

  test("leaves it to the shell to tell of a missing command", async () => {
    await run(function* () {
      const child = yield* createSubprocessShell("no-such-command-at-all", { stderr: "pipe" });
      const [, err] = yield* child.communicate();
      expect(text(err)).toContain("no-such-command-at-all");
      expect(child.returnCode).toBe(127);
    });
  });
});

describe("standard streams", () => {
  test("go to a file descriptor, a FileHandle, an open stream, which all stay open", async () => {
    await run(function* () {
      const path = join(folder, "output");
      const fd = openSync(path, "w");
      const handle = yield* until(open(path, "a"));
      const stream = createWriteStream(path, { flags: "a" });
      yield* until(new Promise((resolve) => stream.once("open", resolve)));
      for (const stdout of [fd, handle, stream]) {
        const child = yield* createSubprocessExec("echo", ["line"], { stdout });
        expect(child.stdout).toBeUndefined();
        expect(yield* child.wait()).toBe(0);
      }
      closeSync(fd);
      yield* until(handle.close());
      yield* until(new Promise<void>((resolve) => stream.close(() => resolve())));
      expect(readFileSync(path, "utf8")).toBe("line\n".repeat(3));
    });
  });

  test("go to a socket", async () => {
    await runQuietly(function* () {
      const accepted = new Future<Socket>();
      const server = createServer((socket) => accepted.setResult(socket)).listen(0, "127.0.0.1");
      yield* until(new Promise((resolve) => server.once("listening", resolve)));
      const { port } = server.address() as { port: number };
      const socket = connect(port, "127.0.0.1");
      yield* until(new Promise((resolve) => socket.once("connect", resolve)));
      const other = yield* accepted;
      const child = yield* createSubprocessExec("echo", ["over", "TCP"], { stdout: socket });
      expect(yield* child.wait()).toBe(0);
      socket.destroy();
      const pieces: Uint8Array[] = [];
      yield* until(new Promise((resolve) => other.on("data", (data) => pieces.push(data)).once("close", resolve)));
      server.close();
      expect(Buffer.concat(pieces).toString()).toBe("over TCP\n");
    });
  });

  test("come from nowhere and go nowhere", async () => {
    await run(function* () {
      const child = yield* createSubprocessShell("cat; echo x; echo y >&2", {
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
      });
      expect(yield* child.wait()).toBe(0);
      expect([child.stdin, child.stdout, child.stderr]).toEqual([undefined, undefined, undefined]);
    });
  });

  test("stderr goes into the pipe of stdout, in the order of writing", async () => {
    await runQuietly(function* () {
      const script = "for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done";
      const child = yield* createSubprocessShell(script, { stdout: "pipe", stderr: "stdout" });
      expect(child.stderr).toBeUndefined();
      const [out, err] = yield* child.communicate();
      expect(err).toBeUndefined();
      expect(text(out)).toBe([1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => `out ${i}\nerr ${i}\n`).join(""));
    });
  });

  test("stderr goes to where stdout goes if that is no pipe", async () => {
    await run(function* () {
      const path = join(folder, "both");
      const fd = openSync(path, "w");
      const child = yield* createSubprocessShell("echo out; echo err >&2", { stdout: fd, stderr: "stdout" });
      expect(yield* child.wait()).toBe(0);
      closeSync(fd);
      expect(readFileSync(path, "utf8")).toBe("out\nerr\n");
    });
  });

  test("a pipe of stdout and stderr is blocking for the child, as others are, and takes many megabytes", async () => {
    await runQuietly(function* () {
      const script =
        "const m = Buffer.alloc(1 << 20); for (let i = 0; i < 8; i++) { fs.writeSync(1, m); fs.writeSync(2, m); }";
      const child = yield* node(script, { stdout: "pipe", stderr: "stdout" });
      const [out] = yield* child.communicate();
      expect(child.returnCode).toBe(0);
      expect(out.length).toBe(16 << 20);
    });
  });

  test("a cancellation while that pipe is made leaves nothing", async () => {
    await runQuietly(function* () {
      const task = createTask(node("", { stdout: "pipe", stderr: "stdout" }));
      yield* until(Promise.resolve());
      task.cancel();
      expect(yield* attempt(gather([task], { returnExceptions: true }))).toMatchObject({ ok: true });
      expect(task.cancelled).toBe(true);
    });
  });
});

describe("a child that cannot be started", () => {
  test("because the program is missing", async () => {
    const error = await refusal(() =>
      createSubprocessExec("no-such-program", ["x"], { stdin: "pipe", stdout: "pipe" }),
    );
    expect(error).toMatchObject({ code: "ENOENT", path: "no-such-program", spawnargs: ["x"] });
    expect(error.message).toBe('cannot start "no-such-program": no such program in the PATH (ENOENT)');
    expect(error.cause).toMatchObject({ code: "ENOENT", syscall: "spawn no-such-program" });
    const file = await refusal(() => createSubprocessExec("./no-such-program"));
    expect(file.message).toMatch(/^cannot start ".\/no-such-program": no such file/);
  });

  test("because a command line was given for a program", async () => {
    const { message } = await refusal(() => createSubprocessExec("ls -l"));
    expect(message).toMatch(/arguments go into the array/);
  });

  test("because its cwd is missing or no directory", async () => {
    const missing = join(folder, "missing");
    const error = await refusal(() =>
      createSubprocessExec("ls", [], { cwd: missing, stdout: "pipe", stderr: "stdout" }),
    );
    expect(error).toMatchObject({ code: "ENOENT" });
    expect(error.message).toBe(`cannot start "ls": its cwd does not exist: ${missing} (ENOENT)`);
    const file = join(folder, "file");
    writeFileSync(file, "");
    const other = await refusal(() => createSubprocessShell("ls", { cwd: file, stdout: "pipe", stderr: "stdout" }));
    expect(other).toMatchObject({ code: "ENOTDIR" });
    expect(other.message).toBe(`cannot start "the shell": its cwd is no directory: ${file} (ENOTDIR)`);
  });

  test("because it may not be executed", async () => {
    const file = join(folder, "not-executable");
    writeFileSync(file, "", { mode: 0o644 });
    const error = await refusal(() => createSubprocessExec(file));
    expect(error).toMatchObject({ code: "EACCES", message: expect.stringMatching(/no permission.*chmod/) });
  });

  test("because its interpreter is missing", async () => {
    const file = join(folder, "script");
    writeFileSync(file, "#!/no/such/interpreter\n", { mode: 0o755 });
    const error = await refusal(() => createSubprocessExec(file));
    expect(error).toMatchObject({ code: "ENOENT", message: expect.stringMatching(/interpreter/) });
  });

  test("because its arguments are too long", async () => {
    const error = await refusal(() => createSubprocessExec("echo", ["x".repeat(4 << 20)]));
    expect(error).toMatchObject({ code: "E2BIG", message: expect.stringMatching(/too long: write them to its stdin/) });
  });

  test("because a file descriptor is not open", async () => {
    const error = await refusal(() => createSubprocessExec("ls", [], { stdout: 99_999 }));
    expect(error).toMatchObject({ code: "EBADF", message: expect.stringMatching(/not open/) });
  });

  test("and a cancellation meanwhile is a cancellation", async () => {
    await runQuietly(function* () {
      const task = createTask(createSubprocessExec("no-such-program", [], { stdout: "pipe" }), { eagerStart: true });
      task.cancel();
      yield* gather([task], { returnExceptions: true });
      expect(task.cancelled).toBe(true);
    });
  });
});

describe("wrong arguments", () => {
  const wrong = (value: unknown): never => value as never;

  test.each<[string, () => Coroutine<unknown>, RegExp]>([
    ["PROGRAM", () => createSubprocessExec(""), /the program is a string/],
    ["PROGRAM", () => createSubprocessExec(wrong(["ls"])), /the program is a string/],
    ["PROGRAM", () => createSubprocessExec("l\0s"), /NUL/],
    ["ARGUMENTS", () => createSubprocessExec("ls", wrong("-l")), /createSubprocessExec\("ls", \["-l"\], \{ … \}\)/],
    ["ARGUMENTS", () => createSubprocessExec("ls", wrong({ cwd: "/" })), /array of strings/],
    ["ARGUMENTS", () => createSubprocessExec("ls", wrong(["-w", 80])), /args\[1\] is a string, not 80: write "80"/],
    ["ARGUMENTS", () => createSubprocessExec("ls", ["a", "b\0c"]), /args\[1\] has a NUL/],
    ["OPTIONS", () => createSubprocessExec("ls", [], wrong("pipe")), /options are an object/],
    ["ARGUMENTS", () => createSubprocessExec("ls", [], { argv0: "\0" }), /argv0 has a NUL/],
    ["COMMAND", () => createSubprocessShell(""), /the command is a string/],
    ["COMMAND", () => createSubprocessShell("echo \0"), /NUL/],
    ["OPTIONS", () => createSubprocessShell("ls", wrong(["-l"])), /createSubprocessShell\(command, \{ … \}\)/],
    ["SHELL", () => createSubprocessShell("ls", { shell: wrong(true) }), /shell is a string/],
    ["CWD", () => createSubprocessExec("ls", [], { cwd: "/\0" }), /cwd has a NUL/],
    ["ENV", () => createSubprocessExec("ls", [], { env: wrong({ N: 1 }) }), /write { N: "1" }/],
    ["ENV", () => createSubprocessExec("ls", [], { env: { N: "a\0" } }), /env.N has a NUL/],
    ["LIMIT", () => createSubprocessExec("ls", [], { limit: 0 }), /more than 0/],
    ["GRACE_PERIOD", () => createSubprocessExec("ls", [], { gracePeriod: Number.NaN }), /milliseconds/],
    [
      "STDIO",
      () => createSubprocessExec("ls", [], { stdin: wrong("stdout") }),
      /stdin is "pipe", "inherit", "ignore", a/,
    ],
    ["STDIO", () => createSubprocessExec("ls", [], { stderr: wrong("out") }), /"stdout", a file descriptor.*not "out"/],
    ["STDIO", () => createSubprocessExec("ls", [], { stdout: -1 }), /not -1/],
    [
      "STDIO",
      () => createSubprocessExec("ls", [], { stdout: wrong({}) }),
      /stdout is a stream without a file descriptor/,
    ],
  ])("%s are refused before anything is started (%#)", (code, start, message) => {
    expect(start).toThrow(TypeError);
    expect(start).toThrow(
      expect.objectContaining({ code: `ERR_CORIO_${code}`, message: expect.stringMatching(message) }),
    );
  });
});

test("fifty children at once", async () => {
  const outputs = await runQuietly(function* () {
    const numbers = Array.from({ length: 50 }, (_, i) => i);
    return yield* gather(
      numbers.map(function* (i) {
        const child = yield* createSubprocessExec("cat", [], { stdin: "pipe", stdout: "pipe" });
        return yield* within(child, function* () {
          const [out] = yield* child.communicate(String(i));
          return [Number(text(out)), child.returnCode];
        });
      }),
    );
  });
  expect(outputs).toEqual(Array.from({ length: 50 }, (_, i) => [i, 0]));
});

test("a child that is forgotten is killed when its loop is closed, and its group", async () => {
  const child = await run(function* () {
    const shell = yield* createSubprocessShell("sleep 1000 & echo $!; wait", { stdout: "pipe", processGroup: true });
    return { shell, sleeper: Number(text(yield* shell.stdout.readline())) };
  });
  await run(function* () {
    yield* gather(ended(child.shell.pid), ended(child.sleeper));
  });
  expect(child.shell.signal).toBe("SIGKILL");
  expect(lives(child.shell.pid)).toBe(false);
});
