import { once } from "node:events";
import { type Coroutine, createTask, forEach, gather, sleep, until, within } from "corio";
import { Hono, type MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { describe, expect, test } from "vitest";
import { WebSocket as UndiciWebSocket } from "undici";
import { WebSocket as WsWebSocket } from "ws";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { runConnected } from "../../../node/test/support/run-connected.js";
import { socketPath } from "../../../node/test/support/temporary-folder.js";
import {
  type ClientSession,
  type HttpServer,
  type RequestHandler,
  Response,
  serve,
  type ServeOptions,
  type SessionOptions,
  upgradeWebSocket,
  type WebSocketConnection,
} from "../../src/index.js";
import { ProxyServer } from "../client/proxy-server.js";
import { inSession } from "../client/session-setting.js";
import { type AiohttpClient, startAiohttpClient } from "../support/aiohttp-client.js";
import { startAiohttpServer } from "../support/aiohttp-server.js";
import { describeWith } from "../support/programs.js";
import { useStarted } from "../support/started.js";
import { Service, serving } from "./service.js";

// More of aiohttp stands in the tests beside; this is about the ways that lead to a WebSocket, and how its ends part.

const webSocketUrl = ({ url }: HttpServer): string => `${url.replace("http", "ws")}/ws`;

/** Has a text and bytes sent back, and both sides see the other's answer to a ping. */
function* converse(socket: WebSocketConnection): Coroutine<void> {
  yield* socket.send("text");
  expect(yield* socket.receive()).toBe("text");
  yield* socket.send(new Uint8Array([0, 1, 255]));
  expect(Buffer.from((yield* socket.receive()) as Uint8Array)).toEqual(Buffer.from([0, 1, 255]));
  yield* socket.ping();
}

function* untilClosed(service: Service, count: number): Coroutine<void> {
  while (service.closed.length < count) yield* sleep(2);
}

const addsHeader: MiddlewareHandler = async (c, next) => {
  await next();
  c.header("x-middleware", "passed");
};

/** Runs a coroutine while a server handles requests, with a session for it. */
function connected(
  handle: RequestHandler,
  body: (session: ClientSession, server: HttpServer) => Coroutine<void>,
  options: ServeOptions = {},
  sessionOptions: (server: HttpServer) => SessionOptions = ({ url }) => ({ baseUrl: url }),
): Promise<void> {
  return runConnected(function* () {
    const server = yield* serve(
      handle,
      options.path === undefined ? { host: "127.0.0.1", port: 0, ...options } : options,
    );
    yield* within(server, () => inSession(sessionOptions(server), (session) => body(session, server)));
    expect([server.connections, server.requests]).toEqual([0, 0]);
  });
}

describe("a session and a server of ours", () => {
  function conversing(service = new Service()): (session: ClientSession) => Coroutine<void> {
    return function* (session) {
      yield* within(session.wsConnect("/ws", { protocols: ["echo"] }), function* (socket) {
        expect(socket.protocol).toBe("echo");
        yield* converse(socket);
      });
      const closed = yield* session.wsConnect("/ws");
      yield* closed.send("close");
      yield* forEach(closed, () => expect.unreachable());
      expect([closed.closeCode, closed.closeReason]).toEqual([4001, "as you wish"]);
      yield* untilClosed(service, 2);
      expect(service.closed).toEqual([1000, 4001]);
    };
  }

  test("speak WebSocket", () => {
    const service = new Service();
    return connected(service.handle, conversing(service));
  });

  test("speak WebSocket over a Unix socket", () => {
    const service = new Service();
    const path = socketPath();
    return connected(service.handle, conversing(service), { path }, () => ({
      baseUrl: "http://api/",
      socketPath: path,
    }));
  });

  test("speak WebSocket through the tunnel of a proxy", () =>
    runConnected(() =>
      within(new ProxyServer({ authorization: "Basic YTpi" }), function* (proxy) {
        const service = new Service();
        const server = yield* serve(service.handle, { host: "127.0.0.1", port: 0 });
        const { url } = proxy;
        const withName = url.replace("//", "//a:b@");
        yield* within(server, () => inSession({ baseUrl: server.url, proxy: withName }, conversing(service)));
        const line = `CONNECT 127.0.0.1:${server.port}`;
        expect(proxy.asked.map((asked) => asked.line)).toEqual([line, line]);
      }),
    ));

  test("speak WebSocket inside an application of Hono", () => {
    const over: unknown[] = [];
    const app = new Hono();
    app.use(async (c, next) => {
      await next();
      c.res.headers.set("x-middleware", "passed");
    });
    app.get("/ws/:room", (c) =>
      upgradeWebSocket(c.req.raw, function* (socket) {
        yield* socket.send(`in ${c.req.param("room")}`);
        yield* forEach(socket, (message) => socket.send(message));
        over.push(socket.closeCode);
      }),
    );
    return connected(
      (request) => app.fetch(request),
      function* (session, server) {
        yield* within(session.wsConnect("/ws/one"), function* (socket) {
          expect(yield* socket.receive()).toBe("in one");
          yield* converse(socket);
        });
        const ws = new WsWebSocket(`${webSocketUrl(server)}/two`);
        const closed = once(ws, "close");
        const [[answer], [message]] = yield* until(Promise.all([once(ws, "upgrade"), once(ws, "message")]));
        expect([answer.headers["x-middleware"], String(message)]).toEqual(["passed", "in two"]);
        ws.close(4000);
        yield* until(closed);
        expect((yield* session.get("/ws/one")).status).toBe(426);
        while (over.length < 2) yield* sleep(2);
        expect(over).toEqual([1000, 4000]);
      },
    );
  });

  // Hono copies the response to change it, and there is no Response with the status 101.
  test.fails.each([
    { name: "cors()", middleware: cors() },
    { name: "c.header()", middleware: addsHeader },
  ])("speak WebSocket inside Hono, behind $name", ({ middleware }) => {
    const app = new Hono().use(middleware).onError(() => new Response("an error", { status: 500 }));
    app.get("/ws", (c) => upgradeWebSocket(c.req.raw, (socket) => forEach(socket, (it) => socket.send(it))));
    return connected(
      (request) => app.fetch(request),
      function* (session) {
        yield* within(session.wsConnect("/ws"), converse);
      },
      { overrideGlobalObjects: true },
    );
  });

  test("know the session by its headers, its credentials and its cookies", () => {
    const seen: Record<string, string | null>[] = [];
    return connected(
      function* (request) {
        if (request.headers.get("upgrade") === null) {
          return new Response("a cookie", { headers: { "set-cookie": "a=1; Path=/" } });
        }
        const { headers } = request;
        seen.push(Object.fromEntries(["cookie", "x-own", "authorization"].map((name) => [name, headers.get(name)])));
        return upgradeWebSocket(request, (socket) => forEach(socket, () => {}));
      },
      function* (session) {
        yield* (yield* session.get("/")).text();
        yield* within(session.wsConnect("/ws"), function* () {});
        yield* within(session.wsConnect("/ws", { headers: { "x-own": "another" }, auth: null }), function* () {});
        expect(seen).toEqual([
          { cookie: "a=1", "x-own": "one", authorization: "Bearer token" },
          { cookie: "a=1", "x-own": "another", authorization: null },
        ]);
      },
      {},
      ({ url }) => ({ baseUrl: url, headers: { "x-own": "one" }, auth: { bearer: "token" } }),
    );
  });

  test("part when the session is closed, which both sides hear of", () => {
    const service = new Service();
    return connected(service.handle, function* (session) {
      const sockets = yield* gather(...Array.from({ length: 10 }, () => session.wsConnect("/ws")));
      const receiving = createTask(sockets[0]?.receive() as Coroutine<unknown>);
      yield* sleep(0);
      yield* session.close();
      yield* untilClosed(service, 10);
      expect(service.closed).toEqual(Array(10).fill(1006));
      while (!receiving.done) yield* sleep(2);
      expect(receiving.exception()).toMatchObject({ name: "WebSocketClosedError" });
    });
  });

  test("find that the other is there, by heartbeats", () => {
    const over: unknown[] = [];
    return connected(
      function* (request) {
        return upgradeWebSocket(
          request,
          function* (socket) {
            yield* forEach(socket, () => {});
            over.push(socket.closeCode);
          },
          { heartbeat: 200 },
        );
      },
      function* (session) {
        yield* within(session.wsConnect("/ws", { heartbeat: 200 }), function* (socket) {
          yield* sleep(700);
          expect(socket.closed).toBe(false);
        });
        while (over.length === 0) yield* sleep(2);
        expect(over).toEqual([1000]);
      },
    );
  });

  describeWith("openssl")("with TLS", () => {
    const certificates = useCertificates();

    test.each([false, true])("speak WebSocket, HTTP/2 beside it: %s", (http2) => {
      const service = new Service();
      return connected(service.handle, conversing(service), { tls: certificates.server, http2 }, ({ url }) => ({
        baseUrl: url,
        http2,
        tls: { ca: certificates.ca },
      }));
    });
  });
});

describe("a client of ws", () => {
  test("is answered, pings, and is pinged", () =>
    serving(function* (server, service) {
      const ws = new WsWebSocket(webSocketUrl(server), ["unknown", "other"]);
      yield* until(once(ws, "open"));
      expect(ws.protocol).toBe("other");
      const echoed = once(ws, "message");
      ws.send(Buffer.from([1, 2]));
      expect((yield* until(echoed)).map((it: unknown) => (Buffer.isBuffer(it) ? [...it] : it))).toEqual([[1, 2], true]);
      const pong = once(ws, "pong");
      ws.ping("are you there");
      expect(String((yield* until(pong))[0])).toBe("are you there");
      const closed = once(ws, "close");
      ws.close(3000, "bye");
      expect((yield* until(closed))[0]).toBe(3000);
      yield* untilClosed(service, 1);
      expect(service.closed).toEqual([3000]);
    }));

  test("is destroyed, which ends the handler", () =>
    serving(function* (server, service) {
      const ws = new WsWebSocket(webSocketUrl(server));
      yield* until(once(ws, "open"));
      ws.terminate();
      yield* untilClosed(service, 1);
      expect(service.closed).toEqual([1006]);
    }));

  test("sends fragments and many small messages, which come back in order", () =>
    serving(function* (server) {
      const ws = new WsWebSocket(webSocketUrl(server));
      yield* until(once(ws, "open"));
      const got: string[] = [];
      const whole = new Promise<void>((resolve) => {
        ws.on("message", (data) => {
          if (got.push(String(data)) === 5_001) resolve();
        });
      });
      ws.send("one ", { fin: false });
      ws.send("two ", { fin: false });
      ws.send("three", { fin: true });
      for (let i = 0; i < 5_000; i++) ws.send(`${i}`);
      yield* until(whole);
      expect(got).toEqual(["one two three", ...Array.from({ length: 5_000 }, (_, i) => `${i}`)]);
      const closed = once(ws, "close");
      ws.close();
      yield* until(closed);
    }));
});

describe("undici's WebSocket", () => {
  test("sends bytes, and gets them back", () =>
    serving(function* (server, service) {
      const socket = new UndiciWebSocket(webSocketUrl(server));
      socket.binaryType = "arraybuffer";
      yield* until(once(socket as never, "open"));
      const bytes = new Uint8Array(200_000).fill(7);
      const echoed = once(socket as never, "message") as Promise<{ data: ArrayBuffer }[]>;
      socket.send(bytes);
      expect(Buffer.from((yield* until(echoed))[0]?.data as ArrayBuffer)).toEqual(Buffer.from(bytes));
      const closed = once(socket as never, "close");
      socket.close();
      yield* until(closed);
      yield* untilClosed(service, 1);
      expect(service.closed).toEqual([1005]);
    }));
});

test("a server that shuts down tells all its WebSockets 1001, whoever opened them", () =>
  serving(function* (server, service) {
    const ws = new WsWebSocket(webSocketUrl(server));
    const undici = new UndiciWebSocket(webSocketUrl(server));
    yield* until(Promise.all([once(ws, "open"), once(undici as never, "open")]));
    const ends = Promise.all([once(ws, "close"), once(undici as never, "close")]);
    yield* inSession({ baseUrl: server.url }, function* (session) {
      const own = yield* gather(...Array.from({ length: 50 }, () => session.wsConnect("/ws")));
      while (service.sockets < 52) yield* sleep(2);
      const receiving = own.map((socket) => createTask(forEach(socket, () => expect.unreachable())));
      yield* server.shutdown();
      yield* gather(...receiving);
      expect(own.map((socket) => socket.closeCode)).toEqual(Array(50).fill(1001));
    });
    const [[wsCode], [undiciEvent]] = yield* until(ends);
    expect([wsCode, undiciEvent.code]).toEqual([1001, 1001]);
    expect(service.closed).toHaveLength(52);
  }));

describeWith("aiohttp")("aiohttp", () => {
  const client = useStarted<AiohttpClient>(startAiohttpClient);
  const aiohttp = useStarted(startAiohttpServer);

  test("as a server answers pings, and closes with the codes that it is told", () =>
    runConnected(() =>
      inSession({ baseUrl: aiohttp().origin }, function* (session) {
        yield* within(session.wsConnect("/ws", { heartbeat: 200 }), function* (socket) {
          yield* socket.ping("a payload");
          yield* gather(socket.ping(), socket.ping(), socket.ping());
          yield* sleep(500);
          yield* converse(socket);
        });
        for (const code of [1000, 1001, 1008, 1011, 3000, 4999]) {
          const socket = yield* session.wsConnect("/ws");
          yield* socket.send(`close ${code} for ${code}`);
          yield* forEach(socket, () => expect.unreachable());
          expect([socket.closeCode, socket.closeReason]).toEqual([code, `for ${code}`]);
        }
      }),
    ));

  test("as a server answers our close, whatever its code", () =>
    runConnected(() =>
      inSession({ baseUrl: aiohttp().origin }, function* (session) {
        for (const code of [1000, 1001, 1008, 3000, 4999]) {
          const socket = yield* session.wsConnect("/ws");
          yield* socket.close(code, `${"ü".repeat(61)}.`);
          // what it sends itself, and not 1006
          expect(socket.closeCode).toBe(1000);
        }
      }),
    ));

  test("as a client speaks to an application of Hono", () => {
    const over: unknown[] = [];
    const app = new Hono().get("/ws", (c) =>
      upgradeWebSocket(c.req.raw, function* (socket) {
        yield* forEach(socket, (message) => socket.send(message));
        over.push(socket.closeCode);
      }),
    );
    return connected(
      (request) => app.fetch(request),
      function* (_session, server) {
        const url = webSocketUrl(server);
        const conversed = yield* until(client().webSocket({ url, send: ["a", "ü".repeat(100_000)], close: 4000 }));
        expect(conversed.received).toEqual(["a", "ü".repeat(100_000)]);
        while (over.length === 0) yield* sleep(2);
        expect(over).toEqual([4000]);
      },
    );
  });
});
