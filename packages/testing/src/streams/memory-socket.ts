import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { CorioError, type EventLoop } from "corio";
import { type StreamLimit, type StreamReader, streamsOver, type StreamWriter } from "@corio/node";
import type { Line } from "./line.js";
import { systemError } from "./system-error.js";

/** What a socket belongs to. */
interface Pair {
  readonly loop: EventLoop;
  /** How many bytes may still arrive before the connection breaks. */
  lifetime: number;
  break(): void;
  /** One of the two is closed. */
  closed(): void;
}

/** An address and a port. */
export interface SocketName {
  readonly address: string;
  readonly port: number;
  readonly family: string;
}

/**
 * One end of a connection in memory, in place of a `net.Socket`: so much of it as a transport of @corio/node stands on. It tells its
 * news within callbacks of the loop, where a stream of Node waits for `process.nextTick`, which does not come in virtual time.
 *
 * It ends as TCP does. What arrives where nobody is any more, or is not read by the end, is answered by a reset.
 *
 *   open ──end()──> sends what waits, then the end ──(the peer's end)──> destroyed ──> closed
 *     ├──destroy(): what waits is dropped, the end is sent ────────────────^
 *     └──a reset, a break: "error" ────────────────────────────────────────^
 */
export class MemorySocket extends EventEmitter {
  destroyed = false;
  closed = false;
  readableEnded = false;
  writableFinished = false;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly localFamily: string | undefined;
  remoteAddress: string | undefined;
  remotePort: number | undefined;
  remoteFamily: string | undefined;
  readonly #pair: Pair;
  readonly #out: Line;
  readonly #in: Line;
  #peer: MemorySocket | undefined;
  #ended = false;
  #flowing = false;
  #unread: Buffer[] = [];
  #endArrived = false;

  constructor(pair: Pair, out: Line, incoming: Line, name: SocketName | undefined) {
    super();
    this.#pair = pair;
    this.#out = out;
    this.#in = incoming;
    this.localAddress = name?.address;
    this.localPort = name?.port;
    this.localFamily = name?.family;
    this.on("newListener", (event) => {
      if (event === "data") this.resume();
    });
  }

  /** Joins two ends. */
  static join(one: MemorySocket, other: MemorySocket): void {
    one.#joinTo(other);
    other.#joinTo(one);
  }

  #joinTo(peer: MemorySocket): void {
    this.#peer = peer;
    this.remoteAddress = peer.localAddress;
    this.remotePort = peer.localPort;
    this.remoteFamily = peer.localFamily;
  }

  /** Reader and writer of @corio/node over this socket. */
  openStreams(options: StreamLimit): [StreamReader, StreamWriter] {
    // It is no Duplex, but has all of it that is used: were something missing, that would be a TypeError at once.
    const streams = streamsOver(this as unknown as Duplex, options);
    streams[1].startTls = refuseTls;
    return streams;
  }

  get writableLength(): number {
    return this.#out.waiting;
  }

  write(data: Uint8Array | string, callback?: () => void): boolean {
    if (!this.#ended && !this.destroyed) this.#out.send(typeof data === "string" ? Buffer.from(data) : data, callback);
    return true;
  }

  end(): this {
    if (this.#ended || this.destroyed) return this;
    this.#ended = true;
    this.#out.signal(this.#endOfPeer, () => {
      this.writableFinished = true;
      this.emit("finish");
      if (this.readableEnded) this.destroy();
    });
    return this;
  }

  destroy(): this {
    if (this.destroyed) return this;
    // what flows is dropped by who closes, and does not count as unread
    const leavesUnread = !this.#flowing && this.#unread.length > 0;
    this.#over();
    if (leavesUnread) this.#resetPeer();
    else if (!this.writableFinished && !this.#pair.loop.closed) this.#out.signal(this.#endOfPeer);
    return this;
  }

  resetAndDestroy(): this {
    if (this.destroyed) return this;
    this.#over();
    this.#resetPeer();
    return this;
  }

  pause(): this {
    this.#flowing = false;
    return this;
  }

  resume(): this {
    if (this.#flowing || this.destroyed) return this;
    this.#flowing = true;
    this.#flowOn();
    return this;
  }

  /** There is no Nagle here. */
  setNoDelay(): this {
    return this;
  }

  /** Nobody asks whether the peer is still there. */
  setKeepAlive(): this {
    return this;
  }

  /** Bytes have arrived. */
  receive(piece: Buffer): void {
    if (this.destroyed) {
      this.#resetPeer();
      return;
    }
    const { lifetime } = this.#pair;
    const data = piece.length > lifetime ? piece.subarray(0, lifetime) : piece;
    this.#pair.lifetime -= data.length;
    if (data.length > 0) this.#unread.push(data);
    this.#flow();
    if (this.#pair.lifetime === 0) this.#pair.break();
  }

  /** The connection has failed, or did not come about. */
  fail(error: Error): void {
    if (this.destroyed) return;
    this.#over();
    if (this.listenerCount("error") > 0) this.emit("error", error);
  }

  /** Refuses the peer, which tries to connect. */
  refuse(error: Error): void {
    this.#over();
    this.#out.signal(() => this.#peer?.fail(error));
  }

  readonly #endOfPeer = (): void => {
    const peer = this.#peer as MemorySocket;
    peer.#endArrived = true;
    peer.#flowOn();
  };

  // One piece at a time, as things arrive: see there.
  readonly #flow = (): void => {
    if (!this.#flowing || this.destroyed) return;
    const piece = this.#unread.shift();
    if (piece !== undefined) {
      this.emit("data", piece);
      this.#in.taken(piece.length);
      this.#flowOn();
    } else if (this.#endArrived && !this.readableEnded) {
      this.readableEnded = true;
      this.emit("end");
      if (this.writableFinished) this.destroy();
    }
  };

  #flowOn(): void {
    if (this.#unread.length > 0 || this.#endArrived) this.#pair.loop.callSoon(this.#flow);
  }

  #resetPeer(): void {
    if (this.#pair.loop.closed) return;
    this.#out.signal(() => this.#peer?.fail(systemError("ECONNRESET", "read")));
  }

  #over(): void {
    this.destroyed = true;
    const unread = this.#unread.reduce((size, { length }) => size + length, 0);
    this.#unread = [];
    this.#out.dropWaiting();
    const { loop } = this.#pair;
    // a loop that is closed runs nothing, and wants to hear nothing
    if (loop.closed) return;
    // who waits for room here goes on, and comes to hear that nobody is here
    this.#in.taken(unread);
    loop.callSoon(this.#close);
  }

  // what the loop calls has a name, which stands in timelines
  readonly #close = (): void => {
    this.closed = true;
    this.emit("close");
    this.#pair.closed();
  };
}

function refuseTls(): never {
  throw noTls("writer.startTls()");
}

/** TLS is Node's, and does not wait on virtual time. */
export function noTls(what: string): CorioError {
  return new CorioError(
    "ERR_CORIO_MEMORY_TLS",
    `${what} on a connection in memory: there is no TLS. Leave it out in this test, and test TLS over real sockets`,
  );
}
