import { type Coroutine, coroutine, createTask, run, sleep, until } from "corio";
import { describe, expect, test } from "vitest";
import { runVirtually, runVirtuallyWithPromises, virtualLoop } from "../support/virtual-loop.js";

/** The names of the functions of this file in a stack, in its order. */
function names(error: unknown): string[] {
  return [...String((error as Error).stack).matchAll(/ at (?:\w+\.)?(\w+) \(.*await-stack\.test\.ts/g)].map(
    ([, name]) => name ?? "",
  );
}

function* innermost(): Coroutine<never> {
  yield* sleep(1);
  throw new Error("deep");
}
function* middle(): Coroutine<void> {
  yield* innermost();
}
function* outermost(): Coroutine<void> {
  yield* middle();
}

describe("the stack of an error", () => {
  test("has the chain of coroutines that it passed through", () => {
    const { throws } = runVirtually(outermost);
    expect(names(throws)).toEqual(["innermost", "middle", "outermost"]);
  });

  test("goes on in the task that awaits the one in which it was thrown", () => {
    function* waits(): Coroutine<void> {
      yield* createTask(outermost(), { name: "worker" });
    }
    function* main(): Coroutine<void> {
      yield* waits();
    }
    const { throws } = runVirtually(function* () {
      yield* createTask(main(), { name: "outer task" });
    });
    expect(names(throws).slice(0, 5)).toEqual(["innermost", "middle", "outermost", "waits", "main"]);
    expect((throws as Error).stack).toContain("awaited in outer task:");
    expect((throws as Error).stack).not.toMatch(/_step|#runTurn|ready-queue/);
  });

  test("goes on across the hand-over of coroutine()", () => {
    const levels = "abcdefghijklmnopqrstuvwxyz".split("").map((letter) => `level_${letter}`);
    const make = (i: number): (() => Coroutine<void>) => {
      const name = levels[i];
      if (name === undefined) return innermost;
      const next = make(i + 1);
      const { [name]: fn } = {
        *[name](): Coroutine<void> {
          yield* next();
        },
      };
      return coroutine(fn as () => Coroutine<void>);
    };
    const { throws } = runVirtually(make(0));
    expect(names(throws)).toEqual(["innermost", ...levels.toReversed()]);
    expect((throws as Error).stack).not.toMatch(/NamedCoroutine|HandedOver/);
  });

  test("does not grow for ever when an error goes round", () => {
    const { result } = runVirtually(function* () {
      const error = new Error("round");
      for (let i = 0; i < 300; i++) {
        const task = createTask(
          function* () {
            throw error;
          },
          { name: `task ${i}` },
        );
        const waiter = createTask(
          function* () {
            yield* task;
          },
          { name: `waiter ${i}` },
        );
        try {
          yield* waiter;
        } catch {}
      }
      return String(error.stack).split("\n").length;
    });
    expect(result).toBeLessThan(250);
  });

  test("a frozen error passes as it is", () => {
    const error = Object.freeze(new Error("frozen"));
    const { throws } = runVirtually(function* () {
      yield* createTask(function* () {
        throw error;
      });
    });
    expect(throws).toBe(error);
  });

  test("of a promise that failed has the place that waited for it", async () => {
    function* asks(): Coroutine<void> {
      yield* until(Promise.reject(new Error("no")));
    }
    const { throws } = await runVirtuallyWithPromises(asks);
    expect(names(throws)).toContain("asks");
  });

  test("that run rejects with has them too", async () => {
    const { loop, host } = virtualLoop();
    const running = run(outermost, { loopFactory: () => loop });
    while (host.step());
    const error = await running.then(
      () => undefined,
      (e: unknown) => e,
    );
    expect(names(error)).toEqual(["innermost", "middle", "outermost"]);
  });

  test("has nothing of what wakes the loop from outside", () => {
    const { loop, host } = virtualLoop();
    const failing = loop.createFuture<never>();
    function* waits(): Coroutine<void> {
      yield* failing;
    }
    const waiting = loop.start(waits());
    while (host.runTurn());
    function someSocket(): void {
      loop.callFromHost(() => failing.setException(new Error("reset")));
    }
    someSocket();
    const error = waiting.exception();
    expect(names(error).slice(-1)).toEqual(["waits"]);
    expect((error as Error).stack?.split("awaited in")[1]).not.toContain("someSocket");
    loop.close();
  });
});
