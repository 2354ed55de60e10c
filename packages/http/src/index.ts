// client
export { ClientSession, type PendingResponse, type PendingWebSocket } from "./client/client-session.js";
export type {
  EventStreamOptions,
  RequestOptions,
  SessionOptions,
  WebSocketRequestOptions,
} from "./client/session-options.js";
export { CookieJar } from "./client/cookie-jar.js";
export { ClientResponse, type FollowedRedirect } from "./client/client-response.js";
export { LinesCursor } from "./client/lines-cursor.js";
export type { RequestHeaders } from "./client/outgoing-headers.js";
export type { RequestTimeouts } from "./client/request-timeouts.js";
export type { RetryPolicy } from "./client/retry-policy.js";
export type { RequestTrace, TracedRequest } from "./client/request-trace.js";
export type { Auth } from "./client/auth.js";
export type { ConnectorOptions, ProxyOptions, TlsOptions } from "./client/connector.js";
export type { QueryParams } from "./client/request-url.js";
export type { BodyChunk, FormFields, RequestBody } from "./client/request-body.js";
export type { FieldValue } from "./client/url-encoded.js";
export type { EventSourceOptions } from "./client/event-source.js";
export type { ServerSentEvent } from "./events/server-sent-events.js";
// server
export { serve } from "./server/serve.js";
export { HttpServer } from "./server/http-server.js";
export type { RequestHandler, ServeOptions } from "./server/serve-options.js";
export { remoteAddress } from "./messages/remote-address.js";
export type { HeadersInput } from "./messages/header-list.js";
export { Response, type ResponseBody, type ResponseInit } from "./messages/response.js";
// WebSocket
export { WebSocketConnection, type WebSocketMessage } from "./websocket/websocket-connection.js";
export {
  upgradeWebSocket,
  type UpgradeWebSocketOptions,
  type WebSocketHandler,
} from "./websocket/upgrade-websocket.js";
export type { WebSocketConnectOptions } from "./websocket/connect-websocket.js";
export type { WebSocketOptions } from "./websocket/websocket-options.js";
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
