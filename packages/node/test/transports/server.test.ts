import type { AddressInfo } from "node:net";
import { createTask, type Coroutine, EventLoop, isCancelled, Runner, run, sleep, within } from "corio";
import {
  createServer,
  openConnection,
  type Protocol,
  Server,
  startServer,
  type StreamReader,
  type StreamWriter,
} from "@corio/node";
import { describe, expect, test } from "vitest";
import { text } from "../support/bytes.js";
import { echo } from "../support/echo.js";
import { expectClosed, openHandles } from "../support/open-handles.js";
import { closedOf, connectPeer, type Peer, portOf, receivedBy } from "../support/peers.js";
import { expectReports, type Report, reportingLoop, runConnected } from "../support/run-connected.js";
import { systemError, thrownBy, withCode } from "../support/thrown-by.js";

const LOCAL = "127.0.0.1";

/** Waits for something that comes about by itself. */
function* until(condition: () => boolean): Coroutine<void> {
  while (!condition()) yield* sleep(0);
}

/** Reads until the end. */
function* patient(reader: StreamReader): Coroutine<void> {
  yield* reader.read();
}

/** What a call throws at once. */
function expectThrown(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("it threw nothing");
}

/** Expects that nobody listens on a port any more. */
function* expectRefused(port: number): Coroutine<void> {
  expect(yield* thrownBy(openConnection(LOCAL, port))).toEqual(systemError("ECONNREFUSED"));
}

