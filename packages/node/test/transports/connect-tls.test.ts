import { createTask, type Coroutine, isCancelled, sleep, timeout, TimeoutError, within } from "corio";
import {
  createConnection,
  createServer,
  createUnixConnection,
  createUnixServer,
  openConnection,
  openUnixConnection,
  type Protocol,
  type Server,
  startServer,
  startUnixServer,
  type StreamReader,
  type StreamWriter,
  type Transport,
} from "@corio/node";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { describe, expect, test } from "vitest";
import { pattern, text } from "../support/bytes.js";
import { useCertificates } from "../support/certificates.js";
import { echo } from "../support/echo.js";
import { closedOf, NodePeer, portOf, receivedBy } from "../support/peers.js";
import { Recorder } from "../support/recorder.js";
import { runConnected } from "../support/run-connected.js";
import { socketPath } from "../support/temporary-folder.js";
import { systemError, thrownBy, withCode } from "../support/thrown-by.js";

const certificates = useCertificates();
const LOCAL = "127.0.0.1";

/** A server that sends back what it gets, over TLS. */
function* serveEcho(tls = {}): Coroutine<Server> {
  return yield* startServer(echo, LOCAL, 0, { tls: { ...certificates.server, ...tls } });
}

describe("a connection over TLS", () => {
  /** Both kinds of address, as streams. */
  function* streams(kind: "tcp" | "unix"): Coroutine<[Server, () => Coroutine<[StreamReader, StreamWriter]>]> {
    const { ca, server: tls } = certificates;
    if (kind === "tcp") {
      const server = yield* startServer(echo, LOCAL, 0, { tls });
      return [server, () => openConnection("localhost", portOf(server), { tls: { ca }, family: 4 })];
    }
    const path = socketPath();
    const server = yield* startUnixServer(echo, path, { tls });
    return [server, () => openUnixConnection(path, { tls: { ca }, serverHostname: "localhost" })];
  }

  test.each(["tcp", "unix"] as const)("carries lines to and fro (%s)", async (kind) => {
    await runConnected(function* () {
      const [server, connect] = yield* streams(kind);
      yield* within(server, function* () {
        const [reader, writer] = yield* connect();
        yield* within(writer, function* () {
          expect(writer.getExtraInfo("socket")).toBeInstanceOf(TLSSocket);
          writer.write("hello\n");
          yield* writer.drain();
          expect(text(yield* reader.readline())).toBe("hello\n");
        });
      });
    });
  });

  test.each(["tcp", "unix"] as const)("carries 10 MB at once in both directions, unchanged (%s)", async (kind) => {
    const data = pattern(10_000_000);
    await runConnected(function* () {
      const [server, connect] = yield* streams(kind);
      yield* within(server, function* () {
        const [reader, writer] = yield* connect();
        yield* within(writer, function* () {
          const sending = createTask(function* () {
            for (let at = 0; at < data.length; at += 250_000) {
              writer.write(data.subarray(at, at + 250_000));
              yield* writer.drain();
            }
            writer.writeEof();
          });
          const back = yield* reader.read();
          yield* sending;
          expect(Buffer.compare(back, data)).toBe(0);
        });
      });
    });
  });

  test("can be closed in one direction by either side", async () => {
    const heard: string[] = [];
    function* greet(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      writer.write("that is all");
      writer.writeEof();
      heard.push(text(yield* reader.read()));
    }
    await runConnected(function* () {
      const asked = yield* serveEcho();
      yield* within(asked, function* () {
        const [reader, writer] = yield* openConnection(LOCAL, portOf(asked), { tls: { ca: certificates.ca } });
        yield* within(writer, function* () {
          expect(writer.canWriteEof).toBe(true);
          writer.write("a question");
          writer.writeEof();
          expect(text(yield* reader.read())).toBe("a question");
        });
      });
      const server = yield* startServer(greet, LOCAL, 0, { tls: certificates.server });
      yield* within(server, function* () {
        const [reader, writer] = yield* openConnection(LOCAL, portOf(server), { tls: { ca: certificates.ca } });
        yield* within(writer, function* () {
          expect(text(yield* reader.read())).toBe("that is all");
          yield* sleep(0);
          writer.write("but listen");
          writer.writeEof();
          yield* writer.waitClosed();
        });
      });
      expect(heard).toEqual(["but listen"]);
    });
  });

  test("tells certificate, cipher, protocol version and what ALPN settled on, on both sides", async () => {
    await runConnected(function* () {
      const infos: unknown[] = [];
      const server = yield* startServer(
        function* (_reader, writer) {
          infos.push(
            writer.getExtraInfo("peercert"),
            writer.getExtraInfo("alpnProtocol"),
            writer.getExtraInfo("cipher"),
          );
          infos.push(writer.getExtraInfo("peername"));
        },
        LOCAL,
        0,
        {
          tls: {
            ...certificates.server,
            ca: certificates.ca,
            requestCert: true,
            rejectUnauthorized: true,
            ALPNProtocols: ["h2", "http/1.1"],
          },
        },
      );
      yield* within(server, function* () {
        const tls = { ca: certificates.ca, ...certificates.client, ALPNProtocols: ["http/1.1", "h2"] };
        const [reader, writer] = yield* openConnection(LOCAL, portOf(server), { tls });
        yield* within(writer, function* () {
          expect(writer.getExtraInfo("peercert")).toMatchObject({
            subject: { CN: "localhost" },
            issuerCertificate: { subject: { CN: "Authority of the tests" } },
          });
          // the server's preference
          expect(writer.getExtraInfo("alpnProtocol")).toBe("h2");
          expect(writer.getExtraInfo("tlsVersion")).toBe("TLSv1.3");
          expect(writer.getExtraInfo("cipher")).toMatchObject({ name: expect.stringMatching(/^TLS_/) });
          expect(writer.getExtraInfo("peername")).toEqual(server.sockets[0]?.address());
          yield* reader.read();
          const sockname = writer.getExtraInfo("sockname");
          expect(infos).toMatchObject(
            [{ subject: { CN: "a client" } }, "h2", { name: /^TLS_/ }, sockname].map(loosely),
          );
        });
      });
    });
    function loosely(value: unknown): unknown {
      return typeof value === "object" && value !== null && "name" in value
        ? { name: expect.stringMatching(/^TLS_/) }
        : value;
    }
  });

  test("knows of no certificate where the peer gave none, and of no protocol where ALPN was not used", async () => {
    await runConnected(function* () {
      const infos: unknown[] = [];
      const server = yield* startServer(
        function* (_reader, writer) {
          infos.push(writer.getExtraInfo("peercert"), writer.getExtraInfo("alpnProtocol"));
        },
        LOCAL,
        0,
        { tls: certificates.server },
      );
      yield* within(server, function* () {
        const [reader, writer] = yield* openConnection(LOCAL, portOf(server), { tls: { ca: certificates.ca } });
        yield* within(writer, () => reader.read());
      });
      expect(infos).toEqual([undefined, false]);
    });
  });

  test("serves protocols, by TCP and by a Unix socket", async () => {
    class Echo implements Protocol {
      #transport: Transport | undefined;
      connectionMade(transport: Transport): void {
        this.#transport = transport;
      }
      dataReceived(data: Uint8Array): void {
        this.#transport?.write(data);
      }
      eofReceived(): boolean {
        this.#transport?.close();
        return true;
      }
    }
    await runConnected(function* () {
      const path = socketPath();
      const tls = certificates.server;
      const client = { tls: { ca: certificates.ca }, serverHostname: "localhost" };
      const one = yield* createServer(() => new Echo(), LOCAL, 0, { tls });
      const two = yield* createUnixServer(() => new Echo(), path, { tls });
      yield* within(one, two, function* () {
        for (const [transport, recorder] of [
          yield* createConnection(() => new Recorder(), LOCAL, portOf(one), client),
          yield* createUnixConnection(() => new Recorder(), path, client),
        ]) {
          transport.write("hello");
          transport.writeEof();
          yield* recorder.over();
          expect(recorder.log).toEqual(["connectionMade", "dataReceived: hello", "eofReceived", "connectionLost"]);
        }
      });
    });
  });
});

