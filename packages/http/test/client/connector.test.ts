import { once } from "node:events";
import http from "node:http";
import { type AddressInfo, connect, createServer, type Server, Socket } from "node:net";
import tls, { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { ConnectorOptions } from "../../src/client/connector.js";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { socketPath } from "../../../node/test/support/temporary-folder.js";
import { Connector, type Opening, type Target } from "./client-parts.js";

const certificates = useCertificates();

const running: Server[] = [];
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of running.splice(0)) await new Promise((resolve) => server.close(resolve));
  sockets.clear();
});

/** Listens, notes its connections, and is stopped after the test. */
async function listening<S extends Server>(
  server: S,
  where: { host: string } | { path: string } = { host: "127.0.0.1" },
): Promise<S> {
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  server.on("tlsClientError", () => {});
  running.push(server);
  server.listen("host" in where ? { port: 0, ...where } : where);
  await once(server, "listening");
  return server;
}

function echoServer(where?: { host: string } | { path: string }): Promise<Server> {
  return listening(
    createServer((socket) => socket.pipe(socket)),
    where,
  );
}

function tlsServer(options: object = {}, where?: { host: string } | { path: string }): Promise<Server> {
  const server = createTlsServer({ ...certificates.server, ...options }, (socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  return listening(server, where);
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

const to = (protocol: "http:" | "https:", server: Server | number, hostname = "127.0.0.1"): Target => ({
  protocol,
  hostname,
  port: typeof server === "number" ? server : portOf(server),
});

/** Opens a connection; what it is called with more than once fails the test. */
function opened(connector: Connector, target: Target, { allowH2 = false, forWebSocket = false } = {}): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let calls = 0;
    let returned = false;
    const callback = (error: Error | null, socket?: Socket): void => {
      expect(++calls).toBe(1);
      expect(returned).toBe(true);
      if (socket === undefined) reject(error);
      else resolve(socket);
    };
    if (forWebSocket) connector.openSocket(target, callback);
    else connector.open(target, { allowH2 }, callback);
    returned = true;
  });
}

