import {
  type ClosableCursor,
  type Coroutine,
  createTask,
  type CursorSource,
  forEach,
  isCancelled,
  iterate,
  makeCursor,
  map,
  sleep,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { thrownBy } from "../support/later.js";
import { runCleanly } from "../support/run-cleanly.js";

/** Counts from 1, a millisecond a number, and notes with what it is left. */
class Counter implements CursorSource<number> {
  readonly left: unknown[] = [];
  cursors = 0;

  constructor(readonly count: number) {}

  [makeCursor](): ClosableCursor<number> {
    this.cursors++;
    const { count, left } = this;
    return {
      value: 0,
      *next(this: { value: number }): Coroutine<boolean> {
        if (this.value === count) return false;
        yield* sleep(1);
        this.value++;
        return true;
      },
      *close(error?: unknown): Coroutine<void> {
        yield* sleep(10);
        left.push(error);
      },
    };
  }

  // what is asked only where there is no cursor
  [Symbol.asyncIterator](): never {
    throw new Error("iterated by promises");
  }
}

describe("an object that makes its own cursor", () => {
  test("is a source of iterate, forEach and map, whatever else it is", () => {
    const { duration } = runCleanly(function* () {
      const source = new Counter(3);
      const items: number[] = [];
      yield* within(iterate(source), function* (it) {
        expect(it.value).toBe(0);
        while (yield* it.next()) items.push(it.value);
      });
      yield* forEach(source, (item) => void items.push(item));
      expect(items).toEqual([1, 2, 3, 1, 2, 3]);
      expect(yield* map(source, (item) => sleep(1, `${item}`))).toEqual(["1", "2", "3"]);
      expect(source.cursors).toBe(3);
      expect(source.left).toEqual([undefined, undefined, undefined]);
    });
    // three a cursor, ten to close it; map's last item is done while that is asked for one more
    expect(duration).toBe(3 * 13 + 1);
  });

  test("is asked for it at once, and by nobody else's name", () => {
    const source = new Counter(1);
    void iterate(source);
    expect(source.cursors).toBe(1);
    expect(makeCursor).toBe(Symbol.for("corio.makeCursor"));
  });

  test("is closed when it is left early, which is waited for", () => {
    const { duration } = runCleanly(function* () {
      const source = new Counter(9);
      expect(yield* forEach(source, (item, stop) => (item === 2 ? stop("two") : undefined))).toBe("two");
      expect(source.left).toEqual([undefined]);
    });
    expect(duration).toBe(12);
  });

  test("is told the error that it is left with, be it a cancellation", () => {
    runCleanly(function* () {
      const source = new Counter(9);
      const error = new Error("body");
      const failing = forEach(source, () => {
        throw error;
      });
      expect(yield* thrownBy(failing)).toBe(error);
      const task = createTask(forEach(source, () => {}));
      yield* sleep(2.5);
      task.cancel("why");
      expect(isCancelled(yield* thrownBy(task))).toBe(true);
      expect(source.left).toEqual([error, expect.objectContaining({ name: "CancelledError", reason: "why" })]);
    });
  });

  test("is closed when the coroutine that iterates it is", () => {
    runCleanly(function* () {
      const left: unknown[] = [];
      const source: CursorSource<number> = {
        [makeCursor]: () => ({
          value: 1,
          *next() {
            return true;
          },
          *close(error?: unknown) {
            left.push(error);
          },
        }),
      };
      const begun = forEach(source, function* () {
        yield* sleep(1);
      });
      begun.next();
      begun.return(undefined);
      expect(left).toMatchObject([{ name: "CancelledError" }]);
    });
  });

  test("fails as its cursor fails, and is closed then, too", () => {
    runCleanly(function* () {
      const left: unknown[] = [];
      const source: CursorSource<number> = {
        [makeCursor]: () => ({
          value: 1,
          *next() {
            throw new Error("source");
          },
          *close(error?: unknown) {
            left.push(error);
          },
        }),
      };
      expect(yield* thrownBy(forEach(source, () => {}))).toEqual(new Error("source"));
      expect(left).toEqual([new Error("source")]);
    });
  });
});
