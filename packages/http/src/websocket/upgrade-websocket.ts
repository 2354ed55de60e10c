import type { IncomingMessage } from "node:http";
import { validateHeaderName, validateHeaderValue } from "node:http";
import { type Coroutine, currentTask, type EventLoop, isCancelled, isCoroutine } from "corio";
import { type WebSocket, WebSocketServer } from "ws";
import { invalidArgument } from "../errors/invalid-argument.js";
import { WebSocketClosedError } from "../errors/websocket-closed-error.js";
import { Response } from "../messages/response.js";
import { type UpgradeContext, UpgradeResponse } from "../messages/upgrade-response.js";
import { allowedOrigins, handshakeRefusal } from "./handshake-request.js";
import { HandlerWatch } from "./handler-watch.js";
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
  headers?: Readonly<Record<string, string>> | Headers | undefined;
}

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
  handler: (socket: WebSocketConnection) => Coroutine<unknown>,
  options: UpgradeWebSocketOptions = {},
): Response {
  if (typeof handler !== "function") {
    throw invalidArgument(
      "HANDLER",
      "upgradeWebSocket(request, handler) takes a coroutine function: function* (socket) { … }",
    );
  }
  const { protocols = [], headers = {} } = options;
  checkProtocols(protocols);
  const acceptance: Acceptance = {
    settings: webSocketSettings(options),
    protocols: new Set(protocols),
    headers: headerLines(headers),
  };
  const refusal = handshakeRefusal(request, allowedOrigins(options.origins));
  if (refusal !== undefined) return new Response(refusal.text, refusal);
  return new UpgradeResponse((context) => handle(context, handler, acceptance));
}

interface Acceptance {
  readonly settings: WebSocketSettings;
  readonly protocols: ReadonlySet<string>;
  readonly headers: readonly string[];
}

function* handle(
  { request, socket, head, loop, onGoingAway }: UpgradeContext,
  handler: (socket: WebSocketConnection) => Coroutine<unknown>,
  acceptance: Acceptance,
): Coroutine<void> {
  const ws = accept(request, socket, head, acceptance);
  if (ws === undefined) return;
  const { settings } = acceptance;
  const connection = new WebSocketConnection(loop, ws, socket, true, settings);
  const watch = new HandlerWatch(loop, currentTask(), connection, settings.closeTimeout);
  connection._watch = watch;
  onGoingAway(() => connection._beginClosing(1001));
  let failure: unknown;
  try {
    const made: unknown = handler(connection);
    if (!isCoroutine(made)) throw noCoroutine(made);
    yield* made;
  } catch (error) {
    failure = error;
  }
  watch.stop();
  yield* connection.exit(failure);
}
