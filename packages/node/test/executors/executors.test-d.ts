import type { AsyncGenerator, Executor, Future } from "corio";
import { describe, expectTypeOf, test } from "vitest";
import type { ProcessPoolExecutor } from "../../src/executors/process-pool-executor.js";
import type { ThreadPoolExecutor } from "../../src/executors/thread-pool-executor.js";
import { toThread } from "../../src/executors/to-thread.js";
import { transfer } from "../../src/executors/transfer.js";
import { workerFunction, workerFunctions } from "../../src/executors/worker-function.js";
import type * as single from "./fixtures/pass-item.js";
import type * as work from "./fixtures/work.js";

declare const pool: ThreadPoolExecutor;
const url = new URL("file:///work.js");

describe("executors", () => {
  test("are executors of the core", () => {
    expectTypeOf<ThreadPoolExecutor>().toExtend<Executor>();
    expectTypeOf<ProcessPoolExecutor>().toExtend<Executor>();
  });

  test("give what the function gives, awaited", () => {
    expectTypeOf(pool.submit((a: number, b: string) => b.repeat(a), 1, "x")).toEqualTypeOf<Future<string>>();
    expectTypeOf(pool.submit(async (a: number) => a, 1)).toEqualTypeOf<Future<number>>();
    expectTypeOf(toThread(<T>(x: T) => [x], 1)).toEqualTypeOf<Future<number[]>>();
    expectTypeOf(toThread(() => {})).toEqualTypeOf<Future<void>>();
    expectTypeOf(pool.map(async (n: number) => String(n), [1, 2])).toEqualTypeOf<
      AsyncGenerator<string, void, unknown>
    >();
  });

  test("check the arguments", () => {
    // @ts-expect-error an argument is missing
    pool.submit((a: number) => a);
    // @ts-expect-error it is of another type
    toThread((a: number) => a, "1");
    // @ts-expect-error there are too many
    toThread((a: number) => a, 1, 2);
    // @ts-expect-error the items are of another type
    pool.map((a: number) => a, ["1"]);
  });
});

describe("workerFunction", () => {
  test("infers everything for the only function of a module", () => {
    const passItem = workerFunction<typeof single>(url, "passItem");
    expectTypeOf(toThread(passItem, ["a", "b"])).toEqualTypeOf<Future<string>>();
    expectTypeOf(pool.map(passItem, [["a", "b"]])).toEqualTypeOf<AsyncGenerator<string, void, unknown>>();
    // @ts-expect-error it has no such function
    workerFunction<typeof single>(url, "passItems");
  });

  test("infers arguments and result by the name, also of the default export", () => {
    const hash = workerFunction<typeof work, "hash">(url, "hash");
    expectTypeOf(toThread(hash, "text")).toEqualTypeOf<Future<string>>();
    expectTypeOf(pool.submit(hash, "text", "md5")).toEqualTypeOf<Future<string>>();
    expectTypeOf(hash.module).toEqualTypeOf<string>();
    const greet = workerFunction<typeof work, "default">(url, "default");
    expectTypeOf(toThread(greet, "Ada")).toEqualTypeOf<Future<string>>();
    // @ts-expect-error the arguments are checked
    toThread(hash, 1);
    // @ts-expect-error the names are to agree
    workerFunction<typeof work, "hash">(url, "add");
  });

  test("of all functions of a module infers each", () => {
    const { hash, add, default: greet, find } = workerFunctions<typeof work>(url);
    expectTypeOf(toThread(hash, "text")).toEqualTypeOf<Future<string>>();
    expectTypeOf(toThread(add, 1, 2)).toEqualTypeOf<Future<number>>();
    expectTypeOf(toThread(greet, "Ada")).toEqualTypeOf<Future<string>>();
    expectTypeOf(toThread(find, 1)).toEqualTypeOf<Future<never>>();
    // @ts-expect-error a coroutine function runs in no worker
    void workerFunctions<typeof work>(url).coroutine;
    // @ts-expect-error this is no function
    void workerFunctions<typeof work>(url).notAFunction;
  });

  test("of several functions, without a name that the compiler knows, is none to call", () => {
    const one = workerFunction<typeof work>(url, "hash");
    // @ts-expect-error which one is not known: workerFunction<typeof work, "hash">
    toThread(one, "text");
  });
});

test("transfer gives its value back", () => {
  expectTypeOf(transfer(new Uint8Array(1))).toExtend<Uint8Array>();
  // @ts-expect-error only objects can be transferred
  transfer(1);
});
