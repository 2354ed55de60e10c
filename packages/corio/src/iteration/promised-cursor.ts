import { CancelledError } from "../errors/cancelled-error.js";
import { ensureFuture } from "../loop/ensure-future.js";
import type { Coroutine } from "../tasks/coroutine.js";
import { FAILED, type Future } from "../tasks/future.js";
import { isAbort } from "../tasks/promise-future.js";
import { BaseCursor } from "./base-cursor.js";

type Answer<T> = IteratorResult<T, unknown>;

/**
 * @internal A cursor of what answers by promises. Only the wait for an answer can be cancelled: the answer itself, or the error
 * that came in its place, is there for who asks next, so that no item is lost.
 */
export abstract class PromisedCursor<T> extends BaseCursor<T> {
  #promise: PromiseLike<Answer<T>> | undefined;
  /** The answer that is under way, or that has come when nobody waited. */
  protected answer: Future<Answer<T>> | undefined;

  protected abstract ask(): PromiseLike<Answer<T>>;

  protected *step(): Coroutine<Answer<T>> {
    const promise = (this.#promise ??= this.ask());
    const answer = (this.answer ??= ensureFuture(promise));
    try {
      const taken = yield* answer;
      this.#promise = this.answer = undefined;
      return taken;
    } finally {
      if (answer.cancelled) this.answer = ensureFuture(promise, { loop: answer.loop });
    }
  }

  /** Nobody will ask for the answer any more. Returns whether it was still to come. */
  protected leaveAnswer(left: unknown): boolean {
    const { answer } = this;
    if (answer === undefined) return false;
    const pending = !answer.done;
    tellLateError(answer, left);
    return pending;
  }
}

/** @internal Whether an error is only how a source answers to being left: by a cancellation with a reason, or by its destruction. */
export function isFarewell(thrown: unknown, left: unknown): boolean {
  const { code } = (thrown ?? {}) as { code?: unknown };
  return code === "ERR_STREAM_PREMATURE_CLOSE" || isAbort(thrown, left instanceof CancelledError ? left.reason : left);
}

/** @internal Nobody waits any more for what a source that was left still has to tell; a failure of it is not lost. */
export function tellLateError(promise: PromiseLike<unknown>, left: unknown): void {
  const future = ensureFuture(promise);
  future._whenDone(() => {
    if (future._state !== FAILED) return;
    future._retrieved();
    const exception = future._value;
    if (isFarewell(exception, left)) return;
    future.loop.callExceptionHandler({ message: "What was iterated failed after it was left", exception });
  });
}
