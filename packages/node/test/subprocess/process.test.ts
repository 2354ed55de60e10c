import { constants } from "node:os";
import { attempt, type Coroutine, createTask, forEach, gather, isCancelled, run, sleep, timeout, within } from "corio";
import { afterEach, describe, expect, test, vi } from "vitest";
import { StreamReader } from "../../src/streams/stream-reader.js";
import { createSubprocessExec, createSubprocessShell } from "../../src/subprocess/create-subprocess.js";
import { Transport } from "../../src/transports/transport.js";
import { pattern, text } from "../support/bytes.js";
import { ended, expectNothingLeft, lives, node, PATIENT, readNumber, runQuietly, runWith } from "./children.js";

expectNothingLeft();
afterEach(() => void vi.restoreAllMocks());

const PIPES = { stdin: "pipe", stdout: "pipe", stderr: "pipe" } as const;

describe("the return code", () => {
  test("is null while the child runs, then its exit code", async () => {
    await runWith("process.stdin.once('data', () => process.exit(7))", { stdin: "pipe" }, function* (child) {
      expect([child.returnCode, child.signal]).toEqual([null, null]);
      child.stdin.write("go");
      expect(yield* child.wait()).toBe(7);
      expect([child.returnCode, child.signal]).toEqual([7, null]);
      expect(yield* child.wait()).toBe(7);
    });
  });

  test.each(["SIGTERM", "SIGKILL", "SIGINT", "SIGUSR1"] as const)("is negative after %s", async (signal) => {
    await runQuietly(function* () {
      const child = yield* createSubprocessExec("sleep", ["1000"]);
      expect(child.sendSignal(signal)).toBe(true);
      expect(yield* child.wait()).toBe(-constants.signals[signal]);
      expect(child.signal).toBe(signal);
    });
  });
});

describe("wait", () => {
  test("wakes all who wait", async () => {
    await runWith("", {}, function* (child) {
      expect(yield* gather(child.wait(), child.wait(), child.wait())).toEqual([0, 0, 0]);
    });
  });

  test("that is cancelled does nothing to the child, nor to others who wait", async () => {
    await runWith("process.stdin.resume()", { stdin: "pipe" }, function* (child) {
      const one = createTask(child.wait());
      const other = createTask(child.wait());
      yield* sleep(0);
      one.cancel();
      yield* gather([one], { returnExceptions: true });
      expect([one.cancelled, child.returnCode]).toEqual([true, null]);
      child.stdin.close();
      expect(yield* other).toBe(0);
    });
  });

  test("does not wait for output that a grandchild holds open, communicate does", async () => {
    await runQuietly(function* () {
      const child = yield* createSubprocessShell("sleep 1000 & echo $!", { stdout: "pipe" });
      const sleeper = yield* readNumber(child);
      expect(yield* child.wait()).toBe(0);
      const communicating = createTask(child.communicate());
      yield* sleep(0);
      expect(communicating.done).toBe(false);
      process.kill(sleeper, "SIGKILL");
      expect((yield* communicating).map((output) => output?.length)).toEqual([0, undefined]);
    });
  });
});

describe("communicate", () => {
  test("feeds and reads many megabytes at once without a deadlock", async () => {
    const script = `
      process.stdin.on("data", (data) => { fs.writeSync(1, data); fs.writeSync(2, data); });`;
    const input = pattern(8 << 20);
    await runWith(script, PIPES, function* (child) {
      const [out, err] = yield* child.communicate(input);
      expect(child.returnCode).toBe(0);
      expect(Buffer.compare(out, input)).toBe(0);
      expect(Buffer.compare(err, input)).toBe(0);
    });
  });

  test("sends a string as UTF-8, and gives undefined for what is not piped", async () => {
    await runWith("process.stdin.pipe(process.stdout)", { stdin: "pipe", stdout: "pipe" }, function* (child) {
      const [out, err] = yield* child.communicate("grüße");
      expect([text(out), err]).toEqual(["grüße", undefined]);
    });
  });

  test("closes stdin without input", async () => {
    await runWith("process.stdin.resume().on('end', () => process.exit(3))", { stdin: "pipe" }, function* (child) {
      expect(yield* child.communicate()).toEqual([undefined, undefined]);
      expect(child.returnCode).toBe(3);
    });
  });

  test("takes no offence at a child that does not read its input", async () => {
    for (const script of ["exec 0<&-; echo done", "echo done; exit 0", "head -c 1 >/dev/null; echo done"]) {
      await runQuietly(function* () {
        const child = yield* createSubprocessShell(script, { stdin: "pipe", stdout: "pipe" });
        const [out] = yield* child.communicate(new Uint8Array(4 << 20));
        expect(text(out)).toBe("done\n");
        expect(child.returnCode).toBe(0);
      });
    }
  });

  test("that is cancelled loses nothing of the output", async () => {
    const feed = vi.spyOn(StreamReader.prototype, "feedData");
    const script = `
      process.on("SIGUSR2", () => { fs.writeSync(1, "second"); process.exit(); });
      setInterval(() => {}, 1e6);
      fs.writeSync(1, "first ");`;
    await runWith(script, { stdin: "pipe", stdout: "pipe" }, function* (child) {
      const first = createTask(child.communicate());
      while (feed.mock.calls.length === 0) yield* sleep(1);
      yield* sleep(0);
      first.cancel();
      yield* gather([first], { returnExceptions: true });
      expect(first.cancelled).toBe(true);
      child.sendSignal("SIGUSR2");
      const [out] = yield* child.communicate();
      expect(text(out)).toBe("first second");
    });
  });

  test("refuses input where stdin is not piped, and what are no bytes", async () => {
    await runWith("", { stdin: "ignore" }, function* (child) {
      expect(yield* attempt(child.communicate("x"))).toMatchObject({ error: { code: "ERR_CORIO_NO_STDIN" } });
    });
    await runWith("", { stdin: "pipe" }, function* (child) {
      const wrong = child.communicate({} as never);
      expect(yield* attempt(wrong)).toMatchObject({ error: { code: "ERR_CORIO_NOT_BYTES" } });
    });
  });

  test("in a time limit throws a TimeoutError, and the block ends the child", async () => {
    await runQuietly(function* () {
      const child = yield* node(PATIENT, { stdout: "pipe" });
      const whole = within(child, timeout(1), () => child.communicate());
      expect(yield* attempt(whole)).toMatchObject({ ok: false, error: { name: "TimeoutError" } });
      expect(child.signal).toBe("SIGTERM");
      expect(lives(child.pid)).toBe(false);
    });
  });
});

