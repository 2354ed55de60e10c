import {
  type Coroutine,
  coroutine,
  createTask,
  currentTask,
  ensureFuture,
  Future,
  getRunningLoop,
  type Main,
  run,
  sleep,
  Task,
  until,
} from "corio";
import { describe, expect, test } from "vitest";
import { runVirtually, runVirtuallyWithPromises, virtualLoop } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

/** A coroutine that would tell if anything of it ran. */
function untouched(): { coroutine: Coroutine<void>; ran: string[] } {
  const ran: string[] = [];
  const coroutine = (function* (): Coroutine<void> {
    try {
      ran.push("body");
      yield;
    } finally {
      ran.push("finally");
    }
  })();
  return { coroutine, ran };
}

function expectClosed({ coroutine, ran }: { coroutine: Coroutine<void>; ran: string[] }): void {
  expect(coroutine.next()).toEqual({ done: true, value: undefined });
  expect(ran).toEqual([]);
}

/** Yields without the star, as the compiler would not let one. */
function* yieldsPlainly(value: unknown): Coroutine<unknown> {
  return yield value as undefined;
}

describe("yield where yield* was meant", () => {
  test("a future that is yielded without the star is an error at that place", () => {
    let line = "before";
    const { throws } = runVirtually(function* () {
      const future = new Future<number>();
      try {
        yield* yieldsPlainly(future);
        line = "after";
      } catch (error) {
        line = "caught at the yield";
        throw error;
      }
    });
    expect(line).toBe("caught at the yield");
    expect(throws).toMatchObject({ code: "ERR_CORIO_BAD_YIELD", message: expect.stringMatching(/yield\*.*future/) });
  });

  test("a future that is done and a task are no better", () => {
    const { result } = runVirtually(function* () {
      const done = new Future<number>();
      done.setResult(1);
      const codes: unknown[] = [];
      for (const value of [done, createTask(sleep(1))]) {
        try {
          yield* yieldsPlainly(value);
        } catch (error) {
          codes.push((error as { code?: unknown }).code);
        }
      }
      return codes;
    });
    expect(result).toEqual(["ERR_CORIO_BAD_YIELD", "ERR_CORIO_BAD_YIELD"]);
  });

  test("a promise that is yielded says that until() makes a future of it", () => {
    const { throws } = runVirtually(() => yieldsPlainly(Promise.resolve(1)));
    expect(throws).toMatchObject({
      code: "ERR_CORIO_BAD_YIELD",
      message: expect.stringContaining("yield* until(promise)"),
    });
  });

  test("a coroutine and a plain generator that are yielded say what to write", () => {
    function* plain(): Generator<number, void, void> {
      yield 1;
    }
    for (const value of [sleep(1), plain()]) {
      const { throws } = runVirtually(() => yieldsPlainly(value));
      expect(throws).toMatchObject({
        code: "ERR_CORIO_BAD_YIELD",
        message: expect.stringMatching(/yield\*.*coroutine/),
      });
    }
  });

  test("anything else that is yielded is named", () => {
    for (const [value, name] of [
      [3, "3"],
      [null, "null"],
      [[1], "an array"],
      [{ a: 1 }, "an object"],
      ["text", "text"],
    ]) {
      const { throws } = runVirtually(() => yieldsPlainly(value));
      expect(throws).toMatchObject({ code: "ERR_CORIO_BAD_YIELD", message: expect.stringContaining(String(name)) });
    }
  });

  test("a generator that emits values is awaited: its first value is the error, and its finally runs", () => {
    const ran: string[] = [];
    function* numbers(): Generator<number, void, void> {
      try {
        yield 1;
      } finally {
        ran.push("finally");
      }
    }
    const { throws } = runVirtually(function* () {
      yield* numbers() as unknown as Coroutine<void>;
    });
    expect(throws).toMatchObject({ code: "ERR_CORIO_BAD_YIELD" });
    expect(ran).toEqual(["finally"]);
  });

  test("a coroutine that caught the error goes on", () => {
    const { result, duration } = runVirtually(function* () {
      try {
        yield* yieldsPlainly(3);
      } catch {
        yield* sleep(7);
      }
      return "went on";
    });
    expect([result, duration]).toEqual(["went on", 7]);
  });
});

