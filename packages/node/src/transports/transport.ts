import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { CorioError, type EventLoop, type Future, isCancelled } from "corio";
import { fail } from "../errors/fail.js";
import { type ExtraInfo, extraInfo } from "./extra-info.js";
import { closed, opened } from "./open-resources.js";
import type { Protocol } from "./protocol.js";
import { checkBytes, checkLimits, DEFAULT_LIMITS, type WriteBufferLimits } from "./write-buffer.js";

/** @internal Who keeps the transports of a server. */
export interface TransportOwner {
  _lost(transport: Transport): void;
  _replaced(transport: Transport, by: Transport): void;
}

/** @internal What is known of a stream that it does not tell itself. */
export interface Origin {
  /** Which ways it goes; default both. */
  readonly direction?: "in" | "out" | undefined;
  /** The path of the Unix socket that it was connected to. */
  readonly path?: string | undefined;
  /** The path of the Unix socket that has accepted it. */
  readonly ownPath?: string | undefined;
  /** The name of the host that it was connected to. */
  readonly host?: string | undefined;
}

const ACCEPTED: Origin = {};

interface Names {
  readonly peername: unknown;
  readonly sockname: unknown;
}

/** What leads from Node's stream to its transport: the listeners are shared, and made once for all. */
const TRANSPORT = Symbol("corio.transport");

interface OwnedStream extends Duplex {
  [TRANSPORT]?: Transport;
}

/**
 * A connection, from the side of who writes: a TCP, TLS or Unix socket, or a pipe. What it receives it hands to its
 * {@link Protocol}. `createConnection` and `createServer` make it; coroutines have streams instead (`openConnection`).
 *
 *   open ──writeEof()──> half open ──┐
 *     ├──close()──> closing: sends what is left ──┤
 *     └──abort(), an error, the peer's end ───────┴──> lost
 *
 * Writing never waits. Bytes that the system does not take at once are buffered; see `Protocol.pauseWriting`.
 *
 * @see https://docs.python.org/3/library/asyncio-protocol.html#transports
 */
export class Transport {
  /** The loop that the protocol is called in. */
  readonly loop: EventLoop;
  readonly #stream: OwnedStream;
  readonly #origin: Origin;
  #names: Names | undefined;
  #protocol: Protocol | undefined;
  #owner: TransportOwner | undefined;
  #error: Error | undefined;
  #closing = false;
  #lost = false;
  #eofWritten = false;
  #readingPaused = false;
  // What came after the pause, and whether the end did: the host may bring several things before the loop has its say. Defined
  // from the pause on until all of it was handed on.
  #held: Uint8Array[] | undefined;
  #heldEnd = false;
  // given up for what follows it, which has not come yet
  #handshaking: Duplex | undefined;
  #writingPaused = false;
  #limits = DEFAULT_LIMITS;
  #onWritten: ((error?: Error | null) => void) | undefined;

  /** @internal Errors are heard from here on; `_begin` starts reading. */
  constructor(loop: EventLoop, stream: Duplex, origin: Origin = ACCEPTED, owner?: TransportOwner) {
    this.loop = loop;
    this.#stream = stream;
    this.#origin = origin;
    this.#eofWritten = origin.direction === "in";
    this.#owner = owner;
    this.#stream[TRANSPORT] = this;
    stream.on("error", onError);
    stream.on("close", onClose);
    // what a server keeps it closes
    if (owner === undefined) opened(loop, this);
  }

  /** The protocol that is told what arrives. Another one can be set at any time. */
  get protocol(): Protocol {
    return this.#protocol as Protocol;
  }

  set protocol(protocol: Protocol) {
    this.#protocol = protocol;
  }

  /** Whether it is closing or closed. */
  get isClosing(): boolean {
    return this.#closing || this.#lost;
  }

  /** Whether it hands on what arrives. */
  get isReading(): boolean {
    return !this.#readingPaused && !this.isClosing;
  }

  /** Whether `writeEof()` has a meaning: not for what can only be read. */
  get canWriteEof(): boolean {
    return this.#origin.direction !== "in";
  }

  /** How many bytes wait to be sent. */
  get writeBufferSize(): number {
    return this.#stream.writableLength ?? 0;
  }

