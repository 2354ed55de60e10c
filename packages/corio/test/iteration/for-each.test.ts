import { asyncGenerator, createTask, forEach, isCancelled, Queue, sleep } from "corio";
import { describe, expect, test } from "vitest";
import { failing, later, now, thrownBy } from "../support/later.js";
import { runCleanly } from "../support/run-cleanly.js";
import { runVirtuallyWithPromises } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

const log: string[] = [];
const logged = (): string[] => log.splice(0);

const ticks = asyncGenerator(function* (count: number) {
  try {
    for (let i = 0; i < count; i++) {
      yield* sleep(1);
      yield i;
    }
  } finally {
    yield* sleep(1);
    log.push("closed");
  }
});

describe("forEach", () => {
  test("runs the body for each item, one after another", () => {
    runCleanly(function* () {
      const seen: [number, number][] = [];
      const result = yield* forEach(ticks(3), function* (n) {
        yield* sleep(10);
        seen.push([n, now()]);
      });
      expect(result).toBeUndefined();
      expect(seen).toEqual([
        [0, 11],
        [1, 22],
        [2, 33],
      ]);
    });
    expect(logged()).toEqual(["closed"]);
  });

  test("takes plain bodies, queues and ordinary iterables", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      const seen: unknown[] = [];
      yield* forEach([1, 2], (n) => void seen.push(n));
      const queue = new Queue<string>();
      queue.putNowait("a");
      queue.shutdown();
      yield* forEach(queue, (item) => void seen.push(item));
      return seen;
    });
    expect(result).toEqual([1, 2, "a"]);
  });

  test("stop(result) ends it early with a result, and the source is closed", () => {
    runCleanly(function* () {
      const found = yield* forEach(ticks(9), function* (n, stop) {
        yield* sleep(1);
        return n === 2 ? stop(`found ${n}`) : undefined;
      });
      expect(found).toBe("found 2");
      expect(yield* forEach([1, 2], (n, stop) => stop(n))).toBe(1);
      expect(yield* forEach([1, 2], (_n, stop) => stop())).toBeUndefined();
    });
    expect(logged()).toEqual(["closed"]);
  });

  test("what else the body returns does not end it", () => {
    const seen: number[] = [];
    runCleanly(() => forEach([1, 2, 3], ((n: number) => seen.push(n)) as never));
    expect(seen).toEqual([1, 2, 3]);
  });

  test("an error of the body closes the source", () => {
    runCleanly(function* () {
      expect(yield* thrownBy(forEach(ticks(9), () => failing(1, new Error("body"))))).toEqual(new Error("body"));
    });
    expect(logged()).toEqual(["closed"]);
  });

  test("cancelled in the body or at the source, the source is closed", () => {
    runCleanly(function* () {
      for (const ms of [0, 100]) {
        const task = createTask(forEach(ticks(9), () => sleep(ms)));
        yield* sleep(2.5);
        task.cancel();
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
      }
    });
    expect(logged()).toEqual(["closed", "closed"]);
  });

  test("wrong arguments are refused where it is called", () => {
    expect(() => forEach([1], undefined as never)).toThrow(
      withCode("FOR_EACH", /forEach\(source, function\* \(item\)/),
    );
    expect(() => forEach(5 as never, () => {})).toThrow(withCode("ITERATE"));
    expect(() => forEach(later(1, 1) as never, () => {})).toThrow(withCode("ITERATE"));
  });
});
