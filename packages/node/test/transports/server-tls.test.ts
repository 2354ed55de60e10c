import { once } from "node:events";
import { connect as tlsConnect } from "node:tls";
import { createTask, type Coroutine, Future, run, sleep, within } from "corio";
import { openConnection, type Server, startServer, type StreamReader } from "@corio/node";
import { describe, expect, test } from "vitest";
import { pattern, text } from "../support/bytes.js";
import { useCertificates } from "../support/certificates.js";
import { echo } from "../support/echo.js";
import { expectClosed, openHandles } from "../support/open-handles.js";
import { connectPeer, type Peer, portOf, receivedBy } from "../support/peers.js";
import { expectReports, type Report, reportingLoop, runConnected } from "../support/run-connected.js";
import { thrownBy, withCode } from "../support/thrown-by.js";

const certificates = useCertificates();
const LOCAL = "127.0.0.1";

/** Waits for something that comes about by itself. */
function* until(condition: () => boolean): Coroutine<void> {
  while (!condition()) yield* sleep(0);
}

function serveEcho(tls = {}, options = {}): Coroutine<Server> {
  return startServer(echo, LOCAL, 0, { tls: { ...certificates.server, ...tls }, ...options });
}

/** Expects that it still serves. */
function* expectServes(server: Server, tls = {}): Coroutine<void> {
  const [reader, writer] = yield* openConnection(LOCAL, portOf(server), { tls: { ca: certificates.ca, ...tls } });
  yield* within(writer, function* () {
    writer.write("still\n");
    expect(text(yield* reader.readline())).toBe("still\n");
  });
}

