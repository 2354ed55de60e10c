import { Lock, run } from "corio";

class Counter {
  value = 0;
  #lock = new Lock();

  /** @param {number} n */
  *incrementAll(n) {
    for (let i = 0; i < n; i++) {
      yield* this.#lock.acquire();
      try {
        this.value++;
      } finally {
        this.#lock.release();
      }
    }
    return this.value;
  }
}

/** @param {number} n */
export const work = (n) => run(new Counter().incrementAll(n));
