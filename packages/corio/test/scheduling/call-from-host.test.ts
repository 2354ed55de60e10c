import { AsyncLocalStorage } from "node:async_hooks";
import {
  ContextVar,
  copyContext,
  coroutine,
  createTask,
  type EventLoop,
  Future,
  getRunningLoop,
  type ManualHost,
  run,
  sleep,
  until,
} from "corio";
import { describe, expect, test } from "vitest";
import { drainPromises, virtualLoop, type VirtualLoop } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

/** A loop on virtual time that runs and has nothing to do. */
function idleLoop(options: Parameters<typeof virtualLoop>[0] = {}): VirtualLoop {
  const virtual = virtualLoop(options);
  void virtual.loop.runForever();
  while (virtual.host.runTurn());
  return virtual;
}

describe("callFromHost on a loop that has nothing to do", () => {
  test("calls at once, inside the loop, with the arguments", () => {
    const { loop, host } = idleLoop();
    const calls: unknown[] = [];
    loop.callFromHost((...args: unknown[]) => calls.push([...args, getRunningLoop() === loop]), 1, "two");
    expect(calls).toEqual([[1, "two", true]]);
    expect(() => getRunningLoop()).toThrow(withCode("NO_RUNNING_LOOP"));
    expect(host.turns).toBe(0);
  });

  test("then runs what it wakes, and what that wakes, before it returns", () => {
    const { loop, host } = idleLoop();
    const ran: string[] = [];
    const news = loop.createFuture<string>();
    loop.createTask(function* () {
      ran.push(yield* news);
      yield* createTask(function* () {
        yield;
        ran.push("child");
      });
      ran.push("parent");
    });
    while (host.runTurn());
    loop.callFromHost(() => {
      news.setResult("news");
      ran.push("callback");
    });
    expect(ran).toEqual(["callback", "news", "child", "parent"]);
    expect(host.turns).toBe(0);
  });

  test("calls at once also when a turn was requested for a timer, and that turn does no harm", () => {
    const { loop, host } = idleLoop();
    const ran: string[] = [];
    loop.callLater(5, () => ran.push("timer"));
    expect(host.turns).toBe(1);
    loop.callFromHost(() => ran.push("callback"));
    expect(ran).toEqual(["callback"]);
    while (host.step());
    expect([ran, host.now()]).toEqual([["callback", "timer"], 5]);
  });

  test("runs timers that are due by then", () => {
    const { loop, host } = idleLoop();
    const ran: string[] = [];
    loop.callLater(5, () => ran.push("timer"));
    host.runTurn();
    host.advance(6);
    loop.callFromHost(() => ran.push("callback"));
    expect(ran).toEqual(["callback", "timer"]);
  });

  test("a delay counts from the call, and the alarm of the host is set for it", () => {
    const { loop, host } = idleLoop();
    host.advance(100);
    let ranAt: number | undefined;
    loop.callFromHost(() => {
      loop.callLater(5, () => {
        ranAt = host.now();
      });
    });
    expect(host.nextAlarm).toBe(105);
    while (host.step());
    expect(ranAt).toBe(105);
  });

  test("can stop the loop, and end the run", () => {
    const { loop } = idleLoop();
    loop.callFromHost(() => loop.stop());
    expect(loop.running).toBe(false);
    const { loop: other, host } = virtualLoop();
    const news = other.createFuture<string>();
    const whole = other.start(news);
    while (host.runTurn());
    other.callFromHost(() => news.setResult("news"));
    expect([whole.result(), other.running]).toEqual(["news", false]);
  });

  test("an error goes to the exception handler, and what was woken before it runs", () => {
    const { loop, reports } = idleLoop();
    const ran: string[] = [];
    const error = new Error("broken");
    expect(() =>
      loop.callFromHost(function receive() {
        loop.callSoon(() => ran.push("woken"));
        throw error;
      }),
    ).not.toThrow();
    expect(ran).toEqual(["woken"]);
    expect(reports).toMatchObject([
      { message: expect.stringMatching(/^Exception in callback .*receive/), exception: error },
    ]);
    loop.callFromHost(() => ran.push("next"));
    expect(ran).toEqual(["woken", "next"]);
  });

  test("what the callback was given is not kept", async () => {
    const { loop } = idleLoop();
    const given = new WeakRef(new Uint8Array(1_000));
    loop.callFromHost((_given: unknown) => {}, given.deref());
    await drainPromises();
    (globalThis as { gc?: () => void }).gc?.();
    expect(given.deref()).toBeUndefined();
  });
});

