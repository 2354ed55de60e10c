import { lstat, unlink } from "node:fs/promises";
import {
  createServer as createNetServer,
  connect as netConnect,
  type Server as NetServer,
  type Socket,
} from "node:net";
import { createServer as createTlsServer, type Server as TlsServer, type TlsOptions } from "node:tls";
import {
  CorioError,
  copyContext,
  type Coroutine,
  type EventLoop,
  type Future,
  Lock,
  type Task,
  until,
  wait,
  within,
} from "corio";
import { fail } from "../errors/fail.js";
import { closed, opened } from "./open-resources.js";
import type { Protocol } from "./protocol.js";
import { checkHandshakeTimeout, HANDSHAKE_TIMEOUT } from "./start-tls.js";
import { type Origin, Transport } from "./transport.js";

/** How a server listens. */
export interface ServerOptions {
  /** Node's options of `tls.createServer` (`key`, `cert`, `ca`, `requestCert`, `SNICallback`, …): the server speaks TLS then. */
  tls?: TlsOptions;
  /** How long a handshake may take, in milliseconds; default 60,000. */
  tlsHandshakeTimeout?: number;
  /** How many connections may wait to be accepted; default 511, as in Node. */
  backlog?: number;
  /** How many connections may be open at once; those beyond are closed as soon as they come. Default no limit. */
  maxConnections?: number;
  /** Whether to listen at once; default true. If not, `startServing()` and `serveForever()` begin. */
  startServing?: boolean;
  /** Whether small pieces are sent at once (TCP_NODELAY); default true, as in asyncio. */
  noDelay?: boolean;
  /** Whether several processes may listen on the same port (SO_REUSEPORT); default false. Needs Node 22.12. */
  reusePort?: boolean;
}

/** A socket that listens. */
export interface ListeningSocket {
  /** Its address and port; a path for a Unix socket. `null` once it is closed. */
  address(): ReturnType<NetServer["address"]>;
}

/** @internal Where a server listens. */
export interface Place {
  readonly host?: string | undefined;
  readonly port?: number;
  readonly path?: string;
  readonly ipv6Only?: boolean;
}

/**
 * A server: it listens, and keeps its connections. Made by `startServer`, `startUnixServer`, `createServer` and
 * `createUnixServer`.
 *
 * A context manager. Leaving its block stops it from listening and waits until the connections and their handlers have ended
 * by themselves; after an error, a cancellation included, the handlers are cancelled and the connections closed.
 *
 * @example
 * const server = yield* startServer(
 *   function* (reader, writer) {
 *     writer.write(yield* reader.readline());
 *   },
 *   "127.0.0.1",
 *   8080,
 * );
 * yield* within(server, () => server.serveForever());
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.Server
 */
export class Server {
  /** The loop that its protocols are called in. */
  readonly loop: EventLoop;
  readonly #factory: () => Protocol;
  readonly #places: readonly Place[];
  readonly #options: ServerOptions;
  readonly #origin: Origin;
  readonly #tls: TlsServer | undefined;
  /** @internal The context of who started it; each handler gets a copy. */
  readonly _context = copyContext();
  #listeners: NetServer[] = [];
  readonly #transports = new Set<Transport>();
  // accepted, and in the handshake of TLS
  readonly #handshakes = new Set<Socket>();
  readonly #tasks = new Set<Task<unknown>>();
  // one task begins at a time
  readonly #starting = new Lock();
  #closing = false;
  #forever: Future<void> | undefined;
  #waiting: Future<void>[] = [];

  /** @internal */
  constructor(
    loop: EventLoop,
    factory: (server: Server) => Protocol,
    places: readonly Place[],
    options: ServerOptions,
  ) {
    this.loop = loop;
    this.#factory = () => factory(this);
    this.#places = places;
    this.#options = options;
    this.#origin = { ownPath: places[0]?.path };
    if (options.tls !== undefined) this.#tls = this.#tlsServer(options.tls);
  }

  /** Whether it listens. */
  get isServing(): boolean {
    return this.#listeners.length > 0;
  }

