import { type IncomingMessage, validateHeaderName, validateHeaderValue } from "node:http";
import type { Duplex } from "node:stream";
import { CorioError, type Coroutine, type EventLoop, type Future, getRunningLoop, type TimerHandle } from "corio";
import { type ClientOptions, WebSocket } from "ws";
import { fail } from "../errors/fail.js";
import { ClientConnectionError, ServerDisconnectedError } from "../errors/client-error.js";
import { WebSocketHandshakeError } from "../errors/client-response-error.js";
import { invalidArgument } from "../errors/invalid-argument.js";
import { ConnectTimeoutError, HeadersTimeoutError, type RequestTimeoutError } from "../errors/request-timeout-error.js";
import { checkProtocols } from "./subprotocols.js";
import { WebSocketConnection } from "./websocket-connection.js";
import { type WebSocketOptions, type WebSocketSettings, webSocketSettings, wsOptions } from "./websocket-options.js";

/** How a client opens a WebSocket. */
export interface WebSocketConnectOptions extends WebSocketOptions {
  /** The subprotocols that the client can speak, the best first; the server has to choose one of them. Default none. */
  protocols?: readonly string[] | undefined;
  /** How long it may take until the WebSocket is open, in milliseconds; default 30,000, `null` for no limit. */
  handshakeTimeout?: number | null | undefined;
}

/** @internal Opens a socket to a place: with TLS done for `https:`, through a proxy, to a Unix socket, as it is configured. */
export type OpenSocket = (
  // the name as in a URL: an IPv6 address is in brackets
  target: { readonly protocol: "http:" | "https:"; readonly hostname: string; readonly port: number },
  callback: (error: Error | null, socket?: Duplex) => void,
) => { destroy(): void };

/** @internal What a session adds. */
export interface WebSocketRequest extends WebSocketConnectOptions {
  readonly openSocket: OpenSocket;
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined;
}

/**
 * @internal Opens a WebSocket. Redirects of the handshake are not followed.
 *
 * @param url with one of the schemes ws, wss, http, https; user and password in it are sent as basic authentication
 * @throws a ClientConnectionError if there is no connection; a ServerDisconnectedError if it breaks off in the handshake; a
 * WebSocketHandshakeError if the server answers otherwise than with 101, or not as it should; a ConnectTimeoutError or
 * HeadersTimeoutError if it takes too long; what `openSocket` throws, if it is a `CorioError`
 *
 * *If cancelled*, the socket is destroyed at once.
 */
export function connectWebSocket(url: string | URL, request: WebSocketRequest): Coroutine<WebSocketConnection> {
  const { openSocket, protocols = [], headers = {}, handshakeTimeout = DEFAULT_TIMEOUT } = request;
  if (handshakeTimeout !== null && !(typeof handshakeTimeout === "number" && handshakeTimeout > 0)) {
    throw invalidArgument(
      "WEBSOCKET_OPTION",
      `handshakeTimeout is in milliseconds, more than 0, or null, not ${String(handshakeTimeout)}`,
    );
  }
  checkProtocols(protocols);
  for (const [name, value] of Object.entries(headers)) {
    validateHeaderName(name);
    for (const one of [value].flat()) validateHeaderValue(name, one);
  }
  const opening = new Opening(webSocketUrl(url), protocols, headers, webSocketSettings(request), handshakeTimeout);
  return opening.run(openSocket);
}

const DEFAULT_TIMEOUT = 30_000;

/** socket ──> handshake ──> open. What fails or is cancelled leaves no socket behind. */
class Opening {
  readonly #url: URL;
  // for errors: without user and password
  readonly #shownUrl: string;
  readonly #protocols: readonly string[];
  readonly #headers: Readonly<Record<string, string | readonly string[]>>;
  readonly #settings: WebSocketSettings;
  readonly #timeout: number | null;

  constructor(
    url: URL,
    protocols: readonly string[],
    headers: Readonly<Record<string, string | readonly string[]>>,
    settings: WebSocketSettings,
    timeout: number | null,
  ) {
    this.#url = url;
    const shown = new URL(url);
    shown.username = shown.password = "";
    this.#shownUrl = shown.href;
    this.#protocols = protocols;
    this.#headers = headers;
    this.#settings = settings;
    this.#timeout = timeout;
  }

