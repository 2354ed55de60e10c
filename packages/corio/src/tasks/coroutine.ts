import { misuse } from "../errors/corio-error.js";
import { BRAND, refuse } from "./brand.js";
import type { Future } from "./future.js";
import type { Task } from "./task.js";

declare const suspended: unique symbol;

/** What a coroutine yields to its task while it waits. Opaque: only `yield*` of an awaitable makes one. */
export interface Suspended {
  readonly [suspended]: true;
}

/** What a coroutine yields: what it waits for or, by a bare `yield`, nothing but its turn. */
export type Suspension = Suspended | undefined;

/**
 * A computation that can wait, be cancelled and be closed: what calling a `function*` makes. It does nothing until
 * something awaits it with `yield*` or a task runs it.
 */
export type Coroutine<T> = Generator<Suspension, T, void>;

/** Everything that can be waited for: a coroutine, a future, a task, a promise. */
export type Awaitable<T> = Coroutine<T> | Future<T> | PromiseLike<T>;

/** What waiting for an awaitable gives. */
export type ResultOf<A> = A extends Future<infer T> ? T : A extends Generator<unknown, infer T, void> ? T : Awaited<A>;

/** Where a coroutine is started, a function that makes it serves too. */
export type Main<T> = Awaitable<T> | (() => Coroutine<T>);

/**
 * @internal Whether the `undefined` that was just yielded is `sleep(0)`'s "give the others a turn". A bare `yield` says the same
 * to a task; where `yield` emits a value, it emits `undefined`.
 */
export const turn = { asked: false };

/** @internal A coroutine as its driver sees it. */
export interface Resumable {
  next(value?: unknown): IteratorResult<unknown, unknown>;
  throw(error: unknown): IteratorResult<unknown, unknown>;
  return(value?: unknown): IteratorResult<unknown, unknown>;
}

const GeneratorFunction = Object.getPrototypeOf(function* () {}) as { readonly prototype: object };

/**
 * @internal For `instanceof`: what a `function*` made. The test costs the same for the coroutines of a thousand functions, where
 * looking up a property would search each one's prototypes.
 */
export const Generated = function Generated() {} as unknown as new () => Coroutine<unknown>;
Generated.prototype = GeneratorFunction.prototype;

/**
 * Whether `value` is a coroutine: a generator object, or what behaves like one.
 *
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.iscoroutine
 */
export function isCoroutine(value: unknown): value is Coroutine<unknown> {
  if (value instanceof Generated) return true;
  if (typeof value !== "object" || value === null || BRAND in value || Symbol.asyncIterator in value) return false;
  const { next, throw: throwInto, return: close } = value as Partial<Resumable>;
  return typeof next === "function" && typeof throwInto === "function" && typeof close === "function";
}

/**
 * Whether `value` is a function that makes a coroutine: a `function*`, or what `coroutine()` made of one.
 *
 * @see https://docs.python.org/3/library/inspect.html#inspect.iscoroutinefunction
 */
