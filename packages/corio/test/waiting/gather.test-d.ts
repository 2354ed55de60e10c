import { type Coroutine, type Future, gather, shield, type Task, waitFor } from "corio";
import { expectTypeOf, test } from "vitest";

declare function text(): Coroutine<string>;
declare const task: Task<number>;
declare const future: Future<boolean>;
declare const promise: Promise<{ id: number }>;

test("awaitables one by one give a tuple", () => {
  expectTypeOf(gather(text(), task, future, promise)).toEqualTypeOf<
    Future<[string, number, boolean, { id: number }]>
  >();
  expectTypeOf(gather()).toEqualTypeOf<Future<[]>>();
  function* main(): Coroutine<void> {
    const [a, b] = yield* gather(text(), task);
    expectTypeOf(a).toEqualTypeOf<string>();
    expectTypeOf(b).toEqualTypeOf<number>();
  }
  expectTypeOf(main).returns.toEqualTypeOf<Coroutine<void>>();
});

test("an array literal gives a tuple, an array an array, a set an array", () => {
  expectTypeOf(gather([text(), task])).toEqualTypeOf<Future<[string, number]>>();
  expectTypeOf(gather([text(), task], { cancelOnError: false })).toEqualTypeOf<Future<[string, number]>>();
  expectTypeOf(gather([1, 2].map(() => text()))).toEqualTypeOf<Future<string[]>>();
  expectTypeOf(gather(new Set<Task<number>>())).toEqualTypeOf<Future<number[]>>();
});

test("with returnExceptions each may be an Error", () => {
  expectTypeOf(gather([text(), task], { returnExceptions: true })).toEqualTypeOf<
    Future<[string | Error, number | Error]>
  >();
  expectTypeOf(
    gather(
      [1].map(() => text()),
      { returnExceptions: true },
    ),
  ).toEqualTypeOf<Future<(string | Error)[]>>();
  expectTypeOf(gather(new Set<Task<number>>(), { returnExceptions: true })).toEqualTypeOf<Future<(number | Error)[]>>();
  expectTypeOf(gather([text()], { returnExceptions: false })).toEqualTypeOf<Future<[string]>>();
});

test("what cannot be awaited is refused", () => {
  // @ts-expect-error a number is no awaitable
  gather(1);
  // @ts-expect-error a function is called first
  gather([text]);
});

test("shield and waitFor keep the result", () => {
  expectTypeOf(shield(text())).toEqualTypeOf<Future<string>>();
  expectTypeOf(shield(promise)).toEqualTypeOf<Future<{ id: number }>>();
  expectTypeOf(waitFor(text(), 1)).toEqualTypeOf<Coroutine<string>>();
  expectTypeOf(waitFor(task, null)).toEqualTypeOf<Coroutine<number>>();
  // @ts-expect-error milliseconds, or null for no limit
  waitFor(task, undefined);
});
