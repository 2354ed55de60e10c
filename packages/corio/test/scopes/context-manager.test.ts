import { contextManager, createTask, ExitStack, Future, isCancelled, Lock, sleep, timeout, within } from "corio";
import { describe, expect, test } from "vitest";
import { failing, forever, later, now, thrownBy } from "../support/later.js";
import { runCleanly } from "../support/run-cleanly.js";
import { withCode } from "../support/with-code.js";

const log: string[] = [];
const logged = (): string[] => log.splice(0);

const connection = contextManager(function* connection(url: string, cleanup: number = 0) {
  yield* sleep(1);
  log.push(`open ${url}`);
  try {
    yield { url };
  } catch (error) {
    log.push(`error ${(error as Error).message}`);
    throw error;
  } finally {
    yield* sleep(cleanup);
    log.push(`close ${url}`);
  }
});

const swallowing = contextManager(function* swallowing() {
  try {
    yield "value";
  } catch {
    yield* sleep(1);
  }
});

describe("contextManager", () => {
  test("what is before the yield enters, what is after it leaves", () => {
    runCleanly(function* () {
      const result = yield* within(connection("db", 5), function* ({ url }) {
        log.push(`body ${url}`);
        yield* sleep(1);
        return "result";
      });
      expect(result).toBe("result");
      expect(now()).toBe(7);
    });
    expect(logged()).toEqual(["open db", "body db", "close db"]);
  });

  test("works in an ExitStack", () => {
    runCleanly(function* () {
      yield* within(new ExitStack(), function* (stack) {
        for (const name of ["a", "b"]) expect((yield* stack.enter(connection(name))).url).toBe(name);
      });
    });
    expect(logged()).toEqual(["open a", "open b", "close b", "close a"]);
  });

  test("an error of the block is thrown at the yield, and comes out as itself", () => {
    runCleanly(function* () {
      const bad = new Error("bad");
      expect(yield* thrownBy(within(connection("db", 5), () => failing(1, bad)))).toBe(bad);
      expect(bad.cause).toBeUndefined();
    });
    expect(logged()).toEqual(["open db", "error bad", "close db"]);
  });

  test("one that catches the error swallows it", () => {
    runCleanly(function* () {
      expect(yield* within(swallowing(), () => failing(1, new Error("bad")))).toBeUndefined();
      expect(yield* within(swallowing(), (value) => value)).toBe("value");
    });
  });

  test("one that throws another error replaces it, with the block's as its cause", () => {
    const translating = contextManager(function* () {
      try {
        yield;
      } catch {
        throw new Error("translated");
      }
    });
    runCleanly(function* () {
      const thrown = yield* thrownBy(within(translating(), () => failing(1, new Error("bad"))));
      expect(thrown).toMatchObject({ message: "translated", cause: new Error("bad") });
    });
  });

  test("an error after the yield is one, though the block succeeded", () => {
    const broken = contextManager(function* () {
      yield;
      yield* failing(1, new Error("cleanup"));
    });
    runCleanly(function* () {
      expect(yield* thrownBy(within(broken(), () => "result"))).toEqual(new Error("cleanup"));
    });
  });

  test("an error before the yield comes out, and the block does not run", () => {
    const broken = contextManager(function* () {
      yield* failing(1, new Error("enter"));
      yield 1;
    });
    runCleanly(function* () {
      expect(yield* thrownBy(within(broken(), () => log.push("body")))).toEqual(new Error("enter"));
    });
    expect(logged()).toEqual([]);
  });

  test("a bare yield emits undefined", () => {
    const bare = contextManager(function* () {
      log.push("enter");
      yield;
      log.push("exit");
    });
    runCleanly(() => within(bare(), (value) => void log.push(`body ${String(value)}`)));
    expect(logged()).toEqual(["enter", "body undefined", "exit"]);
  });

  test("sleep(0) inside gives a turn, and emits nothing", () => {
    const patient = contextManager(function* () {
      yield* sleep(0);
      log.push("enter");
      try {
        yield "value";
      } finally {
        yield* sleep(0);
        yield* sleep(0);
        log.push("exit");
      }
    });
    runCleanly(function* () {
      createTask(function* () {
        for (let i = 0; i < 3; i++) {
          log.push("other");
          yield* sleep(0);
        }
      });
      expect(yield* within(patient(), (value) => value)).toBe("value");
      expect(yield* thrownBy(within(patient(), () => failing(0, new Error("bad"))))).toEqual(new Error("bad"));
    });
    expect(logged().filter((line) => line !== "other")).toEqual(["enter", "exit", "enter", "exit"]);
  });

  test("emits a future without waiting for it", () => {
    runCleanly(function* () {
      const pending = new Future<number>();
      const giving = contextManager(function* () {
        yield pending;
      });
      yield* within(giving(), function* (future) {
        expect(future === pending).toBe(true);
        pending.setResult(1);
        expect(yield* pending).toBe(1);
      });
    });
  });

  test("one inside another", () => {
    const nested = contextManager(function* (name: string) {
      const { url } = yield* later(1, { url: name });
      yield* within(connection(url), function* () {
        yield undefined;
      });
    });
    const delegating = contextManager(function* (name: string) {
      const manager = connection(name);
      const opened = yield* manager.enter();
      try {
        yield opened;
      } finally {
        yield* manager.exit();
      }
    });
    runCleanly(function* () {
      yield* within(nested("inner"), () => log.push("body"));
      expect(yield* within(delegating("again"), ({ url }) => url)).toBe("again");
    });
    expect(logged()).toEqual(["open inner", "body", "close inner", "open again", "close again"]);
  });

  describe("when it is cancelled", () => {
    test("in the block, the cancellation arrives at the yield", () => {
      runCleanly(function* () {
        const task = createTask(within(connection("db", 5), () => forever()));
        yield* sleep(2);
        task.cancel("why");
        const error = yield* thrownBy(task);
        expect(isCancelled(error) && error.reason).toBe("why");
        expect(now()).toBe(7);
      });
      expect(logged()).toEqual(["open db", "error why", "close db"]);
    });

    test("while it enters and while it leaves", () => {
      runCleanly(function* () {
        const entering = createTask(within(connection("a"), () => "body"));
        yield* sleep(0);
        entering.cancel();
        expect(isCancelled(yield* thrownBy(entering))).toBe(true);
        const leaving = createTask(within(connection("b", 100), () => "body"));
        yield* sleep(10);
        leaving.cancel();
        expect(isCancelled(yield* thrownBy(leaving))).toBe(true);
      });
      expect(logged()).toEqual(["open b"]);
    });

    test("a time limit around it", () => {
      runCleanly(function* () {
        const error = yield* thrownBy(within(timeout(5), connection("db"), () => forever()));
        expect(error).toMatchObject({ message: "timed out after 5 ms" });
      });
      expect(logged()).toEqual(["open db", "error ", "close db"]);
    });
  });

  test("when the coroutine is closed, it is left as after an error", () => {
    const transaction = contextManager(function* () {
      try {
        yield;
        log.push("commit");
      } catch (error) {
        log.push("roll back");
        throw error;
      }
    });
    runCleanly(function* () {
      const whole = within(transaction(), () => new Future<void>());
      whole.next();
      whole.return(undefined);
      yield* sleep(0);
    });
    expect(logged()).toEqual(["roll back"]);
  });

  describe("used wrongly", () => {
    test("no yield", () => {
      const empty = contextManager(function* empty(): Generator<undefined, void, void> {});
      runCleanly(function* () {
        expect(yield* thrownBy(within(empty(), () => log.push("body")))).toMatchObject({
          code: "ERR_CORIO_YIELDED_NOTHING",
          message: expect.stringMatching(/^empty ended without a yield/),
        });
      });
      expect(logged()).toEqual([]);
    });

    test("two yields, and its cleanup still runs to the end", () => {
      const twice = contextManager(function* twice() {
        try {
          yield 1;
          yield 2;
        } finally {
          yield* sleep(5);
          log.push("cleaned up");
        }
      });
      runCleanly(function* () {
        const code = {
          code: "ERR_CORIO_YIELDED_TWICE",
          message: expect.stringMatching(/^twice yielded a second time/),
        };
        expect(yield* thrownBy(within(twice(), () => "body"))).toMatchObject(code);
        expect(now()).toBe(5);
      });
      expect(logged()).toEqual(["cleaned up"]);
    });

    test("a yield in its catch is a second one", () => {
      const again = contextManager(function* () {
        try {
          yield 1;
        } catch {
          yield 2;
        }
      });
      runCleanly(function* () {
        expect(yield* thrownBy(within(again(), () => failing(0, new Error("bad"))))).toMatchObject({
          code: "ERR_CORIO_YIELDED_TWICE",
        });
      });
    });

    test("entered a second time", () => {
      runCleanly(function* () {
        const once = connection("db");
        yield* within(once, () => {});
        expect(yield* thrownBy(within(once, () => {}))).toMatchObject({
          code: "ERR_CORIO_ENTERED_TWICE",
          message: expect.stringMatching(/^connection was entered before/),
        });
      });
      logged();
    });

    test("made of something else than a function*", () => {
      expect(() => contextManager((() => new Lock()) as never)).toThrow(withCode("CONTEXT_MANAGER"));
      expect(() => contextManager(connection("db") as never)).toThrow(withCode("CONTEXT_MANAGER"));
    });
  });
});
