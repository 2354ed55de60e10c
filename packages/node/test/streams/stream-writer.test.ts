import type { Socket } from "node:net";
import { createTask, type Coroutine, isCancelled, sleep, within } from "corio";
import { ConnectionLostError, openConnection, type StreamReader, type StreamWriter } from "@corio/node";
import { describe, expect, test } from "vitest";
import { bytes, pattern, text } from "../support/bytes.js";
import { connected, echo, tcp, unix } from "../support/echo.js";
import { closedOf, NodePeer, type Peer, receivedBy } from "../support/peers.js";
import { runConnected } from "../support/run-connected.js";
import { thrownBy, withCode } from "../support/thrown-by.js";
import { writeUntilStuck } from "../support/write-until-stuck.js";

/** A connection to a peer that takes nothing in until it is told to. */
function withSilentPeer(
  body: (writer: StreamWriter, peer: Peer, reader: StreamReader) => Coroutine<void>,
): Coroutine<void> {
  return within(new NodePeer((socket) => socket.pause()), function* (peer) {
    const [reader, writer] = yield* openConnection("127.0.0.1", peer.port);
    const socket = yield* peer.connection();
    try {
      yield* body(writer, socket, reader);
    } finally {
      writer.transport.abort();
      yield* closedOf(writer.getExtraInfo("socket") as Socket);
    }
  });
}

/** Writes until drain() has to wait. Gives how much was written, and that drain(). */
function* writeUntilFull(writer: StreamWriter, size = 50_000): Coroutine<[number, ReturnType<typeof drainTask>]> {
  const written = yield* writeUntilStuck(writer.transport, size);
  const draining = drainTask(writer);
  yield* sleep(0);
  expect(draining.done).toBe(false);
  return [written, draining];
}

const drainTask = (writer: StreamWriter) => createTask(() => drained(writer));

function* drained(writer: StreamWriter): Coroutine<void> {
  yield* writer.drain();
}

describe("drain", () => {
  test("does not wait where nothing waits to be sent", async () => {
    await runConnected(() =>
      connected(tcp, echo, function* (_reader, writer) {
        for (let i = 0; i < 3; i++) {
          writer.write("x");
          const draining = writer.drain() as { done?: boolean };
          expect(draining.done).toBe(true);
        }
      }),
    );
  });

  test("waits while the peer does not read, with little in memory, and goes on when it does", async () => {
    await runConnected(() =>
      withSilentPeer(function* (writer, peer) {
        const { transport } = writer;
        expect(transport.writeBufferLimits).toEqual({ high: 65_536, low: 16_384 });
        const [written, draining] = yield* writeUntilFull(writer);
        expect(transport.writeBufferSize).toBeGreaterThan(65_536);
        expect(transport.writeBufferSize).toBeLessThanOrEqual(65_536 + 50_000);
        // the peer reads, and all arrives
        const data = pattern(50_000);
        let read = 0;
        let intact = true;
        peer.on("data", (chunk: Buffer) => {
          for (const byte of chunk) if (byte !== data[read++ % data.length]) intact = false;
        });
        peer.resume();
        yield* draining;
        expect(transport.writeBufferSize).toBeLessThanOrEqual(16_384);
        writer.writeEof();
        yield* receivedBy(peer);
        expect(read).toBe(written);
        expect(intact).toBe(true);
      }),
    );
  });

  test("lets all go on who wait", async () => {
    await runConnected(() =>
      withSilentPeer(function* (writer, peer) {
        const [, first] = yield* writeUntilFull(writer);
        const others = [drainTask(writer), drainTask(writer)];
        yield* sleep(0);
        expect(others.map(({ done }) => done)).toEqual([false, false]);
        peer.resume();
        yield* first;
        for (const other of others) yield* other;
      }),
    );
  });

  test("that is cancelled leaves what was written, and the next one works", async () => {
    await runConnected(() =>
      withSilentPeer(function* (writer, peer) {
        const [written, draining] = yield* writeUntilFull(writer);
        draining.cancel();
        yield* sleep(0);
        expect(draining.cancelled).toBe(true);
        const another = drainTask(writer);
        yield* sleep(0);
        expect(another.done).toBe(false);
        let read = 0;
        peer.on("data", (chunk: Buffer) => (read += chunk.length)).resume();
        yield* another;
        writer.writeEof();
        yield* receivedBy(peer);
        expect(read).toBe(written);
      }),
    );
  });

  test("throws a ConnectionLostError when the connection ends while it waits", async () => {
    await runConnected(() =>
      withSilentPeer(function* (writer) {
        const [, draining] = yield* writeUntilFull(writer);
        writer.transport.abort();
        const error = yield* thrownBy(draining);
        expect(error).toBeInstanceOf(ConnectionLostError);
        expect(error).toEqual(withCode("CONNECTION_LOST"));
        yield* writer.waitClosed();
      }),
    );
  });

  test("throws a ConnectionLostError after the connection has ended, to who writes on", async () => {
    await runConnected(() =>
      connected(tcp, echo, function* (_reader, writer) {
        writer.close();
        let turns = 0;
        const error = yield* thrownBy(
          (function* () {
            for (;;) {
              writer.write("into the void");
              turns++;
              yield* writer.drain();
            }
          })(),
        );
        expect(error).toBeInstanceOf(ConnectionLostError);
        expect(turns).toBeGreaterThan(0);
        yield* writer.waitClosed();
      }),
    );
  });
});

