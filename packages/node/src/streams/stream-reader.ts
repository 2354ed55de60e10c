import {
  type ClosableCursor,
  type Coroutine,
  CorioError,
  type EventLoop,
  type Future,
  getRunningLoop,
  IncompleteReadError,
  LimitOverrunError,
  makeCursor,
} from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import { ByteQueue } from "./byte-queue.js";
import { ReaderCursor } from "./reader-cursor.js";
import { Reading } from "./reading.js";

/** @internal Bytes; asyncio's. */
export const DEFAULT_LIMIT = 64 * 1024;

const NEWLINE: Uint8Array = Buffer.from("\n");

/**
 * What is read from a connection. Made by `openConnection`, by servers and by subprocesses.
 *
 * Cancelling a task that waits in any of its methods loses no byte: what had arrived is there for the next read. At most one
 * task may wait at a time. An error of the connection is thrown when what had arrived before is not enough.
 *
 * Iterated, it gives its lines, each with its end: by `forEach` and `iterate` in coroutines, by `for await` elsewhere.
 * Leaving the iteration does not close the connection.
 *
 * @example
 * const [reader] = yield* openConnection("localhost", 7);
 * yield* forEach(reader, (line) => console.log(line.length));
 * @see https://docs.python.org/3/library/asyncio-stream.html#streamreader
 */
export class StreamReader {
  readonly #loop: EventLoop;
  readonly #limit: number;
  readonly #queue = new ByteQueue();
  #source: FlowControl | undefined;
  #waiter: Future<void> | undefined;
  #eof = false;
  #error: unknown;
  #paused = false;

  /**
   * @param options `limit`: how many bytes `readline` and `readuntil` may look through; with twice as many buffered the
   * source is paused; default 64 KiB. `loop`: default the running one. `source`: where what is fed comes from, if it can be
   * slowed down
   */
  constructor({ limit = DEFAULT_LIMIT, loop = getRunningLoop(), source }: StreamReaderOptions = {}) {
    this.#limit = checkLimit(limit);
    this.#loop = loop;
    this.#source = source;
  }

  /** Whether the end was received and everything was read. */
  get atEof(): boolean {
    return this.#eof && this.#queue.length === 0;
  }

  /** The error that ended the connection, if there is one. */
  get exception(): unknown {
    return this.#error;
  }

  /**
   * Reads up to `size` bytes.
   *
   * @param size in bytes; -1, the default, means everything up to the end
   * @returns at least one byte, as soon as there is one; none at the end
   * @throws what ended the connection; a `CorioError` if another task waits for this reader
   *
   * *If cancelled*, nothing is lost: what was read so far is read again.
   * @see https://docs.python.org/3/library/asyncio-stream.html#asyncio.StreamReader.read
   */
  read(size = -1): Coroutine<Uint8Array> {
    if (!(Number.isInteger(size) && size >= -1)) throw notSize("read", size);
    if (size === 0) return this.#readExactly(0);
    return size < 0 ? this.#readAll() : new Reading<Uint8Array>(this, size).asCoroutine();
  }

  /**
   * Reads up to the end of a line.
   *
   * @returns the line with its `\n`; without it what is left at the end, and nothing after that
   * @throws LimitOverrunError if the line is longer than the limit; it is dropped as far as it has come. What ended the
   * connection; a `CorioError` if another task waits for this reader
   *
   * *If cancelled*, nothing is lost.
   * @see https://docs.python.org/3/library/asyncio-stream.html#asyncio.StreamReader.readline
   */
  readline(): Coroutine<Uint8Array> {
    return new Reading<Uint8Array>(this, 0).asCoroutine();
  }

  /**
   * Reads exactly so many bytes.
   *
   * @param size in bytes
   * @throws IncompleteReadError with what there was, if the end comes before. What ended the connection; a `CorioError` if
   * another task waits for this reader
   *
   * *If cancelled*, nothing is lost.
   * @see https://docs.python.org/3/library/asyncio-stream.html#asyncio.StreamReader.readexactly
   */
  readexactly(size: number): Coroutine<Uint8Array> {
    if (!(Number.isInteger(size) && size >= 0)) throw notSize("readexactly", size);
    return this.#readExactly(size);
  }

