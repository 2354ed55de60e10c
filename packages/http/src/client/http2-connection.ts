import http2, { type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import { type Dispatcher, errors } from "undici";
import type { Transport, TransportHandler } from "./connection.js";
import type { PoolOptions } from "./connection-pool.js";
import { Http2Request, type Http2RequestOwner, wrongLength } from "./http2-request.js";
import type { OutgoingHeaders } from "./outgoing-headers.js";

/** @internal What its owner learns of a connection. */
export interface Http2Events {
  /** How many requests it serves at once: first when the server has said so, then whenever that changes. */
  onCapacity(streams: number): void;
  /** It takes no further requests: the server is leaving, it was idle for too long, or it is closed. Told once. */
  onRetired(): void;
}

/** @internal The code of what a server has not begun to process: that may be sent again, whatever its method is. */
export const REFUSED = "ERR_HTTP2_REFUSED";

/** At most, whatever the server allows. */
const MOST_STREAMS = 100;

/** What a server may send of an answer that nobody reads, in bytes. */
const STREAM_WINDOW = 256 * 1024;

/** For all answers together. Node makes room as soon as something arrives, so that one that is not read holds up no other. */
const CONNECTION_WINDOW = 4 * 1024 * 1024;

/** As many as Node takes over HTTP/1.1. */
const MOST_HEADERS = 2_000;

/** The numbers of streams end at 2^31. */
const LAST_STREAMS = 2 ** 31 - 1_000;

/** How long a server that reads nothing may keep a connection from being closed in good order, in milliseconds. */
const FAREWELL = 500;

/**
 * @internal A connection that speaks HTTP/2, by Node's `http2`: requests share it, each is a stream.
 *
 *   settings awaited ──> open: idle or in use ──> retired: what runs is finished ──> closed
 *
 * Not by undici, whose HTTP/2 takes what a server has reset for complete, and lets requests wait for others.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9113
 */
export class Http2Connection implements Transport, Http2RequestOwner {
  heard = 0;
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  readonly #authority: string;
  readonly #events: Http2Events;
  readonly #requests = new Set<Http2Request>();
  readonly #idleTimer: NodeJS.Timeout;
  readonly #closed: Promise<void>;
  readonly #patience: number;
  readonly #maxHeaderSize: number;
  #probing: NodeJS.Timeout | undefined;
  #hasSettings = false;
  #retired = false;
  #closing = false;
  /** Why the server or the network has ended it. */
  #error: Error | undefined;
  /** The server that is leaving has not begun to process what came after this one. */
  #lastStream = Number.POSITIVE_INFINITY;

  /** @param socket over which HTTP/2 was agreed upon */
  constructor(socket: Socket, origin: string, options: PoolOptions, events: Http2Events) {
    this.#socket = socket;
    this.#authority = new URL(origin).host;
    this.#events = events;
    this.#patience = options.keepAliveTimeout;
    this.#maxHeaderSize = options.maxHeaderSize;
    this.#closed = new Promise((resolve) => socket.once("close", () => resolve()));
    const session = (this.#session = http2.connect(origin, {
      createConnection: () => socket,
      maxHeaderListPairs: MOST_HEADERS,
      settings: {
        enablePush: false,
        initialWindowSize: STREAM_WINDOW,
        maxHeaderListSize: Math.min(options.maxHeaderSize, 2 ** 32 - 1),
      },
    }));
    session.setLocalWindowSize(CONNECTION_WINDOW);
    session.on("remoteSettings", ({ maxConcurrentStreams = MOST_STREAMS }) => {
      this.#hasSettings = true;
      if (!this.#retired) events.onCapacity(Math.min(maxConcurrentStreams, MOST_STREAMS));
    });
    session.on("goaway", (code: number, lastStream: number) => {
      this.#lastStream = lastStream;
      if (code !== 0) this.#error = new Error(`the server ended the connection with ${nameOf(code)}`);
      this.#retire();
    });
    session.on("error", (error: Error) => void (this.#error ??= error));
    session.on("close", () => {
      this.#retire();
      for (const request of [...this.#requests]) request.closed();
    });
    this.#idleTimer = setTimeout(() => this.#expire(), this.#patience).unref();
  }

  /** Sends a request. What is wrong with it comes back as an error of the answer. */
  dispatch(options: Dispatcher.DispatchOptions, handler: TransportHandler): void {
    const request = new Http2Request(this, handler);
    handler.onRequestStart(request, {});
    if (request.aborted) return;
    const headers = options.headers as OutgoingHeaders;
    let body = options.body as Buffer | AsyncIterable<Uint8Array> | null;
    if (Buffer.isBuffer(body) && body.length === 0) body = null;
    let length: number | undefined;
    let stream: ClientHttp2Stream;
    try {
      length = announcedLength(headers, body);
      if (this.#session.closed || this.#session.destroyed) throw refused();
      stream = this.#session.request(this.#headers(options, headers, body !== null), {
        endStream: body === null,
      });
    } catch (error) {
      request.fail(error instanceof TypeError ? new errors.InvalidArgumentError(error.message) : (error as Error));
      return;
    }
    if (this.#requests.size === 0) this.#session.ref();
    this.#requests.add(request);
    // Node keeps to it from the moment in which the server knows of it
    request.begin(stream, body, length, this.#session.pendingSettingsAck ? this.#maxHeaderSize : undefined);
    if ((stream.id ?? 0) > LAST_STREAMS) this.#retire();
  }

  /** Closes it at once, whatever it does; done when its socket is closed. Who waits for an answer gets the error. */
  destroy(error: Error | null): Promise<void> {
    if (this.#closing) return this.#closed;
    this.#closing = true;
    const inOrder = this.#requests.size === 0 && !this.#session.closed && !this.#session.destroyed;
    this.#retire();
    for (const request of [...this.#requests]) request.fail(error ?? new errors.ClientDestroyedError());
    if (inOrder) this.#sayGoodbye();
    else this.#socket.destroy();
    return this.#closed;
  }

  over(request: Http2Request): void {
    // who is told that a request is over may look for a connection
    if (this.#session.closed || this.#session.destroyed) this.#retire();
    if (!this.#requests.delete(request) || this.#requests.size > 0) return;
    // before there are settings, others may wait for them
    if (this.#hasSettings) this.#session.unref();
    if (!this.#retired) this.#idleTimer.refresh();
  }

  /**
   * Else requests would be sent for ever over a connection that leads nowhere. That is so after a network has gone, too, and after an
   * error of the server's: Node tells it of that, and hears nothing any more, not even that the connection is closed.
   */
  probe(): void {
    if (this.#probing !== undefined || this.#retired) return;
    this.#probing = setTimeout(() => this.#retire(), this.#patience).unref();
    this.#session.ping((error) => {
      if (error !== null) return;
      this.heard++;
      clearTimeout(this.#probing);
      this.#probing = undefined;
    });
  }

  failure({ id, rstCode }: ClientHttp2Stream, answered: boolean, error: Error | undefined): Error {
    const unseen = id === undefined || id > this.#lastStream || rstCode === REFUSED_STREAM;
    if (unseen && !answered) return refused();
    if (this.#error !== undefined) return this.#error;
    if (this.#session.destroyed) return error ?? new Error("the server closed the connection");
    // what Node resets because of that looks the same
    const why = rstCode === ENHANCE_YOUR_CALM && !answered ? ", or its headers are larger than maxHeaderSize" : "";
    return new Error(`the server ended the stream with ${nameOf(rstCode)}${why}`);
  }

  #headers(
    { method, path }: Dispatcher.DispatchOptions,
    given: OutgoingHeaders,
    hasBody: boolean,
  ): OutgoingHttpHeaders {
    const headers: OutgoingHttpHeaders = {
      ":method": method,
      ":scheme": "https",
      ":authority": String(given["host"] ?? this.#authority),
      ":path": path,
    };
    if (!hasBody && EXPECT_A_BODY.has(method)) headers["content-length"] = "0";
    for (const name of Object.keys(given)) {
      if (!OF_HTTP1.has(name)) headers[name] = given[name];
    }
    return headers;
  }

  #retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#probing);
    this.#events.onRetired();
  }

  #expire(): void {
    if (this.#requests.size === 0) this.#retire();
  }

  #sayGoodbye(): void {
    this.#session.destroy();
    const timer = setTimeout(() => this.#socket.destroy(), FAREWELL).unref();
    void this.#closed.then(() => clearTimeout(timer));
  }
}

/** What is about one connection of HTTP/1.1; a request is made without knowing what will be spoken. */
const OF_HTTP1 = new Set([
  "connection",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

// RFC 9110, section 8.6
const EXPECT_A_BODY = new Set(["PATCH", "POST", "PUT"]);

const { NGHTTP2_ENHANCE_YOUR_CALM: ENHANCE_YOUR_CALM, NGHTTP2_REFUSED_STREAM: REFUSED_STREAM } = http2.constants;

/** What a request says of its body's length. */
function announcedLength(
  headers: OutgoingHeaders,
  body: Buffer | AsyncIterable<Uint8Array> | null,
): number | undefined {
  const text = headers["content-length"];
  if (text === undefined) return undefined;
  const length = Number(text);
  if (!/^\d+$/.test(String(text))) throw new TypeError("invalid content-length header");
  if (!isIterable(body) && length !== (body?.length ?? 0)) throw wrongLength();
  return length;
}

function isIterable(body: Buffer | AsyncIterable<Uint8Array> | null): body is AsyncIterable<Uint8Array> {
  return body !== null && !Buffer.isBuffer(body);
}

function refused(): Error {
  return Object.assign(new Error("the server has refused the request before it did anything"), { code: REFUSED });
}

// RFC 9113, section 7
const CODES = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
];

function nameOf(code: number): string {
  return CODES[code] ?? `the code ${code}`;
}
