import { Queue, type QueueStore } from "./queue.js";

/**
 * A queue that gives the item that was put last.
 *
 * @see https://docs.python.org/3/library/asyncio-queue.html#asyncio.LifoQueue
 */
export class LifoQueue<T> extends Queue<T> {
  protected override createStore(): QueueStore<T> {
    const items: T[] = [];
    return {
      get size() {
        return items.length;
      },
      put: (item) => void items.push(item),
      get: () => items.pop() as T,
    };
  }
}
