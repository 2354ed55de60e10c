import { CorioError } from "./corio-error.js";

/**
 * Thrown at the `yield*` where a task waits when the task is cancelled, and by the result of what was cancelled.
 *
 * JavaScript's `catch` catches it like any other error. Code that cleans up belongs into `finally`; a `catch` that means
 * to handle failures lets it pass: `if (isCancelled(error)) throw error`.
 *
 * @example
 * try {
 *   yield* sleep(1_000);
 * } catch (error) {
 *   if (isCancelled(error)) throw error;
 *   console.error(error);
 * }
 * @see https://docs.python.org/3/library/asyncio-exceptions.html#asyncio.CancelledError
 */
export class CancelledError extends CorioError {
  override readonly name: string = "CancelledError";
  /** What `cancel(reason)` was given, as it was given; `undefined` when it was given nothing. */
  readonly reason: unknown;

  constructor(reason?: unknown) {
    super("ERR_CORIO_CANCELLED", reason === undefined ? "" : reason instanceof Error ? reason.message : textOf(reason));
    this.reason = reason;
  }
}

function textOf(reason: unknown): string {
  try {
    return String(reason);
  } catch {
    return "(a reason that has no text)";
  }
}

/**
 * Whether an error is a cancellation: the right test in a `catch` around a `yield*`.
 *
 * @example
 * try {
 *   yield* worker();
 * } catch (error) {
 *   if (isCancelled(error)) throw error;
 *   report(error);
 * }
 */
export function isCancelled(error: unknown): error is CancelledError {
  return error instanceof CancelledError;
}
