import { inspect } from "node:util";
import {
  allTasks,
  Context,
  ContextVar,
  copyContext,
  type Coroutine,
  coroutine,
  createTask,
  ensureFuture,
  Future,
  getRunningLoop,
  isCoroutine,
  isCoroutineFunction,
  sleep,
  Task,
} from "corio";
import { describe, expect, test } from "vitest";
import { runVirtually, runVirtuallyWithPromises, virtualLoop } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

describe("a task", () => {
  test("starts in the next iteration, in the order of creation, and runs while its creator goes on", () => {
    const { result } = runVirtually(function* () {
      const order: string[] = [];
      const tasks = ["a", "b"].map((name) =>
        createTask(function* () {
          order.push(name);
          yield;
          order.push(`${name} again`);
        }),
      );
      order.push("creator");
      for (const task of tasks) yield* task;
      return order;
    });
    expect(result).toEqual(["creator", "a", "b", "a again", "b again"]);
  });

  test("takes a coroutine, a function that makes one, a future and a promise", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      const future = new Future<string>();
      const tasks: Task<string>[] = [
        createTask(sleep(1, "coroutine")),
        createTask(() => sleep(1, "function")),
        createTask(future),
        createTask(Promise.resolve("promise")),
      ];
      future.setResult("future");
      const results: string[] = [];
      for (const task of tasks) {
        expect(task).toBeInstanceOf(Task);
        results.push(yield* task);
      }
      return results;
    });
    expect(result).toEqual(["coroutine", "function", "future", "promise"]);
  });

  test("may be awaited many times, and gives the same result or the same error each time", () => {
    const { result } = runVirtually(function* () {
      const good = createTask(sleep(1, {}));
      const bad = createTask(function* () {
        throw new Error("same");
      });
      const errors = new Set<unknown>();
      for (let i = 0; i < 2; i++) {
        try {
          yield* bad;
        } catch (error) {
          errors.add(error);
        }
      }
      return [(yield* good) === (yield* good), errors.size];
    });
    expect(result).toEqual([true, 1]);
  });

  test("throw undefined in a body is still an error", () => {
    const { throws } = runVirtually(function* () {
      throw undefined;
    });
    expect(throws).toMatchObject({ code: "ERR_CORIO_THROWN_UNDEFINED" });
  });

  test("whatever else a body throws arrives as it is", () => {
    for (const value of [null, 0, "", "text", { a: 1 }]) {
      const { result } = runVirtually(function* () {
        const task = createTask(function* () {
          throw value;
        });
        try {
          yield* task;
        } catch (error) {
          return [error];
        }
        return [];
      });
      expect(result).toEqual([value]);
    }
  });

  test("an error that only speaks of a call stack is no overflow", () => {
    const error = new Error("look at the call stack");
    const { throws } = runVirtually(function* () {
      throw error;
    });
    expect(throws).toBe(error);
  });

  test("supports neither setResult nor setException", () => {
    const task = virtualLoop().loop.createTask(sleep(1));
    expect(() => task.setResult()).toThrow(withCode("TASK_SET", /coroutine/));
    expect(() => task.setException(new Error("x"))).toThrow(withCode("TASK_SET", /coroutine/));
  });

  test("lives until it is done, although nothing refers to it", async () => {
    const collect = (globalThis as unknown as { gc: () => void }).gc;
    const { result } = await runVirtuallyWithPromises(function* () {
      let ended = false;
      createTask(function* () {
        const only = new Future<void>();
        getRunningLoop().callLater(5, () => only.setResult());
        yield* only;
        ended = true;
      });
      yield* sleep(1);
      collect();
      yield* sleep(10);
      return ended;
    });
    expect(result).toBe(true);
  });

  test("takes its turn at a bare yield and at sleep(0)", () => {
    const { result, duration } = runVirtually(function* () {
      const order: string[] = [];
      function* count(name: string, wait: () => Coroutine<void>): Coroutine<void> {
        for (let i = 0; i < 3; i++) {
          order.push(`${name}${i}`);
          yield* wait();
        }
      }
      const a = createTask(
        count("a", function* () {
          yield;
        }),
      );
      const b = createTask(count("b", () => sleep(0)));
      yield* a;
      yield* b;
      return order;
    });
    expect(result).toEqual(["a0", "b0", "a1", "b1", "a2", "b2"]);
    expect(duration).toBe(0);
  });
});

