import { type Compare, createTask, PriorityQueue, type Task } from "corio";
import { describe, expect, test } from "vitest";
import { randomFrom } from "../support/random.js";
import { runCleanly, turns } from "../support/run-cleanly.js";

describe("PriorityQueue", () => {
  test.each<[string, unknown[], unknown[]]>([
    ["numbers", [3, 1, 2, -1, 10], [-1, 1, 2, 3, 10]],
    ["strings", ["b", "a", "c"], ["a", "b", "c"]],
    [
      "pairs, by the first and then by the second",
      [
        [2, "a"],
        [1, "z"],
        [1, "b"],
      ],
      [
        [1, "b"],
        [1, "z"],
        [2, "a"],
      ],
    ],
    ["arrays, of which the shorter comes first", [[1, 2], [1], []], [[], [1], [1, 2]]],
    [
      "arrays in arrays",
      [
        [[2], 0],
        [[1, 5], 0],
        [[1, 4], 9],
      ],
      [
        [[1, 4], 9],
        [[1, 5], 0],
        [[2], 0],
      ],
    ],
    ["bigints among numbers", [3n, 1, 2n], [1, 2n, 3n]],
    ["dates", [new Date(2), new Date(1)], [new Date(1), new Date(2)]],
  ])("by default gives the least of %s", (_, items, sorted) => {
    const queue = new PriorityQueue<unknown>();
    for (const item of items) queue.putNowait(item);
    expect(drain(queue)).toEqual(sorted);
  });

  test("compare decides, as for Array.prototype.sort", () => {
    const queue = new PriorityQueue<{ deadline: number }>({ compare: (a, b) => b.deadline - a.deadline, maxSize: 3 });
    for (const deadline of [1, 3, 2]) queue.putNowait({ deadline });
    expect(queue.full).toBe(true);
    expect(drain(queue).map(({ deadline }) => deadline)).toEqual([3, 2, 1]);
  });

  test("a compare that is no function is refused", () => {
    expect(() => new PriorityQueue({ compare: "name" as unknown as Compare<string> })).toThrow(
      expect.objectContaining({ name: "TypeError", code: "ERR_CORIO_COMPARE" }),
    );
  });

  test("gives any mix of puts and gets in order", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = randomFrom(seed);
      const queue = new PriorityQueue<number>();
      const model: number[] = [];
      for (let i = 0; i < 200; i++) {
        if (random(5) < 3) {
          const item = random(50);
          queue.putNowait(item);
          model.push(item);
          model.sort((a, b) => a - b);
        } else if (model.length > 0) expect(queue.getNowait()).toBe(model.shift());
        expect(queue.size).toBe(model.length);
      }
      expect(drain(queue)).toEqual(model);
    }
  });

  test("an item whose comparison throws is not put, and nothing else is lost or moved", () => {
    for (let size = 0; size < 20; size++) {
      // throws at the first, second, … comparison of the put
      for (let after = 0; after < 6; after++) {
        const bomb = bombed();
        const queue = new PriorityQueue<number>({ compare: bomb.compare });
        const items = Array.from({ length: size }, (_, i) => (i * 7) % 20);
        for (const item of items) queue.putNowait(item);
        bomb.after(after);
        let thrown = false;
        try {
          queue.putNowait(-1);
        } catch {
          thrown = true;
        }
        bomb.defuse();
        expect(queue.size).toBe(thrown ? size : size + 1);
        expect(drain(queue)).toEqual([...(thrown ? [] : [-1]), ...items].toSorted((a, b) => a - b));
      }
    }
  });

  test("a get whose comparison throws takes nothing, and nothing is lost or moved", () => {
    for (let size = 1; size < 20; size++) {
      for (let after = 0; after < 8; after++) {
        const bomb = bombed();
        const queue = new PriorityQueue<number>({ compare: bomb.compare });
        const items = Array.from({ length: size }, (_, i) => (i * 7) % 20);
        for (const item of items) queue.putNowait(item);
        bomb.after(after);
        const got: number[] = [];
        try {
          got.push(queue.getNowait());
        } catch (error) {
          expect(String(error)).toBe("Error: compare");
        }
        bomb.defuse();
        expect([...got, ...drain(queue)]).toEqual(items.toSorted((a, b) => a - b));
      }
    }
  });

  test("a put that throws after it waited leaves its room to the next one", () => {
    runCleanly(function* () {
      const bomb = bombed();
      const queue = new PriorityQueue<number>({ maxSize: 2, compare: bomb.compare });
      queue.putNowait(1);
      queue.putNowait(2);
      const [first, second] = [createTask(queue.put(3)), createTask(queue.put(4))];
      yield* turns();
      queue.getNowait();
      bomb.after(0);
      yield* turns();
      expect(String(first.exception())).toBe("Error: compare");
      expect([second.done, queue.putters, queue.size]).toEqual([true, 0, 2]);
      expect(drain(queue)).toEqual([2, 4]);
    });
  });

  test("a get that throws after it waited leaves its item to the next one", () => {
    runCleanly(function* () {
      const bomb = bombed();
      const queue = new PriorityQueue<number>({ compare: bomb.compare });
      const tasks = [1, 2, 3, 4].map(() => createTask(queue.get()));
      yield* turns();
      for (const item of [1, 2, 3]) queue.putNowait(item);
      bomb.after(0);
      yield* turns();
      expect(String((tasks[0] as Task<number>).exception())).toBe("Error: compare");
      expect(tasks.slice(1).map((task) => task.result())).toEqual([1, 2, 3]);
    });
  });

  test("an immediate shutdown compares nothing, so it cannot fail half-way", () => {
    runCleanly(function* () {
      const bomb = bombed();
      const queue = new PriorityQueue<number>({ maxSize: 3, compare: bomb.compare });
      for (const item of [3, 1, 2]) queue.putNowait(item);
      const joined = createTask(queue.join());
      const putter = createTask(queue.put(4));
      yield* turns();
      bomb.after(0);
      queue.shutdown(true);
      yield* joined;
      yield* turns();
      expect([queue.size, queue.putters, String(putter.exception())]).toEqual([
        0,
        0,
        expect.stringContaining("QueueShutDown"),
      ]);
    });
  });

  test("an item whose comparison throws does not count for join", () => {
    runCleanly(function* () {
      const bomb = bombed();
      const queue = new PriorityQueue<number>({ compare: bomb.compare });
      queue.putNowait(1);
      bomb.after(0);
      expect(() => queue.putNowait(2)).toThrow("compare");
      queue.getNowait();
      queue.taskDone();
      yield* queue.join();
    });
  });
});

function drain<T>(queue: PriorityQueue<T>): T[] {
  const items: T[] = [];
  while (!queue.empty) items.push(queue.getNowait());
  return items;
}

/** A comparison of numbers that throws once, after so many calls. */
function bombed(): { compare: Compare<number>; after(calls: number): void; defuse(): void } {
  let fuse = Number.POSITIVE_INFINITY;
  return {
    compare(a, b) {
      if (fuse-- > 0) return a - b;
      fuse = Number.POSITIVE_INFINITY;
      throw new Error("compare");
    },
    after: (calls) => void (fuse = calls),
    defuse: () => void (fuse = Number.POSITIVE_INFINITY),
  };
}
