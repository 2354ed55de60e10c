import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer as createTlsServer } from "node:https";
import type { IncomingMessage } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { test } from "@corio/testing/vitest";
import {
  attempt,
  CorioError,
  type Coroutine,
  createTask,
  isCancelled,
  sleep,
  TimeoutError,
  timeout,
  until,
  within,
} from "corio";
import { describe, expect } from "vitest";
import { WebSocketServer } from "ws";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { ClientConnectionError, ServerDisconnectedError } from "../../src/errors/client-error.js";
import { WebSocketHandshakeError } from "../../src/errors/client-response-error.js";
import { ConnectTimeoutError, HeadersTimeoutError } from "../../src/errors/request-timeout-error.js";
import { connectWebSocket, type OpenSocket, type Target } from "./internals.js";
import { BareServer, connectTo, openSocket, WsServer } from "./peers.js";
import { acceptanceOf, frame } from "./raw-peer.js";

const it = test.with({ time: "real" });
const certificates = useCertificates();

function* failureOf(coroutine: Coroutine<unknown>): Coroutine<Error> {
  const outcome = yield* attempt(coroutine);
  if (outcome.ok) throw new Error("it did not fail");
  return outcome.error as Error;
}

/** Opens nothing, and notes what it is asked for. */
function refusing(targets: Target[]): OpenSocket {
  return (target, callback) => {
    targets.push(target);
    setImmediate(callback, Object.assign(new Error("refused"), { code: "EREFUSED" }));
    return { destroy() {} };
  };
}

