import { type Coroutine, type EventLoop, getRunningLoop } from "corio";
import type {
  ConnectionHandler,
  ConnectOptions,
  openConnection,
  Server,
  ServerOptions,
  startServer,
  StreamLimit,
} from "@corio/node";
import { MemoryConnection } from "./memory-connection.js";
import { type Listening, MemoryServer } from "./memory-server.js";
import { noTls, type SocketName } from "./memory-socket.js";
import type { Streams } from "./memory-streams.js";
import { CheckedConditions, type NetworkConditions } from "./network-conditions.js";
import { systemError } from "./system-error.js";

const FIRST_FREE_PORT = 49_152;
const ANYWHERE = "0.0.0.0";
const LOCAL: readonly string[] = ["localhost", "127.0.0.1", "::1"];

/**
 * A network in memory: servers listen on it, and connections go through it, as they do through @corio/node's `startServer` and
 * `openConnection`. Give its functions of the same names to the code under test.
 *
 * Hosts are nothing but names: whoever connects to the name and port on which a server listens, reaches it. What of the options is
 * about real sockets (`backlog`, `noDelay`, `localAddress`, …) has no effect, and TLS is refused. Make a network where what uses it
 * is made, for programs that are explored within the program.
 *
 * @example
 * const answer = runVirtually(function* () {
 *   const network = new MemoryNetwork({ latency: [10, 80], seed: 7 });
 *   const server = yield* network.startServer(
 *     function* (reader, writer) {
 *       writer.write(yield* reader.readline());
 *     },
 *     "echo.example",
 *     7,
 *   );
 *   return yield* within(server, function* () {
 *     const [reader, writer] = yield* network.openConnection("echo.example", 7);
 *     return yield* within(writer, function* () {
 *       writer.write("hello\n");
 *       return new TextDecoder().decode(yield* reader.readline());
 *     });
 *   });
 * });
 * console.log(answer); // hello
 */
export class MemoryNetwork {
  readonly #conditions: CheckedConditions;
  readonly #servers = new Map<string, MemoryServer>();
  readonly #connections = new Set<MemoryConnection>();
  #made = 0;
  #nextPort = FIRST_FREE_PORT;
  #isCut = false;

  /**
   * @param conditions `latency`, `bandwidth`, `loss`, `disconnect`, … and `seed`, for each of its connections: see
   * {@link NetworkConditions}
   * @throws a RangeError for conditions that cannot be
   */
  constructor(conditions: NetworkConditions = {}) {
    this.#conditions = new CheckedConditions(conditions);
  }

  /**
   * Connects to a server on this network, as @corio/node's `openConnection` does to a real one. Takes a round trip. Stands by itself:
   * `const { openConnection } = network`.
   *
   * @param host a name or an address
   * @param port from 1 to 65535
   * @param options `limit` (in bytes)
   * @returns a reader and a writer
   * @throws an error with the code `ECONNREFUSED` if nobody listens there, `ECONNRESET` if the network breaks the connection
   * meanwhile; a `CorioError` if `tls` is asked for
   *
   * *If cancelled*, nothing is left open.
   */
  readonly openConnection: typeof openConnection = (...args) => this.#open(...args);

  /**
   * Listens on this network, and runs a coroutine for each connection, as @corio/node's `startServer` does. Stands by itself, too.
   *
   * @param handler gets a reader and a writer; see `startServer` of @corio/node
   * @param host a name, an address or several; `undefined`: whatever name is connected to
   * @param port 0 for one that is free: `server.sockets[0].address()` tells
   * @param options `limit` (in bytes), `maxConnections`, `startServing`
   * @returns the server, which has all that @corio/node's Server has
   * @throws an error with the code `EADDRINUSE` if another server listens there; a `CorioError` if `tls` is asked for
   */
  readonly startServer: typeof startServer = (...args) => this.#start(...args);

