import { BoundedSemaphore, type Coroutine, createTask, Semaphore, type Task, within } from "corio";
import { describe, expect, test } from "vitest";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtually, virtualLoop } from "../support/virtual-loop.js";

describe.each([
  ["Semaphore", Semaphore],
  ["BoundedSemaphore", BoundedSemaphore],
])("%s", (name, Class) => {
  test("has one permit unless told otherwise", () => {
    expect([new Class().value, new Class(3).value, new Class(0).value]).toEqual([1, 3, 0]);
    expect([new Class().locked, new Class(0).locked]).toEqual([false, true]);
  });

  test.each([-1, Number.NaN, 0.5, 1.5, "x"])("%s is no number of permits", (value) => {
    expect(() => new Class(value as number)).toThrow(
      expect.objectContaining({ name: "RangeError", code: "ERR_CORIO_SEMAPHORE_VALUE" }),
    );
  });

  test("an infinite number of permits is never used up", () => {
    runCleanly(function* () {
      const semaphore = new Class(Number.POSITIVE_INFINITY);
      for (let i = 0; i < 3; i++) yield* semaphore.acquire();
      expect([semaphore.value, semaphore.locked]).toEqual([Number.POSITIVE_INFINITY, false]);
    });
  });

  test("acquire takes a permit and returns the semaphore, release gives one", () => {
    runCleanly(function* () {
      const semaphore = new Class(2);
      expect(yield* semaphore.acquire()).toBe(semaphore);
      expect([semaphore.value, semaphore.locked]).toEqual([1, false]);
      yield* semaphore.acquire();
      expect([semaphore.value, semaphore.locked]).toEqual([0, true]);
      semaphore.release();
      expect([semaphore.value, semaphore.locked]).toEqual([1, false]);
    });
  });

  test("acquire does nothing before it is awaited", () => {
    runCleanly(function* () {
      const semaphore = new Class();
      const acquiring = semaphore.acquire();
      expect(semaphore.value).toBe(1);
      yield* acquiring;
      expect(semaphore.value).toBe(0);
    });
  });

  test("`using` and within give the permit back, also after an error", () => {
    runCleanly(function* () {
      const semaphore = new Class(1);
      {
        using held = yield* semaphore.acquire();
        expect([held, semaphore.value]).toEqual([semaphore, 0]);
      }
      expect(semaphore.value).toBe(1);
      const failing = within(semaphore, () => {
        expect(semaphore.value).toBe(0);
        throw new Error("in the body");
      });
      expect(() => failing.next()).toThrow("in the body");
      expect(semaphore.value).toBe(1);
    });
  });

  test("no more than the permits are inside, and all get in", () => {
    runCleanly(function* () {
      const semaphore = new Class(3);
      let inside = 0;
      let most = 0;
      const tasks = Array.from({ length: 20 }, () =>
        createTask(() =>
          within(semaphore, function* () {
            most = Math.max(most, ++inside);
            yield* turns(2);
            inside--;
          }),
        ),
      );
      yield* turns(1);
      expect(semaphore.waiting).toBe(17);
      for (const task of tasks) yield* task;
      expect([inside, most, semaphore.value, semaphore.waiting]).toEqual([0, 3, 3, 0]);
    });
  });

  test("a permit that was granted is taken: a newcomer waits behind, and gets the next", () => {
    runCleanly(function* () {
      const semaphore = new Class(1);
      const order: string[] = [];
      yield* semaphore.acquire();
      createTask(() => holder(semaphore, "waited", order));
      yield* turns();
      semaphore.release();
      expect([semaphore.value, semaphore.locked]).toEqual([0, true]);
      yield* holder(semaphore, "newcomer", order);
      expect(order).toEqual(["waited", "newcomer"]);
    });
  });

  test("several releases at once wake as many, in their order", () => {
    runCleanly(function* () {
      const semaphore = new Class(3);
      const order: string[] = [];
      for (let i = 0; i < 3; i++) yield* semaphore.acquire();
      const tasks = ["a", "b", "c", "d"].map((task) =>
        createTask(function* () {
          yield* semaphore.acquire();
          order.push(task);
        }),
      );
      yield* turns();
      semaphore.release();
      semaphore.release();
      yield* turns();
      expect([order, semaphore.value, semaphore.waiting]).toEqual([["a", "b"], 0, 2]);
      semaphore.release();
      semaphore.release();
      for (const task of tasks) yield* task;
      expect(order).toEqual(["a", "b", "c", "d"]);
    });
  });

  test("a free permit beside one who was woken goes to the newcomer, who waits for no release", () => {
    runCleanly(function* () {
      const semaphore = new Class(2);
      yield* semaphore.acquire();
      yield* semaphore.acquire();
      const woken = createTask(() => semaphore.acquire());
      yield* turns();
      semaphore.release();
      semaphore.release();
      expect([semaphore.value, semaphore.locked]).toEqual([1, true]);
      yield* semaphore.acquire();
      yield* woken;
      expect(semaphore.value).toBe(0);
    });
  });

  // Each acts on the first of two who wait for the one permit, which is free in the end.
  const moments: [string, (first: Task<unknown>, semaphore: Semaphore) => void][] = [
    ["before a release", (first, semaphore) => (first.cancel(), semaphore.release())],
    ["after a release and before it runs", (first, semaphore) => (semaphore.release(), first.cancel())],
  ];
  test.each(moments)("a wait that is cancelled %s takes no permit, and the next one gets it", (_, act) => {
    runCleanly(function* () {
      const semaphore = new Class(1);
      const order: string[] = [];
      yield* semaphore.acquire();
      const first = createTask(() => holder(semaphore, "first", order));
      const second = createTask(() => holder(semaphore, "second", order));
      yield* turns();
      act(first, semaphore);
      yield* holder(semaphore, "newcomer", order);
      yield* second;
      expect([first.cancelled, order]).toEqual([true, ["second", "newcomer"]]);
      expect([semaphore.value, semaphore.waiting, semaphore.locked]).toEqual([1, 0, false]);
    });
  });

  test("permits granted to several who are cancelled before they run come back", () => {
    runCleanly(function* () {
      const semaphore = new Class(3);
      for (let i = 0; i < 3; i++) yield* semaphore.acquire();
      const tasks = Array.from({ length: 6 }, () => createTask(() => semaphore.acquire()));
      yield* turns();
      for (let i = 0; i < 3; i++) semaphore.release();
      for (const task of tasks.slice(0, 5)) task.cancel();
      yield* turns(10);
      expect(tasks.map((task) => task.cancelled)).toEqual([true, true, true, true, true, false]);
      expect([semaphore.value, semaphore.waiting, tasks[5]?.done]).toEqual([2, 0, true]);
    });
  });

  test("a newcomer takes a permit at once when all who stand in line have been cancelled", () => {
    runCleanly(function* () {
      const semaphore = new Class(1);
      yield* semaphore.acquire();
      const task = createTask(() => semaphore.acquire());
      yield* turns();
      task.cancel();
      semaphore.release();
      expect(semaphore.acquire().next()).toEqual({ done: true, value: semaphore });
      yield* turns();
      expect([semaphore.value, semaphore.waiting]).toEqual([0, 0]);
    });
  });

  test("a coroutine that is closed while it waits leaves the line, and gives a permit that it was granted back", () => {
    runCleanly(function* () {
      const semaphore = new Class(1);
      yield* semaphore.acquire();
      const [woken, waiting] = [semaphore.acquire(), semaphore.acquire()];
      woken.next();
      waiting.next();
      semaphore.release();
      waiting.return(semaphore);
      woken.return(semaphore);
      expect([semaphore.value, semaphore.waiting]).toEqual([1, 0]);
    });
  });

  test("release works from a callback of the host", () => {
    const semaphore = new Class(1);
    const run = runCleanly(
      function* () {
        yield* semaphore.acquire();
        yield* semaphore.acquire();
      },
      { prepare: ({ host }) => void host.requestTurnAt(5, () => semaphore.release()) },
    );
    expect(run.duration).toBe(5);
  });

  test("waiting for it on a second loop is refused with its name", () => {
    const semaphore = new Class(1);
    const one = virtualLoop();
    const waiting = one.loop.start(
      (function* () {
        yield* semaphore.acquire();
        yield* semaphore.acquire();
      })(),
    );
    one.host.runTurn();
    const run = runVirtually(() => semaphore.acquire());
    expect(run.throws).toMatchObject({ code: "ERR_CORIO_OTHER_LOOP", message: expect.stringContaining(name) });
    semaphore.release();
    while (!waiting.done && one.host.step());
    expect([semaphore.value, semaphore.waiting]).toEqual([0, 0]);
    one.loop.close();
  });
});

