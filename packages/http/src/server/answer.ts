import type { ServerResponse } from "node:http";
import { constants, type Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import {
  CorioError,
  type Coroutine,
  type Cursor,
  type EventLoop,
  type Future,
  iterate,
  type Source,
  within,
} from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import { bytesOf } from "../messages/body-chunk.js";
import type { HeaderList } from "../messages/header-list.js";
import { TEXT } from "../messages/response.js";
import type { Connection } from "./connection.js";
import { settle } from "./settle.js";

/** @internal What Node sends an answer by. */
export type Outgoing = ServerResponse | Http2ServerResponse;

/** @internal The first lines of an answer. */
export interface AnswerHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: HeaderList;
}

// After so many bytes the host gets its say, or a client that takes them as fast as they come would keep all others waiting.
const BYTES_PER_VISIT = 256 * 1024;

// What is written at once: larger pieces are cut, so that a client that takes them slowly is seen to take them.
const SLICE = 64 * 1024;

/**
 * @internal An answer on its way to the client.
 *
 *   begun ──(head)──> head written ──(body)──> ended ──(taken by the client)──> flushed
 *
 * What is there as a whole and not large is written in one piece together with its head, and costs no wait.
 */
export class Answer {
  readonly #loop: EventLoop;
  readonly #connection: Connection;
  readonly #outgoing: Outgoing;
  readonly #isHttp2: boolean;
  readonly #isHead: boolean;
  readonly #writeTimeout: number | null;
  /** Whether it is the last one of its connection. */
  closes = false;
  #headWritten = false;
  #sinceVisit = 0;
  /** Whether it was cut off from this side. */
  wasCutOff = false;
  #gone: { readonly reason: unknown } | undefined;
  // who waits until the client has taken more
  #waiting: Future<void> | undefined;

  constructor(
    loop: EventLoop,
    connection: Connection,
    outgoing: Outgoing,
    isHead: boolean,
    writeTimeout: number | null,
  ) {
    this.#loop = loop;
    this.#connection = connection;
    this.#outgoing = outgoing;
    this.#isHttp2 = connection.isHttp2;
    this.#isHead = isHead;
    this.#writeTimeout = writeTimeout;
  }

  /** Whether the client may have seen something of it. */
  get hasBegun(): boolean {
    return this.#headWritten;
  }

