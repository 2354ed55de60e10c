import { isCancelled } from "../errors/cancelled-error.js";
import { coroutineFor } from "../loop/ensure-future.js";
import type { Coroutine, Main } from "../tasks/coroutine.js";

/** A result, or an error as a value. */
export type Attempt<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/**
 * Awaits something and gives its error as a value instead of throwing it. A cancellation is never caught: it goes on up.
 *
 * @param main a coroutine, a function that makes it, or another awaitable
 * @returns `{ ok: true, value }` or `{ ok: false, error }`
 *
 * *If cancelled*, it throws the CancelledError as if it were not there.
 * @example
 * const found = yield* attempt(lookUp(key));
 * if (!found.ok) return fallback;
 */
export function attempt<T>(main: Main<T>): Coroutine<Attempt<T>> {
  return attempting(typeof main === "function" ? main : coroutineFor(main, "attempt(main)"));
}

function* attempting<T>(main: Main<T>): Coroutine<Attempt<T>> {
  try {
    return { ok: true, value: yield* coroutineFor(main, "attempt(main)") };
  } catch (error) {
    if (isCancelled(error)) throw error;
    return { ok: false, error };
  }
}
