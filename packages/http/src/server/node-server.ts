import { createServer as createHttpServer, type IncomingMessage, type Server as HttpServer } from "node:http";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import { createServer as createHttpsServer, type Server as HttpsServer } from "node:https";
import { Server as NetServer } from "node:net";
import { TrackedResponse } from "./tracked-response.js";
import { isWebSocketRequest } from "./websocket-request.js";
import type { ServeSettings } from "./serve-options.js";

/** @internal What Node has for a server, one of three kinds. */
export type NodeServer =
  | HttpServer<typeof IncomingMessage, typeof TrackedResponse>
  | HttpsServer<typeof IncomingMessage, typeof TrackedResponse>
  | Http2SecureServer;

/** @internal Makes it, with the limits that Node itself sees to. It does not listen yet. */
export function createNodeServer(settings: ServeSettings): NodeServer {
  const server = bareServer(settings);
  const { headersTimeout, requestTimeout, keepAliveTimeout, maxConnections, maxRequestsPerSocket } = settings;
  // as properties, for the server of HTTP/2 takes most of them in no other way
  const limits: Limits = {
    headersTimeout: headersTimeout ?? 0,
    requestTimeout: requestTimeout ?? 0,
    keepAliveTimeout: keepAliveTimeout ?? 0,
    maxHeaderSize: settings.maxHeaderSize,
    // their size is what is limited
    maxHeadersCount: 0,
    maxRequestsPerSocket: maxRequestsPerSocket === Number.POSITIVE_INFINITY ? 0 : maxRequestsPerSocket,
    requireHostHeader: true,
    insecureHTTPParser: false,
    // how late a time limit may be noticed
    connectionsCheckingInterval: Math.min(1_000, Math.max(50, Math.ceil((headersTimeout ?? 10_000) / 4))),
  };
  Object.assign(server, limits);
  if (maxConnections !== Number.POSITIVE_INFINITY) server.maxConnections = maxConnections;
  return server;
}

interface Limits {
  headersTimeout: number;
  requestTimeout: number;
  keepAliveTimeout: number;
  maxHeaderSize: number;
  maxHeadersCount: number;
  maxRequestsPerSocket: number;
  requireHostHeader: boolean;
  insecureHTTPParser: boolean;
  connectionsCheckingInterval: number;
}

/**
 * @internal Stops listening, and nothing else. Node's own `close` of an HTTP server also destroys connections whose answer is still
 * on its way to the client, and the timer by which it finds slow ones.
 */
export function stopListening(server: NodeServer): void {
  NetServer.prototype.close.call(server);
}

function bareServer(settings: ServeSettings): NodeServer {
  const { tls, http2, allowHTTP1, headersTimeout, maxHeaderSize, maxConcurrentStreams } = settings;
  // of newer Nodes: a client that asks for something else is answered as if it had not asked
  const upgrades = { shouldUpgradeCallback: isWebSocketRequest };
  const http1 = { ...upgrades, ServerResponse: TrackedResponse };
  if (tls === undefined) return createHttpServer({ noDelay: true, ...http1 });
  // a handshake is to be no slower than the headers
  const secure = { noDelay: true, ...(headersTimeout === null ? {} : { handshakeTimeout: headersTimeout }), ...tls };
  if (!http2) return createHttpsServer({ ...secure, ...http1 });
  return createSecureServer({
    ...secure,
    ...upgrades,
    allowHTTP1,
    Http1ServerResponse: TrackedResponse,
    settings: { maxConcurrentStreams, maxHeaderListSize: maxHeaderSize },
  });
}
