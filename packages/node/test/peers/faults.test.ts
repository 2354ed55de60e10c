import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import {
  type Coroutine,
  createTask,
  gather,
  IncompleteReadError,
  sleep,
  timeout,
  TimeoutError,
  until,
  within,
} from "corio";
import { openConnection, startServer, startUnixServer, type StreamReader, type StreamWriter } from "@corio/node";
import { describe, expect, test } from "vitest";
import { text } from "../support/bytes.js";
import { echo } from "../support/echo.js";
import { portOf } from "../support/peers.js";
import { runConnected } from "../support/run-connected.js";
import { socketPath } from "../support/temporary-folder.js";
import { systemError, thrownBy } from "../support/thrown-by.js";
import { PeerProcess } from "./peer-process.js";

const KiB = 1024;
const MiB = 1024 * KiB;

/** A process of plain Node. */
const node = (program: string, ...args: string[]): PeerProcess =>
  new PeerProcess(process.execPath, [
    "-e",
    `const { createHash } = require("crypto"), net = require("net"); ${program}`,
    ...args,
  ]);

/** One that listens, and what it does with a connection. */
function* listening(onConnection: string): Coroutine<[peer: PeerProcess, port: number]> {
  const peer = node(`
    const server = net.createServer((socket) => { ${onConnection} });
    server.listen(0, "127.0.0.1", () => console.log("port", server.address().port));
  `);
  return [peer, Number((yield* until(peer.wrote(/port (\d+)/)))[1])];
}

function* ended(peer: PeerProcess): Coroutine<void> {
  peer.kill("SIGKILL");
  yield* until(peer.ended);
}

describe("a peer that is killed", () => {
  /** Serves a peer that sends 20 bytes and reads what comes, or does not; kills it while the handler is at its work. */
  function* serveAndKill(reads: boolean, handler: (reader: StreamReader, writer: StreamWriter) => Coroutine<unknown>) {
    let failure: unknown;
    const server = yield* startServer(
      function* (reader, writer) {
        writer.write("something to read");
        yield* reader.readuntil("0123456789");
        try {
          yield* handler(reader, writer);
        } catch (error) {
          failure = error;
        }
      },
      "127.0.0.1",
      0,
    );
    yield* within(server, function* () {
      const peer = node(`
        setInterval(() => {}, 60_000);
        const socket = net.connect(${portOf(server)}, "127.0.0.1").pause();
        const ready = () => console.log("ready");
        socket.write("0123456789abcdefghij", () => (${reads} ? socket.once("data", ready).resume() : ready()));
      `);
      yield* until(peer.wrote(/ready/));
      yield* ended(peer);
    });
    return failure;
  }

  test("resets the connection in the middle of a read, if it left something unread", () =>
    runConnected(function* () {
      const failure = yield* serveAndKill(false, (reader) => reader.readexactly(1_000));
      expect(failure).toEqual(systemError("ECONNRESET"));
    }));

  test("leaves a reader with what had come, if it had read all", () =>
    runConnected(function* () {
      const failure = yield* serveAndKill(true, (reader) => reader.readexactly(1_000));
      expect(failure).toBeInstanceOf(IncompleteReadError);
      expect(text((failure as IncompleteReadError).partial)).toBe("abcdefghij");
    }));

  test("makes a writer fail that does not read", () =>
    runConnected(function* () {
      const failure = yield* serveAndKill(false, function* (_reader, writer) {
        for (;;) {
          writer.write(new Uint8Array(64 * KiB));
          yield* writer.drain();
        }
      });
      expect((failure as NodeJS.ErrnoException).code).toMatch(/^(ECONNRESET|EPIPE)$/);
    }));
});

describe("a peer that closes at once", () => {
  test("is an end for who reads, also if it came before there was a reader", () =>
    runConnected(function* () {
      const [peer, port] = yield* listening("socket.end();");
      const connect = function* (): Coroutine<number> {
        const [reader, writer] = yield* openConnection("127.0.0.1", port);
        return yield* within(writer, function* () {
          return (yield* reader.read()).length;
        });
      };
      const connections = Array.from({ length: 100 }, () => connect());
      expect(yield* gather(connections)).toEqual(connections.map(() => 0));
      yield* ended(peer);
    }));
});

