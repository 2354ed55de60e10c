import {
  CorioError,
  type Coroutine,
  type EventLoop,
  getRunningLoop,
  type TaskGroup,
  type TimerHandle,
  wait,
} from "corio";
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import { HttpError } from "../errors/http-error.js";
import { invalidArgument } from "../errors/invalid-argument.js";
import { bindScope, checkHandler, noScope, RequestScope, scopeOf } from "../messages/request-scope.js";
import { clientGone } from "../server/client-gone.js";

/** Options of {@link coroutines} for Fastify. */
export interface CoroutinesOptions {
  /** What the handlers run on; default the running loop. */
  loop?: EventLoop | undefined;
  /**
   * How long `app.close()` waits for the handlers that run, in milliseconds, before it cancels them; default 10,000, `null` for no
   * limit. Those clients are answered with 503.
   */
  shutdownTimeout?: number | null | undefined;
}

/**
 * The plugin that coroutine handlers need. Register it before the routes, inside a coroutine.
 *
 * A request's coroutines are cancelled when its client goes away, when Fastify's `handlerTimeout` is up, and when the app is closed
 * and does not wait any longer; their cleanup is waited for then.
 *
 * @example
 * import { coroutines, handler } from "@corio/http/fastify";
 * import { sleep, until } from "corio";
 * import { fastify } from "fastify";
 *
 * function* main() {
 *   const app = fastify();
 *   app.register(coroutines());
 *   app.get(
 *     "/slow",
 *     handler(function* () {
 *       yield* sleep(1_000);
 *       return { waited: true };
 *     }),
 *   );
 *   yield* until(app.listen({ port: 8080 }));
 * }
 */
export function coroutines(options: CoroutinesOptions = {}): FastifyPluginAsync {
  const { loop = getRunningLoop(), shutdownTimeout = 10_000 } = options;
  if (shutdownTimeout !== null && !(typeof shutdownTimeout === "number" && shutdownTimeout >= 0)) {
    throw invalidArgument(
      "SHUTDOWN_TIMEOUT",
      `shutdownTimeout is in milliseconds, from 0, or null, not ${String(shutdownTimeout)}`,
    );
  }
  const requests = new OpenRequests(loop);
  let timer: TimerHandle | undefined;
  const plugin: FastifyPluginAsync = async (app) => {
    app.addHook("onRequest", async (request, reply) => bindScope(request, requests.open(reply.raw)));
    app.addHook("onError", async (request, _reply, error) => {
      if (error.code === TIME_IS_UP && !loop.closed) loop.callFromHost(() => scopeOf(request)?.cancel(error));
    });
    // an answer, that of an error included, goes out when the tasks of the request's group have ended
    app.addHook("onSend", async (request) => {
      const scope = scopeOf(request);
      if (scope?.hasSharedGroup === true) await loop.createTask(scope.endShared());
    });
    app.addHook("preClose", async () => {
      if (shutdownTimeout !== null && !loop.closed) timer = loop.callLater(shutdownTimeout, () => requests.cancel());
    });
    app.addHook("onClose", async () => {
      await requests.ended();
      timer?.cancel();
    });
  };
  // for the whole app, and not only for the plugin's own routes
  return Object.assign(plugin, { [Symbol.for("skip-override")]: true });
}

/**
 * Makes a handler for Fastify of a coroutine function; or a hook (`onRequest`, `preHandler`, `onSend`, …). It
 * runs as a task of the request: cancelled when the client goes away, when its time is up, and when a task of the request's task
 * group fails.
 *
 * What it throws, Fastify's error handler gets. A handler that is cancelled because nobody waits for the answer any more is no error,
 * and for Fastify never ends.
 *
 * @param fn gets what Fastify gives: request, reply, and in some hooks the payload; what it returns is the answer
 * @example
 * import { handler } from "@corio/http/fastify";
 * import { sleep } from "corio";
 * import { fastify } from "fastify";
 *
 * const app = fastify();
 * app.get<{ Params: { id: string } }>(
 *   "/users/:id",
 *   handler(function* (request) {
 *     yield* sleep(10);
 *     return { id: request.params.id };
 *   }),
 * );
 */
export function handler<T, Request extends object = FastifyRequest, Reply = FastifyReply, This = unknown>(
  fn: (this: This, request: Request, reply: Reply, payload: unknown) => Coroutine<T>,
): (this: This, request: Request, reply: Reply, payload?: unknown) => Promise<T> {
  checkHandler(fn, "handler(function* (request, reply) { … })");
  // Fastify takes an async function of three parameters for one that has a callback as well
  return async function (this: This, request: Request, reply: Reply, ...[payload]: unknown[]): Promise<T> {
    return scopeFor(request).run(fn.call(this, request, reply, payload), nameOf(request), abandoned<T>);
  };
}

