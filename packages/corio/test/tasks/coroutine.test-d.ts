import {
  type Coroutine,
  coroutine,
  createTask,
  ensureFuture,
  type Future,
  run,
  sleep,
  type Suspension,
  type Task,
} from "corio";
import { describe, expectTypeOf, test } from "vitest";

declare const future: Future<number>;
declare const promise: Promise<number>;

describe("the forgotten star is a compile error", () => {
  test("where a task is made of the function", () => {
    createTask(function* () {
      yield* future;
      yield;
    });
    // @ts-expect-error yield instead of yield*
    createTask(function* () {
      yield future;
    });
    // @ts-expect-error yield instead of yield*
    createTask(function* () {
      yield sleep(1);
    });
    // @ts-expect-error a promise is awaited with `yield* until(promise)`
    createTask(function* () {
      yield promise;
    });
    // @ts-expect-error yield instead of yield*
    void run(function* () {
      yield future;
    });
  });

  test("where the function is annotated", () => {
    function* right(): Coroutine<number> {
      return yield* future;
    }
    function* wrong(): Coroutine<number> {
      // @ts-expect-error yield instead of yield*
      yield future;
      // @ts-expect-error yield instead of yield*
      yield sleep(1);
      return 1;
    }
    expectTypeOf(right).returns.toEqualTypeOf<Coroutine<number>>();
    expectTypeOf(wrong).returns.toEqualTypeOf<Coroutine<number>>();
  });

  test("where coroutine() wraps the function", () => {
    // @ts-expect-error yield instead of yield*
    coroutine(function* () {
      yield future;
    });
  });

  test("what a coroutine yields is opaque", () => {
    expectTypeOf<Coroutine<number>>().toEqualTypeOf<Generator<Suspension, number, void>>();
    expectTypeOf<number>().not.toExtend<Suspension>();
    expectTypeOf<Future<number>>().not.toExtend<Suspension>();
  });
});

describe("yield*", () => {
  test("infers the result of a coroutine, a future and a task", () => {
    function* main(task: Task<{ id: number }>): Coroutine<void> {
      expectTypeOf(yield* future).toEqualTypeOf<number>();
      expectTypeOf(yield* task).toEqualTypeOf<{ id: number }>();
      expectTypeOf(yield* sleep(1)).toEqualTypeOf<void>();
      expectTypeOf(yield* sleep(1, "result")).toEqualTypeOf<string>();
    }
    expectTypeOf(main).returns.toExtend<Coroutine<void>>();
  });

  test("a plain function* is inferred to be a coroutine", () => {
    function* inferred() {
      const n = yield* future;
      yield* sleep(n);
      return `${n}`;
    }
    expectTypeOf(inferred()).toExtend<Coroutine<string>>();
    expectTypeOf(createTask(inferred())).toEqualTypeOf<Task<string>>();
    expectTypeOf(createTask(inferred)).toEqualTypeOf<Task<string>>();
    expectTypeOf(createTask(promise)).toEqualTypeOf<Task<number>>();
    expectTypeOf(ensureFuture(inferred())).toEqualTypeOf<Future<string>>();
    expectTypeOf(ensureFuture(promise)).toEqualTypeOf<Future<number>>();
  });

  test("a future is awaited in plain async code", () => {
    expectTypeOf<Awaited<Future<number>>>().toEqualTypeOf<number>();
    expectTypeOf<Awaited<Task<Promise<string>>>>().toEqualTypeOf<string>();
  });
});

describe("coroutine()", () => {
  test("keeps parameters, optional and rest ones included", () => {
    const wrapped = coroutine(function* (id: number, name?: string, ..._rest: boolean[]): Coroutine<string> {
      yield* sleep(id);
      return name ?? "";
    });
    expectTypeOf(wrapped).parameters.toEqualTypeOf<[id: number, name?: string | undefined, ...rest: boolean[]]>();
    expectTypeOf(wrapped(1)).toEqualTypeOf<Coroutine<string>>();
    // @ts-expect-error a number is wanted
    wrapped("1");
  });

  test("keeps type parameters", () => {
    const first = coroutine(function* <T>(items: readonly T[]): Coroutine<T | undefined> {
      yield* sleep(1);
      return items[0];
    });
    expectTypeOf(first([1, 2])).toEqualTypeOf<Coroutine<number | undefined>>();
    expectTypeOf(first(["a"])).toEqualTypeOf<Coroutine<string | undefined>>();
  });

  test("infers the result where nothing is annotated", () => {
    const wrapped = coroutine(function* () {
      return yield* future;
    });
    expectTypeOf(wrapped()).toEqualTypeOf<Coroutine<number>>();
  });

  test("keeps `this`", () => {
    interface Account {
      balance: number;
    }
    const deposit = coroutine(function* (this: Account, amount: number): Coroutine<number> {
      yield* sleep(1);
      return this.balance + amount;
    });
    const account = { balance: 1, deposit };
    expectTypeOf(account.deposit(1)).toEqualTypeOf<Coroutine<number>>();
    const stranger = { deposit };
    // @ts-expect-error `this` is no account
    stranger.deposit(1);
  });

  test("takes no async function", () => {
    // @ts-expect-error a coroutine function is written function*
    coroutine(async () => 1);
  });
});
