import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "@corio/testing/vitest";
import {
  attempt,
  createTask,
  type Coroutine,
  CorioError,
  forEach,
  isCancelled,
  run,
  sleep,
  timeout,
  TimeoutError,
  until,
  within,
} from "corio";
import { describe, expect, test as plain } from "vitest";
import { WebSocketServer } from "ws";
import { WebSocketClosedError } from "../../src/errors/websocket-closed-error.js";
import type { WebSocketConnection, WebSocketMessage } from "../../src/websocket/websocket-connection.js";
import { BareServer, closingOf, connectTo, eventually, WsServer } from "./peers.js";
import { acceptanceOf, CLOSE, closing, frame } from "./raw-peer.js";

const it = test.with({ time: "real" });

function echo(): WsServer {
  return new WsServer((socket) => socket.on("message", (data, binary) => socket.send(data, { binary })));
}

/** A server that does the handshake and then what it is told. */
function silent(then: (socket: import("node:net").Socket) => void = () => {}): BareServer {
  return BareServer.http((request, socket) => {
    socket.write(acceptanceOf(request));
    then(socket);
  });
}

function* closedError(coroutine: Coroutine<unknown>): Coroutine<WebSocketClosedError> {
  const outcome = yield* attempt(coroutine);
  expect(outcome).toMatchObject({ ok: false, error: expect.any(WebSocketClosedError) });
  return (outcome as { error: WebSocketClosedError }).error;
}

describe("messages", () => {
  it("come as they were sent, texts as strings and bytes as bytes", function* () {
    yield* within(echo(), function* (server) {
      yield* within(yield* connectTo(server), function* (socket) {
        for (const text of ["", "hello", "žluťoučký 🐴", "x".repeat(200_000)]) {
          yield* socket.send(text);
          expect(yield* socket.receive()).toBe(text);
        }
        yield* socket.send(Uint8Array.of(1, 2, 255));
        const bytes = yield* socket.receive();
        expect(bytes).toBeInstanceOf(Uint8Array);
        expect(Buffer.from(bytes)).toEqual(Buffer.of(1, 2, 255));
      });
    });
  });

  it("carry JSON, be it in texts or in bytes", function* () {
    yield* within(echo(), function* (server) {
      yield* within(yield* connectTo(server), function* (socket) {
        yield* socket.sendJson({ a: [1, null, "ž"] });
        expect(yield* socket.receiveJson()).toEqual({ a: [1, null, "ž"] });
        yield* socket.send(Buffer.from('"ž"'));
        expect(yield* socket.receiveJson()).toBe("ž");
        yield* socket.send("{");
        expect(yield* attempt(socket.receiveJson())).toMatchObject({ ok: false, error: expect.any(SyntaxError) });
        yield* socket.send(Buffer.from([0x22, 0xff, 0x22]));
        expect(yield* attempt(socket.receiveJson())).toMatchObject({ ok: false, error: expect.any(TypeError) });
      });
    });
  });

  it("of the wrong kind are refused at the call", function* () {
    yield* within(echo(), function* (server) {
      yield* within(yield* connectTo(server), function* (socket) {
        expect(() => socket.send({} as string)).toThrow("sendJson(it)");
        expect(() => socket.send(null as unknown as string)).toThrow("not null");
        expect(() => socket.send(1 as unknown as string)).toThrow("not number");
        expect(() => socket.sendJson(undefined)).toThrow("not undefined");
        expect(() => socket.ping(5 as unknown as string)).toThrow("not number");
        expect(() => socket.ping("x".repeat(126))).toThrow("up to 125 bytes, not 126");
        expect(() => socket.close(1005)).toThrow("not 1005");
        expect(() => socket.close(1000, "x".repeat(124))).toThrow("up to 123 bytes");
      });
    });
  });

  it("that arrived before the end are received after it", function* () {
    yield* within(new WsServer(), function* (server) {
      const socket = yield* connectTo(server);
      const peer = yield* server.connection();
      for (const text of ["a", "b", "c"]) peer.send(text);
      peer.close(4001, "enough");
      yield* eventually(() => socket.closeCode !== undefined);
      expect(socket.closed).toBe(true);
      const got: WebSocketMessage[] = [];
      const failure = yield* closedError(
        (function* (): Coroutine<void> {
          for (;;) got.push(yield* socket.receive());
        })(),
      );
      expect(got).toEqual(["a", "b", "c"]);
      expect(failure).toMatchObject({ closeCode: 4001, reason: "enough", code: "ERR_CORIO_WEBSOCKET_CLOSED" });
      expect(failure.cause).toBeUndefined();
      expect([socket.closeCode, socket.closeReason]).toEqual([4001, "enough"]);
    });
  });

  it("may be waited for by one task only", function* () {
    yield* within(echo(), function* (server) {
      yield* within(yield* connectTo(server), function* (socket) {
        const first = createTask(socket.receive(), { eagerStart: true });
        const second = yield* attempt(socket.receive());
        expect(second).toMatchObject({ ok: false, error: { code: "ERR_CORIO_CONCURRENT_RECEIVE" } });
        first.cancel();
        // the one that was cancelled is in nobody's way, although it has not run yet
        const third = createTask(socket.receive(), { eagerStart: true });
        yield* socket.send("hello");
        expect(yield* third).toBe("hello");
      });
    });
  });
});

