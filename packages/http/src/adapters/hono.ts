import { type Coroutine, type EventLoop, getRunningLoop, type TaskGroup } from "corio";
import type { Context, Env, Handler, Input, MiddlewareHandler } from "hono";
import type { HandlerResponse } from "hono/types";
import { PlatformResponse } from "../messages/platform.js";
import { bindScope, checkHandler, noScope, RequestScope, scopeOf } from "../messages/request-scope.js";
import { clientGone } from "../server/client-gone.js";

/**
 * Makes a handler for Hono of a coroutine function. It runs as a task of the request: cancelled when the client goes away, when its
 * time is up, and when a task of its task group fails.
 *
 * What it throws, the app's `onError` gets. A handler that is cancelled with its request is no error: for Hono it has answered with
 * 499, which nobody receives.
 *
 * @param fn gets Hono's context; returns the response. What TypeScript cannot hand through this function, the variables of the app
 * and the input that validators have found, {@link respond} knows
 * @example
 * import { serve } from "@corio/http";
 * import { handler } from "@corio/http/hono";
 * import { sleep, within } from "corio";
 * import { Hono } from "hono";
 *
 * const app = new Hono();
 * app.get(
 *   "/slow/:ms",
 *   handler(function* (c) {
 *     yield* sleep(Number(c.req.param("ms")));
 *     return c.json({ waited: true });
 *   }),
 * );
 * function* main() {
 *   const server = yield* serve((request) => app.fetch(request));
 *   yield* within(server, () => server.serveForever());
 * }
 */
export function handler<R extends Answer, E extends Env = Env, P extends string = SomePath, I extends Input = {}>(
  fn: (c: Context<E, P, I>) => Coroutine<R | Promise<R>>,
): Handler<NoInfer<E>, NoInfer<P>, NoInfer<I>, R | Promise<R>> {
  checkHandler(fn, "handler(function* (c) { … })");
  return (c) => scopeFor(c).run<R>(fn(c), nameOf(c), abandoned as (reason: unknown) => R);
}

/**
 * Answers a request by a coroutine, in a plain handler, an error handler or wherever Hono's context is known with all its types. It is
 * the same as {@link handler} otherwise.
 *
 * @param c Hono's context
 * @param fn returns the response
 * @example
 * import { respond } from "@corio/http/hono";
 * import { sleep } from "corio";
 * import { Hono } from "hono";
 *
 * const app = new Hono();
 * app.get("/users/:id", (c) =>
 *   respond(c, function* () {
 *     yield* sleep(10);
 *     return c.json({ id: c.req.param("id") });
 *   }),
 * );
 */
export function respond<R extends Answer>(c: AnyContext, fn: () => Coroutine<R | Promise<R>>): R | Promise<R> {
  checkHandler(fn, "respond(c, function* () { … })");
  return scopeFor(c).run<R>(fn(), nameOf(c), abandoned as (reason: unknown) => R);
}

/**
 * Makes middleware for Hono of a coroutine function: `yield* next()` waits for what follows.
 *
 * When the request is cancelled, the coroutines that follow are first: what the middleware has opened for them, it closes after they
 * have ended.
 *
 * @param fn gets Hono's context, and `next`; may return a response
 * @example
 * import { middleware } from "@corio/http/hono";
 * import { Hono } from "hono";
 *
 * const app = new Hono();
 * app.use(
 *   middleware(function* (c, next) {
 *     const began = performance.now();
 *     yield* next();
 *     c.header("server-timing", `app;dur=${performance.now() - began}`);
 *   }),
 * );
 */
export function middleware<E extends Env = Env, P extends string = string, I extends Input = Input>(
  fn: (c: Context<E, P, I>, next: () => Coroutine<void>) => Coroutine<Response | Promise<Response> | void>,
): MiddlewareHandler<E, P, I> {
  checkHandler(fn, "middleware(function* (c, next) { … })");
  return async (c, next) => {
    const scope = scopeFor(c);
    const coroutine = fn(c, () => scope.follow(next));
    return scope.run<Response | void>(coroutine, `${nameOf(c)}, middleware`, abandoned);
  };
}

/**
 * A task group for the coroutine handler or middleware that runs. Its tasks are awaited before that ends, and so before the answer
 * goes out; if one fails, the handler and the other tasks are cancelled, and the app's `onError` gets the `ExceptionGroup`. In
 * middleware it lasts as long as all that follows.
 *
 * @param c the context of a coroutine handler
 * @throws a `CorioError` where no coroutine handler runs
 * @example
 * import { handler, taskGroup } from "@corio/http/hono";
 * import { type Coroutine, sleep } from "corio";
 * import { Hono } from "hono";
 *
 * function* writeAuditLog(path: string): Coroutine<void> {
 *   yield* sleep(10);
 *   console.log(path);
 * }
 * const app = new Hono();
 * app.post(
 *   "/orders",
 *   handler(function* (c) {
 *     taskGroup(c).createTask(writeAuditLog(c.req.path));
 *     yield* sleep(5);
 *     return c.json({ accepted: true }, 201);
 *   }),
 * );
 */
export function taskGroup(c: AnyContext): TaskGroup {
  return scopeFor(c).group;
}

/**
 * Middleware that an app needs first of all, for its coroutine handlers: where another server than `serve` runs it, and where some
 * middleware replaces the request (`c.req.raw`).
 *
 * @param options `loop`: what the handlers run on, unless `serve` has got the request; default the running loop, if there is one
 * @example
 * import { coroutines } from "@corio/http/hono";
 * import { Hono } from "hono";
 *
 * const app = new Hono().use(coroutines());
 */
export function coroutines(options: { loop?: EventLoop } = {}): MiddlewareHandler {
  const loop = options.loop ?? runningLoop();
  return async (c, next) => {
    const request = c.req.raw;
    const known = scopeOf(request);
    if (known !== undefined) {
      bindScope(c, known);
      return next();
    }
    if (loop === undefined)
      throw noScope(
        "no loop was running at `coroutines()`: make the app inside a coroutine, or give `coroutines({ loop })`",
      );
    const scope = new RequestScope(loop);
    bindScope(c, scope);
    bindScope(request, scope);
    const { signal } = request;
    const gone = (): void => scope.cancel(clientGone());
    if (signal.aborted) gone();
    else signal.addEventListener("abort", gone, { once: true });
    try {
      await next();
    } finally {
      signal.removeEventListener("abort", gone);
      if (!scope.isIdle) await loop.createTask(scope.end());
    }
  };
}

type Answer = Awaited<HandlerResponse<unknown>> & Response;

// Whose parameters are strings, whatever their names.
type SomePath = `/:${string}`;

type AnyContext = Pick<Context, "req">;

function scopeFor(c: AnyContext): RequestScope {
  const scope = scopeOf(c.req.raw) ?? scopeOf(c);
  if (scope !== undefined) return scope;
  throw noScope(
    "the request is of no loop: serve the app by `serve((request) => app.fetch(request))`, or install `app.use(coroutines())` before its routes",
  );
}

function nameOf({ req }: AnyContext): string {
  return `${req.method} ${req.path}`;
}

// For logs, as nobody receives it: what nginx writes of a client that has gone; and what the server says if that is not the reason.
function abandoned(reason: unknown): Response {
  const status = (reason as { code?: unknown } | undefined)?.code === "ERR_CORIO_CLIENT_GONE" ? 499 : 503;
  return new PlatformResponse(null, { status });
}

function runningLoop(): EventLoop | undefined {
  try {
    return getRunningLoop();
  } catch {
    return undefined;
  }
}