describe("a server over TLS", () => {
  test.each<[string, (peer: Peer) => void]>([
    ["sends something else", (peer) => peer.write("GET / HTTP/1.0\r\n\r\n")],
    ["sends half of a handshake and ends", (peer) => peer.end(Buffer.from("160301020001000", "hex"))],
    [
      "sends half of a handshake and resets",
      (peer) => peer.write(Buffer.from("1603010200", "hex"), () => peer.resetAndDestroy()),
    ],
    ["ends at once", (peer) => peer.end()],
    ["resets at once", (peer) => peer.resetAndDestroy()],
  ])("goes on when a client %s", async (_name, act) => {
    await runConnected(function* () {
      const server = yield* serveEcho();
      yield* within(server, function* () {
        const peer = yield* connectPeer(portOf(server));
        act(peer.resume());
        if (!peer.destroyed) yield* until(() => peer.readableEnded || peer.destroyed);
        peer.destroy();
        yield* until(() => server.connections === 0);
        yield* expectServes(server);
      });
    });
  });

  test("closes a client that does not begin the handshake in time", async () => {
    await runConnected(function* () {
      const server = yield* serveEcho({}, { tlsHandshakeTimeout: 20 });
      yield* within(server, function* () {
        const peer = yield* connectPeer(portOf(server));
        yield* receivedBy(peer);
        peer.destroy();
        yield* until(() => server.connections === 0);
      });
    });
  });

  test("takes an endless handshake timeout, and no other nonsense", async () => {
    await runConnected(function* () {
      const server = yield* serveEcho({}, { tlsHandshakeTimeout: Number.POSITIVE_INFINITY });
      yield* within(server, () => expectServes(server));
      for (const tlsHandshakeTimeout of [Number.NaN, 0, -1]) {
        const error = yield* thrownBy(
          (function* () {
            yield* serveEcho({}, { tlsHandshakeTimeout });
          })(),
        );
        expect(error).toEqual(withCode("TLS_HANDSHAKE_TIMEOUT"));
      }
    });
  });

  test("tells in debug mode of clients that fail in the handshake", async () => {
    await runConnected(
      function* () {
        const server = yield* serveEcho();
        yield* within(server, function* () {
          const peer = yield* connectPeer(portOf(server));
          peer.end("this is no TLS");
          yield* receivedBy(peer);
          peer.destroy();
          yield* until(() => server.connections === 0);
        });
      },
      { debug: true, reports: ["a client failed in the handshake of TLS"] },
    );
  });

  test("that asks for certificates takes clients that have one, and no others", async () => {
    await runConnected(function* () {
      const tls = { ca: certificates.ca, requestCert: true, rejectUnauthorized: true };
      const server = yield* serveEcho(tls);
      yield* within(server, function* () {
        yield* expectServes(server, certificates.client);
        for (const wrong of [{}, certificates.stranger]) {
          // With TLS 1.3 the client hears of it only when it reads.
          const error = yield* thrownBy(
            (function* () {
              const [reader, writer] = yield* openConnection(LOCAL, portOf(server), {
                tls: { ca: certificates.ca, ...wrong },
              });
              yield* within(writer, function* () {
                writer.write("let me in\n");
                if ((yield* reader.read()).length === 0) throw new Error("the end");
                throw new Error("it was served");
              });
            })(),
          );
          expect((error as Error).message).not.toBe("it was served");
        }
        yield* until(() => server.connections === 0);
        yield* expectServes(server, certificates.client);
      });
    });
  });

  test("that only asks for certificates sees who has none", async () => {
    await runConnected(function* () {
      const seen: unknown[] = [];
      const tls = { ...certificates.server, ca: certificates.ca, requestCert: true, rejectUnauthorized: false };
      const server = yield* startServer(
        function* (_reader, writer) {
          seen.push(writer.getExtraInfo("peercert")?.subject?.CN);
        },
        LOCAL,
        0,
        { tls },
      );
      yield* within(server, function* () {
        for (const client of [certificates.client, {}]) {
          const [reader, writer] = yield* openConnection(LOCAL, portOf(server), {
            tls: { ca: certificates.ca, ...client },
          });
          yield* within(writer, () => reader.read());
        }
      });
      expect(seen).toEqual(["a client", undefined]);
    });
  });

  test("counts handshakes as connections, and closes them with the clients", async () => {
    for (const method of ["closeClients", "abortClients"] as const) {
      await runConnected(function* () {
        const server = yield* serveEcho({}, { maxConnections: 1 });
        yield* within(server, function* () {
          const peer = yield* connectPeer(portOf(server));
          yield* until(() => server.connections === 1);
          const second = yield* connectPeer(portOf(server));
          yield* receivedBy(second);
          second.destroy();
          expect(server.connections).toBe(1);
          server[method]();
          yield* receivedBy(peer);
          peer.destroy();
          yield* until(() => server.connections === 0);
          yield* expectServes(server);
        });
      });
    }
  });

  test("that is left by an error ends handshakes", async () => {
    await runConnected(function* () {
      const server = yield* serveEcho();
      const connecting = new Future<Peer>();
      const error = yield* thrownBy(
        within(server, function* () {
          connecting.setResult(yield* connectPeer(portOf(server)));
          yield* until(() => server.connections === 1);
          throw new Error("leave");
        }),
      );
      expect(error).toMatchObject({ message: "leave" });
      expect(server.connections).toBe(0);
      const peer = yield* connecting;
      yield* receivedBy(peer);
      peer.destroy();
    });
  });

  test("waits for a handshake when it is left normally", async () => {
    await runConnected(function* () {
      const server = yield* serveEcho();
      let peer: Peer | undefined;
      const leaving = createTask(() =>
        within(server, function* () {
          peer = yield* connectPeer(portOf(server));
          yield* until(() => server.connections === 1);
        }),
      );
      yield* until(() => !server.isServing);
      for (let i = 0; i < 5; i++) yield* sleep(0);
      expect(leaving.done).toBe(false);
      const secure = tlsConnect({ socket: peer, ca: certificates.ca, host: "localhost" });
      secure.end("hello\n");
      const received: Buffer[] = [];
      secure.on("data", (data) => received.push(data));
      yield* leaving;
      yield* until(() => secure.closed);
      expect(Buffer.concat(received).toString()).toBe("hello\n");
      peer?.destroy();
    });
  });

  test("gets what the client sent together with the end of its handshake", async () => {
    await runConnected(function* () {
      const got = new Future<string>();
      function* take(reader: StreamReader): Coroutine<void> {
        got.setResult(text(yield* reader.read()));
      }
      const server = yield* startServer(take, LOCAL, 0, { tls: certificates.server });
      yield* within(server, function* () {
        const secure = tlsConnect({ port: portOf(server), host: LOCAL, ca: certificates.ca });
        secure.end("early");
        secure.resume();
        expect(yield* got).toBe("early");
        yield* until(() => secure.closed);
      });
    });
  });

  test("sends a slow reader everything before it closes", async () => {
    const size = 5_000_000;
    await runConnected(function* () {
      const server = yield* startServer(
        function* (_reader, writer) {
          writer.write(pattern(size));
        },
        LOCAL,
        0,
        { tls: certificates.server },
      );
      yield* within(server, function* () {
        const [reader, writer] = yield* openConnection(LOCAL, portOf(server), {
          tls: { ca: certificates.ca },
          limit: 1_000,
        });
        yield* within(writer, function* () {
          let read = 0;
          for (;;) {
            const { length } = yield* reader.read(100_000);
            if (length === 0) break;
            read += length;
            if (read % 7 === 0) yield* sleep(0);
          }
          expect(read).toBe(size);
        });
      });
    });
  });
});

test("a loop that is closed ends handshakes, those of a server that was closed before, too", async () => {
  const before = openHandles();
  const reports: Report[] = [];
  const loop = reportingLoop(reports);
  let peer: Peer | undefined;
  let closedServersPeer: Peer | undefined;
  await run(
    function* () {
      const server = yield* serveEcho();
      peer = yield* connectPeer(portOf(server));
      yield* until(() => server.connections === 1);
      const closed = yield* serveEcho();
      closedServersPeer = yield* connectPeer(portOf(closed));
      yield* until(() => closed.connections === 1);
      closed.close();
    },
    { loopFactory: () => loop },
  );
  for (const socket of [peer, closedServersPeer]) {
    if (socket?.readableEnded === false) await once(socket.resume(), "end");
    socket?.destroy();
  }
  await expectClosed(before);
  expectReports(reports, []);
});
