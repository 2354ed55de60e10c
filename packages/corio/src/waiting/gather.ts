import { contextFor } from "../context/context.js";
import { typeError } from "../errors/corio-error.js";
import { ensureFuture } from "../loop/ensure-future.js";
import type { EventLoop } from "../loop/event-loop.js";
import { getRunningLoop, running } from "../scheduling/running.js";
import type { Awaitable } from "../tasks/coroutine.js";
import { DONE, DoneCallback, FAILED, Future, PENDING } from "../tasks/future.js";
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

type ResultOf<A> = A extends Future<infer T> ? T : A extends Generator<unknown, infer T, void> ? T : Awaited<A>;

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
  readonly #children: Future<unknown>[] = [];
  readonly #callbacks: DoneCallback[] = [];
  // what gather itself started, as long as it is not done
  readonly #own = new Set<Future<unknown>>();
  readonly #returnExceptions: boolean;
  readonly #cancelOnError: boolean;
  #unfinished = 0;
  #cancelRequested = false;
  #failed = false;
  #failure: unknown;

  constructor(awaitables: Awaitable<unknown>[], { returnExceptions = false, cancelOnError = true }: GatherOptions) {
    const found = awaitables.find((awaitable) => awaitable instanceof Future) as Future<unknown> | undefined;
    const loop: EventLoop = running.loop ?? found?.loop ?? getRunningLoop();
    super({ loop });
    this.#returnExceptions = returnExceptions;
    this.#cancelOnError = cancelOnError && !returnExceptions;
    const known = new Map<Awaitable<unknown>, Future<unknown>>();
    const done: Future<unknown>[] = [];
    const fn = (child: Future<unknown>): void => this.#childDone(child);
    const context = contextFor(undefined);
    for (const awaitable of awaitables) {
      let child = known.get(awaitable);
      if (child === undefined) {
        child = this.#start(awaitable, loop);
        known.set(awaitable, child);
        this.#unfinished++;
        if (child.done) done.push(child);
        else {
          const made = new DoneCallback(fn, context, running.task);
          this.#callbacks.push(made);
          child._addCallback(made);
        }
      }
      this.#children.push(child);
    }
    for (const child of done) this.#childDone(child);
    if (awaitables.length === 0) this._settle(DONE, []);
  }

  #start(awaitable: Awaitable<unknown>, loop: EventLoop): Future<unknown> {
    let child: Future<unknown>;
    try {
      child = ensureFuture(awaitable, { loop });
    } catch (error) {
      for (const own of this.#own) own.cancel();
      throw error;
    }
    if (child !== awaitable) this.#own.add(child);
    return child;
  }

  override cancel(reason?: unknown): boolean {
    if (this._state !== PENDING) return false;
    let cancelled = false;
    for (const child of this.#children) if (child.cancel(reason)) cancelled = true;
    // a cancelled gather ends when its children do, with a CancelledError even if they all swallowed it
    if (cancelled) this.#cancelRequested = true;
    return cancelled;
  }

  #childDone(child: Future<unknown>): void {
    this.#unfinished--;
    const own = this.#own.delete(child);
    if (this._state !== PENDING) {
      if (!child.cancelled) child._retrieved();
      return;
    }
    const failed = child.cancelled || child._state === FAILED;
    if (failed && !this.#returnExceptions) {
      if (!this.#failed) this.#fail(child);
      else if (!child.cancelled && own) this.#report(child);
    }
    if (this.#failed ? this.#own.size === 0 : this.#unfinished === 0) this.#end();
  }

  #fail(child: Future<unknown>): void {
    this.#failed = true;
    this.#failure = child.cancelled ? child._cancelledError() : child.exception();
    if (!this.#cancelOnError) this.#own.clear();
    for (const own of this.#own) own.cancel();
  }

  #report(child: Future<unknown>): void {
    this.loop.callExceptionHandler({
      message: "gather had failed already when another of its coroutines threw",
      exception: child.exception(),
      task: child,
    });
  }

  #end(): void {
    // nobody waits here any more for those that are still running
    for (const callback of this.#callbacks) callback._awaiter = undefined;
    if (this.#failed) {
      const cancelled = this.#cancelRequested && this.#cancelOnError ? this._cancelledErrorOfChildren() : undefined;
      this._settle(FAILED, cancelled ?? this.#failure);
    } else if (this.#cancelRequested) this._settle(FAILED, this._cancelledErrorOfChildren());
    else this._settle(DONE, this.#children.map(resultOf));
  }

  private _cancelledErrorOfChildren(): unknown {
    const cancelled = this.#children.find((child) => child.cancelled);
    return cancelled === undefined ? this._cancelledError() : cancelled._cancelledError();
  }
}

function resultOf(child: Future<unknown>): unknown {
  if (child.cancelled) return child._cancelledError();
  return child._state === FAILED ? asError(child.exception()) : child._value;
}
