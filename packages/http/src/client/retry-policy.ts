import { invalidArgument } from "../errors/invalid-argument.js";

/**
 * When a request is sent again that failed: there was no connection, no answer, or one that says "later".
 *
 * Only what may be sent twice is: the methods of `methods`, and bodies that can be read again (not streams and generators).
 */
export interface RetryPolicy {
  /** How often it is sent in all; default 3. */
  attempts?: number;
  /** The first delay, in milliseconds; default 250. It is at most doubled by chance. */
  delay?: number;
  /** By what the delay grows from one attempt to the next; default 2. */
  factor?: number;
  /** The longest delay, in milliseconds; default 30,000. A server that asks for more, by `Retry-After`, is not asked again. */
  maxDelay?: number;
  /** How much of the delay is left to chance, from 0 to 1; default 0.5. */
  jitter?: number;
  /** Default those that RFC 9110 calls idempotent: GET, HEAD, OPTIONS, TRACE, PUT, DELETE. */
  methods?: readonly string[];
  /** Which answers are no final ones; default 408, 429, 500, 502, 503 and 504. */
  statuses?: readonly number[];
  /**
   * Whether an idempotent request over a kept-alive connection that turns out to be closed is sent again at once, and that counts for
   * no attempt; default true, without a policy, too.
   */
  stale?: boolean;
}

/** @internal */
export interface Retries {
  readonly attempts: number;
  readonly delay: number;
  readonly factor: number;
  readonly maxDelay: number;
  readonly jitter: number;
  readonly methods: ReadonlySet<string>;
  readonly statuses: ReadonlySet<number>;
  readonly stale: boolean;
}

/** @internal RFC 9110, 9.2.2. */
export const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

const DEFAULTS: Retries = {
  attempts: 3,
  delay: 250,
  factor: 2,
  maxDelay: 30_000,
  jitter: 0.5,
  methods: IDEMPOTENT,
  statuses: new Set([408, 429, 500, 502, 503, 504]),
  stale: true,
};

const NEVER: Retries = { ...DEFAULTS, attempts: 1 };

/** @internal A number is how often in all. */
export function retriesOf(given: number | RetryPolicy | undefined, base = NEVER): Retries {
  if (given === undefined) return base;
  const policy = typeof given === "number" ? { attempts: given } : given;
  if (typeof policy !== "object" || policy === null) {
    throw invalidArgument("RETRY", `retry takes a number of attempts, or a policy: { retry: { attempts: 3 } }`);
  }
  const { attempts, delay, factor, maxDelay, jitter, methods, statuses, stale } = { ...DEFAULTS, ...policy };
  if (!(Number.isInteger(attempts) && attempts >= 1) && attempts !== Number.POSITIVE_INFINITY) {
    throw invalidArgument("RETRY", `retry.attempts counts the first one, too: at least 1, not ${String(attempts)}`);
  }
  for (const [name, value, most] of [
    ["delay", delay, Number.MAX_VALUE],
    ["factor", factor, Number.MAX_VALUE],
    ["maxDelay", maxDelay, Number.POSITIVE_INFINITY],
    ["jitter", jitter, 1],
  ] as const) {
    if (!(value >= 0 && value <= most)) throw invalidArgument("RETRY", `retry.${name} cannot be ${String(value)}`);
  }
  return {
    attempts,
    delay,
    factor,
    maxDelay,
    jitter,
    methods: new Set([...methods].map((method) => method.toUpperCase())),
    statuses: new Set(statuses),
    stale,
  };
}

/** @internal How long to wait before the attempt after this one, in milliseconds. */
export function delayAfter(
  attempt: number,
  { delay, factor, maxDelay, jitter }: Retries,
  random = Math.random,
): number {
  const grown = factor ** Math.min(attempt - 1, 1000);
  const full = Math.min(delay * Math.min(grown, Number.MAX_VALUE), maxDelay);
  return full * (1 - jitter * random());
}

/**
 * @internal What the server asks for, in milliseconds.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 */
export function retryAfter(header: string | string[] | undefined, now = Date.now()): number | undefined {
  const text = (Array.isArray(header) ? header[0] : header)?.trim();
  if (text === undefined || text === "") return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  if (!/^[a-z]{3,9},? /i.test(text)) return undefined; // a date begins with its day; Date.parse takes what is none
  const when = Date.parse(text);
  return Number.isNaN(when) ? undefined : Math.max(0, when - now);
}
