import { createHook } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import zlib from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { acceptEncoding, type Decoder, decoderFor } from "./client-parts.js";

// what zlib has in memory and has not given back
const open = new Set<object>();
createHook({
  init(_id, type, _trigger, resource) {
    if (type !== "ZLIB") return;
    const handle = resource as { close(): void };
    const { close } = handle;
    open.add(handle);
    handle.close = () => {
      open.delete(handle);
      close.call(handle);
    };
  },
}).enable();

afterEach(async () => {
  // one that is at work is closed when that is done
  for (let i = 0; i < 1_000 && open.size > 0; i++) await new Promise(setImmediate);
  if (open.size > 0) throw new Error(`${open.size} streams of zlib are left open`);
});

// Node 22 has it, and does not notice when it breaks off
const zstd =
  Number.parseInt(process.versions.node, 10) < 24
    ? undefined
    : (zlib as unknown as { zstdCompressSync: (data: Uint8Array) => Buffer }).zstdCompressSync;

const encoders: Record<string, (data: Uint8Array) => Buffer> = {
  gzip: zlib.gzipSync,
  "x-gzip": zlib.gzipSync,
  deflate: zlib.deflateSync,
  br: zlib.brotliCompressSync,
  ...(zstd === undefined ? {} : { zstd }),
};
const names = Object.keys(encoders);

const TEXT = Buffer.from("hello, world! ".repeat(100));

function encode(names: string, data: Uint8Array): Buffer {
  let encoded: Buffer = Buffer.from(data);
  for (const name of names.split(",")) encoded = encoders[name.trim().toLowerCase()]?.(encoded) ?? encoded;
  return encoded;
}

