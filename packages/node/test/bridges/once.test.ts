import { EventEmitter } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import {
  createTask,
  type ExceptionContext,
  gather,
  getRunningLoop,
  isCancelled,
  NoRunningLoopError,
  race,
  run,
  sleep,
  TimeoutError,
  waitFor,
} from "corio";
import { describe, expect, test } from "vitest";
import { once } from "../../src/bridges/once.js";

const listeners = (emitter: EventEmitter): number =>
  emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);

/** An event target that counts its listeners. */
class CountingTarget extends EventTarget {
  listeners = 0;
  override addEventListener(...args: Parameters<EventTarget["addEventListener"]>): void {
    this.listeners++;
    super.addEventListener(...args);
  }
  override removeEventListener(...args: Parameters<EventTarget["removeEventListener"]>): void {
    this.listeners--;
    super.removeEventListener(...args);
  }
}

describe("once", () => {
  test("gives the arguments of the next event, and no more than that", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      setImmediate(() => {
        emitter.emit("other", 0);
        emitter.emit("event", 1, "two");
        emitter.emit("event", 3);
      });
      expect(yield* once(emitter, "event")).toEqual([1, "two"]);
      expect(listeners(emitter)).toBe(0);
    });
  });

  test("listens from the call on, not from the await", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      const event = once(emitter, "event");
      emitter.emit("event", 1);
      yield* sleep(1);
      expect(yield* event).toEqual([1]);
      expect(yield* event).toEqual([1]);
    });
  });

  test("works for symbols, and for several that wait for one event", async () => {
    const emitter = new EventEmitter();
    const name = Symbol("event");
    await run(function* () {
      setImmediate(() => emitter.emit(name, 5));
      expect(yield* gather(once(emitter, name), once(emitter, name))).toEqual([[5], [5]]);
    });
    expect(listeners(emitter)).toBe(0);
  });

  test("throws what is emitted as error meanwhile", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      for (const error of [new Error("emitted"), "a string"]) {
        setImmediate(() => emitter.emit("error", error));
        const event = once(emitter, "event");
        let thrown: unknown;
        try {
          yield* event;
        } catch (caught) {
          thrown = caught;
        }
        expect(thrown).toBe(error);
        expect(listeners(emitter)).toBe(0);
      }
    });
  });

  test("throws an error of its own where none was emitted with the event error", async () => {
    const emitter = new EventEmitter();
    const failing = run(function* () {
      setImmediate(() => emitter.emit("error"));
      yield* once(emitter, "event");
    });
    await expect(failing).rejects.toThrow(`an "error" event without an error`);
  });

  test("gives an error that is the event asked for", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      const error = new Error("awaited");
      setImmediate(() => emitter.emit("error", error));
      expect(yield* once(emitter, "error")).toEqual([error]);
      expect(listeners(emitter)).toBe(0);
    });
  });

  test("an error that nobody retrieves is reported", async () => {
    const emitter = new EventEmitter();
    const reports: ExceptionContext[] = [];
    await run(function* () {
      getRunningLoop().exceptionHandler = (_loop, context) => void reports.push(context);
      once(emitter, "event");
      emitter.emit("error", new Error("lost"));
    });
    expect(reports.map(({ exception }) => exception)).toEqual([new Error("lost")]);
  });

  test("gives the event of an EventTarget, whose errors are events like any other", async () => {
    const target = new CountingTarget();
    await run(function* () {
      const event = new Event("event");
      setImmediate(() => {
        target.dispatchEvent(new Event("error"));
        target.dispatchEvent(event);
      });
      expect(yield* once(target, "event")).toEqual([event]);
      expect(target.listeners).toBe(0);
      const { signal } = new AbortController();
      expect(yield* race(once(signal, "abort"), sleep(0, "not aborted"))).toBe("not aborted");
    });
  });

  test("works with real sockets", async () => {
    await run(function* () {
      const server = createServer().listen(0, "127.0.0.1");
      yield* once(server, "listening");
      const { port } = server.address() as { port: number };
      const accepted = once<[Socket]>(server, "connection");
      const client = connect(port, "127.0.0.1");
      yield* once(client, "connect");
      const [socket] = yield* accepted;
      socket.end("hello");
      expect(String((yield* once<[Buffer]>(client, "data"))[0])).toBe("hello");
      client.destroy();
      server.close();
      yield* once(server, "close");
      expect(listeners(server)).toBe(server.listenerCount("connection"));
    });
  });
});

describe("the listeners of once go", () => {
  test("when the wait is cancelled", async () => {
    const emitter = new EventEmitter();
    const target = new CountingTarget();
    await run(function* () {
      for (const source of [() => once(emitter, "event"), () => once(target, "event")]) {
        const task = createTask(function* () {
          yield* source();
        });
        yield* sleep(0);
        expect(listeners(emitter) + target.listeners).toBeGreaterThan(0);
        task.cancel("why");
        let thrown: unknown;
        try {
          yield* task;
        } catch (error) {
          thrown = error;
        }
        expect(isCancelled(thrown)).toBe(true);
        expect(listeners(emitter) + target.listeners).toBe(0);
      }
    });
  });

  test("when it is cancelled itself, and by a time limit", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      const event = once(emitter, "event");
      expect(event.cancel()).toBe(true);
      expect(event.cancel()).toBe(false);
      expect(listeners(emitter)).toBe(0);
      let thrown: unknown;
      try {
        yield* waitFor(once(emitter, "event"), 1);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(TimeoutError);
      expect(listeners(emitter)).toBe(0);
    });
  });

  test("when the loop is closed", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      once(emitter, "event");
      expect(listeners(emitter)).toBe(2);
    });
    expect(listeners(emitter)).toBe(0);
  });

  test("also if another listener of the same event cancels it", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      emitter.on("event", () => event.cancel());
      const event = once(emitter, "event");
      emitter.emit("event");
      expect(event.cancelled).toBe(true);
      expect(listeners(emitter)).toBe(1);
    });
  });

  test("an event that has come is not lost when the task that waits is cancelled in the same turn", async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      const event = once(emitter, "event");
      const task = createTask(function* () {
        yield* event;
      });
      yield* sleep(0);
      emitter.emit("event", 1);
      task.cancel();
      yield* gather([task], { returnExceptions: true });
      expect(task.cancelled).toBe(true);
      expect(yield* event).toEqual([1]);
    });
  });
});

describe("once used wrongly", () => {
  test("refuses what emits no events", async () => {
    await run(function* () {
      for (const wrong of [undefined, null, 5, {}]) {
        expect(() => once(wrong as never, "event")).toThrow(/once\(emitter, name\) takes an EventEmitter or an/);
      }
    });
  });

  test("needs a running loop, and leaves no listener where there is none", () => {
    const emitter = new EventEmitter();
    expect(() => once(emitter, "event")).toThrow(NoRunningLoopError);
    expect(listeners(emitter)).toBe(0);
  });
});