/**
 * Answers a request by a coroutine, in a plain handler or an error handler, where all types are known (those of HTTP/2, for one). It
 * is the same as {@link handler} otherwise.
 *
 * @param request Fastify's
 * @param fn what it returns is the answer
 * @example
 * import { respond } from "@corio/http/fastify";
 * import { sleep } from "corio";
 * import { fastify } from "fastify";
 *
 * const app = fastify();
 * app.setErrorHandler((error, request, reply) =>
 *   respond(request, function* () {
 *     yield* sleep(10);
 *     return reply.code(500).send({ error: String(error) });
 *   }),
 * );
 */
export async function respond<T>(request: object, fn: () => Coroutine<T>): Promise<T> {
  checkHandler(fn, "respond(request, function* () { … })");
  return scopeFor(request).run(fn(), nameOf(request), abandoned<T>);
}

/**
 * The task group of a request, which its hooks and its handler share. Its tasks are awaited before the answer goes out; if one fails,
 * the handler and the other tasks are cancelled, and Fastify's error handler gets the `ExceptionGroup`.
 *
 * @param request of a coroutine handler or hook
 * @throws a NoRunningLoopError outside of a coroutine
 * @example
 * import { handler, taskGroup } from "@corio/http/fastify";
 * import { type Coroutine, sleep } from "corio";
 * import { fastify } from "fastify";
 *
 * function* writeAuditLog(url: string): Coroutine<void> {
 *   yield* sleep(10);
 *   console.log(url);
 * }
 * const app = fastify();
 * app.addHook(
 *   "preHandler",
 *   handler(function* (request) {
 *     taskGroup(request).createTask(writeAuditLog(request.url)); // goes on beside the handler
 *   }),
 * );
 */
export function taskGroup(request: object): TaskGroup {
  return scopeFor(request).sharedGroup;
}

/** The requests that have come and are not over. */
class OpenRequests {
  readonly #loop: EventLoop;
  readonly #scopes = new Set<RequestScope>();

  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  open(answer: RawAnswer): RequestScope {
    const scope = new RequestScope(this.#loop);
    this.#scopes.add(scope);
    answer.once("close", () => {
      if (!this.#loop.closed) this.#loop.callFromHost(this.#closed, scope, answer);
    });
    return scope;
  }

  /** They are not waited for any longer. */
  cancel(): void {
    for (const scope of this.#scopes) scope.cancel(shuttingDown());
  }

  /** Waits until all that runs for them has ended. */
  async ended(): Promise<void> {
    const loop = this.#loop;
    if (loop.closed || this.#scopes.size === 0) return;
    await loop.createTask(wait([...this.#scopes].map((scope) => loop.createTask(scope.end()))));
  }

  readonly #closed = (scope: RequestScope, answer: RawAnswer): void => {
    // over HTTP/2 Node calls one that was aborted finished as well; but nobody has ended it
    if (!answer.writableEnded) scope.cancel(clientGone());
    if (scope.isIdle) this.#scopes.delete(scope);
    else this.#loop.createTask(scope.end()).addDoneCallback(() => this.#scopes.delete(scope));
  };
}

interface RawAnswer {
  readonly writableEnded: boolean;
  once(event: "close", listener: () => void): unknown;
}

// Of newer Fastify, which answers then.
const TIME_IS_UP = "FST_ERR_HANDLER_TIMEOUT";

function scopeFor(request: object): RequestScope {
  const scope = scopeOf(request);
  if (scope !== undefined) return scope;
  throw noScope("the request is of no loop: register the plugin before the routes, `app.register(coroutines())`");
}

function nameOf(request: object): string {
  const { method, url } = request as { method?: unknown; url?: unknown };
  return `${String(method)} ${String(url)}`;
}

function abandoned<T>(reason: unknown): Promise<T> {
  if ((reason as { code?: unknown } | undefined)?.code === SHUTDOWN) throw new HttpError(503);
  // nobody is to be answered, and of that Fastify knows nothing
  return new Promise(() => {});
}

const SHUTDOWN = "ERR_CORIO_SHUTDOWN";

function shuttingDown(): CorioError {
  return new CorioError(SHUTDOWN, "the app is being closed, and the request has taken too long");
}