export function isCoroutineFunction(value: unknown): boolean {
  return typeof value === "function" && (value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === TAG;
}

const TAG = "GeneratorFunction";

/** @internal Makes a function one that {@link isCoroutineFunction} knows. */
export function markCoroutineFunction(fn: object): void {
  Object.setPrototypeOf(fn, GeneratorFunction);
}

/** @internal The coroutine that a `Main` is or makes; `undefined` if it is another awaitable. */
export function coroutineOf<T>(main: Main<T>, call: string): Coroutine<T> | undefined {
  if (typeof main !== "function") return isCoroutine(main) ? main : undefined;
  const made: unknown = main();
  if (isCoroutine(made)) return made as Coroutine<T>;
  refuse("NOT_COROUTINE", `${call}, ${main.name || "the function"}()`, made);
}

// On a coroutine: the task that drives it, so that it is not given to another one.
const OWNER = Symbol("corio.owner");

/** @internal The task that drives a coroutine. */
export function ownerOf(coroutine: unknown): Task<unknown> | undefined {
  return (coroutine as { [OWNER]?: Task<unknown> })[OWNER];
}

/** @internal Notes that a task drives a coroutine. */
export function own(coroutine: unknown, task: Task<unknown>): void {
  (coroutine as { [OWNER]?: Task<unknown> })[OWNER] = task;
}

/** @internal Ends a coroutine that nothing is going to run. What its cleanup throws is nobody's to catch. */
export function closeCoroutine(coroutine: unknown): void {
  if (!isCoroutine(coroutine) || ownerOf(coroutine) !== undefined) return;
  try {
    coroutine.return(undefined);
  } catch {
    // a generator that is running cannot be closed, and one that never ran has nothing to clean up
  }
}

/**
 * @internal A coroutine written as an object, for what is awaited so often that a generator would cost more than the work.
 *
 * `begin()` does what can be done without waiting, and gives either a result or the coroutine that does the rest.
 */
export abstract class Leaf<T> implements Resumable {
  private _rest: Resumable | undefined = undefined;
  private _begun = false;

  protected abstract begin(): IteratorResult<unknown, T>;

  /** Called when it is closed, or cancelled, before it began. */
  protected abandoned(): void {}

  /** For `begin()`: hands over to what waits. */
  protected waitIn(rest: Resumable): IteratorResult<unknown, T> {
    this._rest = rest;
    return rest.next() as IteratorResult<unknown, T>;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(value?: unknown): IteratorResult<unknown, T> {
    if (this._rest !== undefined) return this._resume((rest) => rest.next(value));
    if (this._begun) throw awaitedTwice("");
    this._begun = true;
    return this.begin();
  }

  throw(error: unknown): IteratorResult<unknown, T> {
    if (!this._begun) this.abandoned();
    this._begun = true;
    if (this._rest === undefined) throw error;
    return this._resume((rest) => rest.throw(error));
  }

  return(value?: unknown): IteratorResult<unknown, T> {
    if (!this._begun) this.abandoned();
    this._begun = true;
    if (this._rest === undefined) return { done: true, value: value as T };
    return this._resume((rest) => rest.return(value));
  }

  private _resume(step: (rest: Resumable) => IteratorResult<unknown, unknown>): IteratorResult<unknown, T> {
    const rest = this._rest as Resumable;
    this._rest = undefined;
    const answer = step(rest);
    if (answer.done !== true) this._rest = rest;
    return answer as IteratorResult<unknown, T>;
  }
}

/** @internal A coroutine that has its result from the start, so that what need not wait can be awaited all the same. */
export class Settled<T> implements Resumable {
  readonly value: T;

  constructor(value: T) {
    this.value = value;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<unknown, T> {
    return { done: true, value: this.value };
  }

  throw(error: unknown): never {
    throw error;
  }

  return(value?: unknown): IteratorResult<unknown, T> {
    return { done: true, value: value as T };
  }
}

/** @internal The coroutine of a value. */
export function settled<T>(value: T): Coroutine<T> {
  return new Settled(value) as unknown as Coroutine<T>;
}

/** @internal The coroutine of nothing. */
export const NOTHING: Coroutine<void> = settled(undefined);

/** @internal */
export function awaitedTwice(name: string): Error {
  return misuse("AWAITED_TWICE", name);
}

/** @internal What a coroutine yields to have itself run on a stack of its own; the one that awaits it gets the result. */
export class HandedOver implements Resumable {
  private readonly _coroutine: Separable;

  constructor(coroutine: Separable) {
    this._coroutine = coroutine;
  }

  next(value?: unknown): IteratorResult<unknown, unknown> {
    return this._coroutine.resume(value);
  }

  throw(error: unknown): IteratorResult<unknown, unknown> {
    return this._coroutine.resumeWith(error);
  }

  return(value?: unknown): IteratorResult<unknown, unknown> {
    return this._coroutine.return(value);
  }
}

/** A coroutine whose awaiter need not be on the stack when it is resumed. */
interface Separable {
  resume(value: unknown): IteratorResult<unknown, unknown>;
  resumeWith(error: unknown): IteratorResult<unknown, unknown>;
  return(value?: unknown): IteratorResult<unknown, unknown>;
}
