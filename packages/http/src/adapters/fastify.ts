import { CorioError, type Coroutine, type EventLoop, getRunningLoop, type TaskGroup, wait } from "corio";
import type { FastifyPluginAsync } from "fastify";
import { noScope, openScope, type RequestScope, scopeOf } from "../messages/request-scope.js";

/**
 * The plugin that coroutine handlers need. Register it before the routes, inside a coroutine.
 *
 * A request's tasks are cancelled when its client goes away. What is left when the app is closed is cancelled, and its cleanup is
 * waited for.
 *
 * @param options `loop`: what the handlers run on; default the running loop
 * @example
 * const app = fastify();
 * app.register(coroutines());
 * app.get(
 *   "/slow",
 *   handler(function* () {
 *     yield* sleep(1_000);
 *     return { waited: true };
 *   }),
 * );
 * yield* until(app.listen({ port: 8080 }));
 */
export function coroutines(options: { loop?: EventLoop } = {}): FastifyPluginAsync {
  const { loop = getRunningLoop() } = options;
  const open = new Set<RequestScope>();
  const plugin: FastifyPluginAsync = async (app) => {
    app.addHook("onRequest", async (request, reply) => {
      const scope = openScope(request, loop);
      open.add(scope);
      reply.raw.once("close", () => {
        open.delete(scope);
        if (!reply.raw.writableFinished) scope.cancel(clientGone());
      });
    });
    // an answer, that of an error included, goes out when all that runs for it has ended
    app.addHook("onSend", async (request) => {
      const scope = scopeOf(request);
      if (scope !== undefined && !loop.closed) await loop.createTask(scope.end());
    });
    app.addHook("onClose", async () => {
      if (loop.closed) return;
      const ending = [...open].map((scope) => {
        scope.cancel();
        return loop.createTask(scope.end());
      });
      if (ending.length > 0) await loop.createTask(wait(ending));
    });
  };
  // for the whole app, and not only for the plugin's own routes
  return Object.assign(plugin, { [Symbol.for("skip-override")]: true });
}

/**
 * Makes a handler for Fastify of a coroutine function, or a hook (`onRequest`, `preHandler`, …). It runs as a task of the request:
 * cancelled when the client goes away, and when a task of the request's task group fails.
 *
 * @param fn gets Fastify's request and reply; what it returns is the answer
 */
export function handler<Request extends object, Reply, T>(
  fn: (request: Request, reply: Reply) => Coroutine<T>,
): (request: Request, reply: Reply) => Promise<T> {
  return (request, reply) => scopeFor(request).run(fn(request, reply), nameOf(request));
}

/**
 * The task group of a request, which its hooks and its handler share. Its tasks are awaited before the answer goes out; if one fails,
 * the handler and the other tasks are cancelled, and Fastify's error handler gets the error.
 *
 * @param request of a coroutine handler
 */
export function taskGroup(request: object): TaskGroup {
  return scopeFor(request).group;
}

function scopeFor(request: object): RequestScope {
  const scope = scopeOf(request);
  if (scope !== undefined) return scope;
  throw noScope("register the plugin before the routes: `app.register(coroutines())`");
}

function nameOf(request: object): string {
  const { method, url } = request as { method?: unknown; url?: unknown };
  return `${String(method)} ${String(url)}`;
}

function clientGone(): CorioError {
  return new CorioError("ERR_CORIO_CLIENT_GONE", "the client has closed the connection");
}
