import { EventEmitter } from "node:events";
import { PassThrough, Readable } from "node:stream";
import {
  type Coroutine,
  createTask,
  type ExceptionContext,
  forEach,
  gather,
  getRunningLoop,
  isCancelled,
  iterate,
  NoRunningLoopError,
  run,
  sleep,
  type Source,
  type Task,
  TimeoutError,
  until,
  waitFor,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { on } from "../../src/bridges/on.js";

const listeners = (emitter: EventEmitter): number =>
  emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);

/** An emitter that can be paused, and notes it. */
class Pausable extends EventEmitter {
  readonly log: string[] = [];
  pause(): void {
    this.log.push("pause");
  }
  resume(): void {
    this.log.push("resume");
  }
}

function* collect<T>(source: Source<T>, items: T[] = [], count = Number.POSITIVE_INFINITY): Coroutine<T[]> {
  yield* forEach(source, (item, stop) => {
    items.push(item);
    return items.length >= count ? stop() : undefined;
  });
  return items;
}

/** What a task throws. */
function* thrownBy(task: Task<unknown>): Coroutine<unknown> {
  const [error] = yield* gather([task], { returnExceptions: true });
  return error;
}

describe("on", () => {
  test("gives events as they come, and those that came before it was iterated", async () => {
    const emitter = new EventEmitter();
    const items = await run(function* () {
      const events = on(emitter, "event", { close: ["end"] });
      emitter.emit("event", 1);
      emitter.emit("event", 2, "two");
      expect(events.size).toBe(2);
      setImmediate(() => {
        emitter.emit("event", 3);
        setImmediate(() => {
          emitter.emit("event", 4);
          emitter.emit("end");
          emitter.emit("event", 5);
        });
      });
      return yield* collect(events);
    });
    expect(items).toEqual([[1], [2, "two"], [3], [4]]);
    expect(listeners(emitter)).toBe(0);
  });

  test("buffers what comes while the body is busy", async () => {
    const emitter = new EventEmitter();
    const seen: unknown[] = [];
    await run(function* () {
      const events = on(emitter, "event", { close: ["end", "close"] });
      setImmediate(() => emitter.emit("event", 0));
      yield* forEach(events, function* ([n]) {
        seen.push(n);
        if (n !== 0) return;
        for (let i = 1; i <= 1_000; i++) emitter.emit("event", i);
        emitter.emit("close");
        yield* sleep(1);
      });
    });
    expect(seen).toEqual(Array.from({ length: 1_001 }, (_, i) => i));
  });

  test("throws an error after the events that came before it", async () => {
    const emitter = new EventEmitter();
    const items: unknown[] = [];
    const failing = run(function* () {
      const events = on(emitter, "event");
      emitter.emit("event", 1);
      emitter.emit("error", new Error("emitted"));
      expect(listeners(emitter)).toBe(0);
      yield* collect(events, items);
    });
    await expect(failing).rejects.toThrow("emitted");
    expect(items).toEqual([[1]]);
  });

  test("throws an error to who waits, once; then it is at its end", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      const events = on(emitter, "event");
      setImmediate(() => emitter.emit("error", new Error("emitted")));
      expect(yield* thrownBy(createTask(() => collect(events)))).toEqual(new Error("emitted"));
      expect(yield* collect(events)).toEqual([]);
    });
  });

  test("gives errors that are the events asked for", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      const events = on(emitter, "error");
      emitter.emit("error", new Error("one"));
      emitter.emit("error", new Error("two"));
      expect(yield* collect(events, [], 2)).toEqual([[new Error("one")], [new Error("two")]]);
    });
    expect(listeners(emitter)).toBe(0);
  });

  test("gives the events of an EventTarget", async () => {
    const target = new EventTarget();
    await run(function* () {
      const events = on(target, "event", { close: ["end"] });
      const one = new Event("event");
      setImmediate(() => {
        target.dispatchEvent(one);
        target.dispatchEvent(new Event("error"));
        target.dispatchEvent(new Event("end"));
        target.dispatchEvent(new Event("event"));
      });
      expect(yield* collect(events)).toEqual([[one]]);
    });
  });

  test("shares its events among those who iterate it at once", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      const events = on(emitter, "event", { close: ["end"] });
      const all: unknown[][] = [];
      const tasks = [1, 2].map(() => createTask(() => collect(events, all)));
      yield* sleep(0);
      for (let i = 0; i < 4; i++) emitter.emit("event", i);
      emitter.emit("end");
      yield* gather(tasks);
      expect(all.toSorted(([a], [b]) => Number(a) - Number(b))).toEqual([[0], [1], [2], [3]]);
    });
  });
});

