import { type Coroutine, getRunningLoop, sleep } from "corio";

/** Gives a value after so many milliseconds. */
export function* later<T>(ms: number, value: T): Coroutine<T> {
  yield* sleep(ms);
  return value;
}

/** Throws after so many milliseconds. */
export function* failing(ms: number, error: unknown): Coroutine<never> {
  yield* sleep(ms);
  throw error;
}

/** Waits for ever; when it is cancelled, it cleans up for so many milliseconds. Notes in the log how that ended. */
export function* forever(log: string[] = [], name = "forever", cleanup = 0): Coroutine<never> {
  try {
    yield* sleep(Number.POSITIVE_INFINITY);
    throw new Error("infinity has passed");
  } finally {
    let ended = "interrupted";
    try {
      yield* sleep(cleanup);
      ended = "ended";
    } finally {
      log.push(`${name} ${ended}`);
    }
  }
}

/** Awaits something and gives what it throws. */
export function* thrownBy(awaitable: Iterable<unknown>): Coroutine<unknown> {
  try {
    yield* awaitable as Coroutine<unknown>;
  } catch (error) {
    return error;
  }
  throw new Error("it threw nothing");
}

/** The time of the running loop's clock, in milliseconds. */
export function now(): number {
  return getRunningLoop().time();
}
