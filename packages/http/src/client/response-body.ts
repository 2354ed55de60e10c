import { type FlowControl, StreamReader } from "@corio/node";
import { CorioError, type Coroutine, type EventLoop, type Future } from "corio";
import { ResponseTooLargeError } from "../errors/client-error.js";

/** How many bytes wait for being read, before the connection is paused. */
const HIGH_WATER = 64 * 1024;

/** How many bytes are read as a whole where no limit is given. */
const MOST_AS_A_WHOLE = 128 * 1024 * 1024;

/** @internal What brings a body. */
export interface BodySource extends Required<FlowControl> {
  /** Nobody waits any more, as something has come. */
  dataArrived(): void;
  /** Ends it: who reads gets the error. */
  abort(error: unknown): void;
}

/**
 * @internal The body of an answer, between the connection that brings it and who reads it.
 *
 *   held back ──whole()──> collected
 *       └──────reader────> read piece by piece
 *
 * Until it is known how it is read, no more than a bufferful is taken from the connection: so a body that is small and read as a
 * whole, as most are, costs one future and no stream.
 */
export class ResponseBody {
  readonly #loop: EventLoop;
  readonly #source: BodySource;
  readonly #url: string;
  readonly #maxSize: number | undefined;
  readonly #pieces: Uint8Array[] = [];
  #size = 0;
  #limit: number;
  #paused = false;
  #ended = false;
  #error: unknown;
  #collecting: Future<void> | undefined;
  #bytes: Uint8Array | undefined;
  #reader: StreamReader | undefined;

  /** @param maxSize in bytes; where there is none, what is read piece by piece has no limit */
  constructor(loop: EventLoop, source: BodySource, url: string, maxSize: number | undefined) {
    this.#loop = loop;
    this.#source = source;
    this.#url = url;
    this.#maxSize = maxSize;
    this.#limit = maxSize ?? Number.POSITIVE_INFINITY;
  }

  /** The body piece by piece. */
  get reader(): StreamReader {
    if (this.#reader !== undefined) return this.#reader;
    if (this.#bytes !== undefined || this.#collecting !== undefined) throw alreadyRead("as a whole");
    const reader = (this.#reader = new StreamReader({ limit: HIGH_WATER, loop: this.#loop, source: this.#source }));
    for (const piece of this.#pieces.splice(0)) reader.feedData(piece);
    if (this.#ended) reader.feedEof();
    if (this.#error !== undefined) reader.setException(this.#error);
    this.#resume();
    return reader;
  }

  /**
   * All of it. Can be asked for again.
   *
   * *If cancelled*, what brings it is told to end.
   */
  *whole(): Coroutine<Uint8Array> {
    if (this.#reader !== undefined) throw alreadyRead("piece by piece");
    this.#limit = this.#maxSize ?? MOST_AS_A_WHOLE;
    if (this.#size > this.#limit) this.#tooLarge();
    while (!this.#ended) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#collecting !== undefined) throw alreadyWaiting();
      const collecting = (this.#collecting = this.#loop.createFuture<void>());
      try {
        this.#resume();
        this.#source.waitForData();
        yield* collecting;
      } catch (error) {
        this.#source.abort(error);
        throw error;
      } finally {
        this.#collecting = undefined;
      }
    }
    return (this.#bytes ??= joined(this.#pieces));
  }

  feed(piece: Uint8Array): void {
    this.#size += piece.length;
    if (this.#size > this.#limit) {
      this.#tooLarge();
    } else if (this.#reader !== undefined) {
      this.#reader.feedData(piece);
      this.#source.dataArrived();
    } else {
      this.#pieces.push(piece);
      if (this.#collecting !== undefined || this.#paused || this.#size <= HIGH_WATER) return;
      this.#paused = true;
      this.#source.pauseReading();
    }
  }

  end(): void {
    this.#ended = true;
    this.#reader?.feedEof();
    this.#wake();
  }

  fail(error: unknown): void {
    this.#error = error;
    this.#pieces.length = 0;
    this.#reader?.setException(error);
    this.#wake();
  }

  #tooLarge(): void {
    this.#source.abort(new ResponseTooLargeError(this.#limit, this.#url));
  }

  #wake(): void {
    const collecting = this.#collecting;
    if (collecting !== undefined && !collecting.done) collecting.setResult();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#source.resumeReading();
  }
}

function joined(pieces: Uint8Array[]): Uint8Array {
  const [only] = pieces;
  const bytes = pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
  pieces.length = 0;
  return bytes;
}

function alreadyWaiting(): CorioError {
  return new CorioError(
    "ERR_CORIO_CONCURRENT_READ",
    "another coroutine is waiting for this body already: let one task read, and hand on what it has read",
  );
}

function alreadyRead(how: string): CorioError {
  return new CorioError(
    "ERR_CORIO_BODY_READ",
    `the body is read ${how} already: choose one, \`bytes()\`, \`text()\` and \`json()\`, or \`body\`, \`chunks()\`, \`lines()\` and \`events()\``,
  );
}