describe("the limits of what may wait to be sent", () => {
  test("are taken as they are set, the low one as a quarter of the high one", async () => {
    await runConnected(() =>
      connected(tcp, echo, function* (_reader, { transport }) {
        transport.writeBufferLimits = { high: 1_001 };
        expect(transport.writeBufferLimits).toEqual({ high: 1_001, low: 250 });
        transport.writeBufferLimits = { high: 0 };
        expect(transport.writeBufferLimits).toEqual({ high: 0, low: 0 });
        transport.writeBufferLimits = { high: 5, low: 5 };
        for (const limits of [{ high: 1, low: 2 }, { high: -1 }, { high: 1, low: -1 }, { high: Number.NaN }]) {
          expect(() => (transport.writeBufferLimits = limits)).toThrow(withCode("WRITE_BUFFER_LIMITS", /must be >=/));
        }
        expect(transport.writeBufferLimits).toEqual({ high: 5, low: 5 });
      }),
    );
  });

  test("of 0 make drain() wait for the last byte", async () => {
    await runConnected(() =>
      withSilentPeer(function* (writer, peer) {
        writer.transport.writeBufferLimits = { high: 0 };
        const [, draining] = yield* writeUntilFull(writer, 1_000_000);
        peer.resume();
        yield* draining;
        expect(writer.transport.writeBufferSize).toBe(0);
      }),
    );
  });

  test("that are lowered below what waits make drain() wait at once", async () => {
    await runConnected(() =>
      withSilentPeer(function* (writer, peer) {
        const { transport } = writer;
        transport.writeBufferLimits = { high: 50_000_000 };
        writer.write(pattern(20_000_000));
        yield* sleep(1);
        expect(transport.writeBufferSize).toBeGreaterThan(1_000_000);
        expect(drainTask(writer)).toBeDefined();
        transport.writeBufferLimits = { high: 1_000 };
        const draining = drainTask(writer);
        yield* sleep(1);
        expect(draining.done).toBe(false);
        peer.resume();
        yield* draining;
        expect(transport.writeBufferSize).toBeLessThanOrEqual(250);
      }),
    );
  });
});

describe.each([tcp, unix])("writing by $name", (kind) => {
  test("after writeEof() is refused", async () => {
    await runConnected(() =>
      connected(kind, echo, function* (reader, writer) {
        writer.write("all");
        writer.writeEof();
        expect(() => writer.write("more")).toThrow(withCode("WRITE_AFTER_EOF", /writeEof/));
        expect(() => writer.writelines(["more"])).toThrow(withCode("WRITE_AFTER_EOF"));
        expect(text(yield* reader.read())).toBe("all");
      }),
    );
  });

  test("after close() sends nothing", async () => {
    const heard: string[] = [];
    function* listen(reader: StreamReader): Coroutine<void> {
      heard.push(text(yield* reader.read()));
    }
    await runConnected(() =>
      connected(kind, listen, function* (_reader, writer) {
        writer.write("before");
        writer.close();
        writer.write("after");
        writer.writelines(["and", "after"]);
        writer.writeEof();
        writer.close();
        expect(writer.isClosing).toBe(true);
        yield* writer.waitClosed();
        writer.write("long after");
        expect(writer.isClosing).toBe(true);
      }),
    );
    expect(heard).toEqual(["before"]);
  });

  test.each([5, null, undefined, {}, ["x"], new ArrayBuffer(1)])("what is no bytes is refused: %j", async (wrong) => {
    await runConnected(() =>
      connected(kind, echo, function* (reader, writer) {
        expect(() => writer.write(wrong as string)).toThrow(withCode("NOT_BYTES", /Uint8Array, or a string/));
        writer.write("");
        writer.write(new Uint8Array(0));
        writer.write(Buffer.from("fine\n"));
        expect(text(yield* reader.readline())).toBe("fine\n");
      }),
    );
  });
});

