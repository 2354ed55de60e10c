import { Barrier, type Coroutine, createTask, gather, type Task, waitFor, within } from "corio";
import { describe, expect, test } from "vitest";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtually, virtualLoop } from "../support/virtual-loop.js";

describe("Barrier", () => {
  test.each([0, -1, Number.NaN, 1.5, "x"])("%s is no number of parties", (parties) => {
    expect(() => new Barrier(parties as number)).toThrow(
      expect.objectContaining({ name: "RangeError", code: "ERR_CORIO_BARRIER_PARTIES" }),
    );
  });

  test("is filling at first", () => {
    const barrier = new Barrier(3);
    expect(look(barrier)).toEqual({ state: "filling", waiting: 0, count: 0, broken: false });
    expect(barrier.parties).toBe(3);
  });

  test("a barrier of one party never waits", () => {
    runCleanly(function* () {
      const barrier = new Barrier(1);
      expect([yield* barrier.wait(), yield* barrier.wait()]).toEqual([0, 0]);
      expect(look(barrier)).toEqual({ state: "filling", waiting: 0, count: 0, broken: false });
    });
  });

  test("all go on when the last one comes, each with a position of its own", () => {
    runCleanly(function* () {
      const barrier = new Barrier(3);
      const tasks = [createTask(barrier.wait()), createTask(barrier.wait())];
      yield* turns();
      expect(look(barrier)).toEqual({ state: "filling", waiting: 2, count: 2, broken: false });
      expect(yield* barrier.wait()).toBe(2);
      expect(look(barrier)).toEqual({ state: "draining", waiting: 0, count: 2, broken: false });
      expect(yield* gather(tasks)).toEqual([0, 1]);
      expect(look(barrier)).toEqual({ state: "filling", waiting: 0, count: 0, broken: false });
    });
  });

  test("can be used again and again, also by those who come back at once", () => {
    runCleanly(function* () {
      const barrier = new Barrier(3);
      const rounds: number[][] = [[], [], []];
      const tasks = [0, 1, 2].map((i) =>
        createTask(function* () {
          for (let round = 0; round < 10; round++) {
            yield* turns((i * 7 + round) % 3);
            yield* barrier.wait();
            rounds[i]?.push(round);
            expect(rounds.map((passed) => passed.length).every((n) => Math.abs(n - round - 1) <= 1)).toBe(true);
          }
        }),
      );
      for (const task of tasks) yield* task;
      expect(rounds.map((passed) => passed.length)).toEqual([10, 10, 10]);
    });
  });

  test("who comes while the last round is on its way out waits for the next round", () => {
    runCleanly(function* () {
      const barrier = new Barrier(2);
      const first = createTask(barrier.wait());
      yield* turns();
      expect(yield* barrier.wait()).toBe(1);
      expect(barrier.state).toBe("draining");
      const late = createTask(barrier.wait());
      yield* first;
      yield* turns();
      expect([late.done, barrier.waiting]).toEqual([false, 1]);
      expect(yield* barrier.wait()).toBe(1);
      expect(yield* late).toBe(0);
    });
  });

  test("within waits at it, and gives the position", () => {
    runCleanly(function* () {
      const barrier = new Barrier(2);
      const positions = yield* gather([0, 1].map(() => within(barrier, (position) => position)));
      expect(new Set(positions)).toEqual(new Set([0, 1]));
    });
  });

  test("one that is cancelled while it waits no longer counts, and the others go on waiting", () => {
    runCleanly(function* () {
      const barrier = new Barrier(3);
      const [first, second] = [createTask(barrier.wait()), createTask(barrier.wait())];
      yield* turns();
      first.cancel();
      yield* turns();
      expect([first.cancelled, second.done, barrier.waiting]).toEqual([true, false, 1]);
      createTask(barrier.wait());
      yield* turns();
      expect(barrier.waiting).toBe(2);
      yield* barrier.wait();
      yield* second;
      yield* turns();
      expect(look(barrier)).toEqual({ state: "filling", waiting: 0, count: 0, broken: false });
    });
  });

  test("one that is cancelled on its way out does not keep the others in, nor the next round out", () => {
    runCleanly(function* () {
      const barrier = new Barrier(3);
      const [first, second] = [createTask(barrier.wait()), createTask(barrier.wait())];
      yield* turns();
      yield* barrier.wait();
      first.cancel();
      const late = createTask(barrier.wait());
      expect(yield* second).toBe(1);
      yield* turns();
      expect([first.cancelled, late.done, look(barrier)]).toEqual([
        true,
        false,
        { state: "filling", waiting: 1, count: 1, broken: false },
      ]);
      late.cancel();
      yield* turns();
    });
  });

  test("abort breaks it: those who wait and those who come get a BrokenBarrierError, until a reset", () => {
    runCleanly(function* () {
      const barrier = new Barrier(3);
      const tasks = [createTask(barrier.wait()), createTask(barrier.wait())];
      yield* turns();
      yield* barrier.abort();
      expect(barrier.broken).toBe(true);
      expect((yield* gather(tasks, { returnExceptions: true })).map(String)).toEqual([
        expect.stringContaining("BrokenBarrierError"),
        expect.stringContaining("BrokenBarrierError"),
      ]);
      expect(look(barrier)).toEqual({ state: "broken", waiting: 0, count: 0, broken: true });
      expect((yield* thrownBy(barrier.wait())) as object).toMatchObject({ code: "ERR_CORIO_BROKEN_BARRIER" });
      yield* barrier.reset();
      expect(look(barrier)).toEqual({ state: "filling", waiting: 0, count: 0, broken: false });
      const positions = yield* gather(barrier.wait(), barrier.wait(), barrier.wait());
      expect(new Set(positions)).toEqual(new Set([0, 1, 2]));
    });
  });

  test("reset sends those away who wait, and begins anew when the last of them has gone", () => {
    runCleanly(function* () {
      const barrier = new Barrier(3);
      const tasks = [createTask(barrier.wait()), createTask(barrier.wait())];
      yield* turns();
      yield* barrier.reset();
      expect(barrier.state).toBe("resetting");
      const late = createTask(barrier.wait());
      for (const task of tasks) expect(yield* thrownBy(task)).toMatchObject({ name: "BrokenBarrierError" });
      yield* turns();
      expect([late.done, look(barrier)]).toEqual([false, { state: "filling", waiting: 1, count: 1, broken: false }]);
      yield* gather(barrier.wait(), barrier.wait(), late);
    });
  });

  test("who comes after a reset and before those who are sent away have gone does not complete their round", () => {
    runCleanly(function* () {
      const barrier = new Barrier(3);
      const tasks = [createTask(barrier.wait()), createTask(barrier.wait())];
      yield* turns();
      yield* barrier.reset();
      const late = createTask(barrier.wait(), { eagerStart: true });
      expect(barrier.state).toBe("resetting");
      for (const task of tasks) expect(yield* thrownBy(task)).toMatchObject({ name: "BrokenBarrierError" });
      yield* turns();
      expect([late.done, look(barrier)]).toEqual([false, { state: "filling", waiting: 1, count: 1, broken: false }]);
      late.cancel();
      yield* turns();
    });
  });

  test("reset with nobody at it changes nothing", () => {
    runCleanly(function* () {
      const barrier = new Barrier(2);
      yield* barrier.reset();
      expect(barrier.state).toBe("filling");
    });
  });

  test("abort while the last round is on its way out breaks it for those too, and for who waits for the next", () => {
    runCleanly(function* () {
      const barrier = new Barrier(2);
      const first = createTask(barrier.wait());
      yield* turns();
      expect(yield* barrier.wait()).toBe(1);
      const aborting = barrier.abort();
      yield* aborting;
      expect(yield* thrownBy(first)).toMatchObject({ name: "BrokenBarrierError" });
      expect(yield* thrownBy(barrier.wait())).toMatchObject({ name: "BrokenBarrierError" });
      expect(barrier.broken).toBe(true);
    });
  });

  test("a time limit that passes at it leaves it usable", () => {
    const barrier = new Barrier(2);
    const run = runVirtually(() => waitFor(barrier.wait(), 10));
    expect(run.throws).toMatchObject({ name: "TimeoutError" });
    expect(look(barrier)).toEqual({ state: "filling", waiting: 0, count: 0, broken: false });
  });

  test("waiting at it on a second loop is refused with its name, and does not count", () => {
    const barrier = new Barrier(3);
    const one = virtualLoop();
    const waiting = one.loop.start(barrier.wait());
    one.host.runTurn();
    expect(runVirtually(() => barrier.wait()).throws).toMatchObject({
      code: "ERR_CORIO_OTHER_LOOP",
      message: expect.stringContaining("Barrier"),
    });
    expect(barrier.waiting).toBe(1);
    const others = [one.loop.createTask(barrier.wait()), one.loop.createTask(barrier.wait())];
    while (!waiting.done && one.host.step());
    expect([waiting, ...others].map((task) => task.result())).toEqual([0, 1, 2]);
    one.loop.close();
  });
});

function look({ state, waiting, count, broken }: Barrier): object {
  return { state, waiting, count, broken };
}

function* thrownBy(awaitable: Coroutine<unknown> | Task<unknown>): Coroutine<unknown> {
  try {
    yield* awaitable as Task<unknown>;
  } catch (error) {
    return error;
  }
  return expect.unreachable("it did not throw");
}
