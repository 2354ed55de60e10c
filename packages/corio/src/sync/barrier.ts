import { rangeError } from "../errors/corio-error.js";
import { BrokenBarrierError } from "../errors/state-errors.js";
import type { Coroutine } from "../tasks/coroutine.js";
import { Condition } from "./condition.js";

/** What a barrier is doing. */
export type BarrierState = "filling" | "draining" | "resetting" | "broken";

/**
 * A place where tasks wait for each other: when `parties` of them have come, all go on. Can be used again and again.
 *
 *   filling ──(the last one comes)──> draining ──(the last one goes)──> filling
 *      │ reset(), while some wait                                          ^
 *      └─────> resetting ──(the last one goes, with an error)──────────────┘
 *   any ──abort()──> broken ──reset()──> filling
 *
 * @example
 * const barrier = new Barrier(3);
 * const position = yield* barrier.wait();
 * if (position === 0) console.log("one of three says this");
 * @see https://docs.python.org/3/library/asyncio-sync.html#asyncio.Barrier
 */
export class Barrier {
  readonly #condition = new Condition();
  readonly #parties: number;
  #state: BarrierState = "filling";
  // of those who wait, and of those who have not left yet
  readonly #positions = new Set<number>();

  /** @param parties how many tasks it waits for, a whole number, at least 1 */
  constructor(parties: number) {
    if (!(parties >= 1) || parties % 1) throw rangeError("BARRIER_PARTIES", parties);
    this.#parties = parties;
    this.#condition._queue._belongTo(this, "Barrier");
  }

  /** How many tasks it waits for. */
  get parties(): number {
    return this.#parties;
  }

  /** How many tasks wait at it, while it fills. */
  get waiting(): number {
    return this.#state === "filling" ? this.#positions.size : 0;
  }

  get state(): BarrierState {
    return this.#state;
  }

  /** How many tasks are inside: waiting, or on their way out. */
  get count(): number {
    return this.#positions.size;
  }

  /** Whether it was aborted. */
  get broken(): boolean {
    return this.#state === "broken";
  }

  /**
   * Waits until all parties have come.
   *
   * @returns 0 to parties - 1, a different one for each task
   * @throws BrokenBarrierError if the barrier is aborted or reset meanwhile
   *
   * *If cancelled*, the others go on waiting, for one more.
   */
  *wait(): Coroutine<number> {
    yield* this.#condition.acquire();
    try {
      yield* this.#block();
      let position = -1;
      try {
        position = this.#takePosition();
        if (this.#positions.size === this.#parties) {
          this.#state = "draining";
          this.#condition.notifyAll();
        } else yield* this.#fill();
        return position;
      } finally {
        this.#positions.delete(position);
        this.#leave();
      }
    } finally {
      this.#condition.release();
    }
  }

  /**
   * Makes it as new. Tasks that wait at it get a BrokenBarrierError.
   *
   * *If cancelled*, nothing changes.
   */
  *reset(): Coroutine<void> {
    yield* this.#condition.acquire();
    try {
      this.#state = this.#positions.size > 0 ? "resetting" : "filling";
      this.#condition.notifyAll();
    } finally {
      this.#condition.release();
    }
  }

  /**
   * Breaks it: tasks that wait, and those that come, get a BrokenBarrierError until it is reset.
   *
   * *If cancelled*, nothing changes.
   */
  *abort(): Coroutine<void> {
    yield* this.#condition.acquire();
    try {
      this.#state = "broken";
      this.#condition.notifyAll();
    } finally {
      this.#condition.release();
    }
  }

  /** For `within`: waits at it; nothing is left to do at the end. */
  enter(): Coroutine<number> {
    return this.wait();
  }

  /** For `within`. */
  *exit(_error?: unknown): Coroutine<void> {}

  /** The next one, or one that somebody left who was cancelled. */
  #takePosition(): number {
    let position = this.#positions.size;
    while (this.#positions.has(position)) position--;
    this.#positions.add(position);
    return position;
  }

  // Who comes while the last round is still on its way out waits for the next round.
  *#block(): Coroutine<void> {
    yield* this.#condition.waitFor(() => this.#state !== "draining" && this.#state !== "resetting");
    if (this.#state === "broken") throw new BrokenBarrierError("Barrier aborted");
  }

  *#fill(): Coroutine<void> {
    yield* this.#condition.waitFor(() => this.#state !== "filling");
    if (this.#state === "broken" || this.#state === "resetting") {
      throw new BrokenBarrierError("Abort or reset of barrier");
    }
  }

  #leave(): void {
    if (this.#positions.size > 0) return;
    if (this.#state === "resetting" || this.#state === "draining") this.#state = "filling";
    this.#condition.notifyAll();
  }
}
