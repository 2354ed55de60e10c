import { CorioError, type EventLoop, type Future } from "corio";
import { fail } from "../errors/fail.js";
import { Connection } from "./connection.js";
import type { Connector, Route } from "./connector.js";

/** @internal How many connections there may be, and how they are made. */
export interface PoolOptions {
  readonly limit: number;
  readonly limitPerHost: number;
  readonly keepAliveTimeout: number;
  readonly maxHeaderSize: number;
  readonly http2: boolean;
}

/** @internal What leads to one place: connections to it serve any request that is routed there. */
export class Host {
  readonly route: Route;
  /** All connections: in use, idle, and being opened. */
  readonly connections = new Set<Connection>();
  /** Those that can take one more request; the one that was used last is taken first, so that the others may age. */
  readonly available: Connection[] = [];
  readonly waiting: Future<Connection>[] = [];
  /** Over HTTP/2 a connection that is being opened may serve all who wait, so nobody opens another meanwhile. */
  opening = 0;
  /** Whether it is known to speak HTTP/1.1 only. */
  onlyHttp1: boolean;

  constructor(route: Route, http2: boolean) {
    this.route = route;
    this.onlyHttp1 = !http2 || route.connectTo.protocol === "http:";
  }
}

/**
 * @internal The connections of a session.
 *
 * Open connections never exceed the limits, idle ones included: where a host needs one and there is no more room, the idle
 * connection that was used longest ago is closed. Requests to one host get connections in the order in which they came. Between
 * hosts, those that wait take turns, and a host gets a connection from another that has at least two more: so a host with ten
 * thousand requests does not keep another waiting, and connections are not closed and opened without need.
 */
export class ConnectionPool {
  readonly #loop: EventLoop;
  readonly #connector: Connector;
  readonly #options: PoolOptions;
  readonly #hosts = new Map<string, Host>();
  // idle connections, the one used longest ago first
  readonly #idle = new Set<Connection>();
  // hosts that wait, in turns
  readonly #queue = new Set<Host>();
  // connections that say goodbye
  readonly #leaving = new Set<Promise<unknown>>();
  #open = 0;
  #closed = false;

  constructor(loop: EventLoop, connector: Connector, options: PoolOptions) {
    this.#loop = loop;
    this.#connector = connector;
    this.#options = options;
  }

  /** How many connections are open or being opened. */
  get open(): number {
    return this.#open;
  }

  /** How many of them serve nobody. */
  get idle(): number {
    return this.#idle.size;
  }

  hostOf(url: URL): Host {
    const route = this.#connector.route(url);
    let host = this.#hosts.get(route.key);
    if (host === undefined) this.#hosts.set(route.key, (host = new Host(route, this.#options.http2)));
    return host;
  }

  /** A connection, if there is one at once. It is the caller's until it is released. */
  take(host: Host): Connection | undefined {
    if (this.#closed) throw sessionClosed();
    // nobody passes those who wait already
    return host.waiting.length > 0 ? undefined : this.#tryTake(host);
  }

  /** A place in the queue, for when {@link take} had none. To leave it, cancel the future. */
  wait(host: Host): Future<Connection> {
    const future = this.#loop.createFuture<Connection>();
    host.waiting.push(future);
    this.#queueIfItNeedsRoom(host);
    return future;
  }

  /** A request is over. What can serve another does. */
  release(connection: Connection): void {
    connection.inFlight--;
    const { host } = connection;
    if (connection.dead) {
      if (connection.inFlight === 0) this.#forget(connection);
    } else {
      if (connection.inFlight === 0) this.#idle.add(connection);
      this.#offer(connection);
    }
    this.#serve(host);
  }

  /** Takes back a connection that was not used. */
  putBack(connection: Connection): void {
    // nothing has begun to open it, and nothing would
    if (connection.isOpening) this.discard(connection);
    this.release(connection);
  }

  /** A connection is of no more use: it takes no further request. */
  discard(connection: Connection): void {
    if (connection.dead) return;
    this.#retire(connection);
    if (connection.inFlight === 0) this.#serve(connection.host);
  }

  /** Closes the idle connections to a host: they may be as stale as the one that just turned out to be. */
  discardIdle(host: Host): void {
    for (const connection of [...host.connections]) if (connection.inFlight === 0) this.discard(connection);
  }

  /** A connection is about to be opened. One that the server has closed opens itself again when it is used. */
  opening(connection: Connection): void {
    if (connection.isOpening) return;
    connection.isOpening = true;
    connection.host.opening++;
  }

  /** A connection stands; what it can serve is known now. */
  opened(connection: Connection): void {
    const { host } = connection;
    if (connection.dead) return;
    this.#openingIsOver(connection);
    host.onlyHttp1 = connection.capacity === 1;
    this.#offer(connection);
    this.#serve(host);
  }

  /** A connection serves more or fewer requests at once than before. */
  resized(connection: Connection): void {
    if (connection.dead) return;
    this.#takeBack(connection);
    this.#offer(connection);
    this.#serve(connection.host);
  }

  /** A connection did not come to stand. */
  failed(connection: Connection): void {
    this.#openingIsOver(connection);
    // or those who wait would try one after another
    connection.host.onlyHttp1 = true;
  }

  /** Closes everything; done when all sockets are closed. Who waits for a connection gets an error. */
  close(): Promise<unknown> {
    this.#closed = true;
    const closing = [...this.#leaving];
    for (const host of this.#hosts.values()) {
      for (const future of host.waiting.splice(0)) fail(future, sessionClosed());
      for (const connection of host.connections) closing.push(connection.destroy(sessionClosed()));
    }
    this.#hosts.clear();
    this.#queue.clear();
    this.#idle.clear();
    return Promise.all(closing);
  }

  #tryTake(host: Host): Connection | undefined {
    const { available } = host;
    const connection = available[available.length - 1];
    if (connection !== undefined) {
      if (connection.inFlight === 0) this.#idle.delete(connection);
      connection.inFlight++;
      if (connection.inFlight >= connection.capacity) {
        available.pop();
        connection.isAvailable = false;
      }
      return connection;
    }
    if (!host.onlyHttp1 && host.opening > 0) return undefined;
    if (host.connections.size >= this.#options.limitPerHost) return undefined;
    if (this.#open >= this.#options.limit) {
      const [oldest] = this.#idle;
      if (oldest === undefined) return undefined;
      this.#retire(oldest);
    }
    return this.#create(host);
  }

  #create(host: Host): Connection {
    const connection = new Connection(host, this, this.#connector, this.#options);
    connection.inFlight = 1;
    host.connections.add(connection);
    this.opening(connection);
    this.#open++;
    return connection;
  }

  /** It is available, if it can take one more request. */
  #offer(connection: Connection): void {
    if (connection.isAvailable || connection.inFlight >= connection.capacity) return;
    connection.isAvailable = true;
    connection.host.available.push(connection);
  }

  #takeBack(connection: Connection): void {
    if (!connection.isAvailable) return;
    connection.isAvailable = false;
    const { available } = connection.host;
    available.splice(available.indexOf(connection), 1);
  }

