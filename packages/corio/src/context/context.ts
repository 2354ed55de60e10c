import { misuse, typeError } from "../errors/corio-error.js";
import type { ContextVar } from "./context-var.js";

/** The values of context variables, shared until somebody sets one: a map that is never written to. */
export type Values = ReadonlyMap<ContextVar<unknown>, unknown>;

const EMPTY: Values = new Map();

/**
 * A set of context variables with their values. Each task runs in a context of its own, a copy of the one in which it was
 * created; copying takes constant time.
 *
 * @example
 * const context = copyContext();
 * context.run(() => user.set("ada")); // seen in `context` only
 * @see https://docs.python.org/3/library/contextvars.html#contextvars.Context
 */
export class Context {
  /** @internal */
  _values: Values;
  /** @internal Whether it is on the stack. */
  _entered = false;

  constructor() {
    this._values = EMPTY;
  }

  /**
   * Calls `fn` in this context and returns what it returns.
   *
   * @throws a `CorioError` if the context is entered already
   */
  run<R>(fn: () => R): R {
    const outer = contexts.current;
    enterContext(this);
    try {
      return fn();
    } finally {
      leaveContext(this, outer);
    }
  }

  /** The value of a variable in this context, or `undefined` if it has none here; defaults do not count. */
  get<T>(variable: ContextVar<T>): T | undefined {
    return this._values.get(variable) as T | undefined;
  }

  /** Whether the variable has a value in this context. */
  has(variable: ContextVar<never>): boolean {
    return this._values.has(variable);
  }

  /** How many variables have a value in this context. */
  get size(): number {
    return this._values.size;
  }

  /** The variables that have a value in this context. */
  keys(): IterableIterator<ContextVar<unknown>> {
    return this._values.keys();
  }

  /** A context with the same values. Takes constant time. */
  copy(): Context {
    return contextOf(this._values);
  }
}

/** @internal */
function contextOf(values: Values): Context {
  const context = new Context();
  context._values = values;
  return context;
}

/** The context in which code runs that no loop and no `context.run` has put elsewhere. */
const root = new Context();
root._entered = true;

/** @internal */
export const contexts = { current: root };

/** @internal Makes a context the current one; the caller leaves it in a `finally`. */
export function enterContext(context: Context): void {
  if (context._entered) throw cannotEnter();
  context._entered = true;
  contexts.current = context;
}

/** @internal */
export function leaveContext(context: Context, outer: Context): void {
  context._entered = false;
  contexts.current = outer;
}

/**
 * A copy of the current context. Takes constant time.
 *
 * @see https://docs.python.org/3/library/contextvars.html#contextvars.copy_context
 */
export function copyContext(): Context {
  return contextOf(contexts.current._values);
}

/** @internal The context of an option `{ context }`, or a copy of the current one. */
export function contextFor(option: Context | undefined): Context {
  if (option === undefined) return contextOf(contexts.current._values);
  if (!(option instanceof Context)) throw typeError("CONTEXT");
  return option;
}

function cannotEnter(): Error {
  return misuse("CONTEXT_ENTERED");
}
