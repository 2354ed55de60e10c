import { CorioError, misuse, rangeError, typeError } from "../errors/corio-error.js";
import { type Context, contexts } from "./context.js";

/**
 * A variable whose value belongs to the current context, and so to the current task: a request's id, a user, a span.
 *
 * @example
 * const requestId = new ContextVar<string>("requestId", { default: "none" });
 * const token = requestId.set("42");
 * requestId.get();      // "42", here and in the tasks created from here
 * requestId.reset(token);
 * @see https://docs.python.org/3/library/contextvars.html#contextvars.ContextVar
 */
export class ContextVar<T> {
  readonly name: string;
  readonly #default: { value: T } | undefined;

  /**
   * @param name for error messages and inspection
   * @param options `default`: what `get()` returns where no value was set
   */
  constructor(name: string, options?: { default?: T }) {
    if (typeof name !== "string") throw typeError("CONTEXT_VAR");
    this.name = name;
    this.#default = options !== undefined && "default" in options ? { value: options.default } : undefined;
  }

  /**
   * The value in the current context.
   *
   * @param fallback returned where no value was set; goes before the variable's default
   * @throws a `CorioError` (`ERR_CORIO_CONTEXT_LOOKUP`) where there is no value, no fallback and no default
   */
  get(...fallback: [fallback?: T]): T {
    const values = contexts.current._values;
    if (values.has(this)) return values.get(this) as T;
    if (fallback.length > 0) return fallback[0] as T;
    if (this.#default !== undefined) return this.#default.value;
    throw new CorioError(
      "ERR_CORIO_CONTEXT_LOOKUP",
      `the context variable ${this.name} has no value here: set it, or use get(fallback) or { default }`,
    );
  }

  /**
   * Gives the variable a value in the current context.
   *
   * @returns a token that {@link reset} takes to restore what was there before
   */
  set(value: T): Token<T> {
    const context = contexts.current;
    const variable = this as ContextVar<unknown>;
    const token = new Token<T>(this, context, context._values.has(variable), context._values.get(variable) as T);
    context._values = new Map(context._values).set(variable, value);
    return token;
  }

  /**
   * Restores what the variable was before the `set` that gave the token.
   *
   * @throws a `CorioError` if the token was used, a `RangeError` if it is another variable's or another context's
   */
  reset(token: Token<T>): void {
    if (!(token instanceof Token)) throw typeError("TOKEN");
    if (token._used) throw misuse("TOKEN_USED", this.name);
    if (token.variable !== this) {
      throw rangeError("TOKEN_VARIABLE", token.variable.name);
    }
    const context = contexts.current;
    if (token._context !== context) {
      throw rangeError("TOKEN_CONTEXT", this.name);
    }
    token._used = true;
    const values = new Map(context._values);
    if (token.hasOldValue) values.set(this, token.oldValue);
    else values.delete(this);
    context._values = values;
  }
}

/** What `set` returns, for `reset`. */
export class Token<T> {
  readonly variable: ContextVar<T>;
  /** Whether the variable had a value before. */
  readonly hasOldValue: boolean;
  /** The value before, or `undefined`. */
  readonly oldValue: T | undefined;
  /** @internal */
  readonly _context: Context;
  /** @internal */
  _used = false;

  /** @internal */
  constructor(variable: ContextVar<T>, context: Context, hasOldValue: boolean, oldValue: T | undefined) {
    this.variable = variable;
    this._context = context;
    this.hasOldValue = hasOldValue;
    this.oldValue = oldValue;
  }
}
