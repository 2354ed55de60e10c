import { type Coroutine, type EventLoop, type Future, sleep } from "corio";
import { fail } from "../errors/fail.js";
import type { CookieJar } from "./cookie-jar.js";
import type { Dispatcher } from "undici";
import { ClientConnectionError, RedirectError, ServerDisconnectedError } from "../errors/client-error.js";
import { ConnectTimeoutError, HeadersTimeoutError } from "../errors/request-timeout-error.js";
import { ClientResponse, type FollowedRedirect, headersOf } from "./client-response.js";
import type { Connection } from "./connection.js";
import type { ConnectionPool } from "./connection-pool.js";
import { Exchange, type ResponseHead } from "./exchange.js";
import type { OutgoingHeaders } from "./outgoing-headers.js";
import { REFUSED } from "./http2-connection.js";
import { type Hop, locationOf, redirected } from "./redirect.js";
import type { PreparedBody } from "./request-body.js";
import { RequestClock, type TimeLimits } from "./request-timeouts.js";
import { delayAfter, IDEMPOTENT, type Retries, retryAfter } from "./retry-policy.js";
import { type RequestTrace, Trace } from "./request-trace.js";

/** @internal What the requests of a session share. */
export interface SessionState {
  readonly loop: EventLoop;
  readonly pool: ConnectionPool;
  readonly cookies: CookieJar | null;
  /** Whether there may be cookies in the jar: looking them up costs more than the rest. */
  mayHaveCookies(): boolean;
  /** There are. */
  gotCookies(): void;
  readonly trace: RequestTrace | undefined;
}

/** @internal A request as it is to be made: all options settled. */
export interface RequestPlan {
  readonly method: string;
  readonly url: URL;
  readonly headers: OutgoingHeaders;
  readonly body: PreparedBody;
  readonly limits: TimeLimits;
  readonly redirects: number | "manual" | "error";
  readonly retries: Retries;
  readonly maxBodySize: number | undefined;
  readonly decompress: boolean;
  readonly raiseForStatus: boolean;
}

/**
 * @internal Makes a request: sends it, follows redirects, tries again.
 *
 * *If cancelled*, it is aborted and its connection is free.
 */
export function* perform(session: SessionState, plan: RequestPlan): Coroutine<ClientResponse> {
  const run = new RequestRun(session, plan);
  try {
    for (;;) {
      let exchange: Exchange | undefined;
      let head: ResponseHead;
      try {
        exchange = run.exchange(run.connection() ?? (yield* run.waitForConnection()));
        head = yield* exchange.head;
      } catch (error) {
        exchange?.abort(error);
        const delay = run.delayAfterError(error, exchange);
        if (delay > 0) yield* sleep(delay);
        continue;
      }
      const delay = run.delayAfterAnswer(exchange, head);
      if (delay === undefined) return run.response(exchange, head);
      if (delay > 0) yield* sleep(delay);
    }
  } catch (error) {
    const closing = run.over(error);
    if (closing !== undefined) yield* closing;
    throw error;
  }
}

class RequestRun {
  readonly #session: SessionState;
  readonly #plan: RequestPlan;
  readonly #clock: RequestClock;
  readonly #trace: Trace | undefined;
  readonly #followed: FollowedRedirect[] = [];
  #hop: Hop;
  #attempt = 1;
  #wasStale = false;
  #refusals = 0;
  // what came of the body before it was known whether this is the answer
  #early: number[] | undefined = [];

  constructor(session: SessionState, plan: RequestPlan) {
    const { method, url, headers, body } = plan;
    this.#session = session;
    this.#plan = plan;
    this.#hop = { method, url, headers, hasBody: body.body !== null };
    this.#clock = new RequestClock(session.loop, plan.limits, url.href);
    this.#trace = session.trace && new Trace(session.loop, session.trace, this.#clock, { method, url: url.href });
    this.#trace?.tell("onStart", { headers });
  }

  /** Nothing more comes: the body is at its end, or there was an error. */
  over(error: unknown): Future<void> | undefined {
    this.#clock.stop();
    this.#trace?.tell("onEnd", { error });
    return this.#plan.body.close();
  }