describe("streams", () => {
  test("carry lines both ways", async () => {
    const script = `
      require("readline").createInterface(process.stdin).on("line", (line) => process.stdout.write(line.toUpperCase() + "\\n"));`;
    await runWith(script, { stdin: "pipe", stdout: "pipe" }, function* (child) {
      for (const word of ["one", "two", "three"]) {
        child.stdin.write(`${word}\n`);
        yield* child.stdin.drain();
        expect(text(yield* child.stdout.readline())).toBe(`${word.toUpperCase()}\n`);
      }
      child.stdin.writeEof();
      expect(yield* child.stdout.read()).toHaveLength(0);
      expect(yield* child.wait()).toBe(0);
    });
  });

  test("give their lines to forEach, also after the child has ended", async () => {
    await runQuietly(function* () {
      const child = yield* createSubprocessShell("for i in 1 2 3; do echo $i; done", { stdout: "pipe" });
      yield* within(child, function* () {
        yield* child.wait();
        const lines: string[] = [];
        yield* forEach(child.stdout, (line) => void lines.push(text(line)));
        expect(lines).toEqual(["1\n", "2\n", "3\n"]);
      });
    });
  });

  test("have the limit that was asked for", async () => {
    await runWith("process.stdout.write('x'.repeat(100) + '\\n')", { stdout: "pipe", limit: 16 }, function* (child) {
      expect(yield* attempt(child.stdout.readline())).toMatchObject({ error: { name: "LimitOverrunError" } });
    });
  });

  test("make a child wait whose output nobody reads", async () => {
    const size = 50 << 20;
    const script = `
      const out = new (require("net").Socket)({ fd: 1, readable: false, writable: true });
      const piece = Buffer.alloc(1 << 16);
      let written = 0;
      const next = () => {
        if (written === ${size}) out.end();
        else out.write(piece, () => { written += piece.length; next(); });
      };
      next();
      process.stdin.on("data", () => process.stderr.write(written + "\\n"));`;
    await runWith(script, PIPES, function* (child) {
      let written = -1;
      for (let same = 0; same < 30; ) {
        child.stdin.write("how much?");
        const now = Number(text(yield* child.stderr.readline()));
        same = now === written ? same + 1 : 0;
        written = now;
      }
      expect(written).toBeLessThan(4 << 20);
      let read = 0;
      yield* forEach(child.stdout.chunks(), (chunk) => void (read += chunk.length));
      expect(read).toBe(size);
      child.stdin.close();
      expect(yield* child.wait()).toBe(0);
    });
  });

  test("stay paused when the child has ended and a grandchild writes on", async () => {
    // what the transport gets, whether or not it hands it on
    const feed = vi.spyOn(Transport.prototype as unknown as { _data(data: Uint8Array): void }, "_data");
    const received = (): number => feed.mock.calls.reduce((sum, [data]) => sum + data.length, 0);
    await runQuietly(function* () {
      const size = 50_000_000;
      const settled = function* (): Coroutine<number> {
        for (let same = 0, before = -1; same < 10 || before === 0; ) {
          yield* sleep(5);
          same = received() === before ? same + 1 : 0;
          before = received();
        }
        return received();
      };
      const child = yield* createSubprocessShell(`head -c ${size} /dev/zero & read line`, {
        stdin: "pipe",
        stdout: "pipe",
      });
      yield* within(child, function* () {
        expect(yield* settled()).toBeLessThan(1_000_000);
        child.stdin.write("go\n");
        yield* child.wait();
        expect(yield* settled()).toBeLessThan(1_000_000);
        let read = 0;
        yield* forEach(child.stdout.chunks(), (chunk) => void (read += chunk.length));
        expect(read).toBe(size);
      });
    });
  });

  test("tell who writes that the child has closed its stdin", async () => {
    await runQuietly(function* () {
      const child = yield* createSubprocessShell("exec 0<&-; echo ready; exec sleep 1000", {
        stdin: "pipe",
        stdout: "pipe",
      });
      yield* within(child, function* () {
        yield* child.stdout.readline();
        const writing = attempt(function* () {
          for (;;) {
            child.stdin.write(new Uint8Array(1 << 16));
            yield* child.stdin.drain();
          }
        });
        expect(yield* writing).toMatchObject({
          ok: false,
          error: { code: expect.stringMatching(/EPIPE|ECONNRESET|CONNECTION_LOST/) },
        });
        expect(child.returnCode).toBe(null);
      });
      expect(child.signal).toBe("SIGTERM");
    });
  });

  test("tell who waits in drain() that the child has ended", async () => {
    await runWith(PATIENT, { stdin: "pipe", stdout: "pipe" }, function* (child) {
      yield* child.stdout.readline();
      child.stdin.write(new Uint8Array(4 << 20));
      const draining = createTask(attempt(child.stdin.drain()));
      yield* sleep(0);
      expect(draining.done).toBe(false);
      child.kill();
      expect(yield* draining).toMatchObject({ ok: false });
      yield* child.wait();
    });
  });

  test("a cancellation in drain() leaves no child", async () => {
    await runQuietly(function* () {
      const child = yield* node(PATIENT, { stdin: "pipe", stdout: "pipe" });
      const task = createTask(
        within(child, function* () {
          child.stdin.write(new Uint8Array(4 << 20));
          yield* child.stdin.drain();
        }),
      );
      yield* child.stdout.readline();
      task.cancel();
      yield* gather([task], { returnExceptions: true });
      expect(task.cancelled).toBe(true);
      expect(lives(child.pid)).toBe(false);
      expect(child.stdin.isClosing).toBe(true);
    });
  });
});

