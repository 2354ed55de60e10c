import { type Coroutine, Future } from "corio";

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
      if (future.done) return;
      if (error === null) future.setResult(answer());
      else future.setException(error);
    });
    return yield* future;
  } finally {
    future.cancel();
    // which counts as having seen the error
    if (!future.cancelled) future.exception();
  }
}
