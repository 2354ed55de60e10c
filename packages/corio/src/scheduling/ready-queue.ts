/** What the ready queue holds: a handle, a task, a timer that is due. `_run` never throws. */
export interface Ready {
  _run(): void;
}

/**
 * @internal The callbacks that are ready, first in, first out: a ring buffer whose size is a power of two.
 *
 *        head          head + length, modulo the size
 *          v             v
 *   [ .  . A  B  C  D  E .  . ]
 *
 * Slots outside of that range are `undefined`, so nothing that ran is kept alive.
 */
export class ReadyQueue {
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
