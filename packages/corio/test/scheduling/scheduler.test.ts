import { coroutine, createTask, EventLoop, getRunningLoop, type Handle, ManualHost, sleep } from "corio";
import { describe, expect, test } from "vitest";
import { runVirtually, virtualLoop } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

/** Runs the loop until the host has nothing left. */
function runAll(loop: EventLoop, host: ManualHost): void {
  void loop.runForever();
  while (host.step());
}

describe("callSoon", () => {
  test("callbacks run in the order of the calls", () => {
    const { loop, host } = virtualLoop();
    const ran: number[] = [];
    for (let i = 0; i < 200; i++) loop.callSoon(() => ran.push(i));
    expect(ran).toEqual([]);
    runAll(loop, host);
    expect(ran).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  test("a cancelled callback does not run, and says that it is cancelled", () => {
    const { loop, host } = virtualLoop();
    const handle = loop.callSoon(() => expect.unreachable());
    expect(handle.cancelled).toBe(false);
    handle.cancel();
    handle.cancel();
    expect(handle.cancelled).toBe(true);
    runAll(loop, host);
  });

  test("a callback can cancel one of the same iteration", () => {
    const { loop, host } = virtualLoop();
    const handles: Handle[] = [];
    loop.callSoon(() => handles[0]?.cancel());
    handles.push(loop.callSoon(() => expect.unreachable()));
    runAll(loop, host);
  });

  test("an error in a callback goes to the exception handler with the handle, and the others run", () => {
    const { loop, host, reports } = virtualLoop();
    const error = new Error("broken");
    const handle = loop.callSoon(function work() {
      throw error;
    });
    let ran = false;
    loop.callSoon(() => {
      ran = true;
    });
    runAll(loop, host);
    expect(ran).toBe(true);
    expect(reports).toMatchObject([{ message: "Exception in callback work", exception: error, context: { handle } }]);
  });

  test("what is no function is refused, and a coroutine among it is closed", () => {
    const { loop } = virtualLoop();
    const refusal = withCode("CALLBACK", /callSoon\(\).*function/);
    expect(() => loop.callSoon(undefined as unknown as () => void)).toThrow(refusal);
    expect(() => loop.callSoon(null as unknown as () => void)).toThrow(refusal);
    let finallyRan = false;
    const coroutine = (function* () {
      try {
        yield* sleep(1);
      } finally {
        finallyRan = true;
      }
    })();
    expect(() => loop.callSoon(coroutine as unknown as () => void)).toThrow(refusal);
    expect(coroutine.next()).toEqual({ done: true, value: undefined });
    expect(finallyRan).toBe(false);
  });

  test("a function* is refused, always, and so are an async function* and what coroutine() wrapped", () => {
    const { loop } = virtualLoop();
    const refusal = withCode("COROUTINE_CALLBACK", /createTask\(main\)/);
    function* main(): Generator<undefined, void, void> {}
    for (const fn of [main, coroutine(main)]) {
      expect(() => loop.callSoon(fn)).toThrow(refusal);
      expect(() => loop.callSoonThreadsafe(fn)).toThrow(refusal);
      expect(() => loop.callLater(1, fn)).toThrow(refusal);
      expect(() => loop.callAt(1, fn)).toThrow(refusal);
    }
    expect(() => loop.callSoon(async function* named() {})).toThrow(
      withCode("COROUTINE_CALLBACK", /createTask\(named\)/),
    );
  });

  test("a closed loop takes nothing", () => {
    const { loop } = virtualLoop();
    loop.close();
    const refusal = withCode("LOOP_CLOSED", /closed/);
    expect(() => loop.callSoon(() => {})).toThrow(refusal);
    expect(() => loop.callSoonThreadsafe(() => {})).toThrow(refusal);
    expect(() => loop.callLater(1, () => {})).toThrow(refusal);
    expect(() => loop.callAt(1, () => {})).toThrow(refusal);
    expect(loop.closed).toBe(true);
  });

  test("closing drops what is scheduled", () => {
    const { loop, host } = virtualLoop();
    loop.callSoon(() => expect.unreachable());
    const handle = loop.callLater(1, () => expect.unreachable());
    loop.close();
    loop.close();
    handle.cancel();
    expect(host.step()).toBe(false);
  });
});

describe("stop", () => {
  test("finishes the iteration; callbacks that are scheduled meanwhile wait for the next run", () => {
    const { loop, host } = virtualLoop();
    const ran: string[] = [];
    loop.callSoon(() => {
      ran.push("first");
      loop.callSoon(() => ran.push("scheduled meanwhile"));
      loop.stop();
    });
    loop.callSoon(() => ran.push("second"));
    runAll(loop, host);
    expect(ran).toEqual(["first", "second"]);
    expect(loop.running).toBe(false);
    runAll(loop, host);
    expect(ran).toEqual(["first", "second", "scheduled meanwhile"]);
  });

  test("finishes the iteration even where the budget of a turn ends within it", () => {
    const { loop, host } = virtualLoop();
    const ran: string[] = [];
    for (const name of ["a", "b", "c", "d"]) {
      loop.callSoon(() => {
        host.advance(10);
        ran.push(name);
        loop.callSoon(() => ran.push(`${name} again`));
        if (name === "b") loop.stop();
      });
    }
    runAll(loop, host);
    expect(ran).toEqual(["a", "b", "c", "d"]);
  });

  test("called before the loop runs, it lets that run make one iteration", () => {
    const { loop, host } = virtualLoop();
    const ran: string[] = [];
    loop.callSoon(() => {
      ran.push("one");
      loop.callSoon(() => ran.push("two"));
    });
    loop.stop();
    runAll(loop, host);
    expect(ran).toEqual(["one"]);
    expect(loop.running).toBe(false);
  });

  test("called from a callback of the host, it stops a loop that has nothing to do", async () => {
    const { loop, host } = virtualLoop();
    const forever = loop.runForever();
    while (host.step());
    expect(loop.running).toBe(true);
    loop.stop();
    while (host.step());
    expect(loop.running).toBe(false);
    await forever;
  });

  test("a loop that was stopped can be run again", () => {
    const { loop, host } = virtualLoop();
    for (let i = 0; i < 3; i++) {
      let ran = false;
      loop.callSoon(() => {
        ran = true;
        loop.stop();
      });
      runAll(loop, host);
      expect([ran, loop.running]).toEqual([true, false]);
    }
  });
});

describe("timers", () => {
  test("timers of equal deadline run in the order in which they were set", () => {
    const { loop, host } = virtualLoop();
    const ran: number[] = [];
    for (let i = 0; i < 500; i++) loop.callAt(10, () => ran.push(i));
    runAll(loop, host);
    expect(ran).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });

  test("a thousand timers in any order, some cancelled, run by deadline and then by order", () => {
    const { loop, host } = virtualLoop();
    const ran: string[] = [];
    const expected: { when: number; name: string }[] = [];
    let seed = 7;
    for (let i = 0; i < 1_000; i++) {
      seed = (seed * 16_807) % 2_147_483_647;
      const when = seed % 50;
      const name = `${when}/${i}`;
      const handle = loop.callAt(when, () => ran.push(name));
      expect(handle.when).toBe(when);
      if (i % 3 === 0) handle.cancel();
      else expected.push({ when, name });
    }
    runAll(loop, host);
    expect(ran).toEqual(expected.toSorted((a, b) => a.when - b.when).map(({ name }) => name));
    expect(host.now()).toBe(49);
  });

  test("timers that are cancelled by the thousand leave no alarm of the host", () => {
    const { loop, host } = virtualLoop();
    void loop.runForever();
    const handles = Array.from({ length: 10_000 }, (_, i) => loop.callLater(1_000 + i, () => expect.unreachable()));
    for (const handle of handles) handle.cancel();
    while (host.step());
    expect([host.nextAlarm, host.now()]).toEqual([undefined, 0]);
  });

  test("a cancelled sleep leaves no timer", () => {
    const { duration, host } = runVirtually(function* () {
      const task = createTask(sleep(1_000));
      yield* sleep(1);
      task.cancel();
      yield;
      yield;
    });
    expect(duration).toBe(1);
    expect(host.step()).toBe(false);
    expect(host.now()).toBe(1);
  });

  test("a handle that is cancelled when it is due already, but before it runs, does not run", () => {
    const { loop, host } = virtualLoop();
    const handles: Handle[] = [];
    loop.callAt(5, () => handles[0]?.cancel());
    handles.push(loop.callAt(5, () => expect.unreachable()));
    runAll(loop, host);
  });

  test("a negative delay means now, -Infinity too", () => {
    const { loop, host } = virtualLoop();
    const ran: string[] = [];
    loop.callLater(-5, () => ran.push("-5"));
    loop.callLater(Number.NEGATIVE_INFINITY, () => ran.push("-Infinity"));
    loop.callAt(-1, () => ran.push("in the past"));
    runAll(loop, host);
    expect(ran.toSorted()).toEqual(["-5", "-Infinity", "in the past"].toSorted());
    expect(host.now()).toBe(0);
  });

  test("a delay of Infinity never fires, and does not hide the others", () => {
    const { loop, host } = virtualLoop();
    const handle = loop.callLater(Number.POSITIVE_INFINITY, () => expect.unreachable());
    let ran = false;
    loop.callLater(1e12, () => {
      ran = true;
    });
    runAll(loop, host);
    expect([ran, host.now(), handle.when]).toEqual([true, 1e12, Number.POSITIVE_INFINITY]);
  });

  test("NaN and what is no number are refused where they are written", () => {
    const { loop } = virtualLoop();
    const nan = withCode("MILLISECONDS", /NaN/);
    expect(() => loop.callLater(Number.NaN, () => {})).toThrow(nan);
    expect(() => loop.callAt(Number.NaN, () => {})).toThrow(nan);
    expect(() => sleep(Number.NaN)).toThrow(nan);
    expect(() => loop.callLater("1" as unknown as number, () => {})).toThrow(withCode("MILLISECONDS", /callLater/));
    expect(() => sleep(undefined as unknown as number)).toThrow(withCode("MILLISECONDS", /sleep/));
    expect(() => loop.callLater(Number.NaN, () => {})).toThrow(RangeError);
    expect(() => sleep("1" as unknown as number)).toThrow(TypeError);
  });

  test("an alarm that rings early by less than a millisecond counts as due, and does not ring twice", () => {
    class EarlyHost extends ManualHost {
      alarms = 0;
      override requestTurnAt(when: number, turn: () => void): () => void {
        this.alarms++;
        return super.requestTurnAt(when - 0.9, turn);
      }
    }
    const host = new EarlyHost();
    const loop = new EventLoop({ host });
    let ranAt: number | undefined;
    loop.callLater(10, () => {
      ranAt = host.now();
    });
    runAll(loop, host);
    expect(ranAt).toBeCloseTo(9.1);
    expect(host.alarms).toBe(1);
  });

  test("an alarm that rings much too early is set again, and nothing runs before its time", () => {
    class HastyHost extends ManualHost {
      override requestTurnAt(when: number, turn: () => void): () => void {
        return super.requestTurnAt(Math.min(when, this.now() + 3), turn);
      }
    }
    const host = new HastyHost();
    const loop = new EventLoop({ host });
    let ranAt: number | undefined;
    loop.callLater(10, () => {
      ranAt = host.now();
    });
    runAll(loop, host);
    expect(ranAt).toBeGreaterThanOrEqual(9);
  });

  test("a timer that is set from outside, and is earlier than the alarm of the host, moves the alarm", () => {
    const { loop, host } = virtualLoop();
    const ran: string[] = [];
    loop.callLater(1_000, () => ran.push(`late ${loop.time()}`));
    void loop.runForever();
    host.runTurn();
    expect(host.nextAlarm).toBe(1_000);
    loop.callLater(10, () => ran.push(`early ${loop.time()}`));
    host.runTurn();
    expect(host.nextAlarm).toBe(10);
    while (host.step());
    expect(ran).toEqual(["early 10", "late 1000"]);
  });

  test("time is the clock of the host", () => {
    const { loop, host } = virtualLoop({ time: 123 });
    expect(loop.time()).toBe(123);
    host.advance(4);
    expect(loop.time()).toBe(127);
  });

  test("a delay counts from the call, not from the beginning of the turn", () => {
    const { loop, host } = virtualLoop();
    let ranAt: number | undefined;
    loop.callSoon(() => {
      host.advance(100);
      loop.callLater(5, () => {
        ranAt = loop.time();
      });
    });
    runAll(loop, host);
    expect(ranAt).toBe(105);
  });
});

describe("close and run", () => {
  test("a running loop can be neither closed nor run again", () => {
    runVirtually(function* () {
      const loop = getRunningLoop();
      expect(loop.running).toBe(true);
      expect(() => loop.close()).toThrow(withCode("LOOP_RUNNING", /close/i));
      expect(() => loop.runForever()).toThrow(withCode("LOOP_RUNNING"));
      expect(() => loop.start(sleep(1))).toThrow(withCode("LOOP_RUNNING"));
      yield;
    });
  });

  test("a closed loop does not run", () => {
    const { loop } = virtualLoop();
    loop.close();
    expect(() => loop.runForever()).toThrow(withCode("LOOP_CLOSED"));
    const coroutine = sleep(1);
    expect(() => loop.runUntilComplete(coroutine)).toThrow(withCode("LOOP_CLOSED"));
  });
});
