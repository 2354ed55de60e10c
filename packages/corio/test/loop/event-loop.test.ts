import {
  createTask,
  currentTask,
  EventLoop,
  Future,
  getRunningLoop,
  isCancelled,
  ManualHost,
  run,
  sleep,
  type Coroutine,
  type Executor,
} from "corio";
import { describe, expect, test } from "vitest";
import { runVirtually, runVirtuallyWithPromises, virtualLoop } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

describe("start and runUntilComplete", () => {
  test("start gives a future that is done when the loop has stopped", () => {
    const { loop, host } = virtualLoop();
    const future = loop.start(sleep(5, "result"));
    future.addDoneCallback(() => {});
    let doneWhileRunning = false;
    while (!future.done) {
      host.step();
      doneWhileRunning ||= future.done && loop.running;
    }
    expect([future.result(), loop.running, doneWhileRunning]).toEqual(["result", false, false]);
  });

  test("to cancel what start gives is to cancel the awaitable", () => {
    const { loop, host } = virtualLoop();
    const task = loop.createTask(sleep(1_000));
    const future = loop.start(task);
    host.step();
    expect(future.cancel("enough")).toBe(true);
    while (host.step());
    expect([task.cancelled, future.cancelled, future.cancelReason, host.now()]).toEqual([true, true, "enough", 0]);
  });

  test("runUntilComplete can be called again and again, and leaves no stop callback behind", async () => {
    const { loop, host } = virtualLoop();
    const task = loop.createTask(sleep(100, "slept"));
    // stopped before the task is done: the task must not stop a later run
    const first = loop.runUntilComplete(task);
    loop.callSoon(() => loop.stop());
    while (loop.running) host.step();
    await expect(first).rejects.toMatchObject({ code: "ERR_CORIO_LOOP_STOPPED" });
    const second = loop.runUntilComplete(sleep(200, "second"));
    while (host.step());
    expect(await second).toBe("second");
    expect([task.result(), host.now()]).toEqual(["slept", 200]);
    const third = loop.runUntilComplete(task);
    while (host.step());
    expect(await third).toBe("slept");
  });

  test("a callback of the last iteration still runs, one that it schedules waits for the next run", () => {
    const { loop, host } = virtualLoop();
    const ran: string[] = [];
    const future = loop.createFuture<void>();
    const whole = loop.start(future);
    loop.callSoon(() => {
      future.setResult();
      loop.callSoon(() => {
        ran.push("in the iteration of the stop");
        loop.callSoon(() => ran.push("next run"));
      });
    });
    while (!whole.done) host.step();
    expect(ran).toEqual(["in the iteration of the stop"]);
  });

  test("an error of main comes out of the future, and is reported nowhere else", () => {
    const { throws, reports } = runVirtually(function* () {
      throw new Error("main");
    });
    expect(throws).toMatchObject({ message: "main" });
    expect(reports).toEqual([]);
  });
});

describe("a main whose result is to be awaited itself", () => {
  test("a task, a future and a promise are awaited inside the loop, nested ones too", async () => {
    const { result, duration } = await runVirtuallyWithPromises(function* () {
      return createTask(function* () {
        yield* sleep(5);
        const future = new Future<Promise<string>>();
        getRunningLoop().callLater(5, () => future.setResult(Promise.resolve("at last")));
        return future;
      });
    });
    expect([result, duration]).toEqual(["at last", 10]);
  });

  test("its error is the error of the run", () => {
    const { throws } = runVirtually(function* () {
      return createTask(function* () {
        yield* sleep(1);
        throw new Error("of the task");
      });
    });
    expect(throws).toMatchObject({ message: "of the task" });
  });

  test.each([1, 2, 3])(
    "a cancellation of the run reaches it, also in the turn in which main ends (after %i)",
    (turns) => {
      const { loop, host } = virtualLoop({ turnBudget: 0 });
      let inner: Future<void> | undefined;
      const whole = loop.start(
        (function* () {
          inner = createTask(sleep(1_000));
          return inner;
        })(),
      );
      for (let turn = 0; turn < turns; turn++) host.runTurn();
      expect(whole.cancel()).toBe(true);
      while (host.step());
      expect([inner?.cancelled, whole.cancelled, host.now()]).toEqual([true, true, 0]);
    },
  );

  test("a future of another loop does not hang the run", async () => {
    const other = virtualLoop().loop;
    const future = other.createFuture<string>();
    future.setResult("of another loop");
    const run = await runVirtuallyWithPromises(function* () {
      return future;
    });
    if (run.throws === undefined) expect(run.result).toBe("of another loop");
    else expect(run.throws).toMatchObject({ code: "ERR_CORIO_OTHER_LOOP" });
  });

  test("main's own task is an error, and not an endless loop", () => {
    const { loop, host } = virtualLoop();
    const whole = loop.start(
      (function* () {
        return currentTask();
      })(),
    );
    for (let i = 0; i < 50 && !whole.done; i++) host.step();
    expect(whole.done).toBe(true);
    expect(() => whole.result()).toThrow(withCode("CYCLE"));
  });
});

