import { BegunResources } from "./begun-resources.js";
import { nextTurn, pause } from "./real-turns.js";

// What the process gives, taken when the module loads: fake timers of a test runner must not freeze this.
const { performance } = globalThis as {
  performance: { now(): number; nodeTiming?: { uvMetricsInfo?: { events: number } } };
};
export const realNow = performance.now.bind(performance);

// How long nothing may have happened, in real milliseconds, before what is open counts as idle, and how often one has looked by then:
// a process that the system held up has not looked. And how long one waits between two looks.
const QUIET = 20;
const LOOKS = 5;
const PAUSE = 1;
// For how many real milliseconds nothing must have happened before something unknown is taken never to come.
const SILENCE = 1_000;
// Each lets the reactions of promises run, and the host read its sockets once if there are any.
const ROUNDS = 3;

const runs = new Set<RealActivity>();

/**
 * Knows whether something real is under way in this process that began in one of the runs it was told of. What the test's runner
 * does is no concern of the test.
 */
export class RealActivity {
  #begun: BegunResources | undefined;
  // when something was last known to happen
  #lastSign = realNow();
  #looks = 0;
  #events = 0;
  #atRest = false;
  #runs = 0;

  /** A run begins, or a part of one. */
  begin(): void {
    if (this.#runs++ > 0) return;
    if (this.#begun === undefined) this.#begun = new BegunResources();
    else this.#begun.watch();
    runs.add(this);
    this.noteActivity();
  }

  /** What {@link begin} was told of has ended. */
  end(): void {
    if (--this.#runs > 0) return;
    this.#begun?.end();
    runs.delete(this);
  }

  /** Something has run: whatever is open has not been idle. */
  noteActivity(): void {
    this.#lastSign = realNow();
    this.#looks = 0;
    this.#atRest = false;
  }

  /** Lets the reactions of promises run, and the host handle what has arrived. */
  async settle(): Promise<void> {
    for (let i = 0; i < ROUNDS; i++) {
      await nextTurn();
      if (this.#activity === "none") return;
    }
  }

  /**
   * Whether nothing real is under way. Where sockets or the like are open, that takes a while of nothing happening, so ask again
   * after {@link pause}.
   */
  get quiet(): boolean {
    const activity = this.#activity;
    if (activity === "none") return true;
    if (activity === "busy") {
      this.noteActivity();
      return false;
    }
    const silence = this.#silence;
    return ++this.#looks > LOOKS && silence >= QUIET;
  }

  /**
   * Whether nothing is left that could bring news.
   *
   * @param unknown whether it may also come from where nobody sees it; default whether this process cannot be watched. It takes a
   * second of nothing happening then
   */
  isOver(unknown = !BegunResources.known): boolean {
    if (BegunResources.known && this.#activity !== "none") return false;
    const waitsForOthers = this.#restsBeforeOthers();
    return !waitsForOthers && (!unknown || this.#silence >= SILENCE);
  }

  /** Waits a little for what is real. */
  pause(): Promise<void> {
    return pause(PAUSE);
  }

  /** What is under way, as Node calls it: `2 TCPWRAP`. */
  list(): string[] {
    return this.#begun?.list() ?? [];
  }

  get #activity(): "none" | "idle" | "busy" {
    return BegunResources.known ? (this.#begun?.activity ?? "none") : "idle";
  }

  /** For how many real milliseconds nothing has happened that is known. */
  get #silence(): number {
    const events = performance.nodeTiming?.uvMetricsInfo?.events ?? 0;
    if (events !== this.#events) {
      this.#events = events;
      this.noteActivity();
    }
    return realNow() - this.#lastSign;
  }

  /** This run has come to rest: only others could wake it. Returns whether there are others that have not. */
  #restsBeforeOthers(): boolean {
    this.#atRest = true;
    return [...runs].some((run) => !run.#atRest);
  }
}
