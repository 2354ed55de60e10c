import type { EventLoop, Future } from "corio";
import * as pools from "../../src/client/connection-pool.js";
import { Connector } from "./client-parts.js";

// The pool of a session. The published types do not have it.

export interface Connection {
  readonly dead: boolean;
  readonly inFlight: number;
  capacity: number;
}

interface Host {
  readonly connections: ReadonlySet<Connection>;
}

export interface ConnectionPool {
  readonly open: number;
  readonly idle: number;
  hostOf(url: URL): Host;
  take(host: Host): Connection | undefined;
  wait(host: Host): Future<Connection>;
  release(connection: Connection): void;
  putBack(connection: Connection): void;
  discard(connection: Connection): void;
  discardIdle(host: Host): void;
  opened(connection: Connection): void;
  failed(connection: Connection): void;
  close(): Promise<unknown>;
}

interface PoolOptions {
  readonly limit: number;
  readonly limitPerHost: number;
  readonly keepAliveTimeout: number;
  readonly maxHeaderSize: number;
  readonly http2: boolean;
}

const withPools: object = pools;
const { ConnectionPool: Pool } = withPools as {
  ConnectionPool: new (loop: EventLoop, connector: Connector, options: PoolOptions) => ConnectionPool;
};

export function newPool(loop: EventLoop, options: PoolOptions): ConnectionPool {
  return new Pool(loop, new Connector(), options);
}