describe("a server", () => {
  test("tells where it listens, and that it does", async () => {
    await runConnected(function* () {
      const server = yield* startServer(echo, LOCAL, 0);
      expect(server).toBeInstanceOf(Server);
      expect(server.isServing).toBe(true);
      expect(server.sockets.map((socket) => socket.address())).toEqual([
        { address: LOCAL, family: "IPv4", port: expect.any(Number) },
      ]);
      expect(portOf(server)).toBeGreaterThan(0);
      const port = portOf(server);
      server.close();
      expect(server.isServing).toBe(false);
      expect(server.sockets).toEqual([]);
      yield* server.waitClosed();
      yield* expectRefused(port);
    });
  });

  test("listens on all addresses of all hosts that it is given, on each once", async () => {
    await runConnected(function* () {
      const server = yield* startServer(echo, [LOCAL, "127.0.0.2", LOCAL], 0);
      yield* within(server, function* () {
        const addresses = server.sockets.map((socket) => socket.address() as AddressInfo);
        expect(addresses.map(({ address }) => address)).toEqual([LOCAL, "127.0.0.2"]);
        for (const { address, port } of addresses) {
          const [reader, writer] = yield* openConnection(address, port);
          yield* within(writer, function* () {
            writer.write("x\n");
            expect(text(yield* reader.readline())).toBe("x\n");
          });
        }
      });
    });
  });

  test.each([[undefined], [""]])("without a host (%j) listens on all addresses", async (host) => {
    await runConnected(function* () {
      const server = yield* startServer(echo, host, 0);
      yield* within(server, function* () {
        for (const address of [LOCAL, "127.0.0.3"]) {
          const [, writer] = yield* openConnection(address, portOf(server));
          yield* within(writer, function* () {});
        }
      });
    });
  });

  test("throws the system's error where the port is taken, and listens nowhere", async () => {
    await runConnected(function* () {
      const first = yield* startServer(echo, "127.0.0.2", 0);
      yield* within(first, function* () {
        const port = portOf(first);
        const error = yield* thrownBy(startServer(echo, [LOCAL, "127.0.0.2"], port));
        expect(error).toEqual(systemError("EADDRINUSE"));
        // it had listened there already
        yield* expectRefused(port);
      });
    });
  });

  test("throws the system's error for a host that does not exist", async () => {
    await runConnected(function* () {
      expect(yield* thrownBy(startServer(echo, "host.invalid", 0))).toMatchObject({
        code: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/),
      });
    });
  });

  test("shares its port with another one where both ask for it, or says that this Node cannot", async () => {
    await runConnected(function* () {
      const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
      if (major < 22 || (major === 22 && minor < 12) || (major === 23 && minor < 1)) {
        const refused = expectThrown(() => startServer(echo, LOCAL, 0, { reusePort: true }));
        expect(refused).toEqual(withCode("REUSE_PORT", /22\.12/));
        return;
      }
      const one = yield* startServer(echo, LOCAL, 0, { reusePort: true });
      const two = yield* startServer(echo, LOCAL, portOf(one), { reusePort: true });
      yield* within(one, two, function* () {
        expect(portOf(two)).toBe(portOf(one));
      });
    });
  });

  test("refuses hosts that are none", async () => {
    await runConnected(function* () {
      for (const host of [[], [""], 5, [LOCAL, undefined]]) {
        expect(expectThrown(() => startServer(echo, host as unknown as string, 0))).toEqual(withCode("HOST"));
      }
    });
  });

  test("begins to listen when it is told to, where it was made so", async () => {
    await runConnected(function* () {
      const server = yield* startServer(echo, LOCAL, 0, { startServing: false });
      expect(server.isServing).toBe(false);
      expect(server.sockets).toEqual([]);
      yield* server.startServing();
      expect(server.isServing).toBe(true);
      const port = portOf(server);
      yield* server.startServing(); // nothing new
      expect(portOf(server)).toBe(port);
      server.close();
      yield* server.waitClosed();
      expect(yield* thrownBy(server.startServing())).toEqual(withCode("SERVER_CLOSED", /closed/));
      expect(yield* thrownBy(server.serveForever())).toEqual(withCode("SERVER_CLOSED"));
    });
  });

  test("that is closed before it listens is closed", async () => {
    await runConnected(function* () {
      const server = yield* startServer(echo, LOCAL, 0, { startServing: false });
      server.close();
      yield* server.waitClosed();
    });
  });

  test("that is closed in the midst of beginning does not listen", async () => {
    await runConnected(function* () {
      const server = yield* startServer(echo, LOCAL, 0, { startServing: false });
      const starting = createTask(server.startServing());
      yield* sleep(0);
      server.close();
      expect(yield* thrownBy(starting)).toEqual(withCode("SERVER_CLOSED"));
      expect(server.isServing).toBe(false);
      yield* server.waitClosed();
    });
  });

  test.each(["at once", "a moment later"])("whose start is cancelled %s does not listen", async (when) => {
    await runConnected(function* () {
      const free = yield* startServer(echo, LOCAL, 0);
      const port = portOf(free);
      free.close();
      yield* free.waitClosed();
      const starting = createTask(startServer(echo, [LOCAL, "127.0.0.2"], port));
      yield* sleep(0);
      if (when === "a moment later") yield* until(() => openHandles().objects.size > 0);
      starting.cancel();
      expect(yield* thrownBy(starting)).toSatisfy(isCancelled);
      for (let i = 0; i < 10; i++) yield* sleep(0);
      yield* expectRefused(port);
    });
  });

  test("begins once, although two tasks tell it to", async () => {
    await runConnected(function* () {
      const server = yield* startServer(echo, LOCAL, 0, { startServing: false });
      const starting = [createTask(server.startServing()), createTask(server.startServing())];
      for (const task of starting) yield* task;
      expect(server.sockets.length).toBe(1);
      server.close();
      yield* server.waitClosed();
    });
  });

  test("closes connections beyond its maximum as soon as they come, and takes others when there is room", async () => {
    await runConnected(function* () {
      const server = yield* startServer(echo, LOCAL, 0, { maxConnections: 1 });
      yield* within(server, function* () {
        const [reader, writer] = yield* openConnection(LOCAL, portOf(server));
        yield* within(writer, function* () {
          writer.write("in\n");
          expect(text(yield* reader.readline())).toBe("in\n");
          expect(server.connections).toBe(1);
          const second = yield* connectPeer(portOf(server));
          expect(yield* receivedBy(second)).toBe("");
          second.destroy();
          expect(server.connections).toBe(1);
        });
        yield* until(() => server.connections === 0);
        const [again, againWriter] = yield* openConnection(LOCAL, portOf(server));
        yield* within(againWriter, function* () {
          againWriter.write("in\n");
          expect(text(yield* again.readline())).toBe("in\n");
        });
      });
    });
  });

  test("does not disturb another one in the same loop", async () => {
    await runConnected(function* () {
      const reply = (answer: string) =>
        function* (_reader: StreamReader, writer: StreamWriter): Coroutine<void> {
          writer.write(answer);
        };
      const one = yield* startServer(reply("one"), LOCAL, 0);
      const two = yield* startServer(reply("two"), LOCAL, 0);
      yield* within(one, two, function* () {
        for (const [server, answer] of [
          [one, "one"],
          [two, "two"],
        ] as const) {
          const peer = yield* connectPeer(portOf(server));
          expect(yield* receivedBy(peer)).toBe(answer);
          peer.destroy();
        }
        one.close();
        const peer = yield* connectPeer(portOf(two));
        expect(yield* receivedBy(peer)).toBe("two");
        peer.destroy();
      });
    });
  });
});

