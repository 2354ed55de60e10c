import { type Coroutine, getRunningLoop } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import { type ClientTlsOptions, type Connected, connectHost, type ConnectOptions, connectPath } from "./connect.js";
import type { Protocol } from "./protocol.js";
import { Transport } from "./transport.js";

/**
 * Connects to a host, for a protocol written with callbacks. Coroutines have `openConnection`.
 *
 * @param protocolFactory makes the protocol; a function, such as `() => new Echo()`
 * @param host a name or an address; of a name all addresses are tried, of both families (RFC 8305)
 * @param port from 1 to 65535
 * @param options `tls` and more: see {@link ConnectOptions}
 * @returns the transport and the protocol, once `connectionMade` was called
 * @throws Node's error with its `code` (`ECONNREFUSED`, `ENOTFOUND`, …), an AggregateError with one if several addresses were
 * tried; a TimeoutError if the handshake of TLS took too long
 *
 * *If cancelled*, nothing is left open.
 * @example
 * const [transport, protocol] = yield* createConnection(() => new Echo(), "localhost", 7);
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.create_connection
 */
export function* createConnection<P extends Protocol>(
  protocolFactory: () => P,
  host: string,
  port: number,
  options: ConnectOptions = {},
): Coroutine<[transport: Transport, protocol: P]> {
  checkFactory(protocolFactory, "createConnection");
  return begin(yield* connectHost(host, port, options), protocolFactory);
}

/**
 * Connects to a Unix socket, for a protocol written with callbacks. Coroutines have `openUnixConnection`.
 *
 * @param path of the socket; on Windows of a named pipe
 * @param options `tls`, which needs the server's name: see {@link ClientTlsOptions}
 * @returns the transport and the protocol, once `connectionMade` was called
 * @throws Node's error with its `code` (`ENOENT`, `ECONNREFUSED`, …)
 *
 * *If cancelled*, nothing is left open.
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.create_unix_connection
 */
export function* createUnixConnection<P extends Protocol>(
  protocolFactory: () => P,
  path: string,
  options: ClientTlsOptions = {},
): Coroutine<[transport: Transport, protocol: P]> {
  checkFactory(protocolFactory, "createUnixConnection");
  return begin(yield* connectPath(path, options), protocolFactory);
}

/** @internal */
export function checkFactory(factory: unknown, method: string): void {
  if (typeof factory === "function" && !/^class\b/.test(Function.prototype.toString.call(factory))) return;
  throw invalidArgument("PROTOCOL_FACTORY", `${method} takes a function that makes the protocol: () => new Echo()`);
}

function begin<P extends Protocol>({ socket, ...origin }: Connected, factory: () => P): [Transport, P] {
  const transport = new Transport(getRunningLoop(), socket, origin);
  let protocol: P;
  try {
    protocol = factory();
  } catch (error) {
    transport.abort();
    throw error;
  }
  transport._begin(protocol);
  return [transport, protocol];
}
