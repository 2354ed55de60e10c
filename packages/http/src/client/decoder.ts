import type { Transform } from "node:stream";
import zlib from "node:zlib";

/** @internal Who gets what a decoder makes. */
export interface DecoderEvents {
  onData(chunk: Uint8Array): void;
  /** Everything is decoded. Nothing follows. */
  onEnd(): void;
  /** It is not what its encoding says, breaks off, or goes on behind its end. Nothing follows. */
  onError(error: Error): void;
  /** There is room again, after a `write` that gave false. */
  onDrain(): void;
}

/**
 * @internal Who decodes a body of that `content-encoding`.
 *
 * @returns `undefined` where the body stays as it is: it is not encoded, in a way that is unknown here, or more than 5 times
 * @see https://www.rfc-editor.org/rfc/rfc9110#name-content-encoding
 */
export function decoderFor(contentEncoding: string | undefined): ((events: DecoderEvents) => Decoder) | undefined {
  if (contentEncoding === undefined) return undefined;
  const codings: Coding[] = [];
  for (const part of contentEncoding.toLowerCase().split(",")) {
    const name = part.trim();
    if (name === "" || name === "identity") continue;
    const coding = CODINGS.get(name);
    if (coding === undefined) return undefined;
    codings.push(coding);
  }
  if (codings.length === 0 || codings.length > MOST_CODINGS) return undefined;
  return (events) => new Decoder(codings, events);
}

const MOST_CODINGS = 5;

/** Makes what decodes a body, when its first byte is known. */
type Coding = (firstByte: number) => Transform & zlib.Zlib;

const gunzip: Coding = () => zlib.createGunzip();

// "deflate" is zlib's format by the standard, and without its head by a misunderstanding that is as old
const inflate: Coding = (firstByte) => ((firstByte & 0x0f) === 0x08 ? zlib.createInflate() : zlib.createInflateRaw());

const CODINGS = new Map<string, Coding>([
  ["gzip", gunzip],
  ["x-gzip", gunzip],
  ["deflate", inflate],
  ["br", () => zlib.createBrotliDecompress()],
]);

const { createZstdDecompress, zstdDecompressSync } = zlib as {
  createZstdDecompress?: (options: object) => Transform & zlib.Zlib;
  zstdDecompressSync?: (data: Uint8Array) => Uint8Array;
};
if (createZstdDecompress !== undefined && noticesTruncation()) {
  const { ZSTD_d_windowLogMax: windowLogMax } = zlib.constants as unknown as Record<string, number>;
  // a window of 8 MiB at most: https://www.rfc-editor.org/rfc/rfc9659
  CODINGS.set("zstd", () => createZstdDecompress({ params: { [windowLogMax as number]: 23 } }));
}

// Node 22 takes what broke off for the whole; Node 24 does not.
function noticesTruncation(): boolean {
  try {
    zstdDecompressSync?.(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd));
    return false;
  } catch {
    return true;
  }
}

/** @internal For `accept-encoding`: what this Node can decode. */
export const acceptEncoding: string = [...CODINGS.keys()].filter((name) => name !== "x-gzip").join(", ");

/**
 * @internal Decodes a body, under backpressure on both sides. It calls its events from the host.
 *
 * It goes on until `onEnd` or `onError` is called, or until it is destroyed; then its memory is free. Nothing is allocated before
 * the first byte.
 */
export class Decoder {
  // the first is written to, the last makes what is told
  readonly #stages: readonly Stage[];

  /** @param codings in the order in which they were applied */
  constructor(codings: readonly Coding[], events: DecoderEvents) {
    const stages: Stage[] = [];
    const last = codings.length - 1;
    for (const [i, coding] of codings.toReversed().entries()) {
      stages.push(
        new Stage(coding, {
          onData: (chunk) => {
            if (i === last) events.onData(chunk);
            else if (stages[i + 1]?.write(chunk) === false) stages[i]?.pause();
          },
          onEnd: () => (i === last ? events.onEnd() : stages[i + 1]?.end()),
          onError: (error) => {
            this.destroy();
            events.onError(error);
          },
          onDrain: () => (i === 0 ? events.onDrain() : stages[i - 1]?.resume()),
        }),
      );
    }
    this.#stages = stages;
  }

  /** @returns whether there is room for more; false: wait for `onDrain`. What is written nevertheless is kept */
  write(chunk: Uint8Array): boolean {
    return (this.#stages[0] as Stage).write(chunk);
  }

  /** Everything was written: nothing at all is right too, as a body may be empty. May call `onEnd` before it returns. */
  end(): void {
    this.#stages[0]?.end();
  }

  /** No data is made until `resume()`. */
  pause(): void {
    this.#stages.at(-1)?.pause();
  }

  resume(): void {
    this.#stages.at(-1)?.resume();
  }

  /** Ends it; none of its events is called any more. */
  destroy(): void {
    for (const stage of this.#stages) stage.destroy();
  }
}

/** One of a body's encodings. */
class Stage {
  readonly #coding: Coding;
  readonly #events: DecoderEvents;
  #stream: (Transform & zlib.Zlib) | undefined;
  #written = 0;
  #paused = false;
  #over = false;

  constructor(coding: Coding, events: DecoderEvents) {
    this.#coding = coding;
    this.#events = events;
  }

  write(chunk: Uint8Array): boolean {
    const [firstByte] = chunk;
    if (firstByte === undefined || this.#over) return true;
    this.#written += chunk.length;
    return (this.#stream ??= this.#open(firstByte)).write(chunk);
  }

  end(): void {
    if (this.#over) return;
    if (this.#stream !== undefined) {
      this.#stream.end();
    } else {
      this.#over = true;
      this.#events.onEnd();
    }
  }

  pause(): void {
    this.#paused = true;
    this.#stream?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#stream?.resume();
  }

  destroy(): void {
    this.#over = true;
    this.#stream?.destroy();
  }

  #open(firstByte: number): Transform & zlib.Zlib {
    const stream = this.#coding(firstByte);
    const events = this.#events;
    if (this.#paused) stream.pause();
    stream.on("data", (chunk: Uint8Array) => {
      if (!this.#over) events.onData(chunk);
    });
    stream.on("drain", () => {
      if (!this.#over) events.onDrain();
    });
    stream.on("error", (error) => this.#fail(error));
    stream.on("end", () => {
      // zlib ends by itself at what it does not know how to go on with
      if (stream.bytesWritten < this.#written)
        return this.#fail(new Error("there is more behind the end of the compressed data"));
      if (this.#over) return;
      this.#over = true;
      events.onEnd();
    });
    return stream;
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.destroy();
    this.#events.onError(error);
  }
}
