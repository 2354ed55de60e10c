import { inspect } from "node:util";
import {
  CancelledError,
  ContextVar,
  copyContext,
  createTask,
  Future,
  getRunningLoop,
  InvalidStateError,
  isFuture,
  sleep,
  until,
} from "corio";
import { describe, expect, test } from "vitest";
import { drainPromises, runVirtually, runVirtuallyWithPromises, virtualLoop } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

describe("the states of a future", () => {
  test("pending: neither a result nor an exception is there to ask for", () => {
    const future = virtualLoop().loop.createFuture<number>();
    expect([future.done, future.cancelled, future.cancelReason]).toEqual([false, false, undefined]);
    expect(() => future.result()).toThrow(InvalidStateError);
    expect(() => future.exception()).toThrow(withCode("INVALID_STATE", /yield\*/));
  });

  test("with a result", () => {
    const future = virtualLoop().loop.createFuture<number>();
    future.setResult(3);
    expect([future.done, future.cancelled, future.result(), future.exception()]).toEqual([true, false, 3, undefined]);
    expect(future.cancel()).toBe(false);
  });

  test("with an exception, which is any value but undefined", () => {
    for (const error of [new Error("x"), "text", null, 0, false]) {
      const future = virtualLoop().loop.createFuture<number>();
      future.setException(error);
      expect([future.done, future.cancelled, future.exception()]).toEqual([true, false, error]);
      let thrown: unknown = "nothing";
      try {
        future.result();
      } catch (caught) {
        thrown = caught;
      }
      expect(thrown).toBe(error);
    }
  });

  test("setException(undefined) is refused, and the future stays pending", () => {
    const future = virtualLoop().loop.createFuture<number>();
    expect(() => future.setException(undefined)).toThrow(withCode("NO_EXCEPTION", /setException\(undefined\)/));
    expect(future.done).toBe(false);
  });

  test("setException(new CancelledError()) does not make it cancelled", () => {
    const future = virtualLoop().loop.createFuture<number>();
    const error = new CancelledError("as an error");
    future.setException(error);
    expect([future.cancelled, future.exception()]).toEqual([false, error]);
    expect(() => future.result()).toThrow(error);
  });

  test("cancelled: with its reason, raw", () => {
    for (const reason of [undefined, "", "why", null, 0, { a: 1 }]) {
      const future = virtualLoop().loop.createFuture<number>();
      expect(future.cancel(reason)).toBe(true);
      expect([future.done, future.cancelled]).toEqual([true, true]);
      expect(future.cancelReason).toBe(reason);
      expect(() => future.result()).toThrow(expect.objectContaining({ name: "CancelledError", reason }));
      expect(() => future.exception()).toThrow(CancelledError);
      expect(future.cancel()).toBe(false);
    }
  });

  test("it ends once", () => {
    const { loop } = virtualLoop();
    const done = loop.createFuture<number>();
    done.setResult(1);
    const cancelled = loop.createFuture<number>();
    cancelled.cancel();
    for (const future of [done, cancelled]) {
      expect(() => future.setResult(2)).toThrow(withCode("INVALID_STATE", /future\.done/));
      expect(() => future.setException(new Error("x"))).toThrow(InvalidStateError);
    }
  });

  test("isFuture knows futures and tasks, and nothing else", () => {
    const { loop } = virtualLoop();
    expect([isFuture(loop.createFuture()), isFuture(loop.createTask(sleep(1)))]).toEqual([true, true]);
    expect([isFuture(Promise.resolve()), isFuture(sleep(1)), isFuture(undefined)]).toEqual([false, false, false]);
  });
});

describe("waiting for a future", () => {
  test("yield* gives the result, throws the exception, and throws the cancellation", () => {
    const { result } = runVirtually(function* () {
      const loop = getRunningLoop();
      const [good, bad, cancelled] = [loop.createFuture<string>(), loop.createFuture(), loop.createFuture()];
      loop.callLater(1, () => good.setResult("good"));
      loop.callLater(2, () => bad.setException(new Error("bad")));
      loop.callLater(3, () => cancelled.cancel("why"));
      const seen: unknown[] = [yield* good];
      try {
        yield* bad;
      } catch (error) {
        seen.push((error as Error).message);
      }
      try {
        yield* cancelled;
      } catch (error) {
        seen.push((error as CancelledError).reason);
      }
      return seen;
    });
    expect(result).toEqual(["good", "bad", "why"]);
  });

  test("all that wait are woken, in the order in which they began to wait", () => {
    const { result } = runVirtually(function* () {
      const future = new Future<number>();
      const woken: number[] = [];
      const tasks = Array.from({ length: 5 }, (_, i) =>
        createTask(function* () {
          woken.push(i + (yield* future));
        }),
      );
      yield;
      expect(future.awaitedBy).toEqual(new Set(tasks));
      future.setResult(10);
      expect(future.awaitedBy).toEqual(new Set());
      for (const task of tasks) yield* task;
      return woken;
    });
    expect(result).toEqual([10, 11, 12, 13, 14]);
  });

  test("setResult never runs a task synchronously", () => {
    const { result } = runVirtually(function* () {
      const future = new Future<void>();
      const order: string[] = [];
      createTask(function* () {
        yield* future;
        order.push("waiter");
      });
      yield;
      future.setResult();
      order.push("setter");
      yield* sleep(1);
      return order;
    });
    expect(result).toEqual(["setter", "waiter"]);
  });
});

