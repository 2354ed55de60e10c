import {
  asyncGenerator,
  type Coroutine,
  createTask,
  currentTask,
  ExceptionGroup,
  isCancelled,
  map,
  Queue,
  sleep,
  type Task,
  TimeoutError,
  waitFor,
} from "corio";
import { describe, expect, test } from "vitest";
import { failing, forever, later, now, thrownBy } from "../support/later.js";
import { runCleanly } from "../support/run-cleanly.js";
import { runVirtually, runVirtuallyWithPromises } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

/** A source that notes what is taken from it, and that it is closed. */
function* noting(log: string[], count: number): Generator<number, void, void> {
  try {
    for (let i = 0; i < count; i++) {
      log.push(`take ${i}`);
      yield i;
    }
  } finally {
    log.push("closed");
  }
}

const plain = (items: Generator<number, void, void>): Iterable<number> => ({ [Symbol.iterator]: () => items });

describe("map", () => {
  test("gives the results in the order of the items, whichever is first", () => {
    const { result, duration } = runCleanly(() => map([30, 10, 20], (ms, index) => later(ms, `${index}: ${ms}`)));
    expect(result).toEqual(["0: 30", "1: 10", "2: 20"]);
    expect(duration).toBe(30);
  });

  test("of nothing gives nothing", () => {
    expect(runCleanly(() => map([], () => later(1, 1))).result).toEqual([]);
  });

  test("never runs more at once than concurrency says", () => {
    for (const concurrency of [1, 2, 3, 7, 20, Number.POSITIVE_INFINITY]) {
      let [running, most] = [0, 0];
      const items = Array.from({ length: 10 }, (_, i) => i);
      const { result } = runCleanly(() =>
        map(
          items,
          function* (i): Coroutine<number> {
            most = Math.max(most, ++running);
            yield* sleep((i * 7) % 5);
            running--;
            return i * 2;
          },
          { concurrency },
        ),
      );
      expect(result).toEqual(items.map((i) => i * 2));
      expect(most).toBe(Math.min(concurrency, 10));
    }
  });

  test("takes an item only when there is room for it", () => {
    const log: string[] = [];
    runCleanly(() =>
      map(
        plain(noting(log, 3)),
        function* (i): Coroutine<void> {
          yield* sleep(10);
          log.push(`end ${i}`);
        },
        { concurrency: 1 },
      ),
    );
    expect(log).toEqual(["take 0", "end 0", "take 1", "end 1", "take 2", "end 2", "closed"]);
  });

  test("takes asynchronous sources, promises and functions that give promises", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      const source = asyncGenerator(function* () {
        for (const n of [1, 2]) {
          yield* sleep(5);
          yield n;
        }
      });
      const queue = new Queue<number>();
      for (const n of [3, 4]) queue.putNowait(n);
      queue.shutdown();
      async function* native(): AsyncGenerator<number, void> {
        yield* [5, 6];
      }
      return [
        yield* map(source(), (n) => later(1, n)),
        yield* map(queue, async (n) => n),
        yield* map(native(), (n) => createTask(later(1, n))),
      ];
    });
    expect(result).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
  });

  describe("when one fails", () => {
    test("the others are cancelled and waited for, the source is closed, and its error comes out", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const bad = new Error("bad");
        const thrown = yield* thrownBy(
          map(plain(noting(log, 9)), (i) => (i === 1 ? failing(5, bad) : forever(log, `item ${i}`, 10)), {
            concurrency: 3,
          }),
        );
        expect(thrown).toBe(bad);
        expect([now(), currentTask().cancelling]).toEqual([15, 0]);
      });
      expect(log).toEqual(["take 0", "take 1", "take 2", "item 0 ended", "item 2 ended", "closed"]);
    });

    test("what the others throw then is reported", () => {
      const { throws, reports } = runVirtually(() =>
        map([5, 100], function* (ms): Coroutine<void> {
          try {
            yield* sleep(ms);
          } finally {
            yield* failing(1, new Error(`after ${ms}`));
          }
        }),
      );
      expect(throws).toEqual(new Error("after 5"));
      expect(reports).toMatchObject([{ message: expect.stringContaining("map"), exception: new Error("after 100") }]);
    });

    test("a function that throws before it makes a coroutine fails in the same way", () => {
      runCleanly(function* () {
        const thrown = yield* thrownBy(
          map([1], () => {
            throw new Error("at once");
          }),
        );
        expect(thrown).toEqual(new Error("at once"));
      });
    });

    test("an error that is a group stays one", () => {
      runCleanly(function* () {
        const group = new ExceptionGroup("own", [new Error("member")]);
        expect(yield* thrownBy(map([1], () => failing(1, group)))).toBe(group);
      });
    });

    test("an error of the source comes out, and those that run are cancelled", () => {
      const log: string[] = [];
      const broken = asyncGenerator(function* () {
        yield 1;
        yield* sleep(5);
        throw new Error("source");
      });
      runCleanly(function* () {
        expect(yield* thrownBy(map(broken(), () => forever(log, "item")))).toEqual(new Error("source"));
      });
      expect(log).toEqual(["item ended"]);
    });
  });

  describe("when it is cancelled", () => {
    test("all that run are cancelled and waited for, and the source is closed", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const task = createTask(map(plain(noting(log, 9)), (i) => forever(log, `item ${i}`, 10), { concurrency: 2 }));
        yield* sleep(1);
        task.cancel("why");
        const error = yield* thrownBy(task);
        expect(isCancelled(error) && error.reason).toBe("why");
        expect(now()).toBe(11);
      });
      expect(log).toEqual(["take 0", "take 1", "item 0 ended", "item 1 ended", "closed"]);
    });

    test("while it waits for the source", () => {
      runCleanly(function* () {
        const log: string[] = [];
        const slow = asyncGenerator(function* () {
          try {
            yield* sleep(100);
            yield 1;
          } finally {
            log.push("closed");
          }
        });
        expect(
          yield* thrownBy(
            waitFor(
              map(slow(), () => sleep(1)),
              5,
            ),
          ),
        ).toBeInstanceOf(TimeoutError);
        expect(log).toEqual(["closed"]);
      });
    });

    test("what an item waits for is cancelled: then so is the whole, and there is no hole among the results", () => {
      runCleanly(function* () {
        const member = createTask(forever());
        const mapping = createTask(map([member, createTask(later(5, "ok"))], (task: Task<string>) => task));
        yield* sleep(1);
        member.cancel("member");
        const error = yield* thrownBy(mapping);
        expect(isCancelled(error) && error.reason).toBe("member");
        expect(mapping.cancelling).toBe(0);
      });
    });
  });

  describe("used wrongly", () => {
    test("wrong arguments are refused where it is called", () => {
      expect(() => map([1], undefined as never)).toThrow(withCode("MAP", /map\(items, \(item\) => work\(item\)\)/));
      expect(() => map(5 as never, () => sleep(1))).toThrow(withCode("ITERATE"));
      for (const concurrency of [0, -1, Number.NaN, 1.5]) {
        expect(() => map([1], () => sleep(1), { concurrency })).toThrow(withCode("CONCURRENCY"));
      }
    });

    test("a function that makes nothing to await fails", () => {
      runCleanly(function* () {
        expect(yield* thrownBy(map([1], () => 1 as never))).toMatchObject({ code: "ERR_CORIO_NOT_AWAITABLE" });
      });
    });
  });
});
