import { once } from "node:events";
import http, { type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import http2, { type Http2SecureServer, type SecureServerOptions, type ServerHttp2Session } from "node:http2";
import https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";
import { type Coroutine, type Manager, until } from "corio";

/** What a test's server does with a request; the body of it is there already, unless `streams` was asked for. */
export type Answer = (request: Received, response: ServerResponse) => unknown;

/** A request as the server has it. */
export interface Received {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  /** Names and values in turns, as they came. */
  readonly rawHeaders: readonly string[];
  readonly body: string;
  /** Which of the server's connections it came over, from 1. */
  readonly connection: number;
  readonly message: IncomingMessage;
}

export interface OriginOptions {
  /** A certificate and its key. */
  readonly tls?: SecureServerOptions | undefined;
  /** Whether HTTP/2 is spoken as well; only with `tls`. */
  readonly http2?: boolean | undefined;
  /** Whether requests are handed over before their bodies are there. */
  readonly streams?: boolean | undefined;
  /** Default a free port of 127.0.0.1. */
  readonly listen?: { readonly path: string } | { readonly port: number; readonly host?: string } | undefined;
}

/** One of Node's own servers, which runs while its block does, and notes what comes. */
export class Origin implements Manager<Origin> {
  /** All requests, in their order. */
  readonly requests: Received[] = [];
  /** The open connections. */
  readonly sockets = new Set<Socket>();
  /** The open connections that speak HTTP/2. */
  readonly sessions = new Set<ServerHttp2Session>();
  /** How many connections there were. */
  connections = 0;
  /** How many of them were open at once, at most. */
  mostConnections = 0;
  readonly #options: OriginOptions;
  readonly #server: Server | Http2SecureServer;

  constructor(answer: Answer, options: OriginOptions = {}) {
    this.#options = options;
    const listener: RequestListener = (message, response) => void this.#receive(message, response, answer);
    const { tls } = options;
    if (tls === undefined) this.#server = http.createServer(listener);
    else if (options.http2) this.#server = http2.createSecureServer({ allowHTTP1: true, ...tls }, listener as never);
    else this.#server = https.createServer(tls as https.ServerOptions, listener);
    const numbers = new WeakMap<Socket, number>();
    this.#numbers = numbers;
    this.#server.on("connection", (socket: Socket) => {
      this.sockets.add(socket);
      this.mostConnections = Math.max(this.mostConnections, this.sockets.size);
      if (tls === undefined) numbers.set(socket, ++this.connections);
      socket.on("error", () => {});
      socket.on("close", () => this.sockets.delete(socket));
    });
    this.#server.on("secureConnection", (socket: Socket) => {
      numbers.set(socket, ++this.connections);
      socket.on("error", () => {});
    });
    this.#server.on("session", (session: ServerHttp2Session) => {
      this.sessions.add(session);
      session.on("error", () => {});
      session.on("close", () => this.sessions.delete(session));
    });
    this.#server.on("tlsClientError", () => {});
    this.#server.on("sessionError", () => {});
    this.#server.on("clientError", (_error: Error, socket: Socket) => socket.destroy());
  }

  readonly #numbers: WeakMap<Socket, number>;

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** `http://127.0.0.1:port`; with TLS `https://localhost:port`. */
  get origin(): string {
    return this.#options.tls === undefined ? `http://127.0.0.1:${this.port}` : `https://localhost:${this.port}`;
  }

  /** The URL of a path. */
  url(path: string): string {
    return this.origin + path;
  }

  /** What the requests were, as "GET /path". */
  get log(): string[] {
    return this.requests.map(({ method, url }) => `${method} ${url}`);
  }

  *enter(): Coroutine<Origin> {
    this.#server.listen({ backlog: 4_096, ...(this.#options.listen ?? { port: 0, host: "127.0.0.1" }) });
    yield* until(once(this.#server, "listening"));
    return this;
  }

  *exit(): Coroutine<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const session of this.sessions) session.destroy();
    for (const socket of this.sockets) socket.destroy();
    yield* until(closed);
  }

  async #receive(message: IncomingMessage, response: ServerResponse, answer: Answer): Promise<void> {
    const { socket } = message;
    const connection = this.#numbers.get(socket) ?? this.connections;
    const received = (body: string): Received => ({
      method: message.method as string,
      url: message.url as string,
      headers: message.headers,
      rawHeaders: message.rawHeaders,
      body,
      connection,
      message,
    });
    response.on("error", () => {});
    message.on("error", () => {});
    let request: Received;
    try {
      request = received(this.#options.streams ? "" : await text(message));
    } catch {
      return; // it broke off
    }
    this.requests.push(request);
    await answer(request, response);
  }
}
