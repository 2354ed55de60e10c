import {
  type AsyncGenerator,
  asyncGenerator,
  type Coroutine,
  type Cursor,
  forEach,
  type Future,
  iterate,
  map,
  Queue,
  sleep,
  within,
} from "corio";
import { describe, expectTypeOf, test } from "vitest";

declare const future: Future<number>;
declare const stream: AsyncIterable<Uint8Array>;
declare function text(n: number): Coroutine<string>;

describe("asyncGenerator", () => {
  test("its items are what it yields, not what it waits for", () => {
    const ticks = asyncGenerator(function* (count: number) {
      for (let i = 0; i < count; i++) {
        yield* sleep(1);
        yield `${i}`;
      }
      return true;
    });
    expectTypeOf(ticks).parameters.toEqualTypeOf<[count: number]>();
    expectTypeOf(ticks(1)).toEqualTypeOf<AsyncGenerator<string, boolean, unknown>>();
    expectTypeOf(ticks(1).next()).toEqualTypeOf<Coroutine<IteratorResult<string, boolean>>>();
    expectTypeOf(ticks(1)[Symbol.asyncIterator]()).toEqualTypeOf<AsyncIterableIterator<string>>();
  });

  test("it may yield futures, and different things", () => {
    const futures = asyncGenerator(function* () {
      yield future;
    });
    expectTypeOf(futures()).toEqualTypeOf<AsyncGenerator<Future<number>, void, unknown>>();
    const mixed = asyncGenerator(function* () {
      yield 1;
      yield* sleep(1);
      yield "a";
    });
    forEach(mixed(), (item) => {
      expectTypeOf(item).toEqualTypeOf<number | string>();
    });
  });
});

describe("iterate", () => {
  test("knows the items of every source", () => {
    within(iterate(new Queue<string>()), (it) => void expectTypeOf(it).toEqualTypeOf<Cursor<string>>());
    within(iterate([1, 2]), (it) => void expectTypeOf(it.value).toEqualTypeOf<number>());
    within(iterate(stream), (it) => void expectTypeOf(it.value).toEqualTypeOf<Uint8Array>());
    within(iterate(new Map<string, number>()), (it) => void expectTypeOf(it.value).toEqualTypeOf<[string, number]>());
  });

  test("within of it gives the body's result", () => {
    expectTypeOf(within(iterate([1]), () => text(1))).toEqualTypeOf<Coroutine<string>>();
  });
});

describe("forEach", () => {
  test("gives what stop was given, or undefined", () => {
    expectTypeOf(
      forEach([1, 2], function* (n, stop) {
        yield* sleep(1);
        return n > 1 ? stop(`${n}`) : undefined;
      }),
    ).toEqualTypeOf<Coroutine<string | undefined>>();
    expectTypeOf(forEach([1, 2], (n, stop) => (n > 1 ? stop(n) : undefined))).toEqualTypeOf<
      Coroutine<number | undefined>
    >();
  });

  test("gives undefined without a stop", () => {
    expectTypeOf(forEach(new Queue<string>(), function* () {})).toEqualTypeOf<Coroutine<undefined>>();
  });
});

describe("map", () => {
  test("gives an array of what the function's awaitables give", () => {
    expectTypeOf(map([1, 2], (n) => text(n))).toEqualTypeOf<Coroutine<string[]>>();
    expectTypeOf(map(stream, async (chunk) => chunk.length)).toEqualTypeOf<Coroutine<number[]>>();
    expectTypeOf(map(new Set(["a"]), (item, index) => text(item.length + index))).toEqualTypeOf<Coroutine<string[]>>();
    // @ts-expect-error it gives nothing to await
    map([1], (n) => n);
  });
});
