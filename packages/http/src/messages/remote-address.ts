import { ServerRequest } from "./server-request.js";

/**
 * The address that a request's connection comes from. Behind a proxy that is the proxy's: what it says of its client, in
 * `x-forwarded-for` or `forwarded`, is true only if nobody else can reach the server.
 *
 * @param request of a server made by `serve`
 * @returns such as "127.0.0.1"; `undefined` at a Unix socket, once the connection is lost, and for any other request
 * @example
 * yield* serve(function* (request) {
 *   return new Response(`you are ${remoteAddress(request)}`);
 * });
 */
export function remoteAddress(request: Request): string | undefined {
  return request instanceof ServerRequest ? request._remoteAddress : undefined;
}