describe("waitClosed", () => {
  test("waits until it is closed and the last connection has ended", async () => {
    await runConnected(function* () {
      const server = yield* startServer(patient, LOCAL, 0);
      const first = createTask(server.waitClosed());
      const [, writer] = yield* openConnection(LOCAL, portOf(server));
      yield* until(() => server.connections === 1);
      const second = createTask(server.waitClosed());
      server.close();
      const third = createTask(server.waitClosed());
      for (let i = 0; i < 5; i++) yield* sleep(0);
      expect([first, second, third].map(({ done }) => done)).toEqual([false, false, false]);
      writer.close();
      for (const task of [first, second, third]) yield* task;
      expect(server.connections).toBe(0);
      yield* server.waitClosed();
    });
  });

  test("is not confused when the server and its last connection end together", async () => {
    await runConnected(function* () {
      const server = yield* startServer(patient, LOCAL, 0);
      const [, writer] = yield* openConnection(LOCAL, portOf(server));
      const waiting = createTask(server.waitClosed());
      yield* until(() => server.connections === 1);
      server.loop.callSoon(() => server.close());
      server.loop.callSoon(() => writer.close());
      yield* server.waitClosed();
      yield* waiting;
    });
  });

  test("that is cancelled changes nothing", async () => {
    await runConnected(function* () {
      const server = yield* startServer(echo, LOCAL, 0);
      const waiting = createTask(server.waitClosed());
      yield* sleep(0);
      waiting.cancel();
      expect(yield* thrownBy(waiting)).toSatisfy(isCancelled);
      expect(server.isServing).toBe(true);
      server.close();
      yield* server.waitClosed();
    });
  });
});

describe("closeClients and abortClients", () => {
  test("close all connections: with what was written, and without", async () => {
    for (const method of ["closeClients", "abortClients"] as const) {
      await runConnected(function* () {
        const big = new Uint8Array(40_000_000);
        const server = yield* startServer(
          function* (_reader, writer) {
            writer.write(big);
            yield* writer.waitClosed();
          },
          LOCAL,
          0,
        );
        const peers: Peer[] = [];
        for (let i = 0; i < 2; i++) peers.push(yield* connectPeer(portOf(server)));
        yield* until(() => server.connections === 2);
        yield* sleep(5);
        server.close();
        server[method]();
        for (const peer of peers) {
          const received = (yield* receivedBy(peer)).length;
          if (method === "closeClients") expect(received).toBe(big.length);
          else expect(received).toBeLessThan(big.length);
          peer.end();
        }
        yield* server.waitClosed();
        for (const peer of peers) yield* closedOf(peer);
      });
    }
  });

  test("let the server go on listening", async () => {
    await runConnected(function* () {
      const server = yield* startServer(echo, LOCAL, 0);
      yield* within(server, function* () {
        for (const method of ["closeClients", "abortClients"] as const) {
          const [reader, writer] = yield* openConnection(LOCAL, portOf(server));
          yield* until(() => server.connections === 1);
          server[method]();
          expect((yield* reader.read()).length).toBe(0);
          writer.close();
          yield* until(() => server.connections === 0);
          expect(server.isServing).toBe(true);
        }
      });
    });
  });
});

