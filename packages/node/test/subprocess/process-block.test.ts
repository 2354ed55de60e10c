import { attempt, createTask, Event, gather, run, sleep, within } from "corio";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createSubprocessExec, createSubprocessShell } from "../../src/subprocess/create-subprocess.js";
import { text } from "../support/bytes.js";
import { ended, expectNothingLeft, lives, node, PATIENT, readNumber, runQuietly, STUBBORN } from "./children.js";

expectNothingLeft();
afterEach(() => void vi.restoreAllMocks());

const PIPED = { stdout: "pipe" } as const;

describe("the block of a child", () => {
  test("terminates a child that still runs, and waits for its end", async () => {
    await runQuietly(function* () {
      const child = yield* node(PATIENT, PIPED);
      const result = yield* within(child, function* (entered) {
        expect(entered).toBe(child);
        yield* entered.stdout.readline();
        return "result";
      });
      expect(result).toBe("result");
      expect([child.signal, child.returnCode]).toEqual(["SIGTERM", -15]);
      expect(lives(child.pid)).toBe(false);
    });
  });

  test("leaves the exit code of a child that has ended as it is", async () => {
    await runQuietly(function* () {
      const child = yield* node("process.exit(4)");
      yield* within(child, () => child.wait());
      expect([child.returnCode, child.signal]).toEqual([4, null]);
    });
  });

  test("lets a child clean up, and takes what it still writes meanwhile", async () => {
    const script = `
      process.on("SIGTERM", () => {
        for (let i = 0; i < 64; i++) { fs.writeSync(1, Buffer.alloc(1 << 16)); fs.writeSync(2, Buffer.alloc(1 << 16)); }
        process.exit(9);
      });
      ${PATIENT}`;
    await runQuietly(function* () {
      const child = yield* node(script, { stdout: "pipe", stderr: "pipe", gracePeriod: Number.POSITIVE_INFINITY });
      yield* within(child, () => child.stdout.readline());
      expect(child.returnCode).toBe(9);
    });
  });

  test("kills a child that takes no notice, after the grace period", async () => {
    for (const gracePeriod of [0, 20]) {
      await runQuietly(function* () {
        const child = yield* node(STUBBORN, { stdout: "pipe", gracePeriod });
        yield* within(child, () => child.stdout.readline());
        expect(child.signal).toBe("SIGKILL");
        expect(lives(child.pid)).toBe(false);
      });
    }
  });

  test("kills a child that is stopped, after the grace period", async () => {
    await runQuietly(function* () {
      const child = yield* node(PATIENT, { stdout: "pipe", gracePeriod: 10 });
      yield* within(child, function* () {
        yield* child.stdout.readline();
        child.sendSignal("SIGSTOP");
      });
      expect(child.signal).toBe("SIGKILL");
    });
  });

  test("ends the child after an error, which goes on", async () => {
    await runQuietly(function* () {
      const child = yield* node(PATIENT, PIPED);
      const failing = within(child, function* () {
        yield* child.stdout.readline();
        throw new Error("in the block");
      });
      expect(yield* attempt(failing)).toEqual({ ok: false, error: new Error("in the block") });
      expect(child.signal).toBe("SIGTERM");
      expect(lives(child.pid)).toBe(false);
    });
  });

  test("ends the child when its task is cancelled", async () => {
    await runQuietly(function* () {
      const child = yield* node(PATIENT, PIPED);
      const reading = new Event();
      const task = createTask(
        within(child, function* () {
          yield* child.stdout.readline();
          reading.set();
          yield* child.stdout.readline();
        }),
      );
      yield* reading.wait();
      task.cancel();
      yield* gather([task], { returnExceptions: true });
      expect(task.cancelled).toBe(true);
      expect(child.signal).toBe("SIGTERM");
      expect(lives(child.pid)).toBe(false);
    });
  });

  test("kills at once when its leaving is cancelled, and waits for the end all the same", async () => {
    await runQuietly(function* () {
      const child = yield* node(STUBBORN, { stdout: "pipe", gracePeriod: Number.POSITIVE_INFINITY });
      const leaving = new Event();
      const task = createTask(
        within(child, function* () {
          yield* child.stdout.readline();
          leaving.set();
        }),
      );
      yield* leaving.wait();
      expect(task.done).toBe(false);
      task.cancel();
      yield* gather([task], { returnExceptions: true });
      expect(task.cancelled).toBe(true);
      expect(child.signal).toBe("SIGKILL");
      expect(lives(child.pid)).toBe(false);
    });
  });

  test("is not hurried out by more than one cancellation", async () => {
    await runQuietly(function* () {
      const child = yield* node(STUBBORN, { stdout: "pipe", gracePeriod: Number.POSITIVE_INFINITY });
      yield* child.stdout.readline();
      const task = createTask(within(child, () => child.wait()));
      for (let i = 0; i < 4; i++) {
        yield* sleep(0);
        // the second one kills the child, whose end may come at any time
        if (i < 2) expect(task.done).toBe(false);
        task.cancel(i);
      }
      yield* gather([task], { returnExceptions: true });
      expect(task.cancelled).toBe(true);
      expect(lives(child.pid)).toBe(false);
    });
  });

  test("throws what the system says if the child may not be signalled, and closes the pipes", async () => {
    await runQuietly(function* () {
      const child = yield* node(PATIENT, { stdin: "pipe", stdout: "pipe" });
      const kill = vi.spyOn(process, "kill").mockImplementation(() => {
        throw Object.assign(new Error("kill EPERM"), { code: "EPERM" });
      });
      const whole = within(child, function* () {});
      expect(yield* attempt(whole)).toMatchObject({ ok: false, error: { code: "EPERM" } });
      kill.mockRestore();
      expect(child.stdin.isClosing).toBe(true);
      child.kill();
      yield* child.wait();
    });
  });

  test("closes the pipes, also if a grandchild holds them open", async () => {
    await runQuietly(function* () {
      const child = yield* createSubprocessShell("sleep 1000 & echo $!; echo more", { stdin: "pipe", stdout: "pipe" });
      const sleeper = yield* within(child, () => readNumber(child));
      expect(child.stdin.isClosing).toBe(true);
      process.kill(sleeper, "SIGKILL");
      yield* ended(sleeper);
    });
  });

  test("does not let output that is cut off look complete", async () => {
    await runQuietly(function* () {
      const child = yield* createSubprocessShell("sleep 1000 & echo $!; echo more", { stdout: "pipe" });
      const sleeper = yield* within(child, function* () {
        yield* child.wait();
        return yield* readNumber(child);
      });
      process.kill(sleeper, "SIGKILL");
      const reading = yield* attempt(child.stdout.read());
      expect(reading).toMatchObject({
        ok: false,
        error: { code: "ERR_CORIO_CONNECTION_LOST", message: expect.stringMatching(/block/) },
      });
    });
  });

  test("leaves to be read what had arrived to its end", async () => {
    await runQuietly(function* () {
      const child = yield* createSubprocessExec("echo", ["all"], PIPED);
      yield* within(child, function* () {
        yield* child.wait();
        while (!(yield* child.stdout.read(1)).includes(10));
        expect(yield* child.stdout.read(1)).toHaveLength(0);
      });
      expect(text(yield* child.stdout.read())).toBe("");
    });
  });
});

