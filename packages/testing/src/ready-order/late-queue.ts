import { type Ready, type ReadyQueue, Task } from "corio";

// A task that never lets the loop come to rest does not hold a cancellation up for ever.
const PASSED_OVER_AT_MOST = 100;

/**
 * A ready queue in which every cancellation arrives late: a task into which one is about to be thrown lets all others that are
 * ready go first. The order in which ready tasks run is not guaranteed, so this is a loop's right.
 */
export class LateQueue implements ReadyQueue {
  readonly #others: ReadyQueue;
  #late: Ready[] = [];
  #passedOver = 0;

  /** @param others keeps everything else */
  constructor(others: ReadyQueue) {
    this.#others = others;
  }

  get length(): number {
    return this.#others.length + this.#late.length;
  }

  push(entry: Ready): void {
    this.#others.push(entry);
  }

  shift(): Ready {
    while (this.#others.length > 0 && this.#passedOver < PASSED_OVER_AT_MOST) {
      const entry = this.#others.shift();
      if (!isBeingCancelled(entry)) {
        if (this.#late.length > 0) this.#passedOver++;
        return entry;
      }
      this.#late.push(entry);
    }
    this.#passedOver = 0;
    return this.#late.shift() ?? this.#others.shift();
  }

  clear(): void {
    this.#others.clear();
    this.#late = [];
  }
}

function isBeingCancelled(entry: Ready): boolean {
  return entry instanceof Task && (entry.cancelPending || entry.waitingFor?.cancelled === true);
}
