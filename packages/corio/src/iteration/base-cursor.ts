import { isCancelled } from "../errors/cancelled-error.js";
import type { Coroutine } from "../tasks/coroutine.js";
import type { ClosableCursor } from "./cursor.js";

/** @internal A cursor whose steps have results as those of an iterator. It ends once: by its source's end or error, or by being left. */
export abstract class BaseCursor<T> implements ClosableCursor<T> {
  value: T = undefined as T;
  protected over = false;

  *next(): Coroutine<boolean> {
    if (this.over) return false;
    try {
      const answer = yield* this.step();
      if (answer.done !== true) {
        this.value = answer.value;
        return true;
      }
    } catch (error) {
      if (isCancelled(error)) throw error;
      this.over = true;
      this.ended();
      this.failed(error);
    }
    this.over = true;
    this.ended();
    return false;
  }

  protected abstract step(): Coroutine<IteratorResult<T, unknown>>;

  /** Called when the source has ended or failed. */
  protected ended(): void {}

  /** What an error of `step` means; most mean themselves. */
  protected failed(error: unknown): void {
    throw error;
  }

  abstract close(error?: unknown): Coroutine<void>;
}
