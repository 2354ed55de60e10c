import { typeError } from "../errors/corio-error.js";
import { diagnostics } from "../errors/diagnostics.js";
import { running } from "../scheduling/running.js";
import {
  awaitedTwice,
  type Coroutine,
  HandedOver,
  isCoroutineFunction,
  markCoroutineFunction,
  ownerOf,
  type Resumable,
} from "./coroutine.js";
import type { Task } from "./task.js";
import { forgetUnawaited, noteUnawaited, type UnawaitedCoroutine, type WatchedCoroutine } from "./unawaited.js";

// A resume walks down from the coroutine that a task resumes to the one that waits. So many levels it walks at most.
const LEVELS = 8;

/**
 * Wraps a coroutine function for those who want more than a bare `function*` gives. Its coroutines
 *
 * - know their name, for task names, stacks and the call graph;
 * - are reported when they were never awaited;
 * - refuse a second await;
 * - run every few levels on a stack of their own, so that what is resumed deep down costs no more than near the top, and a
 *   deep recursion does not overflow the stack.
 *
 * @param fn the coroutine function, named for what it does
 * @returns a function of the same type
 * @throws a `TypeError` for what is no coroutine function
 * A function that calls itself is to call the wrapped one: in `const walk = coroutine(function* walk() {…})` the inner name
 * is the bare function, so give the two different names.
 * @example
 * const fetchUser = coroutine(function* fetchUser(id: number) {
 *   yield* sleep(10);
 *   return { id };
 * });
 * const user = yield* fetchUser(1);
 */
export function coroutine<This, Args extends unknown[], T>(
  fn: (this: This, ...args: Args) => Coroutine<T>,
): (this: This, ...args: Args) => Coroutine<T> {
  if (!isCoroutineFunction(fn)) {
    throw typeError("NOT_COROUTINE_FUNCTION", fn);
  }
  const name = fn.name || "(anonymous)";
  const wrapped = function (this: This, ...args: Args): Coroutine<T> {
    return new NamedCoroutine(fn.apply(this, args) as Resumable, name) as unknown as Coroutine<T>;
  };
  Object.defineProperty(wrapped, "name", { value: fn.name, configurable: true });
  markCoroutineFunction(wrapped);
  return wrapped;
}

// The innermost named coroutine on the stack.
let current: NamedCoroutine | undefined;

/**
 * @internal What a wrapped function makes. It stands between the coroutine that awaits it and its generator:
 *
 *   awaiter ──next──> NamedCoroutine ──next──> generator        up to LEVELS of them nested in a segment
 *   awaiter ──next──> NamedCoroutine ──HandedOver──> the task   then the task runs the generator as its new top,
 *                                                               and this one passes on the result
 */
export class NamedCoroutine implements Resumable, UnawaitedCoroutine {
  readonly coroutineName: string;
  /** The named coroutine that it awaits right now. */
  child: NamedCoroutine | undefined = undefined;
  watched: WatchedCoroutine | undefined = undefined;
  private _parent: NamedCoroutine | undefined = undefined;
  private _task: Task<unknown> | undefined = undefined;
  private _level = 0;
  private _handedOver = false;
  private readonly _generator: Resumable;

  constructor(generator: Resumable, name: string) {
    this._generator = generator;
    this.coroutineName = name;
    noteUnawaited(this);
  }

  get awaited(): boolean {
    return this._level > 0 || ownerOf(this) !== undefined;
  }

  [Symbol.iterator](): this {
    if (this.awaited) throw awaitedTwice(this.coroutineName);
    return this;
  }

  next(value?: unknown): IteratorResult<unknown, unknown> {
    if (this._handedOver) return this._ended({ done: true, value });
    if (this._level === 0) {
      this._begin();
      if (this._level > LEVELS) {
        this._level = 1;
        this._handedOver = true;
        return { done: false, value: new HandedOver(this) };
      }
    }
    return this._ended(this.resume(value));
  }

  throw(error: unknown): IteratorResult<unknown, unknown> {
    if (this._handedOver) {
      diagnostics.addToStack?.(error, this._parent?.coroutineName ?? "its caller", NamedCoroutine.prototype.throw);
      this._leave();
      throw error;
    }
    if (this._level === 0) this._begin();
    return this._ended(this.resumeWith(error));
  }

  return(value?: unknown): IteratorResult<unknown, unknown> {
    if (this._level === 0) this._begin();
    const answer = this._generator.return(value);
    return this._ended(answer);
  }

  /** Resumes the generator itself. */
  resume(value: unknown): IteratorResult<unknown, unknown> {
    const outer = current;
    current = this;
    let answer: IteratorResult<unknown, unknown> | undefined;
    try {
      answer = this._generator.next(value);
      return answer;
    } finally {
      current = outer;
      if (answer === undefined) this._leave();
    }
  }

  /** Throws into the generator itself. */
  resumeWith(error: unknown): IteratorResult<unknown, unknown> {
    const outer = current;
    current = this;
    let answer: IteratorResult<unknown, unknown> | undefined;
    try {
      answer = this._generator.throw(error);
      return answer;
    } finally {
      current = outer;
      if (answer === undefined) this._leave();
    }
  }

  private _begin(): void {
    forgetUnawaited(this);
    this._task = running.task;
    const parent = current !== undefined && current._task === this._task ? current : undefined;
    this._parent = parent;
    this._level = parent === undefined ? 1 : parent._level + 1;
    if (parent !== undefined) parent.child = this;
    else if (this._task !== undefined) this._task._extras().named = this;
  }

  private _ended(answer: IteratorResult<unknown, unknown>): IteratorResult<unknown, unknown> {
    if (answer.done === true) this._leave();
    return answer;
  }

  private _leave(): void {
    if (this._parent !== undefined) {
      if (this._parent.child === this) this._parent.child = undefined;
    } else if (this._task?._extra?.named === this) this._task._extra.named = undefined;
  }
}
