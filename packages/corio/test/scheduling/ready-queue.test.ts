import { type Coroutine, EventLoop, gather, ManualHost, type Ready, type ReadyQueue, sleep, Task } from "corio";
import { describe, expect, test } from "vitest";

/** Last in, first out: the opposite of the usual order. */
class Stack implements ReadyQueue {
  readonly entries: Ready[] = [];

  get length(): number {
    return this.entries.length;
  }

  push(entry: Ready): void {
    this.entries.push(entry);
  }

  shift(): Ready {
    return this.entries.pop() as Ready;
  }

  clear(): void {
    this.entries.length = 0;
  }
}

describe("a loop with a ready queue of one's own", () => {
  test("runs what is ready in the order of that queue", () => {
    const order: string[] = [];
    const host = new ManualHost();
    const loop = new EventLoop({ host, readyQueue: new Stack() });
    for (const name of ["a", "b", "c"]) loop.callSoon(() => order.push(name));
    loop.callSoon(() => loop.stop());
    void loop.runForever();
    host.runTurn();
    expect(order).toEqual(["c", "b", "a"]);
    loop.close();
  });

  test("runs tasks, sleeps and what waits for them to their ends", () => {
    const host = new ManualHost();
    const loop = new EventLoop({ host, readyQueue: new Stack() });
    const ended: string[] = [];
    function* worker(name: string, ms: number): Coroutine<string> {
      yield* sleep(0);
      yield* sleep(ms);
      ended.push(name);
      return name;
    }
    const future = loop.start(gatherAll());
    function* gatherAll(): Coroutine<string[]> {
      return yield* gather(worker("a", 20), worker("b", 10), worker("c", 10));
    }
    while (!future.done && host.step());
    expect(future.result()).toEqual(["a", "b", "c"]);
    expect([ended.slice(0, 2).toSorted(), ended[2]]).toEqual([["b", "c"], "a"]);
    loop.close();
  });

  test("hands the queue tasks as tasks, so that it can tell them from callbacks", () => {
    const queue = new Stack();
    const loop = new EventLoop({ host: new ManualHost(), readyQueue: queue });
    const task = loop.createTask(sleep(0));
    loop.callSoon(() => {});
    expect(queue.entries[0]).toBe(task);
    expect(queue.entries.map((entry) => entry instanceof Task)).toEqual([true, false]);
    loop.close();
    expect(queue.length).toBe(0);
  });
});
