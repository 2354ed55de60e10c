import {
  attempt,
  type Coroutine,
  createTask,
  EventLoop,
  type ExceptionContext,
  Future,
  getRunningLoop,
  type Main,
  race,
  run,
  sleep,
  TaskGroup,
  waitFor,
  within,
} from "corio";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { drainPromises, virtualLoop } from "../support/virtual-loop.js";

const refused = () => Promise.reject(new Error("refused"));

/** Runs main on the host of this process. With no budget every iteration is a turn of its own, and the host looks at its promises in between. */
async function runInShortTurns(main: Main<unknown>): Promise<{ throws: unknown; reports: ExceptionContext[] }> {
  const loop = new EventLoop({ turnBudget: 0 });
  const reports: ExceptionContext[] = [];
  loop.exceptionHandler = (_loop, context) => void reports.push(context);
  let throws: unknown;
  try {
    await run(main, { loopFactory: () => loop });
  } catch (error) {
    throws = error;
  }
  return { throws, reports };
}

describe("a promise that is rejected before the turn in which it is awaited", () => {
  // The host tells of it in the event that ends a Node process.
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);

  beforeEach(() => {
    unhandled.length = 0;
    process.on("unhandledRejection", note);
  });

  afterEach(() => void process.off("unhandledRejection", note));

  const mains: [string, () => Main<unknown>, string][] = [
    ["run", refused, "Error: refused"],
    ["attempt", () => attempt(refused()), "Error: refused"],
    ["waitFor", () => waitFor(refused(), 10), "Error: refused"],
    ["waitFor without a limit", () => waitFor(refused(), null), "Error: refused"],
    ["waitFor that only looks", () => waitFor(refused(), 0), "TimeoutError: timed out after 0 ms"],
    ["race", () => race(sleep(3), refused()), "Error: refused"],
  ];

  test.each(mains)("fails the run alone that was given to %s", async (_, make, expected) => {
    const { loop, host } = virtualLoop();
    const ended = run(make(), { loopFactory: () => loop }).catch((error: unknown) => ({ error }));
    do await drainPromises();
    while (host.step());
    expect(String((await (ended as Promise<{ error: unknown }>)).error)).toBe(expected);
    expect(unhandled).toEqual([]);
  });

  const tasks: [string, () => Coroutine<unknown> | Future<unknown>][] = [
    ["a task", () => createTask(refused())],
    ["a task that is made by the loop's method", () => getRunningLoop().createTask(refused())],
    ["a task of a wait", () => createTask(waitFor(refused(), 10))],
    ["a group's task", () => within(new TaskGroup(), (group) => group.createTask(refused()))],
  ];

  test.each(tasks)("fails %s alone", async (_, make) => {
    const { throws, reports } = await runInShortTurns(function* () {
      yield* make();
    });
    expect(String((throws as AggregateError).errors?.[0] ?? throws)).toBe("Error: refused");
    expect([unhandled, reports]).toEqual([[], []]);
  });

  test("fails the run whose main returns it, or a future of it", async () => {
    const mains = [
      function* () {
        return refused();
      },
      function* () {
        const future = new Future<Promise<never>>();
        getRunningLoop().callLater(1, () => future.setResult(refused()));
        return future;
      },
    ];
    for (const main of mains) {
      const { throws } = await runInShortTurns(main);
      expect(throws).toMatchObject({ message: "refused" });
    }
    expect(unhandled).toEqual([]);
  });

  test("is reported if its task or its wait was dropped", async () => {
    const { reports } = await runInShortTurns(function* () {
      createTask(refused());
      void attempt(refused());
      for (let i = 0; i < 5; i++) yield;
    });
    expect(reports).toMatchObject([
      { message: "Future exception was never retrieved", exception: { message: "refused" } },
      { message: "Task exception was never retrieved", exception: { message: "refused" } },
    ]);
    expect(unhandled).toEqual([]);
  });

  test("is left to the host by a loop that is closed and refuses it", async () => {
    const { loop } = virtualLoop();
    loop.close();
    expect(() => loop.createTask(refused())).toThrow("closed");
    await drainPromises();
    expect(unhandled).toMatchObject([{ message: "refused" }]);
  });
});
