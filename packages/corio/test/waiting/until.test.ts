import {
  createTask,
  Future,
  gather,
  getRunningLoop,
  isCancelled,
  NoRunningLoopError,
  sleep,
  TimeoutError,
  timeout,
  until,
  waitFor,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { later, thrownBy } from "../support/later.js";
import { turns } from "../support/run-cleanly.js";
import { runVirtuallyWithPromises } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

/** As fetch does: never settles, unless the signal aborts it. */
function hanging(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
}

/** A promise that counts its reactions. */
class CountingPromise<T> extends Promise<T> {
  thens = 0;

  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  // biome-ignore lint/suspicious/noThenProperty: what it counts
  override then<R1 = T, R2 = never>(
    onFulfilled?: ((value: T) => R1 | PromiseLike<R1>) | null,
    onRejected?: ((reason: unknown) => R2 | PromiseLike<R2>) | null,
  ): Promise<R1 | R2> {
    this.thens++;
    return super.then(onFulfilled, onRejected);
  }
}

describe("until of a promise", () => {
  test("waits for its result", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      return yield* until(Promise.resolve("result"));
    });
    expect(result).toBe("result");
  });

  test("throws what it was rejected with", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      return [
        yield* thrownBy(until(Promise.reject(new Error("bad")))),
        yield* thrownBy(until(Promise.reject("a string"))),
        yield* thrownBy(until(Promise.reject(undefined))),
      ];
    });
    expect(result).toEqual([new Error("bad"), "a string", expect.any(Error)]);
  });

  test("takes any thenable; a future stays what it is", async () => {
    await runVirtuallyWithPromises(function* () {
      const thenable: PromiseLike<number> = Object.assign(Object.create(null) as object, {
        then: Promise.prototype.then.bind(Promise.resolve(7)),
      });
      expect(yield* until(thenable)).toBe(7);
      const future = new Future<void>();
      expect(until(future) === future).toBe(true);
    });
  });

  test("cancelled, the promise goes on and its result is dropped", async () => {
    const { reports } = await runVirtuallyWithPromises(function* () {
      const { promise, resolve } = deferred<string>();
      const future = until(promise);
      future.cancel("why");
      resolve("too late");
      yield* until(promise);
      expect([future.cancelled, future.cancelReason]).toEqual([true, "why"]);
    });
    expect(reports).toEqual([]);
  });

  test("cancelled, a rejection that nobody waits for any more is reported", async () => {
    const { reports } = await runVirtuallyWithPromises(function* () {
      const { promise, reject } = deferred<string>();
      until(promise).cancel();
      reject(new Error("nobody waits"));
      yield* until(Promise.resolve());
      yield* until(Promise.resolve());
    });
    expect(reports.map(({ exception }) => exception)).toEqual([new Error("nobody waits")]);
  });

  test("several may wait for one promise", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      const { promise, resolve } = deferred<string>();
      const waits = [until(promise), until(promise), until(promise)] as const;
      waits[1].cancel();
      resolve("shared");
      return yield* gather(waits[0], waits[2]);
    });
    expect(result).toEqual(["shared", "shared"]);
  });

  test("100,000 cancelled waits leave one reaction on a long-lived promise, and no memory", async () => {
    await runVirtuallyWithPromises(function* () {
      const longLived = new CountingPromise<void>(() => {});
      const used = (): number => {
        gc?.();
        gc?.();
        return process.memoryUsage().heapUsed;
      };
      for (let i = 0; i < 1000; i++) until(longLived).cancel();
      const before = used();
      for (let i = 0; i < 100_000; i++) until(longLived).cancel();
      yield* until(Promise.resolve());
      expect(longLived.thens).toBe(1);
      expect(used() - before).toBeLessThan(2_000_000);
    });
  });

  test("nor do 100,000 waits that lose against a time limit", async () => {
    await runVirtuallyWithPromises(function* () {
      const longLived = new CountingPromise<void>(() => {});
      for (let i = 0; i < 1000; i++) yield* thrownBy(waitFor(longLived, 1));
      gc?.();
      const before = process.memoryUsage().heapUsed;
      for (let i = 0; i < 99_000; i++) yield* thrownBy(waitFor(longLived, 1));
      gc?.();
      expect(longLived.thens).toBe(1);
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(3_000_000);
    });
  });
});

