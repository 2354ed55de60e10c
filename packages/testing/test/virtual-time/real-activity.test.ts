import { AsyncLocalStorage } from "node:async_hooks";
import { pbkdf2, pbkdf2Sync, randomBytes, randomUUID, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { MessageChannel } from "node:worker_threads";
import { gzip, gzipSync } from "node:zlib";
import { runVirtually, VirtualLoop, waitAllTasksBlocked } from "@corio/testing";
import {
  createSubprocessExec,
  openConnection,
  type Server,
  startServer,
  type StreamReader,
  type StreamWriter,
  toThread,
} from "@corio/node";
import {
  type Coroutine,
  createTask,
  DeadlockError,
  Event,
  type EventLoop,
  Future,
  forEach,
  gather,
  getRunningLoop,
  run,
  sleep,
  TimeoutError,
  until,
  waitFor,
  within,
} from "corio";
import { afterEach, describe, expect, test, vi } from "vitest";
import { reportsOf } from "./reports-of.js";
import { rejectionOf, thrownBy } from "./thrown-by.js";

const DAY = 24 * 60 * 60 * 1_000;

function now(): number {
  return getRunningLoop().time();
}

/** A promise of a real timer. */
function realTime<T>(ms: number, value: T): Promise<T> {
  return new Promise((resolve) => void setTimeout(resolve, ms, value));
}

/** Awaits a promise under a time limit of one virtual millisecond: time that passed meanwhile would show. */
function atOnce<T>(promise: Promise<T>): Coroutine<T> {
  return waitFor(promise, 1);
}

afterEach(() => {
  vi.useRealTimers();
});

/** Runs main on a loop of its own, with real promises, and closes it so. */
async function runWithPromises<T>(main: () => Coroutine<T>, options?: { realTimeout?: number }): Promise<T> {
  await using virtual = new VirtualLoop(options);
  return (await virtual.run(main)) as T;
}

describe("promises", () => {
  test("settle in a run, and no time passes", async () => {
    const result = await runWithPromises(function* () {
      const values = [yield* atOnce(Promise.resolve("at once")), yield* atOnce((async () => "async")())];
      return [...values, now()];
    });
    expect(result).toEqual(["at once", "async", 0]);
  });

  test("settle through any number of reactions and of the host's turns before time passes", async () => {
    async function long(): Promise<string> {
      for (let i = 0; i < 1_000; i++) await Promise.resolve();
      for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
      for (let i = 0; i < 100; i++) await new Promise<void>((resolve) => process.nextTick(resolve));
      return "settled";
    }
    expect(await runWithPromises(() => atOnce(long()))).toBe("settled");
  });

  test("are rejected with what the run throws", async () => {
    const error = new Error("rejected");
    expect(await rejectionOf(runWithPromises(() => atOnce(Promise.reject(error))))).toBe(error);
    await using virtual = new VirtualLoop();
    expect(await rejectionOf(virtual.run(Promise.reject(error)))).toBe(error);
  });

  test("may be main, and may be what main returns", async () => {
    await using virtual = new VirtualLoop();
    expect(await virtual.run(Promise.resolve("main"))).toBe("main");
    const result: string = await virtual.run(function* () {
      yield* sleep(1);
      return realTime(1, "returned");
    });
    expect(result).toBe("returned");
  });

  test("may depend on virtual time: an async function that awaits a task which sleeps", async () => {
    await using virtual = new VirtualLoop();
    const { loop } = virtual;
    async function job(hours: number): Promise<string> {
      for (let hour = 0; hour < hours; hour++) await loop.createTask(sleep(60 * 60 * 1_000));
      return `done at ${loop.time()}`;
    }
    const results = await virtual.run(function* () {
      return yield* gather(until(job(24)), until(job(12)));
    });
    expect(results).toEqual([`done at ${DAY}`, `done at ${DAY / 2}`]);
  });

  test("that main spins for get their turn", async () => {
    const spins = await runWithPromises(function* () {
      let settled = false;
      void realTime(5, true).then((value) => (settled = value));
      let count = 0;
      for (; !settled; count++) yield* sleep(0);
      expect(now()).toBe(0);
      return count;
    });
    expect(spins).toBeGreaterThan(0);
  });

  test("time passes at once where nothing but time is waited for, a day in steps of a minute too", async () => {
    const lasted = await runWithPromises(function* () {
      for (let minute = 0; minute < 24 * 60; minute++) yield* sleep(60_000);
      return now();
    });
    expect(lasted).toBe(DAY);
  });
});

describe("a promise that never settles", () => {
  test("is a deadlock after a second in which nothing happened", async () => {
    const virtual = new VirtualLoop();
    const log: string[] = [];
    const error = await rejectionOf(
      virtual.run(function* () {
        try {
          yield* until(new Promise(() => {}));
        } finally {
          log.push("cleaned up");
        }
      }),
    );
    expect(error).toBeInstanceOf(DeadlockError);
    expect((error as Error).message).toContain("waits for a promise");
    expect([log, virtual.time()]).toEqual([["cleaned up"], 0]);
    virtual.close();
  });

  test("does not keep time from passing", async () => {
    const result = await rejectionOf(runWithPromises(() => waitFor(new Promise(() => {}), DAY)));
    expect(result).toBeInstanceOf(TimeoutError);
  });

  test("is waited for while anything is open that could settle it, until the real time is over", async () => {
    await using virtual = new VirtualLoop({ realTimeout: 100 });
    const error = await rejectionOf(
      virtual.run(function* () {
        const server = yield* startServer(function* () {}, "127.0.0.1", 0);
        yield* within(server, () => until(new Promise(() => {})));
      }),
    );
    expect(error).toMatchObject({ code: "ERR_CORIO_REAL_TIMEOUT" });
    expect((error as Error).message).toContain("Under way in this process: 1 TCPSERVERWRAP.");
  });

  test("is a deadlock likewise where it is main, or main has returned it", async () => {
    await using virtual = new VirtualLoop();
    expect(await rejectionOf(virtual.run(new Promise(() => {})))).toBeInstanceOf(DeadlockError);
    function* main(): Coroutine<Promise<void>> {
      return new Promise(() => {});
    }
    expect(await rejectionOf(virtual.run(main))).toBeInstanceOf(DeadlockError);
  });

  test("is waited for by no task, and a deadlock is found at once", async () => {
    await using virtual = new VirtualLoop({ realTimeout: 500 });
    expect(await rejectionOf(virtual.run(() => new Event().wait()))).toBeInstanceOf(DeadlockError);
    expect(await rejectionOf(virtual.run(virtual.loop.createFuture()))).toBeInstanceOf(DeadlockError);
  });
});

describe("what is under way in this process keeps time from passing:", () => {
  test("a timer", async () => {
    expect(await runWithPromises(() => atOnce(realTime(30, "rang")))).toBe("rang");
  });

  test("a file that is read", async () => {
    const text = await runWithPromises(() => atOnce(readFile(fileURLToPath(import.meta.url), "utf8")));
    expect(text).toContain("a file that is read");
  });

  test("a child process, even if it says nothing for long", async () => {
    const output = await runWithPromises(function* () {
      const script = "setTimeout(() => console.log('hello'), 100)";
      const child = yield* createSubprocessExec(process.execPath, ["-e", script], { stdout: "pipe" });
      const [output] = yield* waitFor(child.communicate(), 1);
      return [String(output), yield* child.wait(), now()];
    });
    expect(output).toEqual(["hello\n", 0, 0]);
  });

  test("a thread that works; one that has no work does not", async () => {
    await using virtual = new VirtualLoop();
    const result = await virtual.run(function* () {
      const work = (ms: number): number => {
        const end = Date.now() + ms;
        while (Date.now() < end);
        return ms;
      };
      const done = yield* waitFor(toThread(work, 100), 1);
      yield* sleep(DAY);
      return [done, now()];
    });
    expect(result).toEqual([100, DAY]);
  });

  test("work of crypto and zlib, with callbacks or with promises", async () => {
    const done = await runWithPromises(function* () {
      const key = yield* atOnce(promisify(pbkdf2)("secret", "salt", 100_000, 32, "sha256"));
      const zipped = yield* atOnce(promisify(gzip)(Buffer.alloc(4_000_000)));
      const digest = yield* atOnce(webcrypto.subtle.digest("SHA-256", Buffer.alloc(4_000_000)));
      return [key.length, zipped.length > 0, digest.byteLength];
    });
    expect(done).toEqual([32, true, 32]);
  });

  test("not what crypto, zlib and the file system have done at once", async () => {
    const lasted = await runWithPromises(function* () {
      randomUUID();
      randomBytes(16);
      pbkdf2Sync("secret", "salt", 1, 32, "sha256");
      gzipSync("text");
      readFileSync(fileURLToPath(import.meta.url));
      yield* sleep(DAY);
      return now();
    });
    expect(lasted).toBe(DAY);
  });

  test("not timers that were cleared, or that keep no process alive", async () => {
    const lasted = await runWithPromises(function* () {
      clearTimeout(setTimeout(() => {}, 60_000));
      clearInterval(setInterval(() => {}, 1));
      clearImmediate(setImmediate(() => {}));
      setInterval(() => {}, 1).unref();
      yield* sleep(DAY);
      return now();
    });
    expect(lasted).toBe(DAY);
  });

  test("not a channel on which nothing comes", async () => {
    const lasted = await runWithPromises(function* () {
      const { port1, port2 } = new MessageChannel();
      port2.on("message", () => {});
      yield* sleep(DAY);
      port1.close();
      return now();
    });
    expect(lasted).toBe(DAY);
  });

  test("what holds the loop", async () => {
    const result = await runWithPromises(function* () {
      const hold = getRunningLoop().hold();
      const event = new Event();
      // a timer that does not count, and so stands for what nobody sees
      setTimeout(() => {
        event.set();
        hold[Symbol.dispose]();
      }, 30).unref();
      yield* waitFor(event.wait(), 1);
      return now();
    });
    expect(result).toBe(0);
  });

  test("what nobody sees is waited for all the same where no time can pass", async () => {
    const result = await runWithPromises(function* () {
      return yield* until(new Promise((resolve) => void setTimeout(resolve, 100, "came").unref()));
    });
    expect(result).toBe("came");
  });

  test("a loop that is held for ever is given up, and the report says why", async () => {
    await using virtual = new VirtualLoop({ realTimeout: 20 });
    const hold = virtual.loop.hold();
    const error = await rejectionOf(virtual.run(sleep(1)));
    expect(error).toMatchObject({ code: "ERR_CORIO_REAL_TIMEOUT" });
    expect((error as Error).message).toContain("The loop is held (`loop.hold()`).");
    hold[Symbol.dispose]();
  });

  test("not what was there before, such as a time limit of the runner", async () => {
    const before = setTimeout(() => {}, 60_000);
    try {
      await using virtual = new VirtualLoop();
      const since = setTimeout(() => {}, 60_000);
      expect(await virtual.run(sleep(DAY, "slept"))).toBe("slept");
      clearTimeout(since);
    } finally {
      clearTimeout(before);
    }
  });

  test("a timer that takes the place of one that was there before", async () => {
    const rang = realTime(5, "first");
    const result = await runWithPromises(function* () {
      yield* until(rang);
      return yield* atOnce(realTime(30, "second"));
    });
    expect(result).toBe("second");
  });
});

describe("sockets", () => {
  function* echo(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
    yield* forEach(reader.chunks(), function* (chunk) {
      writer.write(chunk);
      yield* writer.drain();
    });
  }

  function serve(): Coroutine<Server> {
    return startServer(echo, "127.0.0.1", 0);
  }

  function connect(server: Server): Coroutine<[StreamReader, StreamWriter]> {
    const [socket] = server.sockets;
    return openConnection("127.0.0.1", (socket?.address() as AddressInfo | undefined)?.port ?? 0);
  }

  test("talk to each other while no time passes", async () => {
    const result = await runWithPromises(function* () {
      const server = yield* serve();
      return yield* within(server, function* () {
        const [reader, writer] = yield* waitFor(connect(server), 1);
        const lines: string[] = [];
        for (const line of ["one\n", "two\n", "three\n"]) {
          writer.write(line);
          lines.push(String(yield* waitFor(reader.readline(), 1)));
        }
        writer.close();
        return [...lines, now()];
      });
    });
    expect(result).toEqual(["one\n", "two\n", "three\n", 0]);
  });

  test("carry many bytes while no time passes, however long that takes", async () => {
    const size = 32 * 1024 * 1024;
    const received = await runWithPromises(function* () {
      const server = yield* serve();
      return yield* within(server, function* () {
        const [reader, writer] = yield* connect(server);
        function* send(): Coroutine<void> {
          const chunk = Buffer.alloc(1024 * 1024);
          for (let sent = 0; sent < size; sent += chunk.length) {
            writer.write(chunk);
            yield* writer.drain();
          }
          writer.writeEof();
        }
        let received = 0;
        function* receive(): Coroutine<void> {
          yield* forEach(reader.chunks(), function* (chunk) {
            received += chunk.length;
          });
        }
        yield* waitFor(gather(send(), receive()), 1);
        writer.close();
        return received;
      });
    });
    expect(received).toBe(size);
  });

  test("that stay idle do not keep time from passing: a day beside a server", async () => {
    const result = await runWithPromises(function* () {
      const server = yield* serve();
      return yield* within(server, function* () {
        const [reader, writer] = yield* connect(server);
        yield* sleep(DAY);
        writer.write("still there?\n");
        const line = yield* waitFor(reader.readline(), 1);
        writer.close();
        return [String(line), now()];
      });
    });
    expect(result).toEqual(["still there?\n", DAY]);
  });

  test("that stay idle do not keep waitAllTasksBlocked() from being told, where there is no timer", async () => {
    const blocked = await runWithPromises(function* () {
      const server = yield* serve();
      return yield* within(server, function* () {
        yield* waitAllTasksBlocked();
        return now();
      });
    });
    expect(blocked).toBe(0);
  });

  test("of an earlier run of the loop are the program's own in the next one", async () => {
    await using virtual = new VirtualLoop();
    const server = await virtual.run(serve());
    const [reader, writer] = await virtual.run(connect(server));
    writer.write("hello\n");
    const line = await virtual.run(() => waitFor(reader.readline(), 1));
    expect([String(line), virtual.time()]).toEqual(["hello\n", 0]);
    await virtual.run(function* () {
      writer.close();
      server.close();
    });
  });
});

describe("several loops at once", () => {
  test("have each its own time", async () => {
    const days = Array.from({ length: 10 }, (_, i) => i * DAY);
    const runs = days.map((ms) =>
      runWithPromises(function* () {
        yield* until(Promise.resolve());
        yield* sleep(ms);
        yield* until(realTime(1, undefined));
        yield* sleep(1);
        return now();
      }),
    );
    expect(await Promise.all(runs)).toEqual(days.map((ms) => ms + 1));
  });

  test("that wait for each other are in no deadlock as long as one goes on", async () => {
    await using one = new VirtualLoop();
    await using two = new VirtualLoop();
    const future = one.loop.createFuture<number>();
    const first = one.run(future);
    const second = two.run(function* () {
      for (let i = 0; i < 100; i++) yield* sleep(1_000);
      future.setResult(now());
    });
    expect(await first).toBe(100_000);
    await second;
  });

  test("that wait in vain are in a deadlock, each of them", async () => {
    await using one = new VirtualLoop();
    await using two = new VirtualLoop();
    const errors = await Promise.all(
      [one.run(one.loop.createFuture()), two.run(two.loop.createFuture())].map(rejectionOf),
    );
    expect(errors).toEqual([expect.any(DeadlockError), expect.any(DeadlockError)]);
  });

  test("run beside a loop on real time, which keeps theirs from passing", async () => {
    let over = false;
    async function real(): Promise<void> {
      await Promise.resolve();
      await run(function* () {
        for (let i = 0; i < 20; i++) yield* sleep(1);
        over = true;
      });
    }
    const seen = await runWithPromises(function* () {
      const running = real();
      yield* sleep(1);
      const seen = over;
      yield* until(running);
      return seen;
    });
    expect(seen).toBe(true);
  });
});

describe("a loop that is waited for by another one", () => {
  test("is the one whose deadlock is found", async () => {
    await using inner = new VirtualLoop();
    async function nested(): Promise<void> {
      await Promise.resolve();
      await inner.run(inner.loop.createFuture<void>());
    }
    const error = await rejectionOf(runWithPromises(() => waitFor(nested(), null)));
    expect(error).toBeInstanceOf(DeadlockError);
    expect((error as Error).message).toContain("no task is left");
  });

  test("may take its time, if it is not waited for under a time limit", async () => {
    async function nested(): Promise<number> {
      await Promise.resolve();
      return await runWithPromises(function* () {
        yield* sleep(DAY);
        return now();
      });
    }
    expect(await runWithPromises(() => waitFor(nested(), null))).toBe(DAY);
  });
});

describe("runUntil", () => {
  test("ends when the future is done, or when the clock has come to a time, and stands just there", async () => {
    await using virtual = new VirtualLoop();
    const main = virtual.start(function* () {
      yield* sleep(10);
      yield* until(realTime(1, undefined));
      yield* sleep(10);
    });
    expect([await virtual.runUntil(main, { until: 10.5 }), virtual.time()]).toEqual([false, 10.5]);
    expect([await virtual.runUntil(main), virtual.time(), main.done]).toEqual([true, 20, true]);
  });

  test("finds a deadlock before that time comes", async () => {
    await using virtual = new VirtualLoop();
    const main = virtual.start(new Event().wait());
    expect([await virtual.runUntil(main, { until: DAY }), virtual.time()]).toEqual([true, 0]);
    expect(main.exception()).toBeInstanceOf(DeadlockError);
  });

  test("comes to that time where nothing else can happen, and a deadlock is none", async () => {
    await using virtual = new VirtualLoop();
    const never = virtual.loop.createFuture<void>();
    const main = virtual.loop.start(never, { deadlock: false });
    expect([await virtual.runUntil(main, { until: 50 }), virtual.time()]).toEqual([false, 50]);
    never.setResult();
    expect(await virtual.runUntil(main)).toBe(true);
  });

  test("gives up after a real time of its own", async () => {
    await using virtual = new VirtualLoop();
    const main = virtual.start(function* () {
      for (;;) yield* sleep(0);
    });
    const error = await rejectionOf(virtual.runUntil(main, { realTimeout: 20 }));
    expect((error as Error).message).toContain("has not ended after 20 ms of real time");
  });
});

describe("fake timers of the test's runner", () => {
  test("do not freeze it", async () => {
    vi.useFakeTimers();
    const result = await runWithPromises(function* () {
      yield* sleep(DAY);
      const value = yield* until(Promise.resolve("settled"));
      return [value, now()];
    });
    expect(result).toEqual(["settled", DAY]);
    expect(runVirtually(() => sleep(DAY, "slept"))).toBe("slept");
  });

  test("are no concern of virtual time: they go when the runner says so", async () => {
    vi.useFakeTimers();
    const result = await runWithPromises(function* () {
      const rang = realTime(60_000, "rang");
      yield* sleep(1_000);
      vi.advanceTimersByTime(60_000);
      return [yield* atOnce(rang), now()];
    });
    expect(result).toEqual(["rang", 1_000]);
  });

  test("it sees real timers that were set before the fake ones came", async () => {
    const rang = realTime(20, "rang");
    await using virtual = new VirtualLoop();
    vi.useFakeTimers();
    expect(await virtual.run(rang)).toBe("rang");
  });
});

describe("AsyncLocalStorage", () => {
  test("holds the store of who started the run, not of who wakes it", async () => {
    const store = new AsyncLocalStorage<string>();
    await using virtual = new VirtualLoop();
    const future = virtual.loop.createFuture<void>();
    const seen = store.run("starter", () =>
      virtual.run(function* () {
        const seen = [store.getStore()];
        yield* sleep(10);
        seen.push(store.getStore());
        yield* until(Promise.resolve());
        seen.push(store.getStore());
        store.run("waker", () => setImmediate(() => future.setResult()));
        yield* future;
        seen.push(store.getStore());
        return seen;
      }),
    );
    expect(await seen).toEqual(["starter", "starter", "starter", "starter"]);
  });

  test("holds it in synchronous runs, and while a test advances the time", () => {
    const store = new AsyncLocalStorage<string>();
    using virtual = new VirtualLoop();
    const seen: unknown[] = [];
    store.run("starter", () =>
      virtual.start(function* () {
        for (;;) {
          seen.push(store.getStore());
          yield* sleep(10);
        }
      }),
    );
    store.run("driver", () => virtual.advance(20));
    expect(seen).toEqual(["starter", "starter", "starter"]);
  });
});

describe("closing with promises", () => {
  test("lets the tasks that are left clean up with them", async () => {
    const log: string[] = [];
    {
      await using virtual = new VirtualLoop();
      await virtual.run(function* () {
        createTask(function* () {
          try {
            yield* new Future();
          } finally {
            log.push(yield* until(realTime(1, "promise")));
            yield* sleep(10);
            log.push(`at ${now()}`);
          }
        });
        yield* sleep(5);
      });
    }
    expect(log).toEqual(["promise", "at 15"]);
  });

  test("ends what start() began, and shuts the executor down", async () => {
    let loop: EventLoop | undefined;
    const log: string[] = [];
    {
      await using virtual = new VirtualLoop();
      loop = virtual.loop;
      virtual.start(function* () {
        const work = toThread(() => "from the thread");
        try {
          yield* new Future();
        } finally {
          log.push(yield* work);
        }
      });
      virtual.advance(0);
      expect(loop.defaultExecutor).not.toBe(undefined);
    }
    expect([log, loop.closed, loop.defaultExecutor]).toEqual([["from the thread"], true, undefined]);
  });

  test("reports what nobody retrieved, and does nothing the second time", async () => {
    const virtual = new VirtualLoop();
    const reports = reportsOf(virtual.loop);
    await virtual.run(function* () {
      createTask(function* () {
        throw new Error("nobody has seen me");
      });
      yield* sleep(1);
    });
    await virtual[Symbol.asyncDispose]();
    await virtual[Symbol.asyncDispose]();
    expect(reports).toEqual([expect.stringMatching(/never retrieved.*nobody has seen me/)]);
  });

  test("is refused inside a running loop", async () => {
    const virtual = new VirtualLoop();
    const refused = await virtual.run(function* () {
      return yield* until(rejectionOf(virtual[Symbol.asyncDispose]()));
    });
    expect(refused).toMatchObject({ code: "ERR_CORIO_INSIDE_LOOP" });
    await virtual[Symbol.asyncDispose]();
  });

  test("while a run is under way ends that run", async () => {
    const virtual = new VirtualLoop();
    const outcome = rejectionOf(virtual.run(until2(virtual.loop)));
    await realTime(1, undefined);
    virtual.close();
    expect(await outcome).toMatchObject({ name: "CancelledError" });
  });

  function* until2(loop: EventLoop): Coroutine<void> {
    using _ = loop.hold();
    yield* new Future();
  }
});

test("an advance from outside while a run is under way moves its clock", async () => {
  await using virtual = new VirtualLoop();
  const main = virtual.run(function* () {
    const rang = realTime(20, undefined);
    yield* sleep(1_000);
    const woken = now();
    yield* until(rang);
    return woken;
  });
  virtual.advance(5_000);
  expect([await main, virtual.time()]).toEqual([1_000, 5_000]);
  expect(() => thrownBy(() => virtual.advance(0))).toThrow("it threw nothing");
});