describe("signals", () => {
  test("reach the child", async () => {
    const script = `process.on("SIGUSR2", () => { fs.writeSync(1, "got it\\n"); process.exit(5); }); ${PATIENT}`;
    await runWith(script, { stdout: "pipe" }, function* (child) {
      yield* child.stdout.readline();
      expect(child.sendSignal("SIGUSR2")).toBe(true);
      expect(text(yield* child.stdout.readline())).toBe("got it\n");
      expect(yield* child.wait()).toBe(5);
    });
  });

  test("to a child that has ended return false, and go to nobody", async () => {
    await runWith("", {}, function* (child) {
      yield* child.wait();
      const kill = vi.spyOn(process, "kill");
      expect([child.terminate(), child.kill(), child.sendSignal("SIGINT")]).toEqual([false, false, false]);
      expect(kill).not.toHaveBeenCalled();
      vi.restoreAllMocks();
    });
  });

  test("terminate and kill end the child", async () => {
    for (const [method, signal] of [
      ["terminate", "SIGTERM"],
      ["kill", "SIGKILL"],
    ] as const) {
      await runQuietly(function* () {
        const child = yield* createSubprocessExec("sleep", ["1000"]);
        expect(child[method]()).toBe(true);
        yield* child.wait();
        expect(child.signal).toBe(signal);
      });
    }
  });

  test.each([["SIGNOTHING"], [15], [undefined]])("that do not exist are refused: %s", async (signal) => {
    await runWith(PATIENT, { stdout: "pipe" }, function* (child) {
      expect(() => child.sendSignal(signal as never)).toThrow(
        expect.objectContaining({ code: "ERR_CORIO_SIGNAL", message: expect.stringMatching(/"SIGINT"/) }),
      );
      yield* sleep(0);
    });
  });

  test("that the system refuses are thrown", async () => {
    await runWith(PATIENT, { stdout: "pipe" }, function* (child) {
      yield* sleep(0);
      vi.spyOn(process, "kill").mockImplementation(() => {
        throw Object.assign(new Error("kill EPERM"), { code: "EPERM" });
      });
      expect(() => child.terminate()).toThrow(expect.objectContaining({ code: "EPERM" }));
      vi.restoreAllMocks();
    });
  });

  test("go to the whole process group", async () => {
    await runQuietly(function* () {
      const options = { stdout: "pipe", processGroup: true } as const;
      const child = yield* createSubprocessShell("sleep 1000 & echo $!; wait", options);
      yield* within(child, function* () {
        const sleeper = yield* readNumber(child);
        expect(child.sendSignal("SIGKILL")).toBe(true);
        yield* child.wait();
        yield* ended(sleeper);
      });
    });
  });
});

test("an error of a task that waits for a cancelled child is the cancellation", async () => {
  const outcome = run(function* () {
    const child = yield* node(PATIENT, { stdout: "pipe" });
    const task = createTask(within(child, () => child.wait()));
    yield* child.stdout.readline();
    task.cancel("enough");
    try {
      yield* task;
    } catch (error) {
      return isCancelled(error) && child.signal;
    }
    return false;
  });
  expect(await outcome).toBe("SIGTERM");
});
