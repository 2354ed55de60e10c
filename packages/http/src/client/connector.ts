import http from "node:http";
import type { Socket } from "node:net";
import tls, { type ConnectionOptions } from "node:tls";
import { CorioError } from "corio";
import { buildConnector } from "undici";
import { invalidArgument } from "../errors/invalid-argument.js";
import { takeCredentials } from "./auth.js";

/** How TLS is spoken: `ca`, `cert`, `key`, `rejectUnauthorized`, `servername` and whatever else Node's `tls.connect` takes. */
export type TlsOptions = Omit<ConnectionOptions, "host" | "port" | "path" | "socket" | "session" | "ALPNProtocols">;

/** A proxy for HTTP. */
export interface ProxyOptions {
  /** `http://` or `https://`; a name and a password in it are for the proxy. */
  url: string | URL;
  /** Sent to the proxy, and to nobody else. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** For a proxy at `https://`. */
  tls?: TlsOptions | undefined;
}

/** Where connections lead, and how they are secured. */
export interface ConnectorOptions {
  /** Options of TLS: a certificate authority of your own is `{ ca }`. */
  tls?: TlsOptions | undefined;
  /** The path of a Unix socket, or the name of a pipe on Windows: every request goes there. */
  socketPath?: string | undefined;
  /** A proxy for every request, with its credentials in the URL. Plain HTTP is sent to it, HTTPS and WebSockets through a tunnel. */
  proxy?: string | URL | ProxyOptions | undefined;
  /** The address of this machine that connections are made from. */
  localAddress?: string | undefined;
}

/** @internal The end of a connection. */
export interface Target {
  readonly protocol: "http:" | "https:";
  /** As in a URL: an IPv6 address is in brackets. */
  readonly hostname: string;
  readonly port: number;
  /** Whether it is the proxy itself, and not to be reached through it. */
  readonly isProxy?: boolean;
}

/** @internal How the requests to one origin go. */
export interface Route {
  /** Connections of the same key are interchangeable. */
  readonly key: string;
  readonly connectTo: Target;
  /** Whether the whole URL is the target of a request, `GET http://host/path`: so a proxy is asked. */
  readonly absoluteForm: boolean;
  /** What the proxy gets with each request. */
  readonly headers: Readonly<Record<string, string>>;
}

/** @internal */
export type OnSocket = (error: Error | null, socket?: Socket) => void;

/** @internal What is being opened. Destroyed, it calls nobody any more; of what has been opened already it knows nothing. */
export interface Opening {
  destroy(): void;
}

/**
 * @internal Makes the connections of a session: TCP or a Unix socket, TLS, through a proxy or not. By Node and undici: addresses are
 * tried as RFC 8305 has it, TLS sessions are resumed, idle connections are probed.
 */
export class Connector {
  readonly #proxy: Proxy | undefined;
  readonly #direct: Dialler;

  /** @throws a TypeError for options that cannot be */
  constructor(options: ConnectorOptions = {}) {
    const { proxy, socketPath, localAddress } = options;
    if (proxy !== undefined && socketPath !== undefined) {
      throw invalidArgument("PROXY", "socketPath and proxy exclude each other: both say where every request goes");
    }
    checkText(socketPath, "socketPath");
    checkText(localAddress, "localAddress");
    this.#direct = new Dialler(options.tls, "tls", { socketPath, localAddress });
    if (proxy !== undefined) this.#proxy = new Proxy(proxy, localAddress);
  }

  /** How requests to an origin go. */
  route(origin: URL): Route {
    const proxy = this.#proxy;
    if (proxy !== undefined && origin.protocol === "http:") return proxy.route;
    return { key: origin.origin, connectTo: targetOf(origin), absoluteForm: false, headers: NONE };
  }

  /**
   * Opens a connection, for HTTP: where `route` says, through a tunnel if it leads to an origin with TLS behind a proxy. It has no
   * time limit. `callback` is called once, and not before this returns.
   *
   * @param options `allowH2`: whether HTTP/2 is offered; what was agreed upon is the socket's `alpnProtocol`
   */
  open(target: Target, options: { readonly allowH2: boolean }, callback: OnSocket): Opening {
    const opening = new SocketOpening(callback);
    const proxy = this.#proxy;
    if (target.isProxy === true && proxy !== undefined) proxy.open(opening, opening.done);
    else if (proxy !== undefined && target.protocol === "https:")
      this.#openTunnelled(proxy, target, options.allowH2, opening);
    else this.#direct.open(opening, target, options.allowH2, undefined, opening.done);
    return opening;
  }

