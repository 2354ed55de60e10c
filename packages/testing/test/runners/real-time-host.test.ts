import { coroutineTest } from "@corio/testing";
import { DeadlockError, Event, getRunningLoop, sleep, until } from "corio";
import { execFile } from "node:child_process";
import { createHash, pbkdf2, randomUUID, subtle } from "node:crypto";
import { promises as dns } from "node:dns";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { setImmediate, setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { MessageChannel, Worker } from "node:worker_threads";
import { gzip } from "node:zlib";
import { describe, expect, it } from "vitest";

/** A test that waits for a promise, and for nothing else. */
const waiting = (promise: () => Promise<unknown>): Promise<void> =>
  coroutineTest(
    function* () {
      yield* until(promise());
    },
    { time: "real", timeout: 30_000 },
  )();

describe("A test in real time is no deadlock while it waits for", () => {
  it.each<[string, () => Promise<unknown>]>([
    ["a timer", () => setTimeout(60)],
    [
      "reactions upon reactions",
      () =>
        Array.from({ length: 100 }).reduce<Promise<void>>((all) => all.then(() => setImmediate()), Promise.resolve()),
    ],
    ["a file", () => readFile(process.execPath)],
    ["a look-up", () => dns.lookup("localhost")],
    ["a query that fails", () => dns.resolve4("name.invalid").catch(() => {})],
    ["a key", () => promisify(pbkdf2)("password", "salt", 100_000, 64, "sha512")],
    ["a digest", () => subtle.digest("SHA-256", new Uint8Array(20_000_000))],
    ["compression", () => promisify(gzip)(Buffer.alloc(20_000_000))],
    ["a child process", () => promisify(execFile)(process.execPath, ["-e", "setTimeout(() => {}, 60)"])],
    [
      "a thread",
      () =>
        new Promise((resolve) => {
          new Worker("setTimeout(() => {}, 60)", { eval: true }).on("exit", resolve);
        }),
    ],
    [
      "a message",
      () => {
        const { port1, port2 } = new MessageChannel();
        return new Promise((resolve) => {
          port2.once("message", () => resolve(port2.close()));
          port1.postMessage("text");
        });
      },
    ],
    ["a server", () => fromOutside()],
  ])("%s", async (_what, promise) => {
    await waiting(promise);
  });

  it("its own sleeps, though nothing else is there", async () => {
    await waiting(() => Promise.resolve());
    await coroutineTest(
      function* () {
        yield* sleep(50);
        yield* sleep(0);
      },
      { time: "real" },
    )();
  });
});

/** A server to which a process connects that takes a while to start. */
function fromOutside(): Promise<void> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.destroy();
      server.close(() => resolve());
    }).listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      execFile(process.execPath, ["-e", `require("net").connect(${port}, "127.0.0.1").on("error", () => {})`]);
    });
  });
}

describe("A test in real time is a deadlock", () => {
  it("although the test's runner has timers and sockets of its own", async () => {
    const server = createServer().listen(0);
    const timer = setInterval(() => {}, 1_000);
    try {
      await expect(waiting(() => new Promise(() => {}))).rejects.toThrow(DeadlockError);
    } finally {
      clearInterval(timer);
      server.close();
    }
  });

  it("once what was under way has ended and has woken nobody", async () => {
    const log: string[] = [];
    const run = coroutineTest(
      function* () {
        void setTimeout(40).then(() => log.push("the timer"));
        void promisify(pbkdf2)("password", "salt", 10_000, 64, "sha512").then(() => log.push("the key"));
        createHash("sha256").update("text");
        randomUUID();
        globalThis.crypto.getRandomValues(new Uint8Array(16));
        yield* new Event().wait();
      },
      { time: "real" },
    );
    await expect(run()).rejects.toThrow(DeadlockError);
    expect(log.toSorted()).toEqual(["the key", "the timer"]);
  });

  it("where all that is left is a sleep without end, or a timer that does not hold the process", async () => {
    const run = coroutineTest(
      function* () {
        setInterval(() => {}, 1_000).unref();
        yield* sleep(Number.POSITIVE_INFINITY);
      },
      { time: "real" },
    );
    await expect(run()).rejects.toThrow(DeadlockError);
  });

  it("only once nobody holds the loop any more", async () => {
    const run = coroutineTest(
      function* () {
        const hold = getRunningLoop().hold();
        globalThis.setTimeout(() => hold[Symbol.dispose](), 40).unref();
        yield* new Event().wait();
      },
      { time: "real" },
    );
    const start = performance.now();
    await expect(run()).rejects.toThrow(DeadlockError);
    expect(performance.now() - start).toBeGreaterThanOrEqual(38);
  });

  it("that leaves its cleanup time for real work", async () => {
    const log: string[] = [];
    const run = coroutineTest(
      function* () {
        try {
          yield* new Event().wait();
        } finally {
          yield* sleep(20);
          yield* until(setTimeout(20));
          log.push("cleaned up");
        }
      },
      { time: "real" },
    );
    await expect(run()).rejects.toThrow(DeadlockError);
    expect(log).toEqual(["cleaned up"]);
  });
});

it("Tests that overlap see each other's work, and lose nothing by it", async () => {
  const runs = Array.from({ length: 5 }, (_, i) => waiting(() => setTimeout(10 + 10 * i)));
  await Promise.all(runs);
});