describe("on as a native iterable", () => {
  test("gives its events to for await, also in between turns, and ends", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      const events = on(emitter, "event", { close: ["end"] });
      emitter.emit("event", 1);
      const collected = (async () => {
        await new Promise((resolve) => setImmediate(resolve));
        const items: unknown[] = [];
        for await (const item of events) items.push(item);
        return items;
      })();
      setTimeout(() => {
        emitter.emit("event", 2);
        emitter.emit("end");
      }, 5);
      expect(yield* until(collected)).toEqual([[1], [2]]);
    });
    expect(listeners(emitter)).toBe(0);
  });

  test("serves libraries that take one", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      const stream = Readable.from(on<[string]>(emitter, "event", { close: ["end"] })).map(([text]: [string]) => text);
      setImmediate(() => {
        for (const text of ["a", "b"]) emitter.emit("event", text);
        emitter.emit("end");
      });
      expect(yield* until(stream.toArray())).toEqual(["a", "b"]);
    });
  });

  test("is closed when it is left, and throws errors", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      const left = on(emitter, "event");
      const failing = on(emitter, "event");
      emitter.emit("event", 1);
      yield* until(
        (async () => {
          for await (const item of left) {
            expect(item).toEqual([1]);
            break;
          }
        })(),
      );
      expect(listeners(emitter)).toBe(2);
      emitter.emit("error", new Error("emitted"));
      const iterator = failing[Symbol.asyncIterator]();
      yield* until(
        (async () => {
          expect(await iterator.next()).toEqual({ done: false, value: [1] });
          await expect(iterator.next()).rejects.toThrow("emitted");
          expect(await iterator.next()).toEqual({ done: true, value: undefined });
        })(),
      );
    });
  });

  test("is at its end when its loop is closed", async () => {
    const emitter = new EventEmitter();
    const iterator = await run(function* () {
      return on(emitter, "event")[Symbol.asyncIterator]();
    });
    expect(listeners(emitter)).toBe(0);
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });
});

describe("with a high water mark", () => {
  test("the emitter is paused above it, and resumed below the low water mark", async () => {
    const emitter = new Pausable();
    await run(function* () {
      const events = on(emitter, "event", { highWaterMark: 3, lowWaterMark: 2 });
      for (let i = 0; i < 3; i++) emitter.emit("event", i);
      expect(emitter.log).toEqual([]);
      emitter.emit("event", 3);
      emitter.emit("event", 4);
      expect(emitter.log).toEqual(["pause"]);
      yield* within(iterate(events), function* (it) {
        for (const left of [4, 3, 2]) {
          yield* it.next();
          expect([events.size, emitter.log]).toEqual([left, ["pause"]]);
        }
        yield* it.next();
        expect([events.size, emitter.log]).toEqual([1, ["pause", "resume"]]);
        for (let i = 5; i < 8; i++) emitter.emit("event", i);
        expect(emitter.log).toEqual(["pause", "resume", "pause"]);
      });
      expect(emitter.log).toEqual(["pause", "resume", "pause"]);
    });
  });

  test("a stream reads no further than its consumer", async () => {
    let made = 0;
    const stream = new Readable({
      objectMode: true,
      highWaterMark: 1,
      read() {
        this.push(made === 100 ? null : made++);
      },
    });
    await run(function* () {
      const events = on<[number]>(stream, "data", { highWaterMark: 2, close: ["end"] });
      const seen: number[] = [];
      let most = 0;
      yield* forEach(events, function* ([n]) {
        seen.push(n);
        yield* sleep(n % 10 === 0 ? 1 : 0);
        most = Math.max(most, made - seen.length);
      });
      expect(seen).toHaveLength(100);
      expect(most).toBeLessThan(10);
    });
  });

  test("an emitter that cannot be paused is refused, and so is a mark that is none", async () => {
    await run(function* () {
      for (const emitter of [new EventEmitter(), new EventTarget() as never]) {
        expect(() => on(emitter, "event", { highWaterMark: 2 })).toThrow(/takes an emitter with pause\(\) and resume/);
      }
      for (const mark of [0, 1.5, Number.NaN, "2" as never]) {
        expect(() => on(new Pausable(), "event", { highWaterMark: mark })).toThrow(/highWaterMark is an integer/);
        expect(() => on(new Pausable(), "event", { lowWaterMark: mark })).toThrow(/lowWaterMark is an integer/);
      }
    });
  });
});

