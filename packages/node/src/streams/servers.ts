import type { Coroutine } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import { checkPath } from "../transports/connect.js";
import { checkPlace, type HostPlace, serve } from "../transports/create-server.js";
import type { Server, ServerOptions } from "../transports/server.js";
import type { StreamLimit } from "./connections.js";
import { type ConnectionHandler, type Service, StreamProtocol } from "./stream-protocol.js";
import { checkLimit, DEFAULT_LIMIT } from "./stream-reader.js";

/**
 * Listens on a port, and runs a coroutine for each connection. When that has ended, its connection is closed; when it throws,
 * the error is reported to the loop's exception handler, and the other connections go on.
 *
 * @param handler gets a reader and a writer. A coroutine function; an ordinary function that returns nothing keeps the
 * connection open, and sees to the rest itself
 * @param host a name, an address or several; all addresses of a name are listened on; `undefined`: all of this machine's
 * @param port 0 for one that is free: `server.sockets[0].address()` tells
 * @param options `tls`, `limit` (in bytes), `maxConnections` and more: see {@link ServerOptions} and {@link StreamLimit}
 * @returns the server, which listens
 * @throws Node's error with its `code` (`EADDRINUSE`, `EACCES`, …)
 *
 * *If cancelled*, nothing is left listening.
 * @example
 * const server = yield* startServer(function* (reader, writer) {
 *   yield* forEach(reader, function* (line) {
 *     writer.write(line);
 *     yield* writer.drain();
 *   });
 * }, "127.0.0.1", 7);
 * yield* within(server, () => server.serveForever());
 * @see https://docs.python.org/3/library/asyncio-stream.html#asyncio.start_server
 */
export function startServer(
  handler: ConnectionHandler,
  host: string | readonly string[] | undefined,
  port: number,
  options: ServerOptions & StreamLimit = {},
): Coroutine<Server> {
  checkHandler(handler, "startServer");
  return serveStreams(handler, checkPlace(host, port), options);
}

/**
 * Listens on a Unix socket, and runs a coroutine for each connection, as {@link startServer} does. A socket file that a dead
 * server has left is replaced; one that is answered is not. The file is removed when the server closes.
 *
 * @param handler gets a reader and a writer
 * @param path of the socket; on Windows of a named pipe
 * @param options `tls`, `limit` (in bytes), `maxConnections` and more: see {@link ServerOptions} and {@link StreamLimit}
 * @throws Node's error with its `code` (`EADDRINUSE`, `EACCES`, …)
 *
 * *If cancelled*, nothing is left listening.
 * @see https://docs.python.org/3/library/asyncio-stream.html#asyncio.start_unix_server
 */
export function startUnixServer(
  handler: ConnectionHandler,
  path: string,
  options: ServerOptions & StreamLimit = {},
): Coroutine<Server> {
  checkHandler(handler, "startUnixServer");
  checkPath(path);
  return serveStreams(handler, { path }, options);
}

function serveStreams(
  handler: ConnectionHandler,
  place: HostPlace | { path: string },
  options: ServerOptions & StreamLimit,
): Coroutine<Server> {
  const limit = checkLimit(options.limit ?? DEFAULT_LIMIT);
  let service: Service | undefined;
  return serve((server) => new StreamProtocol(server.loop, limit, (service ??= { handler, server })), place, options);
}

function checkHandler(handler: unknown, method: string): void {
  if (typeof handler === "function") return;
  throw invalidArgument("HANDLER", `${method} takes a coroutine function first: function* (reader, writer) {…}`);
}
