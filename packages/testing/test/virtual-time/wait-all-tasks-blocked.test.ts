import { runVirtually, VirtualLoop, waitAllTasksBlocked } from "@corio/testing";
import {
  type Coroutine,
  createTask,
  Event,
  Future,
  gather,
  getRunningLoop,
  Queue,
  run,
  sleep,
  timeout,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { thrownBy } from "./thrown-by.js";

describe("waitAllTasksBlocked", () => {
  test("comes back when all others wait, and not before", () => {
    const getters = runVirtually(function* () {
      const queue = new Queue<string>();
      createTask(queue.get());
      const before = queue.getters;
      yield* waitAllTasksBlocked();
      return [before, queue.getters];
    });
    expect(getters).toEqual([0, 1]);
  });

  test("waits for whatever the others set going, through any number of turns", () => {
    const order = runVirtually(function* () {
      const order: string[] = [];
      function* worker(turns: number): Coroutine<void> {
        for (let i = 0; i < turns; i++) yield* sleep(0);
        order.push(`worker after ${turns}`);
        if (turns < 100) createTask(worker(turns + 50));
      }
      createTask(worker(1));
      getRunningLoop().callSoon(() => getRunningLoop().callSoon(() => order.push("callbacks")));
      yield* waitAllTasksBlocked();
      order.push("all wait");
      return order;
    });
    expect(order).toEqual(["worker after 1", "callbacks", "worker after 51", "worker after 101", "all wait"]);
  });

  test("lets no time pass: whoever sleeps waits", () => {
    const seen = runVirtually(function* () {
      const sleeper = createTask(sleep(1));
      yield* waitAllTasksBlocked();
      return [getRunningLoop().time(), sleeper.done];
    });
    expect(seen).toEqual([0, false]);
  });

  test("may be waited for by several at once, and again and again", () => {
    const order = runVirtually(function* () {
      const order: string[] = [];
      function* looker(name: string): Coroutine<void> {
        for (let i = 1; i <= 2; i++) {
          yield* waitAllTasksBlocked();
          order.push(`${name} ${i}`);
        }
      }
      yield* gather(looker("a"), looker("b"));
      return order;
    });
    expect(order).toEqual(["a 1", "b 1", "a 2", "b 2"]);
  });

  test("does not hide a deadlock of the others, nor is it one", () => {
    const event = new Event();
    expect(() =>
      runVirtually(function* () {
        yield* gather(event.wait(), waitAllTasksBlocked());
      }),
    ).toThrow("deadlock");
  });

  test("may be cancelled, after which nothing is left of it", () => {
    const result = runVirtually(function* () {
      const waiting = createTask(waitAllTasksBlocked());
      yield* sleep(0);
      waiting.cancel();
      yield* within(timeout(5), () => waitAllTasksBlocked());
      return [waiting.cancelled, getRunningLoop().time()];
    });
    expect(result).toEqual([true, 0]);
  });

  test("is told while a test advances the time from outside, also by 0", () => {
    using virtual = new VirtualLoop();
    const main = virtual.start(function* () {
      createTask(new Queue().get());
      yield* waitAllTasksBlocked();
      return "blocked";
    });
    virtual.advance(0);
    expect(main.result()).toBe("blocked");
  });

  test("waits for the reactions of promises where those are allowed", async () => {
    await using virtual = new VirtualLoop();
    const seen = await virtual.run(function* () {
      let settled = false;
      void (async () => {
        for (let i = 0; i < 100; i++) await Promise.resolve();
        settled = true;
      })();
      yield* waitAllTasksBlocked();
      return settled;
    });
    expect(seen).toBe(true);
  });

  test("works in shuffled order, too", () => {
    for (let seed = 0; seed < 20; seed++) {
      const getters = runVirtually(
        function* () {
          const queue = new Queue<number>();
          const tasks = [1, 2, 3].map(() => createTask(queue.get()));
          yield* waitAllTasksBlocked();
          for (const task of tasks) task.cancel();
          return queue.getters;
        },
        { shuffle: seed },
      );
      expect(getters).toBe(3);
    }
  });

  test("is refused without virtual time, at the call, and says what to do", async () => {
    const error = await run(function* () {
      yield* sleep(0);
      return thrownBy(() => waitAllTasksBlocked());
    });
    expect(error).toMatchObject({ code: "ERR_CORIO_REAL_TIME" });
    expect((error as Error).message).toContain("VirtualLoop");
  });

  test("is refused outside of a loop", () => {
    expect(thrownBy(() => waitAllTasksBlocked())).toMatchObject({ code: "ERR_CORIO_NO_RUNNING_LOOP" });
  });

  test("waits in no vain where its loop is closed meanwhile", () => {
    const virtual = new VirtualLoop();
    const log: string[] = [];
    virtual.start(function* () {
      try {
        yield* new Future<void>();
      } finally {
        yield* waitAllTasksBlocked();
        log.push("cleaned up");
      }
    });
    virtual.advance(0);
    virtual.close();
    expect(log).toEqual(["cleaned up"]);
  });
});
