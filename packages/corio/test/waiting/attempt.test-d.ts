import { attempt, type Coroutine, type Future, retry, until } from "corio";
import { expectTypeOf, test } from "vitest";

declare function text(): Coroutine<string>;
declare const promise: Promise<number>;

test("attempt gives a union that `ok` tells apart", () => {
  function* main(): Coroutine<void> {
    const found = yield* attempt(text());
    // @ts-expect-error it may have failed
    void found.value;
    if (found.ok) {
      expectTypeOf(found.value).toEqualTypeOf<string>();
      // @ts-expect-error there is none
      void found.error;
    } else expectTypeOf(found.error).toEqualTypeOf<unknown>();
  }
  expectTypeOf(main).returns.toEqualTypeOf<Coroutine<void>>();
});

test("attempt takes functions and promises", () => {
  function* main(): Coroutine<void> {
    const [a, b] = [yield* attempt(text), yield* attempt(promise)];
    if (a.ok) expectTypeOf(a.value).toEqualTypeOf<string>();
    if (b.ok) expectTypeOf(b.value).toEqualTypeOf<number>();
  }
  expectTypeOf(main).returns.toEqualTypeOf<Coroutine<void>>();
});

test("retry gives what the function's coroutine, future or promise gives", () => {
  expectTypeOf(retry(() => text())).toEqualTypeOf<Coroutine<string>>();
  expectTypeOf(retry(async (attempt) => attempt)).toEqualTypeOf<Coroutine<number>>();
  // @ts-expect-error a coroutine can be run only once
  retry(text());
});

test("until makes a future of a promise, or of what a function gives for a signal", () => {
  expectTypeOf(until(promise)).toEqualTypeOf<Future<number>>();
  expectTypeOf(until((signal) => fetch("url", { signal }))).toEqualTypeOf<Future<Response>>();
  expectTypeOf(until((signal) => Promise.resolve(signal))).toEqualTypeOf<Future<AbortSignal>>();
  // @ts-expect-error a coroutine is awaited itself
  until(text());
});