describe("the name of a task", () => {
  test("is a number of its own unless it is given or set", () => {
    const { loop } = virtualLoop();
    const [one, two] = [loop.createTask(sleep(1)), loop.createTask(sleep(1))];
    expect(one?.name).toMatch(/^Task-\d+$/);
    expect(one?.name).not.toBe(two?.name);
    expect(loop.createTask(sleep(1), { name: "worker" }).name).toBe("worker");
    const task = loop.createTask(sleep(1), { name: "" });
    expect(task.name).toBe("");
    task.name = "renamed";
    expect(task.name).toBe("renamed");
    task.name = 5;
    expect(task.name).toBe("5");
  });
});

describe("allTasks", () => {
  test("are those of the loop that are not done, in a set of one's own", () => {
    const { result, loop } = runVirtually(function* () {
      const short = createTask(sleep(1));
      const long = createTask(sleep(10));
      const before = allTasks();
      before.delete(long);
      yield* sleep(5);
      const after = allTasks();
      return [before.has(short), before.size, after.has(short), after.has(long), after.size];
    });
    expect(result).toEqual([true, 2, false, true, 2]);
    expect(allTasks(loop).size).toBe(1);
  });
});

describe("the context of a task", () => {
  const user = new ContextVar<string>("user", { default: "nobody" });

  test("is given, or a copy of the one current at the call", () => {
    const { loop } = virtualLoop();
    const context = new Context();
    expect(loop.createTask(sleep(1), { context }).context).toBe(context);
    const current = copyContext();
    const task = current.run(() => {
      user.set("ada");
      return loop.createTask(sleep(1));
    });
    expect(task.context).not.toBe(current);
    expect(task.context.get(user)).toBe("ada");
  });

  test("a task that is to run in a context which is entered elsewhere fails, and the loop goes on", () => {
    const { loop, host, reports } = virtualLoop();
    const entered = new Context();
    const task = loop.createTask(sleep(1), { context: entered });
    let ran = false;
    loop.callSoon(() => {
      ran = true;
    });
    void loop.runForever();
    let thrown: unknown;
    entered.run(() => {
      new Context().run(() => {
        try {
          host.runTurn();
        } catch (error) {
          thrown = error;
        }
      });
    });
    while (host.step());
    expect(thrown).toBeUndefined();
    expect(ran).toBe(true);
    expect(task.done).toBe(true);
    expect(() => task.result()).toThrow(withCode("CONTEXT_ENTERED"));
    expect(reports).toEqual([]);
  });
});

describe("inspection", () => {
  test("util.inspect tells the name, the state and what it waits for", () => {
    const { result } = runVirtually(function* () {
      const future = new Future<void>();
      const inner = createTask(
        function* inner() {
          yield* future;
        },
        { name: "inner" },
      );
      const outer = createTask(
        function* () {
          yield* inner;
        },
        { name: "outer" },
      );
      const ready = inspect(outer);
      yield;
      const waiting = [inspect(inner), inspect(outer)];
      inner.cancel();
      const cancelling = inspect(inner);
      yield* sleep(1);
      const done = createTask(sleep(1, 3), { name: "done" });
      yield* done;
      const failed = createTask(
        function* () {
          throw new Error("x");
        },
        { name: "failed" },
      );
      yield* sleep(1);
      failed.exception();
      return [ready, ...waiting, cancelling, inspect(inner), inspect(done), inspect(failed)];
    });
    expect(result).toEqual([
      "Task outer { ready }",
      "Task inner { pending, waiting for Future }",
      "Task outer { pending, waiting for Task inner }",
      "Task inner { pending, waiting for Future, cancelling }",
      "Task inner { cancelled }",
      "Task done { result: 3 }",
      "Task failed { exception: Error: x }",
    ]);
  });

  test("a task that inspects itself is running", () => {
    const { result } = runVirtually(function* () {
      const task: Task<string> = createTask(
        function* (): Coroutine<string> {
          return inspect(task);
        },
        { name: "self" },
      );
      return yield* task;
    });
    expect(result).toBe("Task self { running }");
  });

  test("waitingFor is what it waits for, and coroutine what it drives", () => {
    const { result } = runVirtually(function* () {
      const future = new Future<void>();
      const body = (function* (): Coroutine<void> {
        yield* future;
      })();
      const task = createTask(body);
      expect(task.waitingFor).toBeUndefined();
      yield;
      const seen = [task.waitingFor === future, task.coroutine === body];
      future.setResult();
      yield* task;
      return [...seen, task.waitingFor];
    });
    expect(result).toEqual([true, true, undefined]);
  });
});

