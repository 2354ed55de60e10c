import { createTask, type Coroutine, gather, sleep, timeout, TimeoutError, within } from "corio";
import { ConnectionLostError, openConnection, startServer, type StreamReader, type StreamWriter } from "@corio/node";
import { describe, expect, test } from "vitest";
import { pattern, text } from "../support/bytes.js";
import { echo } from "../support/echo.js";
import { NodePeer, type Peer, portOf, receivedBy } from "../support/peers.js";
import { runConnected } from "../support/run-connected.js";
import { systemError, thrownBy } from "../support/thrown-by.js";

const LOCAL = "127.0.0.1";

/** A connection to a peer of Node. */
function withPeer(
  body: (reader: StreamReader, writer: StreamWriter, peer: Peer) => Coroutine<void>,
  limit = 64 * 1024,
): Promise<void> {
  return runConnected<void>(() =>
    within(new NodePeer((socket) => socket.pause()), function* (node) {
      const [reader, writer] = yield* openConnection(LOCAL, node.port, { limit });
      yield* body(reader, writer, yield* node.connection());
    }),
  );
}

describe("a peer that resets the connection", () => {
  test.each<[string, (reader: StreamReader) => Coroutine<Uint8Array>]>([
    ["read", (reader) => reader.read(9)],
    ["read of everything", (reader) => reader.read()],
    ["readline", (reader) => reader.readline()],
    ["readexactly", (reader) => reader.readexactly(9)],
    ["readuntil", (reader) => reader.readuntil("\r\n")],
  ])("is told by %s that waits, and by whatever is called after that", async (_name, read) => {
    await withPeer(function* (reader, writer, peer) {
      const reading = createTask(thrownBy(read(reader)));
      const closing = createTask(thrownBy(writer.waitClosed()));
      yield* sleep(1);
      peer.resetAndDestroy();
      const reset = systemError("ECONNRESET");
      expect(yield* reading).toEqual(reset);
      expect(yield* closing).toEqual(reset);
      expect(reader.exception).toEqual(reset);
      expect(reader.atEof).toBe(false);
      expect(writer.isClosing).toBe(true);
      expect(yield* thrownBy(read(reader))).toEqual(reset);
      expect(yield* thrownBy(writer.waitClosed())).toEqual(reset);
      writer.write("nobody is there");
      expect(yield* thrownBy(writer.drain())).toEqual(reset);
      writer.close();
    });
  });

  test("is told by drain() that waits", async () => {
    await withPeer(function* (_reader, writer, peer) {
      writer.write(pattern(40_000_000));
      const draining = createTask(thrownBy(writer.drain()));
      yield* sleep(5);
      expect(draining.done).toBe(false);
      peer.resetAndDestroy();
      expect(yield* draining).toMatchObject({ code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/) });
    });
  });

  test("takes nothing from who reads what had arrived before", async () => {
    await withPeer(function* (reader, writer, peer) {
      peer.write("one\ntwo\nthr");
      expect(text(yield* reader.readline())).toBe("one\n");
      const closing = createTask(thrownBy(writer.waitClosed()));
      peer.resetAndDestroy();
      expect(yield* closing).toEqual(systemError("ECONNRESET"));
      expect(text(yield* reader.readline())).toBe("two\n");
      expect(yield* thrownBy(reader.readline())).toEqual(systemError("ECONNRESET"));
      expect(text(yield* reader.read(9))).toBe("thr");
      expect(yield* thrownBy(reader.read(9))).toEqual(systemError("ECONNRESET"));
    });
  });

  test("does not change what a block throws that was left for another reason", async () => {
    await withPeer(function* (_reader, writer, peer) {
      const wrong = new Error("wrong");
      const error = yield* thrownBy(
        within(writer, function* () {
          peer.resetAndDestroy();
          yield* sleep(1);
          throw wrong;
        }),
      );
      expect(error).toBe(wrong);
    });
    // and a block that is left normally throws nothing
    await withPeer(function* (_reader, writer, peer) {
      yield* within(writer, function* () {
        peer.resetAndDestroy();
        yield* sleep(1);
      });
    });
  });

  test("at once after it has accepted is told, too", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.resetAndDestroy()), function* (node) {
        const error = yield* thrownBy(
          (function* () {
            const [reader, writer] = yield* openConnection(LOCAL, node.port);
            yield* within(writer, () => reader.read());
            throw new Error("it read up to the end");
          })(),
        );
        expect(error).toEqual(systemError("ECONNRESET"));
      }),
    );
  });
});