describe("deadlock on a host that knows", () => {
  test("a main that nothing can wake fails with every task and what it waits for, and its finally runs", () => {
    const cleaned: string[] = [];
    const { throws, duration } = runVirtually(function* () {
      const future = new Future<void>();
      createTask(
        function* () {
          yield* future;
        },
        { name: "worker" },
      );
      try {
        yield* sleep(5);
        yield* future;
      } catch (error) {
        cleaned.push(isCancelled(error) ? "cancelled" : "error");
        throw error;
      } finally {
        yield* sleep(7);
        cleaned.push("cleaned up");
      }
    });
    expect(throws).toMatchObject({ name: "DeadlockError", code: "ERR_CORIO_DEADLOCK" });
    expect((throws as Error).message).toMatch(/worker waits for Future/);
    expect((throws as Error).message).toMatch(/Task-\d+ waits for Future/);
    expect((throws as Error).message).toContain("hold()");
    expect(cleaned).toEqual(["cancelled", "cleaned up"]);
    expect(duration).toBe(12);
  });

  test("the cancellation carries the DeadlockError as its reason", () => {
    const { result } = runVirtually(function* () {
      try {
        yield* new Future<void>();
      } catch (error) {
        return (error as { reason: Error }).reason.name;
      }
      return "woken";
    });
    expect(result).toBe("DeadlockError");
  });

  test("a main that swallows it and ends has its result", () => {
    const { result } = runVirtually(function* () {
      try {
        yield* new Future<void>();
      } catch {}
      return "went on";
    });
    expect(result).toBe("went on");
  });

  test("an error that cleanup throws instead keeps it as its cause", () => {
    const { throws } = runVirtually(function* () {
      try {
        yield* new Future<void>();
      } finally {
        // eslint-disable-next-line no-unsafe-finally
        throw new Error("cleanup failed");
      }
    });
    expect(throws).toMatchObject({ message: "cleanup failed", cause: { code: "ERR_CORIO_DEADLOCK" } });
  });

  test("a second deadlock rejects at once", () => {
    let cancellations = 0;
    const { throws } = runVirtually(function* () {
      for (;;) {
        try {
          yield* new Future<void>();
        } catch {
          cancellations++;
        }
      }
    });
    expect(throws).toMatchObject({ code: "ERR_CORIO_DEADLOCK" });
    expect(cancellations).toBe(1);
  });

  test("also where main waits in a task of its own, or main is a bare future", () => {
    const { throws } = runVirtually(function* () {
      yield* createTask(function* () {
        yield* createTask(function* () {
          yield* new Future<void>();
        });
      });
    });
    expect(throws).toMatchObject({ code: "ERR_CORIO_DEADLOCK" });
    const { loop, host } = virtualLoop();
    const whole = loop.start(loop.createFuture<void>());
    while (!whole.done && host.step());
    expect(() => whole.result()).toThrow(withCode("DEADLOCK", /no task is left/));
  });

  test("there is none while a timer, a hold or a turn is left", () => {
    const { loop, host } = virtualLoop();
    const future = loop.createFuture<string>();
    const whole = loop.start(future);
    const held = loop.hold();
    const heldTwice = loop.hold();
    while (host.step());
    expect(whole.done).toBe(false);
    held[Symbol.dispose]();
    held[Symbol.dispose]();
    host.step();
    expect(whole.done).toBe(false);
    future.setResult("woken from outside");
    while (!whole.done && host.step());
    expect(whole.result()).toBe("woken from outside");
    heldTwice[Symbol.dispose]();
  });

  test("it is found once the last hold is let go", () => {
    const { loop, host } = virtualLoop();
    const whole = loop.start(loop.createFuture<void>());
    const held = loop.hold();
    while (host.step());
    held[Symbol.dispose]();
    while (!whole.done && host.step());
    expect(() => whole.result()).toThrow(withCode("DEADLOCK"));
  });

  test("{ deadlock: false } switches it off", () => {
    const { loop, host } = virtualLoop();
    const whole = loop.start(loop.createFuture<void>(), { deadlock: false });
    for (let i = 0; i < 10; i++) expect(host.step()).toBe(i === 0);
    expect(whole.done).toBe(false);
  });

  test("a host that two loops share finds the deadlock of each", () => {
    const host = new ManualHost();
    const loops = Array.from({ length: 20 }, () => new EventLoop({ host }));
    const wholes = loops.map((loop, i) =>
      loop.start(
        (function* (): Coroutine<void> {
          yield* createTask(
            function* () {
              yield* new Future<void>();
            },
            { name: `worker of loop ${i}` },
          );
        })(),
      ),
    );
    while (host.step());
    wholes.forEach((whole, i) => {
      const error = whole.exception() as Error;
      expect(error).toMatchObject({ code: "ERR_CORIO_DEADLOCK" });
      expect(new Set(error.message.match(/worker of loop \d+/g))).toEqual(new Set([`worker of loop ${i}`]));
    });
  });
});