describe("Semaphore", () => {
  test("may be released more often than it was acquired, which adds permits", () => {
    const semaphore = new Semaphore(1);
    semaphore.release();
    expect(semaphore.value).toBe(2);
  });
});

describe("BoundedSemaphore", () => {
  test("finds a release too many, which adds none", () => {
    const tooOften = expect.objectContaining({ name: "RangeError", code: "ERR_CORIO_RELEASED_TOO_OFTEN" });
    runCleanly(function* () {
      const semaphore = new BoundedSemaphore(2);
      expect(() => semaphore.release()).toThrow(tooOften);
      yield* semaphore.acquire();
      semaphore.release();
      expect(() => semaphore.release()).toThrow(tooOften);
      expect(() => semaphore[Symbol.dispose]()).toThrow(tooOften);
      expect(semaphore.value).toBe(2);
    });
  });

  test("a permit that a cancelled one gives back is no release too many", () => {
    runCleanly(function* () {
      const semaphore = new BoundedSemaphore(1);
      yield* semaphore.acquire();
      const task = createTask(() => semaphore.acquire());
      yield* turns();
      semaphore.release();
      task.cancel();
      yield* turns();
      expect(semaphore.value).toBe(1);
      expect(() => semaphore.release()).toThrow(RangeError);
    });
  });
});

function* holder(semaphore: Semaphore, name: string, order: string[]): Coroutine<void> {
  yield* semaphore.acquire();
  order.push(name);
  yield* turns(1);
  semaphore.release();
}