describe("a peer that does not read", () => {
  test("holds the writer back, and neither memory nor bytes are lost", async () => {
    const size = 20_000_000;
    await withPeer(function* (_reader, writer, peer) {
      const piece = pattern(100_000);
      let written = 0;
      let most = 0;
      const writing = createTask(function* () {
        for (; written < size; written += piece.length) {
          writer.write(piece);
          most = Math.max(most, writer.transport.writeBufferSize);
          yield* writer.drain();
        }
        writer.close();
      });
      // It reads slowly, a bit at a time.
      let read = 0;
      while (!peer.readableEnded) {
        const data = peer.read() as Buffer | null;
        if (data === null) yield* sleep(0);
        else {
          expect(data.every((byte, i) => byte === piece[(read + i) % piece.length])).toBe(true);
          read += data.length;
        }
      }
      yield* writing;
      expect(read).toBe(size);
      expect(most).toBeLessThanOrEqual(65_536 + piece.length);
      peer.end();
      yield* writer.waitClosed();
    });
  });

  test("is left by a timeout, and the connection is closed", async () => {
    await withPeer(function* (_reader, writer, peer) {
      const error = yield* thrownBy(
        within(timeout(20), writer, function* () {
          for (;;) {
            writer.write(pattern(100_000));
            yield* writer.drain();
          }
        }),
      );
      expect(error).toBeInstanceOf(TimeoutError);
      expect(writer.isClosing).toBe(true);
      yield* receivedBy(peer);
    });
  });
});

describe("a peer that does not write", () => {
  test("is left by a timeout, after which the connection can be used", async () => {
    await withPeer(function* (reader, writer, peer) {
      yield* within(writer, function* () {
        const error = yield* thrownBy(within(timeout(5), () => reader.readline()));
        expect(error).toBeInstanceOf(TimeoutError);
        peer.write("late\n");
        expect(text(yield* reader.readline())).toBe("late\n");
      });
    });
  });

  test("and closes orderly ends the reading, and what is written then fails", async () => {
    await withPeer(function* (reader, writer, peer) {
      peer.end();
      expect((yield* reader.read()).length).toBe(0);
      // it has gone altogether
      peer.destroy();
      const error = yield* thrownBy(
        (function* () {
          for (;;) {
            writer.write("are you there?");
            yield* writer.drain();
            yield* sleep(0);
          }
        })(),
      );
      if (!(error instanceof ConnectionLostError)) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/) });
      }
    });
  });
});

test("a connection that fails does not disturb the others, and its handler's error is reported", async () => {
  await runConnected(
    function* () {
      const server = yield* startServer(echo, LOCAL, 0);
      yield* within(server, function* () {
        const outcomes = yield* gather(
          Array.from({ length: 20 }, function* (_, i) {
            const [reader, writer] = yield* openConnection(LOCAL, portOf(server));
            return yield* within(writer, function* () {
              for (let n = 0; n < 10; n++) {
                writer.write(`${i} ${n}\n`);
                expect(text(yield* reader.readline())).toBe(`${i} ${n}\n`);
                if (i % 4 === 0 && n === 5) {
                  writer.getExtraInfo("socket")?.resetAndDestroy();
                  return "reset";
                }
              }
              return "whole";
            });
          }),
        );
        expect(outcomes).toEqual(outcomes.map((_, i) => (i % 4 === 0 ? "reset" : "whole")));
      });
    },
    { reports: Array.from({ length: 5 }, () => /handler.*ECONNRESET/) },
  );
});
