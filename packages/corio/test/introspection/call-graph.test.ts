import {
  captureCallGraph,
  coroutine,
  type Coroutine,
  createTask,
  currentTask,
  formatCallGraph,
  Future,
  gather,
  printCallGraph,
  shield,
  sleep,
  type Task,
  wait,
} from "corio";
import { describe, expect, test } from "vitest";
import { runVirtually, virtualLoop } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

const innermost = coroutine(function* innermost(future: Future<void>): Coroutine<void> {
  yield* future;
});
const outermost = coroutine(function* outermost(future: Future<void>): Coroutine<void> {
  yield* innermost(future);
});

describe("captureCallGraph", () => {
  test("tells who waits for a future, where they are, and who waits for them", () => {
    const { result } = runVirtually(function* () {
      const future = new Future<void>();
      const worker = createTask(outermost(future), { name: "worker" });
      const boss = createTask(
        function* () {
          yield* worker;
        },
        { name: "boss" },
      );
      yield;
      yield;
      const graph = captureCallGraph(future);
      future.setResult();
      yield* boss;
      return { graph, future, worker, boss };
    });
    const { graph, future, worker, boss } = result;
    expect(graph.future).toBe(future);
    expect(graph.callStack).toEqual([]);
    const [waiter] = graph.awaitedBy;
    expect(waiter?.future).toBe(worker);
    expect(waiter?.callStack).toEqual(["at innermost", "at outermost"]);
    expect(waiter?.awaitedBy).toHaveLength(1);
    expect(waiter?.awaitedBy[0]?.future).toBe(boss);
  });

  test("without a future it is that of the current task, with its stack", () => {
    const { result } = runVirtually(function* () {
      const graph = captureCallGraph();
      return [graph.future === currentTask(), graph.callStack[0], graph.awaitedBy.length];
    });
    expect(result[0]).toBe(true);
    expect(result[1]).toMatch(/call-graph\.test\.ts/);
    expect(result[2]).toBe(0);
  });

  test("sees through gather, wait and shield", () => {
    const { result } = runVirtually(function* () {
      const future = new Future<void>();
      const names: string[][] = [];
      const ways: ((task: Task<void>) => Coroutine<unknown>)[] = [
        function* (task) {
          return yield* gather(task, sleep(1));
        },
        (task) => wait([task]),
        function* (task) {
          return yield* shield(task);
        },
      ];
      const worker = createTask(innermost(future), { name: "worker" });
      const waiters = ways.map((way, i) => createTask(way(worker), { name: `waiter ${i}` }));
      yield* sleep(2);
      const collect = (graph: ReturnType<typeof captureCallGraph>): string[] => [
        ...("name" in graph.future ? [String(graph.future.name)] : []),
        ...graph.awaitedBy.flatMap(collect),
      ];
      names.push(collect(captureCallGraph(worker)).toSorted());
      future.setResult();
      for (const waiter of waiters) yield* waiter;
      return names;
    });
    expect(result).toEqual([["waiter 0", "waiter 1", "waiter 2", "worker"]]);
  });

  test("limit cuts each stack", () => {
    const { result } = runVirtually(function* () {
      const future = new Future<void>();
      const task = createTask(outermost(future));
      yield;
      const graph = captureCallGraph(task, { limit: 1 });
      future.setResult();
      yield* task;
      return graph.callStack;
    });
    expect(result).toEqual(["at innermost"]);
  });

  test("refuses what is no future, and says so where there is no current task", () => {
    expect(() => captureCallGraph({} as never)).toThrow(withCode("CALL_GRAPH"));
    expect(() => captureCallGraph()).toThrow(withCode("OUTSIDE_TASK", /captureCallGraph/));
  });
});

describe("formatCallGraph and printCallGraph", () => {
  test("write it as lines, indented by level", () => {
    const { result, messages } = runVirtually(function* () {
      const future = new Future<void>();
      const worker = createTask(outermost(future), { name: "worker" });
      createTask(
        function* () {
          yield* worker;
        },
        { name: "boss" },
      );
      yield;
      yield;
      const text = formatCallGraph(worker);
      printCallGraph(worker);
      future.setResult();
      yield* worker;
      return text;
    });
    expect(result).toBe(
      [
        "* Task worker",
        "  + Call stack:",
        "    at innermost",
        "    at outermost",
        "  + Awaited by:",
        "    * Task boss",
      ].join("\n"),
    );
    expect(messages).toEqual([result]);
  });

  test("print to the reporter that is given", () => {
    const told: string[] = [];
    const future = virtualLoop().loop.createFuture();
    printCallGraph(future, { reporter: { warn: (text) => void told.push(text), error: () => {} } });
    expect(told).toEqual(["* Future"]);
  });

  test("are empty where there is no current task", () => {
    expect(formatCallGraph()).toBe("");
  });
});