describe("getStack and printStack", () => {
  const inner = coroutine(function* innermost() {
    yield* sleep(10);
  });
  const outer = coroutine(function* outermost() {
    yield* inner();
  });

  test("of a task that waits are its named coroutines, innermost first", () => {
    const { result } = runVirtually(function* () {
      const task = createTask(outer());
      yield;
      return [task.getStack(), task.getStack({ limit: 1 })];
    });
    expect(result).toEqual([["at innermost", "at outermost"], ["at innermost"]]);
  });

  test("in debug mode has the places where bare coroutines wait, too", () => {
    const { result } = runVirtually(
      function* () {
        function* waitsHere(): Coroutine<void> {
          yield* sleep(10);
          yield* new Future<void>();
        }
        const task = createTask(function* outerBody() {
          yield* waitsHere();
        });
        yield* sleep(20);
        const stack = task.getStack();
        task.cancel();
        return stack;
      },
      { debug: true },
    );
    expect(result[0]).toMatch(/waitsHere .*task\.test\.ts/);
    expect(result[1]).toMatch(/outerBody .*task\.test\.ts/);
    expect(result).toHaveLength(2);
  });

  test("of the running task is where it runs, without the frames of the loop", () => {
    const { result } = runVirtually(function* () {
      const task: Task<string[]> = createTask(function* body(): Coroutine<string[]> {
        return task.getStack();
      });
      return yield* task;
    });
    expect(result[0]).toMatch(/body .*task\.test\.ts/);
    expect(result.join("\n")).not.toMatch(/_step|Scheduler|event-loop/);
  });

  test("of a failed task is the stack of its error, of one that is done nothing", () => {
    const { result } = runVirtually(function* () {
      const failed = createTask(function* breaks() {
        throw new Error("x");
      });
      const done = createTask(sleep(1));
      yield* sleep(2);
      failed.exception();
      return [failed.getStack(), done.getStack()] as const;
    });
    expect(result[0][0]).toMatch(/breaks .*task\.test\.ts/);
    expect(result[1]).toEqual([]);
  });

  test("printStack tells the reporter", () => {
    const { messages } = runVirtually(function* () {
      const task = createTask(outer(), { name: "worker" });
      yield;
      task.printStack();
      yield* task;
      task.printStack();
    });
    expect(messages).toEqual([
      "Stack for worker, innermost first:\n    at innermost\n    at outermost",
      "No stack for worker",
    ]);
  });
});

describe("ensureFuture", () => {
  test("leaves a future what it is, and makes a task of a coroutine", () => {
    runVirtually(function* () {
      const future = new Future<void>();
      expect(ensureFuture(future)).toBe(future);
      const task = ensureFuture(sleep(1, "result"));
      expect(task).toBeInstanceOf(Task);
      expect(yield* task).toBe("result");
      expect(ensureFuture(Promise.resolve())).toBeInstanceOf(Future);
    });
  });
});

describe("isCoroutine and isCoroutineFunction", () => {
  test("know generators and coroutines written as objects; and nothing else", () => {
    const { loop } = virtualLoop();
    function* bare(): Coroutine<void> {}
    async function* emits(): AsyncGenerator<number> {}
    for (const value of [bare(), sleep(1), coroutine(bare)()]) expect(isCoroutine(value)).toBe(true);
    for (const value of [
      bare,
      loop.createFuture(),
      Promise.resolve(),
      [][Symbol.iterator](),
      emits(),
      null,
      undefined,
      3,
    ]) {
      expect(isCoroutine(value)).toBe(false);
    }
    for (const fn of [bare, coroutine(bare), function* () {}]) expect(isCoroutineFunction(fn)).toBe(true);
    for (const fn of [() => bare(), emits, async () => {}, Map, undefined, {}]) {
      expect(isCoroutineFunction(fn)).toBe(false);
    }
  });
});
