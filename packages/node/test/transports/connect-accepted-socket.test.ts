import { connect as tlsConnect } from "node:tls";
import { createTask, isCancelled, sleep, TimeoutError, within } from "corio";
import { connectAcceptedSocket } from "@corio/node";
import { describe, expect, test } from "vitest";
import { useCertificates } from "../support/certificates.js";
import { connectPeer, NodePeer, receivedBy } from "../support/peers.js";
import { Recorder } from "../support/recorder.js";
import { runConnected } from "../support/run-connected.js";
import { thrownBy, withCode } from "../support/thrown-by.js";

const certificates = useCertificates();

describe("connectAcceptedSocket", () => {
  test("makes a transport of a socket that somebody else has accepted, with what it has received", async () => {
    await runConnected(() =>
      within(new NodePeer(), function* (node) {
        const client = yield* connectPeer(node.port);
        client.write("early ");
        const socket = yield* node.connection();
        while (socket.bytesRead === 0) yield* sleep(0);
        const [transport, protocol] = yield* connectAcceptedSocket(() => new Recorder(), socket);
        expect(transport.protocol).toBe(protocol);
        expect(protocol.log).toEqual(["connectionMade"]);
        transport.write("hello");
        client.end("late");
        yield* protocol.over();
        expect(protocol.log).toEqual(["connectionMade", "dataReceived: early late", "eofReceived", "connectionLost"]);
        expect(yield* receivedBy(client)).toBe("hello");
      }),
    );
  });

  test("does the server's side of a handshake of TLS", async () => {
    await runConnected(() =>
      within(new NodePeer(), function* (node) {
        const client = yield* connectPeer(node.port);
        const secure = tlsConnect({ socket: client, ca: certificates.ca, host: "localhost" });
        secure.end("secret");
        secure.resume();
        const socket = yield* node.connection();
        const [transport, protocol] = yield* connectAcceptedSocket(() => new Recorder(), socket, {
          tls: certificates.server,
        });
        expect(transport.getExtraInfo("cipher")).toBeDefined();
        yield* protocol.over();
        expect(protocol.log).toEqual(["connectionMade", "dataReceived: secret", "eofReceived", "connectionLost"]);
        secure.destroy();
      }),
    );
  });

  test("closes the socket when the handshake takes too long, and when it is cancelled", async () => {
    await runConnected(() =>
      within(new NodePeer(), function* (node) {
        const client = yield* connectPeer(node.port);
        const tls = certificates.server;
        const options = { tls, tlsHandshakeTimeout: 20 };
        const socket = yield* node.connection();
        const error = yield* thrownBy(connectAcceptedSocket(() => new Recorder(), socket, options));
        expect(error).toBeInstanceOf(TimeoutError);
        yield* receivedBy(client);
        client.destroy();
      }),
    );
    await runConnected(() =>
      within(new NodePeer(), function* (node) {
        const client = yield* connectPeer(node.port);
        const socket = yield* node.connection();
        const accepting = createTask(connectAcceptedSocket(() => new Recorder(), socket, { tls: certificates.server }));
        yield* sleep(5);
        accepting.cancel();
        expect(yield* thrownBy(accepting)).toSatisfy(isCancelled);
        yield* receivedBy(client);
        client.destroy();
      }),
    );
  });

  test("closes the socket when the factory throws", async () => {
    await runConnected(() =>
      within(new NodePeer(), function* (node) {
        const client = yield* connectPeer(node.port);
        const fail = (): Recorder => {
          throw new Error("no protocol");
        };
        const error = yield* thrownBy(connectAcceptedSocket(fail, yield* node.connection()));
        expect(error).toMatchObject({ message: "no protocol" });
        yield* receivedBy(client);
        client.destroy();
      }),
    );
  });

  test("refuses what is no connected socket, a class, and a timeout that is none", async () => {
    await runConnected(() =>
      within(new NodePeer(), function* (node) {
        const client = yield* connectPeer(node.port);
        const socket = yield* node.connection();
        const make = (): Recorder => new Recorder();
        const wrong = { tls: certificates.server, tlsHandshakeTimeout: Number.NaN };
        expect(() => connectAcceptedSocket(make, {} as typeof socket)).toThrow(withCode("SOCKET"));
        expect(() => connectAcceptedSocket(Recorder as unknown as typeof make, socket)).toThrow(
          withCode("PROTOCOL_FACTORY"),
        );
        expect(() => connectAcceptedSocket(make, socket, wrong)).toThrow(withCode("TLS_HANDSHAKE_TIMEOUT"));
        expect(socket.destroyed).toBe(false);
        socket.destroy();
        expect(() => connectAcceptedSocket(make, socket)).toThrow(withCode("SOCKET"));
        yield* receivedBy(client);
        client.destroy();
      }),
    );
  });
});
