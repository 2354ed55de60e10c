import { isIP, connect as netConnect, type NetConnectOpts, type Socket } from "node:net";
import type { ConnectionOptions as TlsConnectionOptions } from "node:tls";
import { type Coroutine, type EventLoop, type Future, getRunningLoop } from "corio";
import { fail } from "../errors/fail.js";
import { invalidArgument } from "../errors/invalid-argument.js";
import { getaddrinfo } from "../dns/getaddrinfo.js";
import { happyEyeballs } from "./happy-eyeballs.js";
import { checkHandshakeTimeout, checkServerHostname, connectTls, HANDSHAKE_TIMEOUT } from "./start-tls.js";

// Milliseconds; what RFC 8305 recommends.
const HAPPY_EYEBALLS_DELAY = 250;

/** Options of TLS for a client. */
export interface ClientTlsOptions {
  /** Whether to use TLS; or Node's options of `tls.connect` (`ca`, `servername`, `cert`, `key`, `ALPNProtocols`, …). Default no. */
  tls?: boolean | TlsConnectionOptions;
  /** The name that the server's certificate must have; default the host. */
  serverHostname?: string;
  /** How long the handshake may take, in milliseconds; default 60,000. */
  tlsHandshakeTimeout?: number;
}

/** How a connection to a host is made. */
export interface ConnectOptions extends ClientTlsOptions {
  /** 4 or 6 to use only IPv4 or IPv6; default both. */
  family?: 0 | 4 | 6;
  /** The own address. */
  localAddress?: string;
  /** The own port. */
  localPort?: number;
  /**
   * How long one address of the host may keep the next one waiting, in milliseconds; default 250, as RFC 8305 recommends.
   * `Infinity`: the next one is tried when one has failed.
   */
  happyEyeballsDelay?: number;
  /** Whether small pieces are sent at once (TCP_NODELAY); default true, as in asyncio. */
  noDelay?: boolean;
  /** After how many milliseconds of silence TCP asks whether the peer is still there; default never. */
  keepAlive?: number;
}

/** @internal An open socket, and what it was connected to. */
export interface Connected {
  readonly socket: Socket;
  readonly host?: string;
  readonly path?: string;
}

/** @internal Connects to a host, and does the handshake of TLS where it is asked for. */
export function connectHost(host: string, port: number, options: ConnectOptions): Coroutine<Connected> {
  checkHost(host, port);
  checkHandshakeTimeout(options.tlsHandshakeTimeout);
  const { happyEyeballsDelay = HAPPY_EYEBALLS_DELAY } = options;
  if (!(happyEyeballsDelay >= 0)) {
    throw invalidArgument("HAPPY_EYEBALLS_DELAY", `happyEyeballsDelay is milliseconds, not ${happyEyeballsDelay}`);
  }
  return toHost(host, port, options);
}

/** @internal Connects to a Unix socket, and does the handshake of TLS where it is asked for. */
export function connectPath(path: string, options: ClientTlsOptions): Coroutine<Connected> {
  checkPath(path);
  checkHandshakeTimeout(options.tlsHandshakeTimeout);
  if (options.tls) checkServerHostname(options.serverHostname, options.tls === true ? {} : options.tls);
  return toPath(path, options);
}

/** @internal */
export function checkPath(path: unknown): void {
  if (typeof path !== "string" || path === "") throw invalidArgument("PATH", "a Unix socket has a path: a string");
}

function* toHost(host: string, port: number, options: ConnectOptions): Coroutine<Connected> {
  const loop = getRunningLoop();
  const { happyEyeballsDelay = HAPPY_EYEBALLS_DELAY, family = 0, noDelay = true } = options;
  const { localAddress, localPort, keepAlive } = options;
  const addresses = yield* getaddrinfo(host, port, { family });
  const socket = yield* happyEyeballs(addresses, happyEyeballsDelay, `${host} port ${port}`, ({ address }) =>
    connectSocket(loop, {
      host: address,
      port,
      noDelay,
      ...(localAddress === undefined ? {} : { localAddress }),
      ...(localPort === undefined ? {} : { localPort }),
      ...(keepAlive === undefined ? {} : { keepAlive: true, keepAliveInitialDelay: keepAlive }),
    }),
  );
  return { socket: yield* withTls(loop, socket, host, options), host };
}

function* toPath(path: string, options: ClientTlsOptions): Coroutine<Connected> {
  const loop = getRunningLoop();
  const socket = yield* connectSocket(loop, { path });
  return { socket: yield* withTls(loop, socket, undefined, options), path };
}

function* connectSocket(loop: EventLoop, options: Partial<NetConnectOpts>): Coroutine<Socket> {
  const connected: Future<void> = loop.createFuture();
  const socket = netConnect({ ...options, allowHalfOpen: true, autoSelectFamily: false } as NetConnectOpts);
  socket.once("connect", () => {
    if (!connected.done) connected.setResult();
  });
  // stays: no error of a socket that was given up may end the process
  socket.on("error", (error) => fail(connected, error));
  try {
    yield* connected;
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function* withTls(
  loop: EventLoop,
  socket: Socket,
  host: string | undefined,
  { tls, serverHostname, tlsHandshakeTimeout = HANDSHAKE_TIMEOUT }: ClientTlsOptions,
): Coroutine<Socket> {
  if (tls === undefined || tls === false) return socket;
  return yield* connectTls(loop, socket, serverHostname ?? host, tls === true ? {} : tls, tlsHandshakeTimeout);
}

function checkHost(host: unknown, port: unknown): void {
  if (typeof host !== "string" || host === "") {
    throw invalidArgument(
      "HOST",
      `the host is a name or an address, not ${String(host)}: openConnection("localhost", 8080)`,
    );
  }
  if (!(Number.isInteger(port) && (port as number) > 0 && (port as number) < 65_536)) {
    throw invalidArgument("PORT", `the port is a number from 1 to 65535, not ${String(port)}`);
  }
  if (host.startsWith("[") && isIP(host.slice(1, -1)) === 6) {
    throw invalidArgument("HOST", `write an IPv6 address without brackets: "${host.slice(1, -1)}"`);
  }
}
