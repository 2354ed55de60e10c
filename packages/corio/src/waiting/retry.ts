import { isCancelled } from "../errors/cancelled-error.js";
import { rangeError, typeError } from "../errors/corio-error.js";
import { coroutineFor } from "../loop/ensure-future.js";
import type { Awaitable, Coroutine } from "../tasks/coroutine.js";
import { sleep } from "./sleep.js";

/** Options of `retry`. */
export interface RetryOptions {
  /** How often it is tried at most, the first time included; default 3. */
  attempts?: number | undefined;
  /** How long to wait before the second attempt, in milliseconds; default 100. */
  delay?: number | undefined;
  /** By what the delay grows from attempt to attempt; default 2. */
  factor?: number | undefined;
  /** The longest delay, in milliseconds; default 30,000. */
  maxDelay?: number | undefined;
  /** Which part of each delay is left to chance, 0 to 1, so that many who fail together do not come back together; default 0. */
  jitter?: number | undefined;
  /** Whether to go on after an error; it also gets how many attempts there were. Default: always. */
  when?: ((error: unknown, attempts: number) => boolean) | undefined;
}

/**
 * Calls a function until the coroutine that it makes succeeds, with growing delays in between. A cancellation is never
 * caught, so it cannot be retried.
 *
 * @param make makes the coroutine of an attempt, and gets its number from 1
 * @throws the error of the last attempt
 *
 * *If cancelled*, the attempt or the delay is, and nothing is tried again.
 * @example
 * const page = yield* retry(() => download(url), { attempts: 5, delay: 200, when: isTransient });
 */
export function retry<T>(make: (attempt: number) => Awaitable<T>, options: RetryOptions = {}): Coroutine<T> {
  const { attempts = 3, delay = 100, factor = 2, maxDelay = 30_000, jitter = 0, when } = options;
  if (typeof make !== "function") {
    throw typeError("RETRY", make);
  }
  if (!(attempts >= 1)) throw rangeError("RETRY_ATTEMPTS", attempts);
  if (!(delay >= 0 && factor >= 0 && maxDelay >= 0)) {
    throw rangeError("RETRY_DELAY");
  }
  if (!(jitter >= 0 && jitter <= 1)) throw rangeError("RETRY_JITTER", jitter);
  return attemptRepeatedly(make, { attempts, delay, factor, maxDelay, jitter, when });
}

function* attemptRepeatedly<T>(
  make: (attempt: number) => Awaitable<T>,
  {
    attempts,
    delay,
    factor,
    maxDelay,
    jitter,
    when,
  }: RetryOptions & Record<"attempts" | "delay" | "factor" | "maxDelay" | "jitter", number>,
): Coroutine<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return yield* coroutineFor(make(attempt), "retry(make)");
    } catch (error) {
      if (isCancelled(error) || attempt >= attempts || when?.(error, attempt) === false) throw error;
    }
    // 0 times a factor that has grown to Infinity is NaN
    const longest = Math.min(delay * factor ** (attempt - 1) || 0, maxDelay);
    yield* sleep(longest * (1 - jitter * Math.random()));
  }
}
