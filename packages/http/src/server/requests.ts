import type { ServerResponse } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { type Context, copyContext, type EventLoop } from "corio";
import { HttpError } from "../errors/http-error.js";
import { hostOf } from "../messages/server-request.js";
import { isHost, isTarget } from "../messages/request-url.js";
import type { Outgoing } from "./answer.js";
import type { Connection } from "./connection.js";
import { Exchange, type Incoming, type Service, type UpgradeRequest } from "./exchange.js";
import type { RequestHandler, ServeSettings } from "./serve-options.js";

/** @internal The requests that a server has in flight, and those that wait for their turn. */
export class Requests implements Service {
  readonly loop: EventLoop;
  readonly handler: RequestHandler;
  readonly settings: ServeSettings;
  readonly scheme: string;
  readonly context: Context = copyContext();
  authority = "localhost";
  isClosing = false;
  readonly #queue = new Set<Exchange>();
  readonly #onEmpty: () => void;
  #handling = 0;
  #size = 0;

  /** @param onEmpty called when nothing is in flight any more */
  constructor(loop: EventLoop, handler: RequestHandler, settings: ServeSettings, onEmpty: () => void) {
    this.loop = loop;
    this.handler = handler;
    this.settings = settings;
    this.scheme = settings.tls === undefined ? "http" : "https";
    this.#onEmpty = onEmpty;
  }

  /** How many have no answer yet, or one that the client has not taken whole. */
  get size(): number {
    return this.#size;
  }

  accept(
    connection: Connection,
    incoming: Incoming,
    outgoing: Outgoing,
    expectsContinue: boolean,
    upgrade?: UpgradeRequest,
  ): void {
    // what comes behind the last answer of a connection has nobody to answer to
    if (connection.isEnding) return;
    if (isGone(connection, incoming, outgoing)) {
      connection.requestTakenBack();
      return;
    }
    const exchange = new Exchange(this, connection, incoming, outgoing, expectsContinue, upgrade);
    this.#size++;
    const broken = brokenRule(connection, incoming);
    if (broken !== undefined) exchange.refuse(new HttpError(broken, undefined, { headers: { connection: "close" } }));
    else if (this.#handling < this.settings.concurrency) this.#start(exchange);
    else if (this.#queue.size < this.settings.queueSize) this.#queue.add(exchange);
    else exchange.refuse(new HttpError(503, undefined, { headers: { "retry-after": "1" } }));
  }

  /** Cancels those that are in flight. */
  cancel(exchanges: Iterable<Exchange>, reason: unknown): void {
    for (const exchange of exchanges) {
      if (this.#queue.delete(exchange)) exchange.refuse(new HttpError(503));
      else exchange.shutDown(reason);
    }
  }

  _handled(exchange: Exchange): void {
    // one whose client went away before its turn has not been begun
    if (this.#queue.delete(exchange)) return;
    this.#handling--;
    if (this.#queue.size > 0) this.loop.callSoon(this.#startNext);
  }

  _over(exchange: Exchange): void {
    this.#size--;
    exchange.connection.ended(exchange);
    if (this.#size === 0) this.#onEmpty();
  }

  #start(exchange: Exchange): void {
    this.#handling++;
    exchange.start();
  }

  readonly #startNext = (): void => {
    for (const exchange of this.#queue) {
      if (this.#handling >= this.settings.concurrency) return;
      this.#queue.delete(exchange);
      this.#start(exchange);
    }
  };
}

// Before its turn came; nothing would tell of it any more.
function isGone({ isHttp2 }: Connection, incoming: Incoming, outgoing: Outgoing): boolean {
  if (isHttp2) return (incoming as Http2ServerRequest).stream.destroyed;
  return (outgoing as ServerResponse).destroyed || incoming.socket.destroyed;
}

/** The status for a request that has what llhttp lets pass and no server should. */
function brokenRule({ isHttp2 }: Connection, incoming: Incoming): number | undefined {
  if (isHttp2) {
    const authority = hostOf(incoming, true);
    const { host = authority } = incoming.headers;
    if (host !== authority || !isTarget(incoming.url as string)) return 400;
    return authority === undefined || isHost(authority) ? undefined : 400;
  }
  const { httpVersion, httpVersionMajor, headers } = incoming;
  if (httpVersionMajor !== 1) return httpVersionMajor > 1 ? 505 : 400;
  const { host, "transfer-encoding": encoding } = headers;
  if (encoding !== undefined) {
    // who speaks HTTP/1.0 in front of us would read it otherwise
    if (httpVersion === "1.0" || !/(?:^|,)[ \t]*chunked$/i.test(encoding)) return 400;
    if (encoding.toLowerCase() !== "chunked") return 501;
  }
  if (!isTarget(incoming.url as string)) return 400;
  if (host === undefined) return undefined;
  return isHost(host) && hostsIn(incoming.rawHeaders) === 1 ? undefined : 400;
}

function hostsIn(rawHeaders: readonly string[]): number {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  return hosts;
}
