import { EventLoop, ManualHost } from "corio";
import { describe, expect, test } from "vitest";

describe("ManualHost", () => {
  test("its clock stands where it was set, and moves only by advance or step", () => {
    const host = new ManualHost(50);
    expect(host.now()).toBe(50);
    host.advance(10);
    expect(host.now()).toBe(60);
    host.requestTurnAt(100, () => {});
    expect(host.step()).toBe(true);
    expect(host.now()).toBe(100);
  });

  test("a clock does not move backwards, nor by NaN", () => {
    const host = new ManualHost();
    for (const ms of [-1, Number.NaN]) {
      expect(() => host.advance(ms)).toThrow(
        expect.objectContaining({ name: "RangeError", code: "ERR_CORIO_ADVANCE" }),
      );
    }
    expect(host.now()).toBe(0);
  });

  test("turns run in the order of the requests, and before what is due", () => {
    const host = new ManualHost();
    const ran: string[] = [];
    host.requestTurnAt(0, () => ran.push("alarm"));
    host.requestTurn(() => ran.push("first"));
    host.requestTurn(() => ran.push("second"));
    expect(host.turns).toBe(2);
    while (host.runTurn());
    expect(ran).toEqual(["first", "second", "alarm"]);
  });

  test("runTurn leaves what is not due yet, step jumps to it", () => {
    const host = new ManualHost();
    const ran: number[] = [];
    host.requestTurnAt(5, () => ran.push(5));
    host.requestTurnAt(3, () => ran.push(3));
    expect(host.runTurn()).toBe(false);
    expect(host.nextAlarm).toBe(3);
    host.advance(3);
    expect(host.runTurn()).toBe(true);
    expect(host.runTurn()).toBe(false);
    expect(host.step()).toBe(true);
    expect([ran, host.now(), host.nextAlarm]).toEqual([[3, 5], 5, undefined]);
  });

  test("alarms of the same time ring in the order in which they were set", () => {
    const host = new ManualHost();
    const rang: string[] = [];
    for (const name of ["a", "b", "c"]) host.requestTurnAt(1, () => rang.push(name));
    while (host.step());
    expect(rang).toEqual(["a", "b", "c"]);
  });

  test("an alarm that was called off does not ring, and calling it off again does nothing", () => {
    const host = new ManualHost();
    const callOff = host.requestTurnAt(1, () => expect.unreachable());
    callOff();
    callOff();
    expect([host.step(), host.now()]).toEqual([false, 0]);
  });

  test("an alarm at Infinity never rings, and does not count as something that could call back", () => {
    const host = new ManualHost();
    host.requestTurnAt(Number.POSITIVE_INFINITY, () => expect.unreachable());
    expect([host.nextAlarm, host.step()]).toEqual([undefined, false]);
  });

  test("idle is told exactly when there is neither a turn nor an alarm, as often as that is so, until it is called off", () => {
    const host = new ManualHost();
    let idle = 0;
    const forget = host.onIdle(() => idle++);
    host.requestTurn(() => {});
    host.requestTurnAt(10, () => {});
    host.step();
    host.step();
    expect(idle).toBe(0);
    expect(host.step()).toBe(false);
    host.step();
    expect(idle).toBe(2);
    forget();
    host.step();
    expect(idle).toBe(2);
  });

  test("step says that there is more to run when idle requested a turn", () => {
    const host = new ManualHost();
    host.onIdle(() => host.requestTurn(() => {}));
    expect(host.step()).toBe(true);
    expect(host.turns).toBe(1);
  });

  test("the example of its doc comment runs a program", () => {
    const host = new ManualHost();
    const loop = new EventLoop({ host });
    const future = loop.start(
      (function* () {
        yield;
        return 42;
      })(),
    );
    while (!future.done && host.step());
    expect(future.result()).toBe(42);
    loop.close();
  });
});
