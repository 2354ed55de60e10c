import {
  BoundedSemaphore,
  Condition,
  type Coroutine,
  createTask,
  Future,
  isCancelled,
  Lock,
  type Manager,
  Semaphore,
  sleep,
  TaskGroup,
  timeout,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { failing, forever, later, now, thrownBy } from "../support/later.js";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtuallyWithPromises } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

/** Notes in a log when it is entered and left, and with what. */
function noting<T>(
  log: string[],
  value: T,
  { enter = 0, exit = 0 } = {},
): Manager<T> & { exit(error: unknown): Coroutine<void> } {
  return {
    *enter() {
      if (enter > 0) yield* sleep(enter);
      log.push(`enter ${String(value)}`);
      return value;
    },
    *exit(error) {
      if (exit > 0) yield* sleep(exit);
      log.push(`exit ${String(value)}${error === undefined ? "" : ` with ${(error as Error).message}`}`);
    },
  };
}

/** Swallows every error. */
const swallowing = { enter: () => "swallowing", exit: (error: unknown): boolean => error !== undefined };

function leaving(exit: () => Coroutine<boolean | void> | boolean | void): Manager<void> {
  return { enter: () => {}, exit };
}

describe("within", () => {
  test("enters from left to right, runs the body with the entered values, leaves in reverse", () => {
    const log: string[] = [];
    const { result, duration } = runCleanly(() =>
      within(noting(log, "a", { enter: 1 }), noting(log, "b", { exit: 2 }), noting(log, 3), function* (a, b, c) {
        yield* sleep(4);
        log.push(`body ${a} ${b} ${c}`);
        return "result";
      }),
    );
    expect(result).toBe("result");
    expect(log).toEqual(["enter a", "enter b", "enter 3", "body a b 3", "exit 3", "exit b", "exit a"]);
    expect(duration).toBe(7);
  });

  test("does nothing before it is awaited", () => {
    const log: string[] = [];
    within(noting(log, "a"), () => "body");
    expect(log).toEqual([]);
  });

  test("the body may be plain, or give a coroutine, a future or a promise", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      const future = new Future<string>();
      future.setResult("future");
      return [
        yield* within(new Lock(), () => "plain"),
        yield* within(new Lock(), () => later(1, "coroutine")),
        yield* within(new Lock(), () => future),
        yield* within(new Lock(), () => Promise.resolve("promise")),
        yield* within(new Lock(), () => undefined),
      ];
    });
    expect(result).toEqual(["plain", "coroutine", "future", "promise", undefined]);
  });

  test("an arrow keeps `this`", () => {
    class Account {
      #balance = 0;
      readonly #lock = new Lock();

      deposit(amount: number): Coroutine<number> {
        return within(this.#lock, () => this.#add(amount));
      }

      *#add(amount: number): Coroutine<number> {
        const before = this.#balance;
        yield* sleep(1);
        return (this.#balance = before + amount);
      }
    }
    runCleanly(function* () {
      const account = new Account();
      const deposits = [1, 2, 3].map((amount) => createTask(account.deposit(amount)));
      for (const deposit of deposits) yield* deposit;
      expect(yield* account.deposit(0)).toBe(6);
    });
  });

  test("enters and leaves locks, semaphores, conditions, groups and timeouts", () => {
    runCleanly(function* () {
      const [lock, semaphore, bounded, condition] = [
        new Lock(),
        new Semaphore(2),
        new BoundedSemaphore(1),
        new Condition(),
      ];
      yield* within(lock, semaphore, bounded, condition, new TaskGroup(), timeout(10), function* () {
        expect([lock.locked, semaphore.value, bounded.value, condition.locked]).toEqual([true, 1, 0, true]);
        yield* sleep(1);
      });
      expect([lock.locked, semaphore.value, bounded.value, condition.locked]).toEqual([false, 2, 1, false]);
    });
  });

  describe("when the body fails", () => {
    test("each manager gets the error, and it goes on up", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const error = new Error("bad");
        expect(yield* thrownBy(within(noting(log, "a"), noting(log, "b"), () => failing(1, error)))).toBe(error);
      });
      expect(log).toEqual(["enter a", "enter b", "exit b with bad", "exit a with bad"]);
    });

    test("a body that throws before it makes a coroutine fails in the same way", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const error = yield* thrownBy(
          within(noting(log, "a"), (): number => {
            throw new Error("at once");
          }),
        );
        expect(error).toEqual(new Error("at once"));
      });
      expect(log).toEqual(["enter a", "exit a with at once"]);
    });

    test("a manager that swallows makes the result undefined, and those around it see no error", () => {
      const log: string[] = [];
      runCleanly(function* () {
        expect(
          yield* within(noting(log, "outer"), swallowing, noting(log, "inner"), () => failing(1, new Error("bad"))),
        ).toBeUndefined();
        expect(yield* within(swallowing, () => "no error")).toBe("no error");
      });
      expect(log).toEqual(["enter outer", "enter inner", "exit inner with bad", "exit outer"]);
    });

    test("a manager may wait before it swallows; only true swallows", () => {
      runCleanly(function* () {
        const slowly = leaving(function* () {
          yield* sleep(5);
          return true;
        });
        expect(yield* within(slowly, () => failing(1, new Error("bad")))).toBeUndefined();
        expect(now()).toBe(6);
        const truthy = leaving((() => 1) as never);
        expect(yield* thrownBy(within(truthy, () => failing(1, new Error("bad"))))).toEqual(new Error("bad"));
      });
    });

    test("an exit that throws replaces the error, and keeps it as its cause", () => {
      runCleanly(function* () {
        const thrown = yield* thrownBy(
          within(
            leaving(() => failing(1, new Error("exit"))),
            () => failing(1, new Error("body")),
          ),
        );
        expect(thrown).toMatchObject({ message: "exit", cause: new Error("body") });
      });
    });

    test("a cause that is there already is kept", () => {
      runCleanly(function* () {
        const own = new Error("exit", { cause: "own" });
        const thrown = yield* thrownBy(
          within(
            leaving(() => failing(1, own)),
            () => failing(1, new Error("body")),
          ),
        );
        expect(thrown).toBe(own);
        expect(own.cause).toBe("own");
      });
    });

    test("several that throw form a chain of causes, without a circle", () => {
      runCleanly(function* () {
        const body = new Error("body");
        const thrown = yield* thrownBy(
          within(
            leaving(() => failing(0, body)),
            leaving(() => failing(0, new Error("second"))),
            leaving(() => failing(0, new Error("first"))),
            () => failing(0, body),
          ),
        );
        expect(thrown).toBe(body);
        expect(body.cause).toBeUndefined();
      });
    });

    test("an exit that throws a frozen error, or no Error, throws it as it is", () => {
      runCleanly(function* () {
        for (const odd of [Object.freeze(new Error("frozen")), "a string"]) {
          const thrown = yield* thrownBy(
            within(
              leaving(() => failing(0, odd)),
              () => failing(0, new Error("body")),
            ),
          );
          expect(thrown).toBe(odd);
        }
      });
    });

    test("an exit that throws after a body that succeeded is an error", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const thrown = yield* thrownBy(
          within(
            noting(log, "outer"),
            leaving(() => failing(1, new Error("exit"))),
            () => "result",
          ),
        );
        expect(thrown).toEqual(new Error("exit"));
      });
      expect(log).toEqual(["enter outer", "exit outer with exit"]);
    });

    test("a manager that fails to enter is not left, those before it are", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const broken = { enter: () => failing(1, new Error("enter")), exit: () => void log.push("exit broken") };
        const thrown = yield* thrownBy(within(noting(log, "a"), broken, noting(log, "c"), () => log.push("body")));
        expect(thrown).toEqual(new Error("enter"));
      });
      expect(log).toEqual(["enter a", "exit a with enter"]);
    });

    test("undefined that is thrown is an error for the managers, and stays undefined", () => {
      const log: string[] = [];
      runCleanly(function* () {
        let threw = false;
        try {
          yield* within(noting(log, "a"), () => failing(1, undefined));
        } catch (error) {
          threw = error === undefined;
        }
        expect(threw).toBe(true);
        expect(yield* within(swallowing, () => failing(1, undefined))).toBeUndefined();
      });
      expect(log).toEqual(["enter a", "exit a with undefined was thrown"]);
    });
  });

  describe("when it is cancelled", () => {
    test("in the body, each manager gets the cancellation", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const task = createTask(within(noting(log, "a", { exit: 5 }), () => forever(log, "body", 5)));
        yield* sleep(1);
        task.cancel("why");
        const error = yield* thrownBy(task);
        expect(isCancelled(error) && error.reason).toBe("why");
        expect(now()).toBe(11);
      });
      expect(log).toEqual(["enter a", "body ended", "exit a with why"]);
    });

    test("in enter, that manager is not left", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const task = createTask(within(noting(log, "a"), noting(log, "b", { enter: 10 }), () => log.push("body")));
        yield* sleep(1);
        task.cancel("why");
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
      });
      expect(log).toEqual(["enter a", "exit a with why"]);
    });

    test("in an exit after success, the managers around it are left with the cancellation", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const task = createTask(within(noting(log, "a"), noting(log, "b", { exit: 10 }), () => "result"));
        yield* sleep(1);
        task.cancel("why");
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
      });
      expect(log).toEqual(["enter a", "enter b", "exit a with why"]);
    });

    test("in an exit after an error, the cancellation has the error as its cause", () => {
      runCleanly(function* () {
        const task = createTask(within(noting([], "a", { exit: 10 }), () => failing(0, new Error("body"))));
        yield* sleep(1);
        task.cancel("why");
        expect(yield* thrownBy(task)).toMatchObject({ name: "CancelledError", cause: new Error("body") });
      });
    });
  });

  describe("native disposables", () => {
    test("are entered as themselves and disposed of", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const file = { name: "file", [Symbol.dispose]: () => void log.push("disposed") };
        const result = yield* within(file, function* (entered) {
          expect(entered).toBe(file);
          yield* sleep(1);
          return entered.name;
        });
        expect(result).toBe("file");
      });
      expect(log).toEqual(["disposed"]);
    });

    test("asynchronous ones are waited for, and preferred", async () => {
      const log: string[] = [];
      await runVirtuallyWithPromises(function* () {
        const socket = {
          [Symbol.dispose]: () => void log.push("synchronous"),
          [Symbol.asyncDispose]: async () => {
            await Promise.resolve();
            log.push("asynchronous");
          },
        };
        yield* within(socket, () => log.push("body"));
        log.push("after");
      });
      expect(log).toEqual(["body", "asynchronous", "after"]);
    });

    test("never swallow, and what they throw keeps the body's error", async () => {
      await runVirtuallyWithPromises(function* () {
        const quiet = { [Symbol.dispose]: () => true as never };
        expect(yield* thrownBy(within(quiet, () => failing(0, new Error("body"))))).toEqual(new Error("body"));
        const broken = { [Symbol.asyncDispose]: () => Promise.reject(new Error("dispose")) };
        const thrown = yield* thrownBy(within(broken, () => failing(0, new Error("body"))));
        expect(thrown).toMatchObject({ message: "dispose", cause: new Error("body") });
      });
    });

    test("one that happens to have a method `exit` or `enter` is still a disposable", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const worker = { exit: () => log.push("exit"), [Symbol.dispose]: () => void log.push("disposed") };
        const door = { enter: () => log.push("enter"), [Symbol.dispose]: () => void log.push("disposed") };
        expect(yield* within(worker as Disposable, (entered) => entered === worker)).toBe(true);
        expect(yield* within(door as Disposable, (entered) => entered === door)).toBe(true);
      });
      expect(log).toEqual(["disposed", "disposed"]);
    });
  });

  describe("when its coroutine is closed", () => {
    test("the managers are left", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const whole = within(noting(log, "a"), noting(log, "b"), () => new Future<void>());
        whole.next();
        expect(whole.return(undefined as never).done).toBe(true);
        expect(whole.next().done).toBe(true);
        yield* turns(1);
      });
      expect(log).toEqual([
        "enter a",
        "enter b",
        expect.stringMatching(/^exit b with/),
        expect.stringMatching(/^exit a with/),
      ]);
    });

    test("a group cancels its tasks", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const whole = within(new TaskGroup(), function* (group) {
          group.createTask(forever(log, "member"));
          yield* sleep(100);
        });
        whole.next();
        yield* turns(1);
        whole.return(undefined);
        yield* turns(2);
      });
      expect(log).toEqual(["member ended"]);
    });

    test("what a manager throws then is thrown", () => {
      runCleanly(function* () {
        const whole = within(
          leaving(() => {
            throw new Error("exit");
          }),
          () => new Future<void>(),
        );
        whole.next();
        expect(() => whole.return(undefined as never)).toThrow("exit");
        yield* turns(1);
      });
    });
  });

  describe("used wrongly", () => {
    test("without a body, or without a manager, it is refused where it is called", () => {
      expect(() => within(new Lock(), new Lock() as never)).toThrow(withCode("WITHIN", /function\* \(\) \{…\}/));
      expect(() => (within as (body: () => void) => unknown)(() => {})).toThrow(withCode("WITHIN"));
    });

    test("what is no manager is refused before anything is entered", () => {
      const log: string[] = [];
      expect(() => within(noting(log, "a"), {} as never, () => {})).toThrow(
        withCode("MANAGER", /enter\(\) and exit\(error\)/),
      );
      expect(() => within(null as never, () => {})).toThrow(withCode("MANAGER"));
      expect(() => within({ enter: () => {} } as never, () => {})).toThrow(withCode("MANAGER"));
      expect(log).toEqual([]);
    });

    test("a coroutine in place of a manager: the message says to await it, and it is closed", () => {
      const opening = later(1, new Lock());
      expect(() => within(opening as never, () => {})).toThrow(withCode("MANAGER", /within\(yield\* open\(\), …\)/));
      expect(opening.next().done).toBe(true);
      const disposable = Object.assign(later(1, 1), { [Symbol.dispose]: () => {} });
      expect(() => within(disposable as never, () => {})).toThrow(withCode("MANAGER"));
    });
  });
});
