import {
  ContextVar,
  createTask,
  type EventLoop,
  type ExceptionContext,
  Future,
  getRunningLoop,
  NoRunningLoopError,
  run,
  Runner,
  sleep,
} from "corio";
import { afterEach, describe, expect, test } from "vitest";
import { addSignalHandler, removeSignalHandler } from "../../src/signals/signal-handlers.js";
import { ProgramProcess, runProgram } from "../program/program-process.js";

// Signals that do nothing to a process which does not listen.
const ONE = "SIGWINCH";
const OTHER = "SIGCONT";

const send = (signal: NodeJS.Signals): void => void process.kill(process.pid, signal);
const listeners = (): number => process.listenerCount(ONE) + process.listenerCount(OTHER);
const expectNoListeners = (): void => expect(listeners(), "listeners left").toBe(0);
afterEach(expectNoListeners);

const withCode = (code: string, message: RegExp): Error =>
  expect.objectContaining({ code: `ERR_CORIO_${code}`, message: expect.stringMatching(message) });

describe("addSignalHandler", () => {
  test("calls the callback inside the loop, with its arguments, at every signal", async () => {
    await run(function* () {
      const loop = getRunningLoop();
      let got = new Future<[string, EventLoop]>();
      addSignalHandler(ONE, (name: string, n: number) => got.setResult([`${name}${n}`, getRunningLoop()]), "x", 1);
      for (let i = 0; i < 2; i++) {
        send(ONE);
        expect(yield* got).toEqual(["x1", loop]);
        got = new Future();
      }
    });
  });

  test("takes the place of the handler that the loop had for the signal", async () => {
    const calls: string[] = [];
    await run(function* () {
      const called = new Future<void>();
      addSignalHandler(ONE, () => calls.push("first"));
      addSignalHandler(ONE, () => (calls.push("second"), called.setResult()));
      expect(listeners()).toBe(1);
      send(ONE);
      yield* called;
      expect(removeSignalHandler(ONE)).toBe(true);
      expect(listeners()).toBe(0);
    });
    expect(calls).toEqual(["second"]);
  });

  test("keeps handlers of different signals apart", async () => {
    await run(function* () {
      const one = new Future<string>();
      const other = new Future<string>();
      addSignalHandler(ONE, () => one.setResult("one"));
      addSignalHandler(OTHER, () => other.setResult("other"));
      send(OTHER);
      expect(yield* other).toBe("other");
      expect(one.done).toBe(false);
      expect(removeSignalHandler(OTHER)).toBe(true);
      send(ONE);
      expect(yield* one).toBe("one");
    });
  });

  test("calls the handlers of several loops", async () => {
    const ready: Promise<void>[] = [];
    const runs = ["a", "b", "c"].map((name) => {
      let installed!: () => void;
      ready.push(new Promise((resolve) => (installed = resolve)));
      return run(function* () {
        const called = new Future<EventLoop>();
        addSignalHandler(ONE, () => called.setResult(getRunningLoop()));
        installed();
        return (yield* called) === getRunningLoop() && name;
      });
    });
    await Promise.all(ready);
    expect(listeners()).toBe(1);
    send(ONE);
    expect(await Promise.all(runs)).toEqual(["a", "b", "c"]);
  });

  test("runs the callback in a copy of the context that was current when it was added", async () => {
    const user = new ContextVar<string>("user");
    await run(function* () {
      const called = new Future<string | undefined>();
      user.set("Ada");
      addSignalHandler(ONE, () => called.setResult(user.get()));
      user.set("Alan");
      send(ONE);
      expect(yield* called).toBe("Ada");
    });
  });

  test("hands what the callback throws to the exception handler, and goes on", async () => {
    const reports: ExceptionContext[] = [];
    await run(function* () {
      let reported = new Future<void>();
      getRunningLoop().exceptionHandler = (_loop, context) => {
        reports.push(context);
        reported.setResult();
      };
      addSignalHandler(ONE, () => {
        throw new Error("in the handler");
      });
      for (let i = 0; i < 2; i++) {
        send(ONE);
        yield* reported;
        reported = new Future();
      }
    });
    expect(reports).toEqual(
      [1, 2].map(() => ({ message: `Exception in the handler of ${ONE}`, exception: new Error("in the handler") })),
    );
  });

  test("reports a coroutine that the callback makes and nobody runs", async () => {
    await run(function* () {
      const reported = new Future<unknown>();
      getRunningLoop().exceptionHandler = (_loop, context) => reported.setResult(context.exception);
      addSignalHandler(ONE, () => sleep(1) as never);
      send(ONE);
      expect(yield* reported).toEqual(withCode("COROUTINE_CALLBACK", /\(\) => createTask\(main\)/));
    });
  });

  test("lets the callback remove its own handler, add another one, and make tasks", async () => {
    await run(function* () {
      const done = new Future<void>();
      addSignalHandler(ONE, () => {
        removeSignalHandler(ONE);
        addSignalHandler(OTHER, () => createTask(sleep(0)).addDoneCallback(() => done.setResult()));
        send(OTHER);
      });
      send(ONE);
      yield* done;
    });
  });

  test("a handler that is removed after the signal came and before the loop got to it is not called", async () => {
    let calls = 0;
    const runner = new Runner();
    await runner.run(function* () {
      addSignalHandler(ONE, () => calls++);
    });
    // no loop runs for now, so that all wait for the next run
    runner.loop.callSoon(() => removeSignalHandler(ONE));
    const came = new Promise((resolve) => process.once(ONE, resolve));
    send(ONE);
    await came;
    await runner.run(sleep(1));
    await runner.close();
    expect(calls).toBe(0);
  });

  test("between two runs of a runner the handler stays, and is called in the next run", async () => {
    const runner = new Runner();
    let called!: Future<void>;
    await runner.run(function* () {
      called = new Future();
      addSignalHandler(ONE, () => called.setResult());
    });
    const came = new Promise((resolve) => process.once(ONE, resolve));
    send(ONE);
    await came;
    await runner.run(called);
    expect(listeners()).toBe(1);
    await runner.close();
    expect(listeners()).toBe(0);
  });
});