describe("futures as iterables", () => {
  test("[...future] and for-of throw instead of spinning for ever", () => {
    runVirtually(function* () {
      const future = new Future<number>();
      const refusal = withCode("ITERATED", /yield\* future/);
      expect(() => [...(future as unknown as Iterable<unknown>)]).toThrow(refusal);
      expect(() => Array.from(future as unknown as Iterable<unknown>)).toThrow(refusal);
      expect(() => {
        for (const _ of future as unknown as Iterable<unknown>);
      }).toThrow(refusal);
      future.setResult(1);
      expect(() => [...(future as unknown as Iterable<unknown>)]).toThrow(refusal);
      yield;
    });
  });

  test("const [x] = task throws, and a later correct await works", () => {
    const { result } = runVirtually(function* () {
      const task = createTask(sleep(5, ["value"]));
      expect(() => {
        const [x] = task as unknown as Iterable<unknown>;
        return x;
      }).toThrow(withCode("ITERATED", /const \[x\] = yield\* future/));
      const [x] = yield* task;
      return x;
    });
    expect(result).toBe("value");
  });

  test("a coroutine that waits is no iterable either: spreading it throws instead of spinning for ever", () => {
    runVirtually(function* () {
      function* waits(): Coroutine<void> {
        yield* new Future<void>();
      }
      for (const coroutine of [waits(), sleep(5)]) {
        expect(() => [...(coroutine as unknown as Iterable<unknown>)]).toThrow(withCode("ITERATED"));
      }
      yield;
    });
  });

  test("such mistakes leave the future fit for a correct await", () => {
    const { result } = runVirtually(function* () {
      const future = new Future<string>();
      function* waits(): Coroutine<string> {
        return yield* future;
      }
      expect(() => [...waits()]).toThrow(withCode("ITERATED"));
      // one that is driven by hand, and given up
      waits().next();
      yield;
      const task = createTask(waits());
      getRunningLoop().callLater(1, () => future.setResult("value"));
      return [yield* future, yield* task];
    });
    expect(result).toEqual(["value", "value"]);
  });

  test("also outside of a task, whether it is done or not", () => {
    const { loop } = virtualLoop();
    const future = loop.createFuture<number>();
    expect(() => [...(future as unknown as Iterable<unknown>)]).toThrow(withCode("ITERATED"));
    future.setResult(1);
    expect(() => [...(future as unknown as Iterable<unknown>)]).toThrow(withCode("ITERATED"));
  });
});

