import type { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import type { CursorSource } from "corio";
import { expectTypeOf, test } from "vitest";
import { chunks } from "../../src/bridges/chunks.js";

declare const readable: Readable;
declare const web: ReadableStream<number>;
declare const response: Response;

test("a web stream says what its chunks are, a Readable has what it is said to have", () => {
  expectTypeOf(chunks(web)).toEqualTypeOf<CursorSource<number>>();
  expectTypeOf(chunks(response.body!)).toExtend<CursorSource<unknown>>();
  expectTypeOf(chunks(readable)).toEqualTypeOf<CursorSource<unknown>>();
  expectTypeOf(chunks<Buffer>(readable)).toEqualTypeOf<CursorSource<Buffer>>();
});
