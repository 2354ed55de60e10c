import type * as corio from "corio";
import { type Coroutine, CorioError, isCancelled, run, TimeoutError, within } from "corio";
import { describe, expect, test } from "vitest";
import type { PoolExecutor } from "../../src/executors/pool-executor.js";
import { workerFunctions } from "../../src/executors/worker-function.js";
import { NotFound } from "./fixtures/not-found.js";
import type * as work from "./fixtures/work.js";
import { pools, works } from "./pools.js";

/** What a function throws in a worker, as it arrives here. */
function* thrownBy<A extends unknown[]>(pool: PoolExecutor, fn: (...args: A) => unknown, ...args: A): Coroutine<any> {
  try {
    yield* pool.submit(fn, ...args);
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe.each(pools)("what a function throws in a $kind", ({ kind, Pool }) => {
  const here = (body: (pool: PoolExecutor) => Coroutine<void>) => run(within(new Pool({ maxWorkers: 1 }), body));

  test("keeps its built-in class, message and properties", () =>
    here(function* (pool) {
      const error = yield* thrownBy(pool, () => {
        throw Object.assign(new RangeError("too far"), { code: "E_FAR", detail: { by: 3 }, list: [1n] });
      });
      expect(error).toBeInstanceOf(RangeError);
      expect({ ...error }).toEqual({ code: "E_FAR", detail: { by: 3 }, list: [1n] });
      expect([error.name, error.message, Object.keys(error)]).toEqual([
        "RangeError",
        "too far",
        ["code", "detail", "list"],
      ]);
      const classes = yield* thrownBy(pool, () => {
        const all = [
          new TypeError("1"),
          new SyntaxError("2"),
          new ReferenceError("3"),
          new EvalError("4"),
          new URIError("5"),
        ];
        throw new AggregateError(all, "all");
      });
      expect(classes).toBeInstanceOf(AggregateError);
      expect(classes.message).toBe("all");
      expect(classes.errors.map((member: Error) => [member.constructor, member.message])).toEqual([
        [TypeError, "1"],
        [SyntaxError, "2"],
        [ReferenceError, "3"],
        [EvalError, "4"],
        [URIError, "5"],
      ]);
    }));

  test("keeps the errors of Node's own", () =>
    here(function* (pool) {
      const error = yield* thrownBy(pool, async () => {
        const { readFile } = await import("node:fs/promises");
        await readFile("/no/such/file");
      });
      expect(error).toBeInstanceOf(Error);
      expect(error).toMatchObject({ code: "ENOENT", syscall: "open", path: "/no/such/file", errno: -2 });
      const aborted = yield* thrownBy(pool, () => AbortSignal.abort().throwIfAborted());
      expect(aborted).toBeInstanceOf(DOMException);
      expect(aborted).toMatchObject({ name: "AbortError", code: 20 });
    }));

  test("shows its stack, with a mark that it is from elsewhere", () =>
    here(function* (pool) {
      const error = yield* thrownBy(pool, function outer() {
        function inner() {
          throw new Error("deep");
        }
        inner();
      });
      expect(error.stack).toMatch(
        new RegExp(
          `^Error: deep\\n +at inner \\(worker function outer:.*\\n +at (outer|worker function).*\\n +at <in a worker ${kind}>`,
        ),
      );
      const named = yield* thrownBy(pool, works.find, 5);
      expect(named.stack).toMatch(/at find \(.*work\.ts/);
      expect(named.stack).not.toMatch(/executors\/worker\.js|tinypool/);
    }));

  test("keeps its causes, and what refers to itself", () =>
    here(function* (pool) {
      const error = yield* thrownBy(pool, () => {
        const root: Error = new TypeError("root");
        root.cause = new Error("of the root", { cause: "a text" });
        const error = new Error("top", { cause: root });
        (root.cause as Error).cause = error;
        throw error;
      });
      expect(error.cause).toBeInstanceOf(TypeError);
      expect(error.cause.cause.message).toBe("of the root");
      expect(error.cause.cause.cause).toBe(error);
      expect(Object.keys(error)).toEqual([]);
    }));

  test("is of the class that both sides know by its name, or of the next one", () =>
    here(function* (pool) {
      const error = yield* thrownBy(pool, works.find, 5);
      expect(error).toBeInstanceOf(NotFound);
      expect(error).toMatchObject({ name: "RangeError", message: "no 5", id: 5 });
      const { find } = workerFunctions<typeof work>(new URL("./fixtures/work.js", import.meta.url));
      const plain = yield* thrownBy(pool, find, 5);
      expect(plain).not.toBeInstanceOf(NotFound);
      expect(plain).toBeInstanceOf(RangeError);
      expect(plain.id).toBe(5);
    }));

  test("is corio's own, except that nothing is cancelled by it", () =>
    here(function* (pool) {
      const late = yield* thrownBy(
        pool,
        async (name: string) => {
          const { run, waitFor, sleep } = (await import(name)) as typeof corio;
          await run(waitFor(sleep(60_000), 1));
        },
        "corio",
      );
      expect(late).toBeInstanceOf(TimeoutError);
      expect(late).toMatchObject({ name: "TimeoutError", code: "ERR_CORIO_TIMEOUT", message: "timed out after 1 ms" });
      const cancelled = yield* thrownBy(
        pool,
        async (name: string) => {
          const { CancelledError } = (await import(name)) as typeof corio;
          throw new CancelledError("there");
        },
        "corio",
      );
      expect(isCancelled(cancelled)).toBe(false);
      expect(cancelled).toBeInstanceOf(CorioError);
      expect(cancelled).toMatchObject({ code: "ERR_CORIO_CANCELLED", reason: "there" });
    }));

  test("arrives as it is if it is no error", () =>
    here(function* (pool) {
      for (const value of ["text", 1, null, { a: 1 }, [2]]) {
        const thrown = yield* thrownBy(
          pool,
          (value: unknown) => {
            throw value;
          },
          value,
        );
        expect(thrown).toEqual(value);
      }
      const nothing = yield* thrownBy(pool, () => {
        throw undefined;
      });
      expect(nothing).toMatchObject({ message: "the function threw undefined" });
    }));

  test("arrives also if parts of it cannot be sent, as texts", () =>
    here(function* (pool) {
      const error = yield* thrownBy(pool, () => {
        throw Object.assign(new Error("with a function", { cause: Symbol("cause") }), { fn: () => 1, code: "KEPT" });
      });
      expect(error).toMatchObject({ message: "with a function", fn: "() => 1", code: "KEPT", cause: "Symbol(cause)" });
      const thrown = yield* thrownBy(pool, () => {
        throw () => 1;
      });
      expect(thrown).toBe("() => 1");
    }));

  test("is a clear error for what cannot be sent", () =>
    here(function* (pool) {
      const fn = (x: unknown, y?: unknown) => [x, y].length;
      expect(yield* thrownBy(pool, fn, 1, { on: { done: () => {} } })).toMatchObject({
        name: "TypeError",
        code: "ERR_CORIO_UNCLONEABLE",
        message: `fn() cannot be called in a worker ${kind}: argument 2.on.done is a function (done), which cannot be sent. Pass plain data`,
      });
      expect(yield* thrownBy(pool, fn, Symbol("x"))).toMatchObject({
        message: expect.stringContaining("argument 1 is a symbol"),
      });
      expect(yield* thrownBy(pool, fn, [new Map([["k", Promise.resolve()]])])).toMatchObject({
        message: expect.stringContaining('argument 1[0].get("k") is a Promise'),
      });
      const result = yield* thrownBy(pool, function make() {
        return { list: [1, () => 2] };
      });
      expect(result).toMatchObject({
        name: "TypeError",
        code: "ERR_CORIO_UNCLONEABLE",
        message: "what make() returned cannot be sent back: the result.list[1] is a function. Return plain data",
      });
      // and the worker is well
      expect(yield* pool.submit(fn, 1, 2)).toBe(2);
    }));

  test("does not hold up what comes after arguments that cannot be sent", () =>
    here(function* (pool) {
      const fn = (x: unknown) => typeof x;
      const bad = pool.submit(fn, () => {});
      const good = pool.submit(fn, 1);
      expect(yield* good).toBe("number");
      expect(() => bad.result()).toThrow(TypeError);
    }));
});