  /** Opens a connection to an origin for what is not HTTP from its first answer on, a WebSocket: through a proxy by a tunnel. */
  readonly openSocket = (target: Target, callback: OnSocket): Opening => {
    const opening = new SocketOpening(callback);
    const proxy = this.#proxy;
    if (proxy === undefined) this.#direct.open(opening, target, false, undefined, opening.done);
    else if (target.protocol === "http:") proxy.openTunnel(opening, target, opening.done);
    else this.#openTunnelled(proxy, target, false, opening);
    return opening;
  };

  #openTunnelled(proxy: Proxy, target: Target, allowH2: boolean, opening: SocketOpening): void {
    proxy.openTunnel(opening, target, (error, tunnel) => {
      if (tunnel === undefined) opening.done(error);
      else this.#direct.open(opening, target, allowH2, tunnel, opening.done);
    });
  }
}

/** One connection that is being opened, perhaps in several steps: it holds what is to be destroyed. */
class SocketOpening implements Opening {
  readonly #callback: OnSocket;
  #over = false;
  readonly #parts = new Set<{ destroy(): unknown }>();

  constructor(callback: OnSocket) {
    this.#callback = callback;
  }

  /** From here on this is destroyed with it. */
  hold(part: { destroy(): unknown }): void {
    this.#parts.add(part);
  }

