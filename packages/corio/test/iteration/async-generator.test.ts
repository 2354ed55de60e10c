import {
  type AsyncGenerator,
  asyncGenerator,
  contextManager,
  createTask,
  forEach,
  Future,
  getRunningLoop,
  isCancelled,
  iterate,
  run,
  sleep,
  until,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { later, now, thrownBy } from "../support/later.js";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { drainPromises, runVirtually, runVirtuallyWithPromises } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

const log: string[] = [];
const logged = (): string[] => log.splice(0);

/** Counts from 0, with a pause before each number and a cleanup that waits. */
const ticks = asyncGenerator(function* ticks(count: number, pause: number = 1, cleanup: number = 5) {
  try {
    for (let i = 0; i < count; i++) {
      yield* sleep(pause);
      yield i;
    }
    return "end";
  } finally {
    yield* sleep(cleanup);
    log.push("closed");
  }
});

describe("asyncGenerator", () => {
  test("yield emits, yield* waits, return is the last answer", () => {
    runCleanly(function* () {
      const generator = ticks(2);
      expect(yield* generator.next()).toEqual({ done: false, value: 0 });
      expect(yield* generator.next()).toEqual({ done: false, value: 1 });
      expect(now()).toBe(2);
      expect(yield* generator.next()).toEqual({ done: true, value: "end" });
      expect(yield* generator.next()).toEqual({ done: true, value: undefined });
      expect(now()).toBe(7);
    });
    expect(logged()).toEqual(["closed"]);
  });

  test("runs nothing before the first next is awaited", () => {
    const greedy = asyncGenerator(function* () {
      log.push("begun");
      yield 1;
    });
    runCleanly(function* () {
      const next = greedy().next();
      expect(logged()).toEqual([]);
      yield* next;
      expect(logged()).toEqual(["begun"]);
    });
  });

  test("next(value) is what the yield gives (asend)", () => {
    const echo = asyncGenerator(function* (): Generator<string, string, never> {
      let heard: unknown = "nothing";
      for (let i = 0; i < 3; i++) heard = yield `heard ${String(heard)}`;
      return `at last ${String(heard)}`;
    });
    runCleanly(function* () {
      const generator = echo();
      expect((yield* generator.next("ignored")).value).toBe("heard nothing");
      expect((yield* generator.next("a")).value).toBe("heard a");
      expect((yield* generator.next()).value).toBe("heard undefined");
      expect(yield* generator.next("b")).toEqual({ done: true, value: "at last b" });
    });
  });

  test("throw throws at the yield, and gives the next emission (athrow)", () => {
    const patient = asyncGenerator(function* () {
      for (;;) {
        try {
          yield "waiting";
        } catch (error) {
          yield* sleep(1);
          yield `caught ${(error as Error).message}`;
        }
      }
    });
    runCleanly(function* () {
      const generator = patient();
      yield* generator.next();
      expect(yield* generator.throw(new Error("bad"))).toEqual({ done: false, value: "caught bad" });
      yield* generator.return();
    });
  });

  test("throw that is not caught ends it, also before it has begun", () => {
    runCleanly(function* () {
      const bad = new Error("bad");
      const begun = ticks(3);
      yield* begun.next();
      expect(yield* thrownBy(begun.throw(bad))).toBe(bad);
      expect(yield* begun.next()).toEqual({ done: true, value: undefined });
      const fresh = ticks(3);
      expect(yield* thrownBy(fresh.throw(bad))).toBe(bad);
      expect(yield* fresh.next()).toEqual({ done: true, value: undefined });
    });
    expect(logged()).toEqual(["closed"]);
  });

  test("return ends it, and waits for its cleanup (aclose)", () => {
    runCleanly(function* () {
      const generator = ticks(3);
      yield* generator.next();
      expect(yield* generator.return()).toEqual({ done: true, value: undefined });
      expect(now()).toBe(6);
      expect(logged()).toEqual(["closed"]);
      expect(yield* generator.return("again")).toEqual({ done: true, value: "again" });
      const fresh = ticks(3);
      expect(yield* fresh.return("never begun")).toEqual({ done: true, value: "never begun" });
      expect(yield* fresh.next()).toEqual({ done: true, value: undefined });
    });
    expect(logged()).toEqual([]);
  });

  test("an error of its cleanup comes out of return", () => {
    const broken = asyncGenerator(function* () {
      try {
        yield 1;
      } finally {
        yield* sleep(1);
        // oxlint-disable-next-line no-unsafe-finally
        throw new Error("cleanup");
      }
    });
    runCleanly(function* () {
      const generator = broken();
      yield* generator.next();
      expect(yield* thrownBy(generator.return())).toEqual(new Error("cleanup"));
    });
  });

  test("its own errors come out of next, and end it", () => {
    const broken = asyncGenerator(function* () {
      yield 1;
      yield* sleep(1);
      throw new Error("broken");
    });
    runCleanly(function* () {
      const generator = broken();
      yield* generator.next();
      expect(yield* thrownBy(generator.next())).toEqual(new Error("broken"));
      expect(yield* generator.next()).toEqual({ done: true, value: undefined });
    });
  });

  test("sleep(0) inside gives a turn and emits nothing; a bare yield emits undefined", () => {
    const pausing = asyncGenerator(function* () {
      yield* sleep(0);
      yield 1;
      yield* sleep(0);
      yield* sleep(0);
      yield;
      yield* sleep(0);
    });
    runCleanly(function* () {
      const generator = pausing();
      expect(yield* generator.next()).toEqual({ done: false, value: 1 });
      expect(yield* generator.next()).toEqual({ done: false, value: undefined });
      expect(yield* generator.next()).toEqual({ done: true, value: undefined });
    });
  });

  test("emits futures, pending or not, without waiting for them", () => {
    runCleanly(function* () {
      const pending = new Future<number>();
      const done = new Future<number>();
      done.setResult(2);
      const giving = asyncGenerator(function* () {
        yield pending;
        yield* sleep(1);
        yield done;
      });
      const generator = giving();
      expect((yield* generator.next()).value === pending).toBe(true);
      expect((yield* generator.next()).value === done).toBe(true);
      expect((yield* generator.next()).done).toBe(true);
    });
  });

  test("one may iterate over another, and be made of context managers", () => {
    const opened = contextManager(function* () {
      log.push("open");
      try {
        yield* sleep(0);
        yield "connection";
      } finally {
        yield* sleep(1);
        log.push("close");
      }
    });
    const doubled = asyncGenerator(function* (count: number) {
      const manager = opened();
      yield* manager.enter();
      const source = ticks(count);
      try {
        for (let answer = yield* source.next(); answer.done !== true; answer = yield* source.next())
          yield answer.value * 2;
      } finally {
        yield* source.return();
        yield* manager.exit();
      }
    });
    runCleanly(function* () {
      const seen: number[] = [];
      yield* forEach(doubled(3), (n) => void seen.push(n));
      expect(seen).toEqual([0, 2, 4]);
      const generator = doubled(3);
      yield* generator.next();
      yield* generator.return();
    });
    expect(logged()).toEqual(["open", "closed", "close", "open", "closed", "close"]);
  });

  describe("when it is cancelled", () => {
    test("while it waits, the cancellation arrives there, and its cleanup is waited for", () => {
      runCleanly(function* () {
        const generator = ticks(3, 100);
        const task = createTask(generator.next());
        yield* sleep(1);
        task.cancel("why");
        const error = yield* thrownBy(task);
        expect(isCancelled(error) && error.reason).toBe("why");
        expect(now()).toBe(6);
        expect(yield* generator.next()).toEqual({ done: true, value: undefined });
      });
      expect(logged()).toEqual(["closed"]);
    });

    test("one that catches it goes on", () => {
      const stubborn = asyncGenerator(function* () {
        try {
          yield* sleep(100);
        } catch {
          yield "caught";
        }
        yield "went on";
      });
      runCleanly(function* () {
        const generator = stubborn();
        const task = createTask(generator.next());
        yield* turns(1);
        task.cancel();
        expect((yield* task).value).toBe("caught");
        expect((yield* generator.next()).value).toBe("went on");
        yield* generator.return();
      });
    });
  });

  describe("native for await", () => {
    test("gives the items, in plain async code", async () => {
      const { result } = await runVirtuallyWithPromises(function* () {
        async function consume(): Promise<number[]> {
          const seen: number[] = [];
          for await (const tick of ticks(3)) seen.push(tick);
          return seen;
        }
        return yield* until(consume());
      });
      expect(result).toEqual([0, 1, 2]);
      expect(logged()).toEqual(["closed"]);
    });

    test("a break closes it, and waits for the cleanup", async () => {
      await runVirtuallyWithPromises(function* () {
        async function consume(): Promise<void> {
          for await (const tick of ticks(3)) {
            if (tick === 1) break;
          }
          log.push("after");
        }
        yield* until(consume());
      });
      expect(logged()).toEqual(["closed", "after"]);
    });

    test("its errors are thrown there", async () => {
      const broken = asyncGenerator(function* () {
        yield 1;
        throw new Error("broken");
      });
      await runVirtuallyWithPromises(function* () {
        async function consume(): Promise<void> {
          for await (const item of broken()) log.push(`item ${item}`);
        }
        expect(yield* thrownBy(until(consume()))).toEqual(new Error("broken"));
      });
      expect(logged()).toEqual(["item 1"]);
    });

    test("outside of a loop it is refused", () => {
      expect(() => ticks(1)[Symbol.asyncIterator]()).toThrow(withCode("NO_RUNNING_LOOP"));
    });
  });

  describe("that is dropped", () => {
    test("is closed when the run ends", async () => {
      await run(function* () {
        const generator = ticks(3, 0, 0);
        yield* generator.next();
      });
      expect(logged()).toEqual(["closed"]);
    });

    test("one that never began has nothing to close, one that ended is closed once", async () => {
      await run(function* () {
        ticks(3, 0, 0);
        yield* forEach(ticks(1, 0, 0), () => {});
      });
      expect(logged()).toEqual(["closed"]);
    });

    test("an error of its cleanup at the end is reported", async () => {
      const broken = asyncGenerator(function* () {
        try {
          yield 1;
        } finally {
          log.push("closing");
          // oxlint-disable-next-line no-unsafe-finally
          throw new Error("cleanup");
        }
      });
      const reported: unknown[] = [];
      await run(function* () {
        getRunningLoop().exceptionHandler = (_loop, { exception }) => void reported.push(exception);
        yield* broken().next();
      });
      expect(reported).toEqual([new Error("cleanup")]);
      expect(logged()).toEqual(["closing"]);
    });

    test("is closed by its loop when it was collected", async () => {
      await runVirtuallyWithPromises(function* () {
        yield* begin();
        for (let i = 0; i < 20 && log.length === 0; i++) {
          gc?.();
          yield* until(drainPromises());
          yield* sleep(10);
        }
        expect(logged()).toEqual(["closed"]);
      });
    });

    test("regression: is not closed while its next runs, though nobody holds the object", async () => {
      const { result, reports } = await runVirtuallyWithPromises(function* () {
        const task = createTask(ticks(1, 1000).next());
        for (let i = 0; i < 10; i++) {
          gc?.();
          yield* until(drainPromises());
          yield* sleep(10);
        }
        return yield* task;
      });
      expect(result).toEqual({ done: false, value: 0 });
      expect(reports).toEqual([]);
      logged();
    });
  });

  describe("used wrongly", () => {
    test("a second next while the first runs is refused, and the first goes on", () => {
      runCleanly(function* () {
        const generator = ticks(2);
        const first = createTask(generator.next());
        yield* turns(1);
        const running = { code: "ERR_CORIO_GENERATOR_RUNNING" };
        expect(yield* thrownBy(generator.next())).toMatchObject(running);
        expect(yield* thrownBy(generator.throw(new Error("bad")))).toMatchObject(running);
        expect(yield* thrownBy(generator.return())).toMatchObject(running);
        expect((yield* first).value).toBe(0);
        expect((yield* generator.next()).value).toBe(1);
        yield* generator.return();
      });
      logged();
    });

    test("one that emits while it is closed is told so", () => {
      const stubborn = asyncGenerator(function* () {
        for (;;) {
          try {
            yield 1;
          } catch {}
        }
      });
      runCleanly(function* () {
        const generator = stubborn();
        yield* generator.next();
        expect(yield* thrownBy(generator.return())).toMatchObject({ code: "ERR_CORIO_GENERATOR_IGNORED_CLOSE" });
        expect(yield* generator.next()).toEqual({ done: true, value: undefined });
      });
    });

    test("made of something else than a function*", () => {
      expect(() => asyncGenerator(() => later(1, 1))).toThrow(withCode("ASYNC_GENERATOR"));
      expect(() => asyncGenerator(async function* () {} as never)).toThrow(withCode("ASYNC_GENERATOR"));
    });

    test("outside of a loop", () => {
      expect(() => ticks(1).next()).toThrow(withCode("NO_RUNNING_LOOP"));
    });

    test("begun after the loop has closed its generators, it is told", () => {
      const { messages } = runVirtually(function* () {
        yield* getRunningLoop().shutdownAsyncGenerators();
        yield* within(iterate(ticks(1)), (it) => it.next());
      });
      expect(messages).toEqual([expect.stringMatching(/after loop.shutdownAsyncGenerators/)]);
      logged();
    });
  });
});

// A function of its own, so that nothing on a stack holds the generator.
function* begin(): ReturnType<typeof later<void>> {
  const generator: AsyncGenerator<number, string, unknown> = ticks(3);
  yield* generator.next();
}
