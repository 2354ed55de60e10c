import type { Socket } from "node:net";
import { ContextVar, createTask, type Coroutine, Event, getRunningLoop, sleep, within } from "corio";
import {
  createConnection,
  createServer,
  createUnixConnection,
  createUnixServer,
  openConnection,
  type Protocol,
  type Server,
  Transport,
} from "@corio/node";
import { describe, expect, test } from "vitest";
import { bytes, pattern, text } from "../support/bytes.js";
import { closedOf, connectPeer, NodePeer, type Peer, portOf, receivedBy } from "../support/peers.js";
import { Recorder } from "../support/recorder.js";
import { type Report, runConnected } from "../support/run-connected.js";
import { socketPath } from "../support/temporary-folder.js";
import { systemError, thrownBy, withCode } from "../support/thrown-by.js";
import { writeUntilStuck } from "../support/write-until-stuck.js";

const LOCAL = "127.0.0.1";

/** Waits for something that comes about by itself. */
function* until(condition: () => boolean): Coroutine<void> {
  while (!condition()) yield* sleep(0);
}

/** A connection with a protocol of ours, and a peer of Node. */
function withProtocol<P extends Protocol>(
  protocol: P,
  body: (transport: Transport, peer: Peer, protocol: P) => Coroutine<void>,
): Coroutine<void> {
  return within(new NodePeer((socket) => socket.pause()), function* (node) {
    const [transport, same] = yield* createConnection(() => protocol, LOCAL, node.port);
    expect(same).toBe(protocol);
    const peer = yield* node.connection();
    try {
      yield* body(transport, peer, protocol);
    } finally {
      transport.abort();
      yield* closedOf(transport.getExtraInfo("socket") as Socket);
      yield* sleep(0);
    }
  });
}

/** Keeps its half open when the peer ends. */
class HalfOpen extends Recorder {
  override eofReceived(): boolean {
    super.eofReceived();
    return true;
  }
}

/** A protocol that throws in one of its methods. */
class Failing extends Recorder {
  readonly #method: string;

  constructor(method: string) {
    super();
    this.#method = method;
  }

