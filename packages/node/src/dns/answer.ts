import { type Coroutine, Future } from "corio";
import { fail } from "../errors/fail.js";

/** Takes what a function of `node:dns` answers. */
export type Answered<T> = (error: Error | null, answer: () => T) => void;

/**
 * Asks the system, and waits for its answer.
 *
 * *If cancelled*, the wait ends at once, and the answer is dropped, also if it is an error and whether or not it has come.
 */
export function* answerOf<T>(ask: (answered: Answered<T>) => void): Coroutine<T> {
  const future = new Future<T>();
  try {
    ask((error, answer) => {
      if (error !== null) fail(future, error);
      else if (!future.done) future.setResult(answer());
    });
    return yield* future;
  } finally {
    future.cancel();
  }
}
