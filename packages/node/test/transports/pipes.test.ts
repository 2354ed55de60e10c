import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, mkdtempSync, open, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { attempt, type Coroutine, Event, Future, run, sleep, until, within } from "corio";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSubprocessExec, createSubprocessShell } from "../../src/subprocess/create-subprocess.js";
import { connectReadPipe, connectWritePipe } from "../../src/transports/pipes.js";
import type { Protocol } from "../../src/transports/protocol.js";
import type { Transport } from "../../src/transports/transport.js";
import { joined, pattern, text } from "../support/bytes.js";
import { expectNothingLeft, runQuietly } from "../subprocess/children.js";

expectNothingLeft();

let folder = "";
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "corio-pipes-"))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Keeps what it is told. */
class Recorder implements Protocol {
  readonly told: string[] = [];
  readonly pieces: Uint8Array[] = [];
  readonly received = new Event();
  readonly eof = new Event();
  readonly lost = new Future<Error | undefined>();
  readonly paused = new Event();
  readonly resumed = new Event();
  connectionMade(): void {
    this.told.push("made");
  }
  dataReceived(data: Uint8Array): void {
    this.pieces.push(data);
    this.received.set();
  }
  eofReceived(): boolean {
    this.told.push("eof");
    this.eof.set();
    return true;
  }
  connectionLost(error: Error | undefined): void {
    this.told.push("lost");
    this.lost.setResult(error);
  }
  pauseWriting(): void {
    this.paused.set();
  }
  resumeWriting(): void {
    this.resumed.set();
  }
  get text(): string {
    return text(joined(this.pieces));
  }
}
const record = (): Recorder => new Recorder();

let fifos = 0;
/** A FIFO that is open at both ends. */
function* fifo(): Coroutine<[reading: number, writing: number]> {
  const path = join(folder, `fifo-${++fifos}`);
  execFileSync("mkfifo", [path]);
  // each end waits for the other to be opened, off this thread
  const opening = promisify(open);
  return yield* until(Promise.all([opening(path, "r"), opening(path, "w")]));
}

const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

describe("a FIFO", () => {
  test("carries bytes from one descriptor to the other, and its end", async () => {
    await runQuietly(function* () {
      const [reading, writing] = yield* fifo();
      const [input, reader] = yield* connectReadPipe(record, reading);
      const [output, writer] = yield* connectWritePipe(record, writing);
      expect(input.getExtraInfo("peername")).toBeUndefined();
      const data = pattern(1 << 20);
      output.write(data);
      yield* writer.paused.wait();
      yield* writer.resumed.wait();
      output.writeEof();
      expect(yield* reader.lost).toBeUndefined();
      expect(yield* writer.lost).toBeUndefined();
      expect(Buffer.compare(joined(reader.pieces), data)).toBe(0);
      expect(reader.told).toEqual(["made", "eof", "lost"]);
      expect(writer.told).toEqual(["made", "lost"]);
      expect([isOpen(reading), isOpen(writing)]).toEqual([false, false]);
      expect([input.isClosing, output.isClosing]).toEqual([true, true]);
    });
  });

  test("whose reader is gone ends its writer with EPIPE", async () => {
    await runQuietly(function* () {
      const [reading, writing] = yield* fifo();
      const [output, writer] = yield* connectWritePipe(record, writing);
      closeSync(reading);
      output.write("x");
      expect(yield* writer.lost).toMatchObject({ code: "EPIPE" });
    });
  });

  test("makes its writer wait while the reading is paused", async () => {
    await runQuietly(function* () {
      const [reading, writing] = yield* fifo();
      const [input, reader] = yield* connectReadPipe(record, reading);
      const [output, writer] = yield* connectWritePipe(record, writing);
      input.pauseReading();
      output.write(new Uint8Array(4 << 20));
      yield* writer.paused.wait();
      for (let i = 0; i < 20; i++) yield* sleep(1);
      expect(writer.resumed.isSet).toBe(false);
      expect(reader.pieces.length).toBe(0);
      input.resumeReading();
      yield* writer.resumed.wait();
      output.close();
      yield* reader.lost;
      expect(joined(reader.pieces).length).toBe(4 << 20);
    });
  });

  test("can only be read at one end and only be written at the other", async () => {
    await runQuietly(function* () {
      const [reading, writing] = yield* fifo();
      const [input] = yield* connectReadPipe(record, reading);
      const [output] = yield* connectWritePipe(record, writing);
      const notWritable = expect.objectContaining({ code: "ERR_CORIO_NOT_WRITABLE" });
      expect(() => input.write("x")).toThrow(notWritable);
      expect(() => input.writeEof()).toThrow(notWritable);
      expect(input.canWriteEof).toBe(false);
      output.pauseReading();
      output.resumeReading();
      expect(output.canWriteEof).toBe(true);
      input.abort();
      output.abort();
      yield* (input.protocol as Recorder).lost;
      yield* (output.protocol as Recorder).lost;
    });
  });

  test("is closed with the loop", async () => {
    const descriptors = await run(function* () {
      const [reading, writing] = yield* fifo();
      yield* connectReadPipe(record, reading);
      yield* connectWritePipe(record, writing);
      return [reading, writing];
    });
    while (descriptors.some(isOpen)) await new Promise((resolve) => setImmediate(resolve));
  });
});

