import { connect, type Socket } from "node:net";
import { test } from "@corio/testing/vitest";
import {
  attempt,
  type Coroutine,
  createTask,
  Event,
  type ExceptionContext,
  forEach,
  getRunningLoop,
  isCancelled,
  Queue,
  sleep,
  type Task,
  TaskGroup,
  until,
  within,
} from "corio";
import { WebSocket as UndiciWebSocket } from "undici";
import { describe, expect } from "vitest";
import { type ClientOptions, WebSocket } from "ws";
import { WebSocketClosedError } from "../../src/errors/websocket-closed-error.js";
import { upgradeWebSocket } from "../../src/websocket/upgrade-websocket.js";
import type { WebSocketConnection, WebSocketMessage } from "../../src/websocket/websocket-connection.js";
import { closingOf, connectTo, eventually, messageOf, notesOf } from "./peers.js";
import { BINARY, CLOSE, closing, frame, handshake } from "./raw-peer.js";
import { UpgradingServer } from "./upgrading-server.js";

const it = test.with({ time: "real" });

function* echo(socket: WebSocketConnection): Coroutine<void> {
  yield* forEach(socket, (message) => socket.send(message));
}

function* echoOf(handled: string[]): Coroutine<void> {
  handled.push("it ran");
}

/** A client of `ws` that is open. */
function* client(
  { url }: { readonly url: string },
  options: ClientOptions & { protocols?: string[] } = {},
): Coroutine<WebSocket> {
  const { protocols = [], ...rest } = options;
  const socket = new WebSocket(url, protocols, rest);
  notesOf(socket);
  yield* until(
    new Promise((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    }),
  );
  socket.on("error", () => {});
  return socket;
}

/** A client that sends bytes and collects what comes. */
class RawClient {
  readonly socket: Socket;
  text = "";

  constructor(port: number, ...sent: (string | Buffer)[]) {
    this.socket = connect({ port, host: "127.0.0.1" });
    this.socket.on("data", (data) => (this.text += data.toString("latin1")));
    this.socket.on("error", () => {});
    for (const piece of sent) this.socket.write(piece);
  }

  /** All that comes up to the end. */
  *whole(): Coroutine<string> {
    if (!this.socket.closed) yield* until(new Promise((resolve) => this.socket.once("close", resolve)));
    return this.text;
  }
}

/** Waits until a task has ended, and says how. */
function* ending(task: Task<unknown>): Coroutine<"returned" | "cancelled" | "failed"> {
  try {
    yield* task;
    return "returned";
  } catch {
    return task.cancelled ? "cancelled" : "failed";
  }
}

/** Takes what is reported instead of the test, to which it would be a leak. */
function reportsOf(): ExceptionContext[] {
  const reports: ExceptionContext[] = [];
  getRunningLoop().exceptionHandler = (_loop, context) => void reports.push(context);
  return reports;
}

