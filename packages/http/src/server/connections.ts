import type { Http2ServerRequest, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type Connection, Http1Connection, Http2Connection } from "./connection.js";
import type { Exchange, Incoming } from "./exchange.js";
import type { NodeServer } from "./node-server.js";
import { answerRaw } from "./raw-answers.js";
import type { ServeSettings } from "./serve-options.js";

// On Node's socket or session: ours.
const CONNECTION = Symbol("corio.connection");

interface Known {
  [CONNECTION]?: Connection;
}

/** @internal The connections of a server. */
export class Connections {
  // those that are closed, and whose requests have not ended, among them
  readonly #all = new Set<Connection>();
  #open = 0;
  // accepted, and in the handshake of TLS
  readonly #handshakes = new Set<Socket>();
  readonly #settings: ServeSettings;
  readonly #onEmpty: () => void;
  #goAway = false;
  #latestHttp2: Http2Connection | undefined;
  /** How many there have been. */
  accepted = 0;

  /** @param onEmpty called when the last one is closed */
  constructor(server: NodeServer, settings: ServeSettings, onEmpty: () => void) {
    this.#settings = settings;
    this.#onEmpty = onEmpty;
    if (settings.tls === undefined) {
      server.on("connection", (socket: Socket) => {
        this.accepted++;
        this.#addHttp1(socket);
      });
      return;
    }
    server.on("connection", (socket: Socket) => this.#handshake(socket));
    server.on("secureConnection", (socket: TLSSocket) => {
      this.#handshakes.delete((socket as { _parent?: Socket })._parent as Socket);
      if (socket.alpnProtocol !== "h2") this.#addHttp1(socket);
      else this.#latestHttp2?.standsOn(socket); // Node has made its session just before
    });
    // a client that failed in the handshake; Node leaves one open that was too slow
    server.on("tlsClientError", (_error: Error, socket: TLSSocket) => void socket.destroy());
    server.on("session", (session: ServerHttp2Session) => this.#addHttp2(session));
  }

  /** How many are open. */
  get size(): number {
    return this.#open + this.#handshakes.size;
  }

  /** The requests that are in flight. */
  *exchanges(): Iterable<Exchange> {
    for (const connection of [...this.#all]) yield* connection.exchanges;
  }

  /** That by which a request has come; `undefined` if it is gone already. */
  of(incoming: Incoming): Connection | undefined {
    const { stream } = incoming as Partial<Http2ServerRequest>;
    // by its class, and not by the version that the client has written
    const bearer = stream === undefined ? incoming.socket : stream.session;
    return (bearer as Known | undefined)?.[CONNECTION];
  }

  /** What came by it is no HTTP, or came too slowly. Requests that were received whole before are answered nevertheless. */
  broken(socket: Socket, error: NodeJS.ErrnoException): void {
    const connection = (socket as Known)[CONNECTION];
    if (!socket.writable || error.code === "ECONNRESET" || connection === undefined) {
      socket.destroy();
      return;
    }
    const { exchanges, isEnding } = connection;
    // it closes with an answer that is on its way
    if (isEnding && exchanges.length > 0) return;
    connection.isEnding = true;
    const cutOff = exchanges.filter((exchange) => !exchange.isReceived);
    if (exchanges.length > cutOff.length) connection.goAway();
    else if (cutOff.some((exchange) => exchange.hasBegun)) socket.destroy();
    else answerRaw(socket, error.code);
    for (const exchange of cutOff) exchange.clientGone();
  }

  /** What is idle is closed; the rest when it has done what it does. */
  goAway(): void {
    this.#goAway = true;
    for (const connection of this.#all) connection.goAway();
    for (const socket of this.#handshakes) socket.destroy();
  }

  destroy(): void {
    for (const connection of this.#all) connection.destroy();
    for (const socket of this.#handshakes) socket.destroy();
  }

  #handshake(socket: Socket): void {
    this.accepted++;
    this.#handshakes.add(socket);
    socket.once("close", () => {
      if (this.#handshakes.delete(socket)) this.#closed();
    });
  }

  #addHttp1(socket: Socket): void {
    // put back into Node's hands after an upgrade that is none
    if ((socket as Known)[CONNECTION] !== undefined) return;
    const connection = new Http1Connection(socket);
    this.#add(connection, socket);
    socket.once("close", () => this.#delete(connection));
  }

  #addHttp2(session: ServerHttp2Session): void {
    const connection = new Http2Connection(session, this.#settings);
    this.#add(connection, session);
    this.#latestHttp2 = connection;
    session.once("close", () => this.#delete(connection));
  }

  #add(connection: Connection, bearer: object): void {
    (bearer as Known)[CONNECTION] = connection;
    this.#all.add(connection);
    this.#open++;
    if (this.#goAway) connection.goAway();
  }

  #delete(connection: Connection): void {
    this.#open--;
    connection.closed(() => this.#all.delete(connection));
    this.#closed();
  }

  #closed(): void {
    if (this.size === 0) this.#onEmpty();
  }
}
