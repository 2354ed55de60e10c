import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { type Coroutine, within } from "corio";
import type { ClientSession } from "../../src/index.js";
import { runConnected } from "../../../node/test/support/run-connected.js";
import { started } from "../support/started.js";
import { inSession, type Setting } from "./session-setting.js";

/** What a server does with a connection, which stays open until it is over. */
export type PeerScript = (peer: Http2Peer, number: number) => void | Promise<void>;

/** The kinds of frames, by their numbers. */
const TYPES = [
  "DATA",
  "HEADERS",
  "PRIORITY",
  "RST_STREAM",
  "SETTINGS",
  "PUSH_PROMISE",
  "PING",
  "GOAWAY",
  "WINDOW_UPDATE",
  "CONTINUATION",
] as const;

type FrameType = (typeof TYPES)[number];

/** A frame that the client has sent. */
export interface Frame {
  readonly type: FrameType;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export const codes = { noError: 0, protocolError: 1, internalError: 2, refusedStream: 7, cancel: 8, calm: 11 } as const;

const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;

/**
 * The server's end of a connection that speaks HTTP/2, frame by frame, right or wrong. It acknowledges settings and pings, from the
 * first frame on that the test sends, and leaves the rest to it. Header blocks are written as plain literals, and those of the client are not read.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9113#section-4
 */
export class Http2Peer {
  /** What has come, and was not taken by {@link next}. */
  readonly frames: Frame[] = [];
  /** As {@link frames}, but all of it, as "HEADERS 1". */
  readonly log: string[] = [];
  ended = false;
  closed = false;
  readonly #socket: TLSSocket;
  readonly #watchers = new Set<() => void>();
  #buffer = Buffer.alloc(0);
  #preface = false;
  #begun = false;
  #acknowledgements: Buffer[] = [];

