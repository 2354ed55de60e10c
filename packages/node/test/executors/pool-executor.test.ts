import { createHash } from "node:crypto";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  type Coroutine,
  createTask,
  EventLoop,
  forEach,
  type Future,
  gather,
  getRunningLoop,
  iterate,
  run,
  sleep,
  until,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { workerFunction } from "../../src/executors/worker-function.js";
import { Gate } from "./gate.js";
import { pools, works } from "./pools.js";

function* expectResult<T>(future: Future<T>, result: T): Coroutine<void> {
  expect(yield* future).toBe(result);
}

describe.each(pools)("a $kind pool", ({ kind, Pool }) => {
  test("runs a function by its text, with its arguments", async () => {
    const result = await run(
      within(new Pool({ maxWorkers: 1 }), (pool) =>
        pool.submit((a: number, b: { c: number }) => [a + b.c], 1, { c: 2 }),
      ),
    );
    expect(result).toEqual([3]);
  });

  test("runs it elsewhere", async () => {
    await run(function* () {
      const place = async () => {
        const { threadId } = await import("node:worker_threads");
        return `${process.pid}/${threadId}`;
      };
      const here = yield* until(place());
      const pool = new Pool({ maxWorkers: 1 });
      const there = yield* pool.submit(place);
      expect(there).not.toBe(here);
      expect(yield* pool.submit(place)).toBe(there);
      yield* pool.shutdown();
    });
  });

  test("gives back whatever can be cloned", async () => {
    const values = [
      undefined,
      null,
      0,
      "",
      true,
      12n ** 20n,
      [1, [2]],
      { a: { b: null } },
      new Map([[1, new Set(["x"])]]),
      new Date(0),
      /x/g,
      new Uint8Array([1, 2, 3]),
      new Float64Array([0.5]),
      Object.assign(["array"], { with: "property" }),
    ];
    await run(function* () {
      yield* within(new Pool({ maxWorkers: 1 }), function* (pool) {
        for (const value of values) {
          expect(yield* pool.submit((x: unknown) => x, value)).toEqual(value);
          expect(yield* pool.submit(async (x: unknown) => x, value)).toEqual(value);
        }
      });
    });
  });

  test("runs the functions of a TypeScript module, which is named as what it will be built to", async () => {
    await run(function* () {
      yield* within(new Pool({ maxWorkers: 2 }), function* (pool) {
        const results = yield* gather(
          pool.submit(works.hash, "corio"),
          pool.submit(works.add, 1, 2),
          pool.submit(works.default, "Ada"),
        );
        expect(results).toEqual([createHash("sha256").update("corio").digest("hex"), 3, "hello Ada"]);
      });
    });
  });

  test("lets the project's own tsx load what Node cannot", async () => {
    const url = new URL("./fixtures/enumerated.js", import.meta.url);
    const red = workerFunction<{ red(): number }>(url, "red");
    await run(within(new Pool({ maxWorkers: 1 }), (pool) => expectResult(pool.submit(red), 3)));
  });

  test("says what to install where there is none", async () => {
    using gate = new Gate();
    for (const file of ["enumerated.ts", "not-found.ts"]) {
      copyFileSync(new URL(`./fixtures/${file}`, import.meta.url), join(gate.folder, file));
    }
    const red = workerFunction<{ red(): number }>(pathToFileURL(join(gate.folder, "enumerated.js")), "red");
    const program = run(within(new Pool({ maxWorkers: 1 }), (pool) => expectResult(pool.submit(red), 3)));
    await expect(program).rejects.toThrow(
      expect.objectContaining({
        name: "CorioError",
        code: "ERR_CORIO_TYPESCRIPT",
        message: expect.stringMatching(/enumerated\.ts here \(.*\)\. Install tsx in the project/),
        cause: expect.objectContaining({ code: expect.stringMatching(/^ERR_/) }),
      }),
    );
  });

  test("says what a module does not have", async () => {
    const missing = workerFunction<{ hsh(): void }>(new URL("./fixtures/work.js", import.meta.url), "hsh");
    const value = workerFunction<{ notAFunction(): void }>(
      new URL("./fixtures/work.js", import.meta.url),
      "notAFunction",
    );
    const module = workerFunction<{ f(): void }>(new URL("./fixtures/nowhere.js", import.meta.url), "f");
    const throwing = workerFunction<{ never(): void }>(
      new URL("./fixtures/throws-on-load.js", import.meta.url),
      "never",
    );
    const coroutine = workerFunction<{ coroutine(): void }>(
      new URL("./fixtures/work.js", import.meta.url),
      "coroutine",
    );
    await run(function* () {
      yield* within(new Pool({ maxWorkers: 1 }), function* (pool) {
        const errors = yield* gather(
          [missing, value, module, throwing, coroutine].map((fn) => pool.submit(fn)),
          {
            returnExceptions: true,
          },
        );
        expect(errors).toEqual([
          expect.objectContaining({
            name: "CorioError",
            code: "ERR_CORIO_NO_EXPORT",
            message: expect.stringMatching(/fixtures\/work\.js exports no function "hsh"; its functions are: .*hash/),
          }),
          expect.objectContaining({ code: "ERR_CORIO_NO_EXPORT" }),
          expect.objectContaining({ code: "ERR_MODULE_NOT_FOUND", message: expect.stringContaining("nowhere.js") }),
          expect.objectContaining({ name: "RangeError", message: "while loading" }),
          expect.objectContaining({
            code: "ERR_CORIO_WORKER_FUNCTION",
            message: expect.stringContaining("coroutine function"),
          }),
        ]);
        // and the worker is well
        expect(yield* pool.submit(works.add, 2, 2)).toBe(4);
      });
    });
  });

  test("has as many workers as it may, and lets the rest wait in order", async () => {
    using gate = new Gate();
    await run(function* () {
      yield* within(new Pool({ maxWorkers: 2 }), function* (pool) {
        const running = ["a", "b", "c", "d"].map((name) => pool.submit(works.pass, gate.folder, name, name));
        yield* gate.reached("a.begun");
        yield* gate.reached("b.begun");
        expect([gate.has("c.begun"), gate.has("d.begun")]).toEqual([false, false]);
        gate.open();
        expect(yield* gather(running)).toEqual(["a", "b", "c", "d"]);
      });
    });
  });

  test("does not hold the loop, also while a worker starts", async () => {
    await run(function* () {
      const pool = new Pool({ maxWorkers: 1 });
      const work = pool.submit(() => 1);
      let turns = 0;
      while (!work.done) {
        yield* sleep(0);
        turns++;
      }
      expect(turns).toBeGreaterThan(1);
      expect(yield* work).toBe(1);
      yield* pool.shutdown();
    });
  });

  test("is an executor of the loop", async () => {
    const result = await run(
      within(new Pool({ maxWorkers: 1 }), (pool) => getRunningLoop().runInExecutor(pool, works.add, 3, 4)),
    );
    expect(result).toBe(7);
  });

  test("belongs to no loop", async () => {
    const pool = new Pool({ maxWorkers: 1 });
    for (const n of [1, 2]) {
      const result = await run(function* () {
        return yield* pool.submit((x: number) => x, n);
      });
      expect(result).toBe(n);
    }
    await run(pool.shutdown());
  });

  test("drops what a loop that was closed had submitted", async () => {
    using gate = new Gate();
    const pool = new Pool({ maxWorkers: 1 });
    const loop = new EventLoop();
    loop.reporter = { error() {}, warn() {} };
    await loop.runUntilComplete(
      (function* () {
        pool.submit(works.pass, gate.folder, "running", 1);
        pool.submit(works.pass, gate.folder, "queued", 2);
        yield* gate.reached("running.begun");
      })(),
    );
    loop.close();
    gate.open();
    await run(function* () {
      expect(yield* pool.submit(works.add, 1, 1)).toBe(2);
      yield* pool.shutdown();
    });
    expect([gate.has("running.ended"), gate.has("queued.begun")]).toEqual([true, false]);
  });

  describe("when it is shut down", () => {
    test("by the loop that it is the default executor of, which is closed", async () => {
      const loop = new EventLoop();
      const pool = new Pool({ maxWorkers: 1 });
      loop.defaultExecutor = pool;
      await loop.runUntilComplete(
        (function* () {
          yield* loop.runInExecutor(undefined, works.add, 1, 2);
        })(),
      );
      loop.close();
      const late = run(function* () {
        yield* pool.submit(works.add, 1, 2);
      });
      await expect(late).rejects.toThrow("takes no more work after shutdown()");
      await run(pool.shutdown());
    });

    test("takes no more work, and waits for what it has", async () => {
      using gate = new Gate();
      await run(function* () {
        const pool = new Pool({ maxWorkers: 1 });
        const work = ["a", "b"].map((name) => pool.submit(works.pass, gate.folder, name, name));
        const down = createTask(pool.shutdown());
        expect(() => pool.submit(works.add, 1, 2)).toThrow(
          expect.objectContaining({ name: "CorioError", code: "ERR_CORIO_EXECUTOR_SHUT_DOWN" }),
        );
        expect(() => pool.map(works.hash, ["a"])).toThrow(
          expect.objectContaining({ code: "ERR_CORIO_EXECUTOR_SHUT_DOWN" }),
        );
        yield* gate.reached("a.begun");
        expect(down.done).toBe(false);
        gate.open();
        yield* down;
        expect(yield* gather(work)).toEqual(["a", "b"]);
        yield* pool.shutdown();
      });
    });

    test("cancels what has not begun, if it is asked to", async () => {
      using gate = new Gate();
      await run(function* () {
        const pool = new Pool({ maxWorkers: 1 });
        const [a, b] = ["a", "b"].map((name) => pool.submit(works.pass, gate.folder, name, name));
        yield* gate.reached("a.begun");
        const down = createTask(pool.shutdown({ cancelFutures: true }));
        expect([a?.cancelled, b?.cancelled]).toEqual([false, true]);
        gate.open();
        yield* down;
        expect(a?.result()).toBe("a");
        expect(gate.has("b.begun")).toBe(false);
      });
    });

    test("is so without having worked", async () => {
      await run(new Pool().shutdown());
    });

    test("by a block that failed: what has not begun is cancelled", async () => {
      using gate = new Gate();
      const failure = new Error("of the block");
      await run(function* () {
        const pool = new Pool({ maxWorkers: 1 });
        const block = createTask(
          within(pool, function* () {
            const work = ["a", "b"].map((name) => pool.submit(works.pass, gate.folder, name, name));
            yield* gate.reached("a.begun");
            gate.open();
            expect(work.length).toBe(2);
            throw failure;
          }),
        );
        yield* sleep(0);
        while (!block.done) yield* sleep(2);
        expect(block.exception()).toBe(failure);
        expect([gate.has("a.ended"), gate.has("b.begun")]).toEqual([true, false]);
      });
    });
  });

  describe("map", () => {
    test("gives the results in the order of the items", async () => {
      const results: number[] = [];
      await run(
        within(new Pool({ maxWorkers: 2 }), (pool) =>
          forEach(
            pool.map(
              async (n: number) => {
                const { setTimeout } = await import("node:timers/promises");
                return setTimeout(5 - n, n * n);
              },
              [1, 2, 3, 4, 5],
            ),
            (n) => void results.push(n),
          ),
        ),
      );
      expect(results).toEqual([1, 4, 9, 16, 25]);
    });

    test("takes nothing before it is asked, and never more ahead than it may", async () => {
      let taken = 0;
      function* items() {
        for (let i = 0; ; i++) {
          taken++;
          yield i;
        }
      }
      let left = false;
      const source = (function* () {
        try {
          yield* items();
        } finally {
          left = true;
        }
      })();
      await run(
        within(new Pool({ maxWorkers: 1 }), function* (pool) {
          const squares = pool.map((n: number) => n ** 2, { [Symbol.iterator]: () => source }, { bufferSize: 3 });
          yield* sleep(0);
          expect(taken).toBe(0);
          yield* within(iterate(squares), function* (it) {
            for (let i = 0; i < 10; i++) {
              expect(yield* it.next()).toBe(true);
              expect(it.value).toBe(i ** 2);
              expect(taken).toBeLessThanOrEqual(i + 1 + 3);
            }
          });
          expect(left).toBe(true);
        }),
      );
    });

    test("left early, cancels what has not begun", async () => {
      using gate = new Gate();
      await run(
        within(new Pool({ maxWorkers: 1 }), function* (pool) {
          const fn = workerFunction<{ passItem(item: [string, string]): string }>(
            new URL("./fixtures/pass-item.js", import.meta.url),
            "passItem",
          );
          const items = ["a", "b", "c"].map((name): [string, string] => [gate.folder, name]);
          const reader = createTask(
            within(iterate(pool.map(fn, items)), function* (it) {
              yield* it.next();
            }),
          );
          yield* gate.reached("a.begun");
          reader.cancel();
          while (!reader.done) yield* sleep(0);
          gate.open();
          expect(yield* pool.submit(works.add, 1, 1)).toBe(2);
          expect([gate.has("b.begun"), gate.has("c.begun")]).toEqual([false, false]);
        }),
      );
    });

    test("takes from asynchronous sources, and passes on what they throw after what they gave", async () => {
      const results: number[] = [];
      async function* items() {
        yield 1;
        yield 2;
        throw new RangeError("of the source");
      }
      const program = run(
        within(new Pool({ maxWorkers: 1 }), (pool) =>
          forEach(
            pool.map((n: number) => n + 1, items()),
            (n) => void results.push(n),
          ),
        ),
      );
      await expect(program).rejects.toThrow("of the source");
      expect(results).toEqual([2, 3]);
    });

    test("throws what a function throws, at its place", async () => {
      const results: number[] = [];
      const program = run(
        within(new Pool({ maxWorkers: 2 }), (pool) =>
          forEach(
            pool.map(
              (n: number) => {
                if (n === 3) throw new RangeError("three");
                return n;
              },
              [1, 2, 3, 4, 5, 6, 7],
            ),
            (n) => void results.push(n),
          ),
        ),
      );
      await expect(program).rejects.toThrow(RangeError);
      expect(results).toEqual([1, 2]);
    });

    test("works with for await", async () => {
      const results: number[] = [];
      await run(
        within(new Pool({ maxWorkers: 1 }), (pool) => {
          const squares = pool.map((n: number) => n ** 2, [1, 2, 3])[Symbol.asyncIterator]();
          return createTask(
            (async () => {
              for await (const square of squares) results.push(square);
            })(),
          );
        }),
      );
      expect(results).toEqual([1, 4, 9]);
    });

    test("refuses what it cannot do at once", () => {
      const pool = new Pool();
      const outside = 1;
      expect(() => pool.map(() => outside, [1])).toThrow(
        expect.objectContaining({ code: "ERR_CORIO_EXECUTOR_FUNCTION" }),
      );
      expect(() => pool.map((n: number) => n, [1], { bufferSize: 0 })).toThrow(
        expect.objectContaining({ code: "ERR_CORIO_BUFFER_SIZE" }),
      );
    });
  });

  describe("an option", () => {
    test("env adds to the environment", async () => {
      await run(
        within(new Pool({ maxWorkers: 1, env: { CORIO_TEST: "here" } }), function* (pool) {
          const variables = yield* pool.submit(() => [process.env["CORIO_TEST"], process.env["PATH"]]);
          expect(variables).toEqual(["here", process.env["PATH"]]);
        }),
      );
      expect(process.env["CORIO_TEST"]).toBe(undefined);
    });

    test("execArgv is Node's own", async () => {
      await run(
        within(new Pool({ maxWorkers: 1, execArgv: ["--stack-trace-limit=3", "--no-warnings"] }), function* (pool) {
          expect(yield* pool.submit(() => process.execArgv)).toEqual(["--stack-trace-limit=3", "--no-warnings"]);
        }),
      ).catch((error: unknown) => {
        // Node takes no options of V8 for a thread; whose work fails then with what Node says
        expect(kind).toBe("thread");
        expect(error).toMatchObject({ code: "ERR_WORKER_INVALID_EXEC_ARGV" });
      });
    });

    test("idleTimeout ends a worker that has no work, and another takes its place", async () => {
      const place = async () => {
        const { threadId } = await import("node:worker_threads");
        return `${process.pid}/${threadId}`;
      };
      await run(
        within(new Pool({ maxWorkers: 1, idleTimeout: 0 }), function* (pool) {
          const first = yield* pool.submit(place);
          while ((yield* pool.submit(place)) === first) yield* sleep(5);
        }),
      );
    });

    test("out of its range is refused", () => {
      for (const maxWorkers of [0, -1, 1.5, Number.NaN]) {
        expect(() => new Pool({ maxWorkers })).toThrow(expect.objectContaining({ code: "ERR_CORIO_MAX_WORKERS" }));
      }
      expect(() => new Pool({ idleTimeout: -1 })).toThrow(expect.objectContaining({ code: "ERR_CORIO_IDLE_TIMEOUT" }));
      expect(new Pool().maxWorkers).toBeGreaterThan(0);
    });
  });
});