describe("iteration", () => {
  for (const code of [1000, 1001, 1011, 4000]) {
    it(`ends quietly when the peer closes with ${code}`, function* () {
      const server = new WsServer((socket) => {
        socket.send("one");
        socket.send("two");
        socket.close(code);
      });
      yield* within(server, function* () {
        const socket = yield* connectTo(server);
        const got: WebSocketMessage[] = [];
        yield* forEach(socket, (message) => void got.push(message));
        expect(got).toEqual(["one", "two"]);
        expect(socket.closeCode).toBe(code);
      });
    });
  }

  it("ends quietly when the close frame has no code", function* () {
    yield* within(new WsServer((socket) => socket.close()), function* (server) {
      const socket = yield* connectTo(server);
      yield* forEach(socket, () => {});
      expect(socket.closeCode).toBe(1005);
    });
  });

  it("throws when the connection breaks off", function* () {
    const server = new WsServer((socket) => {
      socket.send("one");
      socket.on("message", () => socket.terminate());
    });
    yield* within(server, function* () {
      const socket = yield* connectTo(server);
      const failure = yield* closedError(forEach(socket, () => socket.send("now")));
      expect(failure.closeCode).toBe(1006);
      expect(failure.cause).toBeInstanceOf(Error);
    });
  });

  it("leaves the connection open when it is left", function* () {
    yield* within(echo(), function* (server) {
      yield* within(yield* connectTo(server), function* (socket) {
        yield* socket.send("one");
        yield* forEach(socket, (message, stop) => stop(message));
        yield* socket.send("two");
        expect(yield* socket.receive()).toBe("two");
      });
    });
  });

  it("works in plain async code", function* () {
    const server = new WsServer((socket) => {
      for (const text of ["a", "b", "c"]) socket.send(text);
      socket.close();
    });
    yield* within(server, function* () {
      const socket = yield* connectTo(server);
      const got: WebSocketMessage[] = [];
      yield* until(
        (async () => {
          for await (const message of socket) {
            got.push(message);
            if (message === "b") break;
          }
          for await (const message of socket) got.push(message);
        })(),
      );
      expect(got).toEqual(["a", "b", "c"]);
    });
  });
});