describe("a handler", () => {
  it("talks with a client of ws", function* () {
    yield* within(UpgradingServer.of(echo), function* (server) {
      const socket = yield* client(server);
      for (const text of ["", "hello", "ž🐴", "x".repeat(300_000)]) {
        socket.send(text);
        expect(yield* messageOf(socket)).toBe(text);
      }
      socket.close(1000);
      yield* closingOf(socket);
      expect(yield* ending(yield* server.task())).toBe("returned");
    });
  });

  it("talks with undici's WebSocket, the one of the platform", function* () {
    yield* within(UpgradingServer.of(echo, { origins: "*", protocols: ["b"], compress: true }), function* (server) {
      const socket = new UndiciWebSocket(server.url, ["a", "b"]);
      socket.binaryType = "arraybuffer";
      const events = new Queue<unknown>();
      for (const name of ["open", "message", "close"] as const) {
        socket.addEventListener(name, (event) => events.putNowait(event));
      }
      expect(yield* events.get()).toMatchObject({ type: "open" });
      expect(socket.protocol).toBe("b");
      expect(socket.extensions).toContain("permessage-deflate");
      socket.send("hello ".repeat(1_000));
      expect(yield* events.get()).toMatchObject({ data: "hello ".repeat(1_000) });
      socket.send(Uint8Array.of(1, 2, 3));
      expect(new Uint8Array(((yield* events.get()) as { data: ArrayBuffer }).data)).toEqual(Uint8Array.of(1, 2, 3));
      socket.close(3001, "done");
      expect(yield* events.get()).toMatchObject({ type: "close", code: 3001, reason: "done", wasClean: true });
      expect(yield* ending(yield* server.task())).toBe("returned");
    });
  });

  it("talks with our own client, through a thousand messages that go both ways at once", function* () {
    yield* within(UpgradingServer.of(echo, { compress: true }), function* (server) {
      yield* within(yield* connectTo(server, { compress: true }), function* (socket) {
        const received: WebSocketMessage[] = [];
        yield* within(new TaskGroup(), function* (group) {
          group.createTask(function* () {
            for (let i = 0; i < 1_000; i++) yield* socket.send(`${i} ${"x".repeat(i * 3)}`);
          });
          yield* forEach(socket, (message, stop) => {
            received.push(message);
            return received.length === 1_000 ? stop() : undefined;
          });
        });
        expect(received).toEqual(Array.from({ length: 1_000 }, (_, i) => `${i} ${"x".repeat(i * 3)}`));
      });
    });
  });

  it("may be an async function", function* () {
    const server = UpgradingServer.of(async (socket) => {
      for await (const message of socket) if (message === "end") return;
    });
    yield* within(server, function* () {
      const socket = yield* client(server);
      socket.send("end");
      expect(yield* closingOf(socket)).toEqual({ code: 1000, reason: "" });
    });
  });

  it("gets messages that the client has sent along with its request", function* () {
    const got: WebSocketMessage[] = [];
    const server = UpgradingServer.of((socket) => forEach(socket, (message) => void got.push(message)));
    yield* within(server, function* () {
      const frames = [frame("early", { masked: true }), frame(closing(1000), { opcode: CLOSE, masked: true })];
      const raw = new RawClient(server.port, handshake(), ...frames);
      yield* raw.whole();
      expect(got).toEqual(["early"]);
    });
  });

  it("agrees on the first subprotocol of the client that it can speak", function* () {
    const server = UpgradingServer.of((socket) => socket.send(socket.protocol), { protocols: ["c", "b"] });
    yield* within(server, function* () {
      expect(yield* messageOf(yield* client(server, { protocols: ["a", "b", "c"] }))).toBe("b");
      // none is agreed on, which is the client's to judge
      expect(yield* attempt(client(server, { protocols: ["a"] }))).toMatchObject({ ok: false });
      expect(yield* messageOf(yield* client(server))).toBe("");
    });
  });

  it("adds headers to the answer, its own and those of middleware", function* () {
    const server = new UpgradingServer((request) => {
      const response = upgradeWebSocket(request, echo, { headers: { "X-Own": "1" } });
      response.headers.append("set-cookie", "a=1");
      response.headers.append("set-cookie", "b=2");
      response.headers.set("content-type", "text/plain");
      response.headers.set("sec-websocket-accept", "nonsense");
      return response;
    });
    yield* within(server, function* () {
      const raw = new RawClient(server.port, handshake());
      yield* eventually(() => raw.text.includes("\r\n\r\n"));
      const head = raw.text.toLowerCase();
      expect(head).toContain("http/1.1 101");
      expect(head).toContain("set-cookie: a=1\r\nset-cookie: b=2\r\nx-own: 1\r\n");
      expect(head).not.toContain("content-type");
      expect(head).not.toContain("nonsense");
      raw.socket.destroy();
    });
  });
});

