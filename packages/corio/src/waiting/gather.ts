import { isCancelled } from "../errors/cancelled-error.js";
import { typeError } from "../errors/corio-error.js";
import type { EventLoop } from "../loop/event-loop.js";
import type { Ready } from "../scheduling/ready-queue.js";
import { getRunningLoop, running } from "../scheduling/running.js";
import type { Awaitable, ResultOf } from "../tasks/coroutine.js";
import { DONE, FAILED, Future, PENDING, type StandIn, type Waiting } from "../tasks/future.js";
import { startAll } from "./start-all.js";
import { asError } from "./thrown.js";

/** Options of `gather`. */
export interface GatherOptions {
  /** Errors become results, in their places, instead of failing the whole; default false. */
  returnExceptions?: boolean | undefined;
  /** Whether one failure cancels what `gather` itself started; default true. CPython's way is false. */
  cancelOnError?: boolean | undefined;
}

/** The results of several awaitables, in their places. */
export type Results<A extends readonly unknown[]> = { -readonly [K in keyof A]: ResultOf<A[K]> };

/** The same, where errors are results. */
export type ResultsOrErrors<A extends readonly unknown[]> = { -readonly [K in keyof A]: ResultOf<A[K]> | Error };

/**
 * Waits for several awaitables at once (Promise.all), and gives their results in their order. Coroutines are run as tasks.
 *
 * When one fails, the coroutines that `gather` itself made tasks of are cancelled; it fails with that first error once they
 * have ended, and reports what else they threw. Tasks and futures that the caller made are left alone.
 *
 * @param awaitables one by one, or as an array or a set with options after it; the same coroutine twice is one task
 * @returns a future of the results
 * @throws the first error; with `returnExceptions` none: what is thrown and is no Error is wrapped in one, as its `cause`
 *
 * *If cancelled*, all that are not done are cancelled.
 * @example
 * const [user, orders] = yield* gather(fetchUser(id), fetchOrders(id));
 * const results = yield* gather(urls.map(download), { returnExceptions: true });
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.gather
 */
export function gather<const A extends readonly Awaitable<unknown>[]>(
  awaitables: A,
  options: GatherOptions & { returnExceptions: true },
): Future<ResultsOrErrors<A>>;
export function gather<const A extends readonly Awaitable<unknown>[]>(
  awaitables: A,
  options?: GatherOptions & { returnExceptions?: false | undefined },
): Future<Results<A>>;
export function gather<T>(
  awaitables: ReadonlySet<Awaitable<T>>,
  options: GatherOptions & { returnExceptions: true },
): Future<(T | Error)[]>;
export function gather<T>(
  awaitables: ReadonlySet<Awaitable<T>>,
  options?: GatherOptions & { returnExceptions?: false | undefined },
): Future<T[]>;
export function gather<const A extends readonly Awaitable<unknown>[]>(...awaitables: A): Future<Results<A>>;
export function gather(...args: unknown[]): Future<unknown[]> {
  const [first, second] = args;
  const listed = Array.isArray(first) || first instanceof Set;
  const awaitables = (listed ? [...(first as Iterable<unknown>)] : args) as Awaitable<unknown>[];
  const options = (listed ? second : undefined) as GatherOptions | undefined;
  if (listed && (args.length > 2 || (second !== undefined && !isOptions(second)))) {
    throw typeError("GATHER_ARGUMENTS");
  }
  return new Gathering(awaitables, options ?? {});
}

function isOptions(value: unknown): boolean {
  return typeof value === "object" && value !== null && !(Symbol.iterator in value) && !("then" in value);
}

class Gathering extends Future<unknown[]> {
  readonly #children: Child[];
  /** @internal The task that gathers. */
  readonly _gatherer: Future<unknown> | undefined = running.task;
  readonly #returnExceptions: boolean;
  readonly #cancelOnError: boolean;
  #unfinished: number;
  // how many of those that gather itself started have not ended
  #own = 0;
  #cancelRequested = false;
  #failed: Child | undefined;

