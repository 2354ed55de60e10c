import { type AsCompleted, asCompleted, type Coroutine, type Future, race, type Task, wait } from "corio";
import { expectTypeOf, test } from "vitest";

declare function text(): Coroutine<string>;
declare const task: Task<number>;
declare const future: Future<boolean>;
declare const promise: Promise<{ id: number }>;

test("wait keeps the class of what it waits for", () => {
  expectTypeOf(wait([task])).toEqualTypeOf<Coroutine<{ done: Set<Task<number>>; pending: Set<Task<number>> }>>();
  expectTypeOf(wait(new Set([future]))).toEqualTypeOf<
    Coroutine<{ done: Set<Future<boolean>>; pending: Set<Future<boolean>> }>
  >();
});

test("wait refuses coroutines and promises", () => {
  // @ts-expect-error a coroutine comes back as another object
  wait([text()]);
  // @ts-expect-error a promise comes back as another object
  wait([promise]);
  // @ts-expect-error no such option
  wait([task], { returnWhen: "FIRST" });
});

test("race gives a union of the results", () => {
  expectTypeOf(race(text(), task, future, promise)).toEqualTypeOf<
    Coroutine<string | number | boolean | { id: number }>
  >();
  expectTypeOf(race(...[1].map(() => text()))).toEqualTypeOf<Coroutine<string>>();
});

test("in a native for await, asCompleted gives futures, not their results", () => {
  async function consume(): Promise<void> {
    for await (const future of asCompleted([task])) {
      expectTypeOf(future.result()).toEqualTypeOf<number>();
      expectTypeOf(future === task).toEqualTypeOf<boolean>();
    }
  }
  expectTypeOf(consume).returns.toEqualTypeOf<Promise<void>>();
});

test("asCompleted gives coroutines, and the futures themselves", () => {
  const completed = asCompleted([text(), text()], { timeout: 1 });
  expectTypeOf(completed).toEqualTypeOf<AsCompleted<string>>();
  for (const next of completed) expectTypeOf(next).toEqualTypeOf<Coroutine<string>>();
  expectTypeOf(completed.takeFuture()).toEqualTypeOf<Coroutine<Future<string>> | undefined>();
  expectTypeOf(completed[Symbol.asyncIterator]()).toEqualTypeOf<AsyncIterableIterator<Omit<Future<string>, "then">>>();
});
