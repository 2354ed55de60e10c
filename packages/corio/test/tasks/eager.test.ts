import {
  ContextVar,
  createEagerTaskFactory,
  createTask,
  currentTask,
  eagerTaskFactory,
  Future,
  getRunningLoop,
  sleep,
  Task,
  type TaskFactory,
  type TaskOptions,
} from "corio";
import { describe, expect, test } from "vitest";
import { runVirtually, virtualLoop } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

describe("the option eagerStart", () => {
  test("runs a task up to its first wait before createTask returns", () => {
    const { result } = runVirtually(function* () {
      const order: string[] = [];
      const main = currentTask();
      const task = createTask(
        function* () {
          order.push(currentTask() === main ? "wrong task" : "eager");
          yield* sleep(1);
          order.push("later");
        },
        { eagerStart: true },
      );
      order.push("creator");
      expect([task.done, currentTask() === main]).toEqual([false, true]);
      yield* task;
      return order;
    });
    expect(result).toEqual(["eager", "creator", "later"]);
  });

  test("a coroutine that need not wait is done at once, with its result or its error", () => {
    runVirtually(function* () {
      const good = createTask(
        function* () {
          return 1;
        },
        { eagerStart: true },
      );
      const bad = createTask(
        function* () {
          throw new Error("x");
        },
        { eagerStart: true },
      );
      expect([good.done, good.result(), bad.done]).toEqual([true, 1, true]);
      expect((bad.exception() as Error).message).toBe("x");
      yield;
    });
  });

  test("has a context of its own all the same", () => {
    const user = new ContextVar<string>("user", { default: "nobody" });
    const { result } = runVirtually(function* () {
      user.set("creator");
      const seen: string[] = [];
      const task = createTask(
        function* () {
          seen.push(user.get());
          user.set("eager");
          yield;
          seen.push(user.get());
        },
        { eagerStart: true },
      );
      seen.push(user.get());
      yield* task;
      return seen;
    });
    expect(result).toEqual(["creator", "creator", "eager"]);
  });

  test("may be given the context that its creator runs in", () => {
    const user = new ContextVar<string>("user", { default: "nobody" });
    const { result } = runVirtually(function* () {
      createTask(
        function* () {
          user.set("by the eager task");
        },
        { eagerStart: true, context: currentTask().context },
      );
      return user.get();
    });
    expect(result).toBe("by the eager task");
  });

  test("waits for the loop where the loop is not running", () => {
    const { loop, host } = virtualLoop();
    let began = false;
    loop.createTask(
      function* () {
        began = true;
      },
      { eagerStart: true },
    );
    expect(began).toBe(false);
    void loop.runForever();
    while (host.step());
    expect(began).toBe(true);
  });

  test("an eager task can be cancelled, and makes eager tasks itself", () => {
    const { result } = runVirtually(function* () {
      const order: string[] = [];
      const outer = createTask(
        function* () {
          order.push("outer");
          createTask(
            function* () {
              order.push("inner");
            },
            { eagerStart: true },
          );
          order.push("outer again");
          yield* new Future<void>();
        },
        { eagerStart: true },
      );
      outer.cancel();
      yield* sleep(1);
      return [...order, outer.cancelled];
    });
    expect(result).toEqual(["outer", "inner", "outer again", true]);
  });
});

describe("task factories", () => {
  test("eagerTaskFactory starts every task of the loop at once, unless a call says otherwise", () => {
    const { result } = runVirtually(function* () {
      getRunningLoop().taskFactory = eagerTaskFactory;
      const order: string[] = [];
      const make = (name: string, options?: TaskOptions): Task<void> =>
        createTask(
          function* () {
            order.push(name);
          },
          { name, ...options },
        );
      const eager = make("eager");
      make("lazy", { eagerStart: false });
      order.push("creator");
      yield* sleep(1);
      return [...order, eager.name];
    });
    expect(result).toEqual(["eager", "creator", "lazy", "eager"]);
  });

  test("createEagerTaskFactory makes tasks of a class, or by a function", () => {
    class MyTask<T> extends Task<T> {}
    runVirtually(function* () {
      const loop = getRunningLoop();
      loop.taskFactory = createEagerTaskFactory(MyTask);
      const task = createTask(sleep(0, 1), { name: "mine" });
      expect(task).toBeInstanceOf(MyTask);
      expect([task.name, yield* task]).toEqual(["mine", 1]);
      loop.taskFactory = createEagerTaskFactory((coroutine, options) => new MyTask(coroutine, options));
      expect(createTask(sleep(0))).toBeInstanceOf(MyTask);
    });
    expect(() => createEagerTaskFactory(undefined as never)).toThrow(withCode("TASK_CLASS"));
  });

  test("a factory gets the loop, the coroutine and the options as they were given", () => {
    runVirtually(function* () {
      const loop = getRunningLoop();
      const got: unknown[] = [];
      const factory: TaskFactory = (...args) => {
        got.push(...args);
        return new Task(args[1], { ...args[2], loop: args[0] });
      };
      loop.taskFactory = factory;
      expect(loop.taskFactory).toBe(factory);
      const coroutine = sleep(1);
      createTask(coroutine, { name: "n" });
      expect(got[0]).toBe(loop);
      expect(got[1]).toBe(coroutine);
      expect(got[2]).toEqual({ name: "n" });
      loop.taskFactory = undefined;
      expect(loop.taskFactory).toBeUndefined();
      yield;
    });
  });

  test("what is no function is refused", () => {
    const { loop } = virtualLoop();
    expect(() => {
      loop.taskFactory = {} as never;
    }).toThrow(withCode("TASK_FACTORY"));
  });
});
