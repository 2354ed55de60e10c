import type { EventLoop, TimerHandle } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import {
  BodyTimeoutError,
  ConnectTimeoutError,
  HeadersTimeoutError,
  type RequestPhase,
  type RequestTimeoutError,
  TotalTimeoutError,
} from "../errors/request-timeout-error.js";

/**
 * The time limits of a request, in milliseconds; `null` for none. Each has an error of its own.
 *
 * @see https://docs.aiohttp.org/en/stable/client_reference.html#clienttimeout
 */
export interface RequestTimeouts {
  /** For all of it: waiting for a connection, redirects, retries and the body; default 300,000. */
  total?: number | null | undefined;
  /** Until a connection stands, the handshake of TLS included; default 30,000. */
  connect?: number | null | undefined;
  /** From when the connection stands until the headers of the answer are there; default none. */
  headers?: number | null | undefined;
  /** How long the body may stand still while somebody waits for it; default none. */
  body?: number | null | undefined;
}

/** @internal */
export type TimeLimits = Readonly<Record<RequestPhase, number>>;

const DEFAULTS: TimeLimits = {
  total: 300_000,
  connect: 30_000,
  headers: Number.POSITIVE_INFINITY,
  body: Number.POSITIVE_INFINITY,
};

/** @internal The limits, with those of `base` where none is given. */
export function timeLimits(timeouts: RequestTimeouts | undefined, base = DEFAULTS): TimeLimits {
  if (timeouts === undefined) return base;
  if (typeof timeouts !== "object" || timeouts === null) {
    throw invalidArgument("TIMEOUT", `timeout takes its parts: { timeout: { total: ${String(timeouts)} } }`);
  }
  const limits = { ...base };
  for (const [phase, given] of Object.entries(timeouts)) {
    if (!(phase in DEFAULTS)) {
      throw invalidArgument("TIMEOUT", `timeout has the parts total, connect, headers and body, not ${phase}`);
    }
    if (given === undefined) continue;
    const limit: unknown = given === null ? Number.POSITIVE_INFINITY : given;
    if (!(typeof limit === "number" && limit > 0)) {
      throw invalidArgument(
        "TIMEOUT",
        `timeout.${phase} is in milliseconds, more than 0, or null, not ${String(given)}`,
      );
    }
    limits[phase as RequestPhase] = limit;
  }
  return limits;
}

/**
 * @internal Watches over the time of one request, with one timer: it is set for the nearest limit, and moved only when it comes
 * too early. So what most requests pay is one timer that is set and cancelled.
 */
export class RequestClock {
  /** Who is told that the time is up, once: whatever the request waits for at the moment. */
  onTimeout: (error: RequestTimeoutError) => void = nobody;
  /** What was thrown, if the time is up. */
  error: RequestTimeoutError | undefined;
  /** For errors. */
  url: string;
  readonly #loop: EventLoop;
  readonly #limits: TimeLimits;
  readonly #began: number;
  /** Which part is going on; a request begins with a connection, which mostly stands already. */
  phase: Exclude<RequestPhase, "total"> | undefined = "connect";
  #phaseEnds: number;
  #timer: TimerHandle | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #over = false;

  constructor(loop: EventLoop, limits: TimeLimits, url: string) {
    this.#loop = loop;
    this.#limits = limits;
    this.url = url;
    this.#began = loop.time();
    this.#phaseEnds = this.#began + limits.connect;
    this.#setTimer();
  }

  /** When all of it has to be done, on the loop's clock. */
  get ends(): number {
    return this.#began + this.#limits.total;
  }

  /** How long it has lasted, in milliseconds. */
  get elapsed(): number {
    return this.#loop.time() - this.#began;
  }

  /** A part begins, and the one before is over; `undefined` is none. Each piece of a body begins its time anew. */
  begin(phase: Exclude<RequestPhase, "total"> | undefined): void {
    if (this.#over || (phase === this.phase && phase !== "body")) return;
    this.phase = phase;
    const limit = phase === undefined ? Number.POSITIVE_INFINITY : this.#limits[phase];
    this.#phaseEnds = limit === Number.POSITIVE_INFINITY ? limit : this.#loop.time() + limit;
    if (this.#phaseEnds < this.#timerAt) this.#setTimer();
  }

  /** The request is over. */
  stop(): void {
    this.#over = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.onTimeout = nobody;
  }

  #setTimer(): void {
    this.#timer?.cancel();
    const when = Math.min(this.ends, this.#phaseEnds);
    this.#timerAt = when;
    this.#timer = when === Number.POSITIVE_INFINITY ? undefined : this.#loop.callAt(when, this.#check);
  }

  readonly #check = (): void => {
    this.#timer = undefined;
    const now = this.#loop.time();
    if (now >= this.ends) this.#expire(new TotalTimeoutError(this.#limits.total, this.url));
    else if (this.phase !== undefined && now >= this.#phaseEnds) this.#expire(this.#phaseError(this.phase));
    else this.#setTimer();
  };

  #phaseError(phase: Exclude<RequestPhase, "total">): RequestTimeoutError {
    const limit = this.#limits[phase];
    if (phase === "connect") return new ConnectTimeoutError(limit, this.url);
    return phase === "headers" ? new HeadersTimeoutError(limit, this.url) : new BodyTimeoutError(limit, this.url);
  }

  #expire(error: RequestTimeoutError): void {
    const { onTimeout } = this;
    // a retry may go on after a part was too slow, but not when all of it was
    if (error.phase === "total") {
      this.error = error;
      this.stop();
    } else {
      this.phase = undefined;
      this.#phaseEnds = Number.POSITIVE_INFINITY;
      this.#setTimer();
    }
    onTimeout(error);
  }
}

function nobody(): void {}
