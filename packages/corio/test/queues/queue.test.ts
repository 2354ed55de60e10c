import {
  type Coroutine,
  createTask,
  forEach,
  iterate,
  LifoQueue,
  PriorityQueue,
  Queue,
  type QueueOptions,
  sleep,
  type Task,
  until,
  waitFor,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { randomFrom } from "../support/random.js";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtually, runVirtuallyWithPromises, virtualLoop } from "../support/virtual-loop.js";

const shutDown = expect.objectContaining({ name: "QueueShutDown", code: "ERR_CORIO_QUEUE_SHUT_DOWN" });
const full = expect.objectContaining({ name: "QueueFull", code: "ERR_CORIO_QUEUE_FULL" });
const empty = expect.objectContaining({ name: "QueueEmpty", code: "ERR_CORIO_QUEUE_EMPTY" });

// What every queue does, in whatever order it gives its items.
describe.each([
  ["Queue", (options?: QueueOptions) => new Queue<number>(options)],
  ["PriorityQueue", (options?: QueueOptions) => new PriorityQueue<number>(options)],
  ["LifoQueue", (options?: QueueOptions) => new LifoQueue<number>(options)],
])("%s", (name, make) => {
  test("is empty at first, and without limit", () => {
    const queue = make();
    expect(look(queue)).toEqual({ size: 0, empty: true, full: false, getters: 0, putters: 0 });
    expect(queue.maxSize).toBe(0);
  });

  test.each([0, -1, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, undefined])(
    "maxSize %s means no limit",
    (maxSize) => {
      const queue = make({ maxSize });
      for (let i = 0; i < 100; i++) queue.putNowait(i);
      expect([queue.size, queue.full, queue.maxSize]).toEqual([100, false, maxSize ?? 0]);
    },
  );

  test.each([Number.NaN, "3", {}])("maxSize %s is refused", (maxSize) => {
    expect(() => make({ maxSize: maxSize as number })).toThrow(
      expect.objectContaining({ name: "RangeError", code: "ERR_CORIO_QUEUE_SIZE" }),
    );
  });

  test("a bare number for the options is refused, with what to write instead", () => {
    expect(() => make(5 as QueueOptions)).toThrow(
      expect.objectContaining({ code: "ERR_CORIO_QUEUE_OPTIONS", message: expect.stringContaining("{ maxSize: 5 }") }),
    );
  });

  test("putNowait and getNowait throw when it is full and empty", () => {
    const queue = make({ maxSize: 2 });
    expect(() => queue.getNowait()).toThrow(empty);
    queue.putNowait(1);
    expect(look(queue)).toMatchObject({ size: 1, empty: false, full: false });
    queue.putNowait(2);
    expect(look(queue)).toMatchObject({ size: 2, full: true });
    expect(() => queue.putNowait(3)).toThrow(full);
    queue.getNowait();
    queue.getNowait();
    expect(() => queue.getNowait()).toThrow(empty);
  });

  test("put and get do nothing before they are awaited", () => {
    runCleanly(function* () {
      const queue = make();
      const [putting, getting] = [queue.put(1), queue.get()];
      expect(queue.size).toBe(0);
      yield* putting;
      expect(queue.size).toBe(1);
      expect(yield* getting).toBe(1);
    });
  });

  test("get waits for an item, and getters get theirs in the order in which they came", () => {
    runCleanly(function* () {
      const queue = make();
      const order: string[] = [];
      const tasks = ["a", "b", "c"].map((getter) =>
        createTask(function* () {
          const item = yield* queue.get();
          order.push(`${getter}${item}`);
        }),
      );
      yield* turns();
      expect(queue.getters).toBe(3);
      for (let i = 0; i < 3; i++) {
        queue.putNowait(i);
        yield* turns();
      }
      for (const task of tasks) yield* task;
      expect([order, queue.getters, queue.size]).toEqual([["a0", "b1", "c2"], 0, 0]);
    });
  });

  test("put waits for room, and putters put in the order in which they came", () => {
    runCleanly(function* () {
      const queue = make({ maxSize: 1 });
      yield* queue.put(0);
      const tasks = [1, 2, 3].map((i) => createTask(queue.put(i)));
      yield* turns();
      expect(look(queue)).toMatchObject({ size: 1, putters: 3 });
      const got: number[] = [];
      for (let i = 0; i < 4; i++) {
        got.push(queue.getNowait());
        yield* turns();
      }
      for (const task of tasks) yield* task;
      expect([got, queue.putters]).toEqual([[0, 1, 2, 3], 0]);
    });
  });

  test("several items at once wake as many getters", () => {
    runCleanly(function* () {
      const queue = make();
      const tasks = Array.from({ length: 5 }, () => createTask(queue.get()));
      yield* turns();
      for (const item of [7, 7, 7]) queue.putNowait(item);
      yield* turns();
      expect(tasks.map((task) => task.done)).toEqual([true, true, true, false, false]);
      for (const item of [8, 8]) queue.putNowait(item);
      yield* turns();
      expect(tasks.map((task) => task.result())).toEqual([7, 7, 7, 8, 8]);
    });
  });

  test("a getter whose item was snatched by getNowait goes on waiting", () => {
    runCleanly(function* () {
      const queue = make();
      const task = createTask(queue.get());
      yield* turns();
      queue.putNowait(1);
      expect(queue.getNowait()).toBe(1);
      yield* turns();
      expect([task.done, queue.getters]).toEqual([false, 1]);
      queue.putNowait(2);
      expect(yield* task).toBe(2);
    });
  });

  test("a putter whose room was taken by putNowait goes on waiting", () => {
    runCleanly(function* () {
      const queue = make({ maxSize: 1 });
      yield* queue.put(1);
      const task = createTask(queue.put(3));
      yield* turns();
      queue.getNowait();
      queue.putNowait(2);
      yield* turns();
      expect([task.done, queue.putters]).toEqual([false, 1]);
      expect(queue.getNowait()).toBe(2);
      yield* task;
      expect(queue.getNowait()).toBe(3);
    });
  });

  const moments: [string, (task: Task<unknown>, wake: () => void) => Coroutine<void>][] = [
    [
      "long before it would be woken",
      function* (task, wake) {
        task.cancel();
        yield* turns();
        wake();
      },
    ],
    [
      "just before it would be woken",
      function* (task, wake) {
        task.cancel();
        wake();
      },
    ],
    [
      "just after it was woken",
      function* (task, wake) {
        wake();
        task.cancel();
      },
    ],
  ];

  test.each(moments)("a getter that is cancelled %s takes no item, and the next one gets it", (_, act) => {
    runCleanly(function* () {
      const queue = make();
      const [first, second] = [createTask(queue.get()), createTask(queue.get())];
      yield* turns();
      yield* act(first, () => queue.putNowait(1));
      yield* turns();
      expect([first.cancelled, second.done, queue.getters, queue.size]).toEqual([true, true, 0, 0]);
      expect(second.result()).toBe(1);
    });
  });

  test.each(moments)("a putter that is cancelled %s puts nothing, and the next one puts", (_, act) => {
    runCleanly(function* () {
      const queue = make({ maxSize: 1 });
      yield* queue.put(0);
      const [first, second] = [createTask(queue.put(1)), createTask(queue.put(2))];
      yield* turns();
      yield* act(first, () => expect(queue.getNowait()).toBe(0));
      yield* turns();
      expect([first.cancelled, second.done, queue.putters, queue.size]).toEqual([true, true, 0, 1]);
      expect(queue.getNowait()).toBe(2);
    });
  });

  test("a wake-up passes through a whole line that is cancelled", () => {
    runCleanly(function* () {
      const queue = make({ maxSize: 1 });
      yield* queue.put(0);
      const tasks = [1, 2, 3, 4].map((i) => createTask(queue.put(i)));
      yield* turns();
      queue.getNowait();
      for (const task of tasks.slice(0, 3)) task.cancel();
      yield* tasks[3] as Task<void>;
      expect([queue.getNowait(), queue.putters]).toEqual([4, 0]);
    });
  });

  test("a putter that swallows its cancellation after it was woken does not keep the room for itself", () => {
    runCleanly(function* () {
      const queue = make({ maxSize: 1 });
      yield* queue.put(0);
      const stubborn = createTask(function* () {
        try {
          yield* queue.put(1);
        } catch {
          yield* sleep(100);
        }
      });
      const next = createTask(queue.put(2));
      yield* turns();
      queue.getNowait();
      stubborn.cancel();
      yield* turns();
      expect([next.done, queue.getNowait()]).toEqual([true, 2]);
      yield* stubborn;
    });
  });

  test("one that was woken and cancelled wakes nobody if there is nothing left to be woken for", () => {
    runCleanly(function* () {
      const queue = make();
      const [first, second] = [createTask(queue.get()), createTask(queue.get())];
      yield* turns();
      queue.putNowait(1);
      queue.getNowait();
      first.cancel();
      yield* turns();
      expect([first.cancelled, second.done, queue.getters]).toEqual([true, false, 1]);
      queue.putNowait(2);
      expect(yield* second).toBe(2);
    });
  });

  test("one that is cancelled without having been woken costs nobody else their place", () => {
    runCleanly(function* () {
      const queue = make();
      const order: string[] = [];
      const tasks = ["a", "b", "c", "d"].map((getter) =>
        createTask(function* () {
          yield* queue.get();
          order.push(getter);
        }),
      );
      yield* turns();
      tasks[1]?.cancel();
      queue.putNowait(1);
      for (let i = 0; i < 2; i++) {
        yield* turns();
        queue.putNowait(1);
      }
      yield* turns();
      expect(order).toEqual(["a", "c", "d"]);
    });
  });

  test("a coroutine that is closed while it waits leaves the line, and passes on a wake-up that it got", () => {
    runCleanly(function* () {
      const queue = make({ maxSize: 1 });
      const [waiting, woken] = [queue.get(), queue.get()];
      waiting.next();
      woken.next();
      const getter = createTask(queue.get());
      yield* turns();
      waiting.return(0);
      expect(queue.getters).toBe(2);
      queue.putNowait(1);
      woken.return(0);
      expect(yield* getter).toBe(1);
      yield* queue.put(2);
      const putting = queue.put(3);
      putting.next();
      expect(queue.putters).toBe(1);
      putting.return();
      expect(queue.putters).toBe(0);
    });
  });

  test("join waits until each item has been taken and dealt with", () => {
    runCleanly(function* () {
      const queue = make();
      yield* queue.join();
      for (let i = 0; i < 3; i++) queue.putNowait(i);
      const joined = createTask(queue.join());
      for (let i = 0; i < 3; i++) {
        queue.getNowait();
        yield* turns();
        expect(joined.done).toBe(false);
        queue.taskDone();
      }
      yield* joined;
      queue.putNowait(4);
      const again = createTask(queue.join());
      yield* turns();
      expect(again.done).toBe(false);
      queue.getNowait();
      queue.taskDone();
      yield* again;
    });
  });

  test("taskDone too often is refused", () => {
    const queue = make();
    const tooOften = expect.objectContaining({ name: "RangeError", code: "ERR_CORIO_TASK_DONE" });
    expect(() => queue.taskDone()).toThrow(tooOften);
    queue.putNowait(1);
    queue.taskDone();
    expect(() => queue.taskDone()).toThrow(tooOften);
    expect(queue.size).toBe(1);
  });

  test("a join that is cancelled changes nothing", () => {
    runCleanly(function* () {
      const queue = make();
      queue.putNowait(1);
      const [first, second] = [createTask(queue.join()), createTask(queue.join())];
      yield* turns();
      first.cancel();
      queue.taskDone();
      yield* second;
      expect([first.cancelled, second.done]).toEqual([true, true]);
    });
  });

  test("after shutdown nothing can be put, what it holds can be taken, and then nothing", () => {
    runCleanly(function* () {
      const queue = make({ maxSize: 2 });
      queue.putNowait(1);
      queue.putNowait(2);
      queue.shutdown();
      expect(() => queue.putNowait(3)).toThrow(shutDown);
      expect(yield* thrownBy(queue.put(3))).toEqual(shutDown);
      expect(byNumber([yield* queue.get(), queue.getNowait()])).toEqual([1, 2]);
      expect(() => queue.getNowait()).toThrow(shutDown);
      expect(yield* thrownBy(queue.get())).toEqual(shutDown);
      queue.shutdown();
      queue.taskDone();
      queue.taskDone();
      yield* queue.join();
    });
  });

  test("shutdown ends all getters of an empty queue with QueueShutDown", () => {
    runCleanly(function* () {
      const queue = make();
      const tasks = [1, 2, 3].map(() => createTask(queue.get()));
      yield* turns();
      queue.shutdown();
      for (const task of tasks) expect(yield* thrownBy(task)).toEqual(shutDown);
      expect(queue.getters).toBe(0);
    });
  });

  test("shutdown ends all putters with QueueShutDown, and what they would have put is not there", () => {
    runCleanly(function* () {
      const queue = make({ maxSize: 1 });
      yield* queue.put(0);
      const tasks = [1, 2, 3].map((i) => createTask(queue.put(i)));
      yield* turns();
      queue.shutdown();
      for (const task of tasks) expect(yield* thrownBy(task)).toEqual(shutDown);
      expect([queue.putters, queue.size, queue.getNowait()]).toEqual([0, 1, 0]);
    });
  });

  test("a getter that was woken for an item gets it although the queue is shut down before it runs", () => {
    runCleanly(function* () {
      const queue = make();
      const [first, second] = [createTask(queue.get()), createTask(queue.get())];
      yield* turns();
      queue.putNowait(1);
      queue.shutdown();
      expect(yield* first).toBe(1);
      expect(yield* thrownBy(second)).toEqual(shutDown);
    });
  });

  test("an immediate shutdown drops what it holds, counts it as dealt with, and releases a blocked join", () => {
    runCleanly(function* () {
      const queue = make({ maxSize: 3 });
      for (let i = 0; i < 3; i++) queue.putNowait(i);
      const joined = createTask(queue.join());
      const putter = createTask(queue.put(4));
      yield* turns();
      queue.shutdown(true);
      yield* joined;
      expect(yield* thrownBy(putter)).toEqual(shutDown);
      expect(look(queue)).toEqual({ size: 0, empty: true, full: false, getters: 0, putters: 0 });
      expect(() => queue.taskDone()).toThrow(RangeError);
      expect(() => queue.getNowait()).toThrow(shutDown);
    });
  });

  test("an immediate shutdown does not count as dealt with what was taken and is still being worked on", () => {
    runCleanly(function* () {
      const queue = make();
      for (let i = 0; i < 3; i++) queue.putNowait(i);
      queue.getNowait();
      const joined = createTask(queue.join());
      queue.shutdown(true);
      yield* turns();
      expect(joined.done).toBe(false);
      queue.taskDone();
      yield* joined;
    });
  });

  test("an immediate shutdown takes an item from a getter that was woken for it", () => {
    runCleanly(function* () {
      const queue = make();
      const getter = createTask(queue.get());
      yield* turns();
      queue.putNowait(1);
      queue.shutdown(true);
      expect(yield* thrownBy(getter)).toEqual(shutDown);
      yield* queue.join();
    });
  });

  test("shutdown and then an immediate shutdown drops the rest", () => {
    runCleanly(function* () {
      const queue = make();
      queue.putNowait(1);
      queue.shutdown();
      const joined = createTask(queue.join());
      yield* turns();
      expect(joined.done).toBe(false);
      queue.shutdown(true);
      yield* joined;
    });
  });

  test("putNowait, getNowait, taskDone and shutdown work from callbacks of the host", () => {
    const queue = make({ maxSize: 1 });
    const run = runCleanly(
      function* () {
        expect(yield* queue.get()).toBe(1);
        yield* queue.put(2);
        yield* queue.put(3);
        expect(queue.getNowait()).toBe(3);
        yield* queue.join();
        expect(yield* thrownBy(queue.get())).toEqual(shutDown);
      },
      {
        prepare: ({ host }) => {
          host.requestTurnAt(1, () => queue.putNowait(1));
          host.requestTurnAt(2, () => queue.getNowait());
          host.requestTurnAt(3, () => [1, 2, 3].forEach(() => queue.taskDone()));
          host.requestTurnAt(4, () => queue.shutdown());
        },
      },
    );
    expect(run.duration).toBe(4);
  });

  test("waiting for it on a second loop is refused with its name", () => {
    const queue = make();
    const one = virtualLoop();
    const waiting = one.loop.start(queue.get());
    one.host.runTurn();
    expect(runVirtually(() => queue.get()).throws).toMatchObject({
      code: "ERR_CORIO_OTHER_LOOP",
      message: expect.stringContaining(name),
    });
    queue.putNowait(1);
    while (!waiting.done && one.host.step());
    expect(waiting.result()).toBe(1);
    one.loop.close();
  });

  test("a time limit on get and put leaves no trace", () => {
    const queue = make({ maxSize: 1 });
    expect(runVirtually(() => waitFor(queue.get(), 10)).throws).toMatchObject({ name: "TimeoutError" });
    expect([queue.getters, queue.size]).toEqual([0, 0]);
    const other = make({ maxSize: 1 });
    other.putNowait(1);
    expect(runVirtually(() => waitFor(other.put(2), 10)).throws).toMatchObject({ name: "TimeoutError" });
    expect([other.putters, other.size]).toEqual([0, 1]);
  });

  test("forEach gives the items, waits for more, and ends on shutdown", () => {
    runCleanly(function* () {
      const queue = make({ maxSize: 2 });
      const got: number[] = [];
      const consumer = createTask(() =>
        forEach(queue, function* (item) {
          got.push(item);
          yield* turns(1);
          queue.taskDone();
        }),
      );
      for (let i = 0; i < 6; i++) {
        yield* queue.put(i);
        yield* queue.join();
      }
      queue.shutdown();
      expect([yield* consumer, got]).toEqual([undefined, [0, 1, 2, 3, 4, 5]]);
    });
  });

  test("forEach that stops early leaves the rest in the queue", () => {
    runCleanly(function* () {
      const queue = make();
      for (const item of [5, 5, 5]) queue.putNowait(item);
      expect(yield* forEach(queue, (item, stop) => stop(item * 2))).toBe(10);
      expect(queue.size).toBe(2);
    });
  });

  test("an iteration that is cancelled while it waits loses no item", () => {
    runCleanly(function* () {
      const queue = make();
      const got: number[] = [];
      const consume = (): Coroutine<void> =>
        within(iterate(queue), function* (it) {
          while (yield* it.next()) got.push(it.value);
        });
      const [first, second] = [createTask(consume), createTask(consume)];
      yield* turns();
      queue.putNowait(1);
      first.cancel();
      yield* turns();
      queue.shutdown();
      yield* second;
      expect([first.cancelled, got]).toEqual([true, [1]]);
    });
  });

  test("`for await` in plain async code gives the items, and ends on shutdown", async () => {
    const queue = make();
    const got: number[] = [];
    async function consume(): Promise<string> {
      for await (const item of queue) got.push(item);
      return "ended";
    }
    const run = await runVirtuallyWithPromises(function* () {
      const consumer = until(consume());
      for (let i = 0; i < 5; i++) {
        yield* sleep(1);
        yield* queue.put(i);
      }
      yield* sleep(1);
      queue.shutdown();
      return yield* consumer;
    });
    expect([run.result, got, queue.getters]).toEqual(["ended", [0, 1, 2, 3, 4], 0]);
    expect(run.messages).toEqual([]);
  });

  test("`for await` gives what a queue that is shut down still holds, and a break leaves the rest", async () => {
    const queue = make();
    for (const item of [3, 3, 3]) queue.putNowait(item);
    queue.shutdown();
    const got: number[] = [];
    async function consume(): Promise<void> {
      for await (const item of queue) {
        got.push(item);
        if (got.length === 2) break;
      }
      for await (const item of queue) got.push(item * 10);
    }
    const run = await runVirtuallyWithPromises(function* () {
      yield* until(consume());
    });
    expect([run.result, got]).toEqual([undefined, [3, 3, 30]]);
  });

  test("`for await` may begin after an `await`, between two turns of the loop in which the queue was made", async () => {
    const got: number[] = [];
    async function consume(queue: Queue<number>): Promise<void> {
      await Promise.resolve();
      for await (const item of queue) got.push(item);
    }
    const run = await runVirtuallyWithPromises(function* () {
      const queue = make();
      const consumer = until(consume(queue));
      yield* sleep(1);
      queue.putNowait(1);
      yield* sleep(1);
      queue.shutdown();
      yield* consumer;
    });
    expect([run.result, got]).toEqual([undefined, [1]]);
  });

  test("`for await` of a queue that knows no loop, where none is running, is refused", async () => {
    await expect(make()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "ERR_CORIO_NO_RUNNING_LOOP" });
  });

  test("no item is lost or given twice under random puts, gets and cancellations", () => {
    for (let seed = 1; seed <= 30; seed++) {
      runCleanly(function* () {
        const random = randomFrom(seed);
        const queue = make({ maxSize: 1 + random(3) });
        const put: number[] = [];
        const got: number[] = [];
        const tasks: Task<void>[] = [];
        for (let i = 0; i < 80; i++) {
          const putter = function* (): Coroutine<void> {
            yield* queue.put(i);
            put.push(i);
          };
          const getter = function* (): Coroutine<void> {
            got.push(yield* queue.get());
          };
          tasks.push(createTask(random(2) === 0 ? putter : getter));
          if (random(3) === 0) yield* turns(random(3));
          while (random(2) === 0) tasks[random(tasks.length)]?.cancel();
        }
        yield* turns(50);
        // nobody waits for what is there
        expect(queue.empty || queue.getters === 0, `seed ${seed}`).toBe(true);
        expect(queue.full || queue.putters === 0, `seed ${seed}`).toBe(true);
        queue.shutdown();
        yield* turns(50);
        while (!queue.empty) got.push(queue.getNowait());
        expect(byNumber(got), `seed ${seed}`).toEqual(byNumber(put));
        for (const task of tasks)
          if (!task.cancelled && task.exception() !== undefined) expect(task.exception()).toEqual(shutDown);
      });
    }
  });
});