  /** @param tcp what its TLS stands on */
  constructor(
    socket: TLSSocket,
    readonly tcp: Socket,
  ) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, bytes]);
      this.#parse();
      this.#changed();
    });
    socket.on("error", () => {});
    socket.on("end", () => {
      this.ended = true;
      this.#changed();
    });
    socket.on("close", () => {
      this.closed = true;
      this.#changed();
    });
  }

  /** Takes the next frame of a kind; others before it stay. */
  async next(type: FrameType): Promise<Frame> {
    let at = -1;
    await this.until(() => (at = this.frames.findIndex((frame) => frame.type === type)) >= 0);
    return this.frames.splice(at, 1)[0] as Frame;
  }

  /** The number of the next request's stream. */
  async request(): Promise<number> {
    return (await this.next("HEADERS")).stream;
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.closed)
        throw new Error(`closed while it was waited for ${condition.toString()}: ${this.log.join(", ")}`);
      await new Promise<void>((resolve) => this.#watchers.add(resolve));
    }
  }

  /** Sends frames, all at once. */
  send(...frames: readonly Buffer[]): void {
    this.#begun = true;
    if (!this.#socket.destroyed) this.#socket.write(Buffer.concat([...frames, ...this.#acknowledgements.splice(0)]));
  }

  /** Sends what is no frame. */
  sendText(text: string): void {
    this.#socket.write(text);
  }

  /** Takes nothing in any more. */
  stopReading(): void {
    this.#socket.pause();
  }

  end(): void {
    this.#socket.end();
  }

  /** Ends it with a reset of TCP. */
  reset(): void {
    this.tcp.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #parse(): void {
    if (!this.#preface) {
      if (this.#buffer.length < PREFACE.length) return;
      this.#preface = true;
      this.#buffer = this.#buffer.subarray(PREFACE.length);
    }
    while (this.#buffer.length >= 9) {
      const length = this.#buffer.readUIntBE(0, 3);
      if (this.#buffer.length < 9 + length) return;
      const type = TYPES[this.#buffer[3] as number] as FrameType;
      const flags = this.#buffer[4] as number;
      const stream = this.#buffer.readUInt32BE(5) & 0x7fffffff;
      const payload = this.#buffer.subarray(9, 9 + length);
      this.#buffer = this.#buffer.subarray(9 + length);
      if (type === "SETTINGS" && !(flags & ACK)) this.#acknowledgements.push(frame("SETTINGS", ACK, 0));
      if (type === "PING" && !(flags & ACK)) this.#acknowledgements.push(frame("PING", ACK, 0, payload));
      if (this.#begun) this.send();
      this.frames.push({ type, flags, stream, payload });
      this.log.push(`${type} ${stream}`);
    }
  }

  #changed(): void {
    const watchers = [...this.#watchers];
    this.#watchers.clear();
    for (const watcher of watchers) watcher();
  }
}

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Any frame. */
export function frame(type: FrameType, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = TYPES.indexOf(type);
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export function settings(values: { maxConcurrentStreams?: number } = {}): Buffer {
  const { maxConcurrentStreams } = values;
  if (maxConcurrentStreams === undefined) return frame("SETTINGS", 0, 0);
  return frame("SETTINGS", 0, 0, Buffer.concat([uint(3, 2), uint(maxConcurrentStreams, 4)]));
}

export type Fields = readonly (readonly [string, string])[];

/** The head of an answer. */
export function headers(stream: number, status: number | string, fields: Fields = [], { end = false } = {}): Buffer {
  return frame(
    "HEADERS",
    END_HEADERS | (end ? END_STREAM : 0),
    stream,
    block([[":status", String(status)], ...fields]),
  );
}

/** A header block, as literals without an index. */
export function block(fields: Fields): Buffer {
  const text = (of: string): Buffer => {
    const bytes = Buffer.from(of, "latin1");
    if (bytes.length >= 127 + 128) throw new Error("too long for this");
    return Buffer.concat([bytes.length < 127 ? uint(bytes.length, 1) : Buffer.from([127, bytes.length - 127]), bytes]);
  };
  return Buffer.concat(fields.flatMap(([name, value]) => [uint(0, 1), text(name), text(value)]));
}

export function data(stream: number, content: string | Buffer, { end = false } = {}): Buffer {
  return frame("DATA", end ? END_STREAM : 0, stream, Buffer.from(content as string));
}

export function resetStream(stream: number, code: number): Buffer {
  return frame("RST_STREAM", 0, stream, uint(code, 4));
}

export function goaway(lastStream: number, code: number = codes.noError): Buffer {
  return frame("GOAWAY", 0, 0, Buffer.concat([uint(lastStream, 4), uint(code, 4)]));
}

function uint(value: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUIntBE(value, 0, size);
  return bytes;
}

/** A server of such peers. */
export interface PeerServer {
  readonly origin: string;
  /** All connections so far. */
  readonly peers: readonly Http2Peer[];
  stop(): Promise<void>;
}

async function startPeerServer(tls: { cert: string; key: string }, script: PeerScript): Promise<PeerServer> {
  const peers: Http2Peer[] = [];
  const errors: unknown[] = [];
  const server = createServer({ ...tls, ALPNProtocols: ["h2"], allowHalfOpen: true, noDelay: true });
  const play = async (peer: Http2Peer): Promise<void> => {
    try {
      await script(peer, peers.length);
    } catch (error) {
      if (!peer.closed && !peer.ended) errors.push(error);
    }
  };
  const sockets = new Map<number | undefined, Socket>();
  server.on("connection", (socket: Socket) => void sockets.set(socket.remotePort, socket));
  server.on("secureConnection", (socket) => {
    const peer = new Http2Peer(socket, sockets.get(socket.remotePort) as Socket);
    peers.push(peer);
    void play(peer);
  });
  server.on("tlsClientError", () => {});
  server.listen({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  return {
    origin: `https://localhost:${(server.address() as AddressInfo).port}`,
    peers,
    async stop() {
      const closed = once(server, "close");
      server.close();
      for (const peer of peers) peer.destroy();
      await closed;
      if (errors.length > 0) throw errors[0];
    },
  };
}

/** Runs a coroutine with a session that offers HTTP/2 and a server that follows a script, which sends its settings itself. */
export async function withHttp2Peer(
  certificates: { readonly server: { cert: string; key: string }; readonly ca: string },
  script: PeerScript,
  body: (session: ClientSession, server: PeerServer) => Coroutine<void>,
  { session, ...connected }: Omit<Setting, "server"> = {},
): Promise<void> {
  await runConnected(
    () =>
      within(
        started(() => startPeerServer(certificates.server, script)),
        (server) =>
          inSession({ baseUrl: server.origin, http2: true, tls: { ca: certificates.ca }, ...session }, (opened) =>
            body(opened, server),
          ),
      ),
    connected,
  );
}
