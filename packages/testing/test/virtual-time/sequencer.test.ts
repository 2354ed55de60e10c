import { runVirtually, Sequencer } from "@corio/testing";
import { type Coroutine, createTask, DeadlockError, gather, getRunningLoop, sleep, timeout, wait, within } from "corio";
import { describe, expect, test } from "vitest";
import { thrownBy } from "./thrown-by.js";

describe("Sequencer", () => {
  test("runs blocks by their numbers, whoever gets there first", () => {
    const order = runVirtually(function* () {
      const sequencer = new Sequencer();
      const order: number[] = [];
      const block = (position: number): Coroutine<void> =>
        within(sequencer.at(position), function* () {
          order.push(position);
          yield* sleep(10 - position);
        });
      function* even(): Coroutine<void> {
        for (const position of [0, 2, 4]) yield* block(position);
      }
      function* odd(): Coroutine<void> {
        for (const position of [1, 3, 5]) yield* block(position);
      }
      yield* gather(odd(), even());
      return order;
    });
    expect(order).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("in every order of the tasks", () => {
    for (let seed = 0; seed < 50; seed++) {
      const order = runVirtually(
        function* () {
          const sequencer = new Sequencer();
          const order: number[] = [];
          const positions = [3, 1, 0, 4, 2];
          yield* gather(positions.map((position) => within(sequencer.at(position), () => void order.push(position))));
          return order;
        },
        { shuffle: seed },
      );
      expect(order).toEqual([0, 1, 2, 3, 4]);
    }
  });

  test("a block holds the next one until it is left, however long it takes", () => {
    const times = runVirtually(function* () {
      const sequencer = new Sequencer();
      const now = (): number => getRunningLoop().time();
      return yield* gather(
        within(sequencer.at(1), now),
        within(sequencer.at(0), () => sleep(25)),
      );
    });
    expect(times[0]).toBe(25);
  });

  test("may be made before a loop runs, and serve several runs", () => {
    const sequencer = new Sequencer();
    const order: number[] = [];
    for (const [first, second] of [
      [0, 1],
      [2, 3],
    ] as const) {
      runVirtually(function* () {
        yield* gather(
          [second, first].map((position) => within(sequencer.at(position), () => void order.push(position))),
        );
      });
    }
    expect(order).toEqual([0, 1, 2, 3]);
  });

  test("an error inside a block goes on to its task, and the turn to the next block", () => {
    const order: string[] = [];
    function* main(): Coroutine<void> {
      const sequencer = new Sequencer();
      const failing = createTask(
        within(sequencer.at(0), function* () {
          yield* sleep(1);
          throw new Error("in the first block");
        }),
      );
      const next = createTask(within(sequencer.at(1), () => void order.push("second block")));
      yield* wait([failing, next]);
      order.push(String(failing.exception()));
    }
    runVirtually(main);
    expect(order).toEqual(["second block", "Error: in the first block"]);
  });

  test("a cancellation inside a block passes the turn on, too", () => {
    const result = runVirtually(function* () {
      const sequencer = new Sequencer();
      const first = createTask(within(sequencer.at(0), () => sleep(Number.POSITIVE_INFINITY)));
      yield* sleep(1);
      first.cancel();
      return yield* within(sequencer.at(1), () => "second block");
    });
    expect(result).toBe("second block");
  });

  test("a task that is cancelled while it waits for its turn breaks the order: who waits, or comes, hears of it", () => {
    const broken = "ERR_CORIO_SEQUENCER_BROKEN";
    const outcome = runVirtually(function* () {
      const sequencer = new Sequencer();
      const first = createTask(within(sequencer.at(0), () => sleep(5, "first")));
      const second = createTask(within(sequencer.at(1), () => "second"));
      const third = createTask(within(sequencer.at(2), () => "third"));
      yield* sleep(1);
      second.cancel();
      const late = createTask(within(sequencer.at(3), () => "late"));
      yield* wait([first, second, third, late]);
      return [first.result(), second.cancelled, third.exception(), late.exception()];
    });
    expect(outcome).toEqual([
      "first",
      true,
      expect.objectContaining({ code: broken }),
      expect.objectContaining({ code: broken }),
    ]);
  });

  test("a time limit that ends such a wait breaks it as well, and comes out as it is", () => {
    function* main(): Coroutine<unknown> {
      const sequencer = new Sequencer();
      try {
        yield* within(timeout(5), sequencer.at(1), () => "never");
      } catch (error) {
        return [error, yield* caught(within(sequencer.at(0), () => "never"))];
      }
      return undefined;
    }
    expect(runVirtually(main)).toEqual([
      expect.objectContaining({ name: "TimeoutError" }),
      expect.objectContaining({ code: "ERR_CORIO_SEQUENCER_BROKEN" }),
    ]);
  });

  test("a position that nobody takes is a deadlock, not a wait for ever", () => {
    expect(() => runVirtually(() => within(new Sequencer().at(1), () => {}))).toThrow(DeadlockError);
  });

  test("each position has one block", () => {
    const sequencer = new Sequencer();
    sequencer.at(1);
    const error = thrownBy(() => sequencer.at(1));
    expect(error).toMatchObject({ code: "ERR_CORIO_SEQUENCER" });
    expect((error as Error).message).toContain("at(1) was called before");
  });

  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, "0", undefined])(
    "a position is a whole number: not %s",
    (position) => {
      const error = thrownBy(() => new Sequencer().at(position as number));
      expect(error).toMatchObject({ code: "ERR_CORIO_SEQUENCER" });
    },
  );
});

function* caught(main: Coroutine<unknown>): Coroutine<unknown> {
  try {
    yield* main;
  } catch (error) {
    return error;
  }
  throw new Error("it threw nothing");
}