describe("serveForever", () => {
  test("listens until it is cancelled, which ends handlers and connections", async () => {
    const log: string[] = [];
    await runConnected(function* () {
      const server = yield* startServer(
        function* (reader) {
          try {
            yield* reader.read();
          } finally {
            yield* sleep(1);
            log.push("handler ended");
          }
        },
        LOCAL,
        0,
        { startServing: false },
      );
      const serving = createTask(server.serveForever());
      yield* until(() => server.isServing);
      expect(yield* thrownBy(server.serveForever())).toEqual(withCode("SERVING", /already/));
      const peer = yield* connectPeer(portOf(server));
      yield* until(() => server.connections === 1);
      yield* sleep(0);
      serving.cancel("enough");
      const error = yield* thrownBy(serving);
      expect(error).toSatisfy(isCancelled);
      expect(error).toMatchObject({ reason: "enough" });
      expect(log).toEqual(["handler ended"]);
      expect(server.isServing).toBe(false);
      expect(server.connections).toBe(0);
      yield* receivedBy(peer);
      peer.destroy();
    });
  });

  test("returns when the server is closed, and leaves its connections", async () => {
    await runConnected(function* () {
      const server = yield* startServer(echo, LOCAL, 0);
      const serving = createTask(server.serveForever());
      const [reader, writer] = yield* openConnection(LOCAL, portOf(server));
      yield* within(writer, function* () {
        yield* until(() => server.connections === 1);
        server.close();
        expect(yield* serving).toBeUndefined();
        writer.write("still\n");
        expect(text(yield* reader.readline())).toBe("still\n");
      });
      yield* server.waitClosed();
    });
  });

  test("that is cancelled closes a connection whose client hangs, without a handler too", async () => {
    await runConnected(function* () {
      let made = false;
      class Silent implements Protocol {
        connectionMade(): void {
          made = true;
        }
      }
      const server = yield* createServer(() => new Silent(), LOCAL, 0);
      const serving = createTask(server.serveForever());
      const peer = yield* connectPeer(portOf(server));
      yield* until(() => made);
      serving.cancel();
      expect(yield* thrownBy(serving)).toSatisfy(isCancelled);
      yield* server.waitClosed();
      yield* receivedBy(peer);
      peer.destroy();
    });
  });
});