  protected override note(entry: string): void {
    super.note(entry);
    if (entry.startsWith(this.#method)) throw new Error(`${this.#method} fails`);
  }

  override dataReceived(data: Uint8Array): void {
    super.dataReceived(data);
    if (this.#method === "dataReceived") throw new Error("dataReceived fails");
  }
}

describe("a protocol", () => {
  test("is told of the connection first, then of data in their order, of the end, and of the end of all", async () => {
    await runConnected(() =>
      withProtocol(new Recorder(), function* (transport, peer, { log }) {
        expect(log).toEqual(["connectionMade"]);
        expect(transport).toBeInstanceOf(Transport);
        expect(transport.loop).toBe(getRunningLoop());
        peer.write("one ");
        yield* until(() => log.length === 2);
        peer.end("two");
        yield* until(() => log.at(-1) === "connectionLost");
        expect(log).toEqual(["connectionMade", "dataReceived: one two", "eofReceived", "connectionLost"]);
        // it is closed, where nothing else was said
        expect(transport.isClosing).toBe(true);
        expect(yield* receivedBy(peer)).toBe("");
      }),
    );
  });

  test("may leave out whatever it does not need", async () => {
    await runConnected(() =>
      withProtocol({}, function* (transport, peer) {
        peer.write("data");
        transport.write("sent");
        transport.write(pattern(300_000));
        expect((yield* receivedBy(endOnRead(peer))).length).toBeGreaterThan(0);
        yield* closedOf(transport.getExtraInfo("socket") as Socket);
        expect(transport.isClosing).toBe(true);
      }),
    );
    function endOnRead(peer: Peer): Peer {
      peer.end();
      return peer;
    }
  });

  test("keeps its own half open when the peer ends, if it says so", async () => {
    await runConnected(() =>
      withProtocol(new HalfOpen(), function* (transport, peer, protocol) {
        peer.end("that is all");
        yield* protocol.noted("eofReceived");
        for (let i = 0; i < 5; i++) yield* sleep(0);
        expect(transport.isClosing).toBe(false);
        transport.write("an answer");
        transport.writeEof();
        expect(yield* receivedBy(peer)).toBe("an answer");
        yield* protocol.over();
        expect(protocol.log).toEqual(["connectionMade", "dataReceived: that is all", "eofReceived", "connectionLost"]);
      }),
    );
  });

  test("is told of nothing but the end after close() and abort()", async () => {
    for (const method of ["close", "abort"] as const) {
      await runConnected(() =>
        withProtocol(new Recorder(), function* (transport, peer, protocol) {
          transport[method]();
          transport[method]();
          expect(transport.isClosing).toBe(true);
          expect(transport.isReading).toBe(false);
          peer.write("too late");
          yield* protocol.over();
          expect(protocol.log).toEqual(["connectionMade", "connectionLost"]);
          expect(protocol.error).toBeUndefined();
        }),
      );
    }
  });

  test("is told why, when the peer resets the connection", async () => {
    await runConnected(() =>
      withProtocol(new Recorder(), function* (transport, peer, protocol) {
        peer.resetAndDestroy();
        yield* protocol.over();
        expect(protocol.log).toEqual(["connectionMade", "connectionLost: ECONNRESET"]);
        expect(protocol.error).toEqual(systemError("ECONNRESET"));
        expect(transport.isClosing).toBe(true);
        transport.write("nobody");
        transport.writeEof();
        transport.close();
        transport.abort();
      }),
    );
  });

  test("may close its connection in connectionMade, and in any other callback", async () => {
    for (const method of ["close", "abort"] as const) {
      for (const callback of ["connectionMade", "dataReceived", "eofReceived"]) {
        const Closing = class extends Recorder {
          override connectionMade(transport: Transport): void {
            super.connectionMade(transport);
            if (callback === "connectionMade") transport[method]();
          }
          override dataReceived(data: Uint8Array): void {
            super.dataReceived(data);
            if (callback === "dataReceived") this.transport[method]();
          }
          override eofReceived(): void {
            super.eofReceived();
            if (callback === "eofReceived") this.transport[method]();
          }
        };
        await runConnected(() =>
          withProtocol(new Closing(), function* (_transport, peer, protocol) {
            peer.on("error", () => {}).end("data");
            yield* protocol.over();
            const all = ["connectionMade", "dataReceived: data", "eofReceived"];
            expect(protocol.log).toEqual([
              ...all.slice(0, all.findIndex((entry) => entry.startsWith(callback)) + 1),
              "connectionLost",
            ]);
          }),
        );
      }
    }
  });

  test("may write in connectionMade", async () => {
    class Greeting extends Recorder {
      override connectionMade(transport: Transport): void {
        super.connectionMade(transport);
        transport.write("220 ready\r\n");
        transport.close();
      }
    }
    await runConnected(() =>
      withProtocol(new Greeting(), function* (_transport, peer) {
        expect(yield* receivedBy(peer)).toBe("220 ready\r\n");
      }),
    );
  });

  test.each(["connectionMade", "dataReceived", "eofReceived"])(
    "that throws in %s is reported, and its connection ends by that error",
    async (method) => {
      await runConnected(
        function* (reports) {
          yield* withProtocol(new Failing(method), function* (transport, peer, protocol) {
            peer.end("data");
            yield* protocol.over();
            expect(transport.isClosing).toBe(true);
            expect(protocol.error).toMatchObject({ message: `${method} fails` });
            const { context } = reports[0] as Report;
            expect(context).toMatchObject({ protocol: expect.any(Failing), transport: expect.any(Transport) });
          });
        },
        { reports: [`protocol.${method}() call failed: Error: ${method} fails`] },
      );
    },
  );

  test("that throws in connectionLost is reported", async () => {
    await runConnected(
      () =>
        withProtocol(new Failing("connectionLost"), function* (transport, _peer, protocol) {
          transport.close();
          yield* protocol.over();
        }),
      { reports: ["protocol.connectionLost() call failed: Error: connectionLost fails"] },
    );
  });

  test("can be changed for another one on the fly", async () => {
    await runConnected(() =>
      withProtocol(new Recorder(), function* (transport, peer, first) {
        peer.write("for the first");
        yield* first.noted("dataReceived: for the first");
        const second = new Recorder();
        transport.protocol = second;
        expect(transport.protocol).toBe(second);
        peer.end("for the second");
        yield* second.over();
        expect(first.log).toEqual(["connectionMade", "dataReceived: for the first"]);
        expect(second.log).toEqual(["dataReceived: for the second", "eofReceived", "connectionLost"]);
      }),
    );
  });

  test("can be changed in the midst of what arrives, by itself", async () => {
    class Upgrading extends Recorder {
      readonly next = new Recorder();
      override dataReceived(data: Uint8Array): void {
        super.dataReceived(data);
        this.transport.protocol = this.next;
      }
    }
    await runConnected(() =>
      withProtocol(new Upgrading(), function* (_transport, peer, protocol) {
        peer.write("upgrade");
        yield* protocol.noted("dataReceived: upgrade");
        peer.end("new");
        yield* protocol.next.over();
        expect(protocol.next.log).toEqual(["dataReceived: new", "eofReceived", "connectionLost"]);
      }),
    );
  });
});

describe("reading", () => {
  test("is paused and resumed, and nothing is lost", async () => {
    const sent = pattern(2_000_000);
    await runConnected(() =>
      withProtocol(new Recorder(), function* (transport, peer, protocol) {
        expect(transport.isReading).toBe(true);
        transport.pauseReading();
        transport.pauseReading();
        expect(transport.isReading).toBe(false);
        peer.end(sent);
        for (let i = 0; i < 20; i++) yield* sleep(0);
        expect(protocol.log).toEqual(["connectionMade"]);
        transport.resumeReading();
        transport.resumeReading();
        expect(transport.isReading).toBe(true);
        yield* until(() => protocol.pieces.length > 0);
        transport.pauseReading();
        const { length } = protocol.pieces;
        for (let i = 0; i < 20; i++) yield* sleep(0);
        expect(protocol.pieces.length).toBe(length);
        transport.resumeReading();
        yield* protocol.over();
        expect(Buffer.compare(Buffer.concat(protocol.pieces), sent)).toBe(0);
        expect(protocol.log.at(-2)).toBe("eofReceived");
      }),
    );
  });

  test("may be paused in connectionMade, before anything was told", async () => {
    class Paused extends Recorder {
      override connectionMade(transport: Transport): void {
        super.connectionMade(transport);
        transport.pauseReading();
      }
    }
    await runConnected(() =>
      within(new NodePeer((socket) => socket.write("eager")), function* (peer) {
        const [transport, protocol] = yield* createConnection(() => new Paused(), LOCAL, peer.port);
        yield* peer.connection();
        for (let i = 0; i < 20; i++) yield* sleep(0);
        expect(protocol.log).toEqual(["connectionMade"]);
        transport.resumeReading();
        yield* protocol.noted("dataReceived: eager");
        transport.close();
        yield* protocol.over();
      }),
    );
  });

  describe("that is paused while more has arrived in the loop already", () => {
    /** Pauses at each piece. */
    class OneAtATime extends Recorder {
      told = 0;
      override dataReceived(data: Uint8Array): void {
        super.dataReceived(data);
        this.told++;
        this.transport.pauseReading();
      }
    }

    /** Waits until the host has brought something, for which the loop has had no time yet. */
    function* brought(transport: Transport, send: () => void): Coroutine<void> {
      const socket = transport.getExtraInfo("socket") as Socket;
      const before = socket.bytesRead;
      send();
      // As this task is always ready, what the host brings stands behind it in the loop, and comes after a turn that takes long.
      for (let i = 0; i < 200 && socket.bytesRead === before; i++) {
        const end = performance.now() + 1;
        while (performance.now() < end);
        yield* sleep(0);
      }
    }

    function* twoPieces(transport: Transport, peer: Peer, protocol: OneAtATime): Coroutine<void> {
      yield* brought(transport, () => peer.write("one"));
      yield* brought(transport, () => peer.write("two"));
      for (let i = 0; i < 20; i++) yield* sleep(0);
      expect(protocol.told).toBe(1);
    }

    test("tells it when reading is resumed, piece by piece", async () => {
      await runConnected(() =>
        withProtocol(new OneAtATime(), function* (transport, peer, protocol) {
          yield* twoPieces(transport, peer, protocol);
          transport.resumeReading();
          yield* until(() => protocol.told === 2);
          expect(transport.isReading).toBe(false);
          peer.end("three");
          for (let i = 0; i < 20; i++) yield* sleep(0);
          expect(protocol.told).toBe(2);
          transport.resumeReading();
          yield* until(() => protocol.told === 3);
          for (let i = 0; i < 20; i++) yield* sleep(0);
          expect(protocol.log).toEqual(["connectionMade", "dataReceived: onetwothree"]);
          transport.resumeReading();
          yield* protocol.over();
          expect(protocol.log.slice(2)).toEqual(["eofReceived", "connectionLost"]);
        }),
      );
    });

    test("tells it before the end of a connection that fails", async () => {
      await runConnected(() =>
        withProtocol(new OneAtATime(), function* (transport, peer, protocol) {
          yield* twoPieces(transport, peer, protocol);
          peer.resetAndDestroy();
          yield* closedOf(peer);
          // who does not read hears of it in writing
          transport.write("are you there?");
          yield* protocol.over();
          expect(protocol.log).toEqual([
            "connectionMade",
            "dataReceived: onetwo",
            expect.stringMatching(/^connectionLost: (ECONNRESET|EPIPE)$/),
          ]);
        }),
      );
    });

    test("tells nothing of it after close()", async () => {
      await runConnected(() =>
        withProtocol(new OneAtATime(), function* (transport, peer, protocol) {
          yield* twoPieces(transport, peer, protocol);
          transport.close();
          transport.resumeReading();
          yield* protocol.over();
          expect(protocol.log).toEqual(["connectionMade", "dataReceived: one", "connectionLost"]);
        }),
      );
    });
  });

  test("means nothing any more once it is closing", async () => {
    await runConnected(() =>
      withProtocol(new Recorder(), function* (transport, peer, protocol) {
        transport.close();
        transport.pauseReading();
        transport.resumeReading();
        expect(transport.isReading).toBe(false);
        peer.end("unheard");
        yield* protocol.over();
      }),
    );
  });

  test("that is paused does not keep it from closing", async () => {
    await runConnected(() =>
      withProtocol(new Recorder(), function* (transport, peer, protocol) {
        peer.write(pattern(3_000_000));
        transport.pauseReading();
        yield* sleep(1);
        transport.write("bye");
        transport.close();
        yield* protocol.over();
        expect(protocol.log).toEqual(["connectionMade", "connectionLost"]);
        expect(yield* receivedBy(peer)).toBe("bye");
      }),
    );
  });
});

describe("writing", () => {
  test("tells the protocol to pause beyond the high-water mark, and to resume at the low one", async () => {
    await runConnected(() =>
      withProtocol(new Recorder(), function* (transport, peer, protocol) {
        transport.writeBufferLimits = { high: 100_000, low: 10_000 };
        let written = yield* writeUntilStuck(transport, 90_000);
        expect(transport.writeBufferSize).toBeGreaterThan(100_000);
        transport.write(pattern(90_000)); // it is told once
        written += 90_000;
        yield* sleep(0);
        expect(protocol.log.at(-1)).toBe("pauseWriting");
        const told = protocol.log.length;
        let read = 0;
        peer.on("data", (data: Buffer) => (read += data.length)).resume();
        yield* until(() => protocol.log.length > told);
        expect(protocol.log.at(-1)).toBe("resumeWriting");
        expect(transport.writeBufferSize).toBeLessThanOrEqual(10_000);
        transport.writeEof();
        yield* receivedBy(peer);
        expect(read).toBe(written);
        // by turns
        const [, ...turns] = protocol.log;
        expect(turns).toEqual(turns.map((_, i) => (i % 2 === 0 ? "pauseWriting" : "resumeWriting")));
        expect(turns.length % 2).toBe(0);
      }),
    );
  });

  test("sends several pieces in order, texts among them", async () => {
    await runConnected(() =>
      withProtocol(new Recorder(), function* (transport, peer) {
        transport.writelines([bytes("one "), "two ", Buffer.from("three "), new Uint8Array(0), "… "]);
        transport.writelines(
          (function* () {
            yield "from a generator";
          })(),
        );
        transport.writelines([]);
        transport.close();
        expect(yield* receivedBy(peer)).toBe("one two three … from a generator");
      }),
    );
  });

  test("of pieces of which one is wrong sends those before it", async () => {
    await runConnected(() =>
      withProtocol(new Recorder(), function* (transport, peer) {
        const pieces = ["one ", 2 as unknown as string, "three"];
        expect(() => transport.writelines(pieces)).toThrow(withCode("NOT_BYTES"));
        transport.write("four");
        transport.close();
        expect(yield* receivedBy(peer)).toBe("one four");
      }),
    );
  });

  test("after the end of this direction is refused, and after the end of all it is not", async () => {
    await runConnected(() =>
      withProtocol(new HalfOpen(), function* (transport, peer, protocol) {
        expect(transport.canWriteEof).toBe(true);
        transport.writeEof();
        expect(() => transport.write("x")).toThrow(withCode("WRITE_AFTER_EOF"));
        expect(yield* receivedBy(peer)).toBe("");
        peer.end();
        yield* protocol.over();
        transport.writeEof();
      }),
    );
    await runConnected(() =>
      withProtocol(new Recorder(), function* (transport, _peer, protocol) {
        transport.abort();
        transport.write("x");
        yield* protocol.over();
        transport.write("x");
        transport.writelines(["x"]);
      }),
    );
  });

  test("is not paused by an abort: what was buffered is dropped", async () => {
    await runConnected(() =>
      withProtocol(new Recorder(), function* (transport, peer, protocol) {
        transport.write(pattern(40_000_000));
        yield* sleep(1);
        expect(transport.writeBufferSize).toBeGreaterThan(0);
        transport.abort();
        yield* protocol.over();
        expect(protocol.log).toEqual(["connectionMade", "pauseWriting", "connectionLost"]);
        expect((yield* receivedBy(peer)).length).toBeLessThan(40_000_000);
      }),
    );
  });

  test("to a peer that resets ends with that error, without a resumeWriting before", async () => {
    await runConnected(() =>
      withProtocol(new Recorder(), function* (transport, peer, protocol) {
        transport.write(pattern(40_000_000));
        yield* sleep(1);
        peer.resetAndDestroy();
        yield* protocol.over();
        expect(protocol.log).toEqual([
          "connectionMade",
          "pauseWriting",
          expect.stringMatching(/^connectionLost: (ECONNRESET|EPIPE)$/),
        ]);
      }),
    );
  });
});

describe("createServer and createConnection", () => {
  test("talk to each other, by TCP and by a Unix socket", async () => {
    class Echo implements Protocol {
      #transport: Transport | undefined;
      connectionMade(transport: Transport): void {
        this.#transport = transport;
      }
      dataReceived(data: Uint8Array): void {
        this.#transport?.write(data);
      }
      eofReceived(): boolean {
        this.#transport?.writeEof();
        return true;
      }
    }
    const path = socketPath();
    const ways: [() => Coroutine<Server>, (server: Server, recorder: Recorder) => Coroutine<[Transport, Recorder]>][] =
      [
        [
          () => createServer(() => new Echo(), LOCAL, 0),
          (server, recorder) => createConnection(() => recorder, LOCAL, portOf(server)),
        ],
        [
          () => createUnixServer(() => new Echo(), path),
          (_server, recorder) => createUnixConnection(() => recorder, path),
        ],
      ];
    for (const [serve, connect] of ways) {
      await runConnected(function* () {
        yield* within(yield* serve(), function* (server) {
          const [transport, recorder] = yield* connect(server, new Recorder());
          transport.write("hello");
          transport.writeEof();
          yield* recorder.over();
          expect(recorder.log).toEqual(["connectionMade", "dataReceived: hello", "eofReceived", "connectionLost"]);
        });
      });
    }
  });

  test.each<[string, unknown]>([
    ["a class", Recorder],
    ["a protocol", {}],
    ["nothing", undefined],
  ])("refuse %s instead of a function that makes the protocol", async (_name, factory) => {
    await runConnected(function* () {
      const wrong = factory as () => Protocol;
      const calls = [
        () => createConnection(wrong, LOCAL, 1),
        () => createUnixConnection(wrong, "x"),
        () => createServer(wrong, LOCAL, 0),
        () => createUnixServer(wrong, "x"),
      ];
      for (const call of calls) {
        const error = yield* thrownBy(
          (function* () {
            yield* call() as Coroutine<unknown>;
          })(),
        );
        expect(error).toEqual(withCode("PROTOCOL_FACTORY", /\(\) => new Echo\(\)/));
      }
    });
  });

  test("close what was opened when the client's factory throws", async () => {
    await runConnected(() =>
      within(new NodePeer(), function* (peer) {
        const error = yield* thrownBy(
          createConnection(
            () => {
              throw new Error("no protocol");
            },
            LOCAL,
            peer.port,
          ),
        );
        expect(error).toMatchObject({ message: "no protocol" });
        expect(yield* receivedBy(yield* peer.connection())).toBe("");
      }),
    );
  });

  test("close one connection when the server's factory throws, and serve the others", async () => {
    await runConnected(
      function* () {
        let made = 0;
        const server = yield* createServer(
          () => {
            if (made++ === 0) throw new Error("no protocol");
            return new Recorder();
          },
          LOCAL,
          0,
        );
        yield* within(server, function* () {
          const first = yield* connectPeer(portOf(server));
          first.resume();
          yield* until(() => first.readableEnded || first.destroyed);
          first.destroy();
          const [reader, writer] = yield* openConnection(LOCAL, portOf(server));
          yield* within(writer, function* () {
            yield* until(() => server.connections === 1);
            expect(reader.atEof).toBe(false);
          });
        });
      },
      { reports: ["protocol factory: Error: no protocol"] },
    );
  });

  // both ways in which callbacks of the host come into the loop: at once, and in their turn
  test.each(["idle", "busy"])(
    "give a context of its own to each connection's callbacks, in a loop that is %s",
    async (state) => {
      const user = new ContextVar("user", { default: "nobody" });
      await runConnected(function* () {
        const seen: string[] = [];
        let heard = new Event();
        class Remembering implements Protocol {
          dataReceived(data: Uint8Array): void {
            seen.push(user.get());
            user.set(text(data));
            heard.set();
          }
        }
        const server = yield* createServer(() => new Remembering(), LOCAL, 0);
        yield* within(server, function* () {
          for (const name of ["Ada", "Alan"]) {
            heard = new Event();
            const peer = yield* connectPeer(portOf(server));
            peer.write(name);
            if (state === "busy") yield* until(() => heard.isSet);
            yield* heard.wait();
            peer.end();
            yield* receivedBy(peer);
          }
        });
        expect(seen).toEqual(["nobody", "nobody"]);
      });
    },
  );
});

test("a transport that is used after its loop was closed does nothing", async () => {
  const kept: Transport[] = [];
  await runConnected(() =>
    within(new NodePeer(), function* (peer) {
      const [transport] = yield* createConnection(() => ({}), LOCAL, peer.port);
      kept.push(transport);
      createTask(sleep(0));
    }),
  );
  const [transport] = kept as [Transport];
  expect(transport.loop.closed).toBe(true);
  expect(transport.isClosing).toBe(true);
  transport.write("x");
  transport.pauseReading();
  transport.resumeReading();
  transport.writeEof();
  transport.close();
  transport.abort();
});