describe("callFromHost where something is to run before", () => {
  test("keeps its place behind what is ready", () => {
    const { loop, host } = idleLoop();
    const ran: number[] = [];
    loop.callSoon(() => ran.push(1));
    loop.callFromHost((n: number) => ran.push(n), 2);
    loop.callSoon(() => ran.push(3));
    loop.callFromHost((n: number) => ran.push(n), 4);
    expect(ran).toEqual([]);
    while (host.runTurn());
    expect(ran).toEqual([1, 2, 3, 4]);
  });

  test("called inside the loop, it runs in the next iteration", () => {
    const { loop, host } = idleLoop();
    const ran: string[] = [];
    loop.callSoon(() => {
      loop.callSoon(() => ran.push("before"));
      loop.callFromHost(() => ran.push("callback"));
      ran.push("caller");
    });
    while (host.runTurn());
    expect(ran).toEqual(["caller", "before", "callback"]);
    loop.callFromHost(() => {
      loop.callFromHost(() => ran.push("inner"));
      ran.push("outer");
    });
    expect(ran.slice(3)).toEqual(["outer", "inner"]);
  });

  test("called inside another loop, it waits for a turn of its own", () => {
    const { loop: one } = idleLoop();
    const { loop: two, host } = idleLoop();
    const ran: string[] = [];
    one.callFromHost(() => {
      two.callFromHost(() => ran.push(getRunningLoop() === two ? "two" : "another"));
      ran.push("one");
    });
    expect(ran).toEqual(["one"]);
    expect(host.turns).toBe(1);
    host.runTurn();
    expect(ran).toEqual(["one", "two"]);
  });

  test("before the loop runs, and after it stopped, it waits for the run", () => {
    const { loop, host } = virtualLoop();
    const ran: string[] = [];
    loop.callFromHost(() => ran.push("first"));
    loop.callSoon(() => ran.push("second"));
    expect([ran, host.turns]).toEqual([[], 0]);
    void loop.runForever();
    // it has been asked to run, and its first turn is still to come
    loop.callFromHost(() => ran.push("third"));
    expect(ran).toEqual([]);
    while (host.runTurn());
    expect(ran).toEqual(["first", "second", "third"]);
    loop.stop();
    while (host.runTurn());
    loop.callFromHost(() => ran.push("fourth"));
    expect(ran).toHaveLength(3);
    void loop.runForever();
    while (host.runTurn());
    expect(ran).toEqual(["first", "second", "third", "fourth"]);
  });

  test("an error goes to the exception handler, under the callback's name", () => {
    const { loop, host, reports } = idleLoop();
    loop.callSoon(() => {});
    loop.callFromHost(function receive(text: string) {
      throw new Error(text);
    }, "broken");
    while (host.runTurn());
    expect(reports).toMatchObject([
      { message: expect.stringMatching(/^Exception in callback .*receive/), exception: new Error("broken") },
    ]);
  });
});

describe("callFromHost used wrongly", () => {
  test("what is no function is refused, and a function* always", () => {
    const { loop } = idleLoop();
    function* main(): Generator<undefined, void, void> {}
    for (const fn of [main, coroutine(main)]) {
      expect(() => loop.callFromHost(fn as () => void)).toThrow(withCode("COROUTINE_CALLBACK", /createTask\(main\)/));
    }
    expect(() => loop.callFromHost(undefined as never)).toThrow(withCode("CALLBACK", /callFromHost\(\)/));
  });

  test("a closed loop throws", () => {
    const { loop } = virtualLoop();
    loop.close();
    expect(() => loop.callFromHost(() => expect.unreachable())).toThrow(withCode("LOOP_CLOSED"));
  });
});