  #forget(connection: Connection): void {
    const { host } = connection;
    if (!host.connections.delete(connection)) return;
    this.#open--;
    const leaving = connection.destroy();
    this.#leaving.add(leaving);
    void leaving.then(() => this.#leaving.delete(leaving));
    if (host.connections.size === 0 && host.waiting.length === 0) this.#hosts.delete(host.route.key);
  }

  #openingIsOver(connection: Connection): void {
    if (connection.isOpening) connection.host.opening--;
    connection.isOpening = false;
  }

  #retire(connection: Connection): void {
    connection.dead = true;
    this.#openingIsOver(connection);
    this.#idle.delete(connection);
    this.#takeBack(connection);
    if (connection.inFlight === 0) this.#forget(connection);
  }

  /** Something has become free at a host: who gets it? */
  #serve(freed: Host): void {
    if (this.#closed) return;
    // what is free is its own in any case: others come first
    if (this.#queue.delete(freed)) this.#queue.add(freed);
    const [first] = this.#queue;
    if (first !== undefined && first !== freed && freed.waiting.length > 0) {
      const has = first.connections.size;
      if (has === 0 || has + 1 < freed.connections.size) this.#handOver(freed, first);
    }
    this.#serveHost(freed);
    for (let left = this.#queue.size; left > 0; left--) {
      if (this.#open >= this.#options.limit && this.#idle.size === 0) break;
      const [next] = this.#queue;
      this.#serveHost(next as Host);
    }
  }

  #handOver(from: Host, to: Host): void {
    const spare = from.available.find(({ inFlight }) => inFlight === 0);
    if (spare !== undefined && this.#open >= this.#options.limit) this.#retire(spare);
    this.#serveHost(to);
  }

  #serveHost(host: Host): void {
    const { waiting } = host;
    while (waiting.length > 0) {
      if (waiting[0]?.done) {
        waiting.shift(); // it was cancelled
        continue;
      }
      const connection = this.#tryTake(host);
      if (connection === undefined) break;
      (waiting.shift() as Future<Connection>).setResult(connection);
    }
    this.#queue.delete(host); // and to the end: it has had its turn
    if (waiting.length > 0) this.#queueIfItNeedsRoom(host);
  }

  // Those that wait for their own host only are served when it has something free.
  #queueIfItNeedsRoom(host: Host): void {
    const waitsForOpening = !host.onlyHttp1 && host.opening > 0;
    if (!waitsForOpening && host.connections.size < this.#options.limitPerHost) this.#queue.add(host);
  }
}

/** @internal */
export function sessionClosed(): CorioError {
  return new CorioError(
    "ERR_CORIO_SESSION_CLOSED",
    "the session is closed: make requests inside its block, `yield* within(new ClientSession(), function* (session) {…})`",
  );
}
