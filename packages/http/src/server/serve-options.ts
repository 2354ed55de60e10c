import type { TlsOptions as NodeTlsOptions } from "node:tls";
import type { Coroutine } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";

/**
 * Answers a request: a coroutine function, which is what the request's task runs; or a function of a promise, or of the response
 * itself, as the handlers of other libraries are.
 */
export type RequestHandler = (request: Request) => Coroutine<Response> | PromiseLike<Response> | Response;

/** How a server listens, and what it allows its clients. Times are milliseconds, sizes are bytes; `null` is no limit. */
export interface ServeOptions {
  /** A host name or an address; default all of this machine's. */
  host?: string | undefined;
  /** Default 8080; 0 for one that is free. */
  port?: number | undefined;
  /** Where a Unix socket is made, instead of `host` and `port`. */
  path?: string | undefined;
  /** How many connections may wait to be accepted; default 511, as in Node. */
  backlog?: number | undefined;
  /** Node's options of `tls.createServer` (`key`, `cert`, `ca`, `SNICallback`, …): the server speaks HTTPS then. */
  tls?: NodeTlsOptions | undefined;
  /** Whether clients may speak HTTP/2; default false. Needs `tls`. */
  http2?: boolean | undefined;
  /** Whether a server with `http2` speaks HTTP/1 as well; default true. */
  allowHTTP1?: boolean | undefined;
  /** How large the headers of a request may be, together; default 16 KiB. More is answered with 431. */
  maxHeaderSize?: number | undefined;
  /** How long the headers of a request may take to arrive; default 10,000. Then 408. */
  headersTimeout?: number | null | undefined;
  /** How long all of a request may take to arrive; default 300,000. Then 408. */
  requestTimeout?: number | null | undefined;
  /** How long a connection may be idle after a request; default 5,000. Node adds a second of grace that it does not tell. */
  keepAliveTimeout?: number | null | undefined;
  /** How many requests one connection may bring; default no limit. */
  maxRequestsPerSocket?: number | undefined;
  /** How many connections may be open at once; those beyond are closed as soon as they come. Default no limit. */
  maxConnections?: number | undefined;
  /** How large the body of a request may be; default 1 MiB. Reading a larger one throws an `HttpError` 413. */
  maxBodySize?: number | undefined;
  /** How long the body of a request may stand still while it is read; default 30,000. Then reading throws an `HttpError` 408. */
  bodyIdleTimeout?: number | null | undefined;
  /** How long a client may take nothing of an answer; default 30,000. Then the connection is cut. */
  writeTimeout?: number | null | undefined;
  /**
   * How long the handler may take until its answer is sent whole; default `null`. Then the request's task is cancelled, and the
   * answer is 503; if it has begun already, the connection is cut.
   */
  handlerTimeout?: number | null | undefined;
  /** How many requests are handled at once; default no limit. */
  concurrency?: number | undefined;
  /** How many requests may wait until one of those is done; default 100. Those beyond are answered with 503 at once. */
  queueSize?: number | undefined;
  /** How long a graceful shutdown waits for what is in flight, before it cancels it; default 10,000. */
  shutdownTimeout?: number | null | undefined;
  /** How many requests of an HTTP/2 connection may be open at once; default 100. */
  maxConcurrentStreams?: number | undefined;
  /**
   * How many requests of an HTTP/2 connection the client may take back within ten seconds; default 200. Beyond that it is an attack
   * ("rapid reset"), and the connection is ended.
   */
  maxStreamResets?: number | undefined;
  /**
   * Whether the global `Response` is this package's while the server serves, and the global `Request` one that can copy a server's;
   * default false. It makes frameworks faster that use the global ones, as Hono does. What the platform has made is an instance of
   * both.
   */
  overrideGlobalObjects?: boolean | undefined;
}

/** @internal */
export type ServeSettings = {
  readonly [K in keyof ServeOptions]-?: K extends "host" | "path" | "backlog" | "tls"
    ? ServeOptions[K]
    : Exclude<ServeOptions[K], undefined>;
};

const NONE = Number.POSITIVE_INFINITY;

