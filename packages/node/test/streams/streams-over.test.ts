import { Duplex, duplexPair } from "node:stream";
import { type Coroutine, createTask, sleep, within } from "corio";
import { StreamReader, streamsOver, StreamWriter } from "@corio/node";
import { describe, expect, test } from "vitest";
import { pattern, text } from "../support/bytes.js";
import { runConnected } from "../support/run-connected.js";
import { thrownBy, withCode } from "../support/thrown-by.js";

/** Runs a body with streams over one end of a pair of Node's. */
function withPair(body: (reader: StreamReader, writer: StreamWriter, far: Duplex) => Coroutine<void>): Promise<void> {
  return runConnected<void>(function* () {
    const [near, far] = duplexPair();
    const [reader, writer] = streamsOver(near);
    yield* within(writer, () => body(reader, writer, far));
    expect(near.destroyed).toBe(true);
  });
}

describe("streams over a Duplex of Node", () => {
  test("read and write it", async () => {
    await withPair(function* (reader, writer, far) {
      expect(reader).toBeInstanceOf(StreamReader);
      expect(writer).toBeInstanceOf(StreamWriter);
      far.on("data", (data: Buffer) => far.write(data.toString().toUpperCase()));
      writer.write("hello\n");
      expect(text(yield* reader.readline())).toBe("HELLO\n");
      expect(writer.getExtraInfo("peername")).toBeUndefined();
    });
  });

  test("read what it had received before", async () => {
    await runConnected(function* () {
      const [near, far] = duplexPair();
      far.resume();
      far.write("early\n");
      yield* sleep(1);
      const [reader, writer] = streamsOver(near);
      yield* within(writer, function* () {
        expect(text(yield* reader.readline())).toBe("early\n");
      });
    });
  });

  test("end one direction at a time", async () => {
    await withPair(function* (reader, writer, far) {
      far.end("a question");
      expect(text(yield* reader.read())).toBe("a question");
      expect(writer.isClosing).toBe(false);
      const pieces: Buffer[] = [];
      far.on("data", (data: Buffer) => pieces.push(data));
      writer.write("an answer");
      writer.writeEof();
      yield* writer.waitClosed();
      expect(Buffer.concat(pieces).toString()).toBe("an answer");
    });
  });

  test("wait in drain() for who reads slowly", async () => {
    await withPair(function* (_reader, writer, far) {
      writer.write(pattern(200_000));
      const draining = createTask(writer.drain());
      yield* sleep(5);
      expect(draining.done).toBe(false);
      far.resume();
      yield* draining;
    });
  });

  test("tell its error", async () => {
    await runConnected(function* () {
      const broken = new Duplex({ read() {}, write() {} });
      const [reader, writer] = streamsOver(broken);
      const wrong = new Error("wrong");
      broken.destroy(wrong);
      expect(yield* thrownBy(reader.readline())).toBe(wrong);
      expect(yield* thrownBy(writer.waitClosed())).toBe(wrong);
    });
  });

  test("have the limit that is asked for", async () => {
    await runConnected(function* () {
      const [near, far] = duplexPair();
      far.resume();
      expect(() => streamsOver(near, { limit: 0 })).toThrow(withCode("LIMIT"));
      const [reader, writer] = streamsOver(near, { limit: 5 });
      yield* within(writer, function* () {
        far.write("too long a line\n");
        expect(yield* thrownBy(reader.readline())).toEqual(withCode("LIMIT_OVERRUN"));
      });
    });
  });

  test("need one", async () => {
    await runConnected(function* () {
      for (const wrong of [undefined, "stream", {}, { write() {} }]) {
        expect(() => streamsOver(wrong as unknown as Duplex)).toThrow(withCode("DUPLEX", /Duplex/));
      }
      yield* sleep(0);
    });
  });
});