describe("the URL", () => {
  it("names host, port and whether TLS is wanted", function* () {
    const targets: Target[] = [];
    const urls = [
      "ws://example.com/",
      "wss://example.com/a",
      "http://example.com:81",
      "https://example.com:444",
      "ws://[::1]:8080/",
    ];
    for (const url of urls) yield* failureOf(connectWebSocket(url, { openSocket: refusing(targets) }));
    expect(targets).toEqual([
      { protocol: "http:", hostname: "example.com", port: 80 },
      { protocol: "https:", hostname: "example.com", port: 443 },
      { protocol: "http:", hostname: "example.com", port: 81 },
      { protocol: "https:", hostname: "example.com", port: 444 },
      { protocol: "http:", hostname: "[::1]", port: 8080 },
    ]);
  });

  it("is refused at the call if it is none, or none of a WebSocket", function* () {
    expect(() => connectWebSocket("/path", { openSocket })).toThrow("absolute URL");
    expect(() => connectWebSocket("ftp://example.com", { openSocket })).toThrow("not ftp:");
    expect(() => connectWebSocket("ws+unix:/tmp/socket", { openSocket })).toThrow("not ws+unix:");
  });

  it("may have user and password, which no error shows, and a fragment, which is not sent", function* () {
    yield* within(new WsServer(), function* (server) {
      const url = new URL(`${server.url}#fragment`);
      url.username = "me";
      url.password = "se:cret";
      yield* within(yield* connectWebSocket(url, { openSocket }), () => {});
      expect(server.requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from("me:se:cret").toString("base64")}`);
      expect(server.requests[0]?.url).toBe("/path?query");
      const failure = yield* failureOf(connectWebSocket(url, { openSocket: refusing([]) }));
      expect(failure.message).not.toContain("cret");
      expect((failure as ClientConnectionError).url).toBe(server.url);
    });
  });
});

describe("the options", () => {
  it("are checked at the call", function* () {
    const wrong: [object, string][] = [
      [{ protocols: ["a", "a"] }, "none of them twice"],
      [{ protocols: ["a b"] }, "array of names"],
      [{ protocols: "a" }, "array of names"],
      [{ handshakeTimeout: 0 }, "handshakeTimeout"],
      [{ heartbeat: -1 }, "heartbeat"],
      [{ heartbeat: "1" }, "heartbeat"],
      [{ maxMessageSize: 0 }, "maxMessageSize"],
      [{ maxMessageSize: Number.NaN }, "maxMessageSize"],
      [{ maxMessageSize: 2 ** 31 }, "maxMessageSize"],
      [{ closeTimeout: 2 ** 31 }, "closeTimeout"],
      [{ compress: {} }, "compress"],
      [{ headers: { "x y": "z" } }, "x y"],
      [{ headers: { "x-y": "z\r\nevil: yes" } }, "x-y"],
    ];
    for (const [options, text] of wrong) {
      expect(() => connectWebSocket("ws://example.com", { openSocket, ...options }), text).toThrow(text);
    }
  });

  it("add headers and subprotocols to the handshake, and cannot spoil it", function* () {
    yield* within(new WsServer(undefined, { handleProtocols: () => "b" }), function* (server) {
      const headers = { cookie: "a=b", "x-list": ["1", "2"], "sec-websocket-version": "8", connection: "close" };
      yield* within(yield* connectTo(server, { headers, protocols: ["a", "b"] }), () => {});
      expect(server.requests[0]?.headers).toMatchObject({
        cookie: "a=b",
        "x-list": "1, 2",
        "sec-websocket-version": "13",
        "sec-websocket-protocol": "a,b",
        connection: "Upgrade",
        host: new URL(server.url).host,
      });
    });
  });
});

describe("the handshake", () => {
  it("is done through TLS", function* () {
    const tls = createTlsServer(certificates.server).listen(0, "127.0.0.1");
    yield* until(once(tls, "listening"));
    const wss = new WebSocketServer({ server: tls });
    wss.on("connection", (socket) => socket.send("secret"));
    const { port } = tls.address() as AddressInfo;
    const openTls: OpenSocket = (target, callback) => {
      expect(target.protocol).toBe("https:");
      const socket = connectTls({ host: "127.0.0.1", port, servername: "localhost", ca: certificates.ca });
      socket.once("secureConnect", () => callback(null, socket));
      return socket;
    };
    const socket = yield* connectWebSocket(`wss://localhost:${port}`, { openSocket: openTls });
    expect(yield* socket.receive()).toBe("secret");
    yield* socket.close();
    yield* until(new Promise((resolve) => tls.close(resolve)));
  });

  it("loses no message that comes with the answer", function* () {
    const server = BareServer.http((request, socket) => {
      socket.write(Buffer.concat([Buffer.from(acceptanceOf(request)), frame("first"), frame("second")]));
    });
    yield* within(server, function* () {
      const socket = yield* connectTo(server, { closeTimeout: 1 });
      expect([yield* socket.receive(), yield* socket.receive()]).toEqual(["first", "second"]);
      yield* socket.close();
    });
  });

  it("that the server answers otherwise fails with status and headers", function* () {
    const server = BareServer.http((_request, socket) => {
      socket.end(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nno",
      );
    });
    yield* within(server, function* () {
      const failure = yield* failureOf(connectTo(server));
      expect(failure).toBeInstanceOf(WebSocketHandshakeError);
      expect(failure).toMatchObject({ status: 401, statusText: "Unauthorized", method: "GET", url: server.url });
      const { headers } = failure as WebSocketHandshakeError;
      expect(headers.get("www-authenticate")).toBe("Basic");
      expect(headers.getSetCookie()).toEqual(["a=1", "b=2"]);
      expect(failure.message).toContain("it answered 401 Unauthorized");
    });
  });

  it("does not follow redirects", function* () {
    const server = BareServer.http((_request, socket) => {
      socket.end("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    });
    yield* within(server, function* () {
      const failure = yield* failureOf(connectTo(server));
      expect(failure).toMatchObject({ status: 302 });
      expect((failure as WebSocketHandshakeError).headers.get("location")).toBe("/elsewhere");
      expect(server.sockets.length).toBe(1);
    });
  });

  it("fails when the server does not keep to it", function* () {
    const key = (request: IncomingMessage): string =>
      createHash("sha1").update(`${request.headers["sec-websocket-key"]}wrong`).digest("base64");
    const answers: ((request: IncomingMessage) => string)[] = [
      (request) =>
        `HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key(request)}\r\n\r\n`,
      (request) => acceptanceOf(request, "Sec-WebSocket-Protocol: unasked"),
      (request) => acceptanceOf(request, "Sec-WebSocket-Extensions: permessage-deflate"),
      (request) => acceptanceOf(request).replace("Upgrade: websocket", "Upgrade: other"),
    ];
    for (const answer of answers) {
      yield* within(
        BareServer.http((request, socket) => socket.write(answer(request))),
        function* (server) {
          const failure = yield* failureOf(connectTo(server));
          expect(failure).toBeInstanceOf(WebSocketHandshakeError);
          expect(failure).toMatchObject({ status: 101 });
        },
      );
    }
  });

  it("fails when the server chooses none of the subprotocols", function* () {
    yield* within(
      BareServer.http((request, socket) => socket.write(acceptanceOf(request))),
      function* (server) {
        const failure = yield* failureOf(connectTo(server, { protocols: ["a"] }));
        expect(failure).toBeInstanceOf(WebSocketHandshakeError);
        expect(failure.message).toContain("no subprotocol");
      },
    );
  });

  it("fails when the connection breaks off, or what comes is no HTTP", function* () {
    const breaks: ((socket: Socket) => void)[] = [
      (socket) => socket.destroy(),
      (socket) => socket.resetAndDestroy(),
      (socket) => socket.end("garbage\r\n\r\n"),
      (socket) => socket.end("HTTP/1.1 101 Switching"),
    ];
    for (const breakOff of breaks) {
      const server = BareServer.tcp((socket) => socket.once("data", () => breakOff(socket)));
      yield* within(server, function* () {
        const failure = yield* failureOf(connectTo(server));
        expect(failure).toBeInstanceOf(ServerDisconnectedError);
        expect(failure.cause).toBeInstanceOf(Error);
      });
    }
  });

  it("has a time limit", function* () {
    const answers: string[] = ["", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"];
    for (const answer of answers) {
      const server = BareServer.tcp((socket) => void (answer !== "" && socket.write(answer)));
      yield* within(server, function* () {
        const failure = yield* failureOf(connectTo(server, { handshakeTimeout: 30 }));
        expect(failure).toBeInstanceOf(HeadersTimeoutError);
        expect(failure).toMatchObject({ limit: 30, url: server.url });
      });
    }
  });

  it("that is cancelled leaves no socket behind", function* () {
    const server = BareServer.tcp((socket) => socket.resume());
    yield* within(server, function* () {
      let opened: Socket | undefined;
      const task = createTask(
        connectTo(server, {
          openSocket: (target, callback) =>
            openSocket(target, (error, socket) => callback(error, (opened = socket as Socket))),
        }),
      );
      while (opened === undefined) yield* sleep(1);
      yield* sleep(10);
      task.cancel();
      yield* expectCancelled(task);
      expect(opened.destroyed).toBe(true);
    });
  });
});

describe("the connection", () => {
  it("that cannot be made fails", function* () {
    const server = BareServer.tcp(() => {});
    const { url } = yield* within(server, () => ({ url: server.url }));
    const failure = yield* failureOf(connectTo({ url }));
    expect(failure).toBeInstanceOf(ClientConnectionError);
    expect(failure).not.toBeInstanceOf(ServerDisconnectedError);
    expect(failure).toMatchObject({ url, cause: { code: "ECONNREFUSED" } });
    expect(failure.message).toContain("ECONNREFUSED");
  });

  it("fails with the connector's own errors as they are", function* () {
    const mine = new CorioError("ERR_TEST", "mine");
    const failing: OpenSocket = (_target, callback) => {
      callback(mine);
      return { destroy() {} };
    };
    expect(yield* failureOf(connectWebSocket("ws://example.com", { openSocket: failing }))).toBe(mine);
  });

  it("has part in the time limit", function* () {
    let destroyed = false;
    const never: OpenSocket = () => ({ destroy: () => void (destroyed = true) });
    const failure = yield* failureOf(
      connectWebSocket("ws://example.com/", { openSocket: never, handshakeTimeout: 10 }),
    );
    expect(failure).toBeInstanceOf(ConnectTimeoutError);
    expect(failure).toBeInstanceOf(TimeoutError);
    expect(destroyed).toBe(true);
  });

  it("is given up when it is cancelled", function* () {
    let destroyed = false;
    const never: OpenSocket = () => ({ destroy: () => void (destroyed = true) });
    const limited = within(timeout(10), () => connectWebSocket("ws://example.com/", { openSocket: never }));
    expect(yield* failureOf(limited)).toBeInstanceOf(TimeoutError);
    expect(destroyed).toBe(true);
  });

  it("is destroyed when it comes after all has been given up, or together with that", function* () {
    for (const late of [true, false]) {
      const server = BareServer.tcp((socket) => socket.resume());
      yield* within(server, function* () {
        let handOver = (): void => {};
        let socket: Socket | undefined;
        const connecting: OpenSocket = ({ hostname, port }, callback) => {
          socket = connect({ host: hostname, port });
          socket.once("connect", () => (handOver = () => callback(null, socket)));
          return { destroy() {} };
        };
        const task = createTask(connectTo(server, { openSocket: connecting }));
        while (server.sockets.length === 0) yield* sleep(1);
        yield* sleep(5);
        if (!late) handOver();
        task.cancel();
        yield* expectCancelled(task);
        if (late) handOver();
        expect(socket?.destroyed).toBe(true);
      });
    }
  });
});

function* expectCancelled(task: ReturnType<typeof createTask>): Coroutine<void> {
  try {
    yield* task;
  } catch (error) {
    if (isCancelled(error) && task.cancelled) return;
    throw error;
  }
  throw new Error("it was not cancelled");
}
