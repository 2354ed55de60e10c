import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Readable } from "node:stream";
import { asyncGenerator, type Coroutine, forEach, Queue, sleep, TaskGroup, until, within } from "corio";
import { describe, expect } from "vitest";
import { type RequestHandler, Response } from "../../src/index.js";
import { nextAnswer } from "../support/raw-client.js";
import { ask, client, eventually, it, request, serving, turn } from "./hostile-setting.js";

const MiB = 1024 * 1024;

/** What the process has in memory besides its programs, after what is garbage is gone. */
function memory(): number {
  (globalThis as { gc?: () => void }).gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** The most that it had while something went on, beyond what it had before. */
class Watch {
  readonly #before = memory();
  most = 0;

  look(): void {
    this.most = Math.max(this.most, memory() - this.#before);
  }
}

/** A client that counts what comes, and keeps nothing. */
class Counting {
  readonly socket: Socket;
  received = 0;
  over = false;

  constructor(port: number | undefined) {
    this.socket = connect({ port: port as number, host: "127.0.0.1" });
    this.socket.on("data", (data) => (this.received += data.length));
    this.socket.on("error", () => {});
    this.socket.on("close", () => (this.over = true));
  }

  /** Sends so many pieces, as fast as the other side takes them. */
  async send(head: string, pieces: number, piece: Buffer): Promise<void> {
    this.socket.write(head);
    for (let i = 0; i < pieces && !this.over; i++) {
      if (!this.socket.write(piece)) await once(this.socket, "drain");
    }
  }

  *closed(): Coroutine<void> {
    this.socket.destroy();
    yield* eventually(() => this.over);
  }
}

const piece = Buffer.alloc(64 * 1024, "x");

/** 64 KiB, as a chunk of HTTP. */
const chunk = Buffer.concat([Buffer.from("10000\r\n"), piece, Buffer.from("\r\n")]);

/** So many pieces of 64 KiB. */
const giving = asyncGenerator(function* (pieces: number, fate: { given: number }) {
  for (; fate.given < pieces; fate.given++) yield piece;
});

/** The pieces of the body of a request, for a source or a loop. */
async function* piecesOf(incoming: Request): AsyncGenerator<Uint8Array> {
  const reader = (incoming.body as ReadableStream<Uint8Array>).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

describe("200 MiB", () => {
  const count = 3_200;

  it.each<[string, (fate: { given: number }) => globalThis.Response]>([
    ["a source", (fate) => new Response(giving(count, fate))],
    [
      "a web stream",
      (fate) =>
        new globalThis.Response(
          new ReadableStream({
            pull: (controller) =>
              fate.given++ < count ? controller.enqueue(new Uint8Array(piece)) : controller.close(),
          }),
        ),
    ],
    [
      "a Readable",
      (fate) =>
        new Response(
          Readable.from(
            (function* () {
              while (fate.given++ < count) yield piece;
            })(),
          ) as never,
        ),
    ],
  ])("down from %s, to a client that lets wait, are never in memory", { timeout: 60_000 }, function* (_title, answer) {
    const fate = { given: 0 };
    const watch = new Watch();
    yield* within(
      serving(() => answer(fate)),
      function* (serving) {
        const counting = new Counting(serving.port);
        counting.socket.write(request("GET /", ["Connection: close"]));
        for (let takes = 10 * MiB; !counting.over; takes += 20 * MiB) {
          yield* eventually(() => counting.over || counting.received > takes);
          counting.socket.pause();
          yield* sleep(5);
          // it stands still
          for (let before = -1; fate.given !== before; ) {
            before = fate.given;
            yield* sleep(10);
          }
          watch.look();
          counting.socket.resume();
        }
        expect(counting.received).toBeGreaterThan(200 * MiB);
      },
    );
    expect(watch.most).toBeLessThan(50 * MiB);
  });

  it("up, to a handler that reads slowly, are never in memory", { timeout: 60_000 }, function* () {
    const watch = new Watch();
    const handler: RequestHandler = function* (incoming) {
      let received = 0;
      let next = 10 * MiB;
      yield* forEach(piecesOf(incoming), function* (bytes) {
        received += bytes.length;
        if (received < next) return;
        next += 20 * MiB;
        yield* sleep(5);
        watch.look();
      });
      return new Response(String(received));
    };
    yield* within(serving(handler, { maxBodySize: Number.POSITIVE_INFINITY }), function* (serving) {
      const counting = new Counting(serving.port);
      const head = request("POST /", [`Content-Length: ${200 * MiB}`, "Connection: close"]);
      let text = "";
      counting.socket.on("data", (data) => (text += data.toString()));
      yield* until(counting.send(head, count, piece));
      yield* eventually(() => counting.over);
      expect(text.endsWith(`\r\n\r\n${200 * MiB}`)).toBe(true);
    });
    expect(watch.most).toBeLessThan(50 * MiB);
  });

  it("up and down at once, as an echo, are never in memory", { timeout: 60_000 }, function* () {
    const watch = new Watch();
    const handler: RequestHandler = (incoming) => new Response(piecesOf(incoming));
    yield* within(serving(handler, { maxBodySize: Number.POSITIVE_INFINITY }), function* (serving) {
      const counting = new Counting(serving.port);
      const sent = counting.send(request("POST /", ["Transfer-Encoding: chunked", "Connection: close"]), count, chunk);
      for (let takes = 10 * MiB; counting.received < 200 * MiB; takes += 20 * MiB) {
        yield* eventually(() => counting.received > Math.min(takes, 200 * MiB) || counting.over);
        expect(counting.over).toBe(false);
        counting.socket.pause();
        yield* sleep(10);
        watch.look();
        counting.socket.resume();
      }
      yield* until(sent);
      counting.socket.write("0\r\n\r\n");
      yield* eventually(() => counting.over);
      expect(counting.received).toBeGreaterThan(200 * MiB);
    });
    expect(watch.most).toBeLessThan(50 * MiB);
  });
});

describe("an answer that streams", () => {
  // the other end has to be in another process, for only then does it take what comes while this one is busy
  it("does not keep the process from all else, although its pieces are at hand", {
    timeout: 60_000,
  }, function* () {
    let given = 0;
    const tiny = Buffer.alloc(1024);
    const atHand = asyncGenerator(function* () {
      for (; given < 200_000; given++) yield tiny;
    });
    yield* within(
      serving(() => new Response(atHand())),
      function* (serving) {
        const curl = spawn("curl", ["-s", "-o", "/dev/null", serving.server.url]);
        const ended = once(curl, "exit");
        let most = 0;
        for (let before = 0; given < 200_000; before = given) {
          yield* turn();
          most = Math.max(most, given - before);
        }
        expect((yield* until(ended))[0]).toBe(0);
        // 200 MiB in all
        expect(most).toBeLessThan(50_000);
      },
    );
  });

  it("begins before its first piece is there, and gives each at once", function* () {
    const queue = new Queue<string>();
    yield* within(
      serving(() => new Response(queue as never)),
      (serving) =>
        within(client(serving), function* (connection) {
          yield* until(connection.send(request("GET /")));
          yield* eventually(() => connection.received.includes("\r\n\r\n"));
          expect(connection.received).toMatch(/^HTTP\/1\.1 200 /);
          connection.take(connection.receivedLength);
          for (const text of ["one", "two", "three"]) {
            queue.putNowait(text);
            yield* eventually(() => connection.received.includes(text));
          }
          queue.shutdown();
          yield* eventually(() => connection.received.endsWith("0\r\n\r\n"));
        }),
    );
  });

  it("may be the request as it comes, piece for piece", function* () {
    yield* within(
      serving((incoming) => new Response(piecesOf(incoming))),
      (serving) =>
        within(client(serving), function* (connection) {
          yield* until(connection.send(request("POST /", ["Transfer-Encoding: chunked"])));
          for (const text of ["one", "two", "three"]) {
            yield* until(connection.send(`${text.length}\r\n${text}\r\n`));
            yield* eventually(() => connection.received.includes(text));
          }
          yield* until(connection.send("0\r\n\r\n"));
          expect((yield* until(nextAnswer(connection))).body).toBe("onetwothree");
          expect((yield* ask(connection, request("POST /", ["Content-Length: 4"], "next"))).body).toBe("next");
        }),
    );
  });

  it("may be the request's own stream, which is the platform's", function* () {
    yield* within(
      serving((incoming) => new globalThis.Response(incoming.body)),
      (serving) =>
        within(client(serving), function* (connection) {
          for (let i = 0; i < 3; i++) {
            const text = "x".repeat(10 ** (i + 1));
            const answer = yield* ask(connection, request("POST /", [`Content-Length: ${text.length}`], text));
            expect(answer.body).toBe(text);
          }
        }),
    );
  });

  it("is cut off when the request that it is made of breaks off", function* () {
    yield* within(
      serving((incoming) => new Response(piecesOf(incoming))),
      (serving) =>
        within(client(serving), function* (connection) {
          yield* until(connection.send(request("POST /", ["Transfer-Encoding: chunked"], "3\r\none\r\n")));
          yield* eventually(() => connection.received.includes("one"));
          yield* until(connection.send("garbage\r\n"));
          yield* until(connection.over());
          expect(connection.received.endsWith("0\r\n\r\n")).toBe(false);
          yield* serving.quiet();
        }),
    );
  });

  it("goes to a hundred clients at once, each at its own pace", { timeout: 60_000 }, function* () {
    const watch = new Watch();
    yield* within(
      serving(() => new Response(giving(32, { given: 0 }))),
      function* (serving) {
        const clients = Array.from({ length: 100 }, () => new Counting(serving.port));
        yield* within(new TaskGroup(), function* (group) {
          for (const [i, counting] of clients.entries()) {
            group.createTask(
              (function* () {
                counting.socket.write(request("GET /", ["Connection: close"]));
                while (!counting.over) {
                  counting.socket.pause();
                  yield* sleep(i % 7);
                  counting.socket.resume();
                  yield* turn(3);
                }
              })(),
            );
          }
        });
        watch.look();
        for (const { received } of clients) expect(received).toBeGreaterThan(2 * MiB);
        for (const counting of clients) yield* counting.closed();
      },
    );
    expect(watch.most).toBeLessThan(100 * MiB);
  });
});
