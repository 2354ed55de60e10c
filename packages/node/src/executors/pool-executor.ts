import {
  asyncGenerator,
  type AsyncGenerator,
  CorioError,
  type Coroutine,
  createTask,
  type EventLoop,
  type Future,
  getRunningLoop,
  iterate,
  Queue,
  QueueShutDown,
  Semaphore,
  type Source,
  until,
  wait,
  within,
} from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import { portable } from "./portable-function.js";
import { Work } from "./work.js";
import { type SlotOwner, workerEntry, type WorkerSlot, type WorkerSlotOptions } from "./worker-slot.js";

/** What every pool of workers is made of. */
export interface PoolExecutorOptions {
  /** How many workers there are at most. */
  readonly maxWorkers?: number | undefined;
  /** For how long a worker without work stays, in milliseconds; default 60,000, `Infinity` for ever. It keeps no process alive. */
  readonly idleTimeout?: number | undefined;
  /**
   * Whether cancelling what is running ends its worker, so that the work stops wherever it is and a fresh worker takes the place;
   * default false: the function may notice, by {@link currentWork}, and keeps its worker until it ends.
   */
  readonly terminateOnCancel?: boolean | undefined;
  /** Variables for the workers' environment, beside those of this process; default none. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Node's options for the workers; default those of this process, its loaders for TypeScript included. */
  readonly execArgv?: readonly string[] | undefined;
}

/**
 * What {@link ThreadPoolExecutor} and {@link ProcessPoolExecutor} have in common. Belongs to no loop: `submit` works for the loop
 * that is running. As a context manager it waits at the end for what it has; if the block fails, what has not begun is cancelled.
 *
 * @see https://docs.python.org/3/library/concurrent.futures.html#executor-objects
 */
export abstract class PoolExecutor {
  /** How many workers there are at most. */
  readonly maxWorkers: number;
  readonly #makeSlot: (owner: SlotOwner) => WorkerSlot;
  readonly #terminateOnCancel: boolean;
  readonly #owner: SlotOwner & { _cancelled(work: Work<unknown>): void };

  // Work is in the queue or in a slot. A slot is in #slots from its start to the end of its worker, and in #idle while it has no work.
  readonly #queue = new Set<Work<unknown>>();
  readonly #slots = new Set<WorkerSlot>();
  readonly #idle: WorkerSlot[] = [];

  // what calls off the watch for the end of each loop that it works for
  readonly #loops = new Map<EventLoop, () => void>();

  //  open ──shutdown()──> shut down ──(no work, no worker)──> ended
  #shutDown = false;
  readonly #ended: Promise<void>;
  #end!: () => void;