describe("sending", () => {
  it("waits while the peer does not read, and keeps the order", function* () {
    yield* within(new WsServer((peer) => peer.pause()), function* (server) {
      yield* within(yield* connectTo(server), function* (socket) {
        const peer = yield* server.connection();
        const got: number[] = [];
        peer.on("message", (data: Buffer) => got.push(data.readUInt32BE()));
        const block = (i: number): Buffer => {
          const bytes = Buffer.alloc(100_000);
          bytes.writeUInt32BE(i);
          return bytes;
        };
        let sent = 0;
        const senders = Array.from({ length: 200 }, (_, i) =>
          createTask(function* () {
            yield* socket.send(block(i));
            sent++;
          }),
        );
        yield* sleep(50);
        expect(sent).toBeLessThan(200);
        // no more than what may be buffered and the message that passed the mark
        expect(socket.bufferedAmount).toBeLessThan(64 * 1024 + 100_000 + 100);
        peer.resume();
        for (const sender of senders) yield* sender;
        yield* eventually(() => got.length === 200);
        expect(got).toEqual(Array.from({ length: 200 }, (_, i) => i));
      });
    });
  });

  it("does not send what is cancelled while it waits, and goes on with the next", function* () {
    yield* within(new WsServer((peer) => peer.pause()), function* (server) {
      yield* within(yield* connectTo(server), function* (socket) {
        const peer = yield* server.connection();
        const got: string[] = [];
        peer.on("message", (data: Buffer) => got.push(data.toString().slice(0, 6)));
        let filled = 0;
        const filler = createTask(function* () {
          for (;;) {
            yield* socket.send("filler".padEnd(100_000));
            filled++;
          }
        });
        yield* sleep(50);
        const cancelled = createTask(socket.send("never"));
        const kept = createTask(socket.send("kept"));
        yield* sleep(0);
        filler.cancel();
        cancelled.cancel();
        yield* sleep(0);
        peer.resume();
        yield* kept;
        yield* eventually(() => got.length > filled);
        expect(got).toEqual([...Array.from({ length: filled }, () => "filler"), "kept"]);
      });
    });
  });

  it("fails once it is closed, and so it does for those who wait", function* () {
    yield* within(new WsServer((peer) => peer.pause()), function* (server) {
      const socket = yield* connectTo(server);
      const peer = yield* server.connection();
      const senders = Array.from({ length: 100 }, () => createTask(attempt(socket.send("x".repeat(200_000)))));
      yield* sleep(50);
      peer.terminate();
      const failed = [];
      for (const sender of senders) {
        const outcome = yield* sender;
        if (!outcome.ok) failed.push(outcome.error);
      }
      expect(failed.length).toBeGreaterThan(0);
      expect(failed).toEqual(failed.map(() => expect.any(WebSocketClosedError)));
      expect((yield* closedError(socket.send("more"))).closeCode).toBe(1006);
      expect((yield* closedError(socket.ping())).closeCode).toBe(1006);
    });
  });

  it("tells the peer's code to who sends after the peer has closed", function* () {
    yield* within(new WsServer((peer) => peer.close(4002, "over")), function* (server) {
      const socket = yield* connectTo(server);
      yield* eventually(() => socket.closed);
      expect(yield* closedError(socket.send("late"))).toMatchObject({ closeCode: 4002, reason: "over" });
    });
  });
});