/** What a decoder says, in order; an error is its last word. */
class Heard {
  readonly chunks: Uint8Array[] = [];
  readonly decoder: Decoder;
  drains = 0;
  ends = 0;
  readonly errors: Error[] = [];
  #done: () => void = () => {};
  readonly done = new Promise<void>((resolve) => void (this.#done = resolve));

  constructor(contentEncoding: string) {
    const make = decoderFor(contentEncoding);
    if (make === undefined) throw new Error(`nobody decodes ${contentEncoding}`);
    this.decoder = make({
      onData: (chunk) => void this.chunks.push(chunk),
      onDrain: () => void this.drains++,
      onEnd: () => {
        this.ends++;
        this.#done();
      },
      onError: (error) => {
        this.errors.push(error);
        this.#done();
      },
    });
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

async function decode(contentEncoding: string, data: Uint8Array, size = data.length || 1): Promise<Heard> {
  const heard = new Heard(contentEncoding);
  for (let i = 0; i < data.length; i += size) heard.decoder.write(data.subarray(i, i + size));
  heard.decoder.end();
  await heard.done;
  await new Promise(setImmediate);
  expect(heard.ends + heard.errors.length).toBe(1);
  return heard;
}

async function failure(contentEncoding: string, data: Uint8Array, size?: number): Promise<string> {
  const { errors } = await decode(contentEncoding, data, size);
  expect(errors, `${contentEncoding} in chunks of ${size}`).toHaveLength(1);
  return errors[0]?.message ?? "";
}

describe("decoderFor", () => {
  test.each([undefined, "", "identity", " , ", "unknown", "gzip, unknown", "aws-chunked", "compress"])(
    "leaves a body as it is that is encoded with %j",
    (encoding) => expect(decoderFor(encoding)).toBeUndefined(),
  );

  test("knows what is asked for", () => {
    const asked = acceptEncoding.split(", ");
    expect(asked.slice(0, 3)).toEqual(["gzip", "deflate", "br"]);
    expect(asked.includes("zstd")).toBe(zstd !== undefined);
    expect(decoderFor("zstd") !== undefined).toBe(zstd !== undefined);
    for (const name of asked) expect(decoderFor(name), name).toBeTypeOf("function");
  });

  test("takes five encodings of one body, and leaves it as it is with six", () => {
    expect(decoderFor("gzip, gzip, gzip, gzip, identity, gzip")).toBeTypeOf("function");
    expect(decoderFor("gzip, gzip, gzip, gzip, gzip, gzip")).toBeUndefined();
  });
});

describe("a decoder", () => {
  test.each([...names, ...names.map((name) => ` ${name.toUpperCase()} , identity`)])("decodes %s", async (encoding) => {
    const data = encode(encoding.replace(", identity", ""), TEXT);
    for (const size of [data.length, 1, 7]) expect((await decode(encoding, data, size)).bytes).toEqual(TEXT);
  });

  test("decodes what was encoded several times, the last of them first", async () => {
    for (const encoding of ["gzip, br", "br,gzip", "deflate, gzip, br", "gzip, gzip, gzip, gzip, gzip"]) {
      const data = encode(encoding, TEXT);
      for (const size of [data.length, 1]) expect((await decode(encoding, data, size)).bytes).toEqual(TEXT);
    }
  });

  test("decodes deflate without its head", async () => {
    for (const level of [0, 1, 9]) {
      const data = zlib.deflateRawSync(TEXT, { level });
      for (const size of [data.length, 1]) expect((await decode("deflate", data, size)).bytes).toEqual(TEXT);
    }
  });

  test("decodes several members of gzip in a row", async () => {
    const data = Buffer.concat([zlib.gzipSync("one, "), zlib.gzipSync("two, "), zlib.gzipSync("three")]);
    for (const size of [data.length, 1])
      expect((await decode("gzip", data, size)).bytes.toString()).toBe("one, two, three");
  });

  test.each([...names, "gzip, br"])("ends with nothing if nothing comes that is encoded with %s", async (encoding) => {
    const heard = new Heard(encoding);
    heard.decoder.end();
    expect(heard.ends).toBe(1);
    expect((await decode(encoding, new Uint8Array(0))).chunks).toEqual([]);
    expect((await decode(encoding, encode(encoding, new Uint8Array(0)))).bytes).toHaveLength(0);
  });

  test.each([...names, "gzip, br", "br, gzip"])("fails if %s breaks off, wherever", async (encoding) => {
    const data = encode(encoding, Buffer.from("hello hello hello"));
    for (let length = 1; length < data.length; length++) {
      const message = await failure(encoding, data.subarray(0, length));
      expect(message).not.toBe("");
    }
  });

  test.each([...names, "gzip, br", "br, gzip"])("fails if there is more behind the end of %s", async (encoding) => {
    const data = encode(encoding, TEXT);
    for (const more of ["x", "\0", "\0\0\0\0more", "\x1f", "more and more ".repeat(10_000)]) {
      const whole = Buffer.concat([data, Buffer.from(more)]);
      for (const size of [whole.length, data.length, data.length - 1]) await failure(encoding, whole, size);
    }
  });

  test.each([...names, "gzip, br"])("fails at what is not %s", async (encoding) => {
    for (const text of ["<html>not found</html>", "\x1f\x8b\x07", "\x78\x00", "\xff\xff\xff\xff\xff"]) {
      await failure(encoding, Buffer.from(text, "latin1"));
      await failure(encoding, Buffer.from(text, "latin1"), 1);
    }
  });

  test("fails at a wrong checksum", async () => {
    const data = zlib.gzipSync(TEXT);
    data[data.length - 6] = (data[data.length - 6] ?? 0) ^ 1;
    expect(await failure("gzip", data)).toMatch(/incorrect data check/);
  });

  test("fails in the encoding beneath, and in the one above", async () => {
    expect(await failure("gzip, br", zlib.brotliCompressSync("not gzip"))).toMatch(/incorrect header check/);
    expect(await failure("gzip, br", zlib.gzipSync("not brotli"))).not.toBe("");
    const inner = Buffer.concat([zlib.gzipSync(TEXT), Buffer.from("\0more")]);
    expect(await failure("gzip, br", zlib.brotliCompressSync(inner))).toMatch(/behind the end/);
  });

  test.each([
    ["gzip", () => zlib.createGzip()],
    ["deflate", () => zlib.createDeflate()],
    ["br", () => zlib.createBrotliCompress()],
  ])("gives what there is of %s before the end has come", async (encoding, createEncoder) => {
    const encoder = createEncoder();
    const heard = new Heard(encoding);
    encoder.on("data", (chunk: Uint8Array) => void heard.decoder.write(chunk));
    for (const part of ["one", "two", "three"]) {
      encoder.write(part);
      encoder.flush(encoding === "br" ? zlib.constants.BROTLI_OPERATION_FLUSH : zlib.constants.Z_SYNC_FLUSH);
      while (!heard.bytes.toString().endsWith(part)) await new Promise(setImmediate);
    }
    expect(heard.ends).toBe(0);
    encoder.end(() => heard.decoder.end());
    await heard.done;
    expect(heard.bytes.toString()).toBe("onetwothree");
  });
});

describe("backpressure", () => {
  // zlib works in threads of its own, which nothing but time tells of
  const atRest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

  test.each([...names, "gzip, br", "deflate, gzip, br"])("holds %s back while it is paused", async (encoding) => {
    const plain = randomBytes(2 * 1024 * 1024);
    const data = encode(encoding, plain);
    const heard = new Heard(encoding);
    heard.decoder.pause();
    let at = 0;
    const write = (): boolean => heard.decoder.write(data.subarray(at, (at += 16 * 1024)));
    let drains = 0;
    for (; at < data.length; ) {
      if (write()) continue;
      await atRest();
      if (heard.drains === drains) break; // it is full for good
      drains = heard.drains;
    }
    expect(at, "taken in").toBeLessThan(1024 * 1024);
    expect(heard.chunks).toEqual([]);

    heard.decoder.resume();
    while (at < data.length) {
      const before = heard.drains;
      if (write()) continue;
      while (heard.drains === before) await new Promise(setImmediate);
    }
    heard.decoder.end();
    await heard.done;
    expect(heard.errors).toEqual([]);
    expect(heard.bytes.equals(plain)).toBe(true);
  });

  test("gives no chunk after a pause in one, and the end only with the rest", async () => {
    const plain = Buffer.alloc(1024 * 1024, "bomb");
    for (const encoding of ["gzip", "gzip, br"]) {
      const make = decoderFor(encoding);
      let received = 0;
      let paused = false;
      let ended = false;
      const decoder = make?.({
        onData: (chunk) => {
          expect(paused).toBe(false);
          received += chunk.length;
          paused = true;
          decoder?.pause();
          setImmediate(() => {
            paused = false;
            decoder?.resume();
          });
        },
        onDrain: () => {},
        onEnd: () => void (ended = true),
        onError: (error) => expect.unreachable(error.message),
      });
      decoder?.write(encode(encoding, plain));
      decoder?.end();
      while (!ended) await new Promise(setImmediate);
      expect(received).toBe(plain.length);
    }
  });

  test("keeps a bomb in its case: of a paused one next to nothing is unpacked", async () => {
    const bomb = encode("gzip, gzip, gzip", Buffer.alloc(512 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(10_000);
    const before = process.memoryUsage.rss();
    const heard = new Heard("gzip, gzip, gzip");
    heard.decoder.pause();
    heard.decoder.write(bomb);
    heard.decoder.end();
    for (let i = 0; i < 10; i++) await atRest();
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 * 1024);
    expect(heard.ends).toBe(0);
    heard.decoder.destroy();
  });
});

describe("a decoder that is destroyed", () => {
  test.each([...names, "gzip, br"])("says nothing more, and frees its memory: %s", async (encoding) => {
    const data = encode(encoding, randomBytes(300_000));
    for (const when of ["before", "in the midst", "at the end", "in a chunk"]) {
      const heard = new Heard(encoding);
      const { decoder } = heard;
      if (when === "in a chunk") {
        const { chunks } = heard;
        Object.defineProperty(chunks, "push", {
          value(chunk: Uint8Array) {
            decoder.destroy();
            chunks[chunks.length] = chunk;
          },
        });
      }
      if (when !== "before") decoder.write(data.subarray(0, 200_000));
      if (when === "at the end" || when === "in a chunk") {
        decoder.write(data.subarray(200_000));
        decoder.end();
      }
      if (when === "in a chunk") while (heard.chunks.length === 0) await new Promise(setImmediate);
      decoder.destroy();
      const chunks = heard.chunks.length;
      for (let i = 0; i < 20; i++) await new Promise(setImmediate);
      expect(heard.chunks.length, when).toBe(chunks);
      expect([heard.ends, heard.errors], when).toEqual([0, []]);
      expect(decoder.write(data), when).toBe(true);
      decoder.end();
      decoder.destroy();
      expect([heard.ends, heard.errors], when).toEqual([0, []]);
    }
  });
});
