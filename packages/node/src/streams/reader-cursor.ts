import { type Coroutine, type EventLoop, makeCursor } from "corio";
import { type ByteSource, Reading } from "./reading.js";

/** A reader's bytes piece by piece, for `forEach` and `iterate` in coroutines, and for `for await` elsewhere. */
export class ReaderCursor {
  /** The current piece. */
  value: Uint8Array = Buffer.alloc(0);
  readonly #loop: EventLoop;
  readonly #source: ByteSource;
  readonly #size: number;

  /** @internal `size`: up to so many bytes at a time; 0: line by line. */
  constructor(loop: EventLoop, source: ByteSource, size: number) {
    this.#loop = loop;
    this.#source = source;
    this.#size = size;
  }

  /**
   * Goes on to the next piece, and waits for it.
   *
   * @returns whether there is one
   *
   * *If cancelled*, nothing is lost.
   */
  next(): Coroutine<boolean> {
    return new CursorStep(this, this.#source, this.#size).asCoroutine();
  }

  /** Leaves the iteration; the connection stays as it is. */
  *close(): Coroutine<void> {}

  /** For `forEach` and `iterate`. */
  [makeCursor](): this {
    return this;
  }

  /** For `for await` in plain async code: each step is a task of the loop that the connection belongs to. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return {
      next: async () =>
        (await this.#loop.createTask(this.next()))
          ? { done: false, value: this.value }
          : { done: true, value: undefined },
      return: async () => ({ done: true, value: undefined }),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
}

class CursorStep extends Reading<boolean> {
  readonly #cursor: ReaderCursor;

  constructor(cursor: ReaderCursor, source: ByteSource, size: number) {
    super(source, size);
    this.#cursor = cursor;
  }

  protected override resultOf(data: Uint8Array): boolean {
    this.#cursor.value = data;
    return data.length > 0;
  }
}
