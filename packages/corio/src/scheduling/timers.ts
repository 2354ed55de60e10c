import type { Ready } from "./ready-queue.js";

/** What waits for a time: a timer handle, a sleep. */
export interface Timer extends Ready {
  /** Its place among timers of the same time, which run in the order in which they were set; or one of the two below. */
  _order: number;
}

/** @internal Outside of the heap. */
export const OUT = -1;
/** In the heap, but called off: it may rise above those of its time, which only drops it sooner. */
const OFF = -2;

/**
 * @internal The timers, in a heap with four children to a node: half as deep as a binary heap, and the four children that
 * a step compares lie beside each other. The times stand in an array of their own, which the engine keeps as plain
 * doubles; comparing them touches no object.
 *
 * A timer that is called off is only marked. Marked timers at the top are dropped; when more than half of the heap is
 * marked, all of them are swept, so each costs constant time in the long run.
 */
export class Timers {
  #times: number[] = [];
  #timers: Timer[] = [];
  #off = 0;
  #count = 0;

  /** How many timers are set, those called off not counted. */
  get size(): number {
    return this.#timers.length - this.#off;
  }

  add(when: number, timer: Timer): void {
    timer._order = this.#count++;
    this.#times.push(when);
    this.#timers.push(timer);
    this.#up(this.#timers.length - 1, when, timer);
  }

  /** Marks a timer; one that is not in the heap any more is left as it is. */
  callOff(timer: Timer): void {
    if (timer._order < 0) return;
    timer._order = OFF;
    this.#off++;
    if (this.#off > 64 && this.#off * 2 > this.#timers.length) this.#sweep();
  }

  /** The earliest time at which a timer is due; `Infinity` if none is set. */
  next(): number {
    while (this.#timers.length > 0 && (this.#timers[0] as Timer)._order === OFF) {
      this.#off--;
      this.#pop();
    }
    return this.#timers.length === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number);
  }

  /** Takes the first timer that is due at `now`, or `undefined`. */
  takeDue(now: number): Timer | undefined {
    return this.#timers.length > 0 && this.next() <= now ? this.#pop() : undefined;
  }

  /** What is in the heap, in no order, each with its time; those that are called off and not dropped yet included. */
  entries(): [timer: Timer, when: number][] {
    return this.#timers.map((timer, i) => [timer, this.#times[i] as number]);
  }

  clear(): void {
    this.#times = [];
    this.#timers = [];
    this.#off = 0;
  }

  #pop(): Timer {
    const times = this.#times;
    const timers = this.#timers;
    const first = timers[0] as Timer;
    const when = times.pop() as number;
    const last = timers.pop() as Timer;
    if (timers.length > 0) this.#down(0, when, last);
    first._order = OUT;
    return first;
  }

  #sweep(): void {
    const times = this.#times;
    const timers = this.#timers;
    let kept = 0;
    for (let i = 0; i < timers.length; i++) {
      const timer = timers[i] as Timer;
      if (timer._order === OFF) continue;
      times[kept] = times[i] as number;
      timers[kept++] = timer;
    }
    times.length = kept;
    timers.length = kept;
    this.#off = 0;
    for (let i = (kept - 2) >> 2; i >= 0; i--) this.#down(i, times[i] as number, timers[i] as Timer);
  }

  // Both move a hole: the timer is written once, where the hole comes to rest.

  #up(from: number, when: number, timer: Timer): void {
    const times = this.#times;
    const timers = this.#timers;
    let hole = from;
    while (hole > 0) {
      const parent = (hole - 1) >> 2;
      // a timer that is added has the highest order, so among equal times it stays below
      if ((times[parent] as number) <= when) break;
      times[hole] = times[parent] as number;
      timers[hole] = timers[parent] as Timer;
      hole = parent;
    }
    times[hole] = when;
    timers[hole] = timer;
  }

  #down(from: number, when: number, timer: Timer): void {
    const times = this.#times;
    const timers = this.#timers;
    const length = timers.length;
    let hole = from;
    for (;;) {
      const first = hole * 4 + 1;
      if (first >= length) break;
      let least = first;
      const end = Math.min(first + 4, length);
      for (let child = first + 1; child < end; child++) {
        const a = times[child] as number;
        const b = times[least] as number;
        if (a < b || (a === b && (timers[child] as Timer)._order < (timers[least] as Timer)._order)) least = child;
      }
      const time = times[least] as number;
      if (when < time || (when === time && timer._order < (timers[least] as Timer)._order)) break;
      times[hole] = time;
      timers[hole] = timers[least] as Timer;
      hole = least;
    }
    times[hole] = when;
    timers[hole] = timer;
  }
}