  constructor(awaitables: Awaitable<unknown>[], { returnExceptions = false, cancelOnError = true }: GatherOptions) {
    const found = awaitables.find((awaitable) => awaitable instanceof Future);
    const loop: EventLoop = running.loop ?? found?.loop ?? getRunningLoop();
    super({ loop });
    this.#returnExceptions = returnExceptions;
    this.#cancelOnError = cancelOnError && !returnExceptions;
    const futures = startAll(awaitables, loop);
    this._value = { what: `a gather of ${futures.length}`, futures } satisfies StandIn;
    this.#children = futures.map((future, i) => new Child(this, future, future !== awaitables[i]));
    this.#unfinished = futures.length;
    for (const child of this.#children) if (child.own) this.#own++;
    for (const child of this.#children) {
      if (child.future.done) this._childDone(child);
      else child.future._addCallback(child);
    }
    if (this.#children.length === 0) this._settle(DONE, []);
  }

  override cancel(reason?: unknown): boolean {
    if (this._state !== PENDING) return false;
    // a cancelled gather ends when its children do, with a CancelledError even if they all swallowed it
    if (cancelAll(this.#children, reason)) this.#cancelRequested = true;
    return this.#cancelRequested;
  }

  /** @internal */
  _childDone(child: Child): void {
    const { future } = child;
    this.#unfinished--;
    if (child.own) this.#own--;
    if (this._state !== PENDING) return;
    if (future._state !== DONE && !this.#returnExceptions) {
      if (this.#failed === undefined) this.#fail(child);
      else if (future._state === FAILED && child.own && future !== this.#failed.future) this.#report(child);
    }
    const over = this.#failed === undefined ? this.#unfinished === 0 : !this.#cancelOnError || this.#own === 0;
    if (over) this.#end();
  }

  #fail(child: Child): void {
    this.#failed = child;
    child.future._retrieved();
    // a second request would interrupt the cleanup that the first one began
    if (this.#cancelOnError && !this.#cancelRequested) cancelAll(this.#children.filter(({ own }) => own));
  }

  #report({ future }: Child): void {
    this.loop.callExceptionHandler({
      message: "gather had failed already when another of its coroutines threw",
      exception: future.exception(),
      task: future,
    });
  }

  #end(): void {
    const failed = this.#failed;
    if (this.#cancelRequested && (failed === undefined || this.#cancelOnError)) {
      if (failed?.future._state === FAILED) this.#report(failed);
      const { future } = this.#children.find((child) => child.future.cancelled) ?? { future: this };
      this._settle(FAILED, future._cancelledError());
    } else if (failed !== undefined) {
      const { future } = failed;
      this._settle(FAILED, future.cancelled ? future._cancelledError() : future._value);
    } else this._settle(DONE, this.#children.map(resultOf));
    // a cancellation that nobody waits for is no error that somebody missed
    if (isCancelled(this._value)) this._retrieved();
  }
}

/** Requests once of each that it be cancelled. Returns whether one of them was not done. */
function cancelAll(children: readonly Child[], reason?: unknown): boolean {
  let cancelled = false;
  for (const future of new Set(children.map((child) => child.future))) if (future.cancel(reason)) cancelled = true;
  return cancelled;
}

/** One of those that a gathering waits for. Told that it is done, it is itself what the ready queue holds. */
class Child implements Waiting, Ready {
  readonly future: Future<unknown>;
  /** Whether gather made it, of a coroutine or a promise. */
  readonly own: boolean;
  private readonly _gathering: Gathering;

  constructor(gathering: Gathering, future: Future<unknown>, own: boolean) {
    this._gathering = gathering;
    this.future = future;
    this.own = own;
  }

  /** Who gathers; nobody, once the gathering has ended without waiting for all. */
  get _awaiter(): Future<unknown> | undefined {
    return this._gathering.done ? undefined : this._gathering._gatherer;
  }

  _futureDone(): void {
    this.future.loop._enqueue(this);
  }

  _run(): void {
    this._gathering._childDone(this);
  }
}

function resultOf({ future }: Child): unknown {
  if (future.cancelled) return future._cancelledError();
  return future._state === FAILED ? asError(future.exception()) : future._value;
}