  /** The sockets that listen; none before it serves and after `close()`. */
  get sockets(): readonly ListeningSocket[] {
    return [...this.#listeners];
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#transports.size + this.#handshakes.size;
  }

  /**
   * Begins to listen. Does nothing if it listens already.
   *
   * @throws Node's error with its `code` (`EADDRINUSE`, `EACCES`, …); a `CorioError` after `close()`
   *
   * *If cancelled*, it does not listen.
   */
  startServing(): Coroutine<void> {
    return within(this.#starting, () => this.#start());
  }

  /**
   * Listens until it is cancelled or closed.
   *
   * @throws a `CorioError` if another task waits in it already
   *
   * *If cancelled*, it closes, handlers are cancelled, and their connections closed.
   * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.Server.serve_forever
   */
  *serveForever(): Coroutine<void> {
    yield* this.startServing();
    if (this.#forever !== undefined) {
      throw new CorioError("ERR_CORIO_SERVING", "server is already being awaited on serveForever()");
    }
    const forever = (this.#forever = this.loop.createFuture<void>());
    try {
      yield* forever;
    } catch (error) {
      yield* this.#end();
      throw error;
    } finally {
      this.#forever = undefined;
    }
  }

  /** Stops listening. Connections stay open. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    for (const listener of this.#listeners) listener.close();
    this.#listeners = [];
    if (this.#forever?.done === false) this.#forever.setResult();
    this.#wakeIfOver();
  }

  /** Closes all connections; what is buffered is sent before. */
  closeClients(): void {
    for (const transport of this.#transports) transport.close();
    for (const socket of this.#handshakes) socket.destroy();
  }

  /** Closes all connections at once; what is buffered is not sent. */
  abortClients(): void {
    for (const transport of this.#transports) transport.abort();
    for (const socket of this.#handshakes) socket.destroy();
  }

  /**
   * Waits until it is closed and all its connections and their handlers have ended.
   *
   * *If cancelled*, nothing changes.
   * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.Server.wait_closed
   */
  *waitClosed(): Coroutine<void> {
    if (this.#isOver) return;
    const over = this.loop.createFuture<void>();
    this.#waiting.push(over);
    try {
      yield* over;
    } finally {
      this.#waiting = this.#waiting.filter((other) => other !== over);
    }
  }

  /** For `within`. */
  enter(): this {
    return this;
  }

  /** For `within`: see the class. */
  *exit(error: unknown): Coroutine<void> {
    this.close();
    if (error !== undefined) {
      yield* this.#end();
      return;
    }
    try {
      yield* this.waitClosed();
    } catch (cancellation) {
      yield* this.#end();
      throw cancellation;
    }
  }

  /** @internal */
  _lost(transport: Transport): void {
    this.#transports.delete(transport);
    this.#wakeIfOver();
  }

  /** @internal */
  _replaced(transport: Transport, by: Transport): void {
    this.#transports.delete(transport);
    this.#transports.add(by);
  }

  /** @internal Notes a handler's task, which ends no later than the server. */
  _handling(task: Task<unknown>): void {
    this.#tasks.add(task);
  }

  /** @internal It has ended. */
  _handled(task: Task<unknown>): void {
    this.#tasks.delete(task);
    this.#wakeIfOver();
  }

  /** @internal */
  _loopClosed(): void {
    for (const listener of this.#listeners) listener.close();
    for (const transport of this.#transports) transport._loopClosed();
    for (const socket of this.#handshakes) socket.destroy();
  }

  get #isOver(): boolean {
    return this.#closing && this.connections === 0 && this.#tasks.size === 0;
  }

  #wakeIfOver(): void {
    if (!this.#isOver) return;
    closed(this.loop, this);
    for (const over of this.#waiting) if (!over.done) over.setResult();
  }

  /** Ends what is left. The cleanup of a handler may take its time, and its connection is open as long. */
  *#end(): Coroutine<void> {
    this.close();
    for (const task of this.#tasks) task.cancel();
    try {
      if (this.#tasks.size > 0) yield* wait(this.#tasks);
    } finally {
      this.abortClients();
    }
    yield* this.waitClosed();
  }

  *#start(): Coroutine<void> {
    if (this.#closing) throw serverClosed();
    if (this.isServing) return;
    const listeners: NetServer[] = [];
    try {
      for (const place of this.#places) {
        listeners.push(yield* this.#listen(place));
        if (this.#closing) throw serverClosed();
      }
    } catch (error) {
      for (const listener of listeners) listener.close();
      // those that came while the rest was tried
      this.abortClients();
      throw error;
    }
    this.#listeners = listeners;
    opened(this.loop, this);
  }

  *#listen(place: Place): Coroutine<NetServer> {
    try {
      return yield* this.#listenOnce(place);
    } catch (error) {
      if (place.path === undefined || (error as { code?: string }).code !== "EADDRINUSE") throw error;
      if (!(yield* isDead(this.loop, place.path))) throw error;
      yield* until(unlink(place.path));
      return yield* this.#listenOnce(place);
    }
  }

  *#listenOnce({ host, port, path, ipv6Only = false }: Place): Coroutine<NetServer> {
    const { backlog, noDelay = true, reusePort } = this.#options;
    const listener = createNetServer({ allowHalfOpen: true, noDelay: path === undefined && noDelay }, (socket) =>
      this.#accept(socket),
    );
    const listening = this.loop.createFuture<void>();
    listener.once("listening", () => {
      if (!listening.done) listening.setResult();
    });
    listener.on("error", (error) => {
      if (!listening.done) fail(listening, error);
      else if (!listening.cancelled)
        this.loop.callExceptionHandler({ message: "a listening socket failed", exception: error, server: this });
    });
    listener.listen({
      ...(path === undefined ? { port, ipv6Only } : { path }),
      ...(host === undefined ? {} : { host }),
      ...(backlog === undefined ? {} : { backlog }),
      ...(reusePort === undefined ? {} : { reusePort }),
    });
    try {
      yield* listening;
      return listener;
    } catch (error) {
      listener.close();
      throw error;
    }
  }

  #accept(socket: Socket): void {
    const { maxConnections = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#closing || this.connections >= maxConnections) {
      socket.destroy();
      return;
    }
    if (this.#tls === undefined) {
      this.#begin(socket);
      return;
    }
    // or Node would wait on for a client that has ended in the midst of the handshake
    socket.allowHalfOpen = false;
    this.#handshakes.add(socket);
    socket.once("close", () => {
      this.#handshakes.delete(socket);
      this.#wakeIfOver();
    });
    this.#tls.emit("connection", socket);
  }

  #begin(socket: Socket): void {
    const transport = new Transport(this.loop, socket, this.#origin, this);
    this.#transports.add(transport);
    this.loop.callFromHost(begin, transport, this.#factory, this);
  }

  // It never listens: handshakes are handed to it. Node checks clients' certificates there, and not in the socket.
  #tlsServer(options: TlsOptions): TlsServer {
    const { tlsHandshakeTimeout = HANDSHAKE_TIMEOUT } = this.#options;
    checkHandshakeTimeout(tlsHandshakeTimeout);
    const handshakeTimeout = Math.min(tlsHandshakeTimeout, 2 ** 31 - 1); // as long as Node's timers go
    const server = createTlsServer({ ...options, handshakeTimeout });
    server.on("secureConnection", (socket) => {
      socket.allowHalfOpen = true;
      this.#handshakes.delete((socket as { _parent?: Socket })._parent as Socket);
      this.#begin(socket);
    });
    server.on("tlsClientError", (error, socket) => {
      // Node leaves a client open that was too slow
      socket.destroy();
      if (this.loop.debug) this.loop.reporter.warn("a client failed in the handshake of TLS", error);
    });
    return server;
  }
}

function begin(transport: Transport, factory: () => Protocol, server: Server): void {
  // closed by the server before its turn came
  if (transport.isClosing) {
    server._lost(transport);
    return;
  }
  try {
    transport._begin(factory());
  } catch (exception) {
    transport.loop.callExceptionHandler({ message: "Error in a server's protocol factory", exception, server });
    transport.abort();
    server._lost(transport);
  }
}

/** Whether it is a socket file that a dead server has left. */
function* isDead(loop: EventLoop, path: string): Coroutine<boolean> {
  // a connection to an ordinary file is refused, too
  const isSocket = lstat(path).then(
    (found) => found.isSocket(),
    () => false,
  );
  if (!(yield* until(isSocket))) return false;
  const answer = loop.createFuture<boolean>();
  const socket = netConnect({ path });
  const settle = (dead: boolean): void => {
    if (!answer.done) answer.setResult(dead);
  };
  socket.once("connect", () => settle(false));
  socket.on("error", ({ code }: NodeJS.ErrnoException) => settle(code === "ECONNREFUSED"));
  try {
    return yield* answer;
  } finally {
    socket.destroy();
  }
}

function serverClosed(): CorioError {
  return new CorioError("ERR_CORIO_SERVER_CLOSED", "this server is closed: start another one");
}
