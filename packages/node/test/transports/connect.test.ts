import { lookup } from "node:dns/promises";
import { createTask, isCancelled, sleep, timeout, TimeoutError, within } from "corio";
import { createConnection, openConnection, startServer } from "@corio/node";
import { describe, expect, test } from "vitest";
import { text } from "../support/bytes.js";
import { echo } from "../support/echo.js";
import { NodePeer, portOf, receivedBy } from "../support/peers.js";
import { runConnected } from "../support/run-connected.js";
import { systemError, thrownBy } from "../support/thrown-by.js";

// what localhost is differs from system to system
const localAddresses = (await lookup("localhost", { all: true })).map(({ address }) => address);

describe("connecting", () => {
  test.each(localAddresses)("to localhost reaches a server that listens only on its address %s", async (address) => {
    await runConnected(function* () {
      const server = yield* startServer(echo, address, 0);
      yield* within(server, function* () {
        const [reader, writer] = yield* openConnection("localhost", portOf(server));
        yield* within(writer, function* () {
          writer.write("found\n");
          expect(text(yield* reader.readline())).toBe("found\n");
          expect(writer.getExtraInfo("peername")).toMatchObject({ address });
        });
      });
    });
  });

  test("where nobody listens throws ECONNREFUSED, of a name with several addresses an AggregateError", async () => {
    await runConnected(function* () {
      const server = yield* startServer(echo, "127.0.0.1", 0);
      const port = portOf(server);
      server.close();
      yield* server.waitClosed();
      const plain = yield* thrownBy(openConnection("127.0.0.1", port));
      expect(plain).toEqual(systemError("ECONNREFUSED"));
      expect(plain).not.toBeInstanceOf(AggregateError);
      const named = yield* thrownBy(openConnection("localhost", port));
      expect(named).toEqual(systemError("ECONNREFUSED"));
      expect(yield* thrownBy(createConnection(() => ({}), "127.0.0.1", port))).toEqual(systemError("ECONNREFUSED"));
    });
  });

  test("to a name that does not exist throws the resolver's error", async () => {
    await runConnected(function* () {
      const error = yield* thrownBy(openConnection("host.invalid", 80));
      // EAI_AGAIN: there is no name server at all
      expect(error).toMatchObject({ code: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/) });
    });
  });

  test.each([0, 1, 2, 3])("that is cancelled after %i turns leaves nothing open", async (turns) => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.resume().end()), function* (peer) {
        const connecting = createTask(openConnection("localhost", peer.port));
        for (let i = 0; i < turns; i++) yield* sleep(0);
        connecting.cancel();
        expect(yield* thrownBy(connecting)).toSatisfy(isCancelled);
      }),
    );
  });

  test("that was cancelled may be tried again", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.end("hello")), function* (peer) {
        const connecting = createTask(openConnection("127.0.0.1", peer.port));
        yield* sleep(0);
        connecting.cancel();
        expect(yield* thrownBy(connecting)).toSatisfy(isCancelled);
        const [reader, writer] = yield* openConnection("127.0.0.1", peer.port);
        yield* within(writer, function* () {
          expect(text(yield* reader.read())).toBe("hello");
        });
      }),
    );
  });

  test("to who never answers ends by a timeout, as reading does", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.pause()), function* (peer) {
        const error = yield* thrownBy(
          within(timeout(20), function* () {
            const [reader, writer] = yield* openConnection("127.0.0.1", peer.port);
            yield* within(writer, () => reader.readline());
          }),
        );
        expect(error).toBeInstanceOf(TimeoutError);
        for (const socket of peer.sockets) yield* receivedBy(socket);
      }),
    );
  });

  test("takes an own address and port", async () => {
    await runConnected(function* () {
      const server = yield* startServer(echo, "127.0.0.1", 0);
      yield* within(server, function* () {
        const free = yield* startServer(echo, "127.0.0.2", 0);
        const localPort = portOf(free);
        free.close();
        yield* free.waitClosed();
        const options = { localAddress: "127.0.0.2", localPort };
        const [, writer] = yield* openConnection("127.0.0.1", portOf(server), options);
        yield* within(writer, function* () {
          expect(writer.getExtraInfo("sockname")).toMatchObject({ address: "127.0.0.2", port: localPort });
        });
      });
    });
  });
});
