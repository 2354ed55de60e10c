import {
  CorioError,
  type Coroutine,
  type CursorSource,
  type EventLoop,
  getRunningLoop,
  type Manager,
  until,
} from "corio";
import { CookieJar } from "./cookie-jar.js";
import { invalidArgument } from "../errors/invalid-argument.js";
import type { ServerSentEvent } from "../events/server-sent-events.js";
import { connectWebSocket } from "../websocket/connect-websocket.js";
import type { WebSocketConnection } from "../websocket/websocket-connection.js";
import { type Auth, authorizationOf, takeCredentials } from "./auth.js";
import type { ClientResponse } from "./client-response.js";
import { ConnectionPool, sessionClosed } from "./connection-pool.js";
import { Connector } from "./connector.js";
import { acceptEncoding } from "./decoder.js";
import { type EventStream, reconnectingEvents } from "./event-source.js";
import { mergedHeaders, type OutgoingHeaders } from "./outgoing-headers.js";
import { prepareBody } from "./request-body.js";
import { perform, type RequestPlan, type SessionState } from "./request-run.js";
import { type TimeLimits, timeLimits } from "./request-timeouts.js";
import { RequestUrls } from "./request-url.js";
import { type Retries, retriesOf } from "./retry-policy.js";
import type { EventStreamOptions, RequestOptions, SessionOptions, WebSocketRequestOptions } from "./session-options.js";

/** What the methods of a session give: awaited, it is the response; as a context manager, it releases the response. */
export interface PendingResponse extends Coroutine<ClientResponse>, Manager<ClientResponse> {
  enter(): Coroutine<ClientResponse>;
  exit(error: unknown): void;
}

/** What `wsConnect` gives: awaited, it is the WebSocket; as a context manager, it closes it. */
export interface PendingWebSocket extends Coroutine<WebSocketConnection>, Manager<WebSocketConnection> {
  enter(): Coroutine<WebSocketConnection>;
  exit(error: unknown): Coroutine<void>;
}

/**
 * Makes HTTP requests. One session serves a whole program: its connections are kept alive and used again, its cookies kept.
 *
 * A context manager: leaving its block aborts what is under way and closes its connections. Cancelling a task aborts the request
 * that it waits for, and frees the connection.
 *
 * @example
 * yield* within(new ClientSession({ baseUrl: "https://api.example.com/v1/" }), function* (session) {
 *   const response = yield* session.get("users", { params: { page: 2 } });
 *   const users = yield* response.json<string[]>();
 *   yield* session.post("users", { json: { name: users[0] }, timeout: { total: 5_000 } });
 * });
 * @see https://docs.aiohttp.org/en/stable/client_reference.html#client-session
 */
export class ClientSession {
  readonly #options: SessionOptions;
  readonly #urls: RequestUrls;
  readonly #connector: Connector;
  readonly #headers: OutgoingHeaders;
  readonly #authorization: string | undefined;
  readonly #cookies: CookieJar | null;
  #mayHaveCookies: boolean;
  readonly #limits: TimeLimits;
  readonly #retries: Retries;
  readonly #webSockets = new Set<WebSocketConnection>();
  #state: SessionState | undefined;
  #forgetLoop: (() => void) | undefined;
  #closed = false;

  /** @throws a `TypeError` with a code for options that make no sense */
  constructor(options: SessionOptions = {}) {
    checkSessionOptions(options);
    this.#options = options;
    this.#urls = new RequestUrls(options.baseUrl);
    this.#connector = new Connector(options);
    this.#limits = timeLimits(options.timeout);
    this.#retries = retriesOf(options.retry);
    const defaults: OutgoingHeaders = { accept: "*/*", "user-agent": "corio" };
    if (options.decompress !== false) defaults["accept-encoding"] = acceptEncoding;
    this.#headers = mergedHeaders(defaults, options.headers);
    this.#authorization = options.auth ? authorizationOf(options.auth) : this.#urls.authorization;
    this.#cookies = options.cookieJar === undefined ? new CookieJar() : options.cookieJar;
    this.#mayHaveCookies = Boolean(options.cookieJar);
  }