  *#readExactly(size: number): Coroutine<Uint8Array> {
    const queue = this.#queue;
    while (queue.length < size) {
      if (this.#eof) throw new IncompleteReadError(queue.takeAll(), size);
      // asked for more than the limit, so the buffer grows so far
      yield* this._arrival("readexactly");
    }
    const data = queue.take(size);
    this.#resumeIfRoom();
    return data;
  }

  /**
   * Reads up to a separator.
   *
   * @param separator bytes, or a text in UTF-8; of several the one that ends first; default `"\n"`
   * @returns what was read, with the separator
   * @throws IncompleteReadError with what there was, if the end comes before. LimitOverrunError if there are more bytes than
   * the limit before the separator: they stay, and can be read otherwise. What ended the connection; a `CorioError` if another
   * task waits for this reader
   *
   * *If cancelled*, nothing is lost.
   * @example
   * const [reader] = yield* openConnection("localhost", 80);
   * const head = yield* reader.readuntil("\r\n\r\n");
   * @see https://docs.python.org/3/library/asyncio-stream.html#asyncio.StreamReader.readuntil
   */
  readuntil(separator: Separator | readonly Separator[] = NEWLINE): Coroutine<Uint8Array> {
    return this.#readUntil(separatorsOf(separator));
  }

  *#readUntil(separators: readonly Uint8Array[]): Coroutine<Uint8Array> {
    const shortest = Math.min(...separators.map(({ length }) => length));
    const longest = Math.max(...separators.map(({ length }) => length));
    const queue = this.#queue;
    for (let from = 0; ; ) {
      if (queue.length - from >= shortest) {
        const { start, end } = firstOf(separators, queue, from);
        if (end >= 0) {
          if (start > this.#limit) throw found(start);
          const data = queue.take(end);
          this.#resumeIfRoom();
          return data;
        }
        // a separator may have begun to arrive
        from = Math.max(0, queue.length + 1 - longest);
        if (from > this.#limit) throw notFound(from);
      }
      if (this.#eof) throw new IncompleteReadError(queue.takeAll());
      yield* this._arrival("readuntil");
    }
  }

  /**
   * The same bytes in the pieces in which they arrive, for `forEach`, `iterate` and `for await`.
   *
   * @example
   * const [reader] = yield* openConnection("localhost", 7);
   * yield* forEach(reader.chunks(), (chunk) => console.log(chunk.length));
   */
  chunks(): ReaderCursor {
    return new ReaderCursor(this.#loop, this, this.#limit);
  }

  /** For `forEach` and `iterate`: line by line. */
  [makeCursor](): ClosableCursor<Uint8Array> {
    return new ReaderCursor(this.#loop, this, 0);
  }

  /** For `for await` in plain async code: line by line. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return new ReaderCursor(this.#loop, this, 0)[Symbol.asyncIterator]();
  }

  /** Adds bytes, as if they had arrived: what a protocol does, and a test. */
  feedData(data: Uint8Array): void {
    if (this.#eof) throw new CorioError("ERR_CORIO_FED_AFTER_EOF", "feedData() after feedEof()");
    if (data.length === 0) return;
    this.#queue.push(data);
    this.#wake();
    if (!this.#paused && this.#source !== undefined && this.#queue.length > 2 * this.#limit) {
      this.#paused = true;
      this.#source.pauseReading();
    }
  }

  /** Says that no more bytes come. */
  feedEof(): void {
    this.#eof = true;
    this.#wake();
  }

  /** Ends it with an error, which who reads gets when what had arrived is not enough. */
  setException(error: unknown): void {
    this.#error = error;
    this.#wake();
  }

  /** @internal */
  _setTransport(transport: FlowControl): void {
    this.#source = transport;
    this.#paused = false;
  }

  /** @internal What has arrived and was not read; it is the caller's then. */
  _takeBuffered(): Uint8Array {
    return this.#queue.takeAll();
  }

  /** @internal What a read takes, if it is there. */
  _takeIfThere(size: number): Uint8Array | undefined {
    if (size === 0) return this.#takeLine();
    if (this.#queue.length === 0 && !this.#eof) return undefined;
    const data = this.#queue.takeSome(size);
    if (this.#paused) this.#resumeIfRoom();
    return data;
  }

  #takeLine(): Uint8Array | undefined {
    const queue = this.#queue;
    const { length } = queue;
    const end = queue.indexOf(NEWLINE, queue.searched);
    if (end >= 0 && end <= this.#limit) {
      const line = queue.take(end + 1);
      if (this.#paused) this.#resumeIfRoom();
      return line;
    }
    if (end >= 0 || length > this.#limit) {
      queue.take(end >= 0 ? end + 1 : length);
      this.#resumeIfRoom();
      throw end >= 0 ? found(end) : notFound(length);
    }
    if (this.#eof) return queue.takeAll();
    queue.searched = length;
    return undefined;
  }

  *#readAll(): Coroutine<Uint8Array> {
    const whole = new ByteQueue();
    try {
      for (;;) {
        const piece = yield* this.read(this.#limit);
        if (piece.length === 0) return whole.takeAll();
        whole.push(piece);
      }
    } finally {
      this.#queue.unshift(whole.takeAll());
    }
  }

  /** @internal Done when something has arrived: bytes, the end or an error. It wakes, and hands nothing over. */
  _arrival(method: string): Future<void> {
    if (this.#error !== undefined) throw this.#error;
    if (this.#waiter !== undefined && !this.#waiter.done) throw alreadyWaiting(method);
    const waiter = (this.#waiter = this.#loop.createFuture<void>());
    // a source may have data at once, and feed it in this very call
    if (this.#paused) this.#resume();
    if (!waiter.done) this.#source?.waitForData?.();
    return waiter;
  }

  #wake(): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    this.#waiter = undefined;
    if (!waiter.done) waiter.setResult();
  }

  #resumeIfRoom(): void {
    if (this.#queue.length <= this.#limit) this.#resume();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#source?.resumeReading();
  }
}

/** What a reader slows down when nobody reads: a transport, for one. */
export interface FlowControl {
  pauseReading(): void;
  resumeReading(): void;
  /** Told when somebody begins to wait for more, for those who limit the time that this may take. */
  waitForData?(): void;
}

/** What `new StreamReader()` takes. */
export interface StreamReaderOptions {
  limit?: number | undefined;
  loop?: EventLoop | undefined;
  source?: FlowControl | undefined;
}

/** What ends a piece that is read: bytes, or a text in UTF-8. */
export type Separator = Uint8Array | string;

/** @internal */
export function checkLimit(limit: number): number {
  if (!(limit > 0))
    throw invalidArgument("LIMIT", `limit is how many bytes may be buffered, more than 0, not ${limit}`);
  return limit;
}

function separatorsOf(separator: Separator | readonly Separator[]): Uint8Array[] {
  const all = Array.isArray(separator) ? (separator as readonly Separator[]) : [separator as Separator];
  const separators = all.map((one) => (typeof one === "string" ? new TextEncoder().encode(one) : one));
  if (separators.length === 0 || !separators.every((one) => one instanceof Uint8Array && one.length > 0)) {
    throw invalidArgument("SEPARATOR", 'Separator should be at least one-byte string: readuntil("\\r\\n")');
  }
  return separators;
}

function firstOf(separators: readonly Uint8Array[], queue: ByteQueue, from: number): { start: number; end: number } {
  let first = { start: -1, end: -1 };
  for (const separator of separators) {
    const start = queue.indexOf(separator, from);
    const end = start + separator.length;
    if (start >= 0 && (first.end < 0 || end < first.end)) first = { start, end };
  }
  return first;
}

function found(position: number): LimitOverrunError {
  return new LimitOverrunError(
    "Separator is found, but chunk is longer than limit: open the stream with a larger `limit`",
    position,
  );
}

function notFound(looked: number): LimitOverrunError {
  return new LimitOverrunError(
    "Separator is not found, and chunk exceed the limit: open the stream with a larger `limit`",
    looked,
  );
}

function notSize(method: string, size: unknown): TypeError {
  const everything = method === "read" ? ", or -1 for everything up to the end" : "";
  return invalidArgument("SIZE", `${method}(size) takes a number of bytes${everything}, not ${String(size)}`);
}

function alreadyWaiting(method: string): CorioError {
  return new CorioError(
    "ERR_CORIO_CONCURRENT_READ",
    `${method}() called while another coroutine is already waiting for incoming data: let one task read, and hand on by a Queue`,
  );
}