  /** A connection for the next hop, if there is one at once. */
  connection(): Connection | undefined {
    const { pool } = this.#session;
    return pool.take(pool.hostOf(this.#hop.url));
  }

  *waitForConnection(): Coroutine<Connection> {
    const { pool } = this.#session;
    const host = pool.hostOf(this.#hop.url);
    this.#trace?.tell("onQueued", {});
    const place = pool.wait(host);
    this.#clock.begin(undefined);
    this.#clock.onTimeout = (error) => fail(place, error);
    try {
      return yield* place;
    } catch (error) {
      // it may have come in the moment in which the task was cancelled
      if (place.done && !place.cancelled && place.exception() === undefined) pool.putBack(place.result());
      else place.cancel();
      throw error;
    }
  }

  /** Sends the next hop. */
  exchange(connection: Connection): Exchange {
    const { loop, pool } = this.#session;
    const { error } = this.#clock;
    if (error !== undefined) {
      // the time was up in the moment in which a place came, or a pause was over
      pool.putBack(connection);
      throw error;
    }
    const { decompress, maxBodySize, body } = this.#plan;
    const trace = this.#trace;
    const { url, method, hasBody } = this.#hop;
    const exchange = new Exchange(loop, pool, connection, this.#clock, {
      url: url.href,
      decompress: decompress && method !== "HEAD",
      maxBodySize,
      ofTheBody: (error) => body.failure?.error === error,
      onChunk: this.#trace?.has("onChunk") ? (bytes) => this.#gotChunk(bytes) : undefined,
    });
    this.#early = [];
    trace?.tell("onSend", { url: url.href, attempt: this.#attempt, reused: exchange.reused });
    const { absoluteForm, headers } = connection.host.route;
    exchange.start({
      method,
      path: absoluteForm ? url.href : url.pathname + url.search,
      headers: this.#headers(absoluteForm ? { host: url.host, ...headers } : undefined),
      // its types do not know that undici takes iterables
      body: hasBody ? (body.body as Dispatcher.DispatchOptions["body"] & {}) : null,
    });
    return exchange;
  }

  #headers(ofTheProxy: OutgoingHeaders | undefined): OutgoingHeaders {
    const { headers, url } = this.#hop;
    const { cookies: jar } = this.#session;
    const cookies = this.#session.mayHaveCookies() ? jar?.getCookieStringSync(url.href) : undefined;
    if (!cookies && ofTheProxy === undefined) return headers;
    const all = { ...ofTheProxy, ...headers };
    if (cookies) all["cookie"] = headers["cookie"] === undefined ? cookies : `${String(headers["cookie"])}; ${cookies}`;
    return all;
  }

  #keepCookies({ headers }: ResponseHead): void {
    const cookies = headers["set-cookie"];
    if (cookies === undefined || this.#session.cookies === null) return;
    this.#session.gotCookies();
    for (const cookie of [cookies].flat()) {
      this.#session.cookies.setCookieSync(cookie, this.#hop.url.href, { ignoreError: true });
    }
  }

  /** How long to wait before the next hop or attempt, in milliseconds; `undefined` if this is the answer. */
  delayAfterAnswer(exchange: Exchange, head: ResponseHead): number | undefined {
    this.#keepCookies(head);
    if (this.#follow(exchange, head)) return 0;
    const delay = this.#delayAfterStatus(head);
    if (delay === undefined) return undefined;
    leave(exchange);
    return this.#again(delay, undefined, head.status);
  }

  /** Whether it is a redirect that is followed. */
  #follow(exchange: Exchange, { status, headers }: ResponseHead): boolean {
    const { redirects, body } = this.#plan;
    const location = locationOf(status, headers["location"]);
    if (location === undefined || redirects === "manual") return false;
    leave(exchange);
    const { href } = this.#hop.url;
    if (redirects === "error") throw new RedirectError(`redirected to ${location}, and redirects is "error"`, href);
    if (this.#followed.length >= redirects) {
      throw new RedirectError(`redirected more than ${redirects} times, at last to ${location}`, href);
    }
    const next = redirected(this.#hop, status, location);
    if (next.hasBody && !body.replayable) {
      throw new RedirectError(`redirected to ${location} with a body that cannot be sent again: give bytes`, href);
    }
    this.#trace?.tell("onRedirect", { status, url: href, location: next.url.href });
    this.#followed.push({ status, url: href });
    this.#hop = next;
    this.#attempt = 1;
    this.#clock.url = next.url.href;
    return true;
  }

  /** How long to wait before it is tried again, in milliseconds. Throws the error if it is not. */
  delayAfterError(error: unknown, exchange: Exchange | undefined): number {
    if (exchange === undefined || this.#clock.error !== undefined) throw error;
    if (isRefused(error) && this.#canRepeat && this.#refusals++ < MOST_REFUSALS) return 0;
    if (exchange.reused && error instanceof ServerDisconnectedError && this.#mayRepeat(IDEMPOTENT)) {
      // the server has closed a connection that was kept alive: that is no failure of the request, once
      this.#session.pool.discardIdle(exchange.connection.host);
      if (!this.#wasStale && this.#plan.retries.stale) {
        this.#wasStale = true;
        return 0;
      }
    }
    const passing =
      error instanceof ClientConnectionError ||
      error instanceof ConnectTimeoutError ||
      error instanceof HeadersTimeoutError;
    const { retries } = this.#plan;
    if (!passing || this.#attempt >= retries.attempts || !this.#mayRepeat(retries.methods)) throw error;
    const delay = delayAfter(this.#attempt, retries);
    if (this.#outlasts(delay)) throw error;
    return this.#again(delay, error, undefined);
  }

  #delayAfterStatus({ status, headers }: ResponseHead): number | undefined {
    const { retries } = this.#plan;
    if (this.#attempt >= retries.attempts || !retries.statuses.has(status)) return undefined;
    if (!this.#mayRepeat(retries.methods)) return undefined;
    const wished = retryAfter(headers["retry-after"]);
    const delay = Math.max(wished ?? 0, delayAfter(this.#attempt, retries));
    return delay > retries.maxDelay || this.#outlasts(delay) ? undefined : delay;
  }

  #mayRepeat(methods: ReadonlySet<string>): boolean {
    return methods.has(this.#hop.method) && this.#canRepeat;
  }

  get #canRepeat(): boolean {
    return !this.#hop.hasBody || this.#plan.body.replayable;
  }

  #outlasts(delay: number): boolean {
    return this.#session.loop.time() + delay >= this.#clock.ends;
  }

  #gotChunk(bytes: number): void {
    if (this.#early === undefined) this.#trace?.tell("onChunk", { bytes });
    else this.#early.push(bytes);
  }

  #again(delay: number, error: unknown, status: number | undefined): number {
    this.#trace?.tell("onRetry", { attempt: this.#attempt, delay, error, status });
    this.#attempt++;
    return delay;
  }

  response(exchange: Exchange, head: ResponseHead): ClientResponse {
    const { url, method } = this.#hop;
    if (this.#trace?.has("onResponse")) {
      this.#trace.tell("onResponse", { url: url.href, status: head.status, headers: headersOf(head.headers) });
    }
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const bytes of early) this.#trace?.tell("onChunk", { bytes });
    const response = new ClientResponse(exchange, head, method, url.href, this.#followed);
    if (this.#plan.raiseForStatus) response.raiseForStatus();
    exchange.whenOver((error) => void this.over(error));
    return response;
  }
}

/** Done with an answer whose body is nobody's. If all of it is there already, as it mostly is, its connection stays open. */
function leave(exchange: Exchange): void {
  exchange.abort(new Error("the answer was not read"));
}

// An HTTP/2 server says of these that it has not begun with them: they may be sent again, whatever the method.
const MOST_REFUSALS = 3;

function isRefused(error: unknown): boolean {
  if (!(error instanceof ServerDisconnectedError)) return false;
  return (error.cause as { code?: unknown } | undefined)?.code === REFUSED;
}
