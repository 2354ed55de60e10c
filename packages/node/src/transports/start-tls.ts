import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect, type ConnectionOptions, createServer, type TlsOptions, type TLSSocket } from "node:tls";
import { type Coroutine, CorioError, type EventLoop, getRunningLoop, sleep, TimeoutError } from "corio";
import { fail } from "../errors/fail.js";
import { invalidArgument } from "../errors/invalid-argument.js";
import type { Protocol } from "./protocol.js";
import { Transport } from "./transport.js";

/** @internal Milliseconds; asyncio's. */
export const HANDSHAKE_TIMEOUT = 60_000;

/** How TLS is started on an open connection. */
export interface StartTlsOptions {
  /** Node's options of TLS: of `tls.connect` for a client, of `tls.createServer` for a server (`key`, `cert`, …). */
  tls?: ConnectionOptions | TlsOptions;
  /** Whether this side is the server of the handshake; default false. */
  serverSide?: boolean;
  /** The name that the server's certificate must have; default that of `tls.servername`, or where the connection goes to. */
  serverHostname?: string;
  /** How long the handshake may take, in milliseconds; default 60,000. */
  tlsHandshakeTimeout?: number;
}

/**
 * Goes over to TLS on an open connection, as protocols with a STARTTLS command do.
 *
 * @param transport is not to be used any more
 * @param protocol is told what arrives from now on; `connectionMade` is called with the new transport
 * @returns the new transport
 * @throws what the handshake threw: the connection is closed then. A TimeoutError after `tlsHandshakeTimeout`
 *
 * *If cancelled*, the connection is closed.
 * @example
 * const [transport, protocol] = yield* createConnection(() => ({}), "mail.example", 143);
 * const secure = yield* startTls(transport, protocol, { serverHostname: "mail.example" });
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.start_tls
 */
export function startTls(
  transport: Transport,
  protocol: Protocol,
  options: StartTlsOptions = {},
): Coroutine<Transport> {
  if (!(transport instanceof Transport)) {
    throw invalidArgument("TRANSPORT", "startTls(transport, protocol) takes the transport of an open connection");
  }
  if (transport.isClosing) {
    throw new CorioError("ERR_CORIO_CONNECTION_CLOSING", "startTls() on a connection that is closing or closed");
  }
  checkHandshakeTimeout(options.tlsHandshakeTimeout);
  const { serverSide, serverHostname = transport._origin.host, tls = {} } = options;
  if (!serverSide) checkServerHostname(serverHostname, tls as ConnectionOptions);
  return upgrade(transport, protocol, options);
}

function* upgrade(transport: Transport, protocol: Protocol, options: StartTlsOptions): Coroutine<Transport> {
  const loop = getRunningLoop();
  const { serverSide = false, tlsHandshakeTimeout = HANDSHAKE_TIMEOUT } = options;
  const { host = options.serverHostname } = transport._origin;
  const name = options.serverHostname ?? host;
  const owner = transport._owner;
  // from here on nothing is handed on in the clear: what the host has brought already belongs to the handshake
  transport.pauseReading();
  try {
    yield* transport._flushed();
    yield* sleep(0);
    if (transport._hasEnded) throw endedEarly();
  } catch (error) {
    transport.abort();
    throw error;
  }
  const raw = transport._detach((protocol as { _takeUnread?: () => Uint8Array })._takeUnread?.());
  let secure: TLSSocket;
  try {
    secure = serverSide
      ? yield* acceptTls(loop, raw, options.tls as TlsOptions, tlsHandshakeTimeout)
      : yield* connectTls(loop, raw, name, options.tls as ConnectionOptions, tlsHandshakeTimeout);
  } catch (error) {
    transport._giveUp(error);
    throw error;
  }
  const upgraded = new Transport(loop, secure, { ...transport._origin, host }, owner);
  transport._replaced();
  owner?._replaced(transport, upgraded);
  upgraded._begin(protocol);
  return upgraded;
}

/** @internal */
export function checkHandshakeTimeout(ms: number = HANDSHAKE_TIMEOUT): void {
  if (typeof ms === "number" && ms > 0) return;
  throw invalidArgument("TLS_HANDSHAKE_TIMEOUT", `tlsHandshakeTimeout is milliseconds, more than 0, not ${String(ms)}`);
}

/** @internal Where it does not know the name, Node would take "localhost" for it. */
export function checkServerHostname(name: string | undefined, tls: ConnectionOptions): void {
  if (name !== undefined || tls.servername !== undefined || tls.host !== undefined) return;
  if (tls.rejectUnauthorized === false) return;
  throw invalidArgument(
    "SERVER_HOSTNAME",
    'TLS over a Unix socket needs the name that the server\'s certificate has: { tls: …, serverHostname: "…" }',
  );
}

/** @internal The client's side of a handshake over an open socket. */
export function connectTls(
  loop: EventLoop,
  raw: Duplex,
  host: string | undefined,
  options: ConnectionOptions | undefined,
  handshakeTimeout: number,
): Coroutine<TLSSocket> {
  const name = host === undefined || isIP(host) !== 0 ? {} : { servername: host };
  return handshake(loop, raw, handshakeTimeout, (done, failed) => {
    // the certificate is checked against `host`, also where it is an address
    const socket = connect({ ...(host === undefined ? {} : { host }), ...name, ...options, socket: raw });
    socket.once("secureConnect", () => done(socket));
    // stays: no error of a socket that was given up may end the process
    socket.on("error", failed);
    return socket;
  });
}

/** @internal The server's side of a handshake over an open socket. */
export function acceptTls(
  loop: EventLoop,
  raw: Duplex,
  options: TlsOptions | undefined,
  handshakeTimeout: number,
): Coroutine<TLSSocket> {
  return handshake(loop, raw, handshakeTimeout, (done, failed) => {
    // A server that never listens: Node checks clients' certificates there, not in the socket.
    const server = createServer({ ...options, handshakeTimeout: 2 ** 31 - 1 });
    server.once("secureConnection", (socket) => {
      socket.allowHalfOpen = true;
      done(socket);
    });
    server.once("tlsClientError", failed);
    // or Node would wait on for a client that has ended in the midst of the handshake
    raw.allowHalfOpen = false;
    server.emit("connection", raw);
    return undefined;
  });
}

function* handshake(
  loop: EventLoop,
  raw: Duplex,
  handshakeTimeout: number,
  start: (done: (socket: TLSSocket) => void, failed: (error: Error) => void) => TLSSocket | undefined,
): Coroutine<TLSSocket> {
  const future = loop.createFuture<TLSSocket>();
  const failed = (error: Error): void => fail(future, error);
  let socket: TLSSocket | undefined;
  const timer = loop.callLater(handshakeTimeout, () =>
    failed(new TimeoutError(`the TLS handshake timed out after ${handshakeTimeout} ms`)),
  );
  const onClose = (): void => failed(endedEarly());
  raw.on("close", onClose);
  try {
    socket = start((secure) => (future.done ? secure.destroy() : future.setResult(secure)), failed);
    return yield* future;
  } catch (error) {
    socket?.destroy();
    raw.destroy();
    throw error;
  } finally {
    timer.cancel();
    raw.off("close", onClose);
  }
}

function endedEarly(): CorioError {
  return new CorioError("ERR_CORIO_TLS_HANDSHAKE", "the connection was closed during the TLS handshake");
}