describe("receiving", () => {
  it("reads no more than what somebody receives", function* () {
    yield* within(new WsServer(), function* (server) {
      yield* within(yield* connectTo(server), function* (socket) {
        const peer = yield* server.connection();
        const count = 400;
        for (let i = 0; i < count; i++) peer.send(String(i).padEnd(50_000));
        yield* sleep(100);
        // most of the 20 MB: neither here nor in the buffers between
        expect(peer.bufferedAmount).toBeGreaterThan(5_000_000);
        for (let i = 0; i < count; i++) expect((yield* socket.receive()).slice(0, 5).toString().trim()).toBe(String(i));
        expect(peer.bufferedAmount).toBe(0);
      });
    });
  });

  it("counts small messages by more than their bytes", function* () {
    // eight million messages without any
    yield* within(
      silent((peer) => peer.write(Buffer.alloc(16_000_000, frame("")))),
      function* (server) {
        const socket = yield* connectTo(server);
        yield* sleep(100);
        for (const peer of server.sockets) peer.resetAndDestroy();
        let count = 0;
        const receiveAll = forEach(socket, () => void count++);
        expect((yield* closedError(receiveAll)).closeCode).toBe(1006);
        expect(count).toBeLessThan(150_000);
      },
    );
  });

  it("takes messages up to the limit, and closes with 1009 for a larger one", function* () {
    yield* within(new WsServer(), function* (server) {
      const socket = yield* connectTo(server, { maxMessageSize: 1_000 });
      const peer = yield* server.connection();
      peer.send("x".repeat(1_000));
      peer.send("x".repeat(1_001));
      peer.send("never read");
      expect(yield* socket.receive()).toBe("x".repeat(1_000));
      const [failure, told] = [yield* closedError(socket.receive()), yield* closingOf(peer)];
      expect(failure.closeCode).toBe(1009);
      expect(failure.cause).toBeInstanceOf(RangeError);
      expect(told.code).toBe(1009);
      expect((yield* closedError(forEach(socket, () => {}))).closeCode).toBe(1009);
    });
  });

  it("has a limit of 4 MiB by default", function* () {
    yield* within(new WsServer(), function* (server) {
      const socket = yield* connectTo(server);
      const peer = yield* server.connection();
      const limit = 4 * 1024 * 1024;
      peer.send(Buffer.alloc(limit));
      peer.send(Buffer.alloc(limit + 1));
      expect((yield* socket.receive()).length).toBe(limit);
      expect((yield* closedError(socket.receive())).closeCode).toBe(1009);
    });
  });

  it("has no limit where none is wanted", function* () {
    yield* within(new WsServer(), function* (server) {
      yield* within(yield* connectTo(server, { maxMessageSize: Infinity }), function* (socket) {
        const peer = yield* server.connection();
        peer.send(Buffer.alloc(5_000_000));
        expect((yield* socket.receive()).length).toBe(5_000_000);
      });
    });
  });

  it("counts the bytes of a compressed message decompressed", function* () {
    yield* within(new WsServer(undefined, { perMessageDeflate: { threshold: 0 } }), function* (server) {
      const socket = yield* connectTo(server, { compress: true, maxMessageSize: 100_000 });
      const peer = yield* server.connection();
      expect(peer.extensions).toContain("permessage-deflate");
      peer.send("x".repeat(100_000));
      // some thousand bytes on the wire
      peer.send("x".repeat(3_000_000));
      expect((yield* socket.receive()).length).toBe(100_000);
      expect((yield* closedError(socket.receive())).closeCode).toBe(1009);
    });
  });

  it("compresses only where it is wanted", function* () {
    yield* within(new WsServer(undefined, { perMessageDeflate: true }), function* (server) {
      yield* within(yield* connectTo(server), function* () {
        expect((yield* server.connection()).extensions).toBe("");
      });
    });
  });
});

describe("pings", () => {
  it("are done when the pong is there", function* () {
    yield* within(new WsServer(), function* (server) {
      yield* within(yield* connectTo(server), function* (socket) {
        const peer = yield* server.connection();
        const pings: string[] = [];
        peer.on("ping", (data: Buffer) => pings.push(data.toString()));
        yield* socket.ping();
        yield* socket.ping("hello");
        yield* socket.ping(Uint8Array.of(65, 66));
        expect(pings.slice(1)).toEqual(["hello", "AB"]);
      });
    });
  });

  it("are answered by the pong of a later one, too, and not by others", function* () {
    yield* within(new WsServer(undefined, { autoPong: false }), function* (server) {
      yield* within(yield* connectTo(server), function* (socket) {
        const peer = yield* server.connection();
        const [a, b, c] = ["a", "b", "c"].map((data) => createTask(socket.ping(data), { eagerStart: true }));
        peer.pong("unasked");
        peer.pong("b");
        yield* b!;
        expect([a!.done, c!.done]).toEqual([true, false]);
        peer.pong("c");
        yield* c!;
      });
    });
  });

  it("fail when the connection is closed before", function* () {
    yield* within(new WsServer(undefined, { autoPong: false }), function* (server) {
      const socket = yield* connectTo(server);
      const peer = yield* server.connection();
      peer.on("ping", () => peer.close(4003));
      expect((yield* closedError(socket.ping())).closeCode).toBe(4003);
    });
  });

  it("of the peer are answered", function* () {
    yield* within(new WsServer(), function* (server) {
      yield* within(yield* connectTo(server), function* () {
        const peer = yield* server.connection();
        const answered = new Promise<Buffer>((resolve) => peer.once("pong", resolve));
        peer.ping("are you there");
        expect((yield* until(answered)).toString()).toBe("are you there");
      });
    });
  });
});