  readonly done: OnSocket = (error, socket) => {
    if (this.#over) return;
    this.#over = true;
    if (socket === undefined) this.#destroyParts();
    this.#parts.clear();
    this.#callback(error, socket);
  };

  destroy(): void {
    if (this.#over) return;
    this.#over = true;
    this.#destroyParts();
  }

  #destroyParts(): void {
    // TLS goes down before what it stands on
    for (const part of [...this.#parts].toReversed()) part.destroy();
    this.#parts.clear();
  }
}

/** Connects to where it is told, with one set of options. */
class Dialler {
  readonly #tls: TlsOptions;
  readonly #option: string;
  readonly #socketPath: string | undefined;
  readonly #localAddress: string | undefined;
  #context: tls.SecureContext | undefined;
  #plain: Connect | undefined;
  #http1: Connect | undefined;
  #http2: Connect | undefined;

  constructor(
    options: TlsOptions | undefined,
    option: string,
    where: { socketPath?: string | undefined; localAddress?: string | undefined },
  ) {
    if (options !== undefined && (typeof options !== "object" || options === null)) {
      throw invalidArgument("TLS", `${option} takes options of TLS: { ca, cert, key, … }`);
    }
    this.#tls = options ?? {};
    this.#option = option;
    this.#socketPath = where.socketPath;
    this.#localAddress = where.localAddress;
    // what is wrong with a key or a certificate is thrown to who made the session
    if (options !== undefined) this.#secureContext();
  }

  /** @param over a tunnel, for TLS inside of it */
  open(opening: SocketOpening, target: Target, allowH2: boolean, over: Socket | undefined, callback: OnSocket): void {
    const secure = target.protocol === "https:";
    const hostname = target.hostname.startsWith("[") ? target.hostname.slice(1, -1) : target.hostname;
    let socket: Socket;
    try {
      socket = this.#connectFor(secure, allowH2)(
        {
          protocol: target.protocol,
          hostname,
          host: target.hostname,
          port: String(target.port),
          ...(this.#localAddress === undefined ? {} : { localAddress: this.#localAddress }),
          ...(over === undefined ? {} : { httpSocket: over }),
        },
        (error, connected) => callback(error, connected ?? undefined),
      ) as unknown as Socket;
    } catch (error) {
      // such as a local address that is none: Node throws it at the call
      process.nextTick(callback, error);
      return;
    }
    opening.hold(socket);
  }

  #connectFor(secure: boolean, allowH2: boolean): Connect {
    if (!secure) return (this.#plain ??= this.#connect({}));
    // the context is made once: to read a bundle of authorities takes 20 ms
    if (allowH2) return (this.#http2 ??= this.#connect({ allowH2, ...this.#secureContext() }));
    return (this.#http1 ??= this.#connect(this.#secureContext()));
  }

  #connect(more: { allowH2?: boolean; secureContext?: tls.SecureContext }): Connect {
    return buildConnector({
      ...this.#tls,
      ...more,
      ...(this.#socketPath === undefined ? {} : { socketPath: this.#socketPath }),
      timeout: 0,
    });
  }

  #secureContext(): { secureContext: tls.SecureContext } {
    try {
      this.#context ??= this.#tls.secureContext ?? tls.createSecureContext(this.#tls);
      return { secureContext: this.#context };
    } catch (error) {
      const { message } = error as Error;
      throw Object.assign(invalidArgument("TLS", `${this.#option} cannot be used: ${message}`), { cause: error });
    }
  }
}

type Connect = buildConnector.connector;

const NONE: Readonly<Record<string, string>> = {};

/** The proxy of a session. What it is told never reaches an origin, and its credentials no error. */
class Proxy {
  readonly route: Route;
  readonly #shown: string;
  readonly #dialler: Dialler;

  constructor(given: string | URL | ProxyOptions, localAddress: string | undefined) {
    const options = typeof given === "string" || given instanceof URL ? { url: given } : given;
    const url = proxyUrl(options);
    const headers = proxyHeaders(options.headers);
    const authorization = takeCredentials(url);
    if (authorization !== undefined) headers["proxy-authorization"] ??= authorization;
    this.#shown = url.origin;
    this.#dialler = new Dialler(options.tls, "proxy.tls", { localAddress });
    this.route = {
      key: "proxy",
      connectTo: { ...targetOf(url), isProxy: true },
      absoluteForm: true,
      headers,
    };
  }

  open(opening: SocketOpening, callback: OnSocket): void {
    this.#dialler.open(opening, this.route.connectTo, false, undefined, (error, socket) => {
      if (socket !== undefined) callback(null, socket);
      else
        callback(proxyFailure(`no connection to the proxy ${this.#shown}: ${error?.message || codeOf(error)}`, error));
    });
  }

  /** @see https://www.rfc-editor.org/rfc/rfc9110#name-connect */
  openTunnel(opening: SocketOpening, target: Target, callback: OnSocket): void {
    this.open(opening, (error, socket) => {
      if (socket === undefined) callback(error);
      else this.#connectThrough(opening, socket, target, callback);
    });
  }

  #connectThrough(opening: SocketOpening, socket: Socket, target: Target, callback: OnSocket): void {
    const authority = `${target.hostname}:${target.port}`;
    const failed = (what: string, cause?: unknown): void => {
      socket.destroy();
      callback(proxyFailure(`the proxy ${this.#shown} ${what}`, cause));
    };
    const request = http.request({
      method: "CONNECT",
      path: authority,
      headers: { ...this.route.headers, host: authority },
      createConnection: () => socket,
    });
    request.removeHeader("connection"); // else Node asks for it to be closed
    request.on("error", (error) => failed(`gave no tunnel to ${authority}: ${error.message}`, error));
    request.once("connect", (response, _socket, head) => {
      const { statusCode = 0, statusMessage = "" } = response;
      if (statusCode < 200 || statusCode > 299) {
        failed(`refused a tunnel to ${authority} with ${statusCode} ${statusMessage}`.trimEnd());
      } else if (head.length > 0) {
        failed(`sent data before the tunnel to ${authority} was used`); // no origin speaks first
      } else {
        callback(null, socket);
      }
    });
    request.end();
    opening.hold(request);
  }
}

function targetOf({ protocol, hostname, port }: URL): Target {
  const secure = protocol === "https:";
  return {
    protocol: secure ? "https:" : "http:",
    hostname,
    port: port === "" ? (secure ? 443 : 80) : Number(port),
  };
}

// What is thrown does not show the URL, which may have a password in it.
function proxyUrl(options: ProxyOptions): URL {
  const { url } = (options ?? {}) as Partial<ProxyOptions>;
  let parsed: URL | undefined;
  try {
    parsed = new URL(String(url));
  } catch {
    // said below
  }
  if (parsed !== undefined && parsed.protocol.startsWith("socks")) {
    throw invalidArgument("PROXY", "SOCKS proxies are not supported: proxy takes http:// or https://");
  }
  if (parsed === undefined || (parsed.protocol !== "http:" && parsed.protocol !== "https:")) {
    throw invalidArgument("PROXY", 'proxy takes a URL with http:// or https://, as "http://proxy.example:3128"');
  }
  return parsed;
}

function proxyHeaders(given: Readonly<Record<string, string>> | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given ?? {})) {
    http.validateHeaderName(name);
    http.validateHeaderValue(name, value);
    headers[name.toLowerCase()] = value;
  }
  return headers;
}

function proxyFailure(message: string, cause: unknown): CorioError {
  return new CorioError("ERR_CORIO_PROXY", message, cause == null ? undefined : { cause });
}

// Of a host that refuses at each of its addresses, Node's error has no message.
function codeOf(error: Error | null): string {
  const code: unknown = error !== null && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "it was closed";
}

function checkText(value: unknown, option: string): void {
  if (value === undefined || (typeof value === "string" && value !== "")) return;
  throw invalidArgument("CONNECTION", `${option} is a string, not ${value === "" ? "an empty one" : typeof value}`);
}
