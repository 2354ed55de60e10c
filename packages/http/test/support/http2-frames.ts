import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import { RawConnection } from "./raw-connection.js";

/** Types of frames, as RFC 9113 numbers them. */
export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PING = 6;
const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

/** Flags of frames. */
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;

/** A frame of HTTP/2, whatever is in it. */
export function frame(type: number, flags: number, stream: number, payload: Buffer | string = ""): Buffer {
  const content = typeof payload === "string" ? Buffer.from(payload, "latin1") : payload;
  const head = Buffer.alloc(9);
  head.writeUIntBE(content.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, content]);
}

/** A block of headers, without compression. */
export function headerBlock(headers: readonly (readonly [name: string, value: string])[]): Buffer {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value, "latin1");
    // RFC 7541, section 5.1: seven bits, and then the rest in pieces of seven
    if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
    const length = [127];
    let rest = bytes.length - 127;
    for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
    return Buffer.concat([Buffer.from([...length, rest]), bytes]);
  };
  return Buffer.concat(headers.map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(value)])));
}

/** The headers of an ordinary request. */
export function requestBlock(path = "/", ...more: readonly (readonly [string, string])[]): Buffer {
  return headerBlock([[":method", "GET"], [":scheme", "https"], [":authority", "localhost"], [":path", path], ...more]);
}

/** A number of 32 bits. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A frame that came. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A client of HTTP/2 that sends what it is told, and counts on nobody. */
export class Http2Client {
  readonly connection: RawConnection;
  readonly #frames: Frame[] = [];

  private constructor(connection: RawConnection) {
    this.connection = connection;
  }

  /** Connects, and sends the preface with an empty SETTINGS, unless it is to send nothing. */
  static async connect(port: number, ca: string, { preface = true } = {}): Promise<Http2Client> {
    const socket = connectTls({ port, host: "127.0.0.1", ca, servername: "localhost", ALPNProtocols: ["h2"] });
    await once(socket, "secureConnect");
    const client = new Http2Client(new RawConnection(socket));
    if (preface) await client.connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    if (preface) await client.send(frame(SETTINGS, 0, 0));
    return client;
  }

  /** Sends frames. @returns whether they could be sent */
  send(...frames: readonly Buffer[]): Promise<boolean> {
    return this.connection.send(Buffer.concat(frames));
  }

  /** The frames that have come by now. */
  get frames(): readonly Frame[] {
    const { connection } = this;
    while (connection.receivedLength >= 9) {
      const head = Buffer.from(connection.received.slice(0, 9), "latin1");
      const length = head.readUIntBE(0, 3);
      if (connection.receivedLength < 9 + length) break;
      const payload = connection.take(9 + length).subarray(9);
      this.#frames.push({
        type: head.readUInt8(3),
        flags: head.readUInt8(4),
        stream: head.readUInt32BE(5),
        payload: Buffer.from(payload),
      });
    }
    return this.#frames;
  }

  /** Waits for a frame. @throws if the connection ends before */
  async next(is: (frame: Frame) => boolean): Promise<Frame> {
    await this.connection.until(() => this.frames.some(is));
    return this.frames.find(is) as Frame;
  }

  /** The reason that the server has given for ending the connection, as RFC 9113 numbers it; `undefined` if none. */
  get goneAway(): number | undefined {
    return this.frames.findLast(({ type }) => type === GOAWAY)?.payload.readUInt32BE(4);
  }

  /** Waits until the server has ended the connection. */
  async over(): Promise<number | undefined> {
    await this.connection.over();
    return this.goneAway;
  }
}
