import {
  createTask,
  EventLoop,
  type ExceptionContext,
  Future,
  getRunningLoop,
  ManualHost,
  run,
  sleep,
  until,
} from "corio";
import { ContextVar, copyContext } from "corio";
import { describe, expect, test } from "vitest";
import { drainPromises, runVirtually, runVirtuallyWithPromises, virtualLoop } from "../support/virtual-loop.js";

declare const gc: () => void;

/** Collects garbage until it made a difference, for a bounded while. */
async function collect(until: () => boolean, rounds = 100): Promise<void> {
  for (let i = 0; i < rounds && !until(); i++) {
    gc();
    await drainPromises();
  }
}

function* failing(message = "lost"): Generator<undefined, never, void> {
  yield;
  throw new Error(message);
}

describe("an exception that nobody retrieved", () => {
  test("is reported when its task is collected, while the loop still runs", async () => {
    const { loop, host, reports } = virtualLoop();
    const keepAlive = loop.hold();
    // in a function of its own, whose frame is gone when garbage is collected
    (function runWorker() {
      loop.createTask(failing(), { name: "worker" });
      void loop.runForever();
      while (host.step());
    })();
    expect(reports).toEqual([]);
    await collect(() => reports.length > 0);
    expect(reports).toMatchObject([
      {
        message: "Task exception was never retrieved",
        exception: { message: "lost" },
        context: { taskName: "worker" },
      },
    ]);
    keepAlive[Symbol.dispose]();
  });

  test("is reported when a future is collected", async () => {
    const { loop, reports } = virtualLoop();
    loop.createFuture().setException(new Error("lost"));
    await collect(() => reports.length > 0);
    expect(reports).toMatchObject([
      { message: "Future exception was never retrieved", exception: { message: "lost" } },
    ]);
  });

  test("is reported at the latest when its run ends, with the name of the task", () => {
    const { reports } = runVirtually(function* () {
      createTask(failing(), { name: "worker" });
      yield* sleep(1);
    });
    expect(reports).toMatchObject([
      {
        message: "Task exception was never retrieved",
        exception: { message: "lost" },
        context: { taskName: "worker" },
      },
    ]);
  });

  test("is reported with the origin of the task in debug mode", () => {
    const { reports } = runVirtually(
      function* () {
        createTask(failing());
        yield* sleep(1);
      },
      { debug: true },
    );
    expect(reports[0]?.context?.origin).toContain("unretrieved.test.ts");
  });

  test("is reported once: not at the end of the run and again when it is collected", async () => {
    const { reports, loop } = runVirtually(function* () {
      createTask(failing());
      yield* sleep(1);
    });
    loop.close();
    expect(reports).toHaveLength(1);
    await collect(() => reports.length > 1, 10);
    expect(reports).toHaveLength(1);
  });

  test("is not reported once it was retrieved, in whatever way", async () => {
    const ways: ((task: Future<never>) => Generator<never, void, void>)[] = [
      function* (task) {
        try {
          yield* task as unknown as Generator<never, never, void>;
        } catch {}
      },
      function* (task) {
        try {
          task.result();
        } catch {}
      },
      function* (task) {
        task.exception();
      },
      function* (task) {
        void task.then(undefined, () => {});
      },
    ];
    const { reports } = await runVirtuallyWithPromises(function* () {
      for (const way of ways) {
        const task = createTask(failing());
        yield* sleep(1);
        yield* way(task);
      }
      yield* sleep(1);
    });
    expect(reports).toEqual([]);
  });

  test("is not reported when a waiting task gets it", () => {
    const { reports, throws } = runVirtually(function* () {
      yield* createTask(failing());
    });
    expect(throws).toMatchObject({ message: "lost" });
    expect(reports).toEqual([]);
  });

  test("is the run's own error only once: main's error rejects, and is not reported besides", async () => {
    const { loop, host, reports } = virtualLoop();
    const running = run(failing("main failed"), { loopFactory: () => loop });
    while (host.step());
    await expect(running).rejects.toThrow("main failed");
    expect(reports).toEqual([]);
  });

  test("of a task that a run cancels at its end is reported as such", async () => {
    const { loop, host, reports } = virtualLoop();
    const running = run(
      function* () {
        createTask(function* () {
          try {
            yield* sleep(1_000);
          } finally {
            // eslint-disable-next-line no-unsafe-finally
            throw new Error("cleanup failed");
          }
        });
        yield* sleep(1);
      },
      { loopFactory: () => loop },
    );
    while (host.step());
    await running;
    expect(reports).toMatchObject([
      { message: expect.stringContaining("shutdown"), exception: { message: "cleanup failed" } },
    ]);
  });
});

