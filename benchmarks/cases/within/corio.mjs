import { Lock, run, within } from "corio";

class Counter {
  value = 0;
  #lock = new Lock();

  *#increment() {
    this.value++;
  }

  /** @param {number} n */
  *incrementAll(n) {
    for (let i = 0; i < n; i++) yield* within(this.#lock, () => this.#increment());
    return this.value;
  }
}

/** @param {number} n */
export const work = (n) => run(new Counter().incrementAll(n));