describe("the heartbeat", () => {
  it("ends a connection whose peer has gone without a word", function* () {
    yield* within(silent(), function* (server) {
      const socket = yield* connectTo(server, { heartbeat: 20 });
      const failure = yield* closedError(socket.receive());
      expect(failure.closeCode).toBe(1006);
      expect(failure.cause).toBeInstanceOf(TimeoutError);
      expect((failure.cause as Error).message).toContain("within 10 ms");
    });
  });

  it("leaves one alone whose peer answers", function* () {
    yield* within(new WsServer(), function* (server) {
      yield* within(yield* connectTo(server, { heartbeat: 60 }), function* (socket) {
        const peer = yield* server.connection();
        let pings = 0;
        peer.on("ping", () => pings++);
        yield* eventually(() => pings >= 4);
        expect(socket.closed).toBe(false);
      });
    });
  });

  it("takes any byte for a sign of life, such as those of a long message", function* () {
    // never answers a ping
    const server = silent((socket) => {
      socket.write(Buffer.concat([frame("", { claims: 100n }), Buffer.from("x")]));
      let sent = 1;
      const timer = setInterval(() => {
        socket.write("x");
        if (++sent === 100) clearInterval(timer);
      }, 2);
      socket.on("close", () => clearInterval(timer));
    });
    yield* within(server, function* () {
      const socket = yield* connectTo(server, { heartbeat: 100 });
      expect(yield* socket.receive()).toBe("x".repeat(100));
      yield* closedError(socket.receive());
    });
  });

  it("does not mistake a slow receiver for a peer that has gone", function* () {
    yield* within(new WsServer(), function* (server) {
      yield* within(yield* connectTo(server, { heartbeat: 50 }), function* (socket) {
        const peer = yield* server.connection();
        for (let i = 0; i < 400; i++) peer.send("x".repeat(50_000));
        yield* sleep(200);
        for (let i = 0; i < 400; i++) yield* socket.receive();
      });
    });
  });
});

describe("closing", () => {
  it("tells the peer code and reason, and waits for its answer", function* () {
    yield* within(new WsServer(), function* (server) {
      const socket = yield* connectTo(server);
      const peer = yield* server.connection();
      const told = createTask(closingOf(peer), { eagerStart: true });
      expect([socket.closed, socket.closeCode, socket.closeReason]).toEqual([false, undefined, ""]);
      yield* socket.close(4004, "žlutý");
      expect(yield* told).toEqual({ code: 4004, reason: "žlutý" });
      expect([socket.closed, socket.closeCode, socket.closeReason]).toEqual([true, 4004, "žlutý"]);
      yield* socket.close();
    });
  });

  it("ends what another task waits for", function* () {
    yield* within(new WsServer(), function* (server) {
      const socket = yield* connectTo(server);
      const receiver = createTask(closedError(socket.receive()), { eagerStart: true });
      yield* socket.close(4005);
      expect((yield* receiver).closeCode).toBe(4005);
    });
  });

  it("sends what was sent before", function* () {
    yield* within(new WsServer(), function* (server) {
      const socket = yield* connectTo(server);
      const peer = yield* server.connection();
      let bytes = 0;
      peer.on("message", (data: Buffer) => (bytes += data.length));
      yield* socket.send(Buffer.alloc(3_000_000));
      yield* socket.close();
      expect(bytes).toBe(3_000_000);
    });
  });

  it("passes by what nobody received, which can be received all the same as far as it has come", function* () {
    yield* within(new WsServer(), function* (server) {
      const socket = yield* connectTo(server);
      const peer = yield* server.connection();
      peer.send("first");
      peer.send("second");
      // its pong comes behind them
      yield* socket.ping();
      for (let i = 0; i < 400; i++) peer.send("x".repeat(50_000));
      yield* sleep(50);
      yield* socket.close();
      expect(socket.closeCode).toBe(1000);
      expect([yield* socket.receive(), yield* socket.receive()]).toEqual(["first", "second"]);
    });
  });

  it("cuts the connection when the peer does not answer", function* () {
    yield* within(silent(), function* (server) {
      const socket = yield* connectTo(server, { closeTimeout: 20 });
      yield* socket.close();
      expect(socket.closeCode).toBe(1006);
    });
  });

  it("cuts the connection when it is cancelled", function* () {
    yield* within(silent(), function* (server) {
      const socket = yield* connectTo(server);
      const [peer] = server.sockets;
      const cut = new Promise((resolve) => peer?.once("end", resolve));
      peer?.resume();
      yield* expectTimeout(within(timeout(20), () => socket.close()));
      yield* until(cut);
      expect((yield* closedError(socket.receive())).closeCode).toBe(1006);
    });
  });

  it("is waited for by several", function* () {
    yield* within(
      silent((peer) => setTimeout(() => peer.end(frame(closing(4006), { opcode: CLOSE })), 20)),
      function* (server) {
        const socket = yield* connectTo(server);
        const others = [createTask(socket.close()), createTask(socket.close(1001))];
        yield* socket.close();
        for (const other of others) yield* other;
        expect(socket.closeCode).toBe(4006);
      },
    );
  });
});

