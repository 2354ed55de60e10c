import { createServer, type IncomingMessage, request } from "node:http";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import { PassThrough, Readable } from "node:stream";
import { ReadableStream, type ReadableStreamDefaultController } from "node:stream/web";
import {
  type Coroutine,
  createTask,
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
import { once } from "../../src/bridges/once.js";

// The core's forEach and iterate over the streams of Node and of the web.

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

/** Runs main, and gives what was reported to the loop's exception handler. */
async function reportsOf(main: () => Coroutine<unknown>): Promise<unknown[]> {
  const reports: unknown[] = [];
  await run(function* () {
    getRunningLoop().exceptionHandler = (_loop, { exception }) => void reports.push(exception);
    yield* main();
  });
  return reports;
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
    expect(await run(collect(stream as AsyncIterable<string>))).toEqual(["a", "b", "c"]);
    expect(listeners(stream)).toEqual([]);
    expect(await run(collect(Readable.from([])))).toEqual([]);
    expect(await run(collect(stream))).toEqual([]);
  });

  test("come as they are written, in its encoding", async () => {
    const stream = new PassThrough().setEncoding("utf8");
    await run(function* () {
      const items: unknown[] = [];
      const task = createTask(() => collect(stream, items));
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
    await expect(run(collect(stream, items))).rejects.toThrow("source");
    expect(items).toEqual([0, 1]);
  });

  test("end with an error when it is destroyed before its end, also before it is read", async () => {
    const stream = new PassThrough();
    await run(function* () {
      const task = createTask(() => collect(stream));
      yield* sleep(1);
      stream.destroy();
      expect(yield* thrownBy(task)).toMatchObject({ code: "ERR_STREAM_PREMATURE_CLOSE" });
      const later = createTask(() => collect(stream));
      expect(yield* thrownBy(later)).toMatchObject({ code: "ERR_STREAM_PREMATURE_CLOSE" });
    });
  });

  test("are made no faster than they are taken", async () => {
    const stream = new Counter(50);
    let most = 0;
    await run(
      forEach(stream as AsyncIterable<number>, function* (n) {
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
      const question = Buffer.concat(yield* collect(socket as AsyncIterable<Buffer>));
      socket.end(`answer to ${String(question)}`);
      expect(String(Buffer.concat(yield* collect(client as AsyncIterable<Buffer>)))).toBe("answer to question");
      expect([socket, client].map((half) => half.listenerCount("readable"))).toEqual([0, 0]);
      server.close();
    });
  });

  describe("when they are left", () => {
    test("it is destroyed, by stop, by an error of the body, and before the first chunk", async () => {
      await run(function* () {
        const stopped = new Counter(9);
        expect(yield* collect(stopped as AsyncIterable<number>, [], 2)).toEqual([0, 1]);
        const failing = new Counter(9);
        const task = createTask(
          forEach(failing, () => {
            throw new Error("body");
          }),
        );
        expect(yield* thrownBy(task)).toEqual(new Error("body"));
        const unread = new Counter(9);
        yield* within(iterate(unread), function* () {});
        for (const stream of [stopped, failing, unread]) expect(stream.destroyed).toBe(true);
      });
    });

    test("an error of its destruction is reported", async () => {
      const stream = new Readable({
        read() {},
        destroy: (_error, callback) => void setImmediate(callback, new Error("destruction")),
      });
      const reports = await reportsOf(function* () {
        const closed = new Promise((resolve) => stream.once("close", resolve));
        yield* within(iterate(stream), function* () {});
        yield* until(closed);
      });
      expect(reports).toEqual([new Error("destruction")]);
    });

    test("an error that it is about to tell is reported, and does not end the process", async () => {
      const stream = new PassThrough();
      stream.write("chunk");
      const reports = await reportsOf(function* () {
        const closed = new Promise((resolve) => stream.once("close", resolve));
        yield* forEach(stream, (_chunk, stop) => {
          stream.destroy(new Error("late"));
          return stop();
        });
        yield* until(closed);
      });
      expect(reports).toEqual([new Error("late")]);
    });

    test("an error that is also the one that it is left by is not reported", async () => {
      const stream = new PassThrough();
      stream.write("chunk");
      const error = new Error("of both");
      const reports = await reportsOf(function* () {
        const closed = new Promise((resolve) => stream.once("close", resolve));
        const task = createTask(
          forEach(stream, () => {
            stream.destroy(error);
            throw error;
          }),
        );
        expect(yield* thrownBy(task)).toBe(error);
        yield* until(closed);
      });
      expect(reports).toEqual([]);
    });

    test("one that was destroyed before it was read is left alone", async () => {
      const stream = new PassThrough();
      const told: unknown[] = [];
      stream.on("error", (error) => void told.push(error));
      const reports = await reportsOf(function* () {
        yield* within(iterate(stream), function* () {
          stream.destroy(new Error("the program's own"));
        });
        yield* until(new Promise((resolve) => stream.once("close", resolve)));
      });
      expect([told, reports]).toEqual([[new Error("the program's own")], []]);
    });
  });

  test.each([
    ["that gives nothing", () => new PassThrough()],
    ["that emits no close", () => new Readable({ emitClose: false, read() {} })],
    ["whose destruction does not end", () => new Readable({ read() {}, destroy() {} })],
  ])("cancelled while one is waited for, a stream %s is destroyed, and holds nobody up", async (_what, make) => {
    const stream = make();
    const reports = await reportsOf(function* () {
      const task = createTask(() => collect(stream));
      while (stream.listenerCount("readable") === 0) yield* sleep(0);
      task.cancel("why");
      expect(isCancelled(yield* thrownBy(task))).toBe(true);
      expect(stream.destroyed).toBe(true);
      for (let i = 0; i < 5; i++) yield* sleep(0);
    });
    expect(reports).toEqual([]);
  });

  test("cancelled while one is waited for, an error of the stream's destruction is reported", async () => {
    const stream = new Readable({
      read() {},
      destroy: (_error, callback) => void setImmediate(callback, new Error("destruction")),
    });
    const reports = await reportsOf(function* () {
      const task = createTask(() => collect(stream));
      while (stream.listenerCount("readable") === 0) yield* sleep(0);
      const closed = new Promise((resolve) => stream.once("close", resolve));
      task.cancel();
      expect(isCancelled(yield* thrownBy(task))).toBe(true);
      yield* until(closed);
    });
    expect(reports).toEqual([new Error("destruction")]);
  });

  test("cancelled in the body, it is destroyed", async () => {
    const stream = new Counter(9);
    await run(function* () {
      const begun = new Future<void>();
      const task = createTask(
        forEach(stream, function* () {
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

  test("an error that comes after the wait was cancelled is there for who goes on, and only there", async () => {
    const stream = new PassThrough();
    const reports = await reportsOf(() =>
      within(iterate(stream), function* (it) {
        expect(yield* thrownBy(createTask(waitFor(it.next(), 1)))).toBeInstanceOf(TimeoutError);
        const closed = new Promise((resolve) => stream.once("close", resolve));
        stream.destroy(new Error("source"));
        yield* until(closed);
        expect(yield* thrownBy(createTask(it.next()))).toEqual(new Error("source"));
      }),
    );
    expect(reports).toEqual([]);
  });

  test.each(["its client", "its server"])(
    "of an HTTP message that never ends: cancelled by %s, the connection is closed, and nothing is reported",
    async (side) => {
      const reports = await reportsOf(function* () {
        const requested = new Future<IncomingMessage>();
        const server = createServer((message, response) => {
          response.write("first");
          requested.setResult(message);
        }).listen(0, "127.0.0.1");
        yield* once(server, "listening");
        const { port } = server.address() as { port: number };
        const question = request({ port, host: "127.0.0.1", method: "POST" });
        question.on("error", () => {}); // the program's own, of a connection that its peer closes
        question.write("first");
        const [answer] = yield* once<[IncomingMessage]>(question, "response");
        answer.on("error", () => {});
        const message = side === "its client" ? answer : yield* requested;
        const closed = once(message.socket, "close");
        const items: Buffer[] = [];
        const task = createTask(() => collect(message as AsyncIterable<Buffer>, items));
        while (items.length === 0) yield* sleep(1);
        task.cancel();
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
        yield* closed;
        const down = once(server, "close");
        server.close();
        server.closeAllConnections();
        yield* down;
      });
      expect(reports).toEqual([]);
    },
  );

  test("none is lost when the wait for it is cancelled and the cursor goes on", async () => {
    const stream = new PassThrough({ objectMode: true });
    await run(
      within(iterate(stream), function* (it) {
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
    expect(await run(collect(stream))).toEqual(["a", "b"]);
    expect(stream.locked).toBe(false);
  });

  test("end with its error", async () => {
    const stream = new Controlled();
    const items: number[] = [];
    await run(function* () {
      const task = createTask(() => collect(stream, items));
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
      yield* within(iterate(stream), function* (it) {
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
        expect(yield* collect(stopped, [], 1)).toEqual([1]);
        const failing = new Controlled();
        failing.controller.enqueue(1);
        const task = createTask(
          forEach(failing, () => {
            throw new Error("body");
          }),
        );
        expect(yield* thrownBy(task)).toEqual(new Error("body"));
        const unread = new Controlled();
        yield* within(iterate(unread), function* () {});
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
        const task = createTask(() => collect(slow, [], 1));
        task.addDoneCallback(() => (ended = true));
        while (slow.cancelled.length === 0) yield* sleep(0);
        expect(ended).toBe(false);
        yield* task;
        const failing = new Controlled(() => Promise.reject(new Error("cancellation")));
        failing.controller.enqueue(1);
        expect(yield* thrownBy(createTask(() => collect(failing, [], 1)))).toEqual(new Error("cancellation"));
        expect(failing.locked).toBe(false);
      });
    });

    test("the wait for that can be cancelled", async () => {
      await run(function* () {
        const stuck = new Controlled(() => new Promise(() => {}));
        stuck.controller.enqueue(1);
        const task = createTask(() => collect(stuck, [], 1));
        while (stuck.cancelled.length === 0) yield* sleep(0);
        task.cancel();
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
        expect(stuck.locked).toBe(false);
      });
    });
  });

  test("cancelled while one is waited for, it is cancelled and released at once", async () => {
    const stream = new Controlled();
    const reports = await reportsOf(function* () {
      const task = createTask(() => collect(stream));
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
      within(iterate(stream), function* (it) {
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

  test("an error that comes after the wait was cancelled is there for who goes on, and only there", async () => {
    const stream = new Controlled();
    const reports = await reportsOf(() =>
      within(iterate(stream), function* (it) {
        expect(yield* thrownBy(createTask(waitFor(it.next(), 1)))).toBeInstanceOf(TimeoutError);
        stream.controller.error(new Error("source"));
        yield* sleep(1);
        expect(yield* thrownBy(createTask(it.next()))).toEqual(new Error("source"));
      }),
    );
    expect(reports).toEqual([]);
  });

  test("an error that comes after the wait was cancelled is thrown where the stream is left, if nobody goes on", async () => {
    const stream = new Controlled();
    const reports = await reportsOf(function* () {
      const task = createTask(
        within(iterate(stream), function* (it) {
          expect(yield* thrownBy(createTask(waitFor(it.next(), 1)))).toBeInstanceOf(TimeoutError);
          stream.controller.error(new Error("source"));
        }),
      );
      expect(yield* thrownBy(task)).toEqual(new Error("source"));
    });
    expect(reports).toEqual([]);
    expect(stream.locked).toBe(false);
  });

  test.each([
    ["an AbortError", undefined],
    ["a reason of its own", "stop"],
    ["an error", new Error("stop")],
  ])(
    "an abort with %s that fails the stream and cancels the task at once leaves the task cancelled",
    async (_, reason) => {
      const controller = new AbortController();
      const { signal } = controller;
      const streams = [new Controlled(), new Controlled()] as const;
      for (const stream of streams) signal.addEventListener("abort", () => stream.controller.error(signal.reason));
      const reports = await reportsOf(function* () {
        const waiting = createTask(() => collect(streams[0]), { signal });
        streams[1].controller.enqueue(1);
        const busy = createTask(
          forEach(streams[1], () => sleep(1e9)),
          { signal },
        );
        while (!streams.every((stream) => stream.locked)) yield* sleep(0);
        yield* sleep(1);
        controller.abort(reason);
        for (const task of [waiting, busy]) {
          expect(yield* thrownBy(task)).toMatchObject({ name: "CancelledError", reason: signal.reason });
        }
      });
      expect(reports).toEqual([]);
      expect(streams.map((stream) => stream.locked)).toEqual([false, false]);
    },
  );

  test("one that is locked is refused when it is read, and left alone", async () => {
    const stream = new Controlled();
    const reader = stream.getReader();
    await expect(run(collect(stream))).rejects.toThrow(TypeError);
    await run(within(iterate(stream), function* () {}));
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
      const task = createTask(() => collect(body!, items));
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