describe("the context of callFromHost", () => {
  const user = new ContextVar<string>("user", { default: "nobody" });

  /** Calls on an idle loop, twice, and on one that has something to run before. */
  function callBothWays(loop: EventLoop, host: ManualHost, callback: () => void): void {
    loop.callFromHost(callback);
    loop.callFromHost(callback);
    loop.callSoon(() => {});
    loop.callFromHost(callback);
    while (host.runTurn());
  }

  test("what is set inside is seen by what is made inside, and nowhere else: not by the caller, nor by the next one", () => {
    const { loop, host } = idleLoop();
    const seen: string[] = [];
    callBothWays(loop, host, () => {
      seen.push(user.get());
      user.set("inside");
      loop.callSoon(() => seen.push(user.get()));
    });
    expect(user.get()).toBe("nobody");
    expect(seen).toEqual(["nobody", "inside", "nobody", "inside", "nobody", "inside"]);
  });

  test("is a copy of the caller's", () => {
    const { loop, host } = idleLoop();
    const seen: string[] = [];
    for (const name of ["one", "two"]) {
      copyContext().run(() => {
        user.set(name);
        callBothWays(loop, host, () => {
          seen.push(user.get());
          user.set("inside");
        });
        expect(user.get()).toBe(name);
      });
    }
    expect(seen).toEqual(["one", "one", "one", "two", "two", "two"]);
  });

  test("AsyncLocalStorage has the run's store, not the caller's", () => {
    const store = new AsyncLocalStorage<string>();
    const { loop, host } = virtualLoop();
    store.run("run", () => void loop.runForever());
    while (host.runTurn());
    const seen: unknown[] = [];
    store.run("caller", () => callBothWays(loop, host, () => seen.push(store.getStore())));
    expect(seen).toEqual(["run", "run", "run"]);
  });
});

describe("callFromHost in debug mode", () => {
  test("a slow callback is reported with its name, with and without arguments", () => {
    const { loop, host, reports } = idleLoop({ debug: true });
    loop.callFromHost(function receive(ms: number) {
      host.advance(ms);
    }, 150);
    loop.callFromHost(function lose() {
      host.advance(120);
    });
    while (host.runTurn());
    expect(reports.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^Executing callback .*\breceive took 150\.0 ms/),
      expect.stringMatching(/^Executing callback .*\blose took 120\.0 ms/),
    ]);
  });
});

describe("callFromHost and the budget of a turn", () => {
  test("what it wakes runs for a budget at most; the host has its say, and then it goes on", () => {
    const { loop, host } = idleLoop({ turnBudget: 1 });
    let steps = 0;
    loop.callFromHost(() => {
      loop.createTask(function* () {
        for (; steps < 100; steps++) {
          host.advance(0.1);
          yield;
        }
      });
    });
    expect(steps).toBeGreaterThan(5);
    expect(steps).toBeLessThan(15);
    expect(host.turns).toBe(1);
    while (host.runTurn());
    expect(steps).toBe(100);
  });

  test("a task that spins does not starve it, and is not starved by it", () => {
    const { loop, host } = idleLoop({ turnBudget: 1 });
    let steps = 0;
    let calls = 0;
    loop.createTask(function* () {
      for (;;) {
        steps++;
        host.advance(0.1);
        yield;
      }
    });
    for (let turn = 1; turn <= 20; turn++) {
      const before = steps;
      host.runTurn();
      for (let i = 0; i < 3; i++) {
        loop.callFromHost(() => {
          calls++;
          host.advance(0.1);
        });
      }
      expect(steps).toBeGreaterThan(before);
      expect(calls).toBeGreaterThanOrEqual(3 * (turn - 2));
    }
    expect(steps).toBeGreaterThan(20 * 5);
  });

  test("callbacks of a busy host do not starve its other callbacks, nor timers and promises of the loop", async () => {
    const seen = await run(function* () {
      const loop = getRunningLoop();
      const ended = new Future<void>();
      let calls = 0;
      // each callback of the host brings the next one
      const bring = (): void => {
        calls++;
        if (!ended.done) setImmediate(() => loop.callFromHost(bring));
      };
      setImmediate(() => loop.callFromHost(bring));
      const promised = createTask(function* () {
        for (let i = 0; i < 50; i++) yield* until(Promise.resolve());
      });
      const timed = createTask(function* () {
        for (let i = 0; i < 5; i++) yield* sleep(1);
      });
      const hosted = until(new Promise<void>((resolve) => setTimeout(resolve, 5)));
      for (const each of [promised, timed, hosted]) yield* each;
      ended.setResult();
      return calls;
    });
    expect(seen).toBeGreaterThan(0);
  });
});
