import type { ReadableStream as NodeStream } from "node:stream/web";
import type { Readable } from "node:stream";
import {
  type AsyncGenerator,
  asyncGenerator,
  type Coroutine,
  type Cursor,
  type CursorSource,
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
declare function text(of: number | string): Coroutine<string>;
declare const cursorSource: CursorSource<Date>;
declare const readable: Readable;
declare const nodeStream: NodeStream<number>;
declare const response: Response;
declare const pageStream: PageStream<string>;

/** The ReadableStream of TypeScript's library for pages, before 5.6 or without `dom.asynciterable`: overloads, and no iterator. */
interface PageStream<R> {
  readonly locked: boolean;
  cancel(reason?: unknown): Promise<void>;
  getReader(options: { mode: "byob" }): PageByobReader;
  getReader(): PageReader<R>;
  getReader(options?: { mode?: "byob" }): PageReader<R> | PageByobReader;
  pipeThrough<T>(transform: { readable: PageStream<T>; writable: PageWritable<R> }, options?: object): PageStream<T>;
  pipeTo(destination: PageWritable<R>, options?: object): Promise<void>;
  tee(): [PageStream<R>, PageStream<R>];
}
interface PageReader<R> {
  read(): Promise<{ done: false; value: R } | { done: true; value: R | undefined }>;
  releaseLock(): void;
}
interface PageByobReader {
  read<T extends ArrayBufferView>(view: T): Promise<{ done: false; value: T } | { done: true; value: T | undefined }>;
  releaseLock(): void;
}
interface PageWritable<W> {
  readonly locked: boolean;
  getWriter(): { write(chunk?: W): Promise<void>; releaseLock(): void };
}

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
    within(iterate(cursorSource), (it) => void expectTypeOf(it.value).toEqualTypeOf<Date>());
    within(iterate(new Map<string, number>()), (it) => void expectTypeOf(it.value).toEqualTypeOf<[string, number]>());
  });

  test("knows the chunks of a web stream, Node's, the page's and that of a response", () => {
    within(iterate(nodeStream), (it) => void expectTypeOf(it.value).toEqualTypeOf<number>());
    within(iterate(pageStream), (it) => void expectTypeOf(it.value).toEqualTypeOf<string>());
    forEach(nodeStream, (chunk) => void expectTypeOf(chunk).toEqualTypeOf<number>());
    forEach(pageStream, (chunk) => void expectTypeOf(chunk).toEqualTypeOf<string>());
    expectTypeOf(map(pageStream, text)).toEqualTypeOf<Coroutine<string[]>>();
    forEach(response.body!, (chunk) => void expectTypeOf(chunk).toBeAny());
    // @ts-expect-error a response may have no body
    forEach(response.body, () => {});
  });

  test("takes a Readable's chunks for what they are said to be", () => {
    within(iterate(readable), (it) => void expectTypeOf(it.value).toBeAny());
    within(iterate(readable as AsyncIterable<Buffer>), (it) => void expectTypeOf(it.value).toEqualTypeOf<Buffer>());
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