  /** Its cookies; `null` if it was made without. */
  get cookieJar(): CookieJar | null {
    this.#mayHaveCookies = this.#cookies !== null; // who asks may put some in
    return this.#cookies;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** How many connections are open or being opened, WebSockets apart. */
  get connections(): number {
    return this.#state?.pool.open ?? 0;
  }

  /**
   * Makes a request.
   *
   * @param method such as "GET"; in capitals, as servers tell methods apart
   * @param url relative ones stand on the session's `baseUrl`
   * @returns the response, as soon as its headers are there; to be used as a context manager, or to be read to its end
   * @throws at once a `TypeError` with a code for arguments that make no sense. When awaited: a ClientConnectionError, a
   * RequestTimeoutError, a RedirectError, what the body of the request throws; with `raiseForStatus` a ClientResponseError
   *
   * *If cancelled*, the request is aborted, and its connection is free for others.
   */
  request(method: string, url: string | URL, options: RequestOptions = {}): PendingResponse {
    const plan = this.#plan(method, url, options);
    return perform(this.#open("request"), plan) as PendingResponse;
  }

  /** GET: see {@link request}. */
  get(url: string | URL, options?: RequestOptions): PendingResponse {
    return this.request("GET", url, options);
  }

  /** POST: see {@link request}. */
  post(url: string | URL, options?: RequestOptions): PendingResponse {
    return this.request("POST", url, options);
  }

  /** PUT: see {@link request}. */
  put(url: string | URL, options?: RequestOptions): PendingResponse {
    return this.request("PUT", url, options);
  }

  /** PATCH: see {@link request}. */
  patch(url: string | URL, options?: RequestOptions): PendingResponse {
    return this.request("PATCH", url, options);
  }

  /** DELETE: see {@link request}. */
  delete(url: string | URL, options?: RequestOptions): PendingResponse {
    return this.request("DELETE", url, options);
  }

  /** HEAD: see {@link request}. A redirect is the answer, unless `redirects` says otherwise. */
  head(url: string | URL, options?: RequestOptions): PendingResponse {
    return this.request("HEAD", url, { redirects: "manual", ...options });
  }

  /** OPTIONS: see {@link request}. */
  options(url: string | URL, options?: RequestOptions): PendingResponse {
    return this.request("OPTIONS", url, options);
  }

  /**
   * Listens to server-sent events, over as many connections as it takes: one that ends or breaks is made anew, and the server is told
   * after which event to go on, as browsers do. For the events of one response: `response.events()`.
   *
   * @param options of the request, and how it is made anew; `timeout.total`, default none here, is of one connection
   * @returns the events, for `forEach` and `iterate`; nothing is sent before. Iterating throws what the first connection fails with,
   * and a `ClientError` for an answer that is no stream of events. It ends when the server answers with 204
   *
   * *If cancelled*, the connection is closed.
   * @example
   * yield* forEach(session.events("https://example.com/news"), ({ event, data }) => console.log(event, data));
   * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
   */
  events(url: string | URL, options: EventStreamOptions = {}): CursorSource<ServerSentEvent> {
    const request = { ...options, timeout: { total: null, ...options.timeout } };
    this.#plan("GET", url, request);
    return reconnectingEvents((headers) => this.#eventStream(url, request, headers), options);
  }

  *#eventStream(
    url: string | URL,
    options: RequestOptions,
    headers: Readonly<Record<string, string>>,
  ): Coroutine<EventStream> {
    const own = mergedHeaders({ ...headers }, options.headers);
    const response = yield* this.get(url, { ...options, headers: own });
    return {
      status: response.status,
      contentType: response.headers.get("content-type") ?? undefined,
      url: response.url,
      body: response.chunks(),
      release: () => response.release(),
    };
  }

  /**
   * Opens a WebSocket, with the session's headers, cookies, proxy and certificates. It counts for no limit of connections.
   *
   * @param url relative ones stand on the session's `baseUrl`; `ws:` and `wss:` as well as `http:` and `https:`
   * @returns the WebSocket, when it is open; to be used as a context manager, which closes it
   * @throws a ClientConnectionError; a WebSocketHandshakeError if the server does not agree; a ConnectTimeoutError or
   * HeadersTimeoutError if it takes longer than `handshakeTimeout`
   *
   * *If cancelled*, the connection is closed at once.
   * @example
   * yield* within(session.wsConnect("wss://example.com/news"), function* (socket) {
   *   yield* socket.send("hello");
   *   yield* forEach(socket, (message) => console.log(message));
   * });
   * @see https://docs.aiohttp.org/en/stable/client_reference.html#aiohttp.ClientSession.ws_connect
   */
  wsConnect(url: string | URL, options: WebSocketRequestOptions = {}): PendingWebSocket {
    const { params, headers, auth, ...rest } = options;
    const target = this.#urls.resolve(withHttpScheme(url), params);
    const own = this.#ownHeaders(target, auth);
    const cookies = this.#cookies?.getCookieStringSync(target.href);
    if (cookies) own["cookie"] = cookies;
    delete own["accept-encoding"];
    this.#open("wsConnect");
    const { openSocket } = this.#connector;
    const opening = connectWebSocket(target, { ...rest, openSocket, headers: mergedHeaders(own, headers) });
    return pendingWebSocket(opening, this.#webSockets) as PendingWebSocket;
  }

  /**
   * Closes it: requests that are under way end with an error, connections and WebSockets are closed. What `within` does.
   *
   * @returns a coroutine that is done when every socket is closed
   */
  *close(): Coroutine<void> {
    this.#closed = true;
    this.#forgetLoop?.();
    const pool = this.#state?.pool;
    for (const webSocket of this.#webSockets) webSocket._terminate();
    if (pool !== undefined) yield* until(pool.close());
  }

  /** For `within`. */
  enter(): this {
    this.#open("within");
    return this;
  }

  /** For `within`: closes it. */
  exit(): Coroutine<void> {
    return this.close();
  }

  #plan(method: string, url: string | URL, options: RequestOptions): RequestPlan {
    checkRequest(method, options);
    const session = this.#options;
    const target = this.#urls.resolve(url, options.params);
    const headers = this.#ownHeaders(target, options.auth);
    const body = prepareBody(options);
    if (body.contentType !== undefined) headers["content-type"] = body.contentType;
    if (body.length !== undefined) headers["content-length"] = String(body.length);
    return {
      method,
      url: target,
      headers: options.headers === undefined ? headers : mergedHeaders(headers, options.headers),
      body,
      limits: timeLimits(options.timeout, this.#limits),
      redirects: options.redirects ?? session.redirects ?? 10,
      retries: retriesOf(options.retry, this.#retries),
      maxBodySize: options.maxBodySize ?? session.maxBodySize,
      decompress: options.decompress ?? session.decompress ?? true,
      raiseForStatus: options.raiseForStatus ?? session.raiseForStatus ?? false,
    };
  }

  // Credentials of the request replace those of its URL, and those the session's, which go to no other origin than its base's.
  #ownHeaders(target: URL, auth: Auth | null | undefined): OutgoingHeaders {
    const headers = { ...this.#headers };
    const authorization = this.#authorization;
    if (authorization !== undefined && this.#urls.isOfTheBase(target)) headers["authorization"] ??= authorization;
    const ofTheUrl = takeCredentials(target);
    if (ofTheUrl !== undefined) headers["authorization"] = ofTheUrl;
    if (auth === null) delete headers["authorization"];
    else if (auth !== undefined) headers["authorization"] = authorizationOf(auth);
    return headers;
  }

  #open(call: string): SessionState {
    if (this.#closed) throw sessionClosed();
    const state = this.#state;
    const loop = getRunningLoop();
    if (state === undefined) return this.#begin(loop);
    if (state.loop !== loop) throw otherLoop(call);
    return state;
  }

  #begin(loop: EventLoop): SessionState {
    const { trace } = this.#options;
    const { limit = 100, limitPerHost = Number.POSITIVE_INFINITY } = this.#options;
    const { keepAliveTimeout = 4_000, maxHeaderSize = 16_384, http2 = false } = this.#options;
    const longest = Math.min(keepAliveTimeout, 2 ** 31 - 1); // as long as Node's timers go
    const limits = { limit, limitPerHost, keepAliveTimeout: longest, maxHeaderSize, http2 };
    const pool = new ConnectionPool(loop, this.#connector, limits);
    this.#forgetLoop = loop.onClose(() => {
      this.#closed = true;
      for (const webSocket of this.#webSockets) webSocket._terminate();
      void pool.close();
    });
    const mayHaveCookies = (): boolean => this.#mayHaveCookies;
    const gotCookies = (): void => void (this.#mayHaveCookies = true);
    return (this.#state = { loop, pool, cookies: this.#cookies, mayHaveCookies, gotCookies, trace });
  }
}

function* pendingWebSocket(
  opening: Coroutine<WebSocketConnection>,
  open: Set<WebSocketConnection>,
): Coroutine<WebSocketConnection> {
  const socket = yield* opening;
  open.add(socket);
  socket._whenClosed(() => open.delete(socket));
  return socket;
}

const VALUE = Symbol("corio.value");

// What these functions make is a coroutine, and with this a context manager as well.
for (const made of [perform.prototype, pendingWebSocket.prototype] as object[]) {
  Object.assign(made, {
    *enter(this: Coroutine<Manager<unknown>> & { [VALUE]?: unknown }): Coroutine<unknown> {
      return (this[VALUE] = yield* this);
    },
    exit(this: { [VALUE]: Manager<unknown> }, error: unknown): Coroutine<boolean | void> | boolean | void {
      return this[VALUE].exit(error);
    },
  });
}

// WebSockets have schemes of their own, for the same places.
function withHttpScheme(url: string | URL): string | URL {
  return typeof url === "string" || url instanceof URL ? String(url).replace(/^ws(?=s?:)/i, "http") : url;
}

function checkSessionOptions(options: SessionOptions): void {
  if (typeof options !== "object" || options === null) {
    throw invalidArgument("SESSION_OPTIONS", `new ClientSession(options) takes an object, not ${String(options)}`);
  }
  checkCommon(options);
  for (const name of ["limit", "limitPerHost", "keepAliveTimeout", "maxHeaderSize"] as const) {
    const value = options[name];
    if (value !== undefined && !(typeof value === "number" && value >= 1)) {
      throw invalidArgument("SESSION_OPTIONS", `${name} is a number of at least 1, not ${String(value)}`);
    }
  }
  if (options.maxHeaderSize !== undefined && !Number.isSafeInteger(options.maxHeaderSize)) {
    throw invalidArgument("SESSION_OPTIONS", `maxHeaderSize is a whole number of bytes, not ${options.maxHeaderSize}`);
  }
}

function checkRequest(method: string, options: RequestOptions): void {
  if (typeof method !== "string" || !/^[!#$%&'*+.^_`|~\w-]+$/.test(method)) {
    throw invalidArgument(
      "METHOD",
      `a method is a word such as "GET", not ${typeof method === "string" ? JSON.stringify(method) : typeof method}`,
    );
  }
  if (method === "CONNECT") {
    throw invalidArgument(
      "METHOD",
      "CONNECT is for proxies: `new ClientSession({ proxy })` makes the tunnels that it needs",
    );
  }
  if (typeof options !== "object" || options === null) {
    throw invalidArgument("REQUEST_OPTIONS", `the options of a request are an object, not ${String(options)}`);
  }
  checkCommon(options);
}

function checkCommon({ redirects, maxBodySize }: RequestOptions | SessionOptions): void {
  if (redirects !== undefined && redirects !== "manual" && redirects !== "error" && !(redirects >= 0)) {
    throw invalidArgument(
      "REDIRECTS",
      `redirects is how many are followed, "manual" or "error", not ${String(redirects)}`,
    );
  }
  if (maxBodySize !== undefined && !(typeof maxBodySize === "number" && maxBodySize >= 0)) {
    throw invalidArgument("MAX_BODY_SIZE", `maxBodySize is in bytes, not ${String(maxBodySize)}`);
  }
}

function otherLoop(call: string): CorioError {
  return new CorioError(
    "ERR_CORIO_SESSION_LOOP",
    `${call}: the session belongs to the loop that it was first used in: make one inside each run`,
  );
}
