import { type AsyncContextRunner, type EventLoop, ManualHost } from "corio";

/**
 * A clock that stands still while anything can run, and jumps to the next timer when everything waits.
 *
 *   turns ──> everything waits ──> whoever waits for just that ──> turns …
 *                    └──> the next timer: the clock jumps ──────────^
 *                    └──> no timer either: idle, a deadlock
 */
export class VirtualHost extends ManualHost {
  #holds = 0;
  #turnsRun = 0;
  // who waits for all others to wait
  #whenBlocked: (() => void)[] = [];

  /** Whether something outside was declared that is going to wake a task: `loop.hold()`. */
  get held(): boolean {
    return this.#holds > 0;
  }

  keepAlive(): () => void {
    this.#holds++;
    let held = true;
    return () => {
      if (held) this.#holds--;
      held = false;
    };
  }

  /** How many turns its loop has run, those included that a reaction of a promise or an event of a socket ran at once. */
  get turnsRun(): number {
    return this.#turnsRun;
  }

  // every turn of a loop passes through what it is given here
  override captureAsyncContext(): AsyncContextRunner {
    const inContext = super.captureAsyncContext();
    return (run) => {
      this.#turnsRun++;
      inContext(run);
    };
  }

  /**
   * Moves the clock to a time, which must not be before the next alarm's; unlike steps by {@link advance}, whose sums are rounded,
   * it comes to stand just there.
   */
  moveTo(when: number): void {
    this.requestTurnAt(when, () => {});
    this.step();
  }

  /** Calls back, once, when nothing can run before the clock moves. */
  whenBlocked(callback: () => void): void {
    this.#whenBlocked.push(callback);
  }

  /** Runs everything that can run before the clock moves, or up to `limit` turns. Returns whether nothing is left of it. */
  runReady(limit = Number.POSITIVE_INFINITY): boolean {
    for (let i = 0; i < limit; i++) if (!this.runTurn()) return true;
    return false;
  }

  /** Tells those who wait for everything to wait. Returns whether there was one. */
  tellBlocked(): boolean {
    const callbacks = this.#whenBlocked;
    if (callbacks.length === 0) return false;
    this.#whenBlocked = [];
    for (const callback of callbacks) callback();
    return true;
  }
}

const hosts = new WeakMap<EventLoop, VirtualHost>();

/** Notes what a loop stands on, for those who have only the loop. */
export function standsOn(loop: EventLoop, host: VirtualHost): void {
  hosts.set(loop, host);
}

/** The virtual host that a loop stands on, if it stands on one. */
export function virtualHostOf(loop: EventLoop): VirtualHost | undefined {
  return hosts.get(loop);
}
