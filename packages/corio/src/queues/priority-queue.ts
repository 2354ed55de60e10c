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
      throw typeError("COMPARE", "compare is a function (a, b) => number, as for Array.prototype.sort");
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

/** A binary heap: each item is no greater than the two below it. */
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
    let hole = items.push(item) - 1;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (this.#compare(item, items[parent] as T) >= 0) break;
      items[hole] = items[parent] as T;
      hole = parent;
    }
    items[hole] = item;
  }

  get(): T {
    const items = this.#items;
    const first = items[0] as T;
    const item = items.pop() as T;
    if (items.length === 0) return first;
    let hole = 0;
    for (;;) {
      let child = hole * 2 + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && this.#compare(items[child + 1] as T, items[child] as T) < 0) child++;
      if (this.#compare(item, items[child] as T) <= 0) break;
      items[hole] = items[child] as T;
      hole = child;
    }
    items[hole] = item;
    return first;
  }
}
