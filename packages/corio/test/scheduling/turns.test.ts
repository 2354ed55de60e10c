import { createTask, EventLoop, getRunningLoop, ManualHost, run, sleep, until } from "corio";
import { describe, expect, test } from "vitest";
import { runVirtually, runVirtuallyWithPromises, virtualLoop } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

let clock: ManualHost;

/** Counts the requests for turns. */
class CountingHost extends ManualHost {
  requests = 0;
  alarms = 0;

  override requestTurn(turn: () => void): void {
    this.requests++;
    super.requestTurn(turn);
  }

  override requestTurnAt(when: number, turn: () => void): () => void {
    this.alarms++;
    return super.requestTurnAt(when, turn);
  }
}

/** Its clock goes on by a hundredth of a millisecond whenever it is looked at. */
class TickingHost extends ManualHost {
  override now(): number {
    this.advance(0.01);
    return super.now();
  }
}

describe("turns", () => {
  test("no turn and no alarm is requested when there is nothing to do", () => {
    const host = new CountingHost();
    const loop = new EventLoop({ host });
    const future = loop.createFuture<void>();
    loop.start(future, { deadlock: false });
    while (host.step());
    expect([host.requests, host.alarms]).toEqual([1, 0]);
  });

  test("whatever is scheduled between turns costs one request", () => {
    const host = new CountingHost();
    const loop = new EventLoop({ host });
    void loop.runForever();
    while (host.step());
    host.requests = 0;
    for (let i = 0; i < 100; i++) loop.callSoon(() => {});
    for (let i = 0; i < 100; i++) loop.callLater(1_000, () => {});
    expect(host.requests).toBe(1);
  });

  test("whatever is scheduled within a turn costs none: the loop looks at its queues before the turn ends", () => {
    const host = new CountingHost();
    const loop = new EventLoop({ host });
    void loop.runForever();
    loop.callSoon(() => {
      for (let i = 0; i < 100; i++) loop.callSoon(() => {});
    });
    while (host.step());
    expect(host.requests).toBe(1);
  });

  test("a turn ends by its budget also while a timer is pending and each iteration has one callback", () => {
    const host = new TickingHost();
    const loop = new EventLoop({ host, turnBudget: 1 });
    loop.callLater(1e6, () => {});
    let switches = 0;
    const spinning = loop.createTask(function* () {
      while (switches < 1e5) {
        switches++;
        yield* sleep(0);
      }
    });
    loop.start(spinning);
    host.runTurn();
    expect(switches).toBeGreaterThan(0);
    expect(switches).toBeLessThan(2_000);
    spinning.cancel();
    while (host.runTurn());
  });

  test("nothing is requested before the loop runs", () => {
    const host = new CountingHost();
    const loop = new EventLoop({ host });
    loop.callSoon(() => {});
    loop.callLater(1, () => {});
    loop.createTask(sleep(1));
    expect([host.requests, host.alarms]).toEqual([0, 0]);
  });

  test("a turn ends when its budget is used up, and takes the iteration up where it was left", () => {
    const { loop, host } = virtualLoop({ turnBudget: 1 });
    const ran: number[] = [];
    for (let i = 0; i < 100; i++) {
      loop.callSoon(() => {
        host.advance(0.1);
        ran.push(i);
      });
    }
    void loop.runForever();
    const turns: number[] = [];
    while (host.turns > 0) {
      const start = host.now();
      host.runTurn();
      turns.push(host.now() - start);
    }
    expect(ran).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(Math.max(...turns)).toBeLessThan(1.15);
    expect(turns.length).toBeGreaterThanOrEqual(9);
    expect(turns.length).toBeLessThan(14);
  });

  test("a slow callback ends the turn by itself", () => {
    const { loop, host } = virtualLoop();
    let ran = 0;
    for (let i = 0; i < 5; i++) {
      loop.callSoon(() => {
        host.advance(20);
        ran++;
      });
    }
    void loop.runForever();
    host.runTurn();
    expect(ran).toBe(1);
    expect(host.turns).toBe(1);
  });

  test("a turn ends at last although the clock stands still", () => {
    const { loop, host } = virtualLoop();
    let switches = 0;
    loop.createTask(function* () {
      for (;;) {
        switches++;
        yield;
      }
    });
    void loop.runForever();
    expect(host.step()).toBe(true);
    expect(switches).toBeGreaterThan(1_000);
    expect(host.turns).toBe(1);
  });

  test("a task that spins does not keep timers from firing on a clock that moves", () => {
    let fired = false;
    const { result } = runVirtually(
      function* () {
        getRunningLoop().callLater(5, () => {
          fired = true;
        });
        let spins = 0;
        while (!fired) {
          clock.advance(0.01);
          spins++;
          yield;
        }
        return spins;
      },
      { prepare: ({ host }) => void (clock = host) },
    );
    expect(result).toBeGreaterThanOrEqual(500);
    expect(result).toBeLessThan(600);
  });

  test("waits for settled promises without end do not starve the host, even where the clock stands still", async () => {
    let waits = 0;
    let fired = false;
    const { result } = await runVirtuallyWithPromises(function* () {
      setImmediate(() => {
        fired = true;
      });
      // bounded, so that a failure is a failure and not a process that hangs
      while (!fired && waits < 200_000) {
        waits++;
        yield* until(Promise.resolve());
      }
      return fired;
    });
    expect(result).toBe(true);
  });

  test("a host that is driven by hand makes progress without any reaction of a promise, a whole run() included", () => {
    const { loop, host } = virtualLoop();
    let over = false;
    void run(
      function* () {
        const left = createTask(sleep(1_000));
        yield* createTask(sleep(5));
        over = !left.done;
      },
      { loopFactory: () => loop },
    );
    while (host.step());
    expect([over, loop.closed, host.now()]).toEqual([true, true, 5]);
  });

  test("a budget that is no number of milliseconds is refused", () => {
    for (const turnBudget of [-1, Number.NaN, "much" as unknown as number]) {
      expect(() => new EventLoop({ host: new ManualHost(), turnBudget })).toThrow(withCode("TURN_BUDGET"));
    }
  });
});
