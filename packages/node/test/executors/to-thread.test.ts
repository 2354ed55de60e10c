import { createHash } from "node:crypto";
import { type Executor, gather, getRunningLoop, run, until } from "corio";
import { describe, expect, test } from "vitest";
import { ThreadPoolExecutor } from "../../src/executors/thread-pool-executor.js";
import { toThread } from "../../src/executors/to-thread.js";
import { workerFunction } from "../../src/executors/worker-function.js";
import { works } from "./pools.js";

const place = async (): Promise<number> => (await import("node:worker_threads")).threadId;

describe("toThread", () => {
  test("runs a function in another thread", async () => {
    const here = await place();
    const there = await run(function* () {
      return yield* toThread(place);
    });
    expect(there).not.toBe(here);
  });

  test("takes arguments, and what workerFunction made", async () => {
    const results = await run(function* () {
      return yield* gather(
        toThread((a: number, b: number) => a * b, 6, 7),
        toThread(works.hash, "corio", "md5"),
        toThread(async (text: string) => {
          const { createHash } = await import("node:crypto");
          return createHash("md5").update(text).digest("hex");
        }, "corio"),
      );
    });
    const digest = createHash("md5").update("corio").digest("hex");
    expect(results).toEqual([42, digest, digest]);
  });

  test("makes a default executor where there is none, and the end of the run shuts it down", async () => {
    let made: Executor | undefined;
    const loop = await run(function* () {
      const loop = getRunningLoop();
      expect(loop.defaultExecutor).toBe(undefined);
      yield* toThread(() => 1);
      expect(loop.defaultExecutor).toBeInstanceOf(ThreadPoolExecutor);
      made = loop.defaultExecutor;
      yield* toThread(() => 2);
      expect(loop.defaultExecutor).toBe(made);
      return loop;
    });
    expect(loop.defaultExecutor).toBe(undefined);
    const later = run(function* () {
      yield* until(Promise.resolve(made?.submit(() => 1)));
    });
    await expect(later).rejects.toThrow("takes no more work after shutdown()");
  });

  test("takes the default executor that is there, of whatever kind", async () => {
    const calls: unknown[][] = [];
    const executor: Executor = {
      submit: (fn, ...args) => {
        calls.push([fn, ...args]);
        return Promise.resolve(fn(...args));
      },
      shutdown: () => Promise.resolve(),
    };
    const double = (n: number) => 2 * n;
    const result = await run(function* () {
      getRunningLoop().defaultExecutor = executor;
      return yield* toThread(double, 4);
    });
    expect(result).toBe(8);
    expect(calls).toEqual([[double, 4]]);
  });

  test("wants a running loop", () => {
    expect(() => toThread(() => 1)).toThrow(expect.objectContaining({ code: "ERR_CORIO_NO_RUNNING_LOOP" }));
  });

  test("refuses at once what no thread can run", async () => {
    await run(function* () {
      const outside = createHash;
      const refused: [unknown, RegExp][] = [
        [() => outside("md5"), /declared outside of it.*: outside\./],
        [() => createHash("md5"), /createHash \(imported\)/],
        [Math.max, /native or bound/],
        [place.bind(undefined), /native or bound/],
        [function* () {}, /coroutine function/],
        [class extends Map {}, /is a class/],
        [undefined, /runs functions, not undefined/],
        [{}, /runs functions, not object/],
      ];
      for (const [fn, message] of refused) {
        expect(() => toThread(fn as () => void)).toThrow(
          expect.objectContaining({
            name: "TypeError",
            code: "ERR_CORIO_EXECUTOR_FUNCTION",
            message: expect.stringMatching(message),
          }),
        );
      }
      // nothing was started for it
      expect(yield* toThread(() => 1)).toBe(1);
    });
  });

  test("tells a name that is missing from one that the function declares", async () => {
    await run(function* () {
      const shadowed = 1;
      expect(yield* toThread((shadowed: number) => shadowed + 1, 4)).toBe(5);
      expect(shadowed).toBe(1);
    });
  });
});

describe("workerFunction", () => {
  test("makes functions that tell where they are, and cannot be called", () => {
    const url = new URL("./fixtures/work.js", import.meta.url);
    const hash = workerFunction<{ hash(): void; other(): void }, "hash">(url, "hash");
    expect([hash.name, hash.exportName, hash.module]).toEqual(["hash", "hash", url.href]);
    expect(() => hash()).toThrow(
      expect.objectContaining({
        code: "ERR_CORIO_WORKER_FUNCTION",
        message: expect.stringContaining("write yield* toThread(hash, …)"),
      }),
    );
    expect(workerFunction<{ hash(): void }>(url.href, "hash").module).toBe(url.href);
  });

  test("refuses an address that is relative to it does not know what", () => {
    for (const address of ["./work.js", "work", "/work.js"]) {
      expect(() => workerFunction<{ hash(): void }>(address, "hash")).toThrow(
        expect.objectContaining({
          name: "TypeError",
          code: "ERR_CORIO_WORKER_FUNCTION",
          message: expect.stringContaining('new URL("./work.js", import.meta.url)'),
        }),
      );
    }
  });

  test("takes Node's own modules", async () => {
    const basename = workerFunction<{ basename(path: string): string }>("node:path", "basename");
    const name = await run(function* () {
      return yield* toThread(basename, "/a/b.txt");
    });
    expect(name).toBe("b.txt");
  });

  test("of all functions of a module gives each one once", () => {
    expect(works.hash).toBe(works.hash);
    expect(works.hash).not.toBe(works.add);
    expect((works as { then?: unknown }).then).toBe(undefined);
  });
});