describe("until of a function", () => {
  test("hands it a signal, and waits for its promise", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      return yield* until((signal) => Promise.resolve(signal instanceof AbortSignal && !signal.aborted));
    });
    expect(result).toBe(true);
  });

  test("cancelling the wait aborts the signal with the reason", async () => {
    const { reports } = await runVirtuallyWithPromises(function* () {
      let signal: AbortSignal | undefined;
      const task = createTask(function* () {
        yield* until((given) => hanging((signal = given)));
      });
      yield* turns(1);
      task.cancel("why");
      const error = yield* thrownBy(task);
      expect(isCancelled(error) && error.reason).toBe("why");
      expect([signal?.aborted, signal?.reason]).toEqual([true, "why"]);
      yield* until(Promise.resolve());
    });
    expect(reports).toEqual([]);
  });

  test("without a reason the signal's reason is a CancelledError, and the wait's is none", async () => {
    await runVirtuallyWithPromises(function* () {
      let signal: AbortSignal | undefined;
      const future = until((given) => hanging((signal = given)));
      future.cancel();
      expect(isCancelled(signal?.reason)).toBe(true);
      expect(future.cancelReason).toBeUndefined();
      const error = yield* thrownBy(future);
      expect(isCancelled(error) && error.reason).toBeUndefined();
    });
  });

  test("null and the empty text are reasons, too", async () => {
    await runVirtuallyWithPromises(function* () {
      for (const reason of [null, ""]) {
        let signal: AbortSignal | undefined;
        const future = until((given) => hanging((signal = given)));
        future.cancel(reason);
        expect(signal?.reason).toBe(reason);
        expect(future.cancelReason).toBe(reason);
      }
      yield* turns(1);
    });
  });

  test("a time limit aborts it", async () => {
    await runVirtuallyWithPromises(function* () {
      let aborted = false;
      const error = yield* thrownBy(
        within(timeout(10), () =>
          until((signal) => {
            signal.addEventListener("abort", () => (aborted = true));
            return hanging(signal);
          }),
        ),
      );
      expect(error).toBeInstanceOf(TimeoutError);
      expect(aborted).toBe(true);
    });
  });

  test("the rejection that the abort itself makes is not reported, another one is", async () => {
    const { reports } = await runVirtuallyWithPromises(function* () {
      const abortError = until(
        (signal) =>
          new Promise((_resolve, reject) =>
            signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError"))),
          ),
      );
      const broken = until(
        (signal) =>
          new Promise((_resolve, reject) =>
            signal.addEventListener("abort", () => reject(new Error("broken while aborting"))),
          ),
      );
      abortError.cancel("why");
      broken.cancel("why");
      yield* until(Promise.resolve());
      yield* until(Promise.resolve());
    });
    expect(reports.map(({ exception }) => exception)).toEqual([new Error("broken while aborting")]);
  });

  test("ended, its signal is not aborted any more", async () => {
    await runVirtuallyWithPromises(function* () {
      let signal: AbortSignal | undefined;
      const future = until((given) => {
        signal = given;
        return Promise.resolve(1);
      });
      expect(yield* future).toBe(1);
      expect(future.cancel()).toBe(false);
      expect(signal?.aborted).toBe(false);
    });
  });

  test("an error that nobody retrieved is reported once", async () => {
    const { reports } = await runVirtuallyWithPromises(function* () {
      until(() => Promise.reject(new Error("lost")));
      yield* until(Promise.resolve());
      yield* until(Promise.resolve());
    });
    expect(reports.map(({ exception }) => exception)).toEqual([new Error("lost")]);
  });

  test("a function that gives a future works as well, and is cancelled with it", async () => {
    await runVirtuallyWithPromises(function* () {
      const task = createTask(sleep(100));
      const future = until(() => task);
      yield* turns(1);
      future.cancel();
      yield* turns(2);
      expect([future.cancelled, task.cancelled]).toEqual([true, true]);
    });
  });

  test("what the function throws is thrown where until is called", async () => {
    await runVirtuallyWithPromises(function* () {
      expect(() =>
        until(() => {
          throw new Error("at once");
        }),
      ).toThrow("at once");
    });
  });
});

describe("a long-lived signal", () => {
  test("has no listener left after 100,000 tasks that it could have cancelled", async () => {
    const signal = new CountingSignal();
    await runVirtuallyWithPromises(function* () {
      for (let i = 0; i < 100_000; i++) yield* createTask(sleep(0), { signal });
      const cancelled = createTask(sleep(100), { signal });
      expect(signal.listeners).toBe(1);
      cancelled.cancel();
      yield* thrownBy(cancelled);
    });
    expect(signal.added).toBe(100_001);
    expect(signal.listeners).toBe(0);
  });

  test("one abort is one request to cancel", async () => {
    const controller = new AbortController();
    await runVirtuallyWithPromises(function* () {
      const task = createTask(sleep(100), { signal: controller.signal });
      yield* turns(1);
      controller.abort("aborted");
      expect(task.cancelling).toBe(1);
      const error = yield* thrownBy(task);
      expect(isCancelled(error) && error.reason).toBe("aborted");
    });
  });
});

describe("until used wrongly", () => {
  test("what is neither a promise nor a function is refused", async () => {
    await runVirtuallyWithPromises(function* () {
      expect(() => until(5 as never)).toThrow(withCode("NOT_AWAITABLE", /until\(promise\)/));
      expect(() => until((() => 5) as never)).toThrow(withCode("NOT_AWAITABLE", /until\(\(signal\) => promise\)/));
    });
  });

  test("a coroutine is refused and closed", async () => {
    await runVirtuallyWithPromises(function* () {
      const coroutine = later(1, 1);
      expect(() => until(coroutine as never)).toThrow(withCode("NOT_AWAITABLE"));
      expect(coroutine.next().done).toBe(true);
    });
  });

  test("outside of a loop it is refused", () => {
    expect(() => until(Promise.resolve())).toThrow(NoRunningLoopError);
    expect(() => getRunningLoop()).toThrow(NoRunningLoopError);
  });
});

class CountingSignal {
  readonly aborted = false;
  readonly reason: unknown = undefined;
  added = 0;
  listeners = 0;

  addEventListener(_type: "abort", _listener: () => void): void {
    this.added++;
    this.listeners++;
  }

  removeEventListener(_type: "abort", _listener: () => void): void {
    this.listeners--;
  }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
