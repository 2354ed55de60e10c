import { type Coroutine, coroutine, createTask, isCoroutineFunction, run, sleep } from "corio";
import { describe, expect, test } from "vitest";
import { drainPromises, runVirtually, virtualLoop } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

declare const gc: () => void;

describe("coroutine()", () => {
  test("keeps the arguments, this, the result and the name of its function", () => {
    class Service {
      factor = 3;
      scale = coroutine(function* scale(this: Service, n: number): Coroutine<number> {
        yield* sleep(1);
        return n * this.factor;
      });
    }
    const service = new Service();
    expect(service.scale.name).toBe("scale");
    expect(isCoroutineFunction(service.scale)).toBe(true);
    expect(runVirtually(() => service.scale(4)).result).toBe(12);
  });

  test("refuses what is no function*", () => {
    for (const wrong of [() => sleep(1), async () => {}, undefined, sleep(1)]) {
      expect(() => coroutine(wrong as never)).toThrow(withCode("NOT_COROUTINE_FUNCTION", /function\*/));
    }
  });

  test("runs nothing before it is awaited", () => {
    let began = false;
    const work = coroutine(function* () {
      began = true;
      yield;
    });
    const once = work();
    expect(began).toBe(false);
    expect(runVirtually(once).throws).toBeUndefined();
    expect(began).toBe(true);
  });

  test("passes errors, cancellation and cleanup through, however deep it is", () => {
    const seen: number[] = [];
    const deep = coroutine(function* (depth: number): Coroutine<void> {
      try {
        if (depth === 0) yield* sleep(1_000);
        else yield* deep(depth - 1);
      } finally {
        yield* sleep(1);
        seen.push(depth);
      }
    });
    const { result, duration } = runVirtually(function* () {
      const task = createTask(deep(40));
      yield* sleep(1);
      task.cancel("enough");
      try {
        yield* task;
      } catch {}
      return [task.cancelled, task.cancelReason];
    });
    expect(result).toEqual([true, "enough"]);
    expect(seen).toEqual(Array.from({ length: 41 }, (_, i) => i));
    expect(duration).toBe(42);
  });

  test("an error can be caught at every level, and what comes after it goes on", () => {
    const deep = coroutine(function* (depth: number): Coroutine<number> {
      if (depth === 0) {
        yield* sleep(1);
        throw new Error("bottom");
      }
      try {
        return yield* deep(depth - 1);
      } catch (error) {
        if (depth % 10 !== 0) throw error;
        yield* sleep(1);
        return depth;
      }
    });
    expect(runVirtually(() => deep(35)).result).toBe(10);
  });

  test("a recursion that is 100,000 deep does not overflow, and its result and its error come up", () => {
    const count = coroutine(function* (n: number): Coroutine<number> {
      if (n === 0) {
        yield* sleep(1);
        return 0;
      }
      return 1 + (yield* count(n - 1));
    });
    expect(runVirtually(() => count(100_000)).result).toBe(100_000);
    const fail = coroutine(function* (n: number): Coroutine<void> {
      if (n === 0) throw new Error("bottom");
      yield* fail(n - 1);
    });
    expect(runVirtually(() => fail(100_000)).throws).toMatchObject({ message: "bottom" });
  });

  test("a task 100,000 deep can say where it is", () => {
    const dive = coroutine(function* (n: number): Coroutine<void> {
      if (n === 0) yield* sleep(1);
      else yield* dive(n - 1);
    });
    runVirtually(function* () {
      const task = createTask(dive(99_999));
      yield;
      expect(task.getStack()).toHaveLength(100_000);
      yield* task;
    });
  });

  test("a bare chain of yield* works 1,000 deep", () => {
    function* count(n: number): Coroutine<number> {
      if (n === 0) {
        yield* sleep(1);
        return 0;
      }
      return 1 + (yield* count(n - 1));
    }
    expect(runVirtually(() => count(1_000)).result).toBe(1_000);
  });

  test("a bare chain that overflows says so, and names coroutine()", () => {
    function* endless(): Coroutine<void> {
      yield* endless();
    }
    const { throws } = runVirtually(() => endless());
    expect(throws).toMatchObject({
      code: "ERR_CORIO_STACK_OVERFLOW",
      message: expect.stringContaining("coroutine()"),
      cause: expect.any(RangeError),
    });
  });

  test("a run goes on after a task overflowed", () => {
    function* endless(): Coroutine<void> {
      yield* endless();
    }
    const { result } = runVirtually(function* () {
      const task = createTask(endless());
      yield* sleep(1);
      return [(task.exception() as { code?: string }).code, yield* createTask(sleep(1, "fine"))];
    });
    expect(result).toEqual(["ERR_CORIO_STACK_OVERFLOW", "fine"]);
  });

  test("what is closed runs its finally", () => {
    const ran: string[] = [];
    const work = coroutine(function* () {
      try {
        ran.push("body");
        yield;
      } finally {
        ran.push("finally");
      }
    });
    const begun = work();
    begun.next();
    begun.return();
    const fresh = work();
    fresh.return();
    expect(ran).toEqual(["body", "finally"]);
    expect(fresh.next().done).toBe(true);
  });
});

describe("a coroutine of coroutine() that was never awaited", () => {
  test("is reported by its name when its run ends", () => {
    const fetchUser = coroutine(function* fetchUser() {
      yield;
    });
    const { messages } = runVirtually(function* () {
      fetchUser();
      yield* fetchUser();
    });
    expect(messages).toEqual([expect.stringMatching(/coroutine 'fetchUser' was never awaited.*yield\* fetchUser/)]);
  });

  test("is reported once, also when many were made after it, and when it is collected", async () => {
    const lost = coroutine(function* lost() {
      yield;
    });
    const used = coroutine(function* used() {});
    const { loop, host, reports } = virtualLoop();
    const done = loop.start(
      (function* () {
        lost();
        for (let i = 0; i < 1_000; i++) yield* used();
      })(),
    );
    while (!done.done) host.step();
    for (let i = 0; i < 10; i++) {
      gc();
      await drainPromises();
    }
    loop.close();
    expect(reports.map(({ message }) => message)).toEqual([expect.stringContaining("'lost' was never awaited")]);
  });

  test("is not reported when a task got it, when it was refused, or when it was closed", () => {
    const work = coroutine(function* work() {
      yield;
    });
    const { messages } = runVirtually(function* () {
      createTask(work()).cancel();
      work().return();
      expect(() => run(work())).toThrow(withCode("INSIDE_LOOP"));
      yield* sleep(1);
    });
    expect(messages).toEqual([]);
  });
});
