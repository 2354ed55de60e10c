import { createTask, gather, isCancelled, run, sleep, within } from "corio";
import { describe, expect, test } from "vitest";
import { pools } from "./pools.js";

/** Numbers that look random and are the same every time. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** One in some number exits, throws, or returns its number; some after a wait. */
const work = async (n: number, fate: number) => {
  if (fate < 0.1) process.exit(7);
  if (fate < 0.4) throw new RangeError(`thrown by ${n}`);
  if (fate < 0.7) await new Promise((resolve) => setTimeout(resolve, 10 * fate));
  return [n];
};

describe.each(pools)("a $kind pool under stress", ({ Pool }) => {
  test.each([
    ["which tells", false],
    ["which terminates", true],
  ])("%s: every piece of work has its own end, and nothing is left", async (_, terminateOnCancel) => {
    const random = numbers(42);
    const pool = new Pool({ maxWorkers: 3, terminateOnCancel });
    await run(
      within(pool, function* () {
        const tasks = Array.from({ length: 60 }, (_, n) => {
          const fate = random.next().value;
          const patience = random.next().value < 0.3 ? Math.floor(30 * random.next().value) : undefined;
          return createTask(function* () {
            const future = pool.submit(work, n, fate);
            if (patience !== undefined) {
              createTask(function* () {
                yield* sleep(patience);
                future.cancel();
              });
            }
            try {
              expect(yield* future).toEqual([n]);
              expect(fate).toBeGreaterThanOrEqual(0.4);
            } catch (error) {
              if (isCancelled(error)) expect(patience).not.toBe(undefined);
              else if (fate < 0.1) expect(error).toMatchObject({ code: "ERR_CORIO_WORKER_DIED" });
              else expect(error).toMatchObject({ name: "RangeError", message: `thrown by ${n}` });
            }
          });
        });
        yield* gather(tasks);
      }),
    );
    // it has come to its end, which waits for the last worker
    await run(pool.shutdown());
  });
});
