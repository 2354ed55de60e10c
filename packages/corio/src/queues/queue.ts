import { rangeError, typeError } from "../errors/corio-error.js";
import { QueueEmpty, QueueFull, QueueShutDown } from "../errors/queue-errors.js";
import type { EventLoop } from "../loop/event-loop.js";
import { getRunningLoop, running } from "../scheduling/running.js";
import { Event } from "../sync/event.js";
import { WaitQueue, type Waiter } from "../sync/wait-queue.js";
import { Reattempt } from "../sync/reattempt.js";
import type { Coroutine } from "../tasks/coroutine.js";

/** Where a queue keeps its items; decides in which order they come out. */
export interface QueueStore<T> {
  readonly size: number;
  put(item: T): void;
  /** Takes the next one; there is one. */
  get(): T;
}

/** Options of a queue. */
export interface QueueOptions {
  /** How many items it holds at most; default, and for 0 and below, without limit. */
  maxSize?: number | undefined;
}

/**
 * Passes items from tasks that put to tasks that get, first in, first out. With `maxSize` it holds fast producers back.
 *
 * Also an iterable of the items, for `iterate` and `forEach` and, in plain async code, for `for await`; it ends when the
 * queue is shut down and empty.
 *
 * @example
 * const queue = new Queue<string>({ maxSize: 100 });
 * createTask(function* () {
 *   yield* forEach(queue, function* (line) { yield* handle(line); queue.taskDone(); });
 * });
 * yield* queue.put("hello");
 * yield* queue.join();
 * queue.shutdown();
 * @see https://docs.python.org/3/library/asyncio-queue.html#asyncio.Queue
 */
export class Queue<T> {
  readonly #maxSize: number;
  #items: QueueStore<T>;
  readonly #getters = new WaitQueue(this, "Queue.get");
  readonly #putters = new WaitQueue(this, "Queue.put");
  readonly #finished = new Event();
  // where it was made, or iterated last: for those who begin to iterate between turns
  #loop: EventLoop | undefined = running.loop;
  /** @internal How many items have been put and not been dealt with. */
  _unfinished = 0;
  #shutDown = false;

  constructor(options?: QueueOptions) {
    const maxSize = options?.maxSize ?? 0;
    if (typeof options === "number") throw typeError("QUEUE_OPTIONS", options);
    if (typeof maxSize !== "number" || Number.isNaN(maxSize)) {
      throw rangeError("QUEUE_SIZE", maxSize);
    }
    this.#maxSize = maxSize;
    this.#items = this.createStore();
    this.#finished._queue._belongTo(this, "Queue.join");
    this.#finished.set();
  }

  /** Makes what the items are kept in; a subclass gives another order. */
  protected createStore(): QueueStore<T> {
    return new FifoStore<T>();
  }

  /** How many items it holds at most; 0 and below mean without limit. */
  get maxSize(): number {
    return this.#maxSize;
  }

  /** How many items it holds. */
  get size(): number {
    return this.#items.size;
  }

  /** Whether it holds none. */
  get empty(): boolean {
    return this.#items.size === 0;
  }

  /** Whether it holds as many as it may. */
  get full(): boolean {
    return this.#maxSize > 0 && this.#items.size >= this.#maxSize;
  }

  /** How many tasks wait to get. */
  get getters(): number {
    return this.#getters.size;
  }

  /** How many tasks wait to put. */
  get putters(): number {
    return this.#putters.size;
  }

  /**
   * Puts an item, and waits for room if there is none.
   *
   * @throws QueueShutDown if the queue is shut down, also while it waits
   *
   * *If cancelled*, the item was not put.
   */
  put(item: T): Coroutine<void> {
    return new Put(this, item) as unknown as Coroutine<void>;
  }

