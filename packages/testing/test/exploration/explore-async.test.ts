import { exploreAsync, replayAsync } from "@corio/testing";
import { type Coroutine, createTask, gather, getRunningLoop, Queue, sleep, until, within, timeout } from "corio";
import { describe, expect, test } from "vitest";

describe("exploreAsync", () => {
  test("lets promises settle, also chains of them and behind a gather, before time passes", async () => {
    const { exhaustive } = await exploreAsync(function* () {
      const chain = async (): Promise<number> => {
        await Promise.resolve();
        await Promise.resolve();
        return 1;
      };
      const [one, two] = yield* gather(
        until(chain()),
        within(timeout(10), () => until(Promise.resolve(2))),
      );
      expect([one, two, getRunningLoop().time()]).toEqual([1, 2, 0]);
    });
    expect(exhaustive).toBe(true);
  });

  test("waits for real timers", async () => {
    let waits = 0;
    await exploreAsync(
      function* () {
        yield* until(new Promise<void>((resolve) => void setTimeout(resolve, 5)));
        waits++;
        expect(getRunningLoop().time()).toBe(0);
      },
      { schedules: 2 },
    );
    expect(waits).toBeGreaterThan(0);
  });

  test("waits for who holds the loop", async () => {
    await exploreAsync(
      function* () {
        const loop = getRunningLoop();
        const future = loop.createFuture<void>();
        const hold = loop.hold();
        setTimeout(() => {
          hold[Symbol.dispose]();
          future.setResult();
        }, 5);
        yield* future;
      },
      { schedules: 1 },
    );
  });

  test("finds an order under which it fails, which replayAsync repeats", async () => {
    function* program(): Coroutine<void> {
      const queue = new Queue<string>();
      function* worker(name: string): Coroutine<void> {
        yield* until(Promise.resolve());
        yield* sleep(0);
        queue.putNowait(name);
      }
      const first = createTask(worker("first"));
      yield* createTask(worker("second"));
      yield* first;
      if (queue.getNowait() !== "first") throw new Error("overtaken");
    }
    const error = await exploreAsync(program).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "ExplorationError", kind: "error", cause: { message: "overtaken" } });
    const { seed, schedule } = error as { seed: string; schedule: string };
    await expect(replayAsync(program, schedule)).rejects.toThrow("overtaken");
    await expect(replayAsync(program, seed)).rejects.toThrow("overtaken");
    await replayAsync(program, "ordinary");
  });

  test("takes a promise that nothing is going to settle for a deadlock", async () => {
    const waiting = exploreAsync(function* () {
      yield* until(new Promise<void>(() => {}));
    });
    await expect(waiting).rejects.toMatchObject({ kind: "deadlock" });
  });
});
