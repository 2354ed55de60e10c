import { constants, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";

/** @internal A connection of a client, and what is in flight on it. */
export abstract class Connection {
  /** How many requests are in flight on it. */
  inFlight = 0;
  /** Whether it has brought a request. */
  wasUsed = false;
  #onGoingAway: (() => void)[] | undefined;
  #goesAway = false;

  /** No further request is to come by it. What has no request is closed now, what has one afterwards. */
  goAway(): void {
    if (this.#goesAway) return;
    this.#goesAway = true;
    for (const callback of this.#onGoingAway ?? []) callback();
    this.#onGoingAway = undefined;
    this.leave();
  }

  /** What is called when it is to go away; at once if it is already. */
  onGoingAway(callback: () => void): void {
    if (this.#goesAway) callback();
    else (this.#onGoingAway ??= []).push(callback);
  }

  /** A request is over. */
  ended(): void {
    this.inFlight--;
    if (this.#goesAway) this.leave();
  }

  /** The client has taken a request back. */
  abstract requestTakenBack(): void;

  abstract destroy(): void;

  /** Closes it if nothing is in flight. */
  protected abstract leave(): void;
}

/** @internal */
export class Http1Connection extends Connection {
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
    if (this.inFlight > 0) return;
    // one that has just begun to send its first request is waited for, as long as headers may take
    if (!this.wasUsed && socket.bytesRead > 0) return;
    socket.destroySoon();
  }
}

// How long resets are counted, in milliseconds.
const RESET_WINDOW = 10_000;

/** @internal */
export class Http2Connection extends Connection {
  readonly #session: ServerHttp2Session;
  readonly #maxResets: number;
  #resets = 0;
  #countedFrom = 0;

  constructor(session: ServerHttp2Session, maxResets: number) {
    super();
    this.#session = session;
    this.#maxResets = maxResets;
  }

  // Each request has cost work by then, and takes no place among those that may be open at once.
  requestTakenBack(): void {
    const now = performance.now();
    if (now - this.#countedFrom > RESET_WINDOW) {
      this.#countedFrom = now;
      this.#resets = 0;
    }
    if (++this.#resets <= this.#maxResets || this.#session.destroyed) return;
    this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    this.#session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  destroy(): void {
    this.#session.destroy();
  }

  protected leave(): void {
    // tells the client, and ends when the open streams have
    if (!this.#session.closed && !this.#session.destroyed) this.#session.close();
  }
}
