import { Context, ContextVar, copyContext, createTask, getRunningLoop, sleep } from "corio";
import { describe, expect, test } from "vitest";
import { runVirtually } from "../support/virtual-loop.js";

const user = new ContextVar<string>("user", { default: "nobody" });

describe("Context", () => {
  test("run returns what the function returns, and keeps what it sets inside", () => {
    const context = copyContext();
    const seen = context.run(() => {
      user.set("ada");
      return user.get();
    });
    expect(seen).toBe("ada");
    expect(user.get()).toBe("nobody");
    expect(context.get(user)).toBe("ada");
  });

  test("run is left when the function throws", () => {
    const context = copyContext();
    expect(() =>
      context.run(() => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(context.run(() => 1)).toBe(1);
  });

  test("entering a context that is entered already is an error that shows the way out", () => {
    const context = new Context();
    expect(() => context.run(() => context.run(() => 1))).toThrow(
      expect.objectContaining({
        code: "ERR_CORIO_CONTEXT_ENTERED",
        message: expect.stringContaining("context.copy()"),
      }),
    );
    expect(context.run(() => context.copy().run(() => 2))).toBe(2);
  });

  test("get, has, size and keys tell what was set; defaults do not count", () => {
    const context = new Context();
    expect([context.get(user), context.has(user as ContextVar<never>), context.size]).toEqual([undefined, false, 0]);
    context.run(() => user.set("ada"));
    expect([context.get(user), context.has(user as ContextVar<never>), context.size]).toEqual(["ada", true, 1]);
    expect([...context.keys()]).toEqual([user]);
  });

  test("a copy and its original do not see what the other sets later", () => {
    const original = new Context();
    original.run(() => user.set("before"));
    const copy = original.copy();
    original.run(() => user.set("original"));
    copy.run(() => user.set("copy"));
    expect([original.get(user), copy.get(user)]).toEqual(["original", "copy"]);
  });

  test("a task runs in a copy: neither side sees what the other sets after its creation", () => {
    const { result } = runVirtually(function* () {
      user.set("parent");
      const task = createTask(function* () {
        const first = user.get();
        user.set("child");
        yield* sleep(1);
        return [first, user.get()];
      });
      user.set("parent, later");
      return [...(yield* task), user.get()];
    });
    expect(result).toEqual(["parent", "child", "parent, later"]);
  });

  test("the context current at the call is what a callback, a timer and a done callback run in", () => {
    const { result } = runVirtually(function* () {
      const loop = getRunningLoop();
      const future = loop.createFuture<void>();
      const seen: string[] = [];
      user.set("at the call");
      loop.callSoon(() => seen.push(`soon ${user.get()}`));
      loop.callLater(1, () => seen.push(`later ${user.get()}`));
      future.addDoneCallback(() => seen.push(`done ${user.get()}`));
      user.set("afterwards");
      future.setResult();
      yield* sleep(2);
      return seen;
    });
    expect(result).toEqual(["soon at the call", "done at the call", "later at the call"]);
  });

  test("the option context of a callback and of a task is the context itself, not a copy of it", () => {
    const context = new Context();
    runVirtually(function* () {
      getRunningLoop().callSoon(() => user.set("callback"), { context });
      yield;
      expect(context.get(user)).toBe("callback");
      yield* createTask(
        function* () {
          user.set("task");
        },
        { context },
      );
    });
    expect(context.get(user)).toBe("task");
  });

  test("an option context that is none is refused at the call", () => {
    const wrong = {} as Context;
    runVirtually(function* () {
      const loop = getRunningLoop();
      const refusal = expect.objectContaining({ name: "TypeError", code: "ERR_CORIO_CONTEXT" });
      expect(() => loop.callSoon(() => {}, { context: wrong })).toThrow(refusal);
      expect(() => loop.createFuture().addDoneCallback(() => {}, { context: wrong })).toThrow(refusal);
      const coroutine = sleep(1);
      expect(() => createTask(coroutine, { context: wrong })).toThrow(refusal);
      yield;
    });
  });

  test("copying a context takes constant time, however many variables it holds", () => {
    const context = new Context();
    context.run(() => {
      for (let i = 0; i < 1_000; i++) new ContextVar<number>(`v${i}`).set(i);
    });
    // nothing is copied until somebody sets a variable: both refer to the same values
    const valuesOf = (of: Context): unknown => (of as unknown as { _values: unknown })._values;
    expect(valuesOf(context.copy())).toBe(valuesOf(context));
    expect(context.size).toBe(1_000);
  });
});