describe("a peer that is stopped", () => {
  test("makes a fast writer wait, with no more than a message above the high-water mark, until it goes on", () =>
    runConnected(function* () {
      const [peer, port] = yield* listening(`
        const hash = createHash("sha256");
        socket.on("data", (data) => hash.update(data));
        socket.on("end", () => { socket.end(hash.digest("hex")); server.close(); });
      `);
      const [reader, writer] = yield* openConnection("127.0.0.1", port);
      peer.kill("SIGSTOP");
      const total = 64 * MiB;
      const message = new Uint8Array(40_000).fill(120);
      let written = 0;
      let most = 0;
      const writing = createTask(function* () {
        while (written < total) {
          writer.write(message.subarray(0, total - written));
          written += Math.min(message.length, total - written);
          most = Math.max(most, writer.transport.writeBufferSize);
          yield* writer.drain();
        }
      });
      // what the system buffers is a few MiB
      for (let before = -1; before < written; yield* sleep(200)) before = written;
      expect(written).toBeLessThan(total);
      expect(writing.done).toBe(false);
      expect(most).toBeGreaterThan(64 * KiB);
      expect(most).toBeLessThanOrEqual(64 * KiB + message.length);

      peer.kill("SIGCONT");
      yield* writing;
      expect(most).toBeLessThanOrEqual(64 * KiB + message.length);
      writer.writeEof();
      const hash = createHash("sha256").update(Buffer.alloc(total, 120)).digest("hex");
      expect(text(yield* reader.read())).toBe(hash);
      writer.close();
      yield* writer.waitClosed();
      yield* until(peer.succeeded());
    }));
});

describe("a peer that never answers", () => {
  test("is given up by a timeout", () =>
    runConnected(function* () {
      const [peer, port] = yield* listening("");
      const [reader, writer] = yield* openConnection("127.0.0.1", port);
      const failure = yield* thrownBy(
        within(writer, function* () {
          writer.write("are you there?\n");
          yield* within(timeout(20), () => reader.readline());
        }),
      );
      expect(failure).toBeInstanceOf(TimeoutError);
      yield* ended(peer);
    }));

  test("is given up in the handshake of TLS", () =>
    runConnected(function* () {
      const [peer, port] = yield* listening("");
      const failure = yield* thrownBy(openConnection("127.0.0.1", port, { tls: true, tlsHandshakeTimeout: 20 }));
      expect(failure).toBeInstanceOf(TimeoutError);
      yield* ended(peer);
    }));

  test("is given up while it has not even accepted", () =>
    runConnected(function* () {
      const [peer, port] = yield* listening("");
      peer.kill("SIGSTOP");
      const failure = yield* thrownBy(
        within(timeout(20), function* () {
          const [reader, writer] = yield* openConnection("127.0.0.1", port);
          yield* within(writer, () => reader.readline());
        }),
      );
      expect(failure).toBeInstanceOf(TimeoutError);
      yield* ended(peer);
    }));
});

describe("another process", () => {
  test("that listens on a port keeps us off it", () =>
    runConnected(function* () {
      const [peer, port] = yield* listening("");
      expect(yield* thrownBy(startServer(echo, "127.0.0.1", port))).toEqual(systemError("EADDRINUSE"));
      yield* ended(peer);
    }));

  test("that listens on a Unix socket keeps us off it, until it is killed", () =>
    runConnected(function* () {
      const path = socketPath();
      const peer = node(`net.createServer().listen(process.argv[1], () => console.log("listening"));`, path);
      yield* until(peer.wrote(/listening/));
      expect(yield* thrownBy(startUnixServer(echo, path))).toEqual(systemError("EADDRINUSE"));
      yield* ended(peer);
      expect(existsSync(path)).toBe(true);
      const server = yield* startUnixServer(echo, path);
      expect(server.isServing).toBe(true);
      server.close();
      yield* server.waitClosed();
    }));
});
