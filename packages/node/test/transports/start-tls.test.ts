import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as tlsConnect } from "node:tls";
import { createTask, type Coroutine, isCancelled, sleep, TimeoutError, within } from "corio";
import {
  createConnection,
  createServer,
  openConnection,
  openUnixConnection,
  startServer,
  startTls,
  type StreamReader,
  type StreamWriter,
  startUnixServer,
} from "@corio/node";
import { describe, expect, test } from "vitest";
import { pattern, text } from "../support/bytes.js";
import { useCertificates } from "../support/certificates.js";
import { collect, connectPeer, NodePeer, type Peer, portOf, receivedBy } from "../support/peers.js";
import { Recorder } from "../support/recorder.js";
import { runConnected } from "../support/run-connected.js";
import { socketPath } from "../support/temporary-folder.js";
import { systemError, thrownBy, withCode } from "../support/thrown-by.js";

const certificates = useCertificates();
const LOCAL = "127.0.0.1";

/** Waits for something that comes about by itself. */
function* until(condition: () => boolean): Coroutine<void> {
  while (!condition()) yield* sleep(0);
}

/** What a server said and heard. */
class Dialogue {
  readonly heard: string[] = [];
  error: unknown;
  writer: StreamWriter | undefined;

  /** Waits for STARTTLS, says to go ahead, goes over to TLS, and sends back what it gets. */
  readonly serve = function* (this: Dialogue, reader: StreamReader, writer: StreamWriter): Coroutine<void> {
    this.writer = writer;
    try {
      writer.write("220 ready\n");
      for (;;) {
        const command = text(yield* reader.readline());
        if (command === "") return;
        this.heard.push(command);
        if (command === "STARTTLS\n") break;
        writer.write("500 what?\n");
      }
      writer.write("220 go ahead\n");
      yield* this.beforeTls(writer);
      yield* writer.startTls({ tls: certificates.server });
      for (;;) {
        const line = text(yield* reader.readline());
        if (line === "") return;
        this.heard.push(line);
        writer.write(`secret ${line}`);
        yield* writer.drain();
      }
    } catch (error) {
      this.error = error;
    }
  }.bind(this);

  /** What happens between the go-ahead and TLS. */
  *beforeTls(writer: StreamWriter): Coroutine<void> {
    yield* writer.drain();
  }
}

function withDialogue<T>(dialogue: Dialogue, body: (port: number) => Coroutine<T>): Coroutine<T> {
  return (function* () {
    const server = yield* startServer(dialogue.serve, LOCAL, 0);
    return yield* within(server, () => body(portOf(server)));
  })();
}

/** The client's part up to the go-ahead. */
function* askForTls(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
  expect(text(yield* reader.readline())).toBe("220 ready\n");
  writer.write("HELO\nSTARTTLS\n");
  expect(text(yield* reader.readline())).toBe("500 what?\n");
  expect(text(yield* reader.readline())).toBe("220 go ahead\n");
}