describe("the WebSocket is closed", () => {
  it("with 1000 when the handler returns", function* () {
    yield* within(
      UpgradingServer.of((socket) => socket.send("bye")),
      function* (server) {
        const socket = yield* client(server);
        expect(yield* closingOf(socket)).toEqual({ code: 1000, reason: "" });
        expect(yield* ending(yield* server.task())).toBe("returned");
      },
    );
  });

  it("with 1011 after an error, which is reported and not told to the client", function* () {
    const reports = reportsOf();
    const mine = new Error("secret");
    const server = UpgradingServer.of(function* () {
      yield* sleep(1);
      throw mine;
    });
    yield* within(server, function* () {
      expect(yield* closingOf(yield* client(server))).toEqual({ code: 1011, reason: "" });
      expect(yield* ending(yield* server.task())).toBe("returned");
      expect(reports).toMatchObject([{ exception: mine, request: "GET /chat?room=1" }]);
    });
  });

  it("with 1011 when the handler is none, which is reported", function* () {
    const reports = reportsOf();
    const server = UpgradingServer.of((() => {}) as unknown as typeof echo);
    yield* within(server, function* () {
      expect((yield* closingOf(yield* client(server))).code).toBe(1011);
      expect(reports).toMatchObject([{ exception: { code: "ERR_CORIO_HANDLER" } }]);
    });
  });

  it("with 1001 when the task is cancelled", function* () {
    const server = UpgradingServer.of(() => sleep(Infinity));
    yield* within(server, function* () {
      const socket = yield* client(server);
      const task = yield* server.task();
      const told = createTask(closingOf(socket), { eagerStart: true });
      task.cancel();
      expect((yield* told).code).toBe(1001);
      expect(yield* ending(task)).toBe("cancelled");
    });
  });

  it("with 1001 at once when the server shuts down, and a handler that receives ends by itself", function* () {
    let left = "";
    const server = UpgradingServer.of(function* (socket) {
      yield* forEach(socket, () => {});
      left = `in order, ${socket.closeCode}`;
    });
    yield* within(server, function* () {
      const socket = yield* client(server);
      const task = yield* server.task();
      const told = createTask(closingOf(socket), { eagerStart: true });
      server.goAway();
      expect((yield* told).code).toBe(1001);
      expect(yield* ending(task)).toBe("returned");
      expect(left).toBe("in order, 1001");
    });
  });
});

describe("when the client goes", () => {
  it("a handler that receives is told by an error, which is not reported", function* () {
    let told: unknown;
    const server = UpgradingServer.of(function* (socket) {
      try {
        yield* socket.receive();
      } catch (error) {
        told = error;
        throw error;
      }
    });
    yield* within(server, function* () {
      const socket = yield* client(server);
      const task = yield* server.task();
      socket.terminate();
      expect(yield* ending(task)).toBe("returned");
      expect(told).toBeInstanceOf(WebSocketClosedError);
      expect(told).toMatchObject({ closeCode: 1006 });
    });
  });

  it("the same error in a group is not reported either, but one of another WebSocket is", function* () {
    const reports = reportsOf();
    const server = UpgradingServer.of((socket) =>
      within(new TaskGroup(), function* (group) {
        group.createTask(socket.receive());
        yield* sleep(Infinity);
      }),
    );
    const proxy = UpgradingServer.of(function* () {
      yield* (yield* connectTo(other)).receive();
    });
    const other = UpgradingServer.of((socket) => socket.close(4000));
    yield* within(server, proxy, other, function* () {
      const socket = yield* client(server);
      const task = yield* server.task();
      socket.terminate();
      expect(yield* ending(task)).toBe("returned");
      expect(reports).toEqual([]);
      expect((yield* closingOf(yield* client(proxy))).code).toBe(1011);
      expect(reports).toMatchObject([{ exception: { closeCode: 4000 } }]);
    });
  });

  for (const how of ["closes", "breaks off"]) {
    it(`and ${how}, a handler that only sends, and waits for something to send, is cancelled`, function* () {
      const left = new Event();
      let reason: unknown;
      const server = UpgradingServer.of(function* (socket) {
        try {
          yield* socket.send("hello");
          yield* sleep(Infinity);
        } catch (error) {
          if (isCancelled(error)) reason = error.reason;
          throw error;
        } finally {
          left.set();
        }
      });
      yield* within(server, function* () {
        const socket = yield* client(server);
        const task = yield* server.task();
        yield* messageOf(socket);
        if (how === "closes") socket.close(4000);
        else socket.terminate();
        yield* left.wait();
        expect(yield* ending(task)).toBe("cancelled");
        expect(reason).toBeInstanceOf(WebSocketClosedError);
        expect(reason).toMatchObject({ closeCode: how === "closes" ? 4000 : 1006 });
      });
    });
  }

  it("a handler may finish what it does with what it has received", function* () {
    const done: WebSocketMessage[] = [];
    const server = UpgradingServer.of((socket) =>
      forEach(socket, function* (message) {
        yield* sleep(20);
        done.push(message);
      }),
    );
    yield* within(server, function* () {
      const socket = yield* client(server);
      for (const text of ["a", "b", "c"]) socket.send(text);
      socket.close();
      expect(yield* ending(yield* server.task())).toBe("returned");
      expect(done).toEqual(["a", "b", "c"]);
    });
  });

  it("a handler that has received is cancelled when it does not come back to the socket", function* () {
    const server = UpgradingServer.of(
      function* (socket) {
        yield* socket.receive();
        yield* sleep(Infinity);
      },
      { closeTimeout: 50 },
    );
    yield* within(server, function* () {
      const socket = yield* client(server);
      const task = yield* server.task();
      socket.send("subscribe");
      socket.close();
      expect(yield* ending(task)).toBe("cancelled");
    });
  });

  it("a handler that has been told is left alone", function* () {
    let ended = false;
    const server = UpgradingServer.of(
      function* (socket) {
        yield* forEach(socket, () => {});
        yield* sleep(100);
        ended = true;
      },
      { closeTimeout: 10 },
    );
    yield* within(server, function* () {
      const socket = yield* client(server);
      const task = yield* server.task();
      socket.close();
      expect(yield* ending(task)).toBe("returned");
      expect(ended).toBe(true);
    });
  });

  it("a handler that has closed it itself is left alone", function* () {
    let ended = false;
    const server = UpgradingServer.of(function* (socket) {
      yield* socket.close(4000);
      yield* sleep(20);
      ended = true;
    });
    yield* within(server, function* () {
      yield* closingOf(yield* client(server));
      expect(yield* ending(yield* server.task())).toBe("returned");
      expect(ended).toBe(true);
    });
  });

  it("before its request is answered, nothing is left", function* () {
    const handled: string[] = [];
    const late = new UpgradingServer((request) => upgradeWebSocket(request, () => echoOf(handled)), { delay: 20 });
    yield* within(late, function* () {
      const raw = new RawClient(late.port, handshake());
      const task = yield* late.task();
      raw.socket.resetAndDestroy();
      expect(yield* ending(task)).toBe("returned");
      expect(handled).toEqual([]);
    });
  });
});

