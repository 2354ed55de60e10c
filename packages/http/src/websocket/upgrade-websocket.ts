import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import {
  type Coroutine,
  currentTask,
  type EventLoop,
  ExceptionGroup,
  isCancelled,
  isCoroutine,
  until,
  within,
} from "corio";
import { type WebSocket, WebSocketServer } from "ws";
import { invalidArgument } from "../errors/invalid-argument.js";
import { type HeaderList, type HeadersInput, headerList } from "../messages/header-list.js";
import { Response } from "../messages/response.js";
import { type UpgradeContext, UpgradeResponse } from "../messages/upgrade-response.js";
import { HandlerWatch } from "./handler-watch.js";
import { allowedOrigins, handshakeRefusal } from "./handshake-request.js";
import { checkProtocols } from "./subprotocols.js";
import { WebSocketConnection } from "./websocket-connection.js";
import { type WebSocketOptions, type WebSocketSettings, webSocketSettings, wsOptions } from "./websocket-options.js";

/** How a server accepts a WebSocket. */
export interface UpgradeWebSocketOptions extends WebSocketOptions {
  /**
   * From which pages a browser may open it. Default those of the same host as the request's: any page can have a browser open a
   * WebSocket anywhere, with the cookies of that place. An array of origins (`"https://example.com"`, `"null"` for pages that
   * have none), or `"*"` for all. What is no browser says no origin, and is not held back.
   */
  origins?: readonly string[] | "*" | undefined;
  /** The subprotocols that the server can speak. Of those that the client offers, its first one that is among them is taken. */
  protocols?: readonly string[] | undefined;
  /** Goes with the answer to the handshake. */
  headers?: HeadersInput | undefined;
}

/** Handles a WebSocket: a coroutine function, or an async one. */
export type WebSocketHandler = (socket: WebSocketConnection) => Coroutine<unknown> | PromiseLike<unknown>;

/**
 * Answers a request by opening a WebSocket, which a coroutine function handles.
 *
 * The handler runs in the request's task. The WebSocket is closed when it ends: with 1000 after a return, with 1011 after an
 * error, which is reported to the loop's exception handler (the end of this WebSocket, a `WebSocketClosedError`, is none), with
 * 1001 after a cancellation.
 *
 * When the client goes, who waits for the socket is told: iteration ends, `receive()`, `send()` and `ping()` throw. A handler
 * that is busy with something else when that happens is cancelled, at once if it has never received anything, for then it only
 * sends, and nobody listens any more. One that has received may still be at work on that, and messages may be left: it is
 * cancelled only if it does not come back to the socket within `closeTimeout`. When the server shuts down, it closes its
 * WebSockets with 1001 and the handlers end by the same rules; those that do not are cancelled with the other requests.
 *
 * A response with status 101 cannot be copied, which some middleware does: Hono's `cors()`, and `c.header()` after `next()`. In such
 * an app the route of a WebSocket comes before it.
 *
 * @param request a request for a WebSocket; what is none is answered with 426, an origin that is not allowed with 403
 * @param handler makes the coroutine that handles the WebSocket
 * @param options see {@link UpgradeWebSocketOptions}
 * @returns the response that the request's handler is to return
 * @throws a `TypeError` at once for options that are none
 * @example
 * yield* serve(function* (request) {
 *   return upgradeWebSocket(request, function* (socket) {
 *     yield* forEach(socket, (message) => socket.send(message));
 *   });
 * });
 * @see https://docs.aiohttp.org/en/stable/web_reference.html#websocketresponse
 */
export function upgradeWebSocket(
  request: Request,
  handler: WebSocketHandler,
  options: UpgradeWebSocketOptions = {},
): Response {
  if (typeof handler !== "function") throw noHandler(typeof handler);
  const { protocols = [], origins } = options;
  checkProtocols(protocols);
  const settings = webSocketSettings(options);
  const headers = ownHeaders(options.headers);
  const refusal = handshakeRefusal(request, allowedOrigins(origins));
  if (refusal !== undefined) return new Response(refusal.text, refusal);
  return new WebSocketResponse(handler, settings, protocols, headers);
}

