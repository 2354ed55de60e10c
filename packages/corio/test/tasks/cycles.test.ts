import { allTasks, captureCallGraph, createTask, formatCallGraph, Future, run, sleep, type Task } from "corio";
import { describe, expect, test } from "vitest";
import { runVirtually, virtualLoop } from "../support/virtual-loop.js";

/** Tasks that wait for each other in a circle. */
function circle(size: number): Task<void>[] {
  const tasks: Task<void>[] = [];
  for (let i = 0; i < size; i++) {
    tasks.push(
      createTask(
        function* () {
          yield;
          yield* tasks[(i + 1) % size] as Task<void>;
        },
        { name: `link ${i}` },
      ),
    );
  }
  return tasks;
}

describe("tasks that wait for each other in a circle", () => {
  test.each([2, 3, 10])("%d of them all end when one is cancelled", (size) => {
    const { result } = runVirtually(function* () {
      const tasks = circle(size);
      yield* sleep(1);
      tasks[0]?.cancel("enough");
      yield* sleep(1);
      return tasks.map((task) => [task.cancelled, task.cancelReason]);
    });
    expect(result).toEqual(Array.from({ length: size }, () => [true, "enough"]));
  });

  test("are a deadlock, whose message names each, and the run ends", async () => {
    const { loop, host } = virtualLoop();
    const running = run(
      function* () {
        const [first] = circle(3);
        yield* first as Task<void>;
      },
      { loopFactory: () => loop },
    );
    while (host.step());
    const error = await running.then(
      () => undefined,
      (e: unknown) => e as Error,
    );
    expect(error).toMatchObject({ code: "ERR_CORIO_DEADLOCK" });
    for (const i of [0, 1, 2])
      expect(error?.message).toMatch(new RegExp(`link ${i} waits for Task link ${(i + 1) % 3}`));
    expect([loop.closed, allTasks(loop).size]).toEqual([true, 0]);
  });

  test("have a call graph that ends", () => {
    const { result } = runVirtually(function* () {
      const tasks = circle(2);
      yield* sleep(1);
      const graph = captureCallGraph(tasks[0]);
      const text = formatCallGraph(tasks[0]);
      tasks[0]?.cancel();
      yield* sleep(1);
      return { graph, text };
    });
    expect(result.text).toContain("link 1");
    expect(result.graph.awaitedBy).toHaveLength(1);
  });
});

describe("long chains of tasks that wait for each other", () => {
  function chain(length: number, end: Future<void>): Task<void> {
    let last: Future<void> = end;
    for (let i = 0; i < length; i++) {
      const next = last;
      last = createTask(function* () {
        yield* next;
      });
    }
    return last as Task<void>;
  }

  test("of 5,000 pass a result and an error on", () => {
    const { result } = runVirtually(function* () {
      const good = new Future<void>();
      const bad = new Future<void>();
      const outer = [chain(5_000, good), chain(5_000, bad)];
      yield* sleep(1);
      good.setResult();
      bad.setException(new Error("from the far end"));
      yield* outer[0] as Task<void>;
      try {
        yield* outer[1] as Task<void>;
      } catch (error) {
        return (error as Error).message;
      }
      return "no error";
    });
    expect(result).toBe("from the far end");
  });

  test("of 20,000 pass a cancellation on", () => {
    const { result } = runVirtually(function* () {
      const end = new Future<void>();
      const outer = chain(20_000, end);
      yield* sleep(1);
      outer.cancel("enough");
      yield* sleep(1);
      return [end.cancelled, outer.cancelled, allTasks().size];
    });
    expect(result).toEqual([true, true, 1]);
  });
});
