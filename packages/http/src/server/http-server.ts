import type { IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { CorioError, type Coroutine, type EventLoop, type Future } from "corio";
import { overrideGlobals } from "../messages/globals.js";
import type { Outgoing } from "./answer.js";
import { Connections } from "./connections.js";
import type { Incoming } from "./exchange.js";
import { createNodeServer, type NodeServer, stopListening } from "./node-server.js";
import { Requests } from "./requests.js";
import type { RequestHandler, ServeSettings } from "./serve-options.js";
import { TrackedResponse } from "./tracked-response.js";
import { isWebSocketRequest, putBack } from "./websocket-request.js";
import { settle } from "./settle.js";

// Node takes one connection each time that it looks. Beyond the backlog they have come after the shutdown began.
const BACKLOG = 511;

/**
 * A server: it listens, and has a task for each request. Made by `serve`.
 *
 * A context manager. Leaving its block shuts it down gracefully, however the block is left: by an error and by a cancellation, as
 * `runMain` makes one of SIGTERM, too. Being cancelled a second time meanwhile cancels the requests at once.
 *
 *   serving ──close()──> closing (nothing new; what is in flight goes on) ──> over
 *
 * @example
 * const server = yield* serve(handler, { port: 8080 });
 * yield* within(server, function* () {
 *   console.log(`serving at ${server.url}`);
 *   yield* server.serveForever();
 * });
 * @see https://docs.aiohttp.org/en/stable/web_reference.html#running-applications
 */
export class HttpServer {
  /** The loop that its requests are handled in. */
  readonly loop: EventLoop;
  readonly #settings: ServeSettings;
  readonly #server: NodeServer;
  readonly #requests: Requests;
  readonly #connections: Connections;
  #address: AddressInfo | string | null = null;
  #restoreGlobals: (() => void) | undefined;
  #forgetLoop: (() => void) | undefined;
  #closing = false;
  #over = false;
  // a connection that has just been accepted
  #forever: Future<void> | undefined;
  // who waits until nothing is in flight, and until it is over
  #idle: Future<void>[] = [];
  #waiting: Future<void>[] = [];

  /** @internal */
  constructor(loop: EventLoop, handler: RequestHandler, settings: ServeSettings) {
    this.loop = loop;
    this.#settings = settings;
    this.#server = createNodeServer(settings);
    this.#requests = new Requests(loop, handler, settings, () => this.#wakeIdle());
    this.#connections = new Connections(this.#server, settings, () => this.#endIfOver());
    this.#attach();
  }

  /** The port that it listens on; `undefined` at a path. */
  get port(): number | undefined {
    return typeof this.#address === "object" ? this.#address?.port : undefined;
  }

  /** The address that it listens on; a path for a Unix socket. */
  get host(): string {
    return typeof this.#address === "object" ? (this.#address?.address ?? "") : this.#address;
  }

  /** Where it is to be found, such as `http://127.0.0.1:8080`; `unix:/path` at a path. */
  get url(): string {
    const { host, port } = this;
    if (port === undefined) return `unix:${host}`;
    const name = host === "::" || host === "0.0.0.0" ? "localhost" : host.includes(":") ? `[${host}]` : host;
    return `${this.#requests.scheme}://${name}:${port}`;
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#connections.size;
  }

  /** How many requests are in flight: their clients have not got the whole answer yet. */
  get requests(): number {
    return this.#requests.size;
  }

  /** Whether it listens. */
  get isServing(): boolean {
    return this.#address !== null && !this.#closing;
  }

  /**
   * Listens until it is cancelled or closed.
   *
   * @throws a `CorioError` if another task waits in it already
   *
   * *If cancelled*, it shuts down as {@link shutdown} does.
   */
  *serveForever(): Coroutine<void> {
    if (this.#closing) return;
    if (this.#forever !== undefined) {
      throw new CorioError("ERR_CORIO_SERVING", "server is already being awaited on serveForever()");
    }
    const forever = (this.#forever = this.loop.createFuture<void>());
    try {
      yield* forever;
    } catch (error) {
      yield* this.shutdown();
      throw error;
    } finally {
      this.#forever = undefined;
    }
  }

  /**
   * Stops listening, and closes the connections that are idle. What is in flight goes on, as the last of its connection.
   * A client that has just connected may find itself refused: {@link shutdown} waits for those first.
   */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#requests.isClosing = true;
    if (this.#server.listening) stopListening(this.#server);
    if (this.#forever?.done === false) this.#forever.setResult();
    // what has been received by now is a request before its connection is idle
    afterPolls(2, () => {
      this.#connections.goAway();
      this.#endIfOver();
    });
  }

  /**
   * Shuts it down: accepts what has connected already, stops listening, and waits until all requests have their answers. Those that
   * are in flight when the time is up are cancelled, answered with 503 if nothing was sent yet, and their cleanup is waited for.
   * Then all connections are closed.
   *
   * @param timeout in milliseconds, `null` for no limit; default the option `shutdownTimeout`
   *
   * *If cancelled*, the requests are cancelled at once; if cancelled again, connections are closed under those that still clean up.
   */
  shutdown(timeout: number | null = this.#settings.shutdownTimeout): Coroutine<void> {
    if (timeout !== null && !(typeof timeout === "number" && timeout >= 0)) {
      throw Object.assign(
        new RangeError(`shutdown(timeout) takes milliseconds from 0, or null, not ${String(timeout)}`),
        {
          code: "ERR_CORIO_TIMEOUT",
        },
      );
    }
    return this.#shutdown(timeout);
  }

  /**
   * Waits until it is closed and all its requests and connections have ended.
   *
   * *If cancelled*, nothing changes.
   */
  *waitClosed(): Coroutine<void> {
    if (!this.#over) yield* this.#wait(this.#waiting, null);
  }

  /** For `within`. */
  enter(): this {
    return this;
  }

  /** For `within`: see the class. */
  exit(_error?: unknown): Coroutine<void> {
    return this.shutdown();
  }

  /** @internal */
  *_listen(): Coroutine<void> {
    const server = this.#server;
    const listening = this.loop.createFuture<void>();
    server.once("listening", () => {
      if (!listening.done) listening.setResult();
    });
    server.on("error", (error) => {
      if (!listening.done) {
        listening.setException(error);
        listening.exception();
      } else if (!listening.cancelled) {
        this.loop.callExceptionHandler({ message: "a listening socket failed", exception: error, server: this });
      }
    });
    const { host, port, path, backlog } = this.#settings;
    server.listen({
      ...(path === undefined ? { port } : { path }),
      ...(host === undefined ? {} : { host }),
      ...(backlog === undefined ? {} : { backlog }),
    });
    try {
      yield* listening;
    } catch (error) {
      server.close();
      this.#connections.destroy();
      throw error;
    }
    this.#address = server.address();
    this.#requests.authority = this.#authority();
    if (this.#settings.overrideGlobalObjects) this.#restoreGlobals = overrideGlobals();
    this.#forgetLoop = this.loop.onClose(() => this.#loopClosed());
  }

  #authority(): string {
    const { host, port } = this;
    if (port === undefined || host === "::" || host === "0.0.0.0")
      return `localhost${port === undefined ? "" : `:${port}`}`;
    return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  }

  #attach(): void {
    const server = this.#server;
    const { loop } = this;
    const on = (expectsContinue: boolean) => (incoming: Incoming, outgoing: Outgoing) => {
      if (loop.closed) outgoing.destroy();
      else loop.callFromHost(this.#begin, incoming, outgoing, expectsContinue);
    };
    server.on("request", on(false));
    server.on("checkContinue", on(true));
    server.on("upgrade", (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (loop.closed) socket.destroy();
      else loop.callFromHost(this.#beginUpgrade, incoming, socket, head);
    });
    server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
      if (loop.closed) socket.destroy();
      else this.#connections.broken(socket as Socket, error);
    });
  }

  readonly #begin = (incoming: Incoming, outgoing: Outgoing, expectsContinue: boolean): void => {
    const connection = this.#connections.of(incoming);
    if (connection !== undefined) this.#requests.accept(connection, incoming, outgoing, expectsContinue);
  };

  // Node has let go of the connection: it takes no further request.
  readonly #beginUpgrade = (incoming: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const connection = this.#connections.of(incoming);
    if (connection === undefined || socket.destroyed) {
      socket.destroy();
      return;
    }
    socket.on("error", ignore);
    if (!connection.isIdle && connection.exchanges.every(({ isAnswered }) => isAnswered)) {
      // it has all of their answers, and has only not said yet that it has sent them
      connection.whenIdle(() => this.loop.callFromHost(this.#beginUpgrade, incoming, socket, head));
      return;
    }
    // those before it end the connection: Node does not tell any more when it can take more of their answers
    if (!connection.isIdle) {
      connection.isEnding = true;
      connection.goAway();
      return;
    }
    if (!isWebSocketRequest(incoming)) {
      putBack(incoming, socket, head);
      this.#server.emit(this.#settings.tls === undefined ? "connection" : "secureConnection", socket);
      return;
    }
    const outgoing = new TrackedResponse(incoming);
    outgoing.shouldKeepAlive = false;
    outgoing.assignSocket(socket as Socket);
    outgoing.on("finish", () => (socket as Socket).destroySoon());
    this.#requests.accept(connection, incoming, outgoing, false, { socket, head });
  };

  *#shutdown(timeout: number | null): Coroutine<void> {
    // from here on the answers say that they are the last
    this.#requests.isClosing = true;
    try {
      yield* this.#acceptWaiting();
      this.close();
      // what was received goes first
      yield* poll(this.loop, 3);
      if (this.#requests.size > 0) yield* this.#wait(this.#idle, timeout);
    } finally {
      this.close();
      yield* this.#end();
    }
  }

  // The system accepts connections on its own, which are lost when the socket that listens is closed.
  *#acceptWaiting(): Coroutine<void> {
    const { backlog = BACKLOG } = this.#settings;
    let quiet = 0;
    for (let polls = 0; polls <= backlog && quiet < 2 && !this.#closing; polls++) {
      const { accepted } = this.#connections;
      yield* poll(this.loop, 1);
      quiet = this.#connections.accepted === accepted ? quiet + 1 : 0;
    }
  }

  /** Ends what is left. The cleanup of a handler may take its time. */
  *#end(): Coroutine<void> {
    try {
      if (this.#requests.size > 0) {
        this.#requests.cancel(this.#connections.exchanges(), shuttingDown());
        yield* this.#wait(this.#idle, null);
      }
    } finally {
      this.#connections.destroy();
    }
    yield* this.waitClosed();
  }

  /** Waits for its turn to be woken, at most so long. */
  *#wait(waiting: Future<void>[], timeout: number | null): Coroutine<void> {
    const woken = this.loop.createFuture<void>();
    waiting.push(woken);
    const timer = timeout === null ? undefined : this.loop.callLater(timeout, () => settle(woken));
    try {
      yield* woken;
    } finally {
      timer?.cancel();
      const place = waiting.indexOf(woken);
      if (place >= 0) waiting.splice(place, 1);
    }
  }

  #wakeIdle(): void {
    if (!this.#closing) return;
    this.#wake(this.#idle);
    this.#endIfOver();
  }

  #endIfOver(): void {
    if (this.#over || !this.#closing || this.connections > 0 || this.requests > 0) return;
    this.#over = true;
    this.#release();
    this.#wake(this.#waiting);
  }

  #wake(waiting: Future<void>[]): void {
    if (!this.loop.closed) for (const woken of [...waiting]) this.loop.callFromHost(settle, woken);
  }

  #release(): void {
    // Node's own timer, which finds slow clients
    this.#server.close();
    this.#restoreGlobals?.();
    this.#forgetLoop?.();
  }

  #loopClosed(): void {
    this.#closing = true;
    this.#over = true;
    this.#server.close();
    this.#connections.destroy();
    this.#restoreGlobals?.();
  }
}

function ignore(): void {}

/** Waits until the host has looked so many times for what has come. */
function* poll(loop: EventLoop, times: number): Coroutine<void> {
  const done = loop.createFuture<void>();
  const callOff = afterPolls(times, () => {
    if (!loop.closed) loop.callFromHost(settle, done);
  });
  try {
    yield* done;
  } finally {
    callOff();
  }
}

// Between two of its immediates Node looks for what has come.
function afterPolls(times: number, callback: () => void): () => void {
  let left = times;
  let immediate = setImmediate(function again() {
    if (left-- > 0) immediate = setImmediate(again);
    else callback();
  });
  return () => clearImmediate(immediate);
}

function shuttingDown(): CorioError {
  return new CorioError("ERR_CORIO_SHUTDOWN", "the server shuts down, and the request has taken too long");
}
