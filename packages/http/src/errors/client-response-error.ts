import { ClientError } from "./client-error.js";

/** What an error keeps of an answer. */
export interface FailedResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly method: string;
  readonly url: string;
}

/**
 * The server answered, with a status of 400 or more: thrown by `raiseForStatus()`.
 *
 * @see https://docs.aiohttp.org/en/stable/client_reference.html#aiohttp.ClientResponseError
 */
export class ClientResponseError extends ClientError {
  override readonly name: string = "ClientResponseError";
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly method: string;

  /** @internal */
  constructor(response: FailedResponse, message?: string, code = "ERR_CORIO_RESPONSE_STATUS") {
    const { status, statusText, headers, method, url } = response;
    super(code, message ?? `${method} ${url} was answered with ${status} ${statusText}`.trimEnd(), url);
    this.status = status;
    this.statusText = statusText;
    this.headers = headers;
    this.method = method;
  }
}

/** The server did not agree to speak WebSocket. */
export class WebSocketHandshakeError extends ClientResponseError {
  override readonly name: string = "WebSocketHandshakeError";

  /** @internal */
  constructor(response: FailedResponse, message: string) {
    super(response, message, "ERR_CORIO_WEBSOCKET_HANDSHAKE");
  }
}