describe("a request", () => {
  /** Requests and the beginning of the answers to them. */
  const cases: [what: string, head: string, status: number, ...also: string[]][] = [
    ["is answered with 101", handshake(), 101, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
    [
      "of another version is refused",
      handshake().replace("Version: 13", "Version: 8"),
      426,
      "sec-websocket-version: 13",
    ],
    [
      "without a version is refused",
      handshake().replace("Sec-WebSocket-Version: 13\r\n", ""),
      426,
      "sec-websocket-version: 13",
    ],
    ["with a key that is none is refused", handshake().replace("dGhl", "!!!!"), 400],
    ["without a key is refused", handshake().replace("Sec-WebSocket-Key", "X-Key"), 400],
    [
      "for another protocol is refused",
      handshake().replace("Upgrade: websocket", "Upgrade: h2c"),
      426,
      "upgrade: websocket",
    ],
    ["with another method is refused", handshake().replace("GET", "POST"), 426, "upgrade: websocket"],
    ["with subprotocols that are none is refused", handshake("Sec-WebSocket-Protocol: a,,b"), 400],
    [
      "with names in other cases is accepted",
      handshake().replace("websocket", "WebSocket").replace(": Upgrade", ": keep-alive, UPGRADE"),
      101,
    ],
    ["of the same host is accepted", handshake("Origin: http://localhost"), 101],
    ["of the same host through a proxy with TLS is accepted", handshake("Origin: https://localhost"), 101],
    ["of another host is refused", handshake("Origin: http://evil.example"), 403],
    ["of another port is refused", handshake("Origin: http://localhost:8080"), 403],
    ["of a host that begins the same is refused", handshake("Origin: http://localhost.evil.example"), 403],
    ["of a page without an origin is refused", handshake("Origin: null"), 403],
    ["of an origin that is none is refused", handshake("Origin: localhost"), 403],
  ];
  for (const [what, head, status, ...also] of cases) {
    it(what, function* () {
      yield* within(
        UpgradingServer.of((socket) => socket.close(), { closeTimeout: 10 }),
        function* (server) {
          const text = yield* new RawClient(server.port, head).whole();
          expect(text.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
          for (const one of also) expect(text).toContain(one);
        },
      );
    });
  }

  const listed: [origins: readonly string[] | "*", origin: string, status: number][] = [
    [["https://a.example", "https://b.example:8443"], "https://a.example", 101],
    [["https://a.example", "https://b.example:8443"], "https://b.example:8443", 101],
    [["https://a.example:443/"], "https://a.example", 101],
    [["https://a.example"], "http://a.example", 403],
    [["https://a.example"], "https://a.example:444", 403],
    // the own one is listed as well, or it is not allowed
    [["https://a.example"], "http://localhost", 403],
    [["null"], "null", 101],
    [[], "https://a.example", 403],
    ["*", "https://a.example", 101],
  ];
  for (const [origins, origin, status] of listed) {
    it(`of ${origin} is answered with ${status} where ${JSON.stringify(origins)} is allowed`, function* () {
      yield* within(
        UpgradingServer.of((socket) => socket.close(), { closeTimeout: 10, origins }),
        function* (server) {
          const text = yield* new RawClient(server.port, handshake(`Origin: ${origin}`)).whole();
          expect(text.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
        },
      );
    });
  }
});

it("refuses at the call what cannot be meant", function* () {
  const request = new Request("http://localhost/");
  const wrong: [options: object, text: string][] = [
    [{ origins: "https://a.example" }, "an array of origins"],
    [{ origins: ["a.example"] }, "a scheme and a host"],
    [{ origins: ["https://a.example/path"] }, "a scheme and a host"],
    [{ protocols: ["a b"] }, "array of names"],
    [{ headers: { "Sec-WebSocket-Protocol": "a" } }, "option protocols"],
    [{ headers: { a: "b\r\nc: d" } }, "header a"],
    [{ maxMessageSize: -1 }, "maxMessageSize"],
  ];
  for (const [options, text] of wrong) expect(() => upgradeWebSocket(request, echo, options), text).toThrow(text);
  expect(() => upgradeWebSocket(request, undefined as unknown as typeof echo)).toThrow("not undefined");
});

it("answers an ordinary request with 426", function* () {
  const response = upgradeWebSocket(new Request("http://localhost/"), echo);
  expect(response.status).toBe(426);
  expect(response.headers.get("upgrade")).toBe("websocket");
  expect(yield* until(response.text())).toContain("no request for one");
});

it("closes with 1009 what is too large, and with 1001 nobody else", function* () {
  const reports = reportsOf();
  yield* within(UpgradingServer.of(echo, { maxMessageSize: 10 }), function* (server) {
    const [small, large] = [yield* client(server), yield* client(server)];
    large.send("x".repeat(11));
    expect((yield* closingOf(large)).code).toBe(1009);
    small.send("hello");
    expect(yield* messageOf(small)).toBe("hello");
    small.close();
    yield* closingOf(small);
    for (const task of server.tasks) expect(yield* ending(task)).toBe("returned");
    // the handler has seen an error, but none of its own
    expect(reports).toEqual([]);
  });
});

it("ends a half-open connection by its heartbeat", function* () {
  const server = UpgradingServer.of(echo, { heartbeat: 20 });
  yield* within(server, function* () {
    const raw = new RawClient(server.port, handshake());
    yield* eventually(() => raw.text.includes("101"));
    expect(yield* ending(yield* server.task())).toBe("returned");
    yield* raw.whole();
    // a ping, and nothing after it
    expect(raw.text.endsWith("\x89\x05corio")).toBe(true);
  });
});

it("is not fooled by a client that floods it with pings and never reads", function* () {
  const server = UpgradingServer.of(echo);
  yield* within(server, function* () {
    const raw = new RawClient(server.port, handshake());
    yield* eventually(() => raw.text.includes("101"));
    raw.socket.pause();
    const pings = Buffer.concat(
      Array.from({ length: 10_000 }, () => frame("x".repeat(100), { opcode: 9, masked: true })),
    );
    const flood = (): void => {
      while (!raw.socket.destroyed && raw.socket.write(pings));
    };
    raw.socket.on("drain", flood);
    flood();
    expect(yield* ending(yield* server.task())).toBe("returned");
  });
});

it("holds back a client that sends and never reads", function* () {
  const server = UpgradingServer.of(echo, { closeTimeout: 20 });
  yield* within(server, function* () {
    const raw = new RawClient(server.port, handshake());
    yield* eventually(() => raw.text.includes("101"));
    raw.socket.pause();
    const message = frame(Buffer.alloc(100_000), { opcode: BINARY, masked: true });
    for (let i = 0; i < 300; i++) raw.socket.write(message);
    yield* sleep(100);
    // most of the 30 MB are still the client's own
    expect(raw.socket.writableLength).toBeGreaterThan(5_000_000);
    raw.socket.destroy();
    expect(yield* ending(yield* server.task())).toBe("returned");
  });
});
