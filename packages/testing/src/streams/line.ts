import type { EventLoop, Handle } from "corio";
import type { CheckedConditions } from "./network-conditions.js";
import type { Weather } from "./weather.js";

/** Where a line ends. */
export interface LineEnd {
  /** Bytes have arrived. */
  receive(piece: Buffer): void;
  /** The connection breaks. */
  break(): void;
}

/** What waits to be sent: bytes, or a signal that stays in its place between them. */
interface Waiting {
  readonly data: Uint8Array;
  sent: number;
  readonly signal: (() => void) | undefined;
  readonly onSent: (() => void) | undefined;
}

interface UnderWay {
  arrival: number;
  readonly arrive: () => void;
}

const NOTHING = new Uint8Array(0);

/**
 * One direction of a connection. Keeps the order, and the time by the loop's clock; has at most two timers, one for each arrow
 * that takes time.
 *
 *   send() ──> waits ──(bandwidth, room in the window)──> under way ──(latency, loss)──> arrives ──> taken()
 *              └ waiting ┘                                └────────────── the window ──────────────┘
 */
export class Line {
  readonly #loop: EventLoop;
  readonly #weather: Weather;
  readonly #end: LineEnd;
  readonly #bandwidth: number;
  readonly #window: number;
  #queue: Waiting[] = [];
  #waiting = 0;
  // the end of the segment that is just being sent
  #sending: Handle | undefined;
  #inWindow = 0;
  // how large the next segment is at most, once that was drawn
  #segment: number | undefined;
  #underWay: UnderWay[] = [];
  // wakes this line for the first that is under way
  #arrival: Handle | undefined;
  #cut: boolean;

  /** @param cut whether nothing arrives before {@link mend} */
  constructor(loop: EventLoop, conditions: CheckedConditions, weather: Weather, end: LineEnd, cut: boolean) {
    this.#loop = loop;
    this.#weather = weather;
    this.#end = end;
    this.#bandwidth = conditions.bandwidth;
    this.#window = conditions.window;
    this.#cut = cut;
  }

  /** How many bytes wait to be sent; as with a socket of Node, a piece counts until all of it has left. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Sends bytes; `onSent` is called when all of them have left. */
  send(data: Uint8Array, onSent?: () => void): void {
    this.#waiting += data.length;
    this.#add({ data, sent: 0, signal: undefined, onSent });
  }

  /** Sends what is no bytes: `signal` is called when it arrives, `onSent` when it has left. */
  signal(signal: () => void, onSent?: () => void): void {
    this.#add({ data: NOTHING, sent: 0, signal, onSent });
  }

  /** The receiver has taken so many bytes: there is room for others. */
  taken(size: number): void {
    this.#inWindow -= size;
    this.#pump();
  }

  /** Forgets what waits. What has left is still under way. */
  dropWaiting(): void {
    this.#queue = [];
    this.#waiting = 0;
  }

  /** Nothing arrives from now on. */
  cut(): void {
    this.#cut = true;
    this.#arrival?.cancel();
    this.#arrival = undefined;
  }

  /** Ends {@link cut}. What is under way, or was lost meanwhile, arrives as if it was sent now. */
  mend(): void {
    this.#cut = false;
    for (const segment of this.#underWay) segment.arrival = this.#nextArrival();
    this.#awaitArrival();
  }

  /** Both sides are gone. No timer is left. */
  stop(): void {
    this.cut();
    this.dropWaiting();
    this.#sending?.cancel();
    this.#underWay = [];
  }

  #add(waiting: Waiting): void {
    this.#queue.push(waiting);
    this.#pump();
  }

  #pump(): void {
    for (;;) {
      const [first] = this.#queue;
      if (first === undefined || this.#sending !== undefined) return;
      const left = first.data.length - first.sent;
      if (left === 0) {
        this.#queue.shift();
        this.#waiting -= first.data.length;
        if (first.signal !== undefined) this.#depart(first.signal);
        first.onSent?.();
        continue;
      }
      this.#segment ??= Math.min(this.#weather.segment(), this.#window);
      const size = Math.min(left, this.#segment);
      // what the room that there is would cut short waits for more: or segments would become ever smaller
      if (size > this.#window - this.#inWindow) return;
      this.#segment = undefined;
      this.#sendSegment(first, size);
    }
  }

  #sendSegment(from: Waiting, size: number): void {
    // a copy: neither side sees what the other one does with its bytes later
    const piece = Buffer.from(from.data.subarray(from.sent, from.sent + size));
    from.sent += size;
    this.#inWindow += size;
    const arrive = this.#weather.breaks() ? () => this.#end.break() : () => this.#end.receive(piece);
    if (this.#bandwidth === Number.POSITIVE_INFINITY) {
      this.#depart(arrive);
      return;
    }
    const segmentSent = (): void => {
      this.#sending = undefined;
      this.#depart(arrive);
      this.#pump();
    };
    this.#sending = this.#loop.callLater((size / this.#bandwidth) * 1000, segmentSent);
  }

  #depart(arrive: () => void): void {
    this.#underWay.push({ arrival: this.#nextArrival(), arrive });
    this.#awaitArrival();
  }

  /** When what leaves now arrives at the soonest: not before what left earlier. */
  #nextArrival(): number {
    return this.#loop.time() + this.#weather.delay();
  }

  #awaitArrival(): void {
    const [first] = this.#underWay;
    if (first === undefined || this.#cut || this.#arrival !== undefined) return;
    const { arrival } = first;
    if (arrival <= this.#loop.time()) this.#arrival = this.#loop.callSoon(this.#arrive);
    else this.#arrival = this.#loop.callAt(arrival, this.#arrive);
  }

  // One at a time, so that who is not ready for more can say so before more comes.
  readonly #arrive = (): void => {
    this.#arrival = undefined;
    this.#underWay.shift()?.arrive();
    this.#awaitArrival();
  };
}
