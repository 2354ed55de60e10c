import type { Socket } from "node:net";
import { Client } from "undici";
import type { ConnectionPool, Host, PoolOptions } from "./connection-pool.js";
import type { Connector } from "./connector.js";

const MOST_STREAMS = 100;

/**
 * @internal One connection of a pool: an undici `Client`, which has never more than one socket.
 *
 *   opening ──> open: idle or in use ──> dead
 *
 * Over HTTP/1.1 it serves one request at a time, over HTTP/2 many.
 */
export class Connection {
  readonly host: Host;
  readonly client: Client;
  /** How many requests it serves. */
  inFlight = 0;
  /** How many it can serve at once; over HTTP/2 that is known once it stands. */
  capacity = 1;
  /** Whether it is among its host's available ones. */
  isAvailable = false;
  /** Whether it takes no further request. */
  dead = false;
  /** Whether it has served a request before, so that the server may be closing it at this moment. */
  used = false;
  /** Whether it is being opened, which its pool counts. */
  isOpening = false;
  readonly #pool: ConnectionPool;
  #opening: { destroy(): void } | undefined;
  #destroyed: Promise<unknown> | undefined;

  constructor(host: Host, pool: ConnectionPool, connector: Connector, options: PoolOptions) {
    this.host = host;
    this.#pool = pool;
    const { connectTo } = host.route;
    const origin = `${connectTo.protocol}//${connectTo.hostname}:${connectTo.port}`;
    const http2 = options.http2 && connectTo.protocol === "https:";
    this.client = new Client(origin, {
      connect: (_, callback) => {
        pool.opening(this);
        this.#opening = connector.open(connectTo, { allowH2: http2 }, (error, socket) => {
          this.#opening = undefined;
          if (socket === undefined) {
            pool.failed(this);
            callback(error ?? new Error("no socket"), null);
          } else {
            this.#opened(socket);
            callback(null, socket);
          }
        });
      },
      ...(http2 ? { allowH2: true, pipelining: MOST_STREAMS, maxConcurrentStreams: MOST_STREAMS } : {}),
      // time limits are the session's
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: options.keepAliveTimeout,
      // what a server promises beyond that is not needed
      keepAliveMaxTimeout: options.keepAliveTimeout,
      maxHeaderSize: options.maxHeaderSize,
    });
    this.client.on("disconnect", () => this.#disconnected());
  }

  /** Closes it at once, whatever it does; done when its socket is closed. */
  destroy(error?: Error): Promise<unknown> {
    this.#opening?.destroy();
    return (this.#destroyed ??= this.client.destroy(error ?? null));
  }

  #opened(socket: Socket): void {
    this.used = false;
    this.capacity = (socket as { alpnProtocol?: unknown }).alpnProtocol === "h2" ? MOST_STREAMS : 1;
    this.#pool.opened(this);
  }

  #disconnected(): void {
    // one that a request was just given to opens itself again
    if (this.inFlight === 0) this.#pool.discard(this);
  }
}
