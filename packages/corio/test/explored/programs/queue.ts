import assert from "node:assert/strict";
import { type Coroutine, createTask, type Queue, QueueShutDown, sleep } from "corio";
import { allEnded } from "./all-ended.js";

/** Puts an item where a queue of a kind is to keep it; the first is the next to come out. */
type Order = (items: number[], item: number) => void;

export const firstInFirstOut: Order = (items, item) => void items.push(item);
export const lastInFirstOut: Order = (items, item) => void items.unshift(item);
export const leastFirst: Order = (items, item) => {
  items.push(item);
  items.sort((a, b) => a - b);
};

/** A queue, and beside it what it is to hold. Whoever is told by the queue that an item was put or taken is told at once. */
class Checked {
  readonly queue: Queue<number>;
  readonly #order: Order;
  readonly #items: number[] = [];
  put = 0;
  taken = 0;
  dropped = 0;

  constructor(queue: Queue<number>, order: Order) {
    this.queue = queue;
    this.#order = order;
  }

  /** Puts two items. Ends early if the queue is shut down. */
  *produce(first: number): Coroutine<void> {
    try {
      for (const item of [first, first + 1]) {
        yield* this.queue.put(item);
        this.put++;
        this.#order(this.#items, item);
        this.#check();
      }
    } catch (error) {
      if (!(error instanceof QueueShutDown)) throw error;
    }
  }

  /** Takes items until the queue is shut down. */
  *consume(): Coroutine<void> {
    try {
      for (;;) {
        this.#isTaken(yield* this.queue.get());
        try {
          yield* sleep(0);
        } finally {
          this.queue.taskDone();
        }
      }
    } catch (error) {
      if (!(error instanceof QueueShutDown)) throw error;
    }
  }

  takeOne(): void {
    this.#isTaken(this.queue.getNowait());
    this.queue.taskDone();
  }

  shutDown(immediate: boolean): void {
    if (immediate) this.dropped += this.#items.splice(0).length;
    this.queue.shutdown(immediate);
    this.#check();
  }

  #isTaken(item: number): void {
    this.taken++;
    assert.equal(item, this.#items.shift());
    this.#check();
  }

  #check(): void {
    assert.equal(this.queue.size, this.#items.length);
  }

  /** To be called when all others wait: nobody waits for what is there. */
  checkWaiting(): void {
    const { size, empty, full, getters, putters } = this.queue;
    assert.ok(getters === 0 || empty, `${getters} wait to get although it holds ${size}`);
    assert.ok(putters === 0 || full, `${putters} wait to put although it holds ${size}`);
  }

  checkEnd(): void {
    const { size, getters, putters } = this.queue;
    assert.deepEqual([size, getters, putters], [0, 0, 0]);
    assert.equal(this.put, this.taken + this.dropped);
  }
}

/**
 * Two producers and two consumers at a queue that is shut down when all is put. Every item comes out once, in the order of its kind;
 * one whose `put` was cancelled is not in it; nobody waits for what is there; `join()` ends when all is dealt with.
 */
export function passing(make: () => Queue<number>, order: Order): () => Coroutine<void> {
  return function* () {
    const checked = new Checked(make(), order);
    const { queue } = checked;
    const consumers = ["consumer 1", "consumer 2"].map((name) => createTask(checked.consume(), { name }));
    const producers = [20, 10].map((first) => createTask(checked.produce(first), { name: `producer of ${first}` }));
    while (producers.some(({ done }) => !done)) {
      yield* sleep(1); // now all others wait
      checked.checkWaiting();
      // no consumer is left
      if (queue.full) checked.takeOne();
    }
    yield* allEnded(producers);
    const joining = createTask(queue.join(), { name: "join" });
    checked.shutDown(false);
    yield* allEnded(consumers);
    while (!queue.empty) checked.takeOne();
    yield* allEnded([joining]);
    yield* queue.join();
    checked.checkEnd();
  };
}

/**
 * The same, while another task shuts the queue down. Whoever waits is told; what was put comes out, or is dropped if it is shut down
 * immediately, and `join()` ends.
 */
export function shuttingDown(make: () => Queue<number>, { immediate }: { immediate: boolean }): () => Coroutine<void> {
  return function* () {
    const checked = new Checked(make(), firstInFirstOut);
    const { queue } = checked;
    const workers = ["consumer 1", "consumer 2"].map((name) => createTask(checked.consume(), { name }));
    for (const first of [10, 20]) workers.push(createTask(checked.produce(first), { name: `producer of ${first}` }));
    function* shutDown(): Coroutine<void> {
      yield* sleep(0);
      checked.shutDown(immediate);
    }
    workers.push(createTask(shutDown, { name: "shutdown" }));
    const joining = createTask(queue.join(), { name: "join" });
    yield* sleep(1); // now all others wait
    checked.checkWaiting();
    checked.shutDown(immediate);
    yield* allEnded(workers);
    while (!queue.empty) checked.takeOne();
    yield* allEnded([joining]);
    yield* queue.join();
    assert.throws(() => queue.putNowait(0), QueueShutDown);
    checked.checkEnd();
  };
}
