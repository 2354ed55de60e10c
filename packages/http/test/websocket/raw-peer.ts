import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { type Coroutine, until } from "corio";

// What speaks WebSocket frame by frame, and may break every rule.

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** How a frame deviates from an honest, final text frame. */
export interface FrameOptions {
  readonly fin?: boolean;
  /** The bits RSV1 to RSV3, as they stand in the first byte. */
  readonly reserved?: number;
  readonly opcode?: number;
  readonly masked?: boolean;
  /** What the header says is the length, whatever the payload's is. */
  readonly claims?: bigint;
}

export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;

/** A frame; masked with a mask of zeros, so that the payload is readable. */
export function frame(payload: Buffer | string, options: FrameOptions = {}): Buffer {
  const { fin = true, reserved = 0, opcode = TEXT, masked = false, claims } = options;
  const bytes = Buffer.from(payload);
  const length = claims ?? BigInt(bytes.length);
  const head = Buffer.alloc(length < 126n ? 2 : length < 65_536n ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | reserved | opcode;
  head[1] = (masked ? 0x80 : 0) | (length < 126n ? Number(length) : length < 65_536n ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(Number(length), 2);
  if (head.length === 10) head.writeBigUInt64BE(length, 2);
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0), bytes]);
}

/** The payload of a close frame. */
export function closing(code: number, reason: Buffer | string = ""): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return Buffer.concat([payload, Buffer.from(reason)]);
}

/** The server's half of an honest handshake. */
export function acceptanceOf(request: IncomingMessage, ...more: string[]): string {
  const digest = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${GUID}`).digest("base64");
  return [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${digest}`,
    ...more,
    "\r\n",
  ].join("\r\n");
}

/** The client's half of an honest handshake. */
export function handshake(...more: string[]): string {
  return [
    "GET / HTTP/1.1",
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    ...more,
    "\r\n",
  ].join("\r\n");
}

/** Waits until a socket has received the end, and gives all that came. */
export function* allOf(socket: Socket): Coroutine<Buffer> {
  const pieces: Buffer[] = [];
  socket.on("data", (piece: Buffer) => pieces.push(piece));
  yield* until(new Promise((resolve) => socket.once("close", resolve)));
  return Buffer.concat(pieces);
}

/** The code in the close frame that bytes end with, masked or not; `undefined` if they end otherwise. */
export function closeCodeIn(bytes: Buffer): number | undefined {
  // a close frame without a reason: head, length, mask, code
  const unmasked = bytes.subarray(-4);
  if (unmasked[0] === 0x88 && unmasked[1] === 0x02) return unmasked.readUInt16BE(2);
  const masked = bytes.subarray(-8);
  if (masked[0] !== 0x88 || masked[1] !== 0x82) return undefined;
  return (masked.readUInt8(6) ^ masked.readUInt8(2)) * 256 + (masked.readUInt8(7) ^ masked.readUInt8(3));
}