describe("startTls", () => {
  test("goes over to TLS in the midst of a dialogue, the streams staying the same", async () => {
    const dialogue = new Dialogue();
    await runConnected(() =>
      withDialogue(dialogue, function* (port) {
        const [reader, writer] = yield* openConnection("localhost", port, { family: 4 });
        yield* within(writer, function* () {
          yield* askForTls(reader, writer);
          const { transport } = writer;
          const peername = writer.getExtraInfo("peername");
          expect(writer.getExtraInfo("cipher")).toBeUndefined();
          yield* writer.startTls({ tls: { ca: certificates.ca } });
          expect(writer.transport).not.toBe(transport);
          expect(transport.isClosing).toBe(true);
          expect(writer.isClosing).toBe(false);
          expect(writer.getExtraInfo("cipher")).toBeDefined();
          expect(writer.getExtraInfo("peercert")).toMatchObject({ subject: { CN: "localhost" } });
          expect(writer.getExtraInfo("peername")).toEqual(peername);
          writer.write("hello\n");
          expect(text(yield* reader.readline())).toBe("secret hello\n");
          expect(dialogue.writer?.getExtraInfo("cipher")).toBeDefined();
          writer.writeEof();
          expect((yield* reader.read()).length).toBe(0);
        });
      }),
    );
    expect(dialogue.heard).toEqual(["HELO\n", "STARTTLS\n", "hello\n"]);
    expect(dialogue.error).toBeUndefined();
  });

  test("works on a Unix socket, with the server's name", async () => {
    await runConnected(function* () {
      const path = socketPath();
      const server = yield* startUnixServer(new Dialogue().serve, path);
      yield* within(server, function* () {
        const [reader, writer] = yield* openUnixConnection(path);
        yield* within(writer, function* () {
          yield* askForTls(reader, writer);
          yield* writer.startTls({ tls: { ca: certificates.ca }, serverHostname: "localhost" });
          writer.write("hello\n");
          expect(text(yield* reader.readline())).toBe("secret hello\n");
          expect(writer.getExtraInfo("peername")).toBe(path);
        });
      });
    });
  });

  test("takes a handshake that the reader has already for its beginning: the client did not wait for the go-ahead", async () => {
    class Slow extends Dialogue {
      override *beforeTls(writer: StreamWriter): Coroutine<void> {
        const socket = writer.getExtraInfo("socket") as Socket;
        // "STARTTLS\n" alone has nine bytes
        yield* until(() => socket.bytesRead > 100);
        for (let i = 0; i < 5; i++) yield* sleep(0);
      }
    }
    const dialogue = new Slow();
    await runConnected(() =>
      withDialogue(dialogue, function* (port) {
        const peer = yield* connectPeer(port);
        peer.write("STARTTLS\n");
        const plain = skipping(peer, "220 ready\n220 go ahead\n");
        const secure = tlsConnect({ socket: plain, ca: certificates.ca, host: "localhost" });
        secure.write("hello\n");
        const answers: string[] = [];
        secure.on("data", (data: Buffer) => answers.push(data.toString()));
        yield* until(() => answers.join("") === "secret hello\n");
        secure.end();
        yield* until(() => peer.readableEnded);
        peer.destroy();
        secure.destroy();
      }),
    );
    expect(dialogue.error).toBeUndefined();
  });

  test("loses nothing of a handshake that has come as far as the loop", async () => {
    class InTheSameTurn extends Dialogue {
      override *beforeTls(writer: StreamWriter): Coroutine<void> {
        const socket = writer.getExtraInfo("socket") as Socket;
        // As this task is always ready, what the host brings stands behind it in the loop.
        yield* until(() => socket.bytesRead > 100);
      }
    }
    const dialogue = new InTheSameTurn();
    await runConnected(() =>
      withDialogue(dialogue, function* (port) {
        const peer = yield* connectPeer(port);
        peer.write("STARTTLS\n");
        // The handshake comes as a piece of its own.
        yield* receiveText(peer, "220 ready\n220 go ahead\n");
        const secure = tlsConnect({ socket: peer, ca: certificates.ca, host: "localhost" });
        secure.write("hello\n");
        const answers: string[] = [];
        secure.on("data", (data: Buffer) => answers.push(data.toString()));
        yield* until(() => answers.join("") === "secret hello\n");
        secure.end();
        yield* until(() => secure.readableEnded);
        secure.destroy();
      }),
    );
    expect(dialogue.error).toBeUndefined();
  });

  test("never lets pass for decrypted what was sent in the clear behind the command", async () => {
    const dialogue = new Dialogue();
    await runConnected(() =>
      withDialogue(dialogue, function* (port) {
        const peer = yield* connectPeer(port);
        // as an attacker in between would do it
        peer.write("STARTTLS\nDELETE everything\n");
        expect(yield* receivedBy(peer)).toContain("220 go ahead\n");
        peer.destroy();
      }),
    );
    expect(dialogue.heard).toEqual(["STARTTLS\n"]);
    expect(dialogue.error).toMatchObject({
      code: expect.stringMatching(/^(ERR_SSL_|EPROTO|ERR_CORIO_TLS|ECONNRESET)/),
    });
  });

  test("never lets pass for decrypted, in the client, what was sent in the clear behind the go-ahead", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.resume().write("220 go ahead\n250 you are rich\n")), function* (node) {
        const [reader, writer] = yield* openConnection(LOCAL, node.port);
        expect(text(yield* reader.readline())).toBe("220 go ahead\n");
        const error = yield* thrownBy(writer.startTls({ tls: { rejectUnauthorized: false } }));
        expect(error).toMatchObject({ code: expect.stringMatching(/^(ERR_SSL_|EPROTO)/) });
        expect(writer.isClosing).toBe(true);
        const rest = yield* thrownBy(reader.readline());
        expect(rest).toBe(error);
      }),
    );
  });

  test("sends what was written before in the clear, however much that is", async () => {
    const much = pattern(3_000_000);
    await runConnected(function* () {
      const server = yield* startServer(
        function* (_reader, writer) {
          writer.write(much);
          writer.write("go ahead\n");
          yield* writer.startTls({ tls: certificates.server });
          writer.write("secret\n");
        },
        LOCAL,
        0,
      );
      yield* within(server, function* () {
        const [reader, writer] = yield* openConnection(LOCAL, portOf(server));
        yield* within(writer, function* () {
          expect(Buffer.compare(yield* reader.readexactly(much.length), much)).toBe(0);
          expect(text(yield* reader.readline())).toBe("go ahead\n");
          yield* writer.startTls({ tls: { ca: certificates.ca } });
          expect(text(yield* reader.readline())).toBe("secret\n");
        });
      });
    });
  });

  test("works with protocols and transports, which are told by connectionMade", async () => {
    await runConnected(function* () {
      const heard = new Recorder();
      const server = yield* createServer(() => heard, LOCAL, 0);
      yield* within(server, function* () {
        const [transport, said] = yield* createConnection(() => new Recorder(), LOCAL, portOf(server));
        yield* heard.noted("connectionMade");
        const accepting = createTask(startTls(heard.transport, heard, { tls: certificates.server, serverSide: true }));
        const secure = yield* startTls(transport, said, { tls: { ca: certificates.ca } });
        const accepted = yield* accepting;
        expect(secure.protocol).toBe(said);
        expect(said.transport).toBe(secure);
        expect(heard.transport).toBe(accepted);
        expect(server.connections).toBe(1);
        secure.write("hello");
        secure.close();
        yield* heard.over();
        yield* said.over();
        expect(heard.log).toEqual([
          "connectionMade",
          "connectionMade",
          "dataReceived: hello",
          "eofReceived",
          "connectionLost",
        ]);
        expect(said.log).toEqual(["connectionMade", "connectionMade", "connectionLost"]);
      });
    });
  });

  test("keeps a task waiting that reads meanwhile, and gives it what was decrypted", async () => {
    await runConnected(function* () {
      const server = yield* startServer(
        function* (_reader, writer) {
          yield* writer.startTls({ tls: certificates.server });
          writer.write("secret\n");
        },
        LOCAL,
        0,
      );
      yield* within(server, function* () {
        const [reader, writer] = yield* openConnection(LOCAL, portOf(server));
        yield* within(writer, function* () {
          const reading = createTask(reader.readline());
          yield* sleep(0);
          yield* writer.startTls({ tls: { ca: certificates.ca } });
          expect(text(yield* reading)).toBe("secret\n");
        });
      });
    });
  });

  test("works over TLS once more, as proxies need it", async () => {
    await runConnected(function* () {
      const server = yield* startServer(
        function* (reader, writer) {
          writer.write(yield* reader.readline());
          yield* writer.startTls({ tls: certificates.other });
          writer.write(yield* reader.readline());
          yield* reader.read();
        },
        LOCAL,
        0,
        { tls: certificates.server },
      );
      yield* within(server, function* () {
        const tls = { ca: certificates.ca };
        const [reader, writer] = yield* openConnection("localhost", portOf(server), { family: 4, tls });
        yield* within(writer, function* () {
          writer.write("outer\n");
          expect(text(yield* reader.readline())).toBe("outer\n");
          yield* writer.startTls({ tls, serverHostname: "other.example" });
          expect(writer.getExtraInfo("peercert")).toMatchObject({ subject: { CN: "other.example" } });
          writer.write("inner\n");
          expect(text(yield* reader.readline())).toBe("inner\n");
        });
      });
    });
  });

  test("begins with what is unread, also where the reader had paused the connection", async () => {
    await runConnected(function* () {
      const server = yield* startServer(
        function* (_reader, writer) {
          writer.write("0123456789".repeat(3));
          yield* writer.startTls({ tls: certificates.server });
          writer.write("secret\n");
        },
        LOCAL,
        0,
      );
      yield* within(server, function* () {
        const [reader, writer] = yield* openConnection(LOCAL, portOf(server), { limit: 10 });
        yield* within(writer, function* () {
          yield* until(() => !writer.transport.isReading);
          expect(text(yield* reader.readexactly(30))).toBe("0123456789".repeat(3));
          yield* writer.startTls({ tls: { ca: certificates.ca } });
          expect(text(yield* reader.readline())).toBe("secret\n");
        });
      });
      yield* within(new NodePeer((socket) => socket.resume().write("no TLS ".repeat(1_000))), function* (node) {
        const [, writer] = yield* openConnection(LOCAL, node.port, { limit: 10 });
        yield* until(() => !writer.transport.isReading);
        const error = yield* thrownBy(writer.startTls({ tls: { ca: certificates.ca } }));
        expect(error).toMatchObject({ code: expect.stringMatching(/^(ERR_SSL_|EPROTO)/) });
      });
    });
  });

  test("can be ended by the server in the midst of it", async () => {
    for (const method of ["closeClients", "abortClients"] as const) {
      const dialogue = new Dialogue();
      await runConnected(function* () {
        const server = yield* startServer(dialogue.serve, LOCAL, 0);
        yield* within(server, function* () {
          const peer = yield* connectPeer(portOf(server));
          peer.write("STARTTLS\n");
          yield* receiveText(peer, "220 ready\n220 go ahead\n");
          yield* until(() => dialogue.writer?.isClosing === true);
          server[method]();
          yield* receivedBy(peer);
          peer.destroy();
        });
      });
      expect(dialogue.error).toBeInstanceOf(Error);
    }
  });
});