function* expectTimeout(coroutine: Coroutine<unknown>): Coroutine<void> {
  expect(yield* attempt(coroutine)).toMatchObject({ ok: false, error: expect.any(TimeoutError) });
}

describe("as a context manager it closes", () => {
  it("with 1000 after its block", function* () {
    yield* within(new WsServer(), function* (server) {
      const told = createTask(function* () {
        return yield* closingOf(yield* server.connection());
      });
      expect(yield* within(yield* connectTo(server), () => "result")).toBe("result");
      expect((yield* told).code).toBe(1000);
    });
  });

  it("with 1001 after an error or a cancellation", function* () {
    for (const end of ["error", "cancellation"]) {
      yield* within(new WsServer(), function* (server) {
        const told = createTask(function* () {
          return yield* closingOf(yield* server.connection());
        });
        const task = createTask(function* () {
          yield* within(yield* connectTo(server), function* () {
            yield* server.connection();
            if (end === "error") throw new Error("mine");
            yield* sleep(Infinity);
          });
        });
        yield* server.connection();
        if (end === "cancellation") {
          yield* sleep(10);
          task.cancel();
        }
        const outcome = yield* attempt(wait(task));
        expect(outcome).toMatchObject({ ok: false });
        expect((yield* told).code).toBe(1001);
      });
    }
  });
});

// a task that was cancelled fails here like any other
function* wait(task: ReturnType<typeof createTask>): Coroutine<unknown> {
  try {
    return yield* task;
  } catch (error) {
    throw isCancelled(error) ? new CorioError("ERR_TEST", "cancelled") : error;
  }
}

it("loses no message when a wait for one is cancelled, whenever that happens", function* () {
  yield* within(echo(), function* (server) {
    yield* within(yield* connectTo(server), function* (socket) {
      let got = 0;
      for (let i = 0; i < 300; i++) {
        yield* socket.send(String(i));
        const receiver = createTask(receiveNext(socket), { eagerStart: true });
        // a turn of the host or two: some are cancelled before the message, some as it comes, some too late
        for (let turns = i % 4; turns > 0; turns--) yield* until(new Promise((resolve) => void setImmediate(resolve)));
        receiver.cancel();
        const outcome = yield* attempt(wait(receiver));
        const message = outcome.ok ? outcome.value : yield* socket.receive();
        expect(message).toBe(String(i));
        got++;
      }
      expect(got).toBe(300);
    });
  });
});

function receiveNext(socket: WebSocketConnection): Coroutine<WebSocketMessage> {
  return socket.receive();
}

plain("is cut when its loop is closed", async () => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const closed = new Promise<number>((resolve) =>
    server.once("connection", (peer) => {
      peer.on("error", () => {});
      peer.once("close", resolve);
    }),
  );
  await run(function* () {
    yield* connectTo({ url }, { heartbeat: 1_000 });
  });
  expect(await closed).toBe(1006);
  await new Promise((resolve) => server.close(resolve));
});

it("has the subprotocol that was agreed on", function* () {
  yield* within(new WsServer(undefined, { handleProtocols: () => "b" }), function* (server) {
    yield* within(yield* connectTo(server, { protocols: ["a", "b"] }), (socket) => {
      expect(socket.protocol).toBe("b");
    });
    yield* within(yield* connectTo(server), (socket) => {
      expect(socket.protocol).toBe("");
    });
  });
});
