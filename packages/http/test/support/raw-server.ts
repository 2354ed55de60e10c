import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { RawConnection } from "./raw-connection.js";

/**
 * What a server does with a connection. When it has done that, the connection stays open until the other side ends it; an error
 * that comes of the other side's end is nobody's concern.
 *
 * @param number of the connection, from 1
 */
export type Script = (connection: RawConnection, number: number) => void | Promise<void>;

/** A server that does to its clients what it is told to. */
export interface RawServer {
  readonly port: number;
  /** `http://127.0.0.1:port`, or `https:` */
  readonly origin: string;
  /** All connections so far. */
  readonly connections: readonly RawConnection[];
  /** How many of them are open. */
  open(): number;
  /** @throws what a script has thrown while its client was there */
  stop(): Promise<void>;
}

/** How a raw server is started. */
export interface RawServerOptions {
  /** A certificate and its key, in PEM. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
}

/**
 * Starts a server that runs a script for each connection.
 *
 * @example
 * const server = await startRawServer(faults.stopsInMidBody);
 * const other = await startRawServer(async (connection) => {
 *   await nextRequest(connection);
 *   await connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
 * });
 */
export async function startRawServer(script: Script, { tls }: RawServerOptions = {}): Promise<RawServer> {
  const connections: RawConnection[] = [];
  const errors: unknown[] = [];
  const play = async (connection: RawConnection): Promise<void> => {
    connections.push(connection);
    try {
      await script(connection, connections.length);
    } catch (error) {
      if (connection.ended === undefined) errors.push(error);
    }
    await connection.over();
    await connection.close();
  };
  const options = { allowHalfOpen: true, noDelay: true };
  const server: Server = tls ? createTlsServer({ ...options, ...tls }) : createServer(options);
  server.on(tls ? "secureConnection" : "connection", (socket) => void play(new RawConnection(socket)));
  // those as well that do not come as far as a connection over TLS
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => void sockets.add(socket.once("close", () => sockets.delete(socket))));
  server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const open = (): RawConnection[] => connections.filter((connection) => !connection.isClosed);
  return {
    port,
    origin: `${tls ? "https" : "http"}://127.0.0.1:${port}`,
    connections,
    open: () => open().length,
    async stop() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await Promise.all(open().map((connection) => connection.close()));
      await closed;
      if (errors.length > 0) throw errors[0];
    },
  };
}

/** Waits for the next request, and takes it: its head and the body that its content-length announces, as Latin-1. */
export async function nextRequest(connection: RawConnection): Promise<string> {
  await connection.until(() => connection.received.includes("\r\n\r\n"));
  const headLength = connection.received.indexOf("\r\n\r\n") + 4;
  const bodyLength = /^content-length: *(\d+)/im.exec(connection.received.slice(0, headLength))?.[1] ?? 0;
  const length = headLength + Number(bodyLength);
  await connection.until(() => connection.receivedLength >= length);
  return connection.take(length).toString("latin1");
}
