import { type EventLoop, TimeoutError, type TimerHandle } from "corio";

/** @internal What a heartbeat needs of a connection. */
export interface Beating {
  ping(): void;
  /** A number that is another one whenever something has come from the peer. */
  readonly signsOfLife: number;
  /** Whether nothing is read, so that silence says nothing. */
  readonly deaf: boolean;
  /** The peer has gone. */
  lost(error: TimeoutError): void;
}

/**
 * @internal Finds out whether the peer is still there.
 *
 *   ──interval──> ping ──interval / 2──> a sign of life? ──interval / 2──> ping …
 *                                         └─ none ──> lost
 */
export class Heartbeat {
  readonly #loop: EventLoop;
  readonly #interval: number;
  readonly #connection: Beating;
  #signs = 0;
  #timer: TimerHandle;

  /** @param interval in milliseconds */
  constructor(loop: EventLoop, interval: number, connection: Beating) {
    this.#loop = loop;
    this.#interval = interval;
    this.#connection = connection;
    this.#timer = loop.callLater(interval, this.#beat);
  }

  stop(): void {
    this.#timer.cancel();
  }

  readonly #beat = (): void => {
    this.#signs = this.#connection.signsOfLife;
    this.#timer = this.#loop.callLater(this.#interval / 2, this.#check);
    this.#connection.ping();
  };

  readonly #check = (): void => {
    const connection = this.#connection;
    if (connection.signsOfLife === this.#signs && !connection.deaf) {
      const waited = this.#interval / 2;
      connection.lost(new TimeoutError(`the peer has gone: it has answered no ping within ${waited} ms`));
      return;
    }
    this.#timer = this.#loop.callLater(this.#interval / 2, this.#beat);
  };
}
