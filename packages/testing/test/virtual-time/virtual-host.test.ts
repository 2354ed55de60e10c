import { EventLoop, sleep } from "corio";
import { describe, expect, test } from "vitest";
import { standsOn, VirtualHost, virtualHostOf } from "../../src/virtual-time/virtual-host.js";

describe("VirtualHost", () => {
  test("runs what can run before the clock moves, up to a number of turns", () => {
    const host = new VirtualHost();
    const ran: string[] = [];
    host.requestTurn(() => {
      ran.push("turn");
      host.requestTurn(() => ran.push("turn of a turn"));
    });
    host.requestTurnAt(0, () => ran.push("due"));
    host.requestTurnAt(1, () => ran.push("not due"));
    expect([host.runReady(1), ran]).toEqual([false, ["turn"]]);
    expect([host.runReady(), ran]).toEqual([true, ["turn", "turn of a turn", "due"]]);
    expect(host.now()).toBe(0);
  });

  test("comes to stand just where it is moved to", () => {
    const host = new VirtualHost(0.7);
    host.moveTo(1.1);
    expect([host.now(), host.nextAlarm]).toEqual([1.1, undefined]);
    host.moveTo(1.1);
    expect(host.now()).toBe(1.1);
  });

  test("counts the turns of its loop, whoever runs them", () => {
    const host = new VirtualHost();
    const loop = new EventLoop({ host });
    const future = loop.start(sleep(5));
    while (!future.done) host.step();
    const turns = host.turnsRun;
    expect(turns).toBeGreaterThanOrEqual(2);
    loop.start(loop.createFuture(), { deadlock: false });
    host.runReady();
    const before = host.turnsRun;
    loop.callFromHost(() => {});
    expect([host.turnsRun - before, host.turns]).toEqual([1, 0]);
  });

  test("is held until everybody has let it go, each once", () => {
    const host = new VirtualHost();
    const [one, two] = [host.keepAlive(), host.keepAlive()];
    one();
    one();
    expect(host.held).toBe(true);
    two();
    expect(host.held).toBe(false);
  });

  test("tells who waits for rest once, and those who ask meanwhile the next time", () => {
    const host = new VirtualHost();
    const told: string[] = [];
    expect(host.tellBlocked()).toBe(false);
    host.whenBlocked(() => {
      told.push("first");
      host.whenBlocked(() => told.push("second"));
    });
    expect([host.tellBlocked(), told]).toEqual([true, ["first"]]);
    expect([host.tellBlocked(), told]).toEqual([true, ["first", "second"]]);
    expect(host.tellBlocked()).toBe(false);
  });

  test("is known by its loop", () => {
    const host = new VirtualHost();
    const loop = new EventLoop({ host });
    expect(virtualHostOf(loop)).toBe(undefined);
    standsOn(loop, host);
    expect(virtualHostOf(loop)).toBe(host);
  });
});
