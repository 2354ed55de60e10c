import { type Coroutine, getRunningLoop } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import { HttpServer } from "./http-server.js";
import { type RequestHandler, type ServeOptions, type ServeSettings, serveSettings } from "./serve-options.js";

/**
 * Serves HTTP: each request is a task, which the handler's coroutine is, and what it returns is the answer. It is cancelled when the
 * client goes away, when `handlerTimeout` is up, and when a shutdown cannot wait any longer.
 *
 * What a handler throws is answered with 500 and reported to the loop's exception handler, and the client does not see its text; an
 * `HttpError` is an answer itself.
 *
 * @param handler from the web's `Request` to its `Response`; a coroutine function, or any function of a response or its promise
 * @param options where to listen, and limits: see {@link ServeOptions}
 * @returns the server, which listens
 * @throws a `TypeError` at once for options that are none; Node's error with its `code` (`EADDRINUSE`, `EACCES`, …)
 *
 * *If cancelled*, it does not listen.
 * @example
 * import { runMain } from "@corio/node";
 * import { Response, serve } from "@corio/http";
 * import { sleep, within } from "corio";
 *
 * function* handler(request: Request) {
 *   yield* sleep(100);
 *   return new Response(`hello from ${new URL(request.url).pathname}\n`);
 * }
 *
 * runMain(function* () {
 *   const server = yield* serve(handler, { port: 8080 });
 *   yield* within(server, () => server.serveForever());
 * });
 * @see https://docs.aiohttp.org/en/stable/web.html
 */
export function serve(handler: RequestHandler, options: ServeOptions = {}): Coroutine<HttpServer> {
  if (typeof handler !== "function") {
    throw invalidArgument(
      "HANDLER",
      'serve(handler) takes a function of a request: function* (request) { return new Response("hello") }; of a framework give its fetch: serve((request) => app.fetch(request))',
    );
  }
  return listening(handler, serveSettings(options));
}

function* listening(handler: RequestHandler, settings: ServeSettings): Coroutine<HttpServer> {
  const server = new HttpServer(getRunningLoop(), handler, settings);
  yield* server._listen();
  return server;
}
