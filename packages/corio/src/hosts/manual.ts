import { rangeError } from "../errors/corio-error.js";
import { captureAsyncContext } from "./async-context.js";
import type { AsyncContextRunner, Host } from "./host.js";

interface Alarm {
  readonly when: number;
  readonly turn: () => void;
}

/**
 * A host that a caller drives, call by call, on a clock that stands still unless it is moved: what virtual time and
 * deterministic tests stand on.
 *
 * @example
 * const host = new ManualHost();
 * const loop = new EventLoop({ host });
 * const future = loop.start(main());
 * while (!future.done && host.step()) {}
 * future.result();
 */
export class ManualHost implements Host {
  #time: number;
  readonly #turns: (() => void)[] = [];
  readonly #alarms: Alarm[] = [];
  readonly #idle = new Set<() => void>();

  /** @param time where the clock stands at first, in milliseconds; default 0 */
  constructor(time = 0) {
    this.#time = time;
  }

  now(): number {
    return this.#time;
  }

  requestTurn(turn: () => void): void {
    this.#turns.push(turn);
  }

  requestTurnAt(when: number, turn: () => void): () => void {
    const alarm = { when, turn };
    this.#alarms.push(alarm);
    return () => {
      const index = this.#alarms.indexOf(alarm);
      if (index >= 0) this.#alarms.splice(index, 1);
    };
  }

  onIdle(idle: () => void): () => void {
    this.#idle.add(idle);
    return () => void this.#idle.delete(idle);
  }

  captureAsyncContext(): AsyncContextRunner {
    return captureAsyncContext();
  }

  /** How many turns are requested. */
  get turns(): number {
    return this.#turns.length;
  }

  /** The time of the next alarm in milliseconds, or `undefined` if there is none that ever comes. */
  get nextAlarm(): number | undefined {
    const when = this.#alarms.reduce((first, alarm) => Math.min(first, alarm.when), Number.POSITIVE_INFINITY);
    return when === Number.POSITIVE_INFINITY ? undefined : when;
  }

  /** Moves the clock by `ms` milliseconds; what is due runs at the next steps. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw rangeError("ADVANCE", ms);
    this.#time += ms;
  }

  /**
   * Runs one turn that was requested, or else one that is due.
   *
   * @returns whether there was one
   */
  runTurn(): boolean {
    const turn = this.#turns.shift();
    if (turn !== undefined) {
      turn();
      return true;
    }
    const alarm = this.#nextAlarm();
    if (alarm === undefined || alarm.when > this.#time) return false;
    this.#ring(alarm);
    return true;
  }

  /**
   * Runs one turn. Where none is requested, the clock jumps to the next alarm; where there is no alarm either, everything
   * that listens is told that the host is idle.
   *
   * @returns whether there was anything to run
   */
  step(): boolean {
    if (this.runTurn()) return true;
    const alarm = this.#nextAlarm();
    if (alarm !== undefined) {
      this.#time = Math.max(this.#time, alarm.when);
      this.#ring(alarm);
      return true;
    }
    for (const idle of [...this.#idle]) idle();
    return this.#turns.length > 0;
  }

  #nextAlarm(): Alarm | undefined {
    let next: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.when !== Number.POSITIVE_INFINITY && (next === undefined || alarm.when < next.when)) next = alarm;
    }
    return next;
  }

  #ring(alarm: Alarm): void {
    this.#alarms.splice(this.#alarms.indexOf(alarm), 1);
    alarm.turn();
  }
}