  *run(openSocket: OpenSocket): Coroutine<WebSocketConnection> {
    const loop = getRunningLoop();
    const deadline = loop.time() + (this.#timeout ?? Number.POSITIVE_INFINITY);
    const socket = yield* this.#open(loop, openSocket, deadline);
    return yield* this.#handshake(loop, socket, deadline);
  }

  *#open(loop: EventLoop, openSocket: OpenSocket, deadline: number): Coroutine<Duplex> {
    const opened = loop.createFuture<Duplex>();
    let got: Duplex | undefined;
    const attempt = openSocket(targetOf(this.#url), (error, socket) => {
      got = socket;
      // it may break before the handshake listens
      socket?.on("error", () => {});
      if (opened.done || loop.closed) socket?.destroy();
      else if (socket !== undefined) loop.callFromHost(succeed, opened, socket);
      else loop.callFromHost(fail, opened, this.#notConnected(error as Error));
    });
    const limit = this.#limit(loop, deadline, opened, ConnectTimeoutError);
    try {
      return yield* opened;
    } catch (error) {
      attempt.destroy();
      got?.destroy();
      throw error;
    } finally {
      limit?.cancel();
    }
  }

  *#handshake(loop: EventLoop, socket: Duplex, deadline: number): Coroutine<WebSocketConnection> {
    const opened = loop.createFuture<WebSocketConnection>();
    const limit = this.#limit(loop, deadline, opened, HeadersTimeoutError);
    const ws = new WebSocket(this.#url, [...this.#protocols], {
      ...wsOptions(this.#settings),
      headers: this.#headers as Record<string, string>,
      createConnection: (() => socket) as unknown as NonNullable<ClientOptions["createConnection"]>,
    });
    let answer: IncomingMessage | undefined;
    ws.on("upgrade", (response) => {
      answer = response;
    });
    // at once, for the first messages may have come with the answer
    ws.on("open", () => {
      loop.callFromHost(succeed, opened, new WebSocketConnection(loop, ws, socket, false, this.#settings));
    });
    ws.on("unexpected-response", (_request, response) => {
      const { statusCode, statusMessage } = response;
      const said = `it answered ${statusCode} ${statusMessage}`.trimEnd();
      if (!loop.closed) loop.callFromHost(fail, opened, this.#refused(response, said));
    });
    ws.on("error", (error) => {
      const failure = answer === undefined ? this.#brokenOff(error) : this.#refused(answer, error.message);
      if (!loop.closed) loop.callFromHost(fail, opened, failure);
    });
    try {
      return yield* opened;
    } catch (error) {
      ws.terminate();
      socket.destroy();
      throw error;
    } finally {
      limit?.cancel();
    }
  }

  #limit(
    loop: EventLoop,
    deadline: number,
    waited: Future<unknown>,
    TooLate: new (limit: number, url: string) => RequestTimeoutError,
  ): TimerHandle | undefined {
    const timeout = this.#timeout;
    if (timeout === null) return undefined;
    return loop.callAt(deadline, () => fail(waited, new TooLate(timeout, this.#shownUrl)));
  }

  #notConnected(error: Error): Error {
    if (error instanceof CorioError) return error;
    const url = this.#shownUrl;
    return new ClientConnectionError(`cannot connect to ${url}: ${wordsOf(error)}`, url, { cause: error });
  }

  #brokenOff(error: Error): Error {
    const url = this.#shownUrl;
    return new ServerDisconnectedError(`no answer from ${url}: ${wordsOf(error)}`, url, { cause: error });
  }

  #refused(response: IncomingMessage, why: string): Error {
    const { statusCode = 0, statusMessage = "", rawHeaders } = response;
    const headers = new Headers();
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.append(rawHeaders[i] ?? "", rawHeaders[i + 1] ?? "");
    const url = this.#shownUrl;
    return new WebSocketHandshakeError(
      { status: statusCode, statusText: statusMessage, headers, method: "GET", url },
      `${url} did not agree to speak WebSocket: ${why}`,
    );
  }
}

function webSocketUrl(given: string | URL): URL {
  if (!URL.canParse(String(given))) {
    throw invalidArgument("URL", `a WebSocket needs an absolute URL, "wss://example.com/path", not ${String(given)}`);
  }
  const url = new URL(given);
  if (!/^(ws|http)s?:$/.test(url.protocol)) {
    throw invalidArgument("URL", `a WebSocket's URL begins with ws, wss, http or https: not ${url.protocol}`);
  }
  url.hash = "";
  return url;
}

function targetOf({ protocol, hostname, port }: URL): Parameters<OpenSocket>[0] {
  const secure = protocol === "wss:" || protocol === "https:";
  return {
    protocol: secure ? "https:" : "http:",
    hostname,
    port: port === "" ? (secure ? 443 : 80) : Number(port),
  };
}

/** What is tried at several addresses fails with an error that has a code and no words. */
function wordsOf(error: Error): string {
  return error.message || String((error as NodeJS.ErrnoException).code);
}

function succeed<T>(future: Future<T>, value: T): void {
  if (!future.done) future.setResult(value);
}