  /**
   * Puts an item at once. Works from any callback of the host.
   *
   * @throws QueueFull if there is no room, QueueShutDown if the queue is shut down
   */
  putNowait(item: T): void {
    if (this.#shutDown) throw new QueueShutDown();
    if (this.full) throw new QueueFull();
    this.#items.put(item);
    this._unfinished++;
    this.#finished.clear();
    this.#getters.release();
  }

  /**
   * Takes the next item, and waits for one if there is none.
   *
   * @throws QueueShutDown if the queue is shut down and empty, also while it waits
   *
   * *If cancelled*, no item was taken.
   */
  get(): Coroutine<T> {
    return new Get(this) as unknown as Coroutine<T>;
  }

  /**
   * Takes the next item at once.
   *
   * @throws QueueEmpty if there is none; QueueShutDown if the queue is shut down as well
   */
  getNowait(): T {
    if (this.empty) throw this.#shutDown ? new QueueShutDown() : new QueueEmpty();
    const item = this.#items.get();
    this.#putters.release();
    return item;
  }

  /**
   * Says that an item that was taken has been dealt with; `join` waits for that.
   *
   * @throws a `RangeError` if it is called more often than there were items
   */
  taskDone(): void {
    if (this._unfinished <= 0) {
      throw rangeError("TASK_DONE");
    }
    if (--this._unfinished === 0) this.#finished.set();
  }

  /**
   * Waits until every item that was put has been taken and dealt with.
   *
   * *If cancelled*, nothing changes.
   */
  *join(): Coroutine<void> {
    if (this._unfinished > 0) yield* this.#finished.wait();
  }

  /**
   * Shuts the queue down: nothing can be put any more, and those who wait to put get QueueShutDown. What it holds can still
   * be taken; then those who get have QueueShutDown as well.
   *
   * @param immediate drops what it holds, and counts it as dealt with; default false
   * @see https://docs.python.org/3/library/asyncio-queue.html#asyncio.Queue.shutdown
   */
  shutdown(immediate = false): void {
    this.#shutDown = true;
    if (immediate) {
      this._unfinished = Math.max(0, this._unfinished - this.size);
      this.#items = this.createStore();
      if (this._unfinished === 0) this.#finished.set();
    }
    while (this.#getters.release());
    while (this.#putters.release());
  }

  /** The items, for `for await` in plain async code; ends when the queue is shut down and empty. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    const loop = (this.#loop = running.loop ?? this.#loop);
    return {
      next: async (): Promise<IteratorResult<T, undefined>> => {
        try {
          return { done: false, value: await (loop ?? getRunningLoop()).createTask(this.get()) };
        } catch (error) {
          if (error instanceof QueueShutDown) return { done: true, value: undefined };
          throw error;
        }
      },
      return: async () => ({ done: true, value: undefined }),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** @internal Joins those who wait to put, if this one must. */
  _joinPutters(): Waiter | undefined {
    return this.full && !this.#shutDown ? this.#putters.join() : undefined;
  }

  /** @internal */
  _leavePutters(waiter: Waiter): void {
    this.#giveUp(waiter, this.#putters, !this.full);
  }

  /** @internal Joins those who wait to get, if this one must. */
  _joinGetters(): Waiter | undefined {
    return this.empty && !this.#shutDown ? this.#getters.join() : undefined;
  }

  /** @internal */
  _leaveGetters(waiter: Waiter): void {
    this.#giveUp(waiter, this.#getters, !this.empty);
  }

  // A waiter that was woken passes the wake-up on if it is cancelled before it runs, or if `compare` throws.
  #giveUp(waiter: Waiter, queue: WaitQueue, another: boolean): void {
    const woken = waiter.done && !waiter.cancelled;
    queue.leave(waiter);
    if (woken && another) queue.release();
  }
}

/** First in, first out: an array whose taken front is cut off when it is as long as the rest. */
class FifoStore<T> implements QueueStore<T> {
  #items: (T | undefined)[] = [];
  #taken = 0;

  get size(): number {
    return this.#items.length - this.#taken;
  }

  put(item: T): void {
    this.#items.push(item);
  }

  get(): T {
    const item = this.#items[this.#taken] as T;
    this.#items[this.#taken++] = undefined;
    if (this.#taken === this.#items.length) {
      this.#items.length = 0;
      this.#taken = 0;
    } else if (this.#taken > 1024 && this.#taken * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#taken);
      this.#taken = 0;
    }
    return item;
  }
}

class Put<T> extends Reattempt<void> {
  readonly #queue: Queue<T>;
  readonly #item: T;

  constructor(queue: Queue<T>, item: T) {
    super();
    this.#queue = queue;
    this.#item = item;
  }

  protected attempt(): Waiter | undefined {
    const waiter = this.#queue._joinPutters();
    if (waiter === undefined) this.#queue.putNowait(this.#item);
    return waiter;
  }

  protected giveUp(waiter: Waiter): void {
    this.#queue._leavePutters(waiter);
  }
}

class Get<T> extends Reattempt<T> {
  readonly #queue: Queue<T>;

  constructor(queue: Queue<T>) {
    super();
    this.#queue = queue;
  }

  protected attempt(): Waiter | undefined {
    const waiter = this.#queue._joinGetters();
    if (waiter === undefined) this.result = this.#queue.getNowait();
    return waiter;
  }

  protected giveUp(waiter: Waiter): void {
    this.#queue._leaveGetters(waiter);
  }
}
