import { Socket } from "node:net";
import type { TlsOptions } from "node:tls";
import { type Coroutine, getRunningLoop } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import { type ClientTlsOptions, type Connected, connectHost, type ConnectOptions, connectPath } from "./connect.js";
import type { Protocol } from "./protocol.js";
import { acceptTls, checkHandshakeTimeout, HANDSHAKE_TIMEOUT } from "./start-tls.js";
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
 * const print = { dataReceived: (data: Uint8Array) => console.log(data.length) };
 * const [transport] = yield* createConnection(() => print, "localhost", 7);
 * transport.write("hello\n");
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.create_connection
 */
export function createConnection<P extends Protocol>(
  protocolFactory: () => P,
  host: string,
  port: number,
  options: ConnectOptions = {},
): Coroutine<[transport: Transport, protocol: P]> {
  checkFactory(protocolFactory, "createConnection");
  return open(connectHost(host, port, options), protocolFactory);
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
export function createUnixConnection<P extends Protocol>(
  protocolFactory: () => P,
  path: string,
  options: ClientTlsOptions = {},
): Coroutine<[transport: Transport, protocol: P]> {
  checkFactory(protocolFactory, "createUnixConnection");
  return open(connectPath(path, options), protocolFactory);
}

/**
 * Takes over a connection that something else has accepted or opened, for a protocol written with callbacks.
 *
 * @param protocolFactory makes the protocol
 * @param socket of Node, connected, and with nobody else listening to it
 * @param options `tls`: Node's options of `tls.createServer`, for the server's side of a handshake; `tlsHandshakeTimeout`: in
 * milliseconds, default 60,000
 * @returns the transport and the protocol, once `connectionMade` was called
 * @throws what the handshake threw
 *
 * *If cancelled*, the socket is closed.
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.connect_accepted_socket
 */
export function connectAcceptedSocket<P extends Protocol>(
  protocolFactory: () => P,
  socket: Socket,
  options: { tls?: TlsOptions; tlsHandshakeTimeout?: number } = {},
): Coroutine<[transport: Transport, protocol: P]> {
  checkFactory(protocolFactory, "connectAcceptedSocket");
  if (!(socket instanceof Socket) || socket.connecting || socket.destroyed) {
    throw invalidArgument("SOCKET", "connectAcceptedSocket takes a net.Socket that is connected");
  }
  checkHandshakeTimeout(options.tlsHandshakeTimeout);
  return open(accept(socket, options), protocolFactory);
}

function* accept(
  socket: Socket,
  { tls, tlsHandshakeTimeout = HANDSHAKE_TIMEOUT }: { tls?: TlsOptions; tlsHandshakeTimeout?: number },
): Coroutine<Connected> {
  socket.allowHalfOpen = true;
  if (tls === undefined) return { socket };
  return { socket: yield* acceptTls(getRunningLoop(), socket, tls, tlsHandshakeTimeout) };
}

/** @internal */
export function checkFactory(factory: unknown, method: string): void {
  if (typeof factory === "function" && !/^class\b/.test(Function.prototype.toString.call(factory))) return;
  throw invalidArgument("PROTOCOL_FACTORY", `${method} takes a function that makes the protocol: () => new Echo()`);
}

function* open<P extends Protocol>(connecting: Coroutine<Connected>, factory: () => P): Coroutine<[Transport, P]> {
  const { socket, ...origin } = yield* connecting;
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