  /**
   * Sends all of an answer.
   *
   * @param hold called before the end of it is told to Node, which then closes the connection if it is to
   * @returns what is left to wait for, if there is anything
   */
  whole(head: AnswerHead, body: string | Uint8Array | null, hold?: () => Coroutine<void>): Coroutine<void> | undefined {
    const length = body === null ? 0 : typeof body === "string" ? Buffer.byteLength(body) : body.byteLength;
    const wide = this.#writeHead(head, body === null ? undefined : length, body === null);
    if (hold !== undefined || (length > SLICE && !this.#isHead)) return this.#wholeByAndBy(body, hold);
    if (body === null || length === 0) this.#outgoing.end();
    // Node sends the head in the encoding of a text that goes with it
    else this.#outgoing.end(wide && typeof body === "string" ? bytesOf(body) : body);
    return this.#isTaken ? undefined : this.#progress();
  }

  /**
   * Sends an answer whose body comes over time. The source is closed, however this ends.
   *
   * @param length of the body in bytes, if it is known
   */
  *stream(head: AnswerHead, source: Source<unknown>, length: number | undefined): Coroutine<void> {
    const iteration = iterate(source);
    if (this.#isHead || hasNoBody(head.status)) {
      yield* iteration.exit();
      this.#writeHead(head, length, false);
    } else {
      const announced = length ?? announcedLength(head.headers);
      yield* within(iteration, (it) => this.#pump(head, it, announced));
    }
    this.#outgoing.end();
    if (!this.#isTaken) yield* this.#progress();
  }

  /** Cuts it off, so that the client sees that it is not whole. */
  cutOff(): void {
    const outgoing = this.#outgoing;
    if (this.#isHttp2) {
      this.#resetStream(constants.NGHTTP2_INTERNAL_ERROR);
      return;
    }
    const { socket, chunkedEncoding } = outgoing as ServerResponse;
    // Where the end of the connection is the end of the body, only a reset tells the difference. Node's method for it sends the
    // end first, so this sets what that sets. TLS and Unix sockets know no reset.
    if (this.#headWritten && !chunkedEncoding && socket !== null && isTcp(socket)) {
      (socket as Socket & { resetAndClosing?: boolean }).resetAndClosing = true;
    }
    outgoing.destroy();
  }

  /** The client has it whole. */
  taken(): void {
    this.#wake();
  }

  /** The client will never have it: who sends more gets the reason. */
  gone(reason: unknown): void {
    this.#gone = { reason };
    this.#wake();
  }

  #resetStream(code: number): void {
    this.wasCutOff = true;
    const { stream } = this.#outgoing as Http2ServerResponse;
    if (!stream.closed) stream.close(code);
    // it would wait for what is still to be sent
    setImmediate(() => stream.destroy());
  }

  *#wholeByAndBy(body: string | Uint8Array | null, hold: (() => Coroutine<void>) | undefined): Coroutine<void> {
    if (body === null || body.length === 0 || this.#isHead) (this.#outgoing as ServerResponse).flushHeaders();
    else yield* this.#write(bytesOf(body));
    if (hold !== undefined) yield* hold();
    this.#outgoing.end();
    if (!this.#isTaken) yield* this.#progress();
  }

  *#pump(head: AnswerHead, it: Cursor<unknown>, length: number | undefined): Coroutine<void> {
    // a source that lets wait for its first piece is no reason to keep the head back
    const immediate = setImmediate(() => {
      this.#writeHead(head, length, false);
      (this.#outgoing as ServerResponse).flushHeaders();
    });
    let sent = 0;
    try {
      while (yield* it.next()) {
        const chunk = bytesOf(it.value);
        if (chunk.length === 0) continue;
        sent += chunk.length;
        if (length !== undefined && sent > length) throw wrongLength(length, "more");
        if (!this.#headWritten) {
          clearImmediate(immediate);
          this.#writeHead(head, length, false);
        }
        yield* this.#write(chunk);
      }
    } finally {
      clearImmediate(immediate);
    }
    if (length !== undefined && sent < length) throw wrongLength(length, `only ${sent}`);
    if (!this.#headWritten) this.#writeHead(head, length ?? 0, false);
  }

  *#write(chunk: Buffer): Coroutine<void> {
    for (let from = 0; from < chunk.length; from += SLICE) {
      this.#checkGone();
      const slice = chunk.length <= SLICE ? chunk : chunk.subarray(from, from + SLICE);
      if (!(this.#outgoing as ServerResponse).write(slice)) yield* this.#drained();
      this.#sinceVisit += slice.length;
      if (this.#sinceVisit >= BYTES_PER_VISIT) yield* this.#visit();
    }
  }

  *#visit(): Coroutine<void> {
    this.#sinceVisit = 0;
    const visited = this.#loop.createFuture<void>();
    const immediate = setImmediate(() => this.#loop.callFromHost(settle, visited));
    try {
      yield* visited;
    } finally {
      clearImmediate(immediate);
    }
  }

  *#drained(): Coroutine<void> {
    const wake = (): void => this.#wake();
    this.#outgoing.once("drain", wake);
    try {
      yield* this.#progress();
    } finally {
      this.#outgoing.off("drain", wake);
    }
  }

  // Whether the system has all of it.
  get #isTaken(): boolean {
    const outgoing = this.#outgoing;
    if (this.#isHttp2) return outgoing.writableFinished;
    const { socket } = outgoing as ServerResponse;
    return socket !== null && socket.writableLength === 0;
  }

  /** Waits until the client has taken more, or all of it. A client for whom it waits too long is cut off. */
  *#progress(): Coroutine<void> {
    this.#checkGone();
    const waiting = (this.#waiting = this.#loop.createFuture<void>());
    const limit = this.#writeTimeout;
    const tooSlow = (): void => {
      // behind the answer to an earlier request, it is not the client that lets wait
      if (!this.#isHttp2 && (this.#outgoing as ServerResponse).socket === null) {
        timer = this.#loop.callLater(limit as number, tooSlow);
      } else if (this.#isHttp2) this.#resetStream(constants.NGHTTP2_CANCEL);
      else this.#outgoing.destroy();
    };
    let timer = limit === null ? undefined : this.#loop.callLater(limit, tooSlow);
    try {
      yield* waiting;
    } finally {
      timer?.cancel();
      this.#waiting = undefined;
    }
    this.#checkGone();
  }

  #checkGone(): void {
    if (this.#gone !== undefined) throw this.#gone.reason;
  }

  #wake(): void {
    if (this.#waiting !== undefined) this.#loop.callFromHost(settle, this.#waiting);
  }

  /**
   * @param length of the body in bytes, if it is known
   * @param isEmpty whether there is no body, as opposed to one that is empty
   * @returns whether the head has characters that are one byte in it and two in UTF-8
   */
  #writeHead({ status, statusText, headers }: AnswerHead, length: number | undefined, isEmpty: boolean): boolean {
    const sent: string[] = [];
    let { closes } = this;
    let upgrades = false;
    let wide = false;
    let announced: string | undefined;
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] as string;
      const value = headers[i + 1] as string;
      if (!OWN_HEADERS.has(name)) {
        sent.push(name, value);
        wide ||= value !== TEXT && WIDE.test(value);
      } else if (name === "content-length") announced = value;
      else if (name === "connection") closes ||= CLOSE.test(value);
      else if (name === "upgrade" && !this.#isHttp2) {
        upgrades = true;
        sent.push(name, value);
      }
    }
    if (length !== undefined) announced = String(length);
    else if (isEmpty && !this.#isHead && status !== 304) announced = "0";
    if (announced !== undefined && status !== 204) sent.push("content-length", announced);
    if (this.#isHttp2) {
      (this.#outgoing as Http2ServerResponse).writeHead(status, sent as never);
      this.#headWritten = true;
      return false;
    }
    const response = this.#outgoing as ServerResponse;
    if (upgrades) sent.push("connection", closes ? "upgrade, close" : "upgrade");
    else if (closes) response.shouldKeepAlive = false;
    if (statusText === "") response.writeHead(status, sent);
    else response.writeHead(status, statusText, sent);
    this.#headWritten = true;
    if (closes) this.#connection.isEnding = true;
    return wide;
  }
}

// What is this server's to say.
const OWN_HEADERS = new Set([
  "connection",
  "content-length",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const CLOSE = /(?:^|[\s,])close(?:$|[\s,])/i;
const WIDE = /[\x80-\xff]/;

function hasNoBody(status: number): boolean {
  return status === 204 || status === 304;
}

function isTcp(socket: Socket): boolean {
  return socket.remoteAddress !== undefined && !("encrypted" in socket);
}

function announcedLength(headers: HeaderList): number | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== "content-length") continue;
    const value = headers[i + 1] as string;
    if (!/^\d+$/.test(value)) {
      throw invalidArgument("HEADER", `content-length is a number of bytes, not ${JSON.stringify(value)}`);
    }
    return Number(value);
  }
  return undefined;
}

function wrongLength(length: number, got: string): CorioError {
  return new CorioError(
    "ERR_CORIO_CONTENT_LENGTH",
    `the answer's content-length is ${length}, and its body has ${got} bytes: leave the header out, or give the right number`,
  );
}