describe("Queue", () => {
  test("gives the items in the order in which they were put, through any number of them", () => {
    const queue = new Queue<number>();
    let next = 0;
    let expected = 0;
    const random = randomFrom(5);
    for (let i = 0; i < 20_000; i++) {
      if (random(100) < (i < 12_000 ? 70 : 20)) queue.putNowait(next++);
      else if (!queue.empty) expect(queue.getNowait()).toBe(expected++);
      expect(queue.size).toBe(next - expected);
    }
    while (!queue.empty) expect(queue.getNowait()).toBe(expected++);
    expect(expected).toBe(next);
  });

  test("`undefined` is an item like any other", () => {
    runCleanly(function* () {
      const queue = new Queue<undefined>();
      queue.putNowait(undefined);
      expect([queue.size, yield* queue.get(), queue.empty]).toEqual([1, undefined, true]);
    });
  });

  test("a subclass decides in which order items come out", () => {
    class Newest extends Queue<number> {
      protected override createStore() {
        let newest: number[] = [];
        return {
          get size() {
            return newest.length;
          },
          put: (item: number) => void (newest = [item]),
          get: () => newest.pop() as number,
        };
      }
    }
    const queue = new Newest();
    queue.putNowait(1);
    queue.putNowait(2);
    expect([queue.size, queue.getNowait(), queue.empty]).toEqual([1, 2, true]);
  });
});

function look({ size, empty, full, getters, putters }: Queue<number>): object {
  return { size, empty, full, getters, putters };
}

function byNumber(items: number[]): number[] {
  return items.toSorted((a, b) => a - b);
}

function* thrownBy(awaitable: Coroutine<unknown> | Task<unknown>): Coroutine<unknown> {
  try {
    yield* awaitable as Task<unknown>;
  } catch (error) {
    return error;
  }
  return expect.unreachable("it did not throw");
}
