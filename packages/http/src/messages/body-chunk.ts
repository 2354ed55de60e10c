import { invalidArgument } from "../errors/invalid-argument.js";

/** @internal The bytes of a piece of a body; a text is sent in UTF-8. */
export function bytesOf(chunk: unknown): Buffer {
  if (typeof chunk === "string") return Buffer.from(chunk, "utf8");
  if (Buffer.isBuffer(chunk)) return chunk;
  if (ArrayBuffer.isView(chunk)) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (chunk instanceof ArrayBuffer) return Buffer.from(chunk);
  throw invalidArgument(
    "BODY",
    `the pieces of a body are strings or bytes, not ${chunk === null ? "null" : typeof chunk}`,
  );
}
