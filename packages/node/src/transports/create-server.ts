import { type Coroutine, getRunningLoop } from "corio";
import { getaddrinfo } from "../dns/getaddrinfo.js";
import { invalidArgument } from "../errors/invalid-argument.js";
import { checkPath } from "./connect.js";
import { checkFactory } from "./create-connection.js";
import type { Protocol } from "./protocol.js";
import { checkReusePort } from "./reuse-port.js";
import { type Place, Server, type ServerOptions } from "./server.js";

/**
 * Listens on a port, for protocols written with callbacks. Coroutines have `startServer`.
 *
 * @param protocolFactory makes the protocol of each connection; a function, such as `() => new Echo()`
 * @param host a name, an address or several; all addresses of a name are listened on; `undefined`: all of this machine's
 * @param port 0 for one that is free: `server.sockets[0].address()` tells
 * @param options `tls` and more: see {@link ServerOptions}
 * @returns the server, which listens
 * @throws Node's error with its `code` (`EADDRINUSE`, `EACCES`, …)
 *
 * *If cancelled*, nothing is left listening.
 * @example
 * const farewell = { connectionMade: (transport: Transport) => (transport.write("bye\n"), transport.close()) };
 * const server = yield* createServer(() => farewell, "127.0.0.1", 8080);
 * yield* within(server, () => server.serveForever());
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.create_server
 */
export function createServer(
  protocolFactory: () => Protocol,
  host: string | readonly string[] | undefined,
  port: number,
  options: ServerOptions = {},
): Coroutine<Server> {
  checkFactory(protocolFactory, "createServer");
  return serve(protocolFactory, checkPlace(host, port), options);
}

/**
 * Listens on a Unix socket, for protocols written with callbacks. Coroutines have `startUnixServer`. A socket file that a dead
 * server has left is replaced; one that is answered is not. The file is removed when the server closes.
 *
 * @param protocolFactory makes the protocol of each connection
 * @param path of the socket; on Windows of a named pipe
 * @param options `tls` and more: see {@link ServerOptions}
 * @throws Node's error with its `code` (`EADDRINUSE`, `EACCES`, …)
 *
 * *If cancelled*, nothing is left listening.
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.create_unix_server
 */
export function createUnixServer(
  protocolFactory: () => Protocol,
  path: string,
  options: ServerOptions = {},
): Coroutine<Server> {
  checkFactory(protocolFactory, "createUnixServer");
  checkPath(path);
  return serve(protocolFactory, { path }, options);
}

/** @internal */
export function serve(
  factory: (server: Server) => Protocol,
  place: HostPlace | { path: string },
  options: ServerOptions,
): Coroutine<Server> {
  const { maxConnections = 1 } = options;
  if (!(maxConnections >= 1)) {
    throw invalidArgument("MAX_CONNECTIONS", `maxConnections is 1 or more, not ${maxConnections}`);
  }
  checkReusePort(options.reusePort);
  return start(factory, place, options);
}

/** @internal Where a server is to listen. */
export interface HostPlace {
  readonly hosts: readonly string[];
  readonly port: number;
}

/** @internal */
export function checkPlace(host: string | readonly string[] | undefined, port: number): HostPlace {
  if (!(Number.isInteger(port) && port >= 0 && port < 65_536)) {
    throw invalidArgument("PORT", `the port is a number from 0 (a free one) to 65535, not ${String(port)}`);
  }
  if (host === undefined || host === null || host === "") return { hosts: [], port };
  const hosts: string[] = Array.isArray(host) ? [...host] : [host];
  if (hosts.length > 0 && hosts.every((one) => typeof one === "string" && one !== "")) return { hosts, port };
  throw invalidArgument(
    "HOST",
    "the host is a name, an address, a list of them, or undefined for all of this machine's",
  );
}

function* start(
  factory: (server: Server) => Protocol,
  place: HostPlace | { path: string },
  options: ServerOptions,
): Coroutine<Server> {
  const places = "path" in place ? [place] : yield* addressesOf(place);
  const server = new Server(getRunningLoop(), factory, places, options);
  if (options.startServing !== false) yield* server.startServing();
  return server;
}

function* addressesOf({ hosts, port }: HostPlace): Coroutine<Place[]> {
  if (hosts.length === 0) return [{ port }];
  const addresses = new Set<string>();
  for (const one of hosts) {
    for (const { address } of yield* getaddrinfo(one, port)) addresses.add(address);
  }
  return [...addresses].map((address) => ({ host: address, port, ipv6Only: true }));
}
