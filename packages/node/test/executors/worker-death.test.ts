import { run, within } from "corio";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ProcessPoolExecutor } from "../../src/executors/process-pool-executor.js";
import { ThreadPoolExecutor } from "../../src/executors/thread-pool-executor.js";
import { Gate } from "./gate.js";
import { pools, works } from "./pools.js";

// where a process says of what it died
beforeEach(() => {
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
});

afterEach(() => {
  vi.restoreAllMocks();
});

const died = (message: RegExp) =>
  expect.objectContaining({
    name: "CorioError",
    code: "ERR_CORIO_WORKER_DIED",
    message: expect.stringMatching(message),
  });

const exhaust = (): number => {
  const held: unknown[] = [];
  while (true) held.push(new Array(1000).fill(held.length));
};

describe.each(pools)("a $kind that dies", ({ kind, Pool }) => {
  const deaths: [how: string, fn: () => unknown, message: RegExp][] = [
    ["of process.exit()", () => process.exit(3), /exit code 3$/],
    ["of process.exit() without an error", () => process.exit(0), /exit code 0$/],
    [
      "of an uncaught error",
      () => {
        setTimeout(() => {
          throw new RangeError("late");
        });
        return new Promise(() => {});
      },
      kind === "thread" ? /: RangeError: late$/ : /exit code 1$/,
    ],
    [
      "of a rejection that nobody handles",
      () => {
        void Promise.reject(new RangeError("lost"));
        return new Promise(() => {});
      },
      kind === "thread" ? /: RangeError: lost$/ : /exit code 1$/,
    ],
  ];

  test.each(deaths)("%s fails its own work, and the pool goes on", async (_, fn, message) => {
    using gate = new Gate();
    await run(
      within(new Pool({ maxWorkers: 2, env: { NODE_OPTIONS: "" } }), function* (pool) {
        const other = pool.submit(works.pass, gate.folder, "other", "well");
        yield* gate.reached("other.begun");
        const dying = pool.submit(fn);
        const next = pool.submit(works.add, 1, 2);
        try {
          yield* dying;
          expect.fail("it did not die");
        } catch (error) {
          expect(error).toEqual(died(message));
          expect((error as Error).message).toMatch(new RegExp(`^the worker ${kind} that ran .* ended before it did: `));
        }
        expect(yield* next).toBe(3);
        expect(other.done).toBe(false);
        gate.open();
        expect(yield* other).toBe("well");
      }),
    );
  });

  test("tells what it ran", async () => {
    const program = run(
      within(new Pool({ maxWorkers: 1 }), function* (pool) {
        yield* pool.submit(function quit() {
          process.exit(1);
        });
      }),
    );
    await expect(program).rejects.toThrow(`the worker ${kind} that ran quit() ended before it did: exit code 1`);
  });

  test("while it starts fails the work that it was started for, and no other", async () => {
    const options = {
      maxWorkers: 1,
      execArgv: ["--import", "data:text/javascript,throw new RangeError('at the start')"],
    };
    await run(
      within(new Pool(options), function* (pool) {
        for (let i = 0; i < 2; i++) {
          try {
            yield* pool.submit(() => 1);
            expect.fail("it did not die");
          } catch (error) {
            expect(error).toEqual(died(kind === "thread" ? /RangeError: at the start/ : /exit code 1/));
          }
        }
      }),
    );
  });

  test("again and again leaves nothing behind", async () => {
    await run(
      within(new Pool({ maxWorkers: 2 }), function* (pool) {
        const work = Array.from({ length: 6 }, (_, i) =>
          pool.submit((i: number) => (i % 2 === 0 ? process.exit(i) : i), i),
        );
        for (const [i, future] of work.entries()) {
          if (i % 2 === 1) expect(yield* future).toBe(i);
          else {
            try {
              yield* future;
              expect.fail("it did not die");
            } catch (error) {
              expect(error).toEqual(died(new RegExp(`exit code ${i}$`)));
            }
          }
        }
      }),
    );
  });
});

describe("a thread", () => {
  // A bare Worker of Node 26 that runs out of memory now and then neither errs nor exits on a busy machine.
  const hangs = Number(process.versions.node.split(".")[0]) >= 26;
  test.skipIf(hangs)("that runs out of memory fails its own work", async () => {
    await run(
      within(
        new ThreadPoolExecutor({ maxWorkers: 1, resourceLimits: { maxOldGenerationSizeMb: 16 } }),
        function* (pool) {
          try {
            yield* pool.submit(exhaust);
            expect.fail("it did not die");
          } catch (error) {
            expect(error).toEqual(died(/ERR_WORKER_OUT_OF_MEMORY/));
            expect((error as Error).cause).toMatchObject({ code: "ERR_WORKER_OUT_OF_MEMORY" });
          }
          expect(yield* pool.submit(() => 1)).toBe(1);
        },
      ),
    );
  });
});

describe("a process", () => {
  test("that is killed fails its own work", async () => {
    await run(
      within(new ProcessPoolExecutor({ maxWorkers: 1 }), function* (pool) {
        const pid = yield* pool.submit(() => process.pid);
        const work = pool.submit(() => new Promise(() => {}));
        process.kill(pid, "SIGKILL");
        try {
          yield* work;
          expect.fail("it did not die");
        } catch (error) {
          expect(error).toEqual(died(/killed by SIGKILL$/));
        }
        expect(yield* pool.submit(() => process.pid)).not.toBe(pid);
      }),
    );
  });

  test("that runs out of memory fails its own work", async () => {
    await run(
      within(new ProcessPoolExecutor({ maxWorkers: 1, execArgv: ["--max-old-space-size=16"] }), function* (pool) {
        try {
          yield* pool.submit(exhaust);
          expect.fail("it did not die");
        } catch (error) {
          expect(error).toEqual(died(/killed by SIG|exit code 134/));
        }
        expect(yield* pool.submit(() => 1)).toBe(1);
      }),
    );
  });

  test("that closes its channel fails its own work", async () => {
    await run(
      within(new ProcessPoolExecutor({ maxWorkers: 1 }), function* (pool) {
        try {
          yield* pool.submit(() => {
            process.disconnect();
            return new Promise(() => {});
          });
          expect.fail("it did not die");
        } catch (error) {
          expect(error).toEqual(died(/exit code 0$/));
        }
        expect(yield* pool.submit(() => 1)).toBe(1);
      }),
    );
  });
});
