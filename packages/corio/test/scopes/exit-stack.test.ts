import {
  type Coroutine,
  createTask,
  ExitStack,
  type Future,
  isCancelled,
  Lock,
  type Manager,
  sleep,
  type Task,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { failing, forever, later, thrownBy } from "../support/later.js";
import { runCleanly } from "../support/run-cleanly.js";
import { runVirtuallyWithPromises } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

function noting(log: string[], name: string): Manager<string> {
  return {
    enter: () => later(1, name),
    *exit(error) {
      yield* sleep(1);
      log.push(`${name}: ${error === undefined ? "no error" : (error as Error).message}`);
    },
  };
}

/** Leaves as told: swallows, throws, or neither. */
function leaving(log: string[], how: "swallow" | "pass" | Error): Manager<void> {
  return {
    enter() {},
    *exit(error): Coroutine<boolean> {
      log.push(error === undefined ? "no error" : (error as Error).message);
      yield* sleep(1);
      if (how instanceof Error) throw how;
      return how === "swallow";
    },
  };
}

/** What comes out of a stack of such managers, and what each of them saw. */
function* outcome(
  managers: ("swallow" | "pass" | Error)[],
  body?: Error,
): Coroutine<[seen: string[], thrown: unknown]> {
  const seen: string[] = [];
  try {
    const result = yield* within(new ExitStack(), function* (stack) {
      for (const how of managers) yield* stack.enter(leaving(seen, how));
      if (body !== undefined) throw body;
      return "result";
    });
    return [seen, result];
  } catch (error) {
    return [seen, error];
  }
}

describe("ExitStack", () => {
  test("enters as it goes, and leaves in reverse order", () => {
    const log: string[] = [];
    runCleanly(function* () {
      const result = yield* within(new ExitStack(), function* (stack) {
        const names: string[] = [];
        for (const name of ["a", "b", "c"]) names.push(yield* stack.enter(noting(log, name)));
        return names;
      });
      expect(result).toEqual(["a", "b", "c"]);
    });
    expect(log).toEqual(["c: no error", "b: no error", "a: no error"]);
  });

  test("takes native disposables and locks", async () => {
    const log: string[] = [];
    await runVirtuallyWithPromises(function* () {
      const lock = new Lock();
      yield* within(new ExitStack(), function* (stack) {
        yield* stack.enter(lock);
        const file = { [Symbol.dispose]: () => void log.push("file") };
        expect(yield* stack.enter(file)).toBe(file);
        yield* stack.enter({ [Symbol.asyncDispose]: async () => void log.push("socket") });
        expect(lock.locked).toBe(true);
      });
      expect(lock.locked).toBe(false);
    });
    expect(log).toEqual(["socket", "file"]);
  });

  test("defer and adopt call functions, which may wait", async () => {
    const log: string[] = [];
    await runVirtuallyWithPromises(function* () {
      yield* within(new ExitStack(), function* (stack) {
        stack.defer(() => void log.push("plain"));
        stack.defer(function* () {
          yield* sleep(1);
          log.push("coroutine");
        });
        stack.defer(async () => {
          await Promise.resolve();
          log.push("promise");
        });
        expect(stack.adopt("value", (value) => void log.push(`adopted ${value}`))).toBe("value");
        stack.adopt(7, function* (value) {
          yield* sleep(1);
          log.push(`adopted ${value}`);
        });
      });
    });
    expect(log).toEqual(["adopted 7", "adopted value", "promise", "coroutine", "plain"]);
  });

  test("a function that is deferred never swallows, whatever it returns", () => {
    runCleanly(function* () {
      const thrown = yield* thrownBy(
        within(new ExitStack(), function* (stack) {
          stack.defer((() => true) as never);
          yield* failing(1, new Error("body"));
        }),
      );
      expect(thrown).toEqual(new Error("body"));
    });
  });

  test("a future that a cleanup returns is waited for", () => {
    runCleanly(function* () {
      let done: Future<void> | undefined;
      yield* within(new ExitStack(), (stack) => stack.defer(() => (done = createTask(sleep(5)))));
      expect(done?.done).toBe(true);
    });
  });

  test("move hands all that it holds to another stack", () => {
    const log: string[] = [];
    runCleanly(function* () {
      let moved: ExitStack | undefined;
      yield* within(new ExitStack(), function* (stack) {
        yield* stack.enter(noting(log, "a"));
        moved = stack.move();
        stack.defer(() => void log.push("deferred after"));
      });
      expect(log).toEqual(["deferred after"]);
      yield* within(moved as ExitStack, () => log.push("in the other"));
    });
    expect(log).toEqual(["deferred after", "in the other", "a: no error"]);
  });

  describe("with errors, like Python's AsyncExitStack", () => {
    const body = new Error("body");
    const first = new Error("first");
    const second = new Error("second");

    test("none: each sees none", () => {
      runCleanly(function* () {
        expect(yield* outcome(["pass", "swallow", "pass"])).toEqual([["no error", "no error", "no error"], "result"]);
      });
    });

    test("of the body: each sees it, and it goes on up", () => {
      runCleanly(function* () {
        expect(yield* outcome(["pass", "pass"], body)).toEqual([["body", "body"], body]);
      });
    });

    test("of the body, swallowed: those below see none", () => {
      runCleanly(function* () {
        expect(yield* outcome(["pass", "swallow", "pass"], body)).toEqual([["body", "body", "no error"], undefined]);
      });
    });

    test("of a cleanup: those below see it, and it goes on up", () => {
      runCleanly(function* () {
        expect(yield* outcome(["pass", first, "pass"])).toEqual([["no error", "no error", "first"], first]);
      });
    });

    test("of a cleanup, swallowed: the body's result stands", () => {
      runCleanly(function* () {
        expect(yield* outcome(["swallow", new Error("first")])).toEqual([["no error", "first"], "result"]);
      });
    });

    test("of the body, replaced by a cleanup's: it is its cause", () => {
      runCleanly(function* () {
        const replacing = new Error("replacing");
        const [seen, thrown] = yield* outcome(["pass", replacing], body);
        expect(seen).toEqual(["body", "replacing"]);
        expect(thrown).toBe(replacing);
        expect(replacing.cause).toBe(body);
      });
    });

    test("of the body, replaced, and that swallowed", () => {
      runCleanly(function* () {
        const [seen, result] = yield* outcome(["pass", "swallow", new Error("replacing")], body);
        expect([seen, result]).toEqual([["body", "replacing", "no error"], undefined]);
      });
    });

    test("of the body, swallowed, and then another one", () => {
      runCleanly(function* () {
        const later = new Error("later");
        const [seen, thrown] = yield* outcome([later, "swallow"], body);
        expect([seen, thrown]).toEqual([["body", "no error"], later]);
      });
    });

    test("several: they form a chain, the latest on top", () => {
      runCleanly(function* () {
        const [a, b] = [new Error("a"), new Error("b")];
        const [seen, thrown] = yield* outcome([b, a], body);
        expect(seen).toEqual(["body", "a"]);
        expect(thrown).toBe(b);
        expect([b.cause, a.cause]).toEqual([a, body]);
      });
    });

    test("of the body, thrown again by a cleanup: it stays itself", () => {
      runCleanly(function* () {
        expect((yield* outcome(["pass", body], body))[1]).toBe(body);
        expect(body.cause).toBeUndefined();
        expect((yield* outcome([body, "swallow"], body))[1]).toBe(body);
      });
    });

    test("of a deferred function: the others still run", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const thrown = yield* thrownBy(
          within(new ExitStack(), function* (stack) {
            stack.defer(() => void log.push("last"));
            stack.defer(() => {
              throw second;
            });
            stack.defer(() => failing(1, first));
          }),
        );
        expect(thrown).toBe(second);
        expect(second.cause).toBe(first);
      });
      expect(log).toEqual(["last"]);
    });

    test("undefined that a cleanup throws is an error, too", () => {
      runCleanly(function* () {
        const seen: string[] = [];
        let threw = false;
        try {
          yield* within(new ExitStack(), function* (stack) {
            yield* stack.enter(leaving(seen, "pass"));
            stack.defer(() => failing(0, undefined));
          });
        } catch {
          threw = true;
        }
        expect(threw).toBe(true);
        expect(seen).toEqual([expect.stringMatching(/undefined was thrown/)]);
      });
    });
  });

  describe("when it is cancelled", () => {
    test("in the body, all is left with the cancellation", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const task = createTask(
          within(new ExitStack(), function* (stack) {
            yield* stack.enter(noting(log, "a"));
            yield* forever();
          }),
        );
        yield* sleep(5);
        task.cancel("why");
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
      });
      expect(log).toEqual(["a: why"]);
    });

    test("while one enters, that one is not on the stack", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const task = createTask(
          within(new ExitStack(), function* (stack) {
            yield* stack.enter(noting(log, "a"));
            yield* stack.enter({ enter: () => forever(), exit: () => void log.push("must not be left") });
          }),
        );
        yield* sleep(5);
        task.cancel("why");
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
      });
      expect(log).toEqual(["a: why"]);
    });

    test("while it leaves, the rest is left with the cancellation", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const task = createTask(
          within(new ExitStack(), function* (stack) {
            yield* stack.enter(noting(log, "a"));
            stack.defer(() => sleep(100));
          }),
        );
        yield* sleep(5);
        task.cancel("why");
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
      });
      expect(log).toEqual(["a: why"]);
    });
  });

  describe("used wrongly", () => {
    test("a stack that was left takes nothing any more", () => {
      runCleanly(function* () {
        const stack = new ExitStack();
        yield* within(stack, () => {});
        const left = withCode("EXIT_STACK_LEFT", /make a new one/);
        expect(() => stack.enter(new Lock())).toThrow(left);
        expect(() => stack.defer(() => {})).toThrow(left);
        expect(() => stack.adopt(1, () => {})).toThrow(left);
        expect(() => stack.move()).toThrow(left);
        expect(yield* thrownBy(within(stack, () => {}))).toMatchObject({ code: "ERR_CORIO_EXIT_STACK_LEFT" });
      });
    });

    test("a manager that another task still enters when the stack is left is left at once", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const stack = new ExitStack();
        const slow = {
          *enter(): Coroutine<void> {
            yield* sleep(10);
            log.push("entered");
          },
          exit: () => void log.push("left"),
        };
        const entering = yield* within(stack, function* () {
          const task = createTask(stack.enter(slow));
          yield;
          return { task };
        });
        expect(yield* thrownBy(entering?.task as Task<unknown>)).toMatchObject({ code: "ERR_CORIO_EXIT_STACK_LEFT" });
      });
      expect(log).toEqual(["entered", "left"]);
    });

    test("what is no manager, and what is no function, is refused", () => {
      const stack = new ExitStack();
      expect(() => stack.enter({} as never)).toThrow(withCode("MANAGER"));
      expect(() => stack.defer(5 as never)).toThrow(withCode("EXIT_STACK"));
      expect(() => stack.adopt(5, undefined as never)).toThrow(withCode("EXIT_STACK"));
    });
  });
});
