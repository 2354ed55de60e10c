import { Condition, type Coroutine, createTask, currentTask, isCancelled, Lock, sleep, type Task, within } from "corio";
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

  test("two tasks that wait for each other's lock are a deadlock, which names both, and who holds what", () => {
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
      message: expect.stringContaining(
        "  A then B and B then A wait for each other: A then B waits for Lock, held by B then A; B then A waits for Lock, held by A then B\n",
      ),
    });
  });
});

describe("the owner of a lock", () => {
  /** The name of the task that has it. */
  const owner = (lock: Lock): string | undefined => lock.owner?.name;

  function start(name: string, main: () => Coroutine<unknown>): Task<unknown> {
    return createTask(main, { name });
  }

  test("is the task that took it, until it is released", () => {
    runCleanly(function* () {
      const lock = new Lock();
      expect(lock.owner).toBeUndefined();
      const acquiring = lock.acquire();
      expect(lock.owner).toBeUndefined();
      yield* acquiring;
      expect(lock.owner).toBe(currentTask());
      lock.release();
      expect(lock.owner).toBeUndefined();
    });
  });

  test("is known through `using` and through within", () => {
    runCleanly(function* () {
      const lock = new Lock();
      {
        using held = yield* lock.acquire();
        expect(held.owner).toBe(currentTask());
      }
      expect(lock.owner).toBeUndefined();
      yield* within(lock, () => {
        expect(lock.owner).toBe(currentTask());
      });
      expect(lock.owner).toBeUndefined();
    });
  });

  test("is nobody between a release and the turn of the next in line, and then the next in line", () => {
    runCleanly(function* () {
      const lock = new Lock();
      const owners: (string | undefined)[] = [];
      yield* lock.acquire();
      const tasks = ["first", "second"].map((name) =>
        start(name, () =>
          within(lock, function* () {
            owners.push(owner(lock));
            yield* turns(1);
            owners.push(owner(lock));
          }),
        ),
      );
      yield* turns();
      expect(lock.owner).toBe(currentTask());
      lock.release();
      expect(lock.owner).toBeUndefined();
      for (const task of tasks) yield* task;
      expect(owners).toEqual(["first", "first", "second", "second"]);
      expect(lock.owner).toBeUndefined();
    });
  });

  test("is the task, not the one that made the coroutine or runs while it waits", () => {
    runCleanly(function* () {
      const lock = new Lock();
      const acquiring = lock.acquire();
      const other = start("other", () => acquiring);
      yield* other;
      expect(lock.owner).toBe(other);
      lock.release();
      const eager = createTask(() => lock.acquire(), { name: "eager", eagerStart: true });
      expect(lock.owner).toBe(eager);
      lock.release();
    });
  });

  test("stays who has it when one who waits is cancelled", () => {
    runCleanly(function* () {
      const lock = new Lock();
      yield* lock.acquire();
      const waiting = start("waiting", () => lock.acquire());
      yield* turns();
      waiting.cancel();
      yield* turns();
      expect([waiting.cancelled, owner(lock)]).toEqual([true, currentTask().name]);
      lock.release();
    });
  });

  test("is never one who was woken and is cancelled before it runs, but the next", () => {
    runCleanly(function* () {
      const lock = new Lock();
      yield* lock.acquire();
      const woken = start("woken", () => lock.acquire());
      const next = start("next", () => lock.acquire());
      yield* turns();
      lock.release();
      woken.cancel();
      yield* turns();
      expect([woken.cancelled, owner(lock)]).toEqual([true, "next"]);
      expect(next.done).toBe(true);
      lock.release();
    });
  });

  test("is nobody when all who were in line were cancelled", () => {
    runCleanly(function* () {
      const lock = new Lock();
      yield* lock.acquire();
      const waiting = start("waiting", () => lock.acquire());
      yield* turns();
      lock.release();
      waiting.cancel();
      yield* turns();
      expect([lock.locked, lock.owner]).toEqual([false, undefined]);
    });
  });

  test("is a task that is cancelled while it has it, until its finally gives it back", () => {
    runCleanly(function* () {
      const lock = new Lock();
      const task = start("holder", () => within(lock, () => sleep(1_000)));
      yield* turns();
      task.cancel();
      expect(owner(lock)).toBe("holder");
      yield* turns();
      expect(lock.owner).toBeUndefined();
    });
  });

  test("is still the one who took it when that has ended without giving it back", () => {
    runCleanly(function* () {
      const lock = new Lock();
      const task = start("forgetful", () => lock.acquire());
      yield* task;
      expect([lock.owner === task, lock.owner?.done, lock.locked]).toEqual([true, true, true]);
      // who releases need not be who took it
      lock.release();
      expect(lock.owner).toBeUndefined();
    });
  });

  test("is nobody while a condition waits, and afterwards the one that was notified", () => {
    runCleanly(function* () {
      const lock = new Lock();
      const condition = new Condition(lock);
      const owners: (string | undefined)[] = [];
      const waiter = start("waiter", () =>
        within(condition, function* () {
          owners.push(owner(lock));
          yield* condition.wait();
          owners.push(owner(lock));
        }),
      );
      yield* turns();
      expect([lock.owner, owners]).toEqual([undefined, ["waiter"]]);
      yield* condition.acquire();
      expect(lock.owner).toBe(currentTask());
      condition.notify();
      yield* turns();
      // it was notified, and waits for the lock again
      expect([owner(lock), waiter.done, lock.waiting]).toEqual([currentTask().name, false, 1]);
      condition.release();
      yield* waiter;
      expect([owners, lock.owner]).toEqual([["waiter", "waiter"], undefined]);
    });
  });

  test("is a waiter of a condition also after it was cancelled: it takes the lock again first", () => {
    runCleanly(function* () {
      const lock = new Lock();
      const shared = new Condition(lock);
      const seen: (string | undefined)[] = [];
      const waiter = start("waiter", () =>
        within(shared, function* () {
          try {
            yield* shared.wait();
          } finally {
            seen.push(owner(lock));
          }
        }),
      );
      yield* turns();
      waiter.cancel();
      yield* turns();
      expect([waiter.cancelled, seen, lock.owner]).toEqual([true, ["waiter"], undefined]);
    });
  });

  test("is nobody if it was taken outside of any task", () => {
    const lock = new Lock();
    expect(lock.acquire().next()).toEqual({ done: true, value: lock });
    expect([lock.locked, lock.owner]).toEqual([true, undefined]);
    lock.release();
  });
});

function* holder(lock: Lock, name: string, order: string[]): Coroutine<void> {
  yield* lock.acquire();
  order.push(name);
  yield* turns(1);
  lock.release();
}
