import { CorioError } from "./corio-error.js";

/**
 * A time limit passed: thrown by `timeout`, `timeoutAt`, `waitFor` and `asCompleted`.
 *
 * @see https://docs.python.org/3/library/asyncio-exceptions.html#asyncio.TimeoutError
 */
export class TimeoutError extends CorioError {
  override readonly name: string = "TimeoutError";

  constructor(message = "", options?: { cause?: unknown }) {
    super("ERR_CORIO_TIMEOUT", message, options);
  }
}

/** The one way in which a time limit says how long it was. */
export function timedOutAfter(ms: number, cause?: unknown): TimeoutError {
  const rounded = Math.round(ms * 1000) / 1000;
  return new TimeoutError(`timed out after ${rounded} ms`, cause === undefined ? undefined : { cause });
}