describe("the block of a process group", () => {
  const GROUP = { stdout: "pipe", processGroup: true } as const;

  test("ends the grandchildren too", async () => {
    await runQuietly(function* () {
      const child = yield* createSubprocessShell("sleep 1000 & echo $!; wait", GROUP);
      const sleeper = yield* within(child, () => readNumber(child));
      expect(child.signal).toBe("SIGTERM");
      yield* ended(sleeper);
    });
  });

  test("ends grandchildren whose parent has ended already", async () => {
    await runQuietly(function* () {
      const child = yield* createSubprocessShell("sleep 1000 & echo $!", GROUP);
      const sleeper = yield* within(child, function* () {
        yield* child.wait();
        return yield* readNumber(child);
      });
      expect(child.returnCode).toBe(0);
      yield* ended(sleeper);
    });
  });

  test("kills grandchildren that take no notice of SIGTERM", async () => {
    await runQuietly(function* () {
      const command = "trap '' TERM; sleep 1000 & trap - TERM; echo $!; wait";
      const child = yield* createSubprocessShell(command, { ...GROUP, gracePeriod: 20 });
      const sleeper = yield* within(child, () => readNumber(child));
      expect(child.signal).toBe("SIGTERM");
      yield* ended(sleeper);
    });
  });

  test("kills them at once when its leaving is cancelled", async () => {
    await runQuietly(function* () {
      const command = "trap '' TERM; sleep 1000 & echo $!";
      const child = yield* createSubprocessShell(command, { ...GROUP, gracePeriod: Number.POSITIVE_INFINITY });
      const leaving = new Event();
      let sleeper = 0;
      const task = createTask(
        within(child, function* () {
          sleeper = yield* readNumber(child);
          yield* child.wait();
          leaving.set();
        }),
      );
      yield* leaving.wait();
      expect(lives(sleeper)).toBe(true);
      task.cancel();
      yield* gather([task], { returnExceptions: true });
      expect(task.cancelled).toBe(true);
      yield* ended(sleeper);
    });
  });

  test("lets grandchildren live without it", async () => {
    await runQuietly(function* () {
      const child = yield* createSubprocessShell("sleep 1000 & echo $!; wait", PIPED);
      const sleeper = yield* within(child, () => readNumber(child));
      expect(lives(sleeper)).toBe(true);
      process.kill(sleeper, "SIGKILL");
      yield* ended(sleeper);
    });
  });

  test("sends no signal to an id that may be another's by now", async () => {
    await run(function* () {
      const child = yield* createSubprocessExec("true", [], { processGroup: true });
      const kill = vi.spyOn(process, "kill");
      yield* within(child, () => child.wait());
      // at the child's end it is asked whether anyone is left of the group
      expect(kill.mock.calls).toEqual([[-child.pid, 0]]);
    });
  });
});
