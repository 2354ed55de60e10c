import { createTask, Event, type Task, waitFor } from "corio";
import { describe, expect, test } from "vitest";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtually, virtualLoop } from "../support/virtual-loop.js";

describe("Event", () => {
  test("is not set at first; set and clear may be called twice", () => {
    const event = new Event();
    expect(event.isSet).toBe(false);
    event.set();
    event.set();
    expect(event.isSet).toBe(true);
    event.clear();
    event.clear();
    expect(event.isSet).toBe(false);
  });

  test("set wakes all who wait, in their order, and they get true", () => {
    runCleanly(function* () {
      const event = new Event();
      const order: number[] = [];
      const tasks = [0, 1, 2].map((i) =>
        createTask(function* () {
          expect(yield* event.wait()).toBe(true);
          order.push(i);
        }),
      );
      yield* turns();
      expect([event.waiting, order]).toEqual([3, []]);
      event.set();
      expect(order).toEqual([]);
      for (const task of tasks) yield* task;
      expect([event.waiting, order]).toEqual([0, [0, 1, 2]]);
    });
  });

  test("who waits for one that is set does not wait", () => {
    runCleanly(function* () {
      const event = new Event();
      event.set();
      expect(event.wait().next()).toEqual({ done: true, value: true });
      expect(yield* event.wait()).toBe(true);
    });
  });

  test("whether it is set counts when the wait begins, not when its coroutine is made", () => {
    runCleanly(function* () {
      const event = new Event();
      event.set();
      const task = createTask(event.wait());
      event.clear();
      yield* turns();
      expect([task.done, event.waiting]).toEqual([false, 1]);
      event.set();
      yield* task;
      event.clear();
      const waiting = event.wait();
      event.set();
      expect(yield* waiting).toBe(true);
    });
  });

  test("who was woken goes on although it is cleared before they run; who comes then waits", () => {
    runCleanly(function* () {
      const event = new Event();
      const before = createTask(event.wait());
      yield* turns();
      event.set();
      event.clear();
      const after = createTask(event.wait());
      yield* turns();
      expect([before.done, after.done, event.waiting]).toEqual([true, false, 1]);
      event.set();
      yield* after;
    });
  });

  const moments: [string, (task: Task<true>, event: Event) => void][] = [
    ["before it is set", (task) => task.cancel()],
    ["after it was set and before it runs", (task, event) => (event.set(), task.cancel())],
    ["and then it is set before it runs", (task, event) => (task.cancel(), event.set())],
  ];
  test.each(moments)("a wait that is cancelled %s ends cancelled and leaves no trace", (_, act) => {
    runCleanly(function* () {
      const event = new Event();
      const others = [createTask(event.wait())];
      const task = createTask(event.wait());
      others.push(createTask(event.wait()));
      yield* turns();
      act(task, event);
      yield* turns();
      expect(task.cancelled).toBe(true);
      expect(event.waiting).toBe(event.isSet ? 0 : 2);
      event.set();
      for (const other of others) expect(yield* other).toBe(true);
    });
  });

  test("set works from a callback of the host", () => {
    const event = new Event();
    const run = runCleanly(() => event.wait(), {
      prepare: ({ host }) => void host.requestTurnAt(7, () => event.set()),
    });
    expect([run.result, run.duration]).toEqual([true, 7]);
  });

  test("waiting for it on a second loop is refused with its name", () => {
    const event = new Event();
    const one = virtualLoop();
    const waiting = one.loop.start(event.wait());
    one.host.runTurn();
    expect(runVirtually(() => event.wait()).throws).toMatchObject({
      code: "ERR_CORIO_OTHER_LOOP",
      message: expect.stringContaining("Event"),
    });
    event.set();
    while (!waiting.done && one.host.step());
    expect(waiting.result()).toBe(true);
    one.loop.close();
  });

  test("a set in the midst of waking is seen by who waits for a second round", () => {
    runCleanly(function* () {
      const event = new Event();
      const rounds: number[] = [];
      const task = createTask(function* () {
        for (let i = 0; i < 3; i++) {
          yield* event.wait();
          event.clear();
          rounds.push(i);
        }
      });
      for (let i = 0; i < 3; i++) {
        yield* turns();
        event.set();
      }
      yield* task;
      expect(rounds).toEqual([0, 1, 2]);
    });
  });

  test("a wait with a time limit ends at the limit", () => {
    const run = runVirtually(() => waitFor(new Event().wait(), 30));
    expect(run.throws).toMatchObject({ name: "TimeoutError" });
    expect(run.duration).toBe(30);
  });
});