describe("a handler is removed", () => {
  test("when its run ends, by a result or by an error", async () => {
    await run(function* () {
      addSignalHandler(ONE, () => {});
      addSignalHandler(OTHER, () => {});
      expect(listeners()).toBe(2);
    });
    expect(listeners()).toBe(0);
    const failing = run(function* () {
      addSignalHandler(ONE, () => {});
      throw new Error("main");
    });
    await expect(failing).rejects.toThrow("main");
    expect(listeners()).toBe(0);
  });

  test("of one loop, while that of another stays", async () => {
    await run(function* () {
      const mine = new Future<void>();
      addSignalHandler(ONE, () => mine.setResult());
      const other = new Future<void>();
      setImmediate(() => {
        void run(function* () {
          addSignalHandler(ONE, () => {});
        }).then(() => other.setResult());
      });
      yield* other;
      expect(listeners()).toBe(1);
      send(ONE);
      yield* mine;
    });
  });

  test("by removeSignalHandler, which tells whether there was one", async () => {
    await run(function* () {
      expect(removeSignalHandler(ONE)).toBe(false);
      addSignalHandler(ONE, () => {});
      expect(removeSignalHandler(OTHER)).toBe(false);
      expect(removeSignalHandler(ONE)).toBe(true);
      expect(removeSignalHandler(ONE)).toBe(false);
    });
  });
});

describe("a signal handler in a process", () => {
  const waiting = `
    run(function* () {
      const got = new Future();
      addSignalHandler("SIGTERM", () => got.setResult("got it"));
      console.log("ready");
      console.log(yield* got);
      if (REMOVE) removeSignalHandler("SIGTERM");
      yield* new Future();
    }).catch((error) => { console.log(error.name); process.exitCode = 9; });`;

  test("keeps it alive, and Node from ending it; when it is removed, deadlocks are found again", async () => {
    const child = new ProgramProcess(waiting.replace("REMOVE", "true"));
    await child.wrote("ready");
    child.kill("SIGTERM");
    expect(await child.ended).toMatchObject({ code: 9, stdout: "ready\ngot it\nDeadlockError\n", stderr: "" });
  });

  test("keeps it alive after a signal, too", async () => {
    const child = new ProgramProcess(waiting.replace("REMOVE", "false"));
    await child.wrote("ready");
    child.kill("SIGTERM");
    await child.wrote("got it");
    child.kill("SIGINT");
    expect(await child.ended).toMatchObject({ signal: "SIGINT" });
  });

  test("is left alone by the command corio run", async () => {
    const child = new ProgramProcess(
      `
      await run(function* () {
        const got = new Future();
        addSignalHandler("SIGINT", () => got.setResult());
        console.log("ready");
        yield* got;
        console.log("handled");
      });`,
      { supervised: true },
    );
    await child.wrote("ready");
    child.kill("SIGINT");
    expect(await child.ended).toMatchObject({ code: 0, stdout: "ready\nhandled\n", stderr: "" });
  });

  test("is refused in a worker thread", async () => {
    const { stdout } = await runProgram(`
      const { isMainThread, Worker } = await import("node:worker_threads");
      if (isMainThread) new Worker(new URL(import.meta.url));
      else run(function* () {
        try { addSignalHandler("SIGTERM", () => {}); } catch (error) { console.log(error.code, error.message); }
      });`);
    expect(stdout).toMatch(/^ERR_CORIO_SIGNAL_IN_WORKER signals come to the main thread only: call addSignalHandler/);
  });
});

describe("used wrongly", () => {
  test("a signal that is unknown or that cannot be caught is refused at once", async () => {
    await run(function* () {
      for (const call of [(signal: never) => addSignalHandler(signal, () => {}), removeSignalHandler]) {
        expect(() => call("SIGTREM" as never)).toThrow(withCode("SIGNAL", /not "SIGTREM", which this platform/));
        expect(() => call(15 as never)).toThrow(withCode("SIGNAL", /not 15: write "SIGTERM"/));
        expect(() => call("SIGKILL" as never)).toThrow(withCode("SIGNAL", /can catch SIGKILL: write "SIGTERM"/));
        expect(() => call("SIGSTOP" as never)).toThrow(withCode("SIGNAL", /can catch SIGSTOP: write "SIGTSTP"/));
        expect(() => call(undefined as never)).toThrow(withCode("SIGNAL", /takes the name of a signal.*not undefined/));
        expect(() => call("toString" as never)).toThrow(withCode("SIGNAL", /not "toString"/));
      }
    });
  });

  test("a coroutine function is refused, and the message says what to write", async () => {
    await run(function* () {
      expect(() =>
        addSignalHandler(ONE, function* reload() {
          yield* sleep(1);
        }),
      ).toThrow(withCode("COROUTINE_CALLBACK", /Write \(\) => createTask\(reload\)/));
      expect(() => addSignalHandler(ONE, undefined as never)).toThrow(withCode("CALLBACK", /takes a function/));
      expect(listeners()).toBe(0);
    });
  });

  test("it needs a running loop", () => {
    expect(() => addSignalHandler(ONE, () => {})).toThrow(NoRunningLoopError);
    expect(() => removeSignalHandler(ONE)).toThrow(NoRunningLoopError);
  });
});
