import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import {
  type AddressInfo,
  connect,
  createServer as createNetServer,
  type Server as NetServer,
  type Socket,
} from "node:net";
import { type Coroutine, Queue, until } from "corio";
import { type ServerOptions, type WebSocket, WebSocketServer } from "ws";
import type { WebSocketConnection } from "../../src/websocket/websocket-connection.js";
import { connectWebSocket, type OpenSocket, type WebSocketRequest } from "./internals.js";

// Peers that are made of Node and `ws` alone, so that what they see is seen by another implementation.

const LOCAL = "127.0.0.1";

/** Opens plain sockets, as a session does for `http:` without a proxy. */
export const openSocket: OpenSocket = ({ hostname, port }, callback) => {
  const socket = connect({ host: hostname, port });
  socket.once("connect", () => callback(null, socket));
  socket.once("error", (error) => callback(error));
  return socket;
};

/** Connects ours to a peer. */
export function connectTo(
  { url }: { readonly url: string },
  options: Partial<WebSocketRequest> = {},
): Coroutine<WebSocketConnection> {
  return connectWebSocket(url, { openSocket, ...options });
}

/** A server of `ws`, which keeps its connections. */
export class WsServer {
  readonly sockets: WebSocket[] = [];
  readonly requests: IncomingMessage[] = [];
  readonly #server: WebSocketServer;

  constructor(onConnection: (socket: WebSocket) => void = () => {}, options: ServerOptions = {}) {
    this.#server = new WebSocketServer({ host: LOCAL, port: 0, ...options });
    this.#server.on("connection", (socket, request) => {
      this.sockets.push(socket);
      this.requests.push(request);
      socket.on("error", () => {});
      notesOf(socket);
      onConnection(socket);
    });
  }

  get url(): string {
    return `ws://${LOCAL}:${(this.#server.address() as AddressInfo).port}/path?query`;
  }

  /** The connection, once it is there. */
  *connection(): Coroutine<WebSocket> {
    while (this.sockets.length === 0) yield* until(once(this.#server, "connection"));
    return this.sockets[0] as WebSocket;
  }

  *enter(): Coroutine<this> {
    yield* until(once(this.#server, "listening"));
    return this;
  }

  *exit(_error: unknown): Coroutine<void> {
    for (const socket of this.#server.clients) socket.terminate();
    yield* until(new Promise((resolve) => this.#server.close(resolve)));
  }
}

/** A server of HTTP or of nothing but TCP on a free port, which is closed with all its connections when the block is left. */
export class BareServer {
  readonly sockets: Socket[] = [];
  readonly #server: Server | NetServer;

  private constructor(server: Server | NetServer) {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      this.sockets.push(socket);
      socket.on("error", () => {});
    });
  }

  static http(onUpgrade: (request: IncomingMessage, socket: Socket, head: Buffer) => void): BareServer {
    const server = createServer((_request, response) => void response.end("plain"));
    server.on("upgrade", onUpgrade);
    return new BareServer(server);
  }

  static tcp(onConnection: (socket: Socket) => void): BareServer {
    return new BareServer(createNetServer(onConnection));
  }

  get url(): string {
    return `ws://${LOCAL}:${this.port}/`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  *enter(): Coroutine<this> {
    this.#server.listen(0, LOCAL);
    yield* until(once(this.#server, "listening"));
    return this;
  }

  *exit(_error: unknown): Coroutine<void> {
    for (const socket of this.sockets) socket.destroy();
    yield* until(new Promise((resolve) => this.#server.close(resolve)));
  }
}

/** What has come to a peer's WebSocket since `notesOf` was first called for it. */
interface Notes {
  readonly messages: Queue<string>;
  readonly closing: Promise<{ code: number; reason: string }>;
}

const notes = new WeakMap<WebSocket, Notes>();

/** Notes from now on what comes to a peer's WebSocket, for those who wait for it later. */
export function notesOf(socket: WebSocket): Notes {
  const before = notes.get(socket);
  if (before !== undefined) return before;
  const messages = new Queue<string>();
  socket.on("message", (data: Buffer) => messages.putNowait(data.toString()));
  const closing = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  notes.set(socket, { messages, closing });
  return { messages, closing };
}

/** Waits until a peer's WebSocket is closed, and gives what it was told. */
export function* closingOf(socket: WebSocket): Coroutine<{ code: number; reason: string }> {
  return yield* until(notesOf(socket).closing);
}

/** Waits for the next message of a peer's WebSocket. */
export function messageOf(socket: WebSocket): Coroutine<string> {
  return notesOf(socket).messages.get();
}

/** Waits until a condition holds, looking at it turn by turn of the host. */
export function* eventually(holds: () => boolean): Coroutine<void> {
  while (!holds()) yield* until(new Promise((resolve) => void setImmediate(resolve)));
}
