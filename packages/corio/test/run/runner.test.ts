import type { Future } from "corio";
import { ContextVar, Context, createTask, EventLoop, getRunningLoop, Runner, sleep, type Coroutine } from "corio";
import { describe, expect, test } from "vitest";
import { runVirtually, virtualLoop, type VirtualLoop } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

function virtualRunner(): VirtualLoop & { runner: Runner; settle: <T>(promise: Promise<T>) => Promise<T> } {
  const virtual = virtualLoop();
  const runner = new Runner({ loopFactory: () => virtual.loop });
  return {
    ...virtual,
    runner,
    settle(promise) {
      while (virtual.host.step());
      return promise;
    },
  };
}

describe("Runner", () => {
  test("runs several coroutines on one loop and in one context", async () => {
    const variable = new ContextVar<string>("v", { default: "none" });
    const { runner, settle, loop } = virtualRunner();
    await settle(
      runner.run(function* () {
        variable.set("by the first");
        yield* sleep(1);
      }),
    );
    const second = await settle(
      runner.run(function* () {
        return [variable.get(), getRunningLoop() === loop];
      }),
    );
    expect(second).toEqual(["by the first", true]);
    expect(runner.loop).toBe(loop);
    await settle(runner.close());
    expect(loop.closed).toBe(true);
  });

  test("a run can have a context of its own", async () => {
    const variable = new ContextVar<string>("v", { default: "none" });
    const { runner, settle } = virtualRunner();
    const context = new Context();
    context.run(() => variable.set("own"));
    const main = function* (): Coroutine<string> {
      return variable.get();
    };
    expect(await settle(runner.run(main, { context }))).toBe("own");
    expect(await settle(runner.run(main))).toBe("none");
    await settle(runner.close());
  });

  test("tasks of one run go on in the next, and close cancels what is left", async () => {
    const { runner, settle } = virtualRunner();
    let left: Future<void> | undefined;
    await settle(
      runner.run(function* () {
        left = createTask(sleep(10_000));
        yield* sleep(1);
      }),
    );
    expect(left?.done).toBe(false);
    await settle(runner.run(sleep(1)));
    expect(left?.done).toBe(false);
    await settle(runner.close());
    expect(left?.cancelled).toBe(true);
  });

  test("closed, it runs nothing any more, closes the coroutine, and may be closed again", async () => {
    const { runner, settle } = virtualRunner();
    await settle(runner.run(sleep(1)));
    await settle(runner.close());
    await runner.close();
    expect(() => runner.loop).toThrow(withCode("RUNNER_CLOSED"));
    const coroutine = (function* (): Coroutine<void> {
      yield;
    })();
    expect(() => runner.run(coroutine)).toThrow(withCode("RUNNER_CLOSED"));
    expect(coroutine.next().done).toBe(true);
  });

  test("one that never ran has nothing to close", async () => {
    let made = false;
    const runner = new Runner({
      loopFactory: () => {
        made = true;
        return new EventLoop();
      },
    });
    await runner.close();
    expect(made).toBe(false);
  });

  test("does not run two at once, and neither runs nor closes inside a running loop", async () => {
    const { runner, settle } = virtualRunner();
    const first = runner.run(sleep(1));
    expect(() => runner.run(sleep(1))).toThrow(withCode("LOOP_RUNNING"));
    expect(() => runner.close()).toThrow(withCode("LOOP_RUNNING"));
    await settle(first);
    runVirtually(function* () {
      expect(() => runner.run(sleep(1))).toThrow(withCode("INSIDE_LOOP"));
      expect(() => runner.close()).toThrow(withCode("INSIDE_LOOP"));
      yield;
    });
    await settle(runner.close());
  });

  test("a signal of one run cancels what its main returned, and leaves the next run alone", async () => {
    const { runner, settle, loop } = virtualRunner();
    const controller = new AbortController();
    loop.callAt(5, () => controller.abort("enough"));
    const first = runner.run(
      function* () {
        return createTask(sleep(1_000));
      },
      { signal: controller.signal },
    );
    await expect(settle(first)).rejects.toMatchObject({ name: "CancelledError", reason: "enough" });
    expect(loop.time()).toBe(5);
    expect(await settle(runner.run(sleep(1, "second")))).toBe("second");
    await settle(runner.close());
  });

  test("is an AsyncDisposable", async () => {
    const { runner, settle, loop } = virtualRunner();
    await settle(runner.run(sleep(1)));
    await settle(runner[Symbol.asyncDispose]());
    expect(loop.closed).toBe(true);
  });

  test("an error of one run leaves the next one alone", async () => {
    const { runner, settle } = virtualRunner();
    await expect(
      settle(
        runner.run(function* () {
          throw new Error("first");
        }),
      ),
    ).rejects.toThrow("first");
    expect(await settle(runner.run(sleep(1, "second")))).toBe("second");
    await settle(runner.close());
  });
});