describe("streams", () => {
  test("of a child process are pipes", async () => {
    await runQuietly(function* () {
      const child = spawn("cat", { stdio: ["pipe", "pipe", "inherit"] });
      const [output] = yield* connectWritePipe(record, child.stdin);
      const [, reader] = yield* connectReadPipe(record, child.stdout);
      output.writelines(["hello ", "cat"]);
      output.close();
      expect(yield* reader.lost).toBeUndefined();
      expect(reader.text).toBe("hello cat");
    });
  });

  test("made by programs are pipes, and tell of their errors", async () => {
    await runQuietly(function* () {
      const through = new PassThrough();
      const [output] = yield* connectWritePipe(record, through);
      const [input, reader] = yield* connectReadPipe(record, through);
      expect(input.getExtraInfo("pipe")).toBe(through);
      output.write("through");
      output.writeEof();
      yield* reader.lost;
      expect(reader.text).toBe("through");

      const failing = new Readable({ read: () => {} });
      const [, protocol] = yield* connectReadPipe(record, failing);
      failing.destroy(new Error("broken"));
      expect(yield* protocol.lost).toEqual(new Error("broken"));
    });
  });

  test("that never close by themselves are closed at their end", async () => {
    await runQuietly(function* () {
      const stream = new Readable({ read: () => {}, autoDestroy: false });
      const [, protocol] = yield* connectReadPipe(record, stream);
      stream.push("all");
      stream.push(null);
      yield* protocol.lost;
      expect(protocol.told).toEqual(["made", "eof", "lost"]);
      expect(stream.destroyed).toBe(true);
    });
  });
});

describe("other descriptors", () => {
  test("devices can be read and written", async () => {
    await runQuietly(function* () {
      const [, protocol] = yield* connectReadPipe(record, openSync("/dev/null", "r"));
      expect(yield* protocol.lost).toBeUndefined();
      const [output, writer] = yield* connectWritePipe(record, openSync("/dev/null", "w"));
      output.write("x");
      output.close();
      expect(yield* writer.lost).toBeUndefined();
    });
  });

  const wrong = (value: unknown): never => value as never;
  const ended = new PassThrough().destroy();
  test.each<[string, () => Coroutine<unknown>, RegExp]>([
    ["a file", () => connectReadPipe(record, openSync(join(folder, "file"), "r")), /createReadStream\(path\)/],
    ["a file", () => connectWritePipe(record, openSync(join(folder, "file"), "r+")), /createWriteStream\(path\)/],
    ["a directory", () => connectReadPipe(record, openSync(folder, "r")), /a file or a directory/],
    ["stdout", () => connectReadPipe(record, 1), /write process.stdin/],
    ["stdin", () => connectWritePipe(record, 0), /write process.stdout/],
    [
      "what is no descriptor",
      () => connectReadPipe(record, -1),
      /takes a file descriptor or a Readable of bytes.*not -1/,
    ],
    ["what is no descriptor", () => connectWritePipe(record, 1.5), /takes a file descriptor or a Writable of bytes/],
    ["another object", () => connectReadPipe(record, wrong({})), /not another object/],
    ["nothing", () => connectWritePipe(record, wrong(undefined)), /not undefined/],
    ["a stream that is only written", () => connectReadPipe(record, wrong(new Writable())), /a Readable/],
    ["a stream that is only read", () => connectWritePipe(record, wrong(new Readable())), /a Writable/],
    ["objects", () => connectReadPipe(record, new Readable({ objectMode: true })), /of bytes/],
    ["an ended stream", () => connectReadPipe(record, ended), /has ended/],
    ["an ended stream", () => connectWritePipe(record, ended), /has ended/],
    ["a class for a factory", () => connectReadPipe(wrong(Recorder), 0), /\(\) => new Echo\(\)/],
  ])("%s is refused (%#)", async (_what, connect, message) => {
    writeFileSync(join(folder, "file"), "");
    const result = await run(() => attempt(connect()));
    expect(result).toMatchObject({ ok: false, error: expect.any(TypeError) });
    expect(String((result as { error: unknown }).error)).toMatch(message);
  });

  test("one that is not open is refused by the system", async () => {
    const result = await run(() => attempt(connectReadPipe(record, 99_999)));
    expect(result).toMatchObject({ ok: false, error: { code: "EBADF" } });
  });

  test("what the factory throws is thrown, and the stream is left alone", async () => {
    await runQuietly(function* () {
      const stream = new PassThrough();
      const failing = (): Protocol => {
        throw new Error("no protocol");
      };
      expect(yield* attempt(connectReadPipe(failing, stream))).toMatchObject({ error: new Error("no protocol") });
      expect(stream.destroyed).toBe(false);
      stream.destroy();
    });
  });
});

