import { createServer } from "node:http";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import { PassThrough, Readable } from "node:stream";
import { ReadableStream, type ReadableStreamDefaultController } from "node:stream/web";
import {
  type Coroutine,
  createTask,
  type ExceptionContext,
  Future,
  forEach,
  gather,
  getRunningLoop,
  isCancelled,
  iterate,
  run,
  type Source,
  sleep,
  type Task,
  TimeoutError,
  until,
  waitFor,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { chunks } from "../../src/bridges/chunks.js";
import { once } from "../../src/bridges/once.js";

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

/** A Readable that gives 0, 1, 2, …, and counts how many it has made. */
class Counter extends Readable {
  made = 0;
  constructor(
    readonly end: number,
    readonly failure?: Error,
  ) {
    super({ objectMode: true, highWaterMark: 1 });
  }
  override _read(): void {
    if (this.made < this.end) this.push(this.made++);
    else if (this.failure !== undefined) this.destroy(this.failure);
    else this.push(null);
  }
}

/** A web stream that gives its controller away, and notes that it was cancelled. */
class Controlled extends ReadableStream<number> {
  readonly controller: ReadableStreamDefaultController<number>;
  readonly cancelled: unknown[];

  constructor(cancel?: () => Promise<void> | void) {
    const cancelled: unknown[] = [];
    let mine!: ReadableStreamDefaultController<number>;
    super({
      start: (controller) => void (mine = controller),
      cancel: (reason) => {
        cancelled.push(reason);
        return cancel?.();
      },
    });
    this.controller = mine;
    this.cancelled = cancelled;
  }
}

// What a stream listens to by itself, once it has been read.
const own = new Set(["end", "prefinish", "finish"]);
const listeners = (stream: Readable): (string | symbol)[] =>
  stream.eventNames().filter((name) => !own.has(String(name)));

describe("the chunks of a Readable", () => {
  test("are its chunks, to the end", async () => {
    const stream = Readable.from(["a", "b", "c"]);
    expect(await run(collect(chunks<string>(stream)))).toEqual(["a", "b", "c"]);
    expect(listeners(stream)).toEqual([]);
    expect(await run(collect(chunks(Readable.from([]))))).toEqual([]);
    expect(await run(collect(chunks(stream)))).toEqual([]);
  });

  test("come as they are written, in its encoding", async () => {
    const stream = new PassThrough().setEncoding("utf8");
    await run(function* () {
      const items: unknown[] = [];
      const task = createTask(() => collect(chunks(stream), items));
      for (const text of ["one", "two"]) {
        stream.write(text);
        while (items.at(-1) !== text) yield* sleep(0);
      }
      stream.end();
      expect(yield* task).toEqual(["one", "two"]);
    });
  });

  test("end with its error", async () => {
    const stream = new Counter(2, new Error("source"));
    const items: unknown[] = [];
    await expect(run(collect(chunks(stream), items))).rejects.toThrow("source");
    expect(items).toEqual([0, 1]);
    expect(listeners(stream)).toEqual([]);
  });

  test("end with an error when it is destroyed before its end, also before it is read", async () => {
    const stream = new PassThrough();
    await run(function* () {
      const task = createTask(() => collect(chunks(stream)));
      yield* sleep(1);
      stream.destroy();
      expect(yield* thrownBy(task)).toMatchObject({ code: "ERR_STREAM_PREMATURE_CLOSE" });
      const later = createTask(() => collect(chunks(stream)));
      expect(yield* thrownBy(later)).toMatchObject({ code: "ERR_STREAM_PREMATURE_CLOSE" });
      expect(listeners(stream)).toEqual([]);
    });
  });

  test("are made no faster than they are taken", async () => {
    const stream = new Counter(50);
    let most = 0;
    await run(
      forEach(chunks<number>(stream), function* (n) {
        yield* sleep(n % 10 === 0 ? 1 : 0);
        most = Math.max(most, stream.made - n);
      }),
    );
    expect(stream.made).toBe(50);
    expect(most).toBeLessThanOrEqual(4);
  });

  test("leave the writable half of a socket open at their end", async () => {
    await run(function* () {
      const server = createTcpServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
      yield* once(server, "listening");
      const accepted = once<[Socket]>(server, "connection");
      const client = connect((server.address() as { port: number }).port, "127.0.0.1");
      client.end("question");
      const [socket] = yield* accepted;
      const question = Buffer.concat(yield* collect(chunks<Buffer>(socket)));
      socket.end(`answer to ${String(question)}`);
      expect(String(Buffer.concat(yield* collect(chunks<Buffer>(client))))).toBe("answer to question");
      server.close();
    });
  });

  describe("when they are left", () => {
    test("it is destroyed, by stop, by an error of the body, and before the first chunk", async () => {
      await run(function* () {
        const stopped = new Counter(9);
        expect(yield* collect(chunks<number>(stopped), [], 2)).toEqual([0, 1]);
        const failing = new Counter(9);
        const task = createTask(
          forEach(chunks(failing), () => {
            throw new Error("body");
          }),
        );
        expect(yield* thrownBy(task)).toEqual(new Error("body"));
        const unread = new Counter(9);
        yield* within(iterate(chunks(unread)), function* () {});
        for (const stream of [stopped, failing, unread]) {
          expect(stream.destroyed).toBe(true);
          for (let i = 0; i < 100 && listeners(stream).length > 0; i++) yield* sleep(1);
          expect(listeners(stream)).toEqual([]);
        }
      });
    });

    test("an error of its destruction is reported", async () => {
      const stream = new Readable({
        read() {},
        destroy: (_error, callback) => void setImmediate(callback, new Error("destruction")),
      });
      const reports: ExceptionContext[] = [];
      await run(function* () {
        getRunningLoop().exceptionHandler = (_loop, context) => void reports.push(context);
        const closed = new Promise((resolve) => stream.once("close", resolve));
        yield* within(iterate(chunks(stream)), function* () {});
        yield* until(closed);
      });
      expect(reports.map(({ exception }) => exception)).toEqual([new Error("destruction")]);
    });

    test("an error that it is about to tell is reported, and does not end the process", async () => {
      const stream = new PassThrough();
      stream.write("chunk");
      const reports: ExceptionContext[] = [];
      await run(function* () {
        getRunningLoop().exceptionHandler = (_loop, context) => void reports.push(context);
        const closed = new Promise((resolve) => stream.once("close", resolve));
        yield* forEach(chunks(stream), (_chunk, stop) => {
          stream.destroy(new Error("late"));
          return stop();
        });
        yield* until(closed);
      });
      expect(reports.map(({ exception }) => exception)).toEqual([new Error("late")]);
    });
  });

  test.each([
    ["that gives nothing", () => new PassThrough()],
    ["that emits no close", () => new Readable({ emitClose: false, read() {} })],
    ["whose destruction does not end", () => new Readable({ read() {}, destroy() {} })],
  ])("cancelled while one is waited for, a stream %s is destroyed, and holds nobody up", async (_what, make) => {
    const stream = make();
    await run(function* () {
      const task = createTask(() => collect(chunks(stream)));
      while (stream.listenerCount("readable") === 0) yield* sleep(0);
      task.cancel("why");
      expect(isCancelled(yield* thrownBy(task))).toBe(true);
      expect(stream.destroyed).toBe(true);
      expect(stream.listenerCount("readable")).toBe(0);
    });
  });

  test("cancelled in the body, it is destroyed", async () => {
    const stream = new Counter(9);
    await run(function* () {
      const begun = new Future<void>();
      const task = createTask(
        forEach(chunks(stream), function* () {
          begun.setResult();
          yield* sleep(1e9);
        }),
      );
      yield* begun;
      task.cancel();
      expect(isCancelled(yield* thrownBy(task))).toBe(true);
      expect(stream.destroyed).toBe(true);
    });
  });

  test("none is lost when the wait for it is cancelled and the cursor goes on", async () => {
    const stream = new PassThrough({ objectMode: true });
    await run(
      within(iterate(chunks(stream)), function* (it) {
        expect(yield* thrownBy(createTask(waitFor(it.next(), 1)))).toBeInstanceOf(TimeoutError);
        const task = createTask(it.next());
        yield* sleep(0);
        stream.write("one");
        stream.write("two");
        // the news has come, and in the same turn the cancellation
        yield* once(stream, "readable");
        task.cancel();
        yield* thrownBy(task);
        const items: unknown[] = task.cancelled ? [] : [it.value];
        stream.end();
        while (yield* it.next()) items.push(it.value);
        expect(items).toEqual(["one", "two"]);
        expect(yield* it.next()).toBe(false);
      }),
    );
  });
});

describe("the chunks of a web stream", () => {
  test("are its chunks, to the end", async () => {
    const stream = new ReadableStream<string>({
      start(controller) {
        for (const text of ["a", "b"]) controller.enqueue(text);
        controller.close();
      },
    });
    expect(await run(collect(chunks(stream)))).toEqual(["a", "b"]);
    expect(stream.locked).toBe(false);
  });

  test("end with its error", async () => {
    const stream = new Controlled();
    const items: number[] = [];
    await run(function* () {
      const task = createTask(() => collect(chunks(stream), items));
      stream.controller.enqueue(1);
      while (items.length === 0) yield* sleep(0);
      stream.controller.error(new Error("source"));
      expect(yield* thrownBy(task)).toEqual(new Error("source"));
    });
    expect(items).toEqual([1]);
    expect(stream.locked).toBe(false);
  });

  test("are made only when they are asked for", async () => {
    let made = 0;
    const stream = new ReadableStream<number>(
      { pull: (controller) => (made === 20 ? controller.close() : controller.enqueue(made++)) },
      { highWaterMark: 0 },
    );
    await run(function* () {
      yield* within(iterate(chunks(stream)), function* (it) {
        expect(stream.locked).toBe(false);
        for (let taken = 1; yield* it.next(); taken++) {
          yield* sleep(0);
          expect(made).toBe(taken);
        }
      });
    });
    expect(made).toBe(20);
  });

  describe("when they are left", () => {
    test("it is cancelled and released, by stop, by an error of the body, and before the first chunk", async () => {
      await run(function* () {
        const stopped = new Controlled();
        stopped.controller.enqueue(1);
        expect(yield* collect(chunks(stopped), [], 1)).toEqual([1]);
        const failing = new Controlled();
        failing.controller.enqueue(1);
        const task = createTask(
          forEach(chunks(failing), () => {
            throw new Error("body");
          }),
        );
        expect(yield* thrownBy(task)).toEqual(new Error("body"));
        const unread = new Controlled();
        yield* within(iterate(chunks(unread)), function* () {});
        for (const stream of [stopped, failing, unread]) {
          expect(stream.cancelled).toHaveLength(1);
          expect(stream.locked).toBe(false);
        }
      });
    });

    test("how it deals with that is waited for, and its error goes on", async () => {
      await run(function* () {
        const slow = new Controlled(() => new Promise((resolve) => setTimeout(resolve, 5)));
        let ended = false;
        slow.controller.enqueue(1);
        const task = createTask(() => collect(chunks(slow), [], 1));
        task.addDoneCallback(() => (ended = true));
        while (slow.cancelled.length === 0) yield* sleep(0);
        expect(ended).toBe(false);
        yield* task;
        const failing = new Controlled(() => Promise.reject(new Error("cancellation")));
        failing.controller.enqueue(1);
        expect(yield* thrownBy(createTask(() => collect(chunks(failing), [], 1)))).toEqual(new Error("cancellation"));
        expect(failing.locked).toBe(false);
      });
    });
  });

  test("cancelled while one is waited for, it is cancelled and released at once", async () => {
    const stream = new Controlled();
    const reports: ExceptionContext[] = [];
    await run(function* () {
      getRunningLoop().exceptionHandler = (_loop, context) => void reports.push(context);
      const task = createTask(() => collect(chunks(stream)));
      while (!stream.locked) yield* sleep(0);
      task.cancel("why");
      expect(isCancelled(yield* thrownBy(task))).toBe(true);
      expect(stream.cancelled).toHaveLength(1);
      expect(stream.locked).toBe(false);
    });
    expect(reports).toEqual([]);
  });

  test("none is lost when the wait for it is cancelled and the cursor goes on", async () => {
    const stream = new Controlled();
    await run(
      within(iterate(chunks(stream)), function* (it) {
        expect(yield* thrownBy(createTask(waitFor(it.next(), 1)))).toBeInstanceOf(TimeoutError);
        const task = createTask(it.next());
        yield* sleep(0);
        stream.controller.enqueue(1);
        stream.controller.enqueue(2);
        stream.controller.close();
        // the answer has come, and in the same turn the cancellation
        task.cancel();
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
        const items: number[] = [];
        while (yield* it.next()) items.push(it.value);
        expect(items).toEqual([1, 2]);
        expect(yield* it.next()).toBe(false);
      }),
    );
  });

  test("an error that comes after the wait was cancelled is there for who goes on", async () => {
    const stream = new Controlled();
    await run(
      within(iterate(chunks(stream)), function* (it) {
        expect(yield* thrownBy(createTask(waitFor(it.next(), 1)))).toBeInstanceOf(TimeoutError);
        stream.controller.error(new Error("source"));
        expect(yield* thrownBy(createTask(it.next()))).toEqual(new Error("source"));
      }),
    );
  });

  test("one that is locked is refused when it is read, and left alone", async () => {
    const stream = new Controlled();
    const reader = stream.getReader();
    await expect(run(collect(chunks(stream)))).rejects.toThrow(TypeError);
    expect(stream.cancelled).toEqual([]);
    reader.releaseLock();
  });

  test("of a response that never ends: the connection is closed", async () => {
    await run(function* () {
      const closed = new Future<void>();
      const server = createServer((_request, response) => {
        response.write("first");
        response.on("close", () => closed.setResult());
      }).listen(0, "127.0.0.1");
      yield* once(server, "listening");
      const { port } = server.address() as { port: number };
      const { body } = yield* until(fetch(`http://127.0.0.1:${port}/`));
      const items: Uint8Array[] = [];
      const task = createTask(() => collect(chunks(body!), items));
      while (items.length === 0) yield* sleep(1);
      expect(Buffer.from(items[0]!).toString()).toBe("first");
      task.cancel();
      expect(isCancelled(yield* thrownBy(task))).toBe(true);
      yield* closed;
      server.close();
      server.closeAllConnections();
    });
  });
});

describe("chunks used wrongly", () => {
  test("what is no stream is refused at once", () => {
    for (const wrong of [undefined, null, 5, [1], {}]) {
      expect(() => chunks(wrong as never)).toThrow(/chunks\(stream\) takes a Readable or a ReadableStream/);
    }
  });
});
