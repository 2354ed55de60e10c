import { createTask, isCancelled, run, sleep, timeout, TimeoutError, within } from "corio";
import { describe, expect, test } from "vitest";
import { currentWork } from "../../src/executors/current-work.js";
import { Gate } from "./gate.js";
import { pools, works } from "./pools.js";

const address = new URL("../../dist/executors/current-work.js", import.meta.url).href;

describe.each(pools)("work in a $kind that is cancelled", ({ kind, Pool }) => {
  test("does not begin if it has not yet", async () => {
    using gate = new Gate();
    await run(
      within(new Pool({ maxWorkers: 1 }), function* (pool) {
        const first = pool.submit(works.pass, gate.folder, "first", 1);
        const second = pool.submit(works.pass, gate.folder, "second", 2);
        const third = pool.submit(works.pass, gate.folder, "third", 3);
        yield* gate.reached("first.begun");
        expect(second.cancel("not needed")).toBe(true);
        expect([second.cancelled, second.cancelReason, second.cancel()]).toEqual([true, "not needed", false]);
        gate.open();
        expect(yield* third).toBe(3);
        expect(yield* first).toBe(1);
      }),
    );
    expect(gate.has("second.begun")).toBe(false);
  });

  test("does not begin either if its worker is about to start", async () => {
    using gate = new Gate();
    await run(
      within(new Pool({ maxWorkers: 1 }), function* (pool) {
        pool.submit(works.pass, gate.folder, "first", 1).cancel();
        gate.open();
        expect(yield* pool.submit(works.pass, gate.folder, "second", 2)).toBe(2);
      }),
    );
    expect(gate.has("first.begun")).toBe(false);
  });

  test("is over at once for who waits; the function is told by its signal, and keeps its worker until it ends", async () => {
    using gate = new Gate();
    await run(
      within(new Pool({ maxWorkers: 1 }), function* (pool) {
        const task = createTask(function* () {
          yield* pool.submit(works.untilCancelled, gate.folder);
        });
        yield* gate.reached("begun");
        const next = pool.submit(works.add, 1, 2);
        task.cancel();
        yield* sleep(0);
        expect(task.cancelled).toBe(true);
        expect(yield* next).toBe(3);
      }),
    );
    expect(gate.has("noticed")).toBe(true);
  });

  test("by a time limit is a TimeoutError", async () => {
    using gate = new Gate();
    const program = run(
      within(new Pool({ maxWorkers: 1 }), (pool) =>
        within(timeout(1), () => pool.submit(works.untilCancelled, gate.folder)),
      ),
    );
    await expect(program).rejects.toThrow(TimeoutError);
  });

  test("is told also to a function that came as a text", async () => {
    using gate = new Gate();
    await run(
      within(new Pool({ maxWorkers: 1 }), function* (pool) {
        const work = pool.submit(
          async (address: string, folder: string) => {
            const { currentWork } = (await import(address)) as typeof import("../../src/executors/current-work.js");
            const { writeFileSync } = await import("node:fs");
            const { setTimeout } = await import("node:timers/promises");
            const work = currentWork();
            writeFileSync(`${folder}/begun`, "");
            await setTimeout(600_000, undefined, { signal: work.signal }).catch(() => {});
            writeFileSync(`${folder}/noticed`, String(work.cancelled));
          },
          address,
          gate.folder,
        );
        yield* gate.reached("begun");
        work.cancel();
        yield* gate.reached("noticed");
      }),
    );
  });

  test("after it is done is not cancelled, nor is what comes next", async () => {
    await run(
      within(new Pool({ maxWorkers: 1 }), function* (pool) {
        const done = pool.submit(() => 1);
        yield* done;
        const look = async (address: string) => {
          const { currentWork } = await import(address);
          return currentWork().cancelled as boolean;
        };
        const next = pool.submit(look, address);
        expect(done.cancel()).toBe(false);
        expect(yield* next).toBe(false);
        expect(yield* pool.submit(look, address)).toBe(false);
      }),
    );
  });

  test("drops what the function throws then", async () => {
    using gate = new Gate();
    const reports: unknown[] = [];
    await run(
      within(new Pool({ maxWorkers: 1 }), function* (pool) {
        const work = pool.submit(works.untilCancelled, gate.folder);
        work.loop.exceptionHandler = (_, context) => void reports.push(context);
        yield* gate.reached("begun");
        work.cancel();
        yield* gate.reached("noticed");
        try {
          yield* work;
        } catch (error) {
          expect(isCancelled(error)).toBe(true);
        }
      }),
    );
    expect(reports).toEqual([]);
  });

  describe("by an executor that terminates", () => {
    test("ends its worker wherever it is, and only that", async () => {
      using gate = new Gate();
      await run(
        within(new Pool({ maxWorkers: 2, terminateOnCancel: true }), function* (pool) {
          const other = pool.submit(works.pass, gate.folder, "other", "well");
          yield* gate.reached("other.begun");
          const spinning = pool.submit(async (folder: string) => {
            const { writeFileSync } = await import("node:fs");
            writeFileSync(`${folder}/spinning`, "");
            while (true);
          }, gate.folder);
          const next = pool.submit(works.add, 1, 2);
          yield* gate.reached("spinning");
          spinning.cancel();
          expect(spinning.cancelled).toBe(true);
          expect(yield* next).toBe(3);
          expect(other.done).toBe(false);
          gate.open();
          expect(yield* other).toBe("well");
        }),
      );
    });

    test("again and again, at any moment, loses no other work", async () => {
      await run(
        within(new Pool({ maxWorkers: 2, terminateOnCancel: true }), function* (pool) {
          for (let i = 0; i < 8; i++) {
            const kept = pool.submit((n: number) => n, i);
            const cancelled = pool.submit((n: number) => n, -i);
            for (let turns = 0; turns < i; turns++) yield* sleep(0);
            cancelled.cancel();
            expect(yield* kept).toBe(i);
          }
        }),
      );
    });
  });

  test.runIf(kind === "thread")("is seen by a function that never waits", async () => {
    using gate = new Gate();
    await run(
      within(new Pool({ maxWorkers: 1 }), function* (pool) {
        const work = pool.submit(works.spinUntilCancelled, gate.folder);
        yield* gate.reached("begun");
        work.cancel();
        yield* gate.reached("noticed");
        expect(yield* pool.submit(works.add, 1, 2)).toBe(3);
      }),
    );
  });
});

test("currentWork is for workers", () => {
  expect(() => currentWork()).toThrow(expect.objectContaining({ name: "CorioError", code: "ERR_CORIO_NO_WORK" }));
});