  /** How many connections are open, those included that are being made or closed. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Breaks all connections, those that are being made included: both sides get ECONNRESET. Servers go on listening. */
  disconnectAll(): void {
    for (const connection of [...this.#connections]) connection.break();
  }

  /**
   * Lets nothing arrive any more, in all connections, until {@link heal}. Nobody is told: who waits for an answer waits on. Connecting
   * waits, too.
   */
  partition(): void {
    this.#isCut = true;
    for (const connection of this.#connections) connection.cut();
  }

  /** Ends {@link partition}. What was sent meanwhile arrives, a latency from now. */
  heal(): void {
    if (!this.#isCut) return;
    this.#isCut = false;
    for (const connection of this.#connections) connection.mend();
  }

  #open(host: string, port: number, options: ConnectOptions & StreamLimit = {}): Coroutine<Streams> {
    checkHost(host);
    checkPort(port, 1);
    checkTls(options);
    return this.#connect(host, port, options);
  }

  *#connect(host: string, port: number, options: StreamLimit): Coroutine<Streams> {
    const loop = getRunningLoop();
    const connected = loop.createFuture<Streams>();
    const connection = this.#connection(loop, host, port);
    const { near, far, there, back } = connection;
    const failed = (error: Error): void => {
      if (connected.done) return;
      connected.setException(error);
      // it concerns nobody but who waits, and does not any more if it is cancelled now
      connected.exception();
    };
    near.once("error", failed);
    let server: MemoryServer | undefined;
    there.signal(() => {
      // broken on the way
      if (far.destroyed) return;
      server = this.#serverAt(host, port, loop);
      if (server === undefined) {
        far.refuse(systemError("ECONNREFUSED", "connect", { address: nameOf(host, port).address, port }));
        return;
      }
      back.signal(() => {
        if (near.destroyed || connected.done) return;
        connected.setResult(near.openStreams(options));
      });
      server.accept(far);
    });
    try {
      return yield* connected;
    } catch (error) {
      near.destroy();
      // nobody has heard of it yet
      if (server === undefined) far.destroy();
      throw error;
    }
  }

  #connection(loop: EventLoop, host: string, port: number): MemoryConnection {
    const names = [nameOf("127.0.0.1", this.#freePort()), nameOf(host, port)] as const;
    const onOver = (): void => void this.#connections.delete(connection);
    const connection = new MemoryConnection({
      loop,
      conditions: this.#conditions,
      number: this.#made++,
      names,
      cut: this.#isCut,
      onOver,
    });
    this.#connections.add(connection);
    return connection;
  }

  #start(
    handler: ConnectionHandler,
    host: string | readonly string[] | undefined,
    port: number,
    options: ServerOptions & StreamLimit = {},
  ): Coroutine<Server> {
    if (typeof handler !== "function") {
      throw invalid("HANDLER", "startServer takes a coroutine function first: function* (reader, writer) {…}");
    }
    const hosts: readonly string[] = host === undefined ? [ANYWHERE] : typeof host === "string" ? [host] : host;
    for (const one of hosts) checkHost(one);
    checkPort(port, 0);
    checkTls(options);
    return this.#serve(handler, hosts, port, options);
  }

  *#serve(
    handler: ConnectionHandler,
    hosts: readonly string[],
    port: number,
    options: ServerOptions & StreamLimit,
  ): Coroutine<Server> {
    const server = new MemoryServer(getRunningLoop(), handler, (by) => this.#listen(by, hosts, port), options);
    if (options.startServing !== false) yield* server.startServing();
    // all of its public face is there; what is private to the class is not
    return server as unknown as Server;
  }

  #listen(server: MemoryServer, hosts: readonly string[], wanted: number): Listening {
    const port = wanted === 0 ? this.#freePort() : wanted;
    for (const host of hosts) {
      const taken =
        host === ANYWHERE ? [...this.#servers.keys()].some((key) => key.endsWith(` ${port}`)) : this.#find(host, port);
      if (taken) throw systemError("EADDRINUSE", "listen", { address: host, port });
    }
    const keys = hosts.map((host) => keyOf(host, port));
    for (const key of keys) this.#servers.set(key, server);
    const name = nameOf(hosts[0] as string, port);
    let open = true;
    const close = (): void => {
      open = false;
      for (const key of keys) this.#servers.delete(key);
      forget();
    };
    const forget = server.loop.onClose(close);
    return { socket: { address: () => (open ? name : null) }, close };
  }

  #find(host: string, port: number): MemoryServer | undefined {
    return this.#servers.get(keyOf(host, port)) ?? this.#servers.get(keyOf(ANYWHERE, port));
  }

  #serverAt(host: string, port: number, loop: EventLoop): MemoryServer | undefined {
    const server = this.#find(host, port);
    return server?.loop === loop ? server : undefined;
  }

  #freePort(): number {
    return this.#nextPort++;
  }
}

function keyOf(host: string, port: number): string {
  return `${LOCAL.includes(host) ? "127.0.0.1" : host === "::" ? ANYWHERE : host} ${port}`;
}

function nameOf(host: string, port: number): SocketName {
  const address = host === "localhost" ? "127.0.0.1" : host;
  return { address, port, family: address.includes(":") ? "IPv6" : "IPv4" };
}

function checkHost(host: unknown): void {
  if (typeof host !== "string" || host === "") throw invalid("HOST", "the host is a name or an address");
}

function checkPort(port: unknown, least: number): void {
  if (Number.isInteger(port) && (port as number) >= least && (port as number) < 65_536) return;
  throw invalid("PORT", `the port is a number from ${least} to 65535, not ${String(port)}`);
}

function checkTls({ tls }: Pick<ConnectOptions | ServerOptions, "tls">): void {
  if (tls !== undefined && tls !== false) throw noTls("the option `tls`");
}

function invalid(code: string, message: string): TypeError {
  return Object.assign(new TypeError(message), { code: `ERR_CORIO_${code}` });
}
