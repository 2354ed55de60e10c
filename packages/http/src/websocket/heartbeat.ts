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

// In milliseconds.
const MOMENT = 10;

/**
 * @internal Finds out whether the peer is still there.
 *
 *   ──interval──> ping ──interval / 2──> a sign of life? ──interval / 2──> ping …
 *                                         └─ none ──a moment──> still none? ──> lost
 *
 * The moment is for a loop that was held up: what has come meanwhile is read after its timers.
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
    const [next, after] = this.#isSilent ? [this.#judge, MOMENT] : [this.#beat, this.#interval / 2];
    this.#timer = this.#loop.callLater(after, next);
  };

  readonly #judge = (): void => {
    if (this.#isSilent) {
      const text = `the peer has gone: it has answered no ping within ${this.#interval / 2} ms`;
      this.#connection.lost(new TimeoutError(text));
    } else this.#timer = this.#loop.callLater(this.#interval / 2, this.#beat);
  };

  get #isSilent(): boolean {
    return this.#connection.signsOfLife === this.#signs && !this.#connection.deaf;
  }
}