async function failure(connector: Connector, target: Target, options?: object): Promise<NodeJS.ErrnoException> {
  try {
    await opened(connector, target, options);
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  throw new Error("it was opened");
}

/** What an echo answers. */
async function echoed(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  let answer = "";
  while (answer.length < text.length) answer += String((await once(socket, "data"))[0]);
  socket.end();
  return answer;
}

/** All that a server answers. */
async function answered(socket: Socket, request: string): Promise<string> {
  socket.write(request);
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

/** The next connection of a server. */
async function accepted(server: Server): Promise<Socket> {
  const [socket] = (await once(server, "connection")) as [Socket];
  return socket;
}

function closed(socket: Socket): Promise<unknown> {
  // a server for HTTP leaves its half of a connection open
  return socket.closed ? Promise.resolve() : once(socket.on("end", () => socket.end()).resume(), "close");
}

/** A port at which nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = portOf(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const thrown = (call: () => unknown): Error & { code?: string } => {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error("it threw nothing");
};

describe("a connection", () => {
  test("is made by TCP", async () => {
    const socket = await opened(new Connector(), to("http:", await echoServer()));
    expect(socket).toBeInstanceOf(Socket);
    expect(await echoed(socket, "hello")).toBe("hello");
  });

  test("is made to a name at whichever of its addresses", async () => {
    const socket = await opened(new Connector(), to("http:", await echoServer(), "localhost"));
    expect(await echoed(socket, "hello")).toBe("hello");
  });

  test("is made to an IPv6 address, which a URL has in brackets", async () => {
    const server = await echoServer({ host: "::1" });
    const { connectTo } = new Connector().route(new URL(`http://[::1]:${portOf(server)}`));
    expect(await echoed(await opened(new Connector(), connectTo), "hello")).toBe("hello");
  });

  test("is made from an address of this machine", async () => {
    const server = await echoServer();
    const connection = accepted(server);
    await opened(new Connector({ localAddress: "127.0.0.9" }), to("http:", server));
    expect((await connection).remoteAddress).toBe("127.0.0.9");
  });

  test.each(["http:", "https:"] as const)("is made by a Unix socket, for %s", async (protocol) => {
    const path = socketPath();
    const server = await (protocol === "http:" ? echoServer({ path }) : tlsServer({}, { path }));
    const connector = new Connector({ socketPath: path, tls: { ca: certificates.ca } });
    const socket = await opened(connector, { protocol, hostname: "localhost", port: 1 });
    expect(await echoed(socket, "hello")).toBe("hello");
    expect(server.listening).toBe(true);
  });

  test("fails with the error of the system", async () => {
    const port = await deadPort();
    expect(await failure(new Connector(), to("http:", port))).toMatchObject({ code: "ECONNREFUSED" });
    expect(await failure(new Connector(), to("https:", port))).toMatchObject({ code: "ECONNREFUSED" });
    expect(await failure(new Connector(), to("http:", 1, "no-such-host.invalid"))).toMatchObject({ code: "ENOTFOUND" });
    expect(await failure(new Connector({ localAddress: "192.0.2.1" }), to("http:", port))).toMatchObject({
      code: "EADDRNOTAVAIL",
    });
    expect(await failure(new Connector({ localAddress: "no address" }), to("http:", port))).toMatchObject({
      code: "ERR_INVALID_IP_ADDRESS",
    });
  });
});

describe("TLS", () => {
  test("is spoken with what one trusts", async () => {
    const server = await tlsServer();
    const connector = new Connector({ tls: { ca: certificates.ca } });
    for (const hostname of ["127.0.0.1", "localhost"]) {
      const socket = (await opened(connector, to("https:", server, hostname))) as TLSSocket;
      expect(socket.authorized).toBe(true);
      expect(await echoed(socket, "hello")).toBe("hello");
    }
  });

  test.each([
    ["an unknown authority", "server", {}, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    ["one that has expired", "expired", undefined, "CERT_HAS_EXPIRED"],
    ["one of another host", "other", undefined, "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["one that is signed by itself", "stranger", undefined, "DEPTH_ZERO_SELF_SIGNED_CERT"],
  ] as const)("is refused with a certificate of %s, and closed", async (_whose, name, trusted, code) => {
    const server = await tlsServer(certificates[name]);
    const tls = trusted ?? { ca: certificates.ca };
    const connection = accepted(server);
    expect(await failure(new Connector({ tls }), to("https:", server, "localhost"))).toMatchObject({ code });
    await closed(await connection);
    const socket = await opened(new Connector({ tls: { ...tls, rejectUnauthorized: false } }), to("https:", server));
    expect(await echoed(socket, "hello")).toBe("hello");
  });

  test("shows a certificate, if it is asked for one", async () => {
    const { ca, client } = certificates;
    const server = await tlsServer({ requestCert: true, rejectUnauthorized: true, ca, maxVersion: "TLSv1.2" });
    const peer = once(server, "secureConnection");
    await opened(new Connector({ tls: { ca, ...client } }), to("https:", server));
    const [socket] = (await peer) as [TLSSocket];
    expect(socket.getPeerCertificate().subject.CN).toBe("a client");
    expect(await failure(new Connector({ tls: { ca } }), to("https:", server))).toHaveProperty("code");
  });

  test("tells the name of the host, not an address, or the name it is told to", async () => {
    const { ca } = certificates;
    const server = await tlsServer();
    for (const [tls, hostname, name] of [
      [{ ca }, "localhost", "localhost"],
      [{ ca }, "127.0.0.1", false],
      [{ ca, servername: "localhost" }, "127.0.0.1", "localhost"],
    ] as const) {
      const peer = once(server, "secureConnection");
      await opened(new Connector({ tls }), to("https:", server, hostname));
      expect(((await peer) as [TLSSocket])[0].servername).toBe(name);
    }
  });

  test("agrees on HTTP/2 only where that is allowed", async () => {
    const { ca } = certificates;
    const server = await tlsServer({ ALPNProtocols: ["h2", "http/1.1"] });
    const connector = new Connector({ tls: { ca } });
    for (const [allowH2, agreed] of [
      [true, "h2"],
      [false, "http/1.1"],
      [true, "h2"],
    ] as const) {
      const socket = (await opened(connector, to("https:", server), { allowH2 })) as TLSSocket;
      expect(socket.alpnProtocol).toBe(agreed);
    }
    const forWebSocket = (await opened(connector, to("https:", server), { forWebSocket: true })) as TLSSocket;
    expect(forWebSocket.alpnProtocol).toBe("http/1.1");
  });

  test("resumes the session of an earlier connection", async () => {
    const server = await tlsServer({ maxVersion: "TLSv1.2" });
    const connector = new Connector({ tls: { ca: certificates.ca } });
    const first = (await opened(connector, to("https:", server))) as TLSSocket;
    expect(first.isSessionReused()).toBe(false);
    await echoed(first, "hello");
    const second = (await opened(connector, to("https:", server))) as TLSSocket;
    expect(second.isSessionReused()).toBe(true);
    expect(second.authorized).toBe(true);
    const other = (await opened(new Connector({ tls: { ca: certificates.ca } }), to("https:", server))) as TLSSocket;
    expect(other.isSessionReused()).toBe(false);
  });

  test("reads its certificates once", async () => {
    const [server, plain] = [await tlsServer(), await echoServer()];
    const reading = vi.spyOn(tls, "createSecureContext");
    const connector = new Connector({ tls: { ca: certificates.ca } });
    await opened(connector, to("http:", plain));
    for (const allowH2 of [false, true, false]) await opened(connector, to("https:", server), { allowH2 });
    expect(reading).toHaveBeenCalledTimes(1);
    await opened(new Connector(), to("http:", plain));
    expect(reading).toHaveBeenCalledTimes(1);
    reading.mockRestore();
  });

  test("has the context that it is given", async () => {
    const secureContext = tls.createSecureContext({ ca: certificates.ca });
    const socket = await opened(new Connector({ tls: { secureContext } }), to("https:", await tlsServer()));
    expect(await echoed(socket, "hello")).toBe("hello");
  });

  test("fails if the server hangs up, or speaks something else", async () => {
    const hangsUp = await listening(createServer((socket) => void socket.once("data", () => socket.end())));
    const cuts = await listening(createServer((socket) => void socket.destroy()));
    const speaks = await listening(createServer((socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")));
    for (const server of [hangsUp, cuts, speaks]) {
      const error = await failure(new Connector({ tls: { ca: certificates.ca } }), to("https:", server));
      expect(error).toBeInstanceOf(Error);
      expect(error.code).toMatch(/^(ECONNRESET|EPIPE|ERR_SSL_)/);
    }
  });
});

describe("a connection that is given up", () => {
  /** Expects that nobody is called, whatever happens. */
  function begun(connector: Connector, target: Target): Opening {
    return connector.open(target, { allowH2: false }, (error) => expect.unreachable(`called with ${String(error)}`));
  }

  test("is closed at once, before it stands", async () => {
    const server = await echoServer();
    for (const protocol of ["http:", "https:"] as const) {
      const opening = begun(new Connector({ tls: { ca: certificates.ca } }), to(protocol, server));
      opening.destroy();
      opening.destroy();
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([...sockets].filter((socket) => !socket.destroyed)).toEqual([]);
  });

  test("is closed in the midst of the handshake", async () => {
    const silent = await listening(createServer());
    const connection = accepted(silent);
    const opening = begun(new Connector(), to("https:", silent));
    const socket = await connection;
    await once(socket, "data");
    opening.destroy();
    await closed(socket);
  });

  test("tells nothing of an error that comes at the same time", async () => {
    begun(new Connector(), to("http:", await deadPort())).destroy();
    begun(new Connector(), to("http:", 1, "no-such-host.invalid")).destroy();
    begun(new Connector({ localAddress: "no address" }), to("http:", 1)).destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
  });

  test("is somebody else's once it stands", async () => {
    const server = await echoServer();
    const connector = new Connector();
    let opening: Opening | undefined;
    const socket = await new Promise<Socket>((resolve) => {
      opening = connector.open(to("http:", server), { allowH2: false }, (_error, socket) => resolve(socket as Socket));
    });
    opening?.destroy();
    expect(await echoed(socket, "hello")).toBe("hello");
  });
});

describe("a route without a proxy", () => {
  test("leads to the origin", () => {
    const connector = new Connector();
    expect(connector.route(new URL("http://example.com/path?query"))).toEqual({
      key: "http://example.com",
      connectTo: { protocol: "http:", hostname: "example.com", port: 80 },
      absoluteForm: false,
      headers: {},
    });
    expect(connector.route(new URL("https://user:pass@[::1]/")).connectTo).toEqual({
      protocol: "https:",
      hostname: "[::1]",
      port: 443,
    });
    expect(connector.route(new URL("https://example.com:8443/"))).toMatchObject({
      key: "https://example.com:8443",
      connectTo: { port: 8443 },
    });
    const keys = ["http://a", "https://a", "http://a:443", "http://b"].map((url) => connector.route(new URL(url)).key);
    expect(new Set(keys).size).toBe(4);
  });
});

/** A proxy that makes tunnels, and asks by itself what it is asked for in absolute form. */
class TestProxy {
  readonly seen: { line: string; headers: http.IncomingHttpHeaders }[] = [];
  readonly server: Server;
  readonly #shutters: ((socket: Socket, head: Buffer) => boolean)[] = [];

  constructor(secure: boolean) {
    const handle = http.createServer((request, response) => {
      this.seen.push({ line: `${request.method} ${request.url}`, headers: request.headers });
      response.end("by proxy");
    });
    handle.on("connect", (request: http.IncomingMessage, socket: Socket, head: Buffer) => {
      this.seen.push({ line: `CONNECT ${request.url}`, headers: request.headers });
      socket.on("error", () => {});
      if (this.#shutters.some((shutter) => shutter(socket, head))) return;
      const { hostname, port } = new URL(`http://${request.url}`);
      const origin = connect(Number(port || 80), hostname.replace(/[[\]]/g, ""), () => {
        socket.write("HTTP/1.1 200 Connection established\r\nx-more: y\r\n\r\n");
        origin.write(head);
        origin.pipe(socket).pipe(origin);
      });
      origin.on("error", () => socket.destroy()).on("close", () => socket.destroy());
      socket.on("close", () => origin.destroy());
    });
    this.server = secure
      ? createTlsServer(certificates.server, (socket) => void handle.emit("connection", socket))
      : handle;
  }

  /** What to do with a tunnel instead; true: it is dealt with. */
  instead(shutter: (socket: Socket, head: Buffer) => boolean): void {
    this.#shutters.push(shutter);
  }

  get port(): number {
    return portOf(this.server);
  }

  static async start(secure = false): Promise<TestProxy> {
    const proxy = new TestProxy(secure);
    await listening(proxy.server);
    return proxy;
  }
}

describe.each([
  ["http:", false],
  ["https:", true],
])("a proxy by %s", (scheme, secure) => {
  const through = (proxy: TestProxy, more: object = {}, credentials = "user:p%40ss@"): Connector =>
    new Connector({
      tls: { ca: certificates.ca },
      proxy: { url: `${scheme}//${credentials}127.0.0.1:${proxy.port}`, tls: { ca: certificates.ca }, ...more },
    });
  const basic = `Basic ${btoa("user:p@ss")}`;

  test("makes a tunnel to what speaks TLS, and learns no more than where to", async () => {
    const proxy = await TestProxy.start(secure);
    const received: string[] = [];
    const origin = await listening(
      createTlsServer(certificates.server, (socket) => {
        socket.on("data", (data) => void received.push(data.toString()));
        socket.pipe(socket);
      }),
    );
    const connector = through(proxy, { headers: { "X-Tenant": "7" } });
    const route = connector.route(new URL(`https://localhost:${portOf(origin)}/`));
    expect(route).toEqual({
      key: `https://localhost:${portOf(origin)}`,
      connectTo: to("https:", origin, "localhost"),
      absoluteForm: false,
      headers: {},
    });
    const socket = (await opened(connector, route.connectTo)) as TLSSocket;
    expect(socket.authorized).toBe(true);
    expect(socket.getPeerCertificate().subject.CN).toBe("localhost");
    expect(await echoed(socket, "hello")).toBe("hello");
    expect(received.join("")).toBe("hello");
    const authority = `localhost:${portOf(origin)}`;
    expect(proxy.seen).toEqual([
      { line: `CONNECT ${authority}`, headers: { host: authority, "x-tenant": "7", "proxy-authorization": basic } },
    ]);
  });

  test("checks the certificate of the origin, not its own", async () => {
    const proxy = await TestProxy.start(secure);
    const origin = await tlsServer(certificates.stranger);
    const connection = accepted(origin);
    expect(await failure(through(proxy), to("https:", origin))).toMatchObject({ code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
    await closed(await connection);
  });

  test("agrees on HTTP/2 with the origin", async () => {
    const proxy = await TestProxy.start(secure);
    const origin = await tlsServer({ ALPNProtocols: ["h2", "http/1.1"] });
    const socket = (await opened(through(proxy), to("https:", origin), { allowH2: true })) as TLSSocket;
    expect(socket.alpnProtocol).toBe("h2");
  });

  test("is asked itself for what is plain, whichever origin, over interchangeable connections", async () => {
    const proxy = await TestProxy.start(secure);
    const connector = through(proxy, { headers: { "X-Tenant": "7" } });
    const route = connector.route(new URL("http://example.com/path"));
    expect(route).toMatchObject({ absoluteForm: true, headers: { "x-tenant": "7", "proxy-authorization": basic } });
    expect(connector.route(new URL("http://example.org:81/")).key).toBe(route.key);
    expect(connector.route(new URL("https://example.com/")).key).not.toBe(route.key);
    const { protocol, hostname, port } = route.connectTo;
    expect({ protocol, hostname, port }).toEqual({ protocol: scheme, hostname: "127.0.0.1", port: proxy.port });
    const socket = await opened(connector, route.connectTo);
    const answer = await answered(
      socket,
      "GET http://example.com/path HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\r\n",
    );
    expect(answer).toContain("by proxy");
    expect(proxy.seen.map(({ line }) => line)).toEqual(["GET http://example.com/path"]);
  });

  test("makes tunnels for WebSockets, with TLS and without", async () => {
    const proxy = await TestProxy.start(secure);
    const [plain, overTls] = [await echoServer(), await tlsServer()];
    for (const target of [to("http:", plain), to("https:", overTls)]) {
      const socket = await opened(through(proxy), target, { forWebSocket: true });
      expect(await echoed(socket, "hello")).toBe("hello");
    }
    expect(proxy.seen.map(({ line }) => line)).toEqual(
      [plain, overTls].map((server) => `CONNECT 127.0.0.1:${portOf(server)}`),
    );
  });

  test("is told an IPv6 address in brackets", async () => {
    const proxy = await TestProxy.start(secure);
    const origin = await tlsServer({}, { host: "::1" });
    const tls = { ca: certificates.ca, servername: "localhost" };
    const url = `${scheme}//127.0.0.1:${proxy.port}`;
    const connector = new Connector({ tls, proxy: { url, tls: { ca: certificates.ca } } });
    expect(await echoed(await opened(connector, to("https:", origin, "[::1]")), "hello")).toBe("hello");
    expect(proxy.seen[0]?.line).toBe(`CONNECT [::1]:${portOf(origin)}`);
    expect(proxy.seen[0]?.headers).not.toHaveProperty("proxy-authorization");
  });

  test("may say no, which is an error with its status and without the password", async () => {
    const proxy = await TestProxy.start(secure);
    const answers = ["407 Proxy Authentication Required", "403", "502 Bad Gateway", "301 Moved", "100 Continue"];
    let answer = "";
    proxy.instead((socket) => {
      socket.end(`HTTP/1.1 ${answer}\r\ncontent-length: 4\r\n\r\nwhy?`);
      return true;
    });
    for (answer of answers) {
      const error = await failure(through(proxy), to("https:", 443, "example.com"));
      expect(error).toMatchObject({ name: "CorioError", code: "ERR_CORIO_PROXY" });
      expect(error.message).toBe(
        `the proxy ${scheme}//127.0.0.1:${proxy.port} refused a tunnel to example.com:443 with ${answer}`,
      );
    }
  });

  test.each([
    ["hangs up", (socket: Socket) => void socket.destroy(), /gave no tunnel to .*: socket hang up/],
    ["ends without an answer", (socket: Socket) => void socket.end(), /gave no tunnel to .*: socket hang up/],
    [
      "answers with what is no HTTP",
      (socket: Socket) => void socket.end("SSH-2.0-x\r\n\r\n"),
      /gave no tunnel to .*: Parse Error/,
    ],
    [
      "sends more than its answer",
      (socket: Socket) => void socket.write("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
      /sent data before the tunnel/,
    ],
  ])("that %s fails, and is left", async (_what, does, message) => {
    const proxy = await TestProxy.start(secure);
    proxy.instead((socket) => {
      does(socket);
      return true;
    });
    const connection = accepted(proxy.server);
    const error = await failure(through(proxy), to("https:", 443, "example.com"));
    expect(error).toMatchObject({ code: "ERR_CORIO_PROXY", message: expect.stringMatching(message) });
    expect(`${error.message} ${String(error.cause)}`).not.toMatch(/p@ss|p%40ss|user/);
    await closed(await connection);
  });

  test("that closes the tunnel in the midst of the handshake fails", async () => {
    const proxy = await TestProxy.start(secure);
    let end: (tunnel: Socket) => void;
    proxy.instead((tunnel) => {
      tunnel.write("HTTP/1.1 200 OK\r\n\r\n");
      tunnel.once("data", () => end(tunnel));
      return true;
    });
    for (end of [
      (tunnel: Socket) => void tunnel.end(),
      (tunnel: Socket) => void tunnel.destroy(),
      (tunnel: Socket) => void (secure ? [...sockets].at(-1) : tunnel)?.resetAndDestroy(),
    ]) {
      const error = await failure(through(proxy), to("https:", 443, "example.com"));
      expect(error).toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) });
    }
  });

  test("that is not there fails, and says that it is the proxy", async () => {
    const port = await deadPort();
    const connector = new Connector({ proxy: `${scheme}//user:p%40ss@127.0.0.1:${port}` });
    const { connectTo } = connector.route(new URL("http://example.com"));
    for (const target of [connectTo, to("https:", 443, "example.com")]) {
      const error = await failure(connector, target);
      expect(error).toMatchObject({ code: "ERR_CORIO_PROXY", cause: { code: "ECONNREFUSED" } });
      expect(error.message).toBe(
        `no connection to the proxy ${scheme}//127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`,
      );
    }
  });

  test("is left at once when a connection is given up, at whichever step", async () => {
    const never = (error: Error | null): never => expect.unreachable(`called with ${String(error)}`);
    const target = to("https:", 443, "example.com");

    const unconnected = await TestProxy.start(secure);
    through(unconnected).open(target, { allowH2: false }, never).destroy();

    const silent = await TestProxy.start(secure);
    const asked = new Promise<Socket>((resolve) =>
      silent.instead((socket) => {
        resolve(socket);
        return true;
      }),
    );
    const opening = through(silent).open(target, { allowH2: false }, never);
    const tunnel = await asked;
    opening.destroy();
    await closed(tunnel);

    const open = await TestProxy.start(secure);
    const origin = await listening(createServer());
    const connection = accepted(origin);
    const inHandshake = through(open).open(to("https:", origin), { allowH2: false }, never);
    const socket = await connection;
    await once(socket, "data");
    inHandshake.destroy();
    await closed(socket);
    await new Promise((resolve) => setTimeout(resolve, 50));
  });
});

describe("a proxy with TLS", () => {
  test("is trusted by its own options, not by those of the origins", async () => {
    const proxy = await TestProxy.start(true);
    const url = `https://127.0.0.1:${proxy.port}`;
    const connector = new Connector({ tls: { ca: certificates.ca }, proxy: url });
    expect(await failure(connector, to("https:", 443, "example.com"))).toMatchObject({
      code: "ERR_CORIO_PROXY",
      message: expect.stringMatching(/^no connection to the proxy https:.*unable to verify/),
      cause: { code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" },
    });
    expect(proxy.seen).toEqual([]);
  });
});

describe("options", () => {
  const make =
    (options: unknown): (() => Connector) =>
    () =>
      new Connector(options as ConnectorOptions);

  test.each([
    ["a proxy and a Unix socket", { proxy: "http://a", socketPath: "/tmp/x" }, "PROXY", /exclude each other/],
    ["a SOCKS proxy", { proxy: "socks5://user:secret@a:1080" }, "PROXY", /SOCKS proxies are not supported/],
    ["a SOCKS proxy that resolves names", { proxy: "socks5h://secret@a" }, "PROXY", /SOCKS/],
    ["a proxy without a scheme", { proxy: "user:secret@a:3128" }, "PROXY", /with http:\/\/ or https:\/\//],
    ["a proxy that is no URL", { proxy: "http://user:secret@a:99999" }, "PROXY", /takes a URL/],
    ["a proxy of FTP", { proxy: "ftp://user:secret@a" }, "PROXY", /takes a URL/],
    ["an empty proxy", { proxy: "" }, "PROXY", /takes a URL/],
    ["a proxy without its URL", { proxy: { headers: {} } }, "PROXY", /takes a URL/],
    ["null as proxy", { proxy: null }, "PROXY", /takes a URL/],
    ["a name of a proxy's user with a colon", { proxy: "http://a%3Ab:secret@a" }, "AUTH", /no ":"/],
    ["a certificate that is none", { tls: { cert: "secret", key: "secret" } }, "TLS", /^tls cannot be used: /],
    ["an authority that is none", { proxy: { url: "https://a", tls: { cert: "x", key: "y" } } }, "TLS", /^proxy\.tls/],
    ["true as TLS", { tls: true }, "TLS", /options of TLS/],
    ["an empty path", { socketPath: "" }, "CONNECTION", /socketPath is a string/],
    ["a number as address", { localAddress: 5 }, "CONNECTION", /localAddress is a string, not number/],
  ])("are refused with %s", (_what, options, code, message) => {
    const error = thrown(make(options));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: `ERR_CORIO_${code}`, message: expect.stringMatching(message) });
    expect(`${error.message} ${JSON.stringify(Object.entries(error))}`).not.toContain("secret");
  });

  test("are refused with a header that is none", () => {
    for (const headers of [{ "a b": "c" }, { a: "b\r\nc: d" }, { a: "✓" }]) {
      expect(thrown(make({ proxy: { url: "http://a", headers } }))).toMatchObject({
        code: expect.stringMatching(/ERR_(HTTP|INVALID)/),
      });
    }
  });

  test("may have the proxy's credentials as a header", () => {
    const url = new URL("http://user:pass@a:3128");
    const connector = new Connector({ proxy: { url, headers: { "Proxy-Authorization": "Bearer x" } } });
    expect(connector.route(new URL("http://b")).headers).toEqual({ "proxy-authorization": "Bearer x" });
    expect(url.href).toBe("http://user:pass@a:3128/");
  });
});