describe("done callbacks", () => {
  test("run on the loop in the order in which they were added, with the future", () => {
    const { loop, host } = virtualLoop();
    const future = loop.createFuture<number>();
    const ran: unknown[] = [];
    future.addDoneCallback((it) => ran.push("a", it === future));
    future.addDoneCallback(() => ran.push("b"));
    future.setResult(1);
    expect(ran).toEqual([]);
    void loop.runForever();
    while (host.step());
    expect(ran).toEqual(["a", true, "b"]);
  });

  test("one that is added to a done future does not run at once", () => {
    const { result } = runVirtually(function* () {
      const future = new Future<void>();
      future.setResult();
      const order: string[] = [];
      future.addDoneCallback(() => order.push("callback"));
      order.push("after the call");
      yield;
      yield;
      return order;
    });
    expect(result).toEqual(["after the call", "callback"]);
  });

  test("removeDoneCallback removes every one that is the function, and says how many", () => {
    const { loop, host } = virtualLoop();
    const future = loop.createFuture<void>();
    const ran: string[] = [];
    const removed = (): void => void ran.push("removed");
    const kept = (): void => void ran.push("kept");
    for (const callback of [removed, kept, removed]) future.addDoneCallback(callback);
    expect([future.removeDoneCallback(removed), future.removeDoneCallback(removed)]).toEqual([2, 0]);
    future.setResult();
    void loop.runForever();
    while (host.step());
    expect(ran).toEqual(["kept"]);
  });

  test("an error in one goes to the exception handler with the future, and the others run", () => {
    const { loop, host, reports } = virtualLoop();
    const future = loop.createFuture<void>();
    const error = new Error("broken");
    let ran = false;
    future.addDoneCallback(function look() {
      throw error;
    });
    future.addDoneCallback(() => {
      ran = true;
    });
    future.setResult();
    void loop.runForever();
    while (host.step());
    expect(ran).toBe(true);
    expect(reports).toMatchObject([{ message: expect.stringContaining("look"), exception: error }]);
    expect(reports[0]?.context?.future).toBe(future);
  });

  test("run in the context of the option, or in a copy of the one at the call", () => {
    const variable = new ContextVar<string>("v", { default: "none" });
    const { loop, host } = virtualLoop();
    const future = loop.createFuture<void>();
    const seen: string[] = [];
    copyContext().run(() => {
      variable.set("at the call");
      future.addDoneCallback(() => seen.push(variable.get()));
    });
    const context = copyContext();
    context.run(() => variable.set("option"));
    future.addDoneCallback(() => seen.push(variable.get()), { context });
    future.setResult();
    void loop.runForever();
    while (host.step());
    expect(seen).toEqual(["at the call", "option"]);
  });

  test("what is no function is refused", () => {
    const future = virtualLoop().loop.createFuture();
    expect(() => future.addDoneCallback(3 as never)).toThrow(withCode("CALLBACK"));
  });
});

