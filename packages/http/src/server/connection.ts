import { constants, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Exchange } from "./exchange.js";
import type { ServeSettings } from "./serve-options.js";

/** @internal A connection of a client, and what is in flight on it. */
export abstract class Connection {
  abstract readonly isHttp2: boolean;
  /** Whether it has brought a request. */
  wasUsed = false;
  /** Whether it ends with an answer that has gone out already: what still comes is not looked at. */
  isEnding = false;
  /** The request that came last. */
  latest: Exchange | undefined;
  // one at a time, on most connections
  #one: Exchange | undefined;
  #others: Set<Exchange> | undefined;
  #onGoingAway: (() => void)[] | undefined;
  #onIdle: (() => void) | undefined;
  #goesAway = false;
  #onOver: (() => void) | undefined;

  /** Those that are in flight. */
  get exchanges(): Exchange[] {
    return [...(this.#one === undefined ? [] : [this.#one]), ...(this.#others ?? [])];
  }

  /** Whether nothing is in flight. */
  get isIdle(): boolean {
    return this.#one === undefined && (this.#others === undefined || this.#others.size === 0);
  }

  /** A request has come. */
  begun(exchange: Exchange): void {
    this.wasUsed = true;
    this.latest = exchange;
    if (this.#one === undefined) this.#one = exchange;
    else (this.#others ??= new Set()).add(exchange);
  }

  /** A request is over. */
  ended(exchange: Exchange): void {
    if (this.latest === exchange) this.latest = undefined;
    if (this.#one === exchange) this.#one = undefined;
    else this.#others?.delete(exchange);
    if (this.#goesAway) this.leave();
    if (!this.isIdle) return;
    this.#onOver?.();
    const onIdle = this.#onIdle;
    this.#onIdle = undefined;
    onIdle?.();
  }

  /** Calls back, once, when nothing is in flight any more. */
  whenIdle(callback: () => void): void {
    this.#onIdle = callback;
  }

  /**
   * It is closed. Node says it of the answer that is being sent, and not of those behind it.
   *
   * @param onOver called when the last of its requests has ended, which are cancelled now
   */
  closed(onOver: () => void): void {
    this.#onOver = onOver;
    if (this.isIdle) onOver();
    else for (const exchange of this.exchanges) exchange.closed();
  }

  /** No further request is to come by it. What has no request is closed now, what has one afterwards. */
  goAway(): void {
    if (this.#goesAway) return;
    this.#goesAway = true;
    for (const callback of this.#onGoingAway ?? []) callback();
    this.#onGoingAway = undefined;
    this.leave();
  }

  /** Sets what is called when it is to go away; at once if it is already. */
  onGoingAway(callback: () => void): void {
    if (this.#goesAway) callback();
    else (this.#onGoingAway ??= []).push(callback);
  }

  /** The client has taken a request back. */
  abstract requestTakenBack(): void;

  abstract destroy(): void;

  /** Closes it if nothing is in flight. */
  protected abstract leave(): void;
}

/** @internal */
export class Http1Connection extends Connection {
  readonly isHttp2 = false;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
  }

  requestTakenBack(): void {}

  destroy(): void {
    this.#socket.destroy();
  }

  protected leave(): void {
    const socket = this.#socket;
    if (!this.isIdle) return;
    // one that has just begun to send its first request is waited for, as long as headers may take
    if (!this.wasUsed && socket.bytesRead > 0) return;
    socket.destroySoon();
  }
}

// How long a connection that is cut may take to send what it has, in milliseconds.
const GRACE = 1_000;

// How long resets are counted, in milliseconds.
const RESET_WINDOW = 10_000;

/** @internal */
export class Http2Connection extends Connection {
  readonly isHttp2 = true;
  readonly #session: ServerHttp2Session;
  readonly #settings: ServeSettings;
  #socket: Socket | undefined;
  #resets = 0;
  #countedFrom = 0;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(session: ServerHttp2Session, settings: ServeSettings) {
    super();
    this.#session = session;
    this.#settings = settings;
    this.#idleFor(settings.headersTimeout);
  }

  override begun(exchange: Exchange): void {
    clearTimeout(this.#idleTimer);
    super.begun(exchange);
  }

  override ended(exchange: Exchange): void {
    super.ended(exchange);
    if (this.isIdle) this.#idleFor(this.#settings.keepAliveTimeout);
  }

  override closed(onOver: () => void): void {
    clearTimeout(this.#idleTimer);
    super.closed(onOver);
  }

  // Each request has cost work by then, and takes no place among those that may be open at once.
  requestTakenBack(): void {
    const now = performance.now();
    if (now - this.#countedFrom > RESET_WINDOW) {
      this.#countedFrom = now;
      this.#resets = 0;
    }
    if (++this.#resets <= this.#settings.maxStreamResets || this.#session.destroyed) return;
    // an error for its listeners, and what the client is told
    this.#session.destroy(constants.NGHTTP2_ENHANCE_YOUR_CALM as never);
  }

  /** What it stands on, which the session keeps to itself. */
  standsOn(socket: Socket): void {
    this.#socket = socket;
  }

  destroy(): void {
    this.#session.destroy();
    // Node ends it, and waits for the client's end, which it may never hear of
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return;
    socket.destroySoon();
    setTimeout(() => socket.destroy(), GRACE).unref();
  }

  protected leave(): void {
    // tells the client, and ends when the open streams have
    if (!this.#session.closed && !this.#session.destroyed) this.#session.close();
  }

  // Until a request begins; what comes of it before is no sign of life. Node has no such limit.
  #idleFor(limit: number | null): void {
    clearTimeout(this.#idleTimer);
    if (limit === null || this.#session.destroyed) return;
    this.#idleTimer = setTimeout(() => this.#session.destroy(), limit);
    this.#idleTimer.unref();
  }
}
