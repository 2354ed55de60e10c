import type { TextDecoder } from "node:util";
import type { ReaderCursor } from "@corio/node";
import { type Coroutine, type EventLoop, LimitOverrunError, makeCursor } from "corio";

const DEFAULT_LIMIT = 1024 * 1024;

/** The lines of a body as text, for `forEach` and `iterate` in coroutines, and for `for await` elsewhere. */
export class LinesCursor {
  /** The current line, without its end. */
  value = "";
  readonly #loop: EventLoop;
  readonly #chunks: ReaderCursor;
  readonly #decoder: TextDecoder;
  readonly #limit: number;
  #lines: string[] = [];
  #next = 0;
  #rest = "";
  #ended = false;

  /** @internal */
  constructor(loop: EventLoop, chunks: ReaderCursor, decoder: TextDecoder, limit = DEFAULT_LIMIT) {
    this.#loop = loop;
    this.#chunks = chunks;
    this.#decoder = decoder;
    this.#limit = limit;
  }

  /**
   * Goes on to the next line, and waits for it.
   *
   * @returns whether there is one
   * @throws LimitOverrunError if a line is longer than the limit; what broke the body
   *
   * *If cancelled*, nothing is lost.
   */
  *next(): Coroutine<boolean> {
    while (this.#next === this.#lines.length) {
      if (this.#ended) return false;
      if (yield* this.#chunks.next()) this.#split(this.#decoder.decode(this.#chunks.value, { stream: true }));
      else this.#end();
    }
    this.value = this.#lines[this.#next++] as string;
    return true;
  }

  /** Leaves the iteration; the response stays as it is. */
  *close(): Coroutine<void> {}

  /** For `forEach` and `iterate`. */
  [makeCursor](): this {
    return this;
  }

  /** For `for await` in plain async code: each step is a task of the session's loop. */
  [Symbol.asyncIterator](): AsyncIterableIterator<string> {
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

  // A line ends with \n or \r\n: what JSON lines, logs and CSV have.
  #split(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() as string;
    if (this.#rest.length > this.#limit) throw overrun(this.#rest.length, this.#limit);
    this.#lines = lines.map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
    this.#next = 0;
    const longest = this.#lines.find((line) => line.length > this.#limit);
    if (longest !== undefined) throw overrun(longest.length, this.#limit);
  }

  #end(): void {
    this.#ended = true;
    this.#split(this.#decoder.decode());
    if (this.#rest !== "") this.#lines.push(this.#rest);
    this.#rest = "";
  }
}

function overrun(length: number, limit: number): LimitOverrunError {
  return new LimitOverrunError(`a line has more than ${limit} characters: raise it, \`lines({ limit })\``, length);
}