describe("native await of a future", () => {
  test("works before the loop runs, while it runs and after the run", async () => {
    const { loop, host } = virtualLoop();
    const task = loop.createTask(sleep(1, "result"));
    const before = task.then();
    const done = loop.start(task);
    host.runTurn();
    const during = Promise.resolve(task);
    while (!done.done) host.step();
    const after = (async () => await task)();
    loop.close();
    expect(await Promise.all([before, during, after, task])).toEqual(Array(4).fill("result"));
  });

  test("does not need a loop that runs", async () => {
    const future = virtualLoop().loop.createFuture<string>();
    setImmediate(() => future.setResult("set by the host"));
    expect(await future).toBe("set by the host");
  });

  test("rejects with the error, with the CancelledError, and then as a promise does", async () => {
    const { loop } = virtualLoop();
    const failed = loop.createFuture<void>();
    failed.setException(new Error("x"));
    const cancelled = loop.createFuture<void>();
    cancelled.cancel("why");
    await expect(failed).rejects.toThrow("x");
    await expect(cancelled).rejects.toMatchObject({ name: "CancelledError", reason: "why" });
    expect(await failed.then(undefined, (error) => (error as Error).message)).toBe("x");
  });

  test("close() rejects what then still waits for", async () => {
    const { loop } = virtualLoop();
    const future = loop.createFuture<void>();
    const task = loop.createTask(sleep(1));
    const waits = [future.then(), task.then()];
    loop.close();
    await Promise.all(waits.map((wait) => expect(wait).rejects.toMatchObject({ code: "ERR_CORIO_LOOP_CLOSED" })));
  });

  test("a task that its closed loop cannot end any more rejects what awaits it, instead of hanging", async () => {
    const { loop } = virtualLoop();
    const task = loop.createTask(sleep(1));
    loop.close();
    const outcome = await Promise.race([
      task.then(
        () => "fulfilled",
        (error) => (error as { code?: string }).code,
      ),
      drainPromises().then(() => "hangs"),
    ]);
    expect(outcome).toBe("ERR_CORIO_LOOP_CLOSED");
  });

  test("an error that then passed on counts as retrieved", async () => {
    const { loop, reports } = virtualLoop();
    const future = loop.createFuture<void>();
    const wait = future.then(undefined, () => "handled");
    future.setException(new Error("x"));
    expect(await wait).toBe("handled");
    loop.close();
    expect(reports).toEqual([]);
  });
});

describe("futures of promises", () => {
  test("give what the promise gives", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      const results: unknown[] = [yield* until(Promise.resolve(1))];
      try {
        yield* until(Promise.reject(new Error("no")));
      } catch (error) {
        results.push((error as Error).message);
      }
      return results;
    });
    expect(result).toEqual([1, "no"]);
  });

  test("a rejection with undefined is an error all the same", async () => {
    const { throws } = await runVirtuallyWithPromises(function* () {
      yield* until(Promise.reject(undefined));
    });
    expect(throws).toBeInstanceOf(Error);
  });

  test("many waits for one promise are all woken, in order", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      const promise = drainPromises().then(() => "same");
      const woken: string[] = [];
      const tasks = [1, 2, 3].map((n) =>
        createTask(function* () {
          woken.push(`${n} ${yield* until(promise)}`);
        }),
      );
      for (const task of tasks) yield* task;
      return woken;
    });
    expect(result).toEqual(["1 same", "2 same", "3 same"]);
  });

  test("one of several waits that is cancelled leaves the others alone", async () => {
    const { result, reports } = await runVirtuallyWithPromises(function* () {
      let resolve: (value: string) => void = () => {};
      const promise = new Promise<string>((r) => {
        resolve = r;
      });
      const futures = [until(promise), until(promise), until(promise)] as const;
      futures[1].cancel();
      yield;
      resolve("value");
      return [yield* futures[0], futures[1].cancelled, yield* futures[2]];
    });
    expect(result).toEqual(["value", true, "value"]);
    expect(reports).toEqual([]);
  });

  test("a thenable that calls back inside of then serves too", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      return yield* until<number>({ then: (resolve: (value: number) => void) => resolve(42) } as PromiseLike<number>);
    });
    expect(result).toBe(42);
  });

  test("a thenable that calls back twice does not settle the future of another promise", async () => {
    let again: (value: string) => void = () => {};
    const unruly = {
      then(resolve: (value: string) => void) {
        again = resolve;
        queueMicrotask(() => resolve("first"));
      },
    } as PromiseLike<string>;
    const { result } = await runVirtuallyWithPromises(function* () {
      const first = yield* until(unruly);
      const other = until(drainPromises().then(() => "right"));
      again("wrong");
      return [first, yield* other];
    });
    expect(result).toEqual(["first", "right"]);
  });

  test("a thenable whose then throws is an error of the wait", async () => {
    const broken = {
      then() {
        throw new Error("then broke");
      },
    } as unknown as PromiseLike<void>;
    const { throws } = await runVirtuallyWithPromises(function* () {
      yield* until(broken);
    });
    expect(throws).toMatchObject({ message: "then broke" });
  });
});

describe("util.inspect of a future", () => {
  test("tells its state and its result, error or reason", () => {
    const { loop } = virtualLoop();
    const [pending, done, failed, cancelled, why] = Array.from({ length: 5 }, () => loop.createFuture<unknown>());
    done?.setResult({ a: 1 });
    failed?.setException(new Error("broken"));
    cancelled?.cancel();
    why?.cancel("why");
    expect(inspect(pending)).toBe("Future { pending }");
    expect(inspect(done)).toBe("Future { result: { a: 1 } }");
    expect(inspect(failed)).toBe("Future { exception: Error: broken }");
    expect(inspect(cancelled)).toBe("Future { cancelled }");
    expect(inspect(why)).toBe("Future { cancelled: 'why' }");
    failed?.exception();
  });
});
