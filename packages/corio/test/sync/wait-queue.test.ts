import { createTask, Event, Lock, type Task } from "corio";
import { describe, expect, test } from "vitest";
import { type Waiter, type WaitQueue, waitQueueOf } from "../support/internals.js";
import { runCleanly, turns } from "../support/run-cleanly.js";

// The class is no part of the package's interface; every primitive has one.
const waitQueue = (): WaitQueue => waitQueueOf(new Event());

describe("the wait-queue", () => {
  test("is empty at first, and waking nobody does nothing", () => {
    const queue = waitQueue();
    expect([queue.size, queue.busy, queue.wakeNext(), queue.release()]).toEqual([0, false, undefined, false]);
    queue.wakeFirst();
    expect(queue.size).toBe(0);
  });

  test("wakes in the order of joining, and a woken one stands in line until it leaves", () => {
    runCleanly(function* () {
      const queue = waitQueue();
      const [a, b] = [queue.join(), queue.join()];
      expect(queue.wakeNext()).toBe(a);
      expect([a.done, b.done, queue.size, queue.busy, queue._first === a]).toEqual([true, false, 2, true, true]);
      queue.leave(a);
      expect([queue.size, queue._first === b]).toEqual([1, true]);
      expect(queue.wakeNext()).toBe(b);
      expect(queue.wakeNext()).toBeUndefined();
      queue.leave(b);
      expect([queue.size, queue.busy, queue._first]).toEqual([0, false, undefined]);
    });
  });

  test("who joins after all were woken is the next to be woken", () => {
    runCleanly(function* () {
      const queue = waitQueue();
      const a = queue.join();
      queue.wakeNext();
      expect(queue.wakeNext()).toBeUndefined();
      const b = queue.join();
      expect(queue.wakeNext()).toBe(b);
      for (const waiter of [b, a]) queue.leave(waiter);
      expect(queue.size).toBe(0);
    });
  });

  test("wakeFirst wakes nobody while one who was woken is on its way", () => {
    runCleanly(function* () {
      const queue = waitQueue();
      const [a, b] = [queue.join(), queue.join()];
      queue.wakeFirst();
      queue.wakeFirst();
      expect([a.done, b.done]).toEqual([true, false]);
      queue.leave(a);
      queue.wakeFirst();
      expect(b.done).toBe(true);
    });
  });

  test("release wakes the first, which leaves at once", () => {
    runCleanly(function* () {
      const queue = waitQueue();
      const [a, b] = [queue.join(), queue.join()];
      expect([queue.release(), a.done, b.done, queue.size, queue._first === b]).toEqual([true, true, false, 1, true]);
    });
  });

  test("one that was cancelled is passed over, and keeps the line busy for nobody", () => {
    runCleanly(function* () {
      const queue = waitQueue();
      const [a, b, c] = [queue.join(), queue.join(), queue.join()];
      a.cancel();
      b.cancel();
      expect([queue.size, queue.busy, b.cancel()]).toEqual([3, true, false]);
      expect(queue.wakeNext()).toBe(c);
      queue.leave(c);
      expect([queue.size, queue.busy]).toEqual([2, false]);
      for (const waiter of [b, a]) queue.leave(waiter);
      expect(queue.size).toBe(0);
    });
  });

  test("leaving twice counts once", () => {
    runCleanly(function* () {
      const queue = waitQueue();
      const [a, b] = [queue.join(), queue.join()];
      queue.leave(a);
      queue.leave(a);
      a.cancel();
      expect([queue.size, queue.busy, queue.wakeNext() === b]).toEqual([1, true, true]);
    });
  });

  test("one that was woken cannot be cancelled", () => {
    runCleanly(function* () {
      const queue = waitQueue();
      const a = queue.join();
      queue.wakeNext();
      expect([a.cancel(), a.cancelled, queue.busy]).toEqual([false, false, true]);
    });
  });

  // Every way to take four who are pending, woken or cancelled out, against an array that is searched.
  test("whoever leaves, in whatever order, the others keep theirs", () => {
    runCleanly(function* () {
      for (const fates of tuples(3, 4)) {
        for (const order of permutations([0, 1, 2, 3])) {
          const queue = waitQueue();
          const waiters = fates.map(() => queue.join());
          let model = [...waiters];
          fates.forEach((fate, i) => fate === 2 && waiters[i]?.cancel());
          for (const fate of fates) if (fate === 1) queue.wakeNext();
          for (const i of order) {
            const leaver = waiters[i] as Waiter;
            queue.leave(leaver);
            model = model.filter((waiter) => waiter !== leaver);
            expect(inLine(queue).map((waiter) => waiters.indexOf(waiter))).toEqual(
              model.map((waiter) => waiters.indexOf(waiter)),
            );
            expect([queue.size, queue.busy]).toEqual([model.length, model.some((waiter) => !waiter.cancelled)]);
          }
        }
      }
    });
  });

  test("after any mix of joining, waking, cancelling and leaving, the first pending one is woken", () => {
    runCleanly(function* () {
      for (const steps of tuples(4, 7)) {
        const queue = waitQueue();
        let model: Waiter[] = [];
        for (const [at, step] of steps.entries()) {
          const chosen = model[at % Math.max(1, model.length)];
          if (step === 0) model.push(queue.join());
          else if (step === 1) {
            const pending = model.find((waiter) => !waiter.done);
            expect(queue.wakeNext()).toBe(pending);
          } else if (step === 2) chosen?.cancel();
          else if (chosen !== undefined) {
            queue.leave(chosen);
            model = model.filter((waiter) => waiter !== chosen);
          }
        }
      }
    });
  });

  test("10,000 who are cancelled from the middle outwards leave in so many steps each, however long the line is", () => {
    runCleanly(function* () {
      const count = 10_000;
      const lock = new Lock();
      yield* lock.acquire();
      const tasks = Array.from({ length: count }, () => createTask(() => lock.acquire()));
      yield* turns();
      expect(lock.waiting).toBe(count);
      const links = countLinks(tasks.map((task) => task.waitingFor as Waiter));
      const arrays = countArrayScans();
      try {
        const middleOut = tasks.map((_, i) => (count >> 1) + (i % 2 === 0 ? i >> 1 : -((i + 1) >> 1)));
        for (const i of middleOut.slice(0, count - 2)) (tasks[i] as Task<Lock>).cancel();
        yield* turns();
        expect(lock.waiting).toBe(2);
        lock.release();
        yield* turns();
        lock.release();
        yield* turns();
        lock.release();
        expect([lock.waiting, lock.locked]).toEqual([0, false]);
      } finally {
        arrays.restore();
      }
      expect(links.used).toBeGreaterThan(count);
      expect(links.used).toBeLessThan(count * 20);
      expect(arrays.visited).toBeLessThan(count * 5);
    });
  });

  test("waking past 10,000 who were cancelled looks at each of them once, however often it is asked", () => {
    runCleanly(function* () {
      const count = 10_000;
      const queue = waitQueue();
      const waiters = Array.from({ length: count }, () => queue.join());
      const last = [queue.join(), queue.join(), queue.join()];
      const links = countLinks(waiters);
      for (const waiter of waiters) waiter.cancel();
      for (const waiter of last) expect(queue.wakeNext()).toBe(waiter);
      for (let i = 0; i < 100; i++) expect(queue.wakeNext()).toBeUndefined();
      expect(links.used).toBeLessThan(count * 3);
    });
  });
});

