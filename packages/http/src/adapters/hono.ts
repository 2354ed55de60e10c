import { type Coroutine, type EventLoop, getRunningLoop, type TaskGroup, until } from "corio";
import type { Context, Env, Handler, Input, MiddlewareHandler } from "hono";
import type { HandlerResponse } from "hono/types";
import { noScope, openScope, type RequestScope, scopeOf } from "../messages/request-scope.js";

/**
 * Makes a handler for Hono of a coroutine function. It runs as a task of the request: cancelled when the client goes away, when its
 * time is up, and when a task of the request's task group fails.
 *
 * @example
 * const app = new Hono();
 * app.get(
 *   "/slow",
 *   handler(function* (c) {
 *     yield* sleep(1_000);
 *     return c.json({ waited: true });
 *   }),
 * );
 * yield* serve(app.fetch);
 */
export function handler<
  E extends Env,
  P extends string,
  I extends Input,
  R extends Awaited<HandlerResponse<unknown>> & Response,
>(fn: (c: Context<E, P, I>) => Coroutine<R>): Handler<E, P, I, Promise<R>> {
  return (c) => scopeFor(c).run(fn(c), nameOf(c));
}

/**
 * Makes middleware for Hono of a coroutine function: `yield* next()` waits for what follows.
 *
 * @example
 * app.use(
 *   middleware(function* (c, next) {
 *     const began = performance.now();
 *     yield* next();
 *     c.header("server-timing", `app;dur=${performance.now() - began}`);
 *   }),
 * );
 */
export function middleware<E extends Env = Env, P extends string = string, I extends Input = Input>(
  fn: (c: Context<E, P, I>, next: () => Coroutine<void>) => Coroutine<Response | void>,
): MiddlewareHandler<E, P, I> {
  return (c, next) => {
    function* nextOne(): Coroutine<void> {
      yield* until(next());
    }
    return scopeFor(c).run(fn(c, nextOne), `${nameOf(c)}, middleware`);
  };
}

/**
 * The task group of a request, which its middleware and handlers share. Its tasks are awaited before the answer goes out; if one
 * fails, the handler and the other tasks are cancelled, and the app's `onError` gets the error.
 *
 * @param c the context of a coroutine handler
 */
export function taskGroup(c: Context): TaskGroup {
  return scopeFor(c).group;
}

/**
 * What an app needs first of all where another server than `serve` runs it, for its coroutine handlers.
 *
 * @param options `loop`: default the running loop
 * @example
 * const app = new Hono().use(coroutines());
 */
export function coroutines(options: { loop?: EventLoop } = {}): MiddlewareHandler {
  const { loop = getRunningLoop() } = options;
  return async (c, next) => {
    const request = c.req.raw;
    if (scopeOf(request) !== undefined) return next();
    const scope = openScope(request, loop);
    const gone = (): void => scope.cancel(request.signal.reason);
    request.signal.addEventListener("abort", gone);
    if (request.signal.aborted) gone();
    try {
      await next();
    } finally {
      await loop.createTask(scope.end());
      request.signal.removeEventListener("abort", gone);
    }
  };
}

function scopeFor(c: Context): RequestScope {
  const scope = scopeOf(c.req.raw);
  if (scope !== undefined) return scope;
  throw noScope("serve the app by `serve(app.fetch)`, or install `app.use(coroutines())` before its routes");
}

function nameOf({ req }: Context): string {
  return `${req.method} ${req.path}`;
}
