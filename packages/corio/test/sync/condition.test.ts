import { Condition, type Coroutine, createTask, Lock, type Task, waitFor, within } from "corio";
import { describe, expect, test } from "vitest";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtually, virtualLoop } from "../support/virtual-loop.js";

describe("Condition", () => {
  test("has a lock of its own, or shares one", () => {
    runCleanly(function* () {
      const lock = new Lock();
      const [a, b] = [new Condition(lock), new Condition(lock)];
      expect(yield* a.acquire()).toBe(a);
      expect([lock.locked, a.locked, b.locked, new Condition().locked]).toEqual([true, true, true, false]);
      b.release();
      expect(lock.locked).toBe(false);
      {
        using held = yield* b.acquire();
        expect(held).toBe(b);
        expect(a.locked).toBe(true);
      }
      expect(lock.locked).toBe(false);
    });
  });

  test("takes nothing but a Lock", () => {
    for (const wrong of [null, {}, new Condition(), "lock"]) {
      expect(() => new Condition(wrong as unknown as Lock)).toThrow(
        expect.objectContaining({ name: "TypeError", code: "ERR_CORIO_CONDITION_LOCK" }),
      );
    }
  });

  test("wait, notify, notifyAll and release are refused without the lock", () => {
    const condition = new Condition();
    const misuse = expect.objectContaining({ code: "ERR_CORIO_NOT_ACQUIRED" });
    expect(() => condition.notify()).toThrow(misuse);
    expect(() => condition.notifyAll()).toThrow(misuse);
    expect(() => condition.release()).toThrow(misuse);
    expect(runVirtually(() => condition.wait()).throws).toEqual(misuse);
    expect(runVirtually(() => condition.waitFor(() => false)).throws).toEqual(misuse);
    expect(condition.waiting).toBe(0);
  });

  test("wait gives the lock up meanwhile, and has it again when it returns true", () => {
    runCleanly(function* () {
      const condition = new Condition();
      const task = createTask(function* () {
        yield* condition.acquire();
        expect(yield* condition.wait()).toBe(true);
        expect(condition.locked).toBe(true);
        condition.release();
      });
      yield* turns();
      expect([condition.locked, condition.waiting]).toEqual([false, 1]);
      yield* condition.acquire();
      condition.notify();
      yield* turns();
      expect(task.done).toBe(false);
      condition.release();
      yield* task;
      expect([condition.locked, condition.waiting]).toEqual([false, 0]);
    });
  });

  test("notify wakes as many as it is told, in their order; notifyAll wakes all", () => {
    runCleanly(function* () {
      const condition = new Condition();
      const order: number[] = [];
      const tasks = [0, 1, 2, 3, 4, 5].map((i) => createTask(() => waiter(condition, i, order)));
      const notified: number[] = [];
      for (const n of [1, 2, 0]) {
        yield* turns();
        yield* within(condition, () => condition.notify(n));
        yield* turns(10);
        notified.push(order.length);
      }
      expect(notified).toEqual([1, 3, 3]);
      yield* within(condition, () => condition.notifyAll());
      for (const task of tasks) yield* task;
      expect(order).toEqual([0, 1, 2, 3, 4, 5]);
    });
  });

  test("notify without anybody waiting does nothing, also not for who waits later", () => {
    runCleanly(function* () {
      const condition = new Condition();
      yield* within(condition, () => condition.notify(3));
      const task = createTask(() => waiter(condition, 0, []));
      yield* turns();
      expect([task.done, condition.waiting]).toEqual([false, 1]);
      yield* within(condition, () => condition.notify());
      yield* task;
    });
  });

  test("waitFor tests at first and after each notification, with the lock held, and gives the predicate's value", () => {
    runCleanly(function* () {
      const condition = new Condition();
      const items: string[] = [];
      let tested = 0;
      const task = createTask(() =>
        within(condition, () =>
          condition.waitFor(() => {
            tested++;
            expect(condition.locked).toBe(true);
            return items[0];
          }),
        ),
      );
      for (const item of [undefined, undefined, "item"]) {
        yield* turns();
        yield* within(condition, function* () {
          if (item !== undefined) items.push(item);
          condition.notify();
        });
      }
      expect(yield* task).toBe("item");
      expect(tested).toBe(4);
    });
  });

  test("a predicate that is true at once does not wait, and one that throws throws with the lock held", () => {
    runCleanly(function* () {
      const condition = new Condition();
      yield* condition.acquire();
      expect(condition.waitFor(() => 7).next()).toEqual({ done: true, value: 7 });
      const failing = condition.waitFor(() => {
        throw new Error("in the predicate");
      });
      expect(() => failing.next()).toThrow("in the predicate");
      expect(condition.locked).toBe(true);
    });
  });

  test("a wait that is cancelled takes the lock again before it throws", () => {
    runCleanly(function* () {
      const condition = new Condition();
      let locked: boolean | undefined;
      const task = createTask(function* () {
        yield* condition.acquire();
        try {
          yield* condition.wait();
        } finally {
          locked = condition.locked;
          condition.release();
        }
      });
      yield* turns();
      yield* condition.acquire();
      task.cancel("enough");
      yield* turns();
      expect([task.done, locked]).toEqual([false, undefined]);
      condition.release();
      yield* turns();
      expect([task.cancelled, task.cancelReason, locked]).toEqual([true, "enough", true]);
      expect([condition.locked, condition.waiting]).toEqual([false, 0]);
    });
  });

  test("a cancellation while it takes the lock again is thrown afterwards, with the latest reason", () => {
    runCleanly(function* () {
      const condition = new Condition();
      const task = createTask(() => waiter(condition, 0, []));
      yield* turns();
      yield* condition.acquire();
      condition.notify();
      yield* turns();
      task.cancel("first");
      yield* turns();
      task.cancel("second");
      yield* turns();
      expect([task.done, task.cancelling]).toEqual([false, 2]);
      condition.release();
      yield* turns();
      expect([task.cancelled, task.cancelReason, condition.locked]).toEqual([true, "second", false]);
    });
  });

  // Each acts with the lock held, on the first of two who wait. The second is to hear of a notification that the first got and
  // cannot use, and of no other one.
  const moments: [string, boolean, (first: Task<void>, condition: Condition) => void][] = [
    ["before it is notified", false, (first) => first.cancel()],
    ["and then another is notified", true, (first, condition) => (first.cancel(), condition.notify())],
    ["after it was notified and before it runs", true, (first, condition) => (condition.notify(), first.cancel())],
  ];
  test.each(moments)("a wait that is cancelled %s: the next one hears of it: %s", (_, heard, act) => {
    runCleanly(function* () {
      const condition = new Condition();
      const order: number[] = [];
      const [first, second] = [0, 1].map((i) => createTask(() => waiter(condition, i, order))) as [
        Task<void>,
        Task<void>,
      ];
      yield* turns();
      yield* within(condition, () => act(first, condition));
      yield* turns(10);
      expect([first.cancelled, second.done, order]).toEqual([true, heard, heard ? [1] : []]);
      expect(condition.waiting).toBe(heard ? 0 : 1);
      yield* within(condition, () => condition.notify());
      yield* turns(10);
      expect(second.done).toBe(true);
    });
  });

  test("a notified one that is cancelled while it takes the lock again passes the notification on", () => {
    runCleanly(function* () {
      const condition = new Condition();
      const order: number[] = [];
      const [first, second] = [0, 1].map((i) => createTask(() => waiter(condition, i, order))) as [
        Task<void>,
        Task<void>,
      ];
      yield* turns();
      yield* condition.acquire();
      condition.notify();
      yield* turns();
      first.cancel();
      condition.release();
      yield* second;
      expect([first.cancelled, order]).toEqual([true, [1]]);
    });
  });

  test("the notification passes on through several who are cancelled", () => {
    runCleanly(function* () {
      const condition = new Condition();
      const order: number[] = [];
      const tasks = [0, 1, 2, 3].map((i) => createTask(() => waiter(condition, i, order)));
      yield* turns();
      yield* condition.acquire();
      condition.notify();
      for (const task of tasks.slice(0, 3)) task.cancel();
      condition.release();
      yield* tasks[3] as Task<void>;
      expect(order).toEqual([3]);
      expect(tasks.filter((task) => task.cancelled)).toHaveLength(3);
    });
  });

  test("a time limit on waitFor ends it with the lock given back", () => {
    const condition = new Condition();
    const run = runVirtually(() =>
      waitFor(
        within(condition, () => condition.waitFor(() => false)),
        25,
      ),
    );
    expect(run.throws).toMatchObject({ name: "TimeoutError" });
    expect([run.duration, condition.locked, condition.waiting]).toEqual([25, false, 0]);
  });

  test("waiting for it on a second loop is refused with its name, and keeps the lock", () => {
    const condition = new Condition();
    const one = virtualLoop();
    const waiting = one.loop.start(waiter(condition, 0, []));
    one.host.runTurn();
    const run = runVirtually(function* () {
      yield* condition.acquire();
      yield* condition.wait();
    });
    expect(run.throws).toMatchObject({ code: "ERR_CORIO_OTHER_LOOP", message: expect.stringContaining("Condition") });
    expect([condition.locked, condition.waiting]).toEqual([true, 1]);
    condition.notify();
    condition.release();
    while (!waiting.done && one.host.step());
    expect(waiting.result()).toBeUndefined();
    one.loop.close();
  });

  test("two conditions on one lock are notified apart", () => {
    runCleanly(function* () {
      const lock = new Lock();
      const [notEmpty, notFull] = [new Condition(lock), new Condition(lock)];
      const order: number[] = [];
      const tasks = [createTask(() => waiter(notEmpty, 1, order)), createTask(() => waiter(notFull, 2, order))];
      yield* turns();
      expect([notEmpty.waiting, notFull.waiting, lock.waiting]).toEqual([1, 1, 0]);
      yield* within(lock, () => notFull.notifyAll());
      yield* turns();
      expect(order).toEqual([2]);
      yield* within(lock, () => notEmpty.notifyAll());
      for (const task of tasks) yield* task;
      expect(order).toEqual([2, 1]);
    });
  });
});

function* waiter(condition: Condition, name: number, order: number[]): Coroutine<void> {
  yield* within(condition, function* () {
    yield* condition.wait();
    order.push(name);
  });
}
