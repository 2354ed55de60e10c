import { EventEmitter, on } from "node:events";
import { PassThrough, Readable } from "node:stream";
import {
  asyncGenerator,
  attempt,
  type Coroutine,
  createTask,
  isCancelled,
  iterate,
  Queue,
  type Source,
  sleep,
  type Task,
  TimeoutError,
  until,
  waitFor,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { later, thrownBy } from "../support/later.js";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { drainPromises, runVirtuallyWithPromises } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

const log: string[] = [];
const logged = (): string[] => log.splice(0);

const ticks = asyncGenerator(function* (count: number, pause: number = 1) {
  try {
    for (let i = 0; i < count; i++) {
      yield* sleep(pause);
      yield i;
    }
  } finally {
    yield* sleep(1);
    log.push("closed");
  }
});

/** A native asynchronous iterable that notes when it is closed. */
async function* native(items: number[], last?: Promise<void>): AsyncGenerator<number, void> {
  try {
    yield* items;
    if (last !== undefined) await last;
  } finally {
    log.push("closed");
  }
}

/** A web stream that gives nothing by itself, and notes whether it was cancelled. */
function webStream<T>(): ReadableStream<T> & { cancelled: boolean } {
  const stream = new ReadableStream<T>({ cancel: () => void (noted.cancelled = true) });
  const noted = Object.assign(stream, { cancelled: false });
  return noted;
}

function* collect<T>(source: Source<T>, count = Number.POSITIVE_INFINITY): Coroutine<T[]> {
  return yield* within(iterate(source), function* (it) {
    const items: T[] = [];
    while (items.length < count && (yield* it.next())) items.push(it.value);
    return items;
  });
}

describe("iterate", () => {
  test("steps through an asynchronous generator", () => {
    const { result, duration } = runCleanly(() => collect(ticks(3)));
    expect(result).toEqual([0, 1, 2]);
    expect(duration).toBe(4);
    expect(logged()).toEqual(["closed"]);
  });

  test("steps through arrays, sets, maps, strings and native generators", () => {
    runCleanly(function* () {
      expect(yield* collect([1, 2])).toEqual([1, 2]);
      expect(yield* collect(new Set(["a"]))).toEqual(["a"]);
      expect(yield* collect(new Map([["a", 1]]))).toEqual([["a", 1]]);
      expect(yield* collect("ab" as Iterable<string>)).toEqual(["a", "b"]);
      expect(yield* collect([])).toEqual([]);
    });
  });

  test("steps through a queue, up to its shutdown", () => {
    runCleanly(function* () {
      const queue = new Queue<number>();
      createTask(function* () {
        for (const n of [1, 2, 3]) {
          yield* sleep(1);
          yield* queue.put(n);
        }
        queue.shutdown();
      });
      expect(yield* collect(queue)).toEqual([1, 2, 3]);
    });
  });

  test("steps through native asynchronous iterables, Readables and web streams", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      return [
        yield* collect(native([1, 2])),
        yield* collect(Readable.from(["a", "b"])),
        yield* collect(new ReadableStream({ start: (c) => (c.enqueue(7), c.close()) }) as AsyncIterable<number>),
      ];
    });
    expect(result).toEqual([[1, 2], ["a", "b"], [7]]);
    expect(logged()).toEqual(["closed"]);
  });

  test("an ended cursor stays at its end", () => {
    runCleanly(() =>
      within(iterate([1]), function* (it) {
        expect(it.value).toBeUndefined();
        expect([yield* it.next(), it.value]).toEqual([true, 1]);
        expect([yield* it.next(), yield* it.next(), it.value]).toEqual([false, false, 1]);
      }),
    );
  });

  describe("left early, the source is closed", () => {
    test("an asynchronous generator, whose cleanup is waited for", () => {
      const { duration } = runCleanly(() => collect(ticks(9), 2));
      expect(duration).toBe(3);
      expect(logged()).toEqual(["closed"]);
    });

    test("a native generator, an iterator with and one without a return", async () => {
      await runVirtuallyWithPromises(function* () {
        expect(yield* collect(native([1, 2, 3]), 1)).toEqual([1]);
        const synchronous = (function* () {
          try {
            yield 1;
          } finally {
            log.push("closed too");
          }
        })();
        const plain: Iterable<number> = { [Symbol.iterator]: () => synchronous };
        expect(yield* collect(plain, 1)).toEqual([1]);
        const bare: AsyncIterable<number> = {
          [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: false, value: 1 }) }),
        };
        expect(yield* collect(bare, 1)).toEqual([1]);
      });
      expect(logged()).toEqual(["closed", "closed too"]);
    });

    test("a Readable is destroyed", async () => {
      const stream = Readable.from(["a", "b", "c"]);
      await runVirtuallyWithPromises(() => collect(stream, 1));
      expect(stream.destroyed).toBe(true);
    });

    test("regression: a Readable is destroyed, and a web stream cancelled, before its first chunk, too", async () => {
      const stream = Readable.from(["a", "b", "c"]);
      const web = webStream<number>();
      await runVirtuallyWithPromises(function* () {
        yield* collect(stream, 0);
        yield* collect(web, 0);
      });
      expect(stream.destroyed).toBe(true);
      expect([web.cancelled, web.locked]).toEqual([true, false]);
    });

    test("an iterable with a destroy of its own is closed the usual way", async () => {
      const source = Object.assign(native([1, 2]), { destroy: () => void log.push("destroyed") });
      await runVirtuallyWithPromises(() => collect(source, 1));
      expect(logged()).toEqual(["closed"]);
    });

    test("a queue is left as it is", () => {
      runCleanly(function* () {
        const queue = new Queue<number>();
        for (const n of [1, 2, 3]) queue.putNowait(n);
        expect(yield* collect(queue, 1)).toEqual([1]);
        expect(queue.size).toBe(2);
      });
    });

    test("by an error of the body, too", () => {
      runCleanly(function* () {
        const error = yield* thrownBy(
          within(iterate(ticks(9)), function* (it) {
            yield* it.next();
            throw new Error("body");
          }),
        );
        expect(error).toEqual(new Error("body"));
      });
      expect(logged()).toEqual(["closed"]);
    });
  });

  describe("when the source fails", () => {
    test("its error comes out of next, and it is not closed", async () => {
      await runVirtuallyWithPromises(function* () {
        const failing = (returns: string): AsyncIterable<number> => ({
          [Symbol.asyncIterator]: () => ({
            next: () => Promise.reject(new Error("source")),
            return: () => (log.push(returns), Promise.resolve({ done: true, value: undefined })),
          }),
        });
        expect(yield* thrownBy(collect(failing("asynchronous")))).toEqual(new Error("source"));
        const synchronous: Iterable<number> = {
          [Symbol.iterator]: () => ({
            next: () => {
              throw new Error("source");
            },
            return: () => (log.push("synchronous"), { done: true, value: undefined }),
          }),
        };
        expect(yield* thrownBy(collect(synchronous))).toEqual(new Error("source"));
      });
      expect(logged()).toEqual([]);
    });
  });

  describe("when it is cancelled", () => {
    /** Iterates in a task, cancels it where it waits for an item, and waits for its end. */
    function* cancelled<T>(source: Source<T>): Coroutine<void> {
      const task = createTask(() => collect(source));
      yield* until(drainPromises());
      yield* sleep(5);
      task.cancel("why");
      expect(isCancelled(yield* thrownBy(waitFor(task, 100)))).toBe(true);
      expect(task.cancelled).toBe(true);
    }

    test("an asynchronous generator gets the cancellation where it waits", async () => {
      await runVirtuallyWithPromises(() => cancelled(ticks(1, 1000)));
      expect(logged()).toEqual(["closed"]);
    });

    test("a queue loses no item", () => {
      runCleanly(function* () {
        const queue = new Queue<number>();
        const task = createTask(() => collect(queue));
        yield* turns(1);
        queue.putNowait(1);
        task.cancel();
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
        expect(queue.size).toBe(1);
      });
    });

    test("regression: a native generator that never comes back does not hold it up, and is closed once it does", async () => {
      let comeBack!: () => void;
      const { reports } = await runVirtuallyWithPromises(function* () {
        yield* cancelled(native([1], new Promise<void>((resolve) => (comeBack = resolve))));
        expect(logged()).toEqual([]);
        comeBack();
        yield* until(drainPromises());
      });
      expect(reports).toEqual([]);
      expect(logged()).toEqual(["closed"]);
    });

    test("a native generator whose cleanup fails once it comes back has its error reported", async () => {
      let comeBack!: () => void;
      const last = new Promise<void>((resolve) => (comeBack = resolve));
      async function* source(): globalThis.AsyncGenerator<number, void> {
        try {
          yield 1;
          await last;
          yield 2;
        } finally {
          await Promise.reject(new Error("cleanup"));
        }
      }
      const { reports } = await runVirtuallyWithPromises(function* () {
        yield* cancelled(source());
        comeBack();
        yield* until(drainPromises());
      });
      expect(reports.map(({ exception }) => exception)).toEqual([new Error("cleanup")]);
    });

    test("regression: a Readable that gives nothing is destroyed, and nothing is reported", async () => {
      const stream = new PassThrough({ objectMode: true });
      stream.write("first");
      const { reports } = await runVirtuallyWithPromises(function* () {
        yield* cancelled(stream as AsyncIterable<string>);
        yield* until(drainPromises());
        yield* until(drainPromises());
      });
      expect(stream.destroyed).toBe(true);
      expect(reports).toEqual([]);
    });

    test("regression: a Readable that never says that it has closed is not waited for", async () => {
      const streams = [new Readable({ emitClose: false, read() {} }), new Readable({ read() {}, destroy() {} })];
      const { reports, duration } = await runVirtuallyWithPromises(function* () {
        for (const stream of streams) yield* cancelled(stream as AsyncIterable<string>);
        yield* until(drainPromises());
      });
      expect(streams.map((stream) => stream.destroyed)).toEqual([true, true]);
      expect(duration).toBe(10);
      expect(reports).toEqual([]);
    });

    test("a Readable's own error, as opposed to its destruction, is reported", async () => {
      const stream = new Readable({ read() {}, destroy: (_, callback) => callback(new Error("of its own")) });
      const { reports } = await runVirtuallyWithPromises(function* () {
        yield* cancelled(stream as AsyncIterable<string>);
        yield* until(drainPromises());
      });
      expect(reports).toMatchObject([
        { message: "What was iterated failed after it was left", exception: new Error("of its own") },
      ]);
    });

    test("what else has a destroy is destroyed, closed, and not waited for", async () => {
      let comeBack!: () => void;
      const last = new Promise<void>((resolve) => (comeBack = resolve));
      await runVirtuallyWithPromises(function* () {
        const source = Object.assign(native([1], last), { destroy: () => void log.push("destroyed") });
        yield* cancelled(source);
        expect(logged()).toEqual(["destroyed"]);
        comeBack();
        yield* until(drainPromises());
      });
      expect(logged()).toEqual(["closed"]);
    });

    test("regression: a web stream that gives nothing is cancelled, and its lock is released, at once", async () => {
      const stream = webStream<number>();
      const { reports, duration } = await runVirtuallyWithPromises(function* () {
        yield* cancelled(stream);
        expect([stream.cancelled, stream.locked]).toEqual([true, false]);
        yield* until(drainPromises());
      });
      expect(duration).toBe(5);
      expect(reports).toEqual([]);
    });

    test("a web stream of another library, which has no asynchronous iterator, is cancelled as well", async () => {
      const inner = webStream<number>();
      const stream: Source<number> = {
        get locked() {
          return inner.locked;
        },
        getReader: () => inner.getReader(),
        pipeTo: (destination) => inner.pipeTo(destination as WritableStream<number>),
      };
      await runVirtuallyWithPromises(() => cancelled(stream));
      expect([inner.cancelled, inner.locked]).toEqual([true, false]);
    });

    test("an error that comes in the same turn as the cancellation is reported once, an abort is not", async () => {
      const { reports } = await runVirtuallyWithPromises(function* () {
        for (const error of [new Error("source"), new DOMException("aborted", "AbortError"), "why"]) {
          let fail!: (error: unknown) => void;
          const answer = new Promise<IteratorResult<number>>((_, reject) => (fail = reject));
          const failing: AsyncIterable<number> = { [Symbol.asyncIterator]: () => ({ next: () => answer }) };
          const tasks: Task<unknown>[] = [];
          createTask(function* () {
            yield* attempt(until(answer));
            for (const task of tasks) task.cancel("why");
          });
          yield* turns(1);
          const task = createTask(() => collect(failing));
          tasks.push(task);
          yield* turns(1);
          fail(error);
          expect(isCancelled(yield* thrownBy(task))).toBe(true);
        }
      });
      expect(reports.map(({ exception }) => exception)).toEqual([new Error("source")]);
    });

    test("events.on is closed", async () => {
      const emitter = new EventEmitter();
      await runVirtuallyWithPromises(() => cancelled(on(emitter, "event") as AsyncIterable<unknown[]>));
      expect(emitter.listenerCount("event")).toBe(0);
    });
  });

  test("a next that a time limit cancelled loses no item of a native iterable", async () => {
    const { result } = await runVirtuallyWithPromises(function* () {
      let give!: (item: number) => void;
      const slow: AsyncIterable<number> = {
        async *[Symbol.asyncIterator]() {
          yield await new Promise<number>((resolve) => (give = resolve));
          yield 2;
        },
      };
      return yield* within(iterate(slow), function* (it) {
        expect(yield* thrownBy(waitFor(it.next(), 5))).toBeInstanceOf(TimeoutError);
        give(1);
        const items: number[] = [];
        while (yield* it.next()) items.push(it.value);
        return items;
      });
    });
    expect(result).toEqual([1, 2]);
  });

  describe("used wrongly", () => {
    test("what is no iterable is refused where it is called", () => {
      for (const source of [5, undefined, null, {}, () => ticks(1)]) {
        expect(() => iterate(source as never)).toThrow(withCode("ITERATE", /iterate takes an iterable/));
      }
    });

    test("a coroutine is refused, and the message says to await it", () => {
      expect(() => iterate(later(1, [1]) as never)).toThrow(withCode("ITERATE", /await the coroutine first/));
    });
  });
});
