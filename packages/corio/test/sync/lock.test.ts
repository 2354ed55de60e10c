import { type Coroutine, createTask, isCancelled, Lock, type Task, within } from "corio";
import { describe, expect, test } from "vitest";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtually, virtualLoop } from "../support/virtual-loop.js";

describe("Lock", () => {
  test("is free at first, and locked while somebody has it", () => {
    runCleanly(function* () {
      const lock = new Lock();
      expect([lock.locked, lock.waiting]).toEqual([false, 0]);
      expect(yield* lock.acquire()).toBe(lock);
      expect([lock.locked, lock.waiting]).toEqual([true, 0]);
      lock.release();
      expect(lock.locked).toBe(false);
    });
  });

  test("acquire does nothing before it is awaited", () => {
    runCleanly(function* () {
      const lock = new Lock();
      const acquiring = lock.acquire();
      expect(lock.locked).toBe(false);
      yield* acquiring;
      expect(lock.locked).toBe(true);
    });
  });

  test("one acquire is awaited once", () => {
    runCleanly(function* () {
      const lock = new Lock();
      const acquiring = lock.acquire();
      yield* acquiring;
      expect(() => acquiring.next()).toThrow(expect.objectContaining({ code: "ERR_CORIO_AWAITED_TWICE" }));
    });
  });

  test("one acquire that waited is not awaited again, which would pass without the lock", () => {
    runCleanly(function* () {
      const lock = new Lock();
      yield* lock.acquire();
      const acquiring = lock.acquire();
      const task = createTask(function* () {
        yield* acquiring;
      });
      yield* turns();
      lock.release();
      yield* task;
      expect(() => acquiring.next()).toThrow(expect.objectContaining({ code: "ERR_CORIO_AWAITED_TWICE" }));
    });
  });

  test("release without an acquire is refused, and changes nothing", () => {
    const lock = new Lock();
    const misuse = expect.objectContaining({ name: "CorioError", code: "ERR_CORIO_NOT_ACQUIRED" });
    expect(() => lock.release()).toThrow(misuse);
    expect(() => lock[Symbol.dispose]()).toThrow(misuse);
    runCleanly(function* () {
      yield* lock.acquire();
      lock.release();
      expect(() => lock.release()).toThrow(misuse);
    });
  });

  test("`using` gives it back at the end of its block, also after an error", () => {
    runCleanly(function* () {
      const lock = new Lock();
      {
        using held = yield* lock.acquire();
        expect(held).toBe(lock);
        expect(lock.locked).toBe(true);
      }
      expect(lock.locked).toBe(false);
      try {
        using _ = yield* lock.acquire();
        throw new Error("in the block");
      } catch {
        expect(lock.locked).toBe(false);
      }
    });
  });

  test("waiting counts those who stand in line", () => {
    runCleanly(function* () {
      const lock = new Lock();
      yield* lock.acquire();
      const tasks = [1, 2, 3].map(() => createTask(() => within(lock, () => turns(1))));
      yield* turns();
      expect(lock.waiting).toBe(3);
      tasks[1]?.cancel();
      yield* turns();
      expect(lock.waiting).toBe(2);
      lock.release();
      yield* turns(20);
      expect([lock.waiting, lock.locked]).toEqual([0, false]);
    });
  });

  test("who comes between a release and the run of the next in line waits behind", () => {
    runCleanly(function* () {
      const lock = new Lock();
      const order: string[] = [];
      yield* lock.acquire();
      createTask(() => holder(lock, "waited", order));
      yield* turns();
      lock.release();
      expect(lock.locked).toBe(false);
      yield* holder(lock, "newcomer", order);
      expect(order).toEqual(["waited", "newcomer"]);
    });
  });

  test("a newcomer takes it at once when all who stand in line have been cancelled", () => {
    runCleanly(function* () {
      const lock = new Lock();
      yield* lock.acquire();
      const task = createTask(() => lock.acquire());
      yield* turns();
      task.cancel();
      lock.release();
      const acquiring = lock.acquire();
      expect(acquiring.next()).toEqual({ done: true, value: lock });
      yield* turns();
      expect([task.cancelled, lock.locked, lock.waiting]).toEqual([true, true, 0]);
    });
  });

  test("who was woken and is cancelled before it runs passes the lock on, and a newcomer does not overtake", () => {
    runCleanly(function* () {
      const lock = new Lock();
      const order: string[] = [];
      yield* lock.acquire();
      const first = createTask(() => holder(lock, "first", order));
      createTask(() => holder(lock, "second", order));
      yield* turns();
      lock.release();
      first.cancel();
      yield* holder(lock, "newcomer", order);
      expect(order).toEqual(["second", "newcomer"]);
      expect(lock.locked).toBe(false);
    });
  });

  test("cancelling all who wait, woken or not, leaves the lock free", () => {
    runCleanly(function* () {
      const lock = new Lock();
      yield* lock.acquire();
      const tasks = Array.from({ length: 5 }, () => createTask(() => lock.acquire()));
      yield* turns();
      lock.release();
      for (const task of tasks) task.cancel();
      yield* turns(10);
      expect(tasks.map((task) => task.cancelled)).toEqual([true, true, true, true, true]);
      expect([lock.locked, lock.waiting]).toEqual([false, 0]);
    });
  });

  test("a wait that swallows its cancellation can be tried again, at the end of the line", () => {
    runCleanly(function* () {
      const lock = new Lock();
      const order: string[] = [];
      yield* lock.acquire();
      const stubborn = createTask(function* () {
        try {
          yield* lock.acquire();
        } catch (error) {
          expect(isCancelled(error)).toBe(true);
          yield* lock.acquire();
        }
        order.push("stubborn");
        lock.release();
      });
      createTask(() => holder(lock, "other", order));
      yield* turns();
      stubborn.cancel();
      yield* turns();
      lock.release();
      yield* stubborn;
      expect(order).toEqual(["other", "stubborn"]);
    });
  });

  test("a coroutine that is closed while it waits leaves the line", () => {
    runCleanly(function* () {
      const lock = new Lock();
      yield* lock.acquire();
      const acquiring = lock.acquire();
      acquiring.next();
      expect(lock.waiting).toBe(1);
      acquiring.return(lock);
      expect(lock.waiting).toBe(0);
      lock.release();
      yield* lock.acquire();
    });
  });

  test("a coroutine that is closed after it was woken passes the lock on", () => {
    runCleanly(function* () {
      const lock = new Lock();
      const order: string[] = [];
      yield* lock.acquire();
      const acquiring = lock.acquire();
      acquiring.next();
      const task = createTask(() => holder(lock, "second", order));
      yield* turns();
      lock.release();
      acquiring.return(lock);
      yield* task;
      expect(order).toEqual(["second"]);
    });
  });

  test("release works from a callback of the host", () => {
    const lock = new Lock();
    const run = runCleanly(
      function* () {
        yield* lock.acquire();
        yield* lock.acquire();
        lock.release();
      },
      { prepare: ({ host }) => void host.requestTurnAt(5, () => lock.release()) },
    );
    expect(run.duration).toBe(5);
    expect(lock.locked).toBe(false);
  });

  test("an eager task takes a free lock before createTask returns, and waits for one that is taken", () => {
    runCleanly(function* () {
      const lock = new Lock();
      const first = createTask(() => lock.acquire(), { eagerStart: true });
      expect([first.done, lock.locked]).toEqual([true, true]);
      const second = createTask(() => lock.acquire(), { eagerStart: true });
      expect([second.done, lock.waiting]).toEqual([false, 1]);
      lock.release();
      yield* second;
    });
  });

  test("waiting for it on a second loop is refused with its name", () => {
    const lock = new Lock();
    const one = virtualLoop();
    const waiting = one.loop.start(
      (function* () {
        yield* lock.acquire();
        yield* lock.acquire();
      })(),
    );
    one.host.runTurn();
    expect(lock.waiting).toBe(1);
    const run = runVirtually(() => lock.acquire());
    expect(run.throws).toMatchObject({ code: "ERR_CORIO_OTHER_LOOP", message: expect.stringContaining("Lock") });
    expect(lock.waiting).toBe(1);
    lock.release();
    while (!waiting.done && one.host.step());
    expect(waiting.result()).toBeUndefined();
    one.loop.close();
  });

  test("two tasks that wait for each other's lock are a deadlock, which names both", () => {
    const [a, b] = [new Lock(), new Lock()];
    const take = (first: Lock, second: Lock): Coroutine<void> =>
      within(first, function* () {
        yield* turns(1);
        yield* within(second, () => undefined);
      });
    const tasks: Task<void>[] = [];
    const run = runVirtually(function* () {
      tasks.push(createTask(take(a, b), { name: "A then B" }), createTask(take(b, a), { name: "B then A" }));
      for (const task of tasks) yield* task;
    });
    expect(run.throws).toMatchObject({
      name: "DeadlockError",
      message: expect.stringMatching(/A then B[^]*B then A|B then A[^]*A then B/),
    });
  });
});

function* holder(lock: Lock, name: string, order: string[]): Coroutine<void> {
  yield* lock.acquire();
  order.push(name);
  yield* turns(1);
  lock.release();
}