describe("leaving a server's block", () => {
  test("waits for the handlers and their connections", async () => {
    const log: string[] = [];
    await runConnected(function* () {
      const server = yield* startServer(
        function* (reader) {
          yield* reader.readline();
          log.push("handler ended");
        },
        LOCAL,
        0,
      );
      let peer: Peer | undefined;
      const leaving = createTask(() =>
        within(server, function* (entered) {
          expect(entered).toBe(server);
          peer = yield* connectPeer(portOf(server));
          yield* until(() => server.connections === 1);
          log.push("block ended");
        }),
      );
      yield* until(() => log.length === 1 && !server.isServing);
      for (let i = 0; i < 5; i++) yield* sleep(0);
      expect(leaving.done).toBe(false);
      peer?.end("line\n");
      yield* leaving;
      expect(log).toEqual(["block ended", "handler ended"]);
      yield* receivedBy(peer as Peer);
    });
  });

  test("by an error cancels the handlers, and closes the connections", async () => {
    await runConnected(function* () {
      const server = yield* startServer(patient, LOCAL, 0);
      const wrong = new Error("wrong");
      let peer: Peer | undefined;
      const error = yield* thrownBy(
        within(server, function* () {
          peer = yield* connectPeer(portOf(server));
          yield* until(() => server.connections === 1);
          throw wrong;
        }),
      );
      expect(error).toBe(wrong);
      expect(server.connections).toBe(0);
      yield* receivedBy(peer as Peer);
      peer?.destroy();
    });
  });

  test("when cancelled while it waits, cancels the handlers after all", async () => {
    const log: string[] = [];
    await runConnected(function* () {
      const server = yield* startServer(
        function* (reader) {
          try {
            yield* reader.read();
          } catch (error) {
            log.push(isCancelled(error) ? "cancelled" : String(error));
            throw error;
          }
        },
        LOCAL,
        0,
      );
      let peer: Peer | undefined;
      const leaving = createTask(() =>
        within(server, function* () {
          peer = yield* connectPeer(portOf(server));
          yield* until(() => server.connections === 1);
        }),
      );
      yield* until(() => peer !== undefined && !server.isServing);
      leaving.cancel();
      expect(yield* thrownBy(leaving)).toSatisfy(isCancelled);
      expect(log).toEqual(["cancelled"]);
      expect(server.connections).toBe(0);
      yield* receivedBy(peer as Peer);
      peer?.destroy();
    });
  });

  test("ends a connection that was accepted, and whose handler has not begun", async () => {
    await runConnected(function* () {
      const begun: string[] = [];
      const server = yield* startServer(
        function* () {
          begun.push("handler");
          yield* sleep(Number.POSITIVE_INFINITY);
        },
        LOCAL,
        0,
      );
      const connecting = createTask(connectPeer(portOf(server)));
      const error = yield* thrownBy(
        within(server, function* () {
          // between the host's news and the loop's turn
          yield* until(() => server.connections === 1);
          expect(begun).toEqual([]);
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
});

describe("a loop that is closed", () => {
  test("closes servers and connections that were left open", async () => {
    const before = openHandles();
    const reports: Report[] = [];
    const loop = reportingLoop(reports);
    let peer: Peer | undefined;
    await run(
      function* () {
        const server = yield* startServer(patient, LOCAL, 0);
        yield* startServer(echo, LOCAL, 0);
        peer = yield* connectPeer(portOf(server));
        yield* openConnection(LOCAL, portOf(server));
        yield* until(() => server.connections === 2);
      },
      { loopFactory: () => loop },
    );
    expect(loop.closed).toBe(true);
    peer?.resume().destroy();
    await expectClosed(before);
    expectReports(reports, []);
  });

  test("sends what a connection that was told to close had left, and listens to nothing that comes", async () => {
    const before = openHandles();
    const reports: Report[] = [];
    const loop = reportingLoop(reports);
    const runner = new Runner({ loopFactory: () => loop });
    let peer: Peer | undefined;
    const size = 20_000_000;
    await runner.run(function* () {
      const server = yield* startServer(
        function* (_reader, writer) {
          writer.write(new Uint8Array(size));
          writer.close();
        },
        LOCAL,
        0,
      );
      peer = yield* connectPeer(portOf(server));
      yield* until(() => server.connections === 1);
      yield* sleep(5);
      server.close();
    });
    await runner.close();
    expect(loop.closed).toBe(true);
    const socket = peer as Peer;
    // the loop takes no callbacks any more: an error here would end the process
    socket.write("is anybody there?");
    let read = 0;
    socket.on("data", (data: Buffer) => (read += data.length)).resume();
    await new Promise((resolve) => socket.once("end", resolve));
    expect(read).toBe(size);
    socket.end("goodbye");
    await new Promise((resolve) => socket.once("close", resolve));
    await expectClosed(before);
    expectReports(reports, []);
  });
});

describe("a Runner", () => {
  test("keeps a connection from one run to the next, and what comes in between", async () => {
    const before = openHandles();
    const reports: Report[] = [];
    const runner = new Runner({ loopFactory: () => reportingLoop(reports) });
    const [server, writer, reader] = await runner.run(function* () {
      const serving = yield* startServer(echo, LOCAL, 0);
      const [theReader, theWriter] = yield* openConnection(LOCAL, portOf(serving));
      theWriter.write("one\n");
      expect(text(yield* theReader.readline())).toBe("one\n");
      theWriter.write("two\n");
      return [serving, theWriter, theReader] as const;
    });
    // in between the loop stands still, and the connection is open
    for (let i = 0; i < 50; i++) await new Promise((resolve) => void setImmediate(resolve));
    await runner.run(function* () {
      expect(text(yield* reader.readline())).toBe("two\n");
      writer.write("three\n");
      yield* writer.drain();
      expect(text(yield* reader.readline())).toBe("three\n");
      writer.close();
      yield* writer.waitClosed();
      server.close();
      yield* server.waitClosed();
    });
    await runner.close();
    await expectClosed(before);
    expectReports(reports, []);
  });

  test("takes little in while it stands still, and a connection that ends then has ended in the next run", async () => {
    const before = openHandles();
    const reports: Report[] = [];
    const runner = new Runner({ loopFactory: () => reportingLoop(reports) });
    const made = await runner.run(function* () {
      const server = yield* startServer(patient, LOCAL, 0);
      const peer = yield* connectPeer(portOf(server));
      yield* until(() => server.connections === 1);
      return { server, peer };
    });
    made.peer.write(new Uint8Array(30_000_000));
    for (let i = 0; i < 50; i++) await new Promise((resolve) => void setImmediate(resolve));
    expect(made.peer.writableLength).toBeGreaterThan(0);
    made.peer.destroy();
    await new Promise((resolve) => made.peer.once("close", resolve));
    await runner.run(function* () {
      made.server.close();
      yield* made.server.waitClosed();
    });
    await runner.close();
    await expectClosed(before);
    expectReports(reports, []);
  });

  test("accepts in the next run who came in between", async () => {
    const before = openHandles();
    const reports: Report[] = [];
    const runner = new Runner({ loopFactory: () => reportingLoop(reports) });
    const server = await runner.run(() => startServer(echo, LOCAL, 0));
    const peer = await new EventLoop().runUntilComplete(connectPeer(portOf(server)));
    peer.end("hello");
    for (let i = 0; i < 50; i++) await new Promise((resolve) => void setImmediate(resolve));
    await runner.run(function* () {
      expect(yield* receivedBy(peer)).toBe("hello");
      server.close();
      yield* server.waitClosed();
    });
    await runner.close();
    await expectClosed(before);
    expectReports(reports, []);
  });
});