describe("a startTls that fails", () => {
  test.each<[string, "expired" | "other" | "stranger", string]>([
    ["for an expired certificate", "expired", "CERT_HAS_EXPIRED"],
    ["for another host's certificate", "other", "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["for a certificate that nobody has signed", "stranger", "DEPTH_ZERO_SELF_SIGNED_CERT"],
  ])("%s throws that, and closes the connection on both sides", async (_name, which, code) => {
    await runConnected(function* () {
      const ended: unknown[] = [];
      const server = yield* startServer(
        function* (reader, writer) {
          writer.write("go ahead\n");
          try {
            yield* writer.startTls({ tls: certificates[which] });
            yield* reader.read();
          } catch (error) {
            ended.push(error);
          }
        },
        LOCAL,
        0,
      );
      yield* within(server, function* () {
        const [reader, writer] = yield* openConnection(LOCAL, portOf(server));
        yield* reader.readline();
        const error = yield* thrownBy(writer.startTls({ tls: { ca: certificates.ca } }));
        expect(error).toEqual(systemError(code));
        expect(writer.isClosing).toBe(true);
        expect(yield* thrownBy(writer.waitClosed())).toBe(error);
        expect(yield* thrownBy(reader.read(1))).toBe(error);
        expect(yield* thrownBy(drained(writer))).toBe(error);
        writer.write("into the void");
      });
    });
  });

  test("because the peer never answers throws a TimeoutError, on either side, and closes the connection", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.pause()), function* (node) {
        const [, writer] = yield* openConnection(LOCAL, node.port);
        const error = yield* thrownBy(writer.startTls({ tlsHandshakeTimeout: 20 }));
        expect(error).toBeInstanceOf(TimeoutError);
        expect(writer.isClosing).toBe(true);
        yield* receivedBy(yield* node.connection());
      }),
    );
    await runConnected(function* () {
      const errors: unknown[] = [];
      const server = yield* startServer(
        function* (_reader, writer) {
          errors.push(yield* thrownBy(writer.startTls({ tls: certificates.server, tlsHandshakeTimeout: 20 })));
        },
        LOCAL,
        0,
      );
      yield* within(server, function* () {
        const peer = yield* connectPeer(portOf(server));
        yield* receivedBy(peer);
        peer.destroy();
      });
      expect(errors).toEqual([expect.any(TimeoutError)]);
    });
  });

  test("because the peer ends in the midst of the handshake throws, on either side, at once", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.once("data", () => socket.end())), function* (node) {
        const [, writer] = yield* openConnection(LOCAL, node.port);
        const error = yield* thrownBy(writer.startTls());
        expect(error).toMatchObject({ code: expect.stringMatching(/^(ERR_CORIO_TLS_HANDSHAKE|ECONNRESET)$/) });
      }),
    );
    await runConnected(function* () {
      const dialogue = new Dialogue();
      yield* withDialogue(dialogue, function* (port) {
        const peer = yield* connectPeer(port);
        peer.write("STARTTLS\n");
        yield* receiveText(peer, "220 ready\n220 go ahead\n");
        peer.end();
        yield* receivedBy(peer);
        peer.destroy();
      });
      expect(dialogue.error).toMatchObject({ code: expect.stringMatching(/^(ERR_CORIO_TLS_HANDSHAKE|ECONNRESET)$/) });
    });
  });

  test("because the peer has ended before throws at once", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.resume().end()), function* (node) {
        const [reader, writer] = yield* openConnection(LOCAL, node.port);
        expect((yield* reader.read()).length).toBe(0);
        const error = yield* thrownBy(writer.startTls());
        expect(error).toMatchObject({ code: expect.stringMatching(/^(ERR_CORIO_TLS_HANDSHAKE|ECONNRESET)$/) });
        expect(writer.isClosing).toBe(true);
      }),
    );
  });

  test("because the connection is lost while it waits to send throws at once", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.pause()), function* (node) {
        const [, writer] = yield* openConnection(LOCAL, node.port);
        const socket = yield* node.connection();
        writer.write(pattern(40_000_000));
        const starting = createTask(thrownBy(writer.startTls()));
        yield* sleep(5);
        expect(starting.done).toBe(false);
        socket.resetAndDestroy();
        expect(yield* starting).toBeInstanceOf(Error);
        expect(writer.isClosing).toBe(true);
      }),
    );
  });

  test("on a connection that is closing is refused", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.resume().end()), function* (node) {
        const [, writer] = yield* openConnection(LOCAL, node.port);
        writer.close();
        const error = yield* thrownBy(
          (function* () {
            yield* writer.startTls();
          })(),
        );
        expect(error).toEqual(withCode("CONNECTION_CLOSING"));
        yield* writer.waitClosed();
      }),
    );
  });

  test("for want of a server's name is refused, and the connection stays", async () => {
    await runConnected(function* () {
      const path = socketPath();
      const server = yield* startUnixServer(new Dialogue().serve, path);
      yield* within(server, function* () {
        const [reader, writer] = yield* openUnixConnection(path);
        yield* within(writer, function* () {
          const error = yield* thrownBy(
            (function* () {
              yield* writer.startTls({ tls: { ca: certificates.ca } });
            })(),
          );
          expect(error).toEqual(withCode("SERVER_HOSTNAME", /serverHostname/));
          expect(text(yield* reader.readline())).toBe("220 ready\n");
        });
      });
    });
  });

  test.each([
    ["transport", [{}, {}], "TRANSPORT"],
    ["nothing", [], "TRANSPORT"],
  ])("for a wrong argument is refused: %s", async (_name, args, code) => {
    await runConnected(function* () {
      const start = startTls as unknown as (...args: unknown[]) => Coroutine<unknown>;
      expect(
        yield* thrownBy(
          (function* () {
            yield* start(...args);
          })(),
        ),
      ).toEqual(withCode(code));
    });
  });
});