function inLine(queue: WaitQueue): Waiter[] {
  const line: Waiter[] = [];
  for (let waiter = queue._first; waiter !== undefined; waiter = waiter._after) line.push(waiter);
  return line;
}

function* tuples(base: number, length: number): Generator<number[], void, void> {
  for (let code = 0; code < base ** length; code++) {
    yield Array.from({ length }, (_, i) => Math.floor(code / base ** i) % base);
  }
}

function permutations<T>(items: T[]): T[][] {
  if (items.length <= 1) return [items];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

/** Counts how often the links of waiters are read and written. */
function countLinks(waiters: Waiter[]): { used: number } {
  const links = { used: 0 };
  for (const waiter of waiters) {
    for (const name of ["_before", "_after"] as const) {
      let value = waiter[name];
      Object.defineProperty(waiter, name, {
        get: () => (links.used++, value),
        set: (next: Waiter | undefined) => {
          links.used++;
          value = next;
        },
      });
    }
  }
  return links;
}

/** Counts the items that the methods of arrays go through which search, filter and move. */
function countArrayScans(): { visited: number; restore(): void } {
  const names = ["indexOf", "includes", "find", "findIndex", "filter", "splice", "shift"] as const;
  const prototype = Array.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  const originals = names.map((name) => prototype[name] as (...args: unknown[]) => unknown);
  const scans = {
    visited: 0,
    restore: () => names.forEach((name, i) => void (prototype[name] = originals[i] as never)),
  };
  names.forEach((name, i) => {
    prototype[name] = function (this: unknown[], ...args: unknown[]) {
      scans.visited += this.length;
      return originals[i]?.apply(this, args);
    };
  });
  return scans;
}
