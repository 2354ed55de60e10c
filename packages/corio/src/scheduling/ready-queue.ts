/** What is ready to run: a task that goes on, a handle, a timer that is due, a callback of a future. */
export interface Ready {
  /** @internal Never throws. */
  _run(): void;
}

/**
 * Holds what is ready, and decides what of it runs next. A loop of one's own order is for tests: asyncio's, and that of every
 * loop that is not told otherwise, is first in, first out.
 */
export interface ReadyQueue {
  /** How many are ready. */
  readonly length: number;
  /** Adds what has become ready. */
  push(entry: Ready): void;
  /** Takes out what runs next; called only while `length` is 1 or more. */
  shift(): Ready;
  /** Drops them all: the loop was closed. */
  clear(): void;
}

/**
 * @internal First in, first out: a ring buffer whose size is a power of two.
 *
 *        head          head + length, modulo the size
 *          v             v
 *   [ .  . A  B  C  D  E .  . ]
 *
 * Slots outside of that range are `undefined`, so nothing that ran is kept alive.
 */
export class FifoQueue implements ReadyQueue {
  #slots: (Ready | undefined)[] = new Array(64).fill(undefined);
  #head = 0;
  length = 0;

  push(entry: Ready): void {
    if (this.length === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.length) & (this.#slots.length - 1)] = entry;
    this.length++;
  }

  /** The first entry; the queue must not be empty. */
  shift(): Ready {
    const head = this.#head;
    const entry = this.#slots[head] as Ready;
    this.#slots[head] = undefined;
    this.#head = (head + 1) & (this.#slots.length - 1);
    this.length--;
    return entry;
  }

  clear(): void {
    this.#slots = new Array(64).fill(undefined);
    this.#head = 0;
    this.length = 0;
  }

  #grow(): void {
    const old = this.#slots;
    const slots: (Ready | undefined)[] = new Array(old.length * 2).fill(undefined);
    for (let i = 0; i < old.length; i++) slots[i] = old[(this.#head + i) & (old.length - 1)];
    this.#slots = slots;
    this.#head = 0;
  }
}