describe("the listeners of on go", () => {
  test("when the iteration is left, by stop and by an error", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      const left = on(emitter, "event", { close: ["end"] });
      expect(listeners(emitter)).toBe(3);
      emitter.emit("event", 1);
      yield* collect(left, [], 1);
      expect(listeners(emitter)).toBe(0);
      const failing = on(emitter, "event");
      emitter.emit("event", 1);
      const task = createTask(
        forEach(failing, () => {
          throw new Error("body");
        }),
      );
      expect(yield* thrownBy(task)).toEqual(new Error("body"));
      expect(listeners(emitter)).toBe(0);
    });
  });

  test("when the iteration is cancelled, where it waits for an event and in the body", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      for (const emitted of [0, 1]) {
        const task = createTask(
          forEach(on(emitter, "event"), function* () {
            yield* sleep(1e9);
          }),
        );
        yield* sleep(0);
        if (emitted > 0) emitter.emit("event");
        yield* sleep(1);
        task.cancel();
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
        expect(listeners(emitter)).toBe(0);
      }
    });
  });

  test("by close, by using, and when the loop is closed", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      const events = on(emitter, "event");
      emitter.emit("event", 1);
      const waiting = createTask(() => collect(events));
      events.close();
      expect(yield* waiting).toEqual([]);
      events.close();
      {
        using _events = on(emitter, "event");
        expect(listeners(emitter)).toBe(2);
      }
      expect(listeners(emitter)).toBe(0);
      on(emitter, "event");
    });
    expect(listeners(emitter)).toBe(0);
  });

  test("also if another listener of the same event closes it", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      emitter.on("event", () => events.close());
      const events = on(emitter, "event");
      emitter.emit("event", 1);
      expect(yield* collect(events)).toEqual([]);
      expect(listeners(emitter)).toBe(1);
    });
  });
});

describe("nothing is lost", () => {
  test("no event when the wait for it is cancelled in the turn in which it comes", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      yield* within(iterate(on(emitter, "event")), function* (it) {
        const task = createTask(it.next());
        yield* sleep(0);
        emitter.emit("event", 1);
        task.cancel();
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
        expect([yield* it.next(), it.value]).toEqual([true, [1]]);
        const timed = createTask(waitFor(it.next(), 1));
        expect(yield* thrownBy(timed)).toBeInstanceOf(TimeoutError);
        emitter.emit("event", 2);
        expect([yield* it.next(), it.value]).toEqual([true, [2]]);
      });
    });
  });

  test("no error: one that comes while the iteration is being left is reported", async () => {
    const emitter = new EventEmitter();
    const reports: ExceptionContext[] = [];
    await run(function* () {
      getRunningLoop().exceptionHandler = (_loop, context) => void reports.push(context);
      const events = on(emitter, "event");
      emitter.emit("event", 1);
      emitter.emit("error", new Error("emitted"));
      yield* collect(events, [], 1);
    });
    expect(reports.map(({ exception }) => exception)).toEqual([new Error("emitted")]);
  });
});

describe("on used wrongly", () => {
  test("refuses what emits no events", async () => {
    await run(function* () {
      for (const wrong of [undefined, null, 5, {}]) {
        expect(() => on(wrong as never, "event")).toThrow(/on\(emitter, name\) takes an EventEmitter or an/);
      }
    });
  });

  test("needs a running loop, and leaves no listener where there is none", () => {
    const emitter = new PassThrough();
    const before = listeners(emitter);
    expect(() => on(emitter, "event", { highWaterMark: 1 })).toThrow(NoRunningLoopError);
    expect(listeners(emitter)).toBe(before);
  });
});
