// What the process gives, taken when the module loads: fake timers of a test runner must not freeze this.
const { setImmediate, setTimeout, performance, process } = globalThis as {
  setImmediate?: (callback: () => void) => unknown;
  setTimeout: (callback: () => void, ms: number) => unknown;
  performance: { now(): number; nodeTiming?: { uvMetricsInfo?: { events: number } } };
  process?: { getActiveResourcesInfo?(): string[] };
};
export const realNow = performance.now.bind(performance);

// What may stay open for as long as it likes and do nothing. Everything else ends by itself: timers; requests such as reading a file,
// looking a name up, connecting, writing; child processes; the ports of threads that work.
const MAY_BE_IDLE = /^(TCP|Pipe|TTY|TLS|UDP|Signal|FSEvent|StatWatcher)/;

// How long nothing may have happened, in real milliseconds, before what is open counts as idle; and how long one looks on.
const QUIET = 20;
const PAUSE = 1;
// Each lets the host read its sockets once, and the reactions of promises run.
const ROUNDS = 3;

// What this module itself has asked the process for, by the process's names.
const own = { Immediate: 0, Timeout: 0 };
const runs = new Set<RealActivity>();

/**
 * Knows whether something real is under way in this process, by what is there now and was not when it was made. What the test's
 * runner has open is no concern of the test.
 *
 * It does not see work in Node's own pool of threads that is none of the file system's (`crypto`, `zlib`), nor that of addons.
 */
export class RealActivity {
  // How many there were of each kind, and fewer once some have ended: what comes later is none of them.
  readonly #before = countActive();
  // when something was last known to happen
  #lastSign = realNow();
  #events = 0;
  #atRest = false;

  /** A run begins: the timers that are there by now, such as a runner's time limit of the test, are none of the program's. */
  begin(): void {
    const now = countActive();
    for (const timers of ["Immediate", "Timeout"]) this.#before.set(timers, now.get(timers) ?? 0);
    this.#atRest = false;
    runs.add(this);
    this.noteActivity();
  }

  /** The run has ended. */
  end(): void {
    runs.delete(this);
  }

  /** Something has run: whatever is open has not been idle. */
  noteActivity(): void {
    this.#lastSign = realNow();
    this.#atRest = false;
  }

  /** Lets the reactions of promises run, and the host handle what has arrived. */
  async settle(): Promise<void> {
    for (let i = 0; i < ROUNDS; i++) await nextImmediate();
  }

  /**
   * Whether nothing real is under way. Where sockets or the like are open, that takes a while of nothing happening, so ask again
   * after {@link pause}.
   */
  get quiet(): boolean {
    const activity = this.#look();
    if (activity === "busy") this.noteActivity();
    return activity === "none" || (activity === "idle" && this.silence >= QUIET);
  }

  /** Whether nothing is open that could still bring news. */
  get none(): boolean {
    return this.#look() === "none";
  }

  /** For how many real milliseconds nothing has happened that is known. */
  get silence(): number {
    const events = performance.nodeTiming?.uvMetricsInfo?.events ?? 0;
    if (events !== this.#events) {
      this.#events = events;
      this.noteActivity();
    }
    return realNow() - this.#lastSign;
  }

  /** This run has come to rest: only others could wake it. Returns whether there are others that have not. */
  restsBeforeOthers(): boolean {
    this.#atRest = true;
    return [...runs].some((run) => !run.#atRest);
  }

  /** Waits a little for what is real. */
  pause(): Promise<void> {
    return new Promise((resolve) => {
      own.Timeout++;
      setTimeout(() => {
        own.Timeout--;
        resolve();
      }, PAUSE);
    });
  }

  /** What is there that was not there before, as the process calls it: `2 TCPSocketWrap`. */
  list(): string[] {
    const news: string[] = [];
    for (const [type, count] of countActive()) {
      const more = count - (this.#before.get(type) ?? 0);
      if (more > 0) news.push(`${more} ${type}`);
    }
    return news;
  }

  #look(): "none" | "idle" | "busy" {
    const now = countActive();
    for (const [type, count] of this.#before) {
      const left = now.get(type) ?? 0;
      if (left < count) this.#before.set(type, left);
    }
    let open: "none" | "idle" = "none";
    for (const [type, count] of now) {
      if (count <= (this.#before.get(type) ?? 0)) continue;
      if (!MAY_BE_IDLE.test(type)) return "busy";
      open = "idle";
    }
    return open;
  }
}

function countActive(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const type of process?.getActiveResourcesInfo?.() ?? []) counts.set(type, (counts.get(type) ?? 0) + 1);
  for (const type of ["Immediate", "Timeout"] as const) {
    if (own[type] > 0) counts.set(type, (counts.get(type) ?? 0) - own[type]);
  }
  return counts;
}

function nextImmediate(): Promise<void> {
  return new Promise((resolve) => {
    if (setImmediate === undefined) {
      setTimeout(resolve, 0);
      return;
    }
    own.Immediate++;
    setImmediate(() => {
      own.Immediate--;
      resolve();
    });
  });
}
