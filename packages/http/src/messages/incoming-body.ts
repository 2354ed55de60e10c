import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { ReadableStream, type ReadableStreamDefaultController } from "node:stream/web";
import type { EventLoop, TimerHandle } from "corio";
import { HttpError } from "../errors/http-error.js";

/** @internal What a body goes by. */
export interface BodyLimits {
  /** In bytes. */
  readonly maxBodySize: number;
  /** In milliseconds; `null` for no limit. */
  readonly bodyIdleTimeout: number | null;
}

/** @internal What a body tells the one who handles its request. */
export interface BodyHost {
  /** It is read for the first time: a client may wait for that before it sends. */
  wantsBody(): void;
  /** It was cut off. Returns the error for who reads. */
  clientGone(): unknown;
}

/**
 * @internal The body of a request, between the connection that brings it and who reads it.
 *
 *   untouched ──whole()──> collected in one piece
 *       └──────stream()──> piece by piece, as somebody asks
 *
 * Nothing is taken from the connection before somebody reads: what Node has buffered is little, and then TCP holds the client back.
 */
export class IncomingBody {
  readonly #incoming: IncomingMessage | Http2ServerRequest;
  readonly #loop: EventLoop;
  readonly #limits: BodyLimits;
  readonly #host: BodyHost;
  readonly #length: number | undefined;
  #received = 0;
  #reader: BodyReader | undefined;
  #failure: { readonly error: unknown } | undefined;
  #timer: TimerHandle | undefined;
  // how far it had come when the timer was set
  #receivedAtTimer = 0;

  /**
   * @param length what the client has announced, in bytes
   */
  constructor(
    incoming: IncomingMessage | Http2ServerRequest,
    loop: EventLoop,
    limits: BodyLimits,
    length: number | undefined,
    host: BodyHost,
  ) {
    this.#incoming = incoming;
    this.#loop = loop;
    this.#limits = limits;
    this.#length = length;
    this.#host = host;
  }

  /** How many bytes are still to come; `undefined` if only the client knows, and if it is not to send them any more. */
  get remaining(): number | undefined {
    return this.#length === undefined || this.#failure !== undefined ? undefined : this.#length - this.#received;
  }

  /** Whether it has been begun, and has not come to its end. */
  get isBeingRead(): boolean {
    return this.#reader !== undefined;
  }

  /** All of it, in one piece. */
  whole(): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const pieces: Buffer[] = [];
      this.#begin({
        take: (piece) => void pieces.push(piece),
        end: () => resolve(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)),
        fail: reject,
      });
      if (this.#reader !== undefined) this.#resume();
    });
  }

  /** Piece by piece: the next one is read when it is asked for. Cancelled, it is read no further. */
  stream(): ReadableStream<Uint8Array> {
    let controller: ReadableStreamDefaultController<Uint8Array>;
    let asked: (() => void) | undefined;
    const answer = (): void => {
      asked?.();
      asked = undefined;
    };
    const reader: BodyReader = {
      take: (piece) => {
        this.#pause();
        controller.enqueue(new Uint8Array(piece.buffer, piece.byteOffset, piece.length));
        answer();
      },
      end: () => {
        controller.close();
        answer();
      },
      fail: (error) => {
        controller.error(error);
        answer();
      },
    };
    return new ReadableStream<Uint8Array>(
      {
        start: (made) => {
          controller = made;
        },
        pull: () =>
          new Promise((resolve) => {
            asked = resolve;
            if (this.#reader === undefined) this.#begin(reader);
            if (this.#reader !== undefined) this.#resume();
          }),
        cancel: () => this.#stop(),
      },
      { highWaterMark: 0 },
    );
  }

  /** The request is over: nobody reads any more. Who does all the same gets the error. */
  abandon(error: unknown): void {
    this.#fail(error);
  }

  #begin(reader: BodyReader): void {
    const { maxBodySize } = this.#limits;
    if (this.#failure === undefined && this.#length !== undefined && this.#length > maxBodySize) {
      this.#failure = { error: tooLarge(maxBodySize) };
    }
    if (this.#failure !== undefined) return reader.fail(this.#failure.error);
    const incoming = this.#incoming;
    if (incoming.destroyed) return reader.fail(this.#host.clientGone());
    this.#reader = reader;
    this.#host.wantsBody();
    incoming.on("data", this.#onData);
    incoming.on("end", this.#onEnd);
    incoming.on("close", this.#onClose);
    // what broke the connection is said by "close", too
    incoming.on("error", ignore);
  }

  #resume(): void {
    this.#watch();
    this.#incoming.resume();
  }

  #pause(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#incoming.pause();
  }

  // One timer for many pieces: it looks whether any has come since it was set.
  #watch(): void {
    const { bodyIdleTimeout } = this.#limits;
    if (bodyIdleTimeout === null) return;
    this.#receivedAtTimer = this.#received;
    this.#timer ??= this.#loop.callLater(bodyIdleTimeout, this.#onTimer);
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    if (this.#received !== this.#receivedAtTimer) this.#watch();
    else this.#fail(stoodStill(this.#limits.bodyIdleTimeout as number));
  };

  readonly #onData = (piece: Buffer): void => {
    this.#received += piece.length;
    if (this.#received > this.#limits.maxBodySize) this.#fail(tooLarge(this.#limits.maxBodySize));
    else this.#reader?.take(piece);
  };

  readonly #onEnd = (): void => {
    // Node ends a stream of HTTP/2 in good order that the client has taken back
    if (this.#incoming.aborted || (this.#incoming as Partial<Http2ServerRequest>).stream?.aborted === true) {
      return this.#fail(this.#host.clientGone());
    }
    const reader = this.#reader;
    this.#stop();
    reader?.end();
  };

  readonly #onClose = (): void => this.#fail(this.#host.clientGone());

  #fail(error: unknown): void {
    this.#failure ??= { error };
    const reader = this.#reader;
    this.#stop();
    reader?.fail(error);
  }

  #stop(): void {
    this.#reader = undefined;
    this.#pause();
    const incoming = this.#incoming;
    incoming.off("data", this.#onData);
    incoming.off("end", this.#onEnd);
    incoming.off("close", this.#onClose);
  }
}

interface BodyReader {
  take(piece: Buffer): void;
  end(): void;
  fail(error: unknown): void;
}

function ignore(): void {}

function tooLarge(limit: number): HttpError {
  return new HttpError(413, `The body is larger than ${limit} bytes`);
}

function stoodStill(ms: number): HttpError {
  return new HttpError(408, `The body stood still for ${ms} ms`);
}
