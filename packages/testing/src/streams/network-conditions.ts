/** A number, or two between which one is drawn by the seed each time. */
export type Drawn = number | readonly [from: number, to: number];

/**
 * What a network in memory does to its connections. By default nothing: what is written arrives in the next iteration of the
 * loop. What is drawn by chance is drawn by the seed, for each connection on its own.
 */
export interface NetworkConditions {
  /** How long everything takes from one side to the other, each way, in milliseconds; default 0. What was sent earlier arrives no later. */
  readonly latency?: Drawn | undefined;
  /** How many bytes a second each direction of a connection carries; default no bound. */
  readonly bandwidth?: number | undefined;
  /**
   * How likely a segment is lost on its way, from 0, the default, to less than 1. Nothing is missing in the end: as with TCP it is sent
   * again after `retransmission`, twice that when it is lost again, and what follows it waits for it.
   */
  readonly loss?: number | undefined;
  /** How long it takes until a lost segment is sent again for the first time, in milliseconds; default 200. */
  readonly retransmission?: number | undefined;
  /** How likely the connection breaks in place of a segment's arrival, from 0, the default, to 1: both sides get ECONNRESET. */
  readonly disconnect?: number | undefined;
  /** After how many bytes, those of both directions together, each connection breaks: both sides get ECONNRESET. Default never. */
  readonly disconnectAfter?: Drawn | undefined;
  /** How many bytes travel together at most; default 16 KiB. With `[1, 10]` a program shows whether it counts on how bytes are cut. */
  readonly segment?: Drawn | undefined;
  /**
   * How many bytes of a direction may be under way, or have arrived while the receiver does not read; more wait at the sender. Default
   * 64 KiB, or twice what `bandwidth` carries within the latency if that is more. Without `bandwidth` a connection carries at most
   * a window per latency.
   */
  readonly window?: number | undefined;
  /** What chance goes by; default 1. The same seed gives the same run. */
  readonly seed?: number | undefined;
}

const SEGMENT = 16 * 1024;
const WINDOW = 64 * 1024;
const RETRANSMISSION = 200;

/** Conditions that were checked, with their defaults. */
export class CheckedConditions {
  readonly latency: readonly [number, number];
  readonly bandwidth: number;
  readonly loss: number;
  readonly retransmission: number;
  readonly disconnect: number;
  readonly disconnectAfter: readonly [number, number];
  readonly segment: readonly [number, number];
  readonly window: number;
  readonly seed: number;

  constructor(conditions: NetworkConditions) {
    const {
      bandwidth = Number.POSITIVE_INFINITY,
      loss = 0,
      retransmission = RETRANSMISSION,
      disconnect = 0,
      seed = 1,
    } = conditions;
    this.latency = between("latency", conditions.latency ?? 0, 0, "milliseconds, 0 or more");
    this.bandwidth = bandwidth > 0 ? bandwidth : refuse("bandwidth", bandwidth, "bytes per second, more than 0");
    this.loss = loss >= 0 && loss < 1 ? loss : refuse("loss", loss, "a probability, from 0 to less than 1");
    this.retransmission =
      retransmission > 0 ? retransmission : refuse("retransmission", retransmission, "milliseconds, more than 0");
    this.disconnect =
      disconnect >= 0 && disconnect <= 1 ? disconnect : refuse("disconnect", disconnect, "a probability, from 0 to 1");
    this.disconnectAfter = wholeBetween("disconnectAfter", conditions.disconnectAfter ?? Number.POSITIVE_INFINITY, 0);
    this.segment = wholeBetween("segment", conditions.segment ?? SEGMENT, 1);
    [this.window] = wholeBetween("window", conditions.window ?? this.#usualWindow, 1);
    this.seed = Number.isFinite(seed) ? seed : refuse("seed", seed, "a number");
  }

  get #usualWindow(): number {
    if (this.bandwidth === Number.POSITIVE_INFINITY) return WINDOW;
    return Math.max(WINDOW, Math.ceil((2 * this.bandwidth * this.latency[1]) / 1000));
  }
}

function wholeBetween(option: string, value: Drawn, least: number): readonly [number, number] {
  const what = `bytes, a whole number from ${least}`;
  const both = between(option, value, least, what);
  return both.every((one) => Number.isInteger(one) || one === Number.POSITIVE_INFINITY)
    ? both
    : refuse(option, value, what);
}

function between(option: string, value: Drawn, least: number, what: string): readonly [number, number] {
  const [from, to] = typeof value === "number" ? [value, value] : value;
  const isRange = from >= least && to >= from && (from === to || to < Number.POSITIVE_INFINITY);
  return isRange
    ? [from, to]
    : refuse(option, value, typeof value === "number" ? what : `${what}, or two of them in order`);
}

function refuse(option: string, value: unknown, what: string): never {
  const text = Array.isArray(value) ? `[${value.join(", ")}]` : String(value);
  throw Object.assign(new RangeError(`${option} is ${what}, not ${text}`), { code: "ERR_CORIO_NETWORK" });
}
