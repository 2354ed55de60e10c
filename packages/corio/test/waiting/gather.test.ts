import {
  type Awaitable,
  type Coroutine,
  CancelledError,
  coroutine,
  createTask,
  EventLoop,
  Future,
  gather,
  getRunningLoop,
  isCancelled,
  ManualHost,
  NoRunningLoopError,
  sleep,
  waitFor,
} from "corio";
import { describe, expect, test } from "vitest";
import { failing, forever, later, now, thrownBy } from "../support/later.js";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtually, runVirtuallyWithPromises } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

const loosely = gather as (...args: unknown[]) => unknown;

describe("gather", () => {
  test("runs coroutines at once and gives their results in their order", () => {
    const { result, duration } = runCleanly(function* () {
      return yield* gather(later(30, "a"), later(10, "b"), later(20, "c"));
    });
    expect(result).toEqual(["a", "b", "c"]);
    expect(duration).toBe(30);
  });

  test("takes an array, a set, futures, tasks and promises", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      const future = new Future<string>();
      getRunningLoop().callLater(5, () => future.setResult("future"));
      return [
        yield* gather([later(1, 1), future, createTask(later(2, "task")), Promise.resolve("promise")]),
        yield* gather(new Set([later(1, 1), later(2, 2)])),
      ];
    });
    expect(result).toEqual([
      [1, "future", "task", "promise"],
      [1, 2],
    ]);
  });

  test("of nothing gives nothing, at once", () => {
    runCleanly(function* () {
      const nothing = gather();
      expect(nothing.done).toBe(true);
      expect(yield* nothing).toEqual([]);
      expect(yield* gather([])).toEqual([]);
      expect(yield* gather(new Set<Future<number>>(), { returnExceptions: true })).toEqual([]);
    });
  });

  test("of what is done already gives the results", () => {
    runCleanly(function* () {
      const done = createTask(later(0, 1));
      yield* done;
      expect(yield* gather(done, done)).toEqual([1, 1]);
    });
  });

  test("the same coroutine twice is one task", () => {
    runCleanly(function* () {
      let runs = 0;
      function* once(): Coroutine<number> {
        yield* sleep(1);
        return ++runs;
      }
      const same = once();
      expect(yield* gather(same, later(2, "b"), same)).toEqual([1, "b", 1]);
      expect(runs).toBe(1);
    });
  });

  test("knows who waits for whom", () => {
    runCleanly(function* () {
      const child = createTask(later(5, 1));
      const parent = createTask(function* () {
        yield* gather(child);
      });
      yield* turns();
      expect(child.awaitedBy.has(parent)).toBe(true);
      yield* parent;
    });
  });

  describe("when one fails", () => {
    test("the coroutines that it started are cancelled, and it fails once their cleanup has ended", () => {
      const log: string[] = [];
      const error = new Error("first");
      const { duration } = runCleanly(function* () {
        expect(yield* thrownBy(gather(forever(log, "slow", 20), failing(5, error), forever(log, "quick", 1)))).toBe(
          error,
        );
        expect(now()).toBe(25);
      });
      expect(log).toEqual(["quick ended", "slow ended"]);
      expect(duration).toBe(25);
    });

    test("tasks and futures of the caller are left alone, and not waited for", () => {
      runCleanly(function* () {
        const task = createTask(later(50, "task"));
        const future = new Future<string>();
        expect(yield* thrownBy(gather(task, future, failing(5, new Error("first"))))).toEqual(new Error("first"));
        expect(now()).toBe(5);
        expect([task.done, task.cancelling, future.done]).toEqual([false, 0, false]);
        expect([...task.awaitedBy]).toEqual([]);
        expect(yield* task).toBe("task");
      });
    });

    test("it waits for nobody if all is the caller's", () => {
      runCleanly(function* () {
        const [slow, bad] = [createTask(later(50, 1)), createTask(failing(5, new Error("bad")))];
        yield* thrownBy(gather(slow, bad));
        expect(now()).toBe(5);
        yield* slow;
      });
    });

    test("what the others throw while they are cancelled is reported", () => {
      const first = new Error("first");
      const second = new Error("second");
      const { reports, throws } = runVirtually(function* () {
        yield* gather(
          failing(1, first),
          (function* () {
            try {
              yield* sleep(100);
            } finally {
              yield* failing(1, second);
            }
          })(),
        );
      });
      expect(throws).toBe(first);
      expect(reports).toMatchObject([{ message: expect.stringContaining("gather"), exception: second }]);
    });

    test("a later error of a caller's task is the caller's to retrieve", () => {
      const { reports } = runVirtually(function* () {
        const late = createTask(failing(10, new Error("late")));
        yield* thrownBy(gather(late, failing(1, new Error("first"))));
        expect(yield* thrownBy(late)).toEqual(new Error("late"));
      });
      expect(reports).toEqual([]);
    });

    test("regression: an error of a caller's task after that is not swallowed", () => {
      const { reports } = runVirtually(function* () {
        const late = createTask(failing(10, new Error("nobody looks")));
        yield* thrownBy(gather(late, failing(1, new Error("first"))));
        yield* sleep(20);
      });
      expect(reports.map(({ exception }) => exception)).toContainEqual(new Error("nobody looks"));
    });

    test("two that fail in the same iteration: the first is thrown, the second is reported", () => {
      const { throws, messages } = runVirtually(function* () {
        yield* gather(failing(1, new Error("a")), failing(1, new Error("b")));
      });
      expect(throws).toEqual(new Error("a"));
      expect(messages).toEqual([expect.stringContaining("gather had failed already")]);
    });

    test("a child that was cancelled counts as failed", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const task = createTask(later(50, 1));
        getRunningLoop().callLater(5, () => task.cancel("child"));
        const error = yield* thrownBy(gather(task, forever(log, "own")));
        expect(isCancelled(error) && error.reason).toBe("child");
      });
      expect(log).toEqual(["own ended"]);
    });

    test("cancelOnError: false leaves all of them running", () => {
      const log: string[] = [];
      runCleanly(function* () {
        function* other(): Coroutine<void> {
          yield* sleep(10);
          log.push("other went on");
        }
        yield* thrownBy(gather([other(), failing(5, new Error("first"))], { cancelOnError: false }));
        expect(now()).toBe(5);
        yield* sleep(10);
      });
      expect(log).toEqual(["other went on"]);
    });
  });

  describe("with returnExceptions", () => {
    test("errors are results in their places, and nothing is cancelled", () => {
      const error = new Error("b");
      const { result, duration } = runCleanly(() =>
        (function* () {
          return yield* gather([later(20, "a"), failing(5, error)], { returnExceptions: true });
        })(),
      );
      expect(result).toEqual(["a", error]);
      expect(duration).toBe(20);
    });

    test("what is thrown and is no Error is wrapped in one, as its cause", () => {
      const { result } = runCleanly(function* () {
        return yield* gather([failing(1, "a string"), failing(1, null)], { returnExceptions: true });
      });
      expect(result).toEqual([
        expect.objectContaining({ message: expect.stringContaining("a string"), cause: "a string" }),
        expect.objectContaining({ cause: null }),
      ]);
      expect(result.every((error) => error instanceof Error)).toBe(true);
    });

    test("a child that was cancelled is a CancelledError", () => {
      runCleanly(function* () {
        const task = createTask(forever());
        getRunningLoop().callLater(5, () => task.cancel("why"));
        const [error, b] = yield* gather([task, later(10, "b")], { returnExceptions: true });
        expect(isCancelled(error) && error.reason).toBe("why");
        expect(b).toBe("b");
      });
    });

    test("to cancel it is no result but an error", () => {
      runCleanly(function* () {
        const gathered = gather([forever(), later(50, 1)], { returnExceptions: true });
        getRunningLoop().callLater(5, () => gathered.cancel("outside"));
        const error = yield* thrownBy(gathered);
        expect(isCancelled(error) && error.reason).toBe("outside");
      });
    });
  });

  describe("when it is cancelled", () => {
    test("all that are not done are cancelled, the caller's too", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const task = createTask(forever(log, "task"));
        const future = new Future<void>();
        const done = createTask(later(1, 1));
        const gathered = gather(task, future, done, forever(log, "own"));
        yield* sleep(5);
        expect(gathered.cancel("outside")).toBe(true);
        const error = yield* thrownBy(gathered);
        expect(isCancelled(error) && error.reason).toBe("outside");
        expect([task.cancelled, future.cancelled, done.cancelled]).toEqual([true, true, false]);
        expect(gathered.cancel()).toBe(false);
      });
      expect(log).toEqual(["task ended", "own ended"]);
    });

    test("regression: the first child that ends does not interrupt the cleanup of the others", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const waiting = createTask(function* () {
          yield* gather(forever(log, "quick", 0), forever(log, "slow", 20), forever(log, "slower", 30));
        });
        yield* sleep(1);
        waiting.cancel();
        expect(isCancelled(yield* thrownBy(waiting))).toBe(true);
        expect(now()).toBe(31);
      });
      expect(log).toEqual(["quick ended", "slow ended", "slower ended"]);
    });

    test("children that swallow it do not make it a success", () => {
      runCleanly(function* () {
        function* stubborn(): Coroutine<string> {
          try {
            yield* sleep(100);
          } catch {}
          return "swallowed";
        }
        const gathered = gather(stubborn(), stubborn());
        yield* sleep(1);
        gathered.cancel();
        expect(isCancelled(yield* thrownBy(gathered))).toBe(true);
      });
    });

    test("the cancellation goes before what a child throws in its cleanup, and that is reported", () => {
      const error = new Error("in cleanup");
      const { reports } = runVirtually(function* () {
        const gathered = gather(
          (function* () {
            try {
              yield* sleep(100);
            } finally {
              yield* failing(1, error);
            }
          })(),
        );
        yield* sleep(1);
        gathered.cancel("outside");
        expect(isCancelled(yield* thrownBy(gathered))).toBe(true);
      });
      expect(reports.map(({ exception }) => exception)).toEqual([error]);
    });

    test("the cancellation goes before the failure whose cleanup it interrupts, and that is reported", () => {
      const error = new Error("failed before");
      const { reports } = runVirtually(function* () {
        const gathered = gather(failing(1, error), forever([], "slow", 100));
        yield* sleep(10);
        gathered.cancel();
        expect(isCancelled(yield* thrownBy(gathered))).toBe(true);
      });
      expect(reports.map(({ exception }) => exception)).toEqual([error]);
    });

    test("one that nobody waits for is no lost error", () => {
      runCleanly(function* () {
        const gathered = gather(forever());
        yield* sleep(1);
        gathered.cancel();
        yield* sleep(1);
        expect(gathered.done).toBe(true);
      });
    });

    test("done children only: there is nothing to cancel", () => {
      runCleanly(function* () {
        const gathered = gather(later(1, 1));
        yield* gathered;
        expect(gathered.cancel()).toBe(false);
      });
    });

    test("a time limit around it cancels it", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const error = yield* thrownBy(waitFor(gather(forever(log, "a"), forever(log, "b")), 7));
        expect(error).toMatchObject({ name: "TimeoutError", message: "timed out after 7 ms" });
      });
      expect(log).toEqual(["a ended", "b ended"]);
    });
  });

  describe("used wrongly", () => {
    test("options after awaitables one by one are refused", () => {
      runCleanly(function* () {
        const task = createTask(later(1, 1));
        expect(() => loosely([task], task)).toThrow(withCode("GATHER_ARGUMENTS"));
        expect(() => loosely([task], {}, {})).toThrow(withCode("GATHER_ARGUMENTS"));
        yield* task;
      });
    });

    test("what cannot be awaited is refused at once, and what was started is cancelled", () => {
      const log: string[] = [];
      runCleanly(function* () {
        function* never(): Coroutine<void> {
          log.push("ran");
        }
        expect(() => gather(never(), 5 as unknown as Awaitable<number>, never())).toThrow(withCode("NOT_AWAITABLE"));
        yield* turns();
      });
      expect(log).toEqual([]);
    });

    test("the coroutines after what is refused are closed, not reported as forgotten", () => {
      const named = coroutine(function* named() {
        yield* sleep(1);
      });
      const { messages } = runVirtually(function* () {
        expect(() => gather(named(), 5 as unknown as Awaitable<number>, named())).toThrow(withCode("NOT_AWAITABLE"));
        yield* turns();
      });
      expect(messages).toEqual([]);
    });

    test("a future of another loop is refused", () => {
      const other = new EventLoop({ host: new ManualHost() });
      runCleanly(function* () {
        expect(() => gather(later(0, 1), other.createFuture<number>())).toThrow(withCode("OTHER_LOOP"));
        yield* turns();
      });
      other.close();
    });

    test("outside of a loop it takes futures of one, and no coroutines", () => {
      const host = new ManualHost();
      const loop = new EventLoop({ host });
      const future = loop.createFuture<number>();
      const gathered = gather(future);
      expect(gathered.loop).toBe(loop);
      expect(() => gather(later(0, 1))).toThrow(NoRunningLoopError);
      future.setResult(1);
      const whole = loop.start(gathered);
      while (!whole.done && host.step());
      expect(whole.result()).toEqual([1]);
      loop.close();
    });

    test("a child that throws a CancelledError of its own ends it as cancelled", () => {
      runCleanly(function* () {
        const error = yield* thrownBy(gather(failing(1, new CancelledError("own"))));
        expect(isCancelled(error) && error.reason).toBe("own");
      });
    });
  });
});
