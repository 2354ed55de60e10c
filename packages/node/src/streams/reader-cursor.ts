import type { Coroutine, EventLoop } from "corio";
import { makeCursor } from "corio";

/** A reader's bytes piece by piece, for `forEach` and `iterate` in coroutines, and for `for await` elsewhere. */
export class ReaderCursor {
  /** The current piece. */
  value: Uint8Array = new Uint8Array(0);
  readonly #loop: EventLoop;
  readonly #read: () => Coroutine<Uint8Array>;

  /** @internal */
  constructor(loop: EventLoop, read: () => Coroutine<Uint8Array>) {
    this.#loop = loop;
    this.#read = read;
  }

  /**
   * Goes on to the next piece, and waits for it.
   *
   * @returns whether there is one
   *
   * *If cancelled*, nothing is lost.
   */
  *next(): Coroutine<boolean> {
    const value = yield* this.#read();
    this.value = value;
    return value.length > 0;
  }

  /** Leaves the iteration; the connection stays as it is. */
  *close(): Coroutine<void> {}

  /** For `forEach` and `iterate`. */
  [makeCursor](): this {
    return this;
  }

  /** For `for await` in plain async code. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    const next = async (): Promise<IteratorResult<Uint8Array>> => {
      const value = await this.#loop.createTask(this.#read());
      return value.length > 0 ? { done: false, value } : { done: true, value: undefined };
    };
    return {
      next,
      return: async () => ({ done: true, value: undefined }),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
}