/** @internal The options, checked, with the defaults. */
export function serveSettings(options: ServeOptions): ServeSettings {
  if (typeof options !== "object" || options === null) {
    throw invalidArgument(
      "SERVE_OPTION",
      `serve(handler, options) takes options: { port: 8080 }, not ${String(options)}`,
    );
  }
  const known: ServeOptions = { ...DEFAULTS };
  for (const [name, value] of Object.entries(options) as [keyof ServeOptions, unknown][]) {
    const check = CHECKS[name];
    if (check === undefined) throw invalidArgument("SERVE_OPTION", `serve has no option ${name}`);
    if (value === undefined) continue;
    if (!check.holds(value)) throw invalidArgument("SERVE_OPTION", `${name} ${check.is}, not ${show(value)}`);
    (known as Record<string, unknown>)[name] = value;
  }
  const settings = known as ServeSettings;
  if (settings.path !== undefined && (options.host !== undefined || options.port !== undefined)) {
    throw invalidArgument("SERVE_OPTION", "a server listens at a path, or at a host and a port: give one of them");
  }
  if (settings.http2 && settings.tls === undefined) {
    throw invalidArgument("SERVE_OPTION", "http2 needs tls: { key, cert }: browsers speak HTTP/2 over TLS only");
  }
  const { headersTimeout, requestTimeout } = settings;
  // Node measures both from the first byte
  if (requestTimeout !== null && (headersTimeout === null || headersTimeout > requestTimeout)) {
    if (options.headersTimeout != null) {
      throw invalidArgument("SERVE_OPTION", "headersTimeout is no longer than requestTimeout, which begins with it");
    }
    return { ...settings, headersTimeout: requestTimeout };
  }
  return settings;
}

const DEFAULTS: Omit<ServeSettings, "host" | "path" | "backlog" | "tls"> = {
  port: 8080,
  http2: false,
  allowHTTP1: true,
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 300_000,
  keepAliveTimeout: 5_000,
  maxRequestsPerSocket: NONE,
  maxConnections: NONE,
  maxBodySize: 1024 * 1024,
  bodyIdleTimeout: 30_000,
  writeTimeout: 30_000,
  handlerTimeout: null,
  concurrency: NONE,
  queueSize: 100,
  shutdownTimeout: 10_000,
  maxConcurrentStreams: 100,
  maxStreamResets: 200,
  overrideGlobalObjects: false,
};

interface Check {
  readonly is: string;
  holds(value: unknown): boolean;
}

// What a timer of Node can take.
const LONGEST = 2 ** 31 - 1;

const text: Check = { is: "is a text", holds: (value) => typeof value === "string" && value !== "" };
const flag: Check = { is: "is true or false", holds: (value) => typeof value === "boolean" };
const time: Check = {
  is: "is in milliseconds, from 1 to 2,147,483,647, or null for no limit",
  holds: (value) => value === null || (isWhole(value) && value >= 1 && value <= LONGEST),
};
const timeFrom0: Check = {
  is: "is in milliseconds, from 0 to 2,147,483,647, or null for no limit",
  holds: (value) => value === null || (isWhole(value) && value >= 0 && value <= LONGEST),
};
const count: Check = {
  is: "is a number from 1, or Infinity",
  holds: (value) => value === NONE || (isWhole(value) && value >= 1),
};
const size: Check = {
  is: "is a number from 0, or Infinity",
  holds: (value) => value === NONE || (isWhole(value) && value >= 0),
};

const CHECKS: Readonly<Record<keyof ServeOptions, Check>> = {
  host: text,
  port: { is: "is a number from 0 to 65,535", holds: (value) => isWhole(value) && value >= 0 && value <= 65_535 },
  path: text,
  backlog: { is: "is a number from 1", holds: (value) => isWhole(value) && value >= 1 },
  tls: { is: "is an object: { key, cert }", holds: (value) => typeof value === "object" && value !== null },
  http2: flag,
  allowHTTP1: flag,
  maxHeaderSize: { is: "is in bytes, from 1", holds: (value) => isWhole(value) && value >= 1 },
  headersTimeout: time,
  requestTimeout: time,
  keepAliveTimeout: time,
  maxRequestsPerSocket: count,
  maxConnections: count,
  maxBodySize: size,
  bodyIdleTimeout: time,
  writeTimeout: time,
  handlerTimeout: time,
  concurrency: count,
  queueSize: size,
  shutdownTimeout: timeFrom0,
  maxConcurrentStreams: { is: "is a number from 1", holds: (value) => isWhole(value) && value >= 1 && value < 2 ** 32 },
  maxStreamResets: count,
  overrideGlobalObjects: flag,
};

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