describe("a startTls that is cancelled", () => {
  test("in the handshake closes the connection, and nobody else looks cancelled", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.pause()), function* (node) {
        const [reader, writer] = yield* openConnection(LOCAL, node.port);
        const starting = createTask(writer.startTls());
        yield* sleep(5);
        starting.cancel();
        expect(yield* thrownBy(starting)).toSatisfy(isCancelled);
        expect(writer.isClosing).toBe(true);
        // these are other tasks' affairs
        expect((yield* reader.read()).length).toBe(0);
        yield* writer.waitClosed();
        yield* receivedBy(yield* node.connection());
      }),
    );
  });

  test("while it waits for what is to be sent closes the connection", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.pause()), function* (node) {
        const [, writer] = yield* openConnection(LOCAL, node.port);
        writer.write(pattern(40_000_000));
        const starting = createTask(writer.startTls());
        yield* sleep(5);
        expect(starting.done).toBe(false);
        starting.cancel();
        expect(yield* thrownBy(starting)).toSatisfy(isCancelled);
        expect(writer.isClosing).toBe(true);
        yield* writer.waitClosed();
      }),
    );
  });
});

function* drained(writer: StreamWriter): Coroutine<void> {
  yield* writer.drain();
}

/** Waits until a peer has received just that. */
function* receiveText(peer: Peer, expected: string): Coroutine<void> {
  collect(peer);
  yield* until(() => Buffer.concat(peer.received).length >= expected.length);
  expect(Buffer.concat(peer.received).toString()).toBe(expected);
}

/** The same connection without what comes first, so that TLS can begin before that has come. */
function skipping(peer: Socket, first: string): Duplex {
  let left = first.length;
  const rest = new Duplex({
    read() {},
    write: (chunk, _encoding, done) => void peer.write(chunk, done),
    final: (done) => void peer.end(done),
  });
  peer.on("data", (data: Buffer) => {
    const skipped = Math.min(left, data.length);
    left -= skipped;
    if (data.length > skipped) rest.push(data.subarray(skipped));
  });
  peer.on("end", () => rest.push(null)).resume();
  return rest;
}