/** A program that has the pipes of this package at hand. */
const program = (source: string): string[] => {
  const built = (path: string): string => new URL(`../../../${path}`, import.meta.url).href;
  return [
    "--input-type=module",
    "-e",
    `import { run, Event, Future, getRunningLoop } from "${built("corio/dist/index.js")}";
     import { connectReadPipe, connectWritePipe } from "${built("node/dist/transports/pipes.js")}";
     ${source}`,
  ];
};
const cwd = fileURLToPath(new URL("../..", import.meta.url));

describe("the standard streams of a process", () => {
  const SHOUT = `
    await run(function* () {
      const [output, written] = yield* connectWritePipe(() => ({ lost: new Future(), connectionLost() { this.lost.setResult(); } }), process.stdout);
      const [, input] = yield* connectReadPipe(() => ({
        lost: new Future(),
        dataReceived(data) { output.write(Buffer.from(data).toString().toUpperCase()); },
        connectionLost(error) { this.lost.setResult(error); },
      }), process.stdin);
      if ((yield* input.lost) !== undefined) throw new Error("lost");
      output.close();
      yield* written.lost;
    });
    console.log("still open");
    console.log(process.stdout.listenerCount("error") + process.stdin.listenerCount("data"));`;

  test.each([
    ["pipes", "printf 'some text\\n' | $NODE | cat"],
    ["a file", "printf 'some text\\n' > $FILE; $NODE < $FILE > $FILE.out; cat $FILE.out"],
    ["nothing", "$NODE < /dev/null; true"],
  ])("are %s, and stay open when their transports close", async (what, command) => {
    await runQuietly(function* () {
      const file = join(folder, "program.mjs");
      writeFileSync(file, program(SHOUT)[2] as string);
      const env = { ...process.env, NODE: `${process.execPath} ${file}`, FILE: join(folder, "text") };
      const child = yield* createSubprocessShell(command, { stdout: "pipe", env, cwd });
      const [out] = yield* child.communicate();
      expect(text(out)).toBe(`${what === "nothing" ? "" : "SOME TEXT\n"}still open\n0\n`);
      expect(child.returnCode).toBe(0);
    });
  });

  test.skipIf(process.platform !== "linux")("are a terminal", async () => {
    await runQuietly(function* () {
      const file = join(folder, "terminal.mjs");
      writeFileSync(file, program(SHOUT)[2] as string);
      const command = `script -qec "stty -echo; echo ready; ${process.execPath} ${file}" /dev/null`;
      const child = yield* createSubprocessShell(command, { stdin: "pipe", stdout: "pipe", cwd });
      yield* within(child, function* () {
        yield* child.stdout.readuntil("ready");
        // 4: the end of input, for a terminal
        child.stdin.write("some text\n\u0004");
        const out = text(yield* child.stdout.read());
        expect(out).toMatch(/SOME TEXT\r\n/);
        expect(out).toMatch(/still open/);
      });
    });
  });

  test("stdin that is no longer read lets the process end, and can be connected again", async () => {
    const source = `
      const next = function* () {
        const got = new Future();
        const [transport] = yield* connectReadPipe(() => ({ dataReceived: (data) => got.setResult(Buffer.from(data).toString()) }), 0);
        process.stdout.write("ready\\n");
        const data = yield* got;
        transport.close();
        return data;
      };
      await run(function* () { console.log(yield* next()); console.log(yield* next()); });`;
    await runQuietly(function* () {
      const args = program(source);
      const child = yield* createSubprocessExec(process.execPath, args, { stdin: "pipe", stdout: "pipe", cwd });
      yield* within(child, function* () {
        for (const word of ["one", "two"]) {
          expect(text(yield* child.stdout.readline())).toBe("ready\n");
          child.stdin.write(word);
          expect(text(yield* child.stdout.readline())).toBe(`${word}\n`);
        }
        // stdin is still open
        expect(yield* child.wait()).toBe(0);
      });
    });
  });

  test("stdout whose reader is gone tells the protocol, and does not end the process", async () => {
    const source = `
      await run(function* () {
        const lost = new Future();
        const [transport] = yield* connectWritePipe(() => ({ connectionLost: (error) => lost.setResult(error) }), process.stdout);
        const written = setInterval(() => transport.write("x".repeat(1000)), 1);
        const error = yield* lost;
        clearInterval(written);
        process.stderr.write(String(error?.code));
      });`;
    await runQuietly(function* () {
      const child = spawn(process.execPath, program(source), { stdio: ["ignore", "pipe", "pipe"], cwd });
      child.stdout.destroy();
      const [, reader] = yield* connectReadPipe(record, child.stderr);
      yield* reader.lost;
      const [code] = yield* until(child.exitCode === null ? once(child, "exit") : Promise.resolve([child.exitCode]));
      expect(reader.text).toBe("EPIPE");
      expect(code).toBe(0);
    });
  });
});

test("a transport keeps its protocol", async () => {
  await run(function* () {
    const [transport, protocol]: [Transport, Recorder] = yield* connectReadPipe(record, new PassThrough());
    expect(transport.protocol).toBe(protocol);
    expect(transport.isReading).toBe(true);
    transport.abort();
    yield* protocol.lost;
  });
});