class WebSocketResponse extends UpgradeResponse {
  readonly #handler: WebSocketHandler;
  readonly #settings: WebSocketSettings;
  readonly #protocols: readonly string[];

  constructor(
    handler: WebSocketHandler,
    settings: WebSocketSettings,
    protocols: readonly string[],
    headers: HeadersInput | undefined,
  ) {
    super((context) => this.#serve(context), headers);
    this.#handler = handler;
    this.#settings = settings;
    this.#protocols = protocols;
  }

  *#serve({ request, socket, head, loop, onGoingAway }: UpgradeContext): Coroutine<void> {
    const ws = this.#accept(request, socket, head);
    if (ws === undefined) return yield* closed(socket);
    const { closeTimeout } = this.#settings;
    const connection = new WebSocketConnection(loop, ws, socket, true, this.#settings);
    const watch = (connection._watch = new HandlerWatch(loop, currentTask(), connection, closeTimeout));
    onGoingAway(() => connection._beginClosing(1001));
    try {
      yield* within(connection, () => this.#handle(connection, loop, request));
    } catch (error) {
      if (isCancelled(error)) throw error;
      // it was reported
    } finally {
      watch.stop();
    }
  }

  /** Opens it, unless the client has gone or its request has a flaw that only shows now: then the answer is on its way. */
  #accept(request: IncomingMessage, socket: Duplex, head: Buffer): WebSocket | undefined {
    const protocols = new Set(this.#protocols);
    const server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      ...wsOptions(this.#settings),
      handleProtocols: (offered) => [...offered].find((protocol) => protocols.has(protocol)) ?? false,
    });
    server.on("headers", (lines) => lines.push(...headerLines(this._headerList())));
    let accepted: WebSocket | undefined;
    server.handleUpgrade(request, socket, head, (ws) => {
      accepted = ws;
    });
    return accepted;
  }

  *#handle(connection: WebSocketConnection, loop: EventLoop, { method, url }: IncomingMessage): Coroutine<void> {
    const handler = this.#handler;
    try {
      const made = handler(connection);
      if (isCoroutine(made)) yield* made;
      else if (typeof (made as Partial<PromiseLike<unknown>> | undefined)?.then === "function") yield* until(made);
      else throw noHandler("a function that returns neither a coroutine nor a promise");
    } catch (error) {
      if (!isCancelled(error) && !tellsItsEnd(error, connection)) {
        const message = "Unhandled exception in the handler of a WebSocket";
        loop.callExceptionHandler({ message, exception: error, request: `${method} ${url}` });
      }
      throw error;
    }
  }
}

/** Whether an error, or all that is in a group of errors, says no more than that the connection is closed. */
function tellsItsEnd(error: unknown, connection: WebSocketConnection): boolean {
  if (error instanceof ExceptionGroup) return [...error.leaves()].every((leaf) => tellsItsEnd(leaf, connection));
  return typeof error === "object" && error !== null && connection._hasThrown(error);
}

// What the handshake itself says.
const RESERVED = /^(connection|upgrade|sec-websocket-.*)$/;
// What a body would have.
const OF_A_BODY = /^(content-length|content-type|transfer-encoding)$/;

function ownHeaders(headers: HeadersInput | undefined): HeadersInput | undefined {
  const list = headerList(headers);
  for (let i = 0; i < list.length; i += 2) {
    if (RESERVED.test(list[i] as string)) {
      throw invalidArgument(
        "HEADER",
        `the header ${list[i]} is the handshake's own: subprotocols go into the option protocols`,
      );
    }
  }
  return headers;
}

// Middleware may have added some since.
function headerLines(list: HeaderList): string[] {
  const lines: string[] = [];
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i] as string;
    if (!RESERVED.test(name) && !OF_A_BODY.test(name)) lines.push(`${name}: ${list[i + 1]}`);
  }
  return lines;
}

function noHandler(got: string): TypeError {
  return invalidArgument(
    "HANDLER",
    `upgradeWebSocket(request, handler) takes a coroutine function, function* (socket) { … }, not ${got}`,
  );
}

function* closed(socket: Duplex): Coroutine<void> {
  if (!socket.closed) yield* until(new Promise<void>((resolve) => void socket.once("close", resolve)));
}
