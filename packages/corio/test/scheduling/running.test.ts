import {
  createTask,
  currentTask,
  EventLoop,
  Future,
  getRunningLoop,
  ManualHost,
  NoRunningLoopError,
  run,
  sleep,
} from "corio";
import { describe, expect, test } from "vitest";
import { drainPromises, runVirtually, runVirtuallyWithPromises, virtualLoop } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

describe("getRunningLoop", () => {
  test("gives the loop in a task, in a callback and in a timer", () => {
    const seen: EventLoop[] = [];
    const { loop } = runVirtually(function* () {
      seen.push(getRunningLoop());
      getRunningLoop().callSoon(() => seen.push(getRunningLoop()));
      getRunningLoop().callLater(1, () => seen.push(getRunningLoop()));
      yield* sleep(2);
    });
    expect(seen).toEqual([loop, loop, loop]);
  });

  test("outside of a loop it fails, with the advice to keep the loop", () => {
    expect(() => getRunningLoop()).toThrow(NoRunningLoopError);
    expect(() => getRunningLoop()).toThrow(withCode("NO_RUNNING_LOOP", /const loop = getRunningLoop\(\)/));
  });

  test("in a callback of the host it fails although a run lasts; the kept loop works there", async () => {
    let thrown: unknown;
    const { result } = await runVirtuallyWithPromises(function* () {
      const loop = getRunningLoop();
      const future = loop.createFuture<string>();
      queueMicrotask(() => {
        try {
          getRunningLoop();
        } catch (error) {
          thrown = error;
        }
        loop.createTask(function* () {
          yield* sleep(3);
          future.setResult("by a task made in a callback of the host");
        });
      });
      return yield* future;
    });
    expect(thrown).toMatchObject({ code: "ERR_CORIO_NO_RUNNING_LOOP" });
    expect(result).toBe("by a task made in a callback of the host");
  });

  test("what needs a running loop says so outside of one, and closes the coroutine that it was given", () => {
    const refusal = withCode("NO_RUNNING_LOOP");
    expect(() => new Future()).toThrow(refusal);
    const coroutine = sleep(1) as Generator<never, void, void>;
    expect(() => createTask(coroutine)).toThrow(refusal);
    const generator = (function* () {
      yield* sleep(1);
    })();
    expect(() => createTask(generator)).toThrow(refusal);
    expect(generator.next().done).toBe(true);
  });
});

describe("currentTask", () => {
  test("is the task whose step runs, also after others ran", () => {
    const { result } = runVirtually(function* () {
      const mine = currentTask();
      const other = createTask(function* () {
        return currentTask();
      });
      yield* sleep(1);
      return [currentTask() === mine, other.result() === other, mine !== other, mine.loop === getRunningLoop()];
    });
    expect(result).toEqual([true, true, true, true]);
  });

  test("is an error in a callback that is no task, and outside of a loop", () => {
    expect(() => currentTask()).toThrow(withCode("NO_RUNNING_LOOP"));
    const thrown: unknown[] = [];
    runVirtually(function* () {
      getRunningLoop().callSoon(() => {
        try {
          currentTask();
        } catch (error) {
          thrown.push(error);
        }
      });
      yield* sleep(1);
    });
    expect(thrown).toMatchObject([
      { code: "ERR_CORIO_OUTSIDE_TASK", message: expect.stringContaining("currentTask()") },
    ]);
  });

  test("with a loop it is undefined where no task of that loop runs", () => {
    const other = virtualLoop().loop;
    const { loop } = runVirtually(function* () {
      expect(currentTask(getRunningLoop())).toBe(currentTask());
      expect(currentTask(other)).toBeUndefined();
      yield;
    });
    expect(currentTask(loop)).toBeUndefined();
  });
});

describe("several loops in one thread", () => {
  test("run side by side, each with its own tasks", () => {
    const one = virtualLoop();
    const other = virtualLoop();
    const seen: string[] = [];
    function* main(name: string, loop: EventLoop): Generator<undefined, string, void> {
      for (let i = 0; i < 3; i++) {
        seen.push(`${name}${i}${getRunningLoop() === loop}`);
        yield;
      }
      return name;
    }
    const a = one.loop.start(main("a", one.loop));
    const b = other.loop.start(main("b", other.loop));
    while (!a.done || !b.done) {
      one.host.step();
      other.host.step();
    }
    expect([a.result(), b.result()]).toEqual(["a", "b"]);
    expect(seen.toSorted()).toEqual(["a0true", "a1true", "a2true", "b0true", "b1true", "b2true"]);
  });

  test("wake each other: a future of one is set by a task of the other", () => {
    const one = virtualLoop();
    const other = virtualLoop();
    const future = one.loop.createFuture<string>();
    const waits = one.loop.start(
      (function* () {
        return yield* future;
      })(),
    );
    const sets = other.loop.start(
      (function* () {
        yield* sleep(5);
        future.setResult("across");
      })(),
    );
    while (one.host.runTurn());
    while (!sets.done) other.host.step();
    expect(one.host.turns).toBe(1);
    while (!waits.done) one.host.step();
    expect(waits.result()).toBe("across");
  });

  test("run() inside a running loop is refused at once, and its coroutine is closed", () => {
    runVirtually(function* () {
      const coroutine = (function* () {
        yield;
      })();
      expect(() => run(coroutine)).toThrow(withCode("INSIDE_LOOP", /yield\* main\(\)/));
      expect(coroutine.next().done).toBe(true);
      const host = new ManualHost();
      expect(() => new EventLoop({ host }).start(sleep(1))).toThrow(withCode("INSIDE_LOOP"));
      expect(() => new EventLoop({ host }).runForever()).toThrow(withCode("INSIDE_LOOP"));
      yield;
    });
  });

  test("run() from plain async code works while another loop runs", async () => {
    const outer = run(function* () {
      const loop = getRunningLoop();
      const future = loop.createFuture<string>();
      queueMicrotask(() => {
        void (async () => future.setResult(`inner ${await run(sleep(1, "result"))}`))();
      });
      return yield* future;
    });
    expect(await outer).toBe("inner result");
  });

  test("a callback of an inner loop that a task of another loop drives by hand belongs to no task", () => {
    const inner = virtualLoop();
    let seen: unknown = "not called";
    inner.loop.callSoon(() => {
      seen = currentTask(inner.loop);
    });
    void inner.loop.runForever();
    const { result } = runVirtually(function* () {
      const mine = currentTask();
      inner.host.runTurn();
      return currentTask() === mine && getRunningLoop() !== inner.loop;
    });
    expect(result).toBe(true);
    expect(seen).toBeUndefined();
  });

  test("between turns no loop is running for the code of the host", async () => {
    const { loop, host } = virtualLoop();
    void loop.runForever();
    while (host.step());
    await drainPromises();
    expect(loop.running).toBe(true);
    expect(() => getRunningLoop()).toThrow(NoRunningLoopError);
  });
});
