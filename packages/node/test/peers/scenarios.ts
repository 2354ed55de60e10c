import { createHash, randomBytes } from "node:crypto";
import { type Coroutine, forEach, gather } from "corio";
import type { StreamReader, StreamWriter } from "@corio/node";
import { expect } from "vitest";
import { text } from "../support/bytes.js";

export type Scenario = (reader: StreamReader, writer: StreamWriter) => Coroutine<void>;

const SIZE = 16 * 1024 * 1024;
const PIECE = 64 * 1024;
const LINES = 200;

function turnedAround(line: Uint8Array): Buffer {
  return Buffer.concat([line.subarray(0, -1).toReversed(), Buffer.from("\n")]);
}

/** Sends lines of many lengths, and gets each back in reverse. */
export function* ask(reader: StreamReader, writer: StreamWriter, lines = LINES): Coroutine<void> {
  for (let n = 0; n < lines; n++) {
    const line = Buffer.from(`${n} ${"äöü€".repeat((n * 7) % 50)}\n`);
    writer.write(line);
    yield* writer.drain();
    expect(Buffer.compare(yield* reader.readline(), turnedAround(line)), `line ${n}`).toBe(0);
  }
}

/** What {@link ask} talks to. */
export function* answer(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
  yield* forEach(reader, function* (line) {
    writer.write(turnedAround(line));
    yield* writer.drain();
  });
}

/** Both send {@link SIZE} bytes at once, then tell each other the checksum of what came. */
export function* exchange(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
  const [sent, received] = yield* gather(send(writer), receive(reader));
  writer.write(`${received}\n`);
  expect(text(yield* reader.readline())).toBe(`${sent}\n`);
}

function* send(writer: StreamWriter): Coroutine<string> {
  const hash = createHash("sha256");
  for (let n = 0; n < SIZE / PIECE; n++) {
    const piece = randomBytes(PIECE);
    hash.update(piece);
    writer.write(piece);
    yield* writer.drain();
  }
  return hash.digest("hex");
}

function* receive(reader: StreamReader): Coroutine<string> {
  const hash = createHash("sha256");
  for (let left = SIZE; left > 0; ) {
    const piece = yield* reader.read(Math.min(left, PIECE));
    if (piece.length === 0) throw new Error(`ended ${left} bytes early`);
    hash.update(piece);
    left -= piece.length;
  }
  return hash.digest("hex");
}

/** Sends, ends its own direction, and still gets the answer. */
export function* endThenListen(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
  writer.write("half");
  writer.writeEof();
  expect(text(yield* reader.read())).toBe("other-half");
}

/** What {@link endThenListen} talks to. */
export function* listenThenAnswer(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
  expect(text(yield* reader.read())).toBe("half");
  writer.write("other-half");
}

/** Sends and ends its own direction; the peer ends without an answer. */
export function* endThenHearTheEnd(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
  writer.write("half");
  writer.writeEof();
  expect(text(yield* reader.read())).toBe("");
  expect(reader.exception).toBe(undefined);
}

/** Sends {@link SIZE} bytes to who sends them back, and gets them meanwhile; then both end. */
export function* sendAndGetBack(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
  const [sent, received] = yield* gather(send(writer), receive(reader));
  expect(received).toBe(sent);
  writer.writeEof();
  expect((yield* reader.read()).length).toBe(0);
}