  /** When the protocol is told to pause and to resume writing. Setting it is asyncio's `set_write_buffer_limits`. */
  get writeBufferLimits(): Required<WriteBufferLimits> {
    return { ...this.#limits };
  }

  set writeBufferLimits(limits: WriteBufferLimits) {
    const { high } = (this.#limits = checkLimits(limits));
    if (this.isClosing || this.#eofWritten || this.#writingPaused || this.writeBufferSize <= high) return;
    this.#pauseIfFull();
    // what waits may have been written without asking to be told
    this.#stream.write("", (this.#onWritten ??= (error) => this.#written(error)));
  }

  /**
   * What is known of the connection.
   *
   * @param name `"peername"`, `"sockname"`, `"socket"`, on TLS `"peercert"`, `"cipher"` and more: see {@link ExtraInfo}
   * @returns `undefined` where it is not known, or has no meaning. The addresses are known after the end, too, unless the peer
   * has reset the connection
   * @see https://docs.python.org/3/library/asyncio-protocol.html#asyncio.BaseTransport.get_extra_info
   */
  getExtraInfo<K extends keyof ExtraInfo>(name: K): ExtraInfo[K] | undefined {
    const kept = name === "sockname" || name === "peername" ? this.#names?.[name as keyof Names] : undefined;
    return (kept ?? extraInfo(name, this.#stream, this.#origin)) as ExtraInfo[K] | undefined;
  }

  /**
   * Sends bytes. Does not wait: what cannot be sent at once is buffered. Once the connection is closing or lost, nothing is
   * sent any more, and that is no error here: the protocol is told by `connectionLost`.
   *
   * @param data must not be changed afterwards; a string is sent as UTF-8
   * @throws a `CorioError` after `writeEof()`, and on what can only be read
   */
  write(data: Uint8Array | string): void {
    checkBytes(data, "write(data)");
    if (this.#eofWritten) throw this.canWriteEof ? writtenAfterEof() : notWritable();
    if (this.#closing || this.#lost || data.length === 0) return;
    const stream = this.#stream;
    if (stream.writableLength + data.length <= this.#limits.low) {
      stream.write(data);
      return;
    }
    // While more than the low-water mark waits, the newest write tells when it is done: so the mark is not missed.
    stream.write(data, (this.#onWritten ??= (error) => this.#written(error)));
    this.#pauseIfFull();
  }

  /** Sends several pieces at once. */
  writelines(pieces: Iterable<Uint8Array | string>): void {
    this.#stream.cork?.();
    try {
      for (const piece of pieces) this.write(piece);
    } finally {
      this.#stream.uncork?.();
    }
  }

  /**
   * Sends what is buffered and then the end; the connection can still be read.
   *
   * @throws a `CorioError` on what can only be read
   */
  writeEof(): void {
    if (!this.canWriteEof && !this.isClosing) {
      throw notWritable();
    }
    if (this.#eofWritten || this.isClosing) return;
    this.#eofWritten = true;
    this.#end();
  }

  /** Hands on nothing that arrives, and so slows the peer down, until `resumeReading()`. */
  pauseReading(): void {
    if (this.#readingPaused || this.isClosing || this.#origin.direction === "out") return;
    this.#readingPaused = true;
    this.#held ??= [];
    this.#stream.pause();
  }

  /** Ends `pauseReading()`. */
  resumeReading(): void {
    if (!this.#readingPaused) return;
    this.#readingPaused = false;
    if (this.isClosing) return;
    if (this.#held?.length === 0 && !this.#heldEnd) this.#handOnHeld();
    else this.loop.callSoon(() => this.#handOnHeld());
  }

  /** Sends what is buffered, then closes the connection; nothing more is received. */
  close(): void {
    if (this.isClosing) {
      this.#handshaking?.destroy();
      return;
    }
    this.#closing = true;
    this.#keepNames();
    const stream = this.#stream;
    // What still arrives is dropped, but read: closing a socket with unread bytes would reset it and lose what was sent.
    stream.resume?.();
    if (this.#origin.direction === "in" || stream.writableFinished) {
      stream.destroy();
      return;
    }
    stream.once("finish", destroy);
    this.#end();
  }

  /** Closes the connection at once; what is buffered is not sent. */
  abort(): void {
    this.#closing = true;
    this.#keepNames();
    this.#stream.destroy();
  }

  /** @internal Begins: called inside the loop. */
  _begin(protocol: Protocol): void {
    this.#protocol = protocol;
    this.#tell("connectionMade", () => protocol.connectionMade?.(this));
    if (this.#stream.closed) this.loop.callFromHost(() => this._closed());
    if (this.isClosing) return;
    if (this.#origin.direction === "out") return;
    this.#stream.on("data", onData);
    this.#stream.on("end", onEnd);
    // the peer's end may have come in the moment since it was connected
    if (this.#stream.readableEnded) onEnd.call(this.#stream);
    if (this.#stream instanceof Socket) this.#stream.push = push;
    // a protocol may have paused already
    if (this.#readingPaused) this.#stream.pause();
  }

  /**
   * @internal Gives the stream up, to be wrapped by another. What the protocol has not used of what arrived goes back.
   */
  _detach(unused: Uint8Array | undefined): Duplex {
    const stream = this.#stream;
    stream.pause();
    stream.off("data", onData).off("end", onEnd).off("close", onClose);
    delete stream[TRANSPORT];
    this.#closing = this.#lost = true;
    this.#handshaking = stream;
    const left = Buffer.concat([unused ?? new Uint8Array(0), ...(this.#held ?? [])]);
    if (left.length > 0) stream.unshift(left);
    return stream;
  }

  /** @internal What follows it has come. */
  _replaced(): void {
    this.#handshaking = undefined;
    closed(this.loop, this);
  }

  /** @internal What was to follow it did not come: the connection is over for its protocol. */
  _giveUp(error: unknown): void {
    this.#handshaking = undefined;
    // who reads is not the one who was cancelled
    if (error instanceof Error && !isCancelled(error)) this.#error ??= error;
    this.#stream.destroy();
    this.#lost = false;
    this._closed();
  }

  /** @internal Whether nothing more can come. */
  get _hasEnded(): boolean {
    return this.isClosing || this.#heldEnd || this.#stream.readableEnded;
  }

  /** @internal Who keeps it. */
  get _owner(): TransportOwner | undefined {
    return this.#owner;
  }

  /** @internal */
  get _origin(): Origin {
    return this.#origin;
  }

  /** @internal Done when nothing waits to be sent. */
  _flushed(): Future<void> {
    const future = this.loop.createFuture<void>();
    if (this.writeBufferSize === 0) future.setResult();
    else {
      this.#stream.write("", (error) => {
        if (error) fail(future, error);
        else if (!future.done) future.setResult();
      });
    }
    return future;
  }

  /** @internal The loop is closed, nobody is called any more. One that was told to close still sends what is left. */
  _loopClosed(): void {
    if (!this.#closing) this.abort();
    this.#handshaking?.destroy();
    this.#lost = true;
    delete this.#stream[TRANSPORT];
  }

  /** @internal Ends a pause that was not the protocol's. */
  _resume(): void {
    if (!this.#readingPaused) this.#stream.resume();
  }

  /** @internal */
  _data(data: Uint8Array): void {
    if (this.#closing || this.#lost) return;
    if (this.#held === undefined) this.#handOn(data);
    else this.#held.push(data);
  }

  /** @internal */
  _eof(): void {
    if (this.isClosing) return;
    this.#keepNames();
    if (this.#held !== undefined) {
      this.#heldEnd = true;
      return;
    }
    try {
      if (this.#protocol?.eofReceived?.() === true && this.canWriteEof) return;
    } catch (error) {
      this.#fail("eofReceived", error);
    }
    this.close();
  }

  /** @internal */
  _failed(error: Error): void {
    this.#error ??= error;
    // Node leaves a socket open that TLS failed on after the handshake, and lets it end as if that had been orderly
    this.#stream.destroy();
  }

  /** @internal */
  _closed(): void {
    if (this.#lost) return;
    // paused or not: it has arrived, and this is the last chance to tell
    for (const data of this.#held ?? []) if (!this.#closing) this.#handOn(data);
    this.#lost = true;
    closed(this.loop, this);
    const protocol = this.#protocol;
    this.#tell("connectionLost", () => protocol?.connectionLost?.(this.#error));
    this.#owner?._lost(this);
  }

  // A socket that is closed does not know them any more. Asked for at the end only: they are as large as the rest of this.
  #keepNames(): void {
    this.#names ??= {
      peername: extraInfo("peername", this.#stream, this.#origin),
      sockname: extraInfo("sockname", this.#stream, this.#origin),
    };
  }

  #end(): void {
    const stream = this.#stream;
    // Node tells that a handshake of TLS is over while OpenSSL is still at it: an end at that moment would not be a proper one
    if (stream instanceof TLSSocket) setImmediate(() => stream.end());
    else stream.end();
  }

  #handOn(data: Uint8Array): void {
    const protocol = this.#protocol as Protocol;
    try {
      protocol.dataReceived?.(data);
    } catch (error) {
      this.#fail("dataReceived", error);
    }
  }

  #handOnHeld(): void {
    while (!this.#readingPaused && !this.isClosing) {
      const data = this.#held?.shift();
      if (data === undefined) {
        this.#held = undefined;
        this.#stream.resume();
        if (this.#heldEnd) this._eof();
        return;
      }
      this.#handOn(data);
    }
  }

  #pauseIfFull(): void {
    if (this.#writingPaused || this.#stream.writableLength <= this.#limits.high) return;
    this.#writingPaused = true;
    this.#tell("pauseWriting", () => this.#protocol?.pauseWriting?.());
  }

  // What was not written because the connection has ended makes no room: the end is told by connectionLost.
  #written(error?: Error | null): void {
    if (error || !this.#writingPaused || this.#lost || this.#stream.destroyed) return;
    if (this.#stream.writableLength > this.#limits.low) return;
    this.#writingPaused = false;
    this.loop.callFromHost(() => this.#tell("resumeWriting", () => this.#protocol?.resumeWriting?.()));
  }

  #tell(method: string, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#fail(method, error);
    }
  }

  #fail(method: string, error: unknown): void {
    this.loop.callExceptionHandler({
      message: `Fatal error: protocol.${method}() call failed`,
      exception: error,
      transport: this,
      protocol: this.#protocol,
    });
    if (error instanceof Error) this.#error ??= error;
    this.abort();
  }
}

// In place of a socket's own `push`: takes what arrives before it goes through the machinery of Readable, which would hand it on
// unchanged at twice the price; as long as the stream flows and has nothing buffered. The rest comes by the event `data`.
function push(this: OwnedStream, data: Buffer | null, encoding?: BufferEncoding): boolean {
  if (data === null || this.readableFlowing !== true || this.readableLength > 0 || this[TRANSPORT] === undefined) {
    return Socket.prototype.push.call(this, data, encoding);
  }
  onData.call(this, data);
  return true;
}

function onData(this: OwnedStream, data: Buffer | string): void {
  const transport = this[TRANSPORT];
  if (transport === undefined) return;
  const { loop } = transport;
  // A loop that is not running takes no more than one piece.
  if (!loop.running) {
    this.pause();
    loop.callFromHost(resume, transport);
  }
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  loop.callFromHost(deliver, transport, bytes);
}

function deliver(transport: Transport, data: Uint8Array): void {
  transport._data(data);
}

function resume(transport: Transport): void {
  transport._resume();
}

function onEnd(this: OwnedStream): void {
  const transport = this[TRANSPORT];
  transport?.loop.callFromHost(() => transport._eof());
}

function onError(this: OwnedStream, error: Error): void {
  this[TRANSPORT]?._failed(error);
}

function onClose(this: OwnedStream): void {
  const transport = this[TRANSPORT];
  if (transport !== undefined && !transport.loop.closed) transport.loop.callFromHost(() => transport._closed());
}

function destroy(this: Duplex): void {
  this.destroy();
}

function notWritable(): CorioError {
  return new CorioError("ERR_CORIO_NOT_WRITABLE", "this transport can only be read: close() it instead");
}

function writtenAfterEof(): CorioError {
  return new CorioError(
    "ERR_CORIO_WRITE_AFTER_EOF",
    "Cannot call write() after writeEof(): this side said that it ends",
  );
}
