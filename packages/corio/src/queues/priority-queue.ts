import { typeError } from "../errors/corio-error.js";
import { Queue, type QueueOptions, type QueueStore } from "./queue.js";

/** Negative if `a` comes out before `b`, positive if after, 0 if it does not matter; as for `Array.prototype.sort`. */
export type Compare<T> = (a: T, b: T) => number;

/** Options of a priority queue. */
export interface PriorityQueueOptions<T> extends QueueOptions {
  /** Default: `<`, and arrays item by item, as in Python: `[priority, item]`. */
  compare?: Compare<T> | undefined;
}

/**
 * A queue that gives the least item.
 *
 * @example
 * const queue = new PriorityQueue<Job>({ compare: (a, b) => a.deadline - b.deadline });
 * @see https://docs.python.org/3/library/asyncio-queue.html#asyncio.PriorityQueue
 */
export class PriorityQueue<T> extends Queue<T> {
  #compare: Compare<T>;

  constructor(options?: PriorityQueueOptions<T>) {
    super(options);
    this.#compare = options?.compare ?? naturally;
    if (typeof this.#compare !== "function") {
      throw typeError("COMPARE");
    }
  }

  protected override createStore(): QueueStore<T> {
    return new Heap<T>((a, b) => this.#compare(a, b));
  }
}

function naturally(a: unknown, b: unknown): number {
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      const order = naturally(a[i], b[i]);
      if (order !== 0) return order;
    }
    return a.length - b.length;
  }
  return (a as number) < (b as number) ? -1 : (b as number) < (a as number) ? 1 : 0;
}

/**
 * A binary heap: each item is no greater than the two below it. The place of an item is found before anything is moved, so a
 * `compare` that throws leaves the heap as it was.
 */
class Heap<T> implements QueueStore<T> {
  readonly #compare: Compare<T>;
  readonly #items: T[] = [];

  constructor(compare: Compare<T>) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#items.length;
  }

  put(item: T): void {
    const items = this.#items;
    let place = items.length;
    while (place > 0 && this.#compare(item, items[above(place)] as T) < 0) place = above(place);
    for (let hole = items.length; hole > place; hole = above(hole)) items[hole] = items[above(hole)] as T;
    items[place] = item;
  }

  get(): T {
    const items = this.#items;
    const last = items.length - 1;
    const item = items[last] as T;
    let place = 0;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#compare(items[child + 1] as T, items[child] as T) < 0) child++;
      if (this.#compare(item, items[child] as T) <= 0) break;
      place = child;
    }
    // each item on the way moves up by one, and the first one out
    let moved = item;
    for (let hole = place; ; hole = above(hole)) {
      const next = items[hole] as T;
      items[hole] = moved;
      moved = next;
      if (hole === 0) break;
    }
    items.pop();
    return moved;
  }
}

function above(place: number): number {
  return (place - 1) >> 1;
}