describe("executors", () => {
  const inline: Executor = {
    submit: (fn, ...args) => Promise.resolve().then(() => fn(...args)) as never,
    shutdown: () => Promise.resolve(),
  };

  test("runInExecutor runs a function on the one that is given, or on the default one", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      const loop = getRunningLoop();
      const given = yield* loop.runInExecutor(inline, (a: number, b: number) => a + b, 1, 2);
      loop.defaultExecutor = inline;
      return [given, yield* loop.runInExecutor(undefined, () => "default")];
    });
    expect(result).toEqual([3, "default"]);
  });

  test("without one it names the package that has one", () => {
    const { loop } = virtualLoop();
    expect(() => loop.runInExecutor(undefined, () => 1)).toThrow(withCode("NO_EXECUTOR", /@corio\/node/));
  });

  test("coroutine functions and what is no function are refused", () => {
    const { loop } = virtualLoop();
    for (const wrong of [function* () {}, undefined, 3]) {
      expect(() => loop.runInExecutor(inline, wrong as never)).toThrow(withCode("EXECUTOR_FUNCTION"));
    }
  });

  test("shutdownDefaultExecutor waits for it, and no longer than its limit", async () => {
    const { result, messages } = await runVirtuallyWithPromises(function* () {
      const loop = getRunningLoop();
      const shut: string[] = [];
      loop.defaultExecutor = {
        ...inline,
        *shutdown() {
          yield* sleep(5);
          shut.push("shut");
        },
      };
      yield* loop.shutdownDefaultExecutor();
      shut.push(`at ${loop.time()}`, String(loop.defaultExecutor));
      loop.defaultExecutor = { ...inline, shutdown: () => sleep(1_000) };
      yield* loop.shutdownDefaultExecutor(10);
      return [...shut, loop.time()];
    });
    expect(result).toEqual(["shut", "at 5", "undefined", 15]);
    expect(messages).toEqual([expect.stringContaining("10 ms")]);
  });
});

describe("onClose", () => {
  test("calls when the loop is closed, once, in the order of the calls", () => {
    const { loop } = virtualLoop();
    const calls: unknown[] = [];
    loop.onClose(() => calls.push(["first", loop.closed]));
    loop.onClose(() => calls.push(["second", loop.closed]));
    expect(calls).toEqual([]);
    loop.close();
    loop.close();
    expect(calls).toEqual([
      ["first", true],
      ["second", true],
    ]);
  });

  test("what was called off is not called, be it by another one while the loop closes", () => {
    const { loop } = virtualLoop();
    const calls: string[] = [];
    const callOff = loop.onClose(() => calls.push("called off"));
    let callOffLater = (): void => expect.unreachable();
    loop.onClose(() => {
      calls.push("calls another off");
      callOffLater();
    });
    callOffLater = loop.onClose(() => calls.push("called off while closing"));
    loop.onClose(() => calls.push("last"));
    callOff();
    callOff();
    loop.close();
    callOffLater();
    expect(calls).toEqual(["calls another off", "last"]);
  });

  test("is not called for a loop that merely stops, nor after the close", () => {
    const { loop, host } = virtualLoop();
    const calls: string[] = [];
    loop.onClose(() => calls.push("closed"));
    const future = loop.start(sleep(1));
    while (host.step());
    expect([future.done, loop.running, calls]).toEqual([true, false, []]);
    loop.close();
    loop.onClose(() => calls.push("too late"));
    loop.close();
    expect(calls).toEqual(["closed"]);
  });

  test("at the end of a run it is called after the cleanup of every task", async () => {
    const seen: string[] = [];
    await run(function* () {
      getRunningLoop().onClose(() => seen.push("closed"));
      createTask(function* () {
        try {
          yield* sleep(1_000);
        } finally {
          yield* sleep(1);
          seen.push("cleaned up");
        }
      });
      yield* sleep(1);
      seen.push("main");
    });
    expect(seen).toEqual(["main", "cleaned up", "closed"]);
  });
});
