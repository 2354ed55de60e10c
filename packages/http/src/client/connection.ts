import type { Socket } from "node:net";
import { Client, type Dispatcher, errors } from "undici";
import type { ConnectionPool, Host, PoolOptions } from "./connection-pool.js";
import type { Connector, OnSocket, Opening } from "./connector.js";
import { Http2Connection } from "./http2-connection.js";

/** @internal What tells of a request and its answer, all of it. */
export type TransportHandler = Required<
  Pick<
    Dispatcher.DispatchHandler,
    "onRequestStart" | "onRequestUpgrade" | "onResponseStart" | "onResponseData" | "onResponseEnd" | "onResponseError"
  >
>;

/** @internal What sends requests: undici's `Client` over HTTP/1.1, which has never more than one socket. */
export interface Transport {
  dispatch(request: Dispatcher.DispatchOptions, handler: TransportHandler): unknown;
  destroy(error: Error | null): Promise<unknown>;
}

/**
 * @internal One connection of a pool.
 *
 *   opening ──> open: idle or in use ──> dead
 *
 * Over HTTP/1.1 it serves one request at a time, over HTTP/2 many. Where HTTP/2 is offered, which of them is known once the socket
 * stands.
 */
export class Connection {
  readonly host: Host;
  /** How many requests it serves. */
  inFlight = 0;
  /** How many it can serve at once; over HTTP/2 that is known once the server has said it. */
  capacity = 1;
  /** Whether it speaks HTTP/2, so that others go on when a request is aborted. */
  isHttp2 = false;
  /** Whether it is among its host's available ones. */
  isAvailable = false;
  /** Whether it takes no further request. */
  dead = false;
  /** Whether it has served a request before, so that the server may be closing it at this moment. */
  used = false;
  /** Whether it is being opened, which its pool counts. */
  isOpening = false;
  readonly #pool: ConnectionPool;
  readonly #connector: Connector;
  readonly #options: PoolOptions;
  readonly #origin: string;
  #transport: Transport | undefined;
  #opening: Opening | undefined;
  #refuse: ((error: Error) => void) | undefined;
  #socket: Socket | undefined;
  #destroyed: Promise<unknown> | undefined;

  constructor(host: Host, pool: ConnectionPool, connector: Connector, options: PoolOptions) {
    this.host = host;
    this.#pool = pool;
    this.#connector = connector;
    this.#options = options;
    const { connectTo } = host.route;
    this.#origin = `${connectTo.protocol}//${connectTo.hostname}:${connectTo.port}`;
    if (!options.http2 || connectTo.protocol === "http:") this.#transport = this.#client();
  }

  /** Whether a request is still being sent: an answer may come before that, and another request would wait for it. */
  get isSending(): boolean {
    return this.#socket !== undefined && this.#socket.writableLength > 0;
  }

  /** Sends a request, as undici's `dispatch`. */
  dispatch(request: Dispatcher.DispatchOptions, handler: TransportHandler): void {
    if (this.#transport === undefined) this.#openFor(request, handler);
    else this.#transport.dispatch(request, handler);
  }

  /** Closes it at once, whatever it does; done when its socket is closed. */
  destroy(error?: Error): Promise<unknown> {
    this.#opening?.destroy();
    this.#refuse?.(error ?? new errors.ClientDestroyedError());
    return (this.#destroyed ??= this.#transport?.destroy(error ?? null) ?? Promise.resolve());
  }

  /** Offers HTTP/2. Until it is known what is spoken it serves one request: this one. */
  #openFor(request: Dispatcher.DispatchOptions, handler: TransportHandler): void {
    // undici's word for a request that had no connection
    this.#refuse = (error) => handler.onResponseError(undefined as never, error);
    this.#open(true, (error, socket) => {
      const refuse = this.#refuse;
      this.#refuse = undefined;
      if (socket === undefined) {
        refuse?.(error ?? new Error("no socket"));
        return;
      }
      this.isHttp2 = socket.alpnProtocol === "h2";
      this.#transport = this.isHttp2 ? this.#http2(socket) : this.#client(socket);
      this.#transport.dispatch(request, handler);
    });
  }

  /** @param first the socket to begin with; when that is closed, others are opened */
  #client(first?: Socket): Client {
    let given = first;
    const client = new Client(this.#origin, {
      connect: (_, callback) => {
        const settle: OnSocket = (error, socket) => {
          if (socket === undefined) callback(error ?? new Error("no socket"), null);
          else {
            this.#socket = socket;
            this.used = false;
            this.capacity = 1;
            this.#pool.opened(this);
            callback(null, socket);
          }
        };
        if (given === undefined) this.#open(false, settle);
        else process.nextTick(settle, null, given); // undici does not expect it before this returns
        given = undefined;
      },
      // time limits are the session's
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: this.#options.keepAliveTimeout,
      // what a server promises beyond that is not needed
      keepAliveMaxTimeout: this.#options.keepAliveTimeout,
      maxHeaderSize: this.#options.maxHeaderSize,
    });
    // one that a request was just given to opens itself again
    client.on("disconnect", () => {
      if (this.inFlight === 0) this.#pool.discard(this);
    });
    return client;
  }

  #http2(socket: Socket): Http2Connection {
    return new Http2Connection(socket, this.#origin, this.#options, {
      onCapacity: (streams) => {
        this.capacity = streams;
        if (!this.isOpening) this.#pool.resized(this);
        else if (streams > 0) this.#pool.opened(this);
      },
      onRetired: () => {
        if (this.isOpening) this.#pool.failed(this);
        this.#pool.discard(this);
      },
    });
  }

  #open(allowH2: boolean, callback: (error: Error | null, socket?: TlsSocket) => void): void {
    this.#pool.opening(this);
    this.#opening = this.#connector.open(this.host.route.connectTo, { allowH2 }, (error, socket) => {
      this.#opening = undefined;
      if (socket === undefined) this.#pool.failed(this);
      callback(error, socket);
    });
  }
}

type TlsSocket = Socket & { readonly alpnProtocol?: unknown };