describe("the server's certificate", () => {
  test.each<[string, keyof typeof certificates, string]>([
    ["that has expired", "expired", "CERT_HAS_EXPIRED"],
    ["of another host", "other", "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["that nobody has signed", "stranger", "DEPTH_ZERO_SELF_SIGNED_CERT"],
  ])("%s is refused, and the server goes on", async (_name, which, code) => {
    await runConnected(function* () {
      const server = yield* serveEcho(certificates[which]);
      yield* within(server, function* () {
        for (const host of ["localhost", LOCAL]) {
          const error = yield* thrownBy(
            openConnection(host, portOf(server), { tls: { ca: certificates.ca }, family: 4 }),
          );
          expect(error).toEqual(systemError(code));
        }
        const protocol = thrownBy(
          createConnection(() => ({}), LOCAL, portOf(server), { tls: { ca: certificates.ca } }),
        );
        expect(yield* protocol).toEqual(systemError(code));
        // who does not look at it gets through
        const [reader, writer] = yield* openConnection(LOCAL, portOf(server), { tls: { rejectUnauthorized: false } });
        yield* within(writer, function* () {
          writer.write("x\n");
          expect(text(yield* reader.readline())).toBe("x\n");
        });
      });
    });
  });

  test("of an authority that is not known is refused", async () => {
    await runConnected(function* () {
      const server = yield* serveEcho();
      yield* within(server, function* () {
        const error = yield* thrownBy(openConnection(LOCAL, portOf(server), { tls: true }));
        expect(error).toMatchObject({ code: expect.stringMatching(/^(UNABLE_TO_|SELF_SIGNED_CERT_IN_CHAIN)/) });
      });
    });
  });

  test("is checked against serverHostname where that is given, on a Unix socket too", async () => {
    await runConnected(function* () {
      const path = socketPath();
      const one = yield* serveEcho(certificates.other);
      const two = yield* startUnixServer(echo, path, { tls: certificates.other });
      yield* within(one, two, function* () {
        const tls = { ca: certificates.ca };
        for (const open of [
          (serverHostname: string) => openConnection(LOCAL, portOf(one), { tls, serverHostname }),
          (serverHostname: string) => openUnixConnection(path, { tls, serverHostname }),
        ]) {
          const [, writer] = yield* open("other.example");
          yield* within(writer, function* () {});
          expect(yield* thrownBy(open("localhost"))).toEqual(systemError("ERR_TLS_CERT_ALTNAME_INVALID"));
        }
      });
    });
  });
});

describe("a handshake", () => {
  test("that the peer never answers ends by a TimeoutError, and nothing is left open", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.pause()), function* (peer) {
        const options = { tls: true, tlsHandshakeTimeout: 20 };
        for (const connect of [
          () => openConnection(LOCAL, peer.port, options),
          () => createConnection(() => ({}), LOCAL, peer.port, options),
        ]) {
          const error = yield* thrownBy(
            (function* () {
              yield* connect() as Coroutine<unknown>;
            })(),
          );
          expect(error).toBeInstanceOf(TimeoutError);
          expect(error).toMatchObject({ message: expect.stringContaining("20 ms") });
        }
        for (const socket of peer.sockets) yield* receivedBy(socket);
      }),
    );
  });

  test.each<[string, (socket: Socket) => void, unknown]>([
    ["closes", (socket) => socket.once("data", () => socket.end()), withCode("TLS_HANDSHAKE")],
    ["closes at once", (socket) => socket.end(), withCode("TLS_HANDSHAKE")],
    ["resets", (socket) => socket.once("data", () => socket.resetAndDestroy()), systemError("ECONNRESET")],
    [
      "answers in the clear",
      (socket) => socket.once("data", () => socket.end("220 no TLS here\r\n")),
      expect.objectContaining({ code: expect.stringMatching(/^(ERR_SSL_|EPROTO)/) }),
    ],
  ])("in which the peer %s throws, and nothing is left open", async (_name, act, expected) => {
    await runConnected(() =>
      within(new NodePeer(act), function* (peer) {
        const error = yield* thrownBy(openConnection(LOCAL, peer.port, { tls: true }));
        expect(error).toBeInstanceOf(Error);
        const { code } = error as { code?: string };
        // Node tells some ends as resets
        if (code !== "ECONNRESET") expect(error).toEqual(expected);
      }),
    );
  });

  test("that is cancelled leaves nothing open", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.pause()), function* (peer) {
        const connecting = createTask(openConnection(LOCAL, peer.port, { tls: true }));
        const socket = yield* peer.connection();
        yield* sleep(5);
        connecting.cancel();
        expect(yield* thrownBy(connecting)).toSatisfy(isCancelled);
        yield* receivedBy(socket);
        socket.destroy();
        yield* closedOf(socket);
      }),
    );
  });

  test("ends by a timeout of the caller's, too", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.pause()), function* (peer) {
        const error = yield* thrownBy(within(timeout(20), () => openConnection(LOCAL, peer.port, { tls: true })));
        expect(error).toBeInstanceOf(TimeoutError);
      }),
    );
  });

  test.each([Number.NaN, "soon" as unknown as number])(
    "with %s as its timeout is refused, and nothing is left open",
    async (wrong) => {
      await runConnected(() =>
        within(new NodePeer((socket) => socket.resume()), function* (peer) {
          const error = yield* thrownBy(
            (function* () {
              yield* openConnection(LOCAL, peer.port, { tls: true, tlsHandshakeTimeout: wrong });
            })(),
          );
          expect(error).toBeInstanceOf(Error);
          expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_CORIO_/) });
        }),
      );
    },
  );

  test("with options that Node refuses throws what Node throws, and nothing is left open", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.resume()), function* (peer) {
        const error = yield* thrownBy(
          openConnection(LOCAL, peer.port, { tls: { ca: "no certificate", ciphers: "none" } }),
        );
        expect(error).toBeInstanceOf(Error);
        expect(yield* receivedBy(yield* peer.connection())).toBe("");
      }),
    );
  });
});