describe("what is no coroutine", () => {
  const mistakes: [name: string, main: unknown, message: RegExp][] = [
    ["an ordinary function that returns a value", () => 42, /function\*/],
    ["a function that returns nothing", () => {}, /function\*/],
    ["an async function", async () => 1, /until\(promise\)|function\*, not async/],
    ["an async function*", async function* () {}, /./],
    ["undefined", undefined, /undefined/],
    ["null", null, /null/],
    ["a number", 3, /3/],
    ["an array", [sleep(1)], /array/],
    ["an object", {}, /object/],
  ];

  test.each(mistakes)("run refuses %s at the call", (_name, main, message) => {
    const error = caught(() => run(main as Main<void>));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_CORIO_NOT_(COROUTINE|AWAITABLE)$/) });
    expect((error as Error).message).toMatch(message);
  });

  test.each(mistakes)("createTask and loop.createTask refuse %s at the call", (_name, main, message) => {
    runVirtually(function* () {
      for (const create of [createTask, getRunningLoop().createTask.bind(getRunningLoop())]) {
        const error = caught(() => create(main as Main<void>));
        expect(error).toBeInstanceOf(TypeError);
        expect((error as Error).message).toMatch(message);
      }
      yield;
    });
  });

  test("ensureFuture, until and loop.start refuse what cannot be awaited, a function with the hint to call it", () => {
    runVirtually(function* () {
      const refusal = withCode("NOT_AWAITABLE");
      expect(() => ensureFuture(3 as unknown as Coroutine<void>)).toThrow(refusal);
      expect(() => ensureFuture(function* () {} as unknown as Coroutine<void>)).toThrow(
        withCode("NOT_AWAITABLE", /call it first/),
      );
      expect(() => until(3 as unknown as Promise<void>)).toThrow(refusal);
      expect(() => until((() => 3) as unknown as Promise<void>)).toThrow(refusal);
      yield;
    });
    expect(() => virtualLoop().loop.start(3 as unknown as Coroutine<void>)).toThrow(withCode("NOT_AWAITABLE"));
  });

  test("type errors come before the search for a loop", () => {
    for (const wrong of [3, undefined, {}, "text"]) {
      expect(() => createTask(wrong as unknown as Coroutine<void>)).toThrow(TypeError);
      expect(() => ensureFuture(wrong as unknown as Coroutine<void>)).toThrow(TypeError);
      expect(() => new Task(wrong as unknown as Coroutine<void>)).toThrow(TypeError);
    }
  });

  test("new Task takes coroutines only: a future and a promise are refused", () => {
    runVirtually(function* () {
      expect(() => new Task(Promise.resolve(1) as never)).toThrow(withCode("NOT_COROUTINE", /until\(promise\)/));
      expect(() => new Task(new Future() as never)).toThrow(withCode("NOT_COROUTINE"));
      yield;
    });
  });
});

describe("a coroutine that is refused is closed, and nothing of it has run", () => {
  test("by a closed loop", () => {
    const { loop } = virtualLoop();
    loop.close();
    const refusals: ((coroutine: Coroutine<void>) => unknown)[] = [
      (coroutine) => loop.createTask(coroutine),
      (coroutine) => loop.start(coroutine),
      (coroutine) => loop.runUntilComplete(coroutine),
      (coroutine) => ensureFuture(coroutine, { loop }),
      (coroutine) => new Task(coroutine, { loop }),
      (coroutine) => run(coroutine, { loopFactory: () => loop }),
    ];
    for (const refuse of refusals) {
      const made = untouched();
      expect(() => refuse(made.coroutine)).toThrow(withCode("LOOP_CLOSED"));
      expectClosed(made);
    }
  });

  test("where no loop is running", () => {
    const refusals: ((coroutine: Coroutine<void>) => unknown)[] = [
      (coroutine) => createTask(coroutine),
      (coroutine) => ensureFuture(coroutine),
      (coroutine) => new Task(coroutine),
    ];
    for (const refuse of refusals) {
      const made = untouched();
      expect(() => refuse(made.coroutine)).toThrow(withCode("NO_RUNNING_LOOP"));
      expectClosed(made);
    }
  });

  test("by a running loop that is to be started again", () => {
    const virtual = virtualLoop();
    void virtual.loop.runForever();
    const refusals: ((coroutine: Coroutine<void>) => unknown)[] = [
      (coroutine) => virtual.loop.start(coroutine),
      (coroutine) => virtual.loop.runUntilComplete(coroutine),
      (coroutine) => run(coroutine, { loopFactory: () => virtual.loop }),
    ];
    for (const refuse of refusals) {
      const made = untouched();
      expect(() => refuse(made.coroutine)).toThrow(withCode("LOOP_RUNNING"));
      expectClosed(made);
    }
  });
});

