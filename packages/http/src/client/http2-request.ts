import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from "node:http2";
import { type Dispatcher, errors } from "undici";
import type { TransportHandler } from "./connection.js";

/** @internal What a request needs of its connection. */
export interface Http2RequestOwner {
  /** It is over; said before anybody else learns of it. */
  over(request: Http2Request): void;
  /** How often something has come of the server. */
  heard: number;
  /** Asks the server whether it is still there: since a request that was aborted now began, it has said nothing to anybody. */
  probe(): void;
  /** Why a stream has ended too early, before it was answered or after that. */
  failure(stream: ClientHttp2Stream, answered: boolean, error: Error | undefined): Error;
}

/**
 * @internal One request over HTTP/2 and its answer: a stream of Node's, told to a handler as undici tells it.
 *
 *   begun ──headers──> answered ──END_STREAM──> complete ──all is read──> over
 *     └───────────────────┴── reset, aborted, the connection ends ──────> over
 */
export class Http2Request implements Dispatcher.DispatchController {
  reason: Error | null = null;
  paused = false;
  readonly #owner: Http2RequestOwner;
  readonly #handler: TransportHandler;
  #stream: ClientHttp2Stream | undefined;
  #answered = false;
  #complete = false;
  #over = false;
  #error: Error | undefined;
  #goOn: (() => void) | undefined;
  #heardBefore = 0;
  #mostHeaders: number | undefined;

  constructor(owner: Http2RequestOwner, handler: TransportHandler) {
    this.#owner = owner;
    this.#handler = handler;
  }

  get aborted(): boolean {
    return this.reason !== null;
  }

  /**
   * @param body what is to be sent; `null` if the stream has ended with its headers
   * @param length how many bytes that has to be, if it was announced
   * @param mostHeaders how many bytes the headers of the answer may have, unless Node sees to that
   */
  begin(
    stream: ClientHttp2Stream,
    body: Buffer | AsyncIterable<Uint8Array> | null,
    length: number | undefined,
    mostHeaders: number | undefined,
  ): void {
    this.#stream = stream;
    this.#mostHeaders = mostHeaders;
    this.#heardBefore = this.#owner.heard;
    this.#noteEnd(stream);
    stream.on("response", (headers) => this.#answer(stream, headers));
    stream.on("end", () => {
      if (this.#complete) this.#end(stream);
    });
    stream.on("error", (error: Error) => void (this.#error ??= error));
    stream.on("close", () => this.closed());
    if (body === null) return;
    if (Buffer.isBuffer(body) && body.length <= PIECE) stream.end(body);
    else void this.#send(stream, Buffer.isBuffer(body) ? [body] : body, length);
  }

  /** Resets the stream; the others go on. */
  abort(error: Error): void {
    if (this.#over) return;
    this.reason = error;
    this.fail(error);
    if (this.#stream !== undefined && this.#heardBefore === this.#owner.heard) this.#owner.probe();
  }

  pause(): void {
    // what is left has arrived already
    if (this.#complete) return;
    this.paused = true;
    this.#stream?.pause();
  }

  resume(): void {
    this.paused = false;
    this.#stream?.resume();
  }

  /** Ends it with an error, if it is not over. */
  fail(error: Error): void {
    if (this.#over) return;
    this.#finish();
    this.#stream?.close(constants.NGHTTP2_CANCEL);
    this.#handler.onResponseError(this, error);
  }

  /** The stream is closed, or its connection is. */
  closed(): void {
    const stream = this.#stream;
    if (this.#over || stream === undefined) return;
    if (!this.#complete || !this.#answered) {
      this.fail(this.#owner.failure(stream, this.#answered, this.#error));
      return;
    }
    // all has arrived before the connection broke
    stream.removeAllListeners("data");
    for (let chunk: Buffer | null; (chunk = stream.read() as Buffer | null) !== null; ) {
      this.#handler.onResponseData(this, chunk);
    }
    this.#end(stream);
  }

  /**
   * A stream that the server resets with NO_ERROR ends for Node like a complete one. But then it is closed before its end is pushed,
   * and with END_STREAM after that.
   */
  #noteEnd(stream: ClientHttp2Stream): void {
    const push = stream.push.bind(stream);
    stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (chunk === null && !stream.closed) {
        this.#complete = true;
        if (this.paused) this.resume();
      }
      return push(chunk, encoding);
    };
  }

  #answer(stream: ClientHttp2Stream, headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
    if (this.#over) return;
    this.#answered = true;
    this.#owner.heard++;
    const { ":status": status = 0, ...fields } = headers;
    if (this.#mostHeaders !== undefined && sizeOf(headers) > this.#mostHeaders) {
      this.fail(new Error("the headers of the answer are larger than maxHeaderSize"));
      return;
    }
    this.#handler.onResponseStart(this, status, fields, "");
    stream.on("data", (chunk: Buffer) => {
      this.#owner.heard++;
      if (!this.#over) this.#handler.onResponseData(this, chunk);
    });
  }

  #end(stream: ClientHttp2Stream): void {
    if (this.#over) return;
    this.#finish();
    // nobody needs the rest of the request
    if (!stream.writableFinished) stream.close(constants.NGHTTP2_CANCEL);
    this.#handler.onResponseEnd(this, {});
  }

  #finish(): void {
    this.#over = true;
    this.#goOn?.();
    this.#owner.over(this);
  }

  async #send(
    stream: ClientHttp2Stream,
    body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    length: number | undefined,
  ): Promise<void> {
    stream.on("drain", () => this.#goOn?.());
    let sent = 0;
    try {
      for await (const chunk of body) {
        if (this.#over) return;
        sent += chunk.length;
        if (length !== undefined && sent > length) throw wrongLength();
        for (let at = 0; at < chunk.length && !this.#over; at += PIECE) {
          if (!stream.write(chunk.subarray(at, at + PIECE))) await this.#drained();
        }
        if (this.#over) return;
      }
      if (this.#over) return;
      if (length !== undefined && sent < length) throw wrongLength();
      stream.end();
    } catch (error) {
      this.fail(error as Error);
    }
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#goOn = resolve;
    });
  }
}

/** How much is given to Node at once, in bytes: what it holds is of its session's memory, and too much of that breaks all streams. */
const PIECE = 64 * 1024;

/** As HTTP/2 counts it: 32 bytes more for each. */
function sizeOf(headers: IncomingHttpHeaders): number {
  let size = 0;
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value]) size += name.length + String(one).length + 32;
  }
  return size;
}

/** @internal */
export function wrongLength(): Error {
  return new errors.RequestContentLengthMismatchError();
}