describe("close", () => {
  test("sends everything before", async () => {
    const sent = pattern(5_000_000);
    await runConnected(() =>
      within(new NodePeer((socket) => socket.pause()), function* (peer) {
        const [, writer] = yield* openConnection("127.0.0.1", peer.port);
        const socket = yield* peer.connection();
        writer.write(sent);
        writer.close();
        yield* receivedBy(socket);
        expect(Buffer.compare(Buffer.concat(socket.received), sent)).toBe(0);
        socket.end();
        yield* writer.waitClosed();
      }),
    );
  });

  test("with something unread is still an orderly end for both", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.write("never read")), function* (peer) {
        const [reader, writer] = yield* openConnection("127.0.0.1", peer.port);
        const socket = yield* peer.connection();
        while ((writer.getExtraInfo("socket")?.bytesRead ?? 0) === 0) yield* sleep(0);
        yield* sleep(0); // now the reader has it
        writer.write("bye");
        writer.close();
        expect(yield* receivedBy(socket)).toBe("bye");
        socket.end();
        yield* writer.waitClosed();
        yield* closedOf(socket);
        expect(socket.failure).toBeUndefined();
        expect(text(yield* reader.read())).toBe("never read");
        expect(reader.atEof).toBe(true);
      }),
    );
  });

  test("wakes who reads with the end", async () => {
    await runConnected(() =>
      connected(tcp, echo, function* (reader, writer) {
        const reading = createTask(reader.readline());
        yield* sleep(0);
        writer.close();
        expect((yield* reading).length).toBe(0);
        expect(reader.atEof).toBe(true);
      }),
    );
  });
});

describe("waitClosed", () => {
  test("waits for the end, of which all are told who wait", async () => {
    await runConnected(() =>
      connected(tcp, echo, function* (_reader, writer) {
        const waiting = [writer, writer].map((one) =>
          createTask(function* () {
            yield* one.waitClosed();
          }),
        );
        yield* sleep(0);
        expect(waiting.map(({ done }) => done)).toEqual([false, false]);
        writer.close();
        for (const task of waiting) yield* task;
        yield* writer.waitClosed();
      }),
    );
  });

  test("that is cancelled lets the connection go on closing", async () => {
    await runConnected(() =>
      connected(tcp, echo, function* (_reader, writer) {
        const waiting = createTask(function* () {
          yield* writer.waitClosed();
        });
        yield* sleep(0);
        writer.close();
        waiting.cancel();
        expect(yield* thrownBy(waiting)).toSatisfy(isCancelled);
        yield* writer.waitClosed();
      }),
    );
  });

  test("comes to an end when the peer has ended and this side has, too", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.end()), function* (peer) {
        const [reader, writer] = yield* openConnection("127.0.0.1", peer.port);
        expect((yield* reader.read()).length).toBe(0);
        expect(writer.isClosing).toBe(false);
        writer.writeEof();
        yield* writer.waitClosed();
        expect(writer.isClosing).toBe(true);
      }),
    );
  });
});

describe("a StreamWriter as context manager", () => {
  test("sends what is left and closes when its block ends", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.pause()), function* (peer) {
        const [, writer] = yield* openConnection("127.0.0.1", peer.port);
        const socket = yield* peer.connection();
        const sent = pattern(4_000_000);
        const leaving = createTask(() =>
          within(writer, function* (entered) {
            expect(entered).toBe(writer);
            entered.write(sent);
          }),
        );
        yield* receivedBy(socket);
        expect(Buffer.concat(socket.received).length).toBe(sent.length);
        socket.end();
        yield* leaving;
        expect(writer.isClosing).toBe(true);
      }),
    );
  });

  test("closes at once after an error, whose cause it does not hide", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.pause()), function* (peer) {
        const [, writer] = yield* openConnection("127.0.0.1", peer.port);
        const socket = yield* peer.connection();
        const wrong = new Error("wrong");
        const error = yield* thrownBy(
          within(writer, function* () {
            writer.write(pattern(40_000_000));
            throw wrong;
          }),
        );
        expect(error).toBe(wrong);
        expect(writer.transport.isClosing).toBe(true);
        expect((yield* receivedBy(socket)).length).toBeLessThan(40_000_000);
      }),
    );
  });

  test("that is cancelled while it sends what is left closes at once", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.pause()), function* (peer) {
        const [, writer] = yield* openConnection("127.0.0.1", peer.port);
        const socket = yield* peer.connection();
        const leaving = createTask(() =>
          within(writer, function* () {
            writer.write(pattern(40_000_000));
          }),
        );
        yield* sleep(5);
        expect(leaving.done).toBe(false);
        leaving.cancel();
        expect(yield* thrownBy(leaving)).toSatisfy(isCancelled);
        expect((yield* receivedBy(socket)).length).toBeLessThan(40_000_000);
        yield* closedOf(writer.getExtraInfo("socket") as Socket);
      }),
    );
  });

  test("may have been closed in its block already", async () => {
    await runConnected(() =>
      connected(tcp, echo, function* (_reader, writer) {
        writer.write(bytes("x"));
        writer.close();
        yield* writer.waitClosed();
      }),
    );
  });
});