describe("foreign loops", () => {
  test("a future of another loop that is awaited is an error at that place, which names the remedy", () => {
    const other = virtualLoop().loop;
    const { throws } = runVirtually(function* () {
      yield* other.createFuture<void>();
    });
    expect(throws).toMatchObject({
      code: "ERR_CORIO_OTHER_LOOP",
      message: expect.stringMatching(/different loop.*until/s),
    });
  });

  test("a task of another loop is named", () => {
    const other = virtualLoop().loop;
    const task = other.createTask(sleep(1), { name: "stranger" });
    const { throws } = runVirtually(function* () {
      yield* task;
    });
    expect(throws).toMatchObject({ code: "ERR_CORIO_OTHER_LOOP", message: expect.stringContaining("stranger") });
  });

  test("the remedy works: until takes the promise of a foreign future across", async () => {
    const other = virtualLoop().loop;
    const future = other.createFuture<number>();
    const { result } = await runVirtuallyWithPromises(function* () {
      getRunningLoop().callLater(1, () => future.setResult(5));
      return yield* until(future.then());
    });
    expect(result).toBe(5);
  });

  test("ensureFuture and start refuse a future of another loop", () => {
    const one = virtualLoop().loop;
    const other = virtualLoop().loop;
    const future = one.createFuture<void>();
    expect(() => ensureFuture(future, { loop: other })).toThrow(withCode("OTHER_LOOP", /different loop/));
    expect(() => other.start(future)).toThrow(withCode("OTHER_LOOP"));
    expect(ensureFuture(future, { loop: one })).toBe(future);
  });
});

describe("a coroutine that is awaited twice", () => {
  function* work(): Coroutine<string> {
    yield* sleep(1);
    return "result";
  }

  test("createTask twice on one coroutine is refused, and the first task is not harmed", () => {
    const { result } = runVirtually(function* () {
      const coroutine = work();
      const task = createTask(coroutine);
      // the refusal closes what it refuses: nothing else could be done with it
      expect(() => createTask(coroutine)).toThrow(withCode("AWAITED_TWICE", /call its function again/));
      try {
        return yield* task;
      } catch (error) {
        return error;
      }
    });
    expect(result).toBe("result");
  });

  test("createTask twice on a coroutine that waits leaves the first task as it is", () => {
    const { result } = runVirtually(function* () {
      const coroutine = work();
      const task = createTask(coroutine);
      yield;
      expect(() => createTask(coroutine)).toThrow(withCode("AWAITED_TWICE"));
      return yield* task;
    });
    expect(result).toBe("result");
  });

  test("a coroutine of coroutine() refuses a second await and names itself", () => {
    const named = coroutine(function* fetchUser() {
      yield* sleep(1);
      return 1;
    });
    const { throws } = runVirtually(function* () {
      const once = named();
      yield* once;
      yield* once;
    });
    expect(throws).toMatchObject({ code: "ERR_CORIO_AWAITED_TWICE", message: expect.stringContaining("fetchUser") });
  });

  test("a coroutine of coroutine() that a task drives cannot be awaited besides", () => {
    const named = coroutine(function* fetchUser() {
      yield* sleep(1);
      return 1;
    });
    const { throws } = runVirtually(function* () {
      const once = named();
      createTask(once);
      yield* once;
    });
    expect(throws).toMatchObject({ code: "ERR_CORIO_AWAITED_TWICE" });
  });

  test("a coroutine of coroutine() that was awaited makes no task", () => {
    const named = coroutine(function* fetchUser() {
      yield* sleep(1);
      return 1;
    });
    const { throws } = runVirtually(function* () {
      const once = named();
      yield* once;
      return yield* createTask(once);
    });
    expect(throws).toMatchObject({ code: "ERR_CORIO_AWAITED_TWICE" });
  });

  test("a sleep is no exception", () => {
    const { throws } = runVirtually(function* () {
      const once = sleep(5);
      yield* once;
      yield* once;
    });
    expect(throws).toMatchObject({ code: "ERR_CORIO_AWAITED_TWICE" });
  });

  test("a task that awaits itself is told so", () => {
    const { throws } = runVirtually(function* () {
      yield* currentTask();
    });
    expect(throws).toMatchObject({ code: "ERR_CORIO_AWAITS_ITSELF", message: expect.stringContaining("itself") });
  });
});

function caught(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  return undefined;
}
