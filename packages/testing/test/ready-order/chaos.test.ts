import { VirtualLoop, type VirtualLoopOptions } from "@corio/testing";
import { type Coroutine, createTask, Future, getRunningLoop, sleep, wait } from "corio";
import { describe, expect, test } from "vitest";

describe("the option shuffle", () => {
  test("runs tasks that are ready in another order, the same for the same seed", () => {
    const orders = Array.from({ length: 20 }, (_, seed) => orderOfTasks({ shuffle: seed }));
    expect(orders).toEqual(Array.from({ length: 20 }, (_, seed) => orderOfTasks({ shuffle: seed })));
    expect(new Set(orders).size).toBeGreaterThan(15);
    for (const order of orders) expect(order.split("").toSorted().join("")).toBe("abcdefgh");
  });

  test("false and undefined leave the order as it is", () => {
    expect(orderOfTasks({})).toBe("abcdefgh");
    expect(orderOfTasks({ shuffle: false })).toBe("abcdefgh");
    expect(orderOfTasks({ shuffle: undefined })).toBe("abcdefgh");
    using virtual = new VirtualLoop({ shuffle: false });
    expect(virtual.seed).toBeUndefined();
  });

  test("true takes a seed of its own, which repeats the order", () => {
    using virtual = new VirtualLoop({ shuffle: true });
    const { seed } = virtual;
    expect(seed).toSatisfy(Number.isSafeInteger);
    expect(tasksOn(virtual)).toBe(orderOfTasks({ shuffle: seed }));
  });

  test("the seed that was given is told", () => {
    using zero = new VirtualLoop({ shuffle: 0 });
    expect(zero.seed).toBe(0);
    expect(tasksOn(zero)).not.toBe("abcdefgh");
  });

  test("callbacks of callSoon keep their order", () => {
    for (let seed = 0; seed < 50; seed++) {
      const log: number[] = [];
      on({ shuffle: seed }, function* () {
        const loop = getRunningLoop();
        const other = createTask(turns(5));
        for (let i = 0; i < 5; i++) loop.callSoon(() => log.push(i));
        yield* sleep(0);
        for (let i = 5; i < 10; i++) loop.callSoon(() => log.push(i));
        yield* other;
        yield* sleep(1);
      });
      expect(log).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
  });

  test("timers keep the order of their times, and of one time that in which they were set", () => {
    for (let seed = 0; seed < 50; seed++) {
      const log: string[] = [];
      on({ shuffle: seed }, function* () {
        const loop = getRunningLoop();
        for (const [name, ms] of Object.entries({ c: 30, a: 10, d: 30, b: 20, e: 30 })) {
          loop.callLater(ms, () => log.push(name));
        }
        const others = [createTask(turns(3)), createTask(sleep(20)), createTask(sleep(30))];
        yield* wait(others);
        yield* sleep(40);
      });
      expect(log.join("")).toBe("abcde");
    }
  });

  test("the callbacks of a future keep the order in which they were added", () => {
    for (let seed = 0; seed < 50; seed++) {
      const log: number[] = [];
      on({ shuffle: seed }, function* () {
        const future = new Future<void>();
        for (let i = 0; i < 5; i++) future.addDoneCallback(() => log.push(i));
        const others = [createTask(turns(3)), createTask(turns(3))];
        yield* sleep(0);
        future.setResult();
        yield* wait(others);
        yield* sleep(1);
      });
      expect(log).toEqual([0, 1, 2, 3, 4]);
    }
  });

  test("time does not pass while anything is ready", () => {
    for (let seed = 0; seed < 50; seed++) {
      const times = on({ shuffle: seed }, function* () {
        const seen: number[] = [];
        function* worker(): Coroutine<void> {
          for (let i = 0; i < 3; i++) {
            yield* sleep(0);
            seen.push(getRunningLoop().time());
          }
        }
        const sleeper = createTask(sleep(1));
        yield* wait([createTask(worker()), createTask(worker())]);
        yield* sleeper;
        return seen;
      });
      expect(times).toEqual([0, 0, 0, 0, 0, 0]);
    }
  });
});

describe("shuffle and lateCancellation together", () => {
  test("shuffle the others, and let the one that is cancelled go last", () => {
    const orders = new Set<string>();
    for (let seed = 0; seed < 30; seed++) {
      const log = on({ shuffle: seed, lateCancellation: true }, function* () {
        const seen: string[] = [];
        const victim = createTask(function* (): Coroutine<void> {
          try {
            yield* sleep(1_000);
          } finally {
            seen.push("victim");
          }
        });
        yield* sleep(1);
        for (const name of "abcd") {
          createTask(function* (): Coroutine<void> {
            seen.push(name);
          });
        }
        victim.cancel();
        yield* wait([victim]);
        return seen;
      });
      expect(log.at(-1)).toBe("victim");
      expect(log).toHaveLength(5);
      orders.add(log.join(""));
    }
    expect(orders.size).toBeGreaterThan(5);
  });
});

function orderOfTasks(options: VirtualLoopOptions): string {
  using virtual = new VirtualLoop(options);
  return tasksOn(virtual);
}

function tasksOn(virtual: VirtualLoop): string {
  return virtual.runUntilComplete(function* () {
    let order = "";
    const tasks = "abcdefgh".split("").map((name) =>
      createTask(function* (): Coroutine<void> {
        order += name;
      }),
    );
    yield* wait(tasks);
    return order;
  });
}

function on<T>(options: VirtualLoopOptions, main: () => Coroutine<T>): Awaited<T> {
  using virtual = new VirtualLoop(options);
  return virtual.runUntilComplete(main);
}

function* turns(count: number): Coroutine<void> {
  for (let i = 0; i < count; i++) yield* sleep(0);
}
