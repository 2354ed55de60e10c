import type { CookieJar } from "./cookie-jar.js";
import type { WebSocketConnectOptions } from "../websocket/connect-websocket.js";
import type { Auth } from "./auth.js";
import type { ConnectorOptions } from "./connector.js";
import type { EventSourceOptions } from "./event-source.js";
import type { RequestHeaders } from "./outgoing-headers.js";
import type { FormFields, RequestBody } from "./request-body.js";
import type { RequestTimeouts } from "./request-timeouts.js";
import type { QueryParams } from "./request-url.js";
import type { RetryPolicy } from "./retry-policy.js";
import type { RequestTrace } from "./request-trace.js";

/** What can be said of one request, and for all of a session. */
interface CommonOptions {
  /** Sent with it; those of a request replace those of its session. Default: `accept`, `accept-encoding`, `user-agent`. */
  headers?: RequestHeaders | undefined;
  /** The credentials: `{ username, password }` for Basic, `{ bearer }` for a token; `null` for none. */
  auth?: Auth | null | undefined;
  /** Time limits, in milliseconds: see {@link RequestTimeouts}. */
  timeout?: RequestTimeouts | undefined;
  /**
   * How many redirects are followed, default 10; `"manual"` gives the redirect as the answer, `"error"` throws. One that leads to
   * another origin gets neither `authorization` nor `cookie` of the request.
   */
  redirects?: number | "manual" | "error" | undefined;
  /** How often it is tried in all, or a {@link RetryPolicy}; default once. */
  retry?: number | RetryPolicy | undefined;
  /**
   * How many bytes a body may have, decompressed. Default: 128 MiB for what is read as a whole, no limit for what is read piece by
   * piece.
   */
  maxBodySize?: number | undefined;
  /** Whether compressed bodies are decompressed; default true. */
  decompress?: boolean | undefined;
  /** Whether a status of 400 and more is thrown as a `ClientResponseError`; default false. */
  raiseForStatus?: boolean | undefined;
}

/**
 * Options of one request.
 *
 * @see https://docs.aiohttp.org/en/stable/client_reference.html#aiohttp.ClientSession.request
 */
export interface RequestOptions extends CommonOptions {
  /** Added to the query of the URL. */
  params?: QueryParams | undefined;
  /** Bytes, a text, a form, a file, a stream, a generator: see {@link RequestBody}. */
  body?: RequestBody | undefined;
  /** A value that is sent as JSON. */
  json?: unknown;
  /** Fields that are sent as an HTML form sends them, URL-encoded. Files: a `FormData` as `body`. */
  form?: FormFields | undefined;
}

/** Options of a stream of events: of its requests, and of how it is connected again. */
export interface EventStreamOptions extends Omit<RequestOptions, "body" | "json" | "form">, EventSourceOptions {}

/** Options of one WebSocket. */
export interface WebSocketRequestOptions extends WebSocketConnectOptions {
  /** Sent with the handshake; they replace those of the session. */
  headers?: RequestHeaders | undefined;
  /** As for a request. */
  auth?: Auth | null | undefined;
  /** Added to the query of the URL. */
  params?: QueryParams | undefined;
}

/**
 * Options of a session.
 *
 * @see https://docs.aiohttp.org/en/stable/client_reference.html#aiohttp.ClientSession
 */
export interface SessionOptions extends CommonOptions, ConnectorOptions {
  /** What relative URLs stand on. */
  baseUrl?: string | URL | undefined;
  /** Where cookies are kept; default a new jar, `null` for none. */
  cookieJar?: CookieJar | null | undefined;
  /** How many connections may be open at once; default 100. */
  limit?: number | undefined;
  /** How many of them to one host; default no limit. */
  limitPerHost?: number | undefined;
  /** How long an idle connection is kept, in milliseconds; default 4,000. A server that closes earlier says so. */
  keepAliveTimeout?: number | undefined;
  /** How many bytes the headers of an answer may have; default 16 KiB. */
  maxHeaderSize?: number | undefined;
  /** Whether HTTP/2 is offered to servers with TLS; default false. */
  http2?: boolean | undefined;
  /** Hooks: see {@link RequestTrace}. */
  trace?: RequestTrace | undefined;
}