describe("a promise that is rejected after its wait was cancelled", () => {
  test("is reported to the exception handler", async () => {
    const { reports } = await runVirtuallyWithPromises(function* () {
      let reject: (error: Error) => void = () => {};
      const task = createTask(function* () {
        yield* until(
          new Promise<void>((_resolve, r) => {
            reject = r;
          }),
        );
      });
      yield* sleep(1);
      task.cancel();
      yield* sleep(1);
      reject(new Error("too late"));
      yield* sleep(1);
    });
    expect(reports).toMatchObject([
      { message: expect.stringContaining("cancelled"), exception: { message: "too late" } },
    ]);
  });

  test("is not reported when it is the abort itself, as fetch and timers reject with it", async () => {
    const { reports } = await runVirtuallyWithPromises(function* () {
      for (const answer of [
        (signal: AbortSignal) => signal.reason as unknown,
        () => new DOMException("aborted", "AbortError"),
        (signal: AbortSignal) => new Error("wrapped", { cause: signal.reason }),
      ]) {
        const task = createTask(function* () {
          yield* until(
            (signal) =>
              new Promise<void>((_resolve, reject) => {
                signal.addEventListener("abort", () => reject(answer(signal)));
              }),
          );
        });
        yield* sleep(1);
        task.cancel(new Error("enough"));
        yield* sleep(1);
      }
    });
    expect(reports).toEqual([]);
  });

  test("is reported when the function that was to abort fails with something else", async () => {
    const { reports } = await runVirtuallyWithPromises(function* () {
      const task = createTask(function* () {
        yield* until(
          (signal) =>
            new Promise<void>((_resolve, reject) => {
              signal.addEventListener("abort", () => reject(new Error("closing failed")));
            }),
        );
      });
      yield* sleep(1);
      task.cancel();
      yield* sleep(1);
    });
    expect(reports).toMatchObject([{ exception: { message: "closing failed" } }]);
  });

  test("is not reported when somebody waits for it again", async () => {
    const { result, reports } = await runVirtuallyWithPromises(function* () {
      let reject: (error: Error) => void = () => {};
      const promise = new Promise<void>((_resolve, r) => {
        reject = r;
      });
      until(promise).cancel();
      yield* sleep(1);
      const again = until(promise);
      reject(new Error("received"));
      try {
        yield* again;
      } catch (error) {
        return (error as Error).message;
      }
      return "nothing";
    });
    expect(result).toBe("received");
    expect(reports).toEqual([]);
  });
});

describe("the exception handler", () => {
  test("that throws does not stop the loop: its error and the first one go to the default handler", () => {
    const { loop, host } = { ...virtualLoop() };
    const told: unknown[][] = [];
    loop.reporter = { error: (...args) => void told.push(args), warn: (...args) => void told.push(args) };
    loop.exceptionHandler = () => {
      throw new Error("handler broke");
    };
    loop.callSoon(() => {
      throw new Error("first");
    });
    let ran = false;
    loop.callSoon(() => {
      ran = true;
    });
    void loop.runForever();
    while (host.step());
    expect(ran).toBe(true);
    expect(told).toHaveLength(1);
    expect(String(told[0]?.[0])).toContain("Unhandled error in exception handler");
    expect(told[0]?.[1]).toMatchObject({ message: "handler broke" });
  });

  test("never throws itself, even where the reporter does", () => {
    const { loop, host } = virtualLoop();
    const broken = (): never => {
      throw new Error("reporter broke");
    };
    loop.reporter = { error: broken, warn: broken };
    loop.exceptionHandler = undefined;
    expect(() => loop.callExceptionHandler({ message: "x" })).not.toThrow();
    loop.callSoon(broken);
    void loop.runForever();
    while (host.step());
  });

  test("gets the loop and the context", () => {
    const { loop } = virtualLoop();
    let got: [EventLoop, ExceptionContext] | undefined;
    loop.exceptionHandler = (...args) => {
      got = args;
    };
    const context = { message: "something", exception: new Error("x"), detail: 1 };
    loop.callExceptionHandler(context);
    expect(got?.[0]).toBe(loop);
    expect(got?.[1]).toBe(context);
  });

  test("runs in the context of what failed: the task's, the callback's", () => {
    const user = new ContextVar<string>("user", { default: "nobody" });
    const seen: string[] = [];
    runVirtually(function* () {
      const loop = getRunningLoop();
      loop.exceptionHandler = () => void seen.push(user.get());
      const context = copyContext();
      context.run(() => user.set("callback"));
      loop.callSoon(
        () => {
          throw new Error("x");
        },
        { context },
      );
      const task = createTask(function* () {
        user.set("task");
      });
      yield* sleep(1);
      loop.callExceptionHandler({ message: "of a task", task });
    });
    expect(seen).toEqual(["callback", "task"]);
  });

  test("must be a function, and undefined takes it away", () => {
    const { loop } = virtualLoop();
    expect(() => {
      loop.exceptionHandler = 3 as never;
    }).toThrow(expect.objectContaining({ name: "TypeError", code: "ERR_CORIO_EXCEPTION_HANDLER" }));
    loop.exceptionHandler = undefined;
    expect(loop.exceptionHandler).toBeUndefined();
  });

  test("the default one reports the message, the details and the error", () => {
    const loop = new EventLoop({ host: new ManualHost() });
    const told: unknown[][] = [];
    loop.reporter = { error: (...args) => void told.push(args), warn: () => expect.unreachable() };
    const exception = new Error("x");
    const future = new Future<void>({ loop });
    loop.callExceptionHandler({ message: "It broke", exception, future, taskName: "worker" });
    loop.callExceptionHandler({ message: "No error" });
    expect(told[0]?.[0]).toMatch(/^It broke\n {2}future: Future \(pending\)\n {2}taskName: worker$/);
    expect(told[0]?.[1]).toBe(exception);
    expect(told[1]).toEqual(["No error"]);
  });
});
