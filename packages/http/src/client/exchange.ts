import { STATUS_CODES } from "node:http";
import type { EventLoop, Future } from "corio";
import type { Dispatcher } from "undici";
import type { Connection } from "./connection.js";
import type { ConnectionPool } from "./connection-pool.js";
import { type Decoder, decoderFor } from "./decoder.js";
import { connectionFailure, payloadFailure } from "./failure.js";
import type { RequestClock } from "./request-timeouts.js";
import { ResponseBody } from "./response-body.js";

/** @internal The headers of an answer as undici has them: names in lower case. */
export type ReceivedHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** @internal The beginning of an answer. */
export interface ResponseHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: ReceivedHeaders;
}

/** @internal */
export interface ExchangeOptions {
  readonly url: string;
  readonly decompress: boolean;
  readonly maxBodySize: number | undefined;
  /** Whether an error is one that the body of the request has thrown. */
  readonly ofTheBody: (error: unknown) => boolean;
  /** Told how many bytes arrive. */
  readonly onChunk: ((bytes: number) => void) | undefined;
}

/**
 * @internal One request over a connection, and its answer: what its connection tells is heard here and turned into futures.
 *
 *   started ──> sent ──head──> body ──> over
 *      └─────────┴──────────────┴──> over: an error, a time limit, a cancellation
 *
 * The connection goes back to its pool when the last byte is there, read or not. If the exchange ends before, an HTTP/1.1
 * connection is closed: what may still come on it is nobody's.
 */
export class Exchange {
  /** Done when the answer begins. */
  readonly head: Future<ResponseHead>;
  readonly body: ResponseBody;
  /** Whether the connection had served others before, so that the server may have closed it in the very moment. */
  reused: boolean;
  readonly loop: EventLoop;
  readonly #pool: ConnectionPool;
  readonly #clock: RequestClock;
  readonly #options: ExchangeOptions;
  readonly connection: Connection;
  #controller: Dispatcher.DispatchController | undefined;
  #decoder: Decoder | undefined;
  #hasConnection = true;
  #hasHead = false;
  #over = false;
  #error: unknown;
  #onOver: ((error: unknown) => void) | undefined;

  constructor(
    loop: EventLoop,
    pool: ConnectionPool,
    connection: Connection,
    clock: RequestClock,
    options: ExchangeOptions,
  ) {
    this.loop = loop;
    this.#pool = pool;
    this.connection = connection;
    this.#clock = clock;
    this.#options = options;
    this.reused = connection.used;
    this.head = loop.createFuture();
    this.body = new ResponseBody(loop, this, options.url, options.maxBodySize);
    clock.onTimeout = (error) => this.abort(error);
    clock.begin("connect");
  }

  /** Whether the last byte is there, or none will come. */
  get over(): boolean {
    return this.#over;
  }

  /** Calls back when it is over: with an error, if that is why. Calls at once if it is. */
  whenOver(callback: (error: unknown) => void): void {
    if (this.#over) callback(this.#error);
    else this.#onOver = callback;
  }

  /** Sends the request. What is wrong with it comes back as an error of the answer. */
  start(request: Dispatcher.DispatchOptions): void {
    this.connection.dispatch(request, this);
  }

  /** Ends it, if it is not over: who waits for it gets the error. */
  abort(error: unknown): void {
    if (this.#over) return;
    this.#fail(error);
    // what was not sent yet is stopped when it begins
    this.#controller?.abort(error as Error);
  }

  /** For the body, which nobody reads: the connection waits. */
  pauseReading(): void {
    if (this.#decoder === undefined) this.#controller?.pause();
    else this.#decoder.pause();
  }

  resumeReading(): void {
    if (this.#over) return;
    if (this.#decoder === undefined) this.#controller?.resume();
    else this.#decoder.resume();
  }

  waitForData(): void {
    this.#clock.begin("body");
  }

  dataArrived(): void {
    this.#clock.begin(undefined);
  }

  // What the connection tells, as undici does.

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.reused = this.connection.used; // it may have been opened anew
    if (this.#over) controller.abort(new Error("the request was aborted before it was sent"));
    else this.#clock.begin("headers");
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: ReceivedHeaders,
    statusText?: string,
  ): void {
    if (status < 200 || this.#over) return; // early hints, for one
    this.#hasHead = true;
    this.#clock.begin(undefined);
    if (this.#options.decompress) this.#decode(headers["content-encoding"]);
    if (!this.loop.closed && !this.head.done) {
      this.head.setResult({ status, statusText: statusText || (STATUS_CODES[status] ?? ""), headers });
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#over || chunk.length === 0) return; // undici tells of nothing when it is resumed
    this.#options.onChunk?.(chunk.length);
    if (this.#clock.phase === "body") this.#clock.begin("body");
    if (this.#decoder === undefined) this.body.feed(chunk);
    else if (!this.#decoder.write(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    if (this.#over) return;
    this.#free(true);
    if (this.#decoder === undefined) this.#end();
    else this.#decoder.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#over) return;
    const { url, ofTheBody } = this.#options;
    if (ofTheBody(error)) this.#fail(error);
    else if (this.#hasHead) this.#fail(payloadFailure(error, url));
    else this.#fail(connectionFailure(error, url, this.#controller === undefined));
    // a stream that was reset says nothing of its connection
    this.reused &&= this.connection.dead;
  }

  onRequestUpgrade(controller: Dispatcher.DispatchController): void {
    controller.abort(new Error("the server switched to another protocol, which nobody had asked for"));
  }

  #decode(encoding: string | string[] | undefined): void {
    const make = decoderFor(encoding === undefined ? undefined : String(encoding));
    this.#decoder = make?.({
      onData: (chunk) => {
        if (!this.#over) this.body.feed(chunk);
      },
      onDrain: () => this.#controller?.resume(),
      onEnd: () => this.#end(),
      onError: (error) => {
        if (!this.#over) this.#fail(payloadFailure(error, this.#options.url));
        this.#controller?.abort(error);
      },
    });
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#clock.begin(undefined);
    if (this.loop.closed) return;
    this.body.end();
    this.#onOver?.(undefined);
  }

  #fail(error: unknown): void {
    this.#over = true;
    this.#error = error;
    this.#decoder?.destroy();
    this.#clock.begin(undefined);
    this.#free(false);
    if (this.loop.closed) return;
    if (!this.head.done) {
      this.head.setException(error);
      this.head.exception(); // nobody's concern if nobody waits any more
    }
    this.body.fail(error);
    this.#onOver?.(error);
  }

  #free(complete: boolean): void {
    if (!this.#hasConnection) return;
    this.#hasConnection = false;
    const connection = this.connection;
    connection.used = true;
    if (!connection.isHttp2 && (!complete || connection.isSending)) this.#pool.discard(connection);
    this.#pool.release(connection);
  }
}