  /** @internal */
  protected constructor(
    Slot: new (owner: SlotOwner, options: WorkerSlotOptions) => WorkerSlot,
    options: PoolExecutorOptions,
    defaultWorkers: number,
  ) {
    const { maxWorkers = defaultWorkers, idleTimeout = 60_000, terminateOnCancel = false } = options;
    if (!(maxWorkers >= 1) || maxWorkers % 1 !== 0) {
      throw invalidArgument("MAX_WORKERS", `maxWorkers is a number from 1, not ${String(maxWorkers)}`);
    }
    if (!(idleTimeout >= 0)) {
      throw invalidArgument(
        "IDLE_TIMEOUT",
        `idleTimeout is a number of milliseconds from 0, not ${String(idleTimeout)}`,
      );
    }
    workerEntry();
    this.maxWorkers = maxWorkers;
    this.#terminateOnCancel = terminateOnCancel;
    this.#makeSlot = (owner) => new Slot(owner, { ...options, idleTimeout });
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#owner = {
      _isFree: (slot) => this.#isFree(slot),
      _isGone: (slot) => this.#isGone(slot),
      _cancelled: (work) => this.#cancelled(work),
    };
  }

  /**
   * Runs `fn(...args)` in a worker. The function should leave nothing behind that goes on: a worker without work stands still.
   *
   * @param fn a self-contained function, of which the worker gets the text as with {@link toThread}, or what
   * {@link workerFunction} made
   * @param args what it is called with; copied when a worker takes the work, or handed over with {@link transfer}
   * @returns a future of its result
   * @throws a `TypeError` at once for a function that a worker cannot run, which says why
   * @throws a `CorioError` at once after `shutdown()`
   * @throws a `CorioError` with the code `ERR_CORIO_WORKER_DIED` when it is awaited, if the worker ends before the function does
   *
   * *If cancelled*, it does not begin if it has not yet. A function that is running is told (see {@link currentWork}); its worker
   * is ended if the executor was made so, and busy until the function ends if not.
   * @see https://docs.python.org/3/library/concurrent.futures.html#concurrent.futures.Executor.submit
   */
  submit<Args extends unknown[], R>(fn: (...args: Args) => R, ...args: Args): Future<Awaited<R>> {
    const loop = getRunningLoop();
    const portableFunction = portable(fn);
    if (this.#shutDown) throw shutDownAlready();
    if (!this.#loops.has(loop)) this.#watch(loop);
    const work = new Work<Awaited<R>>(loop, this.#owner, portableFunction, args);
    this.#queue.add(work);
    this.#dispatch();
    return work;
  }

  /**
   * Calls a function for every item in the workers, and gives the results in the order of the items. Nothing begins before
   * somebody asks for the first result; then it stays a few items ahead of who takes them.
   *
   * @param fn as for {@link submit}; it is called with the item alone
   * @param items an iterable, or an asynchronous one as for `iterate`
   * @param options `bufferSize`: how many items it takes at most before their results are asked for; default twice
   * {@link maxWorkers}
   * @returns an asynchronous generator, for `forEach`, `iterate` and `for await`; leaving it cancels what it has begun
   * @throws where it is iterated, what a function throws, at its place in the order; the rest is cancelled then
   * @example
   * const pool = new ThreadPoolExecutor();
   * yield* forEach(pool.map((n: number) => n ** 2, [1, 2, 3]), (square) => console.log(square));
   * @see https://docs.python.org/3/library/concurrent.futures.html#concurrent.futures.Executor.map
   */
  map<T, R>(
    fn: (item: T) => R,
    items: Source<T>,
    options: { bufferSize?: number | undefined } = {},
  ): AsyncGenerator<Awaited<R>, void, unknown> {
    const { bufferSize = 2 * this.maxWorkers } = options;
    if (!(bufferSize >= 1)) {
      throw invalidArgument("BUFFER_SIZE", `bufferSize is a number of items from 1, not ${String(bufferSize)}`);
    }
    portable(fn);
    if (this.#shutDown) throw shutDownAlready();
    const submit = (item: unknown): Future<unknown> => this.submit(fn, item as T);
    return mapInOrder(submit, items, bufferSize) as AsyncGenerator<Awaited<R>, void, unknown>;
  }

  /**
   * Takes no more work. What it has goes on, then the workers end.
   *
   * @param options `cancelFutures`: whether what has not begun is cancelled; default false
   * @returns what waits for the end of the last worker; this need not be awaited
   *
   * *If cancelled*, only the wait is.
   * @see https://docs.python.org/3/library/concurrent.futures.html#concurrent.futures.Executor.shutdown
   */
  shutdown(options: { cancelFutures?: boolean | undefined } = {}): Coroutine<void> {
    this.#shutDown = true;
    if (options.cancelFutures === true) for (const work of [...this.#queue]) work.cancel();
    for (const slot of this.#idle.splice(0)) slot.end();
    this.#endIfDone();
    return waitFor(this.#ended);
  }

  /** For `within`. */
  enter(): this {
    return this;
  }

  /** For `within`: shuts it down and waits. */
  exit(error?: unknown): Coroutine<void> {
    return this.shutdown({ cancelFutures: error !== undefined });
  }

  #dispatch(): void {
    while (this.#queue.size > 0) {
      const slot = this.#takeSlot();
      if (slot === undefined) return;
      const [work] = this.#queue as Iterable<Work<unknown>> as unknown as [Work<unknown>];
      this.#queue.delete(work);
      // what cannot be handed over has failed by now
      if (!slot.run(work)) this.#idle.push(slot);
    }
  }

  #takeSlot(): WorkerSlot | undefined {
    for (let slot = this.#idle.pop(); slot !== undefined; slot = this.#idle.pop()) {
      // one that has idled for too long is about to end, and says so then
      if (slot.usable) return slot;
    }
    if (this.#slots.size >= this.maxWorkers) return undefined;
    const slot = this.#makeSlot(this.#owner);
    this.#slots.add(slot);
    return slot;
  }

  #isFree(slot: WorkerSlot): void {
    this.#idle.push(slot);
    this.#dispatch();
    if (this.#shutDown) for (const idle of this.#idle.splice(0)) idle.end();
  }

  #isGone(slot: WorkerSlot): void {
    this.#slots.delete(slot);
    const at = this.#idle.indexOf(slot);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#dispatch();
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (!this.#shutDown || this.#queue.size > 0 || this.#slots.size > 0) return;
    for (const callOff of this.#loops.values()) callOff();
    this.#loops.clear();
    this.#end();
  }

  #cancelled(work: Work<unknown>): void {
    work._args = [];
    if (this.#queue.delete(work)) return this.#endIfDone();
    for (const slot of this.#slots) {
      if (slot.work !== work) continue;
      slot.cancel(this.#terminateOnCancel);
      return;
    }
  }

  // When a loop is closed, nobody will take the results of what it submitted.
  #watch(loop: EventLoop): void {
    const close = (): void => {
      this.#loops.delete(loop);
      for (const work of [...this.#queue]) if (work.loop === loop) this.#cancelled(work);
      for (const slot of [...this.#slots]) if (slot.work?.loop === loop) this.#cancelled(slot.work);
    };
    this.#loops.set(loop, loop.onClose(close));
  }
}

function shutDownAlready(): CorioError {
  return new CorioError(
    "ERR_CORIO_EXECUTOR_SHUT_DOWN",
    "the executor takes no more work after shutdown(): make a new one, or shut this one down later",
  );
}

function* waitFor(end: Promise<void>): Coroutine<void> {
  yield* until(end);
}

const mapInOrder = asyncGenerator(function* (
  submit: (item: unknown) => Future<unknown>,
  items: Source<unknown>,
  bufferSize: number,
): Generator<unknown, void, never> {
  const room = new Semaphore(bufferSize);
  const submitted = new Queue<Future<unknown>>();
  const feeder = createTask(() => feed(items, submit, submitted, room), { name: "map of an executor" });
  let next: Future<unknown> | undefined;
  try {
    while (true) {
      next = yield* nextOf(submitted);
      if (next === undefined) break;
      const result = yield* next;
      room.release();
      yield result;
    }
    yield* feeder;
  } finally {
    feeder.cancel();
    next?.cancel();
    while (!submitted.empty) submitted.getNowait().cancel();
    yield* wait([feeder]);
  }
});

/** Submits the items, as long as there is room. */
function* feed(
  items: Source<unknown>,
  submit: (item: unknown) => Future<unknown>,
  submitted: Queue<Future<unknown>>,
  room: Semaphore,
): Coroutine<void> {
  try {
    yield* within(iterate(items), function* (it) {
      while (true) {
        yield* room.acquire();
        if (!(yield* it.next())) return;
        submitted.putNowait(submit(it.value));
      }
    });
  } finally {
    submitted.shutdown();
  }
}

function* nextOf<T>(queue: Queue<T>): Coroutine<T | undefined> {
  try {
    return yield* queue.get();
  } catch (error) {
    if (error instanceof QueueShutDown) return undefined;
    throw error;
  }
}
