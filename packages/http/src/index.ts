// client
export { ClientSession, type PendingResponse } from "./client/client-session.js";
export type { RequestOptions, SessionOptions } from "./client/session-options.js";
export { ClientResponse, type FollowedRedirect } from "./client/client-response.js";
export { LinesCursor } from "./client/lines-cursor.js";
export type { RequestHeaders } from "./client/outgoing-headers.js";
export type { RequestTimeouts } from "./client/request-timeouts.js";
export type { RetryPolicy } from "./client/retry-policy.js";
export type { RequestTrace, TracedRequest } from "./client/request-trace.js";
export type { Auth } from "./client/auth.js";
export type { ConnectorOptions, ProxyOptions, TlsOptions } from "./client/connector.js";
export type { QueryParams } from "./client/request-url.js";
// errors
export {
  ClientConnectionError,
  ClientError,
  ClientPayloadError,
  RedirectError,
  ResponseTooLargeError,
  ServerDisconnectedError,
} from "./errors/client-error.js";
export { ClientResponseError, WebSocketHandshakeError } from "./errors/client-response-error.js";
export {
  BodyTimeoutError,
  ConnectTimeoutError,
  HeadersTimeoutError,
  type RequestPhase,
  RequestTimeoutError,
  TotalTimeoutError,
} from "./errors/request-timeout-error.js";
export { HttpError } from "./errors/http-error.js";
export { WebSocketClosedError } from "./errors/websocket-closed-error.js";
