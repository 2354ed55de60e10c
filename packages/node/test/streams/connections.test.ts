import { Socket } from "node:net";
import { createTask, type Coroutine, gather, sleep, within } from "corio";
import {
  openConnection,
  openUnixConnection,
  startServer,
  startUnixServer,
  StreamReader,
  StreamWriter,
  Transport,
} from "@corio/node";
import { describe, expect, test } from "vitest";
import { bytes, pattern, text } from "../support/bytes.js";
import { connected, echo, tcp, unix } from "../support/echo.js";
import { NodePeer, portOf } from "../support/peers.js";
import { runConnected } from "../support/run-connected.js";
import { socketPath } from "../support/temporary-folder.js";
import { systemError, thrownBy, withCode } from "../support/thrown-by.js";

const kinds = [tcp, unix];

describe.each(kinds)("a connection by $name", (kind) => {
  test("carries lines to and fro", async () => {
    await runConnected(() =>
      connected(kind, echo, function* (reader, writer) {
        expect(reader).toBeInstanceOf(StreamReader);
        expect(writer).toBeInstanceOf(StreamWriter);
        expect(writer.transport).toBeInstanceOf(Transport);
        writer.write("hello\n");
        yield* writer.drain();
        expect(text(yield* reader.readline())).toBe("hello\n");
        writer.writelines(["one\n", bytes("two\n"), "", "thr"]);
        writer.write("ee é\n");
        expect(text(yield* reader.readline())).toBe("one\n");
        expect(text(yield* reader.readline())).toBe("two\n");
        expect(text(yield* reader.readline())).toBe("three é\n");
      }),
    );
  });

  test("can be closed in one direction by the client, and the answer still comes", async () => {
    function* upperCase(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      const whole = text(yield* reader.read());
      expect(reader.atEof).toBe(true);
      writer.write(whole.toUpperCase());
      yield* writer.drain();
    }
    await runConnected(() =>
      connected(kind, upperCase, function* (reader, writer) {
        expect(writer.canWriteEof).toBe(true);
        writer.write("a question");
        writer.writeEof();
        writer.writeEof(); // once more says nothing new
        expect(writer.isClosing).toBe(false);
        expect(text(yield* reader.read())).toBe("A QUESTION");
      }),
    );
  });

  test("can be closed in one direction by the server, and what the client sends still arrives", async () => {
    const heard: string[] = [];
    function* greet(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      writer.write("that is all");
      writer.writeEof();
      heard.push(text(yield* reader.read()));
    }
    await runConnected(() =>
      connected(kind, greet, function* (reader, writer) {
        expect(text(yield* reader.read())).toBe("that is all");
        yield* sleep(0);
        expect(writer.isClosing).toBe(false);
        writer.write("but listen");
        yield* writer.drain();
        writer.write("!");
        writer.writeEof();
        yield* writer.waitClosed();
      }),
    );
    expect(heard).toEqual(["but listen!"]);
  });

  test("carries much at once in both directions, unchanged", async () => {
    const data = pattern(3_000_000);
    await runConnected(() =>
      connected(kind, echo, function* (reader, writer) {
        const sending = createTask(function* () {
          for (let at = 0; at < data.length; at += 100_000) {
            writer.write(data.subarray(at, at + 100_000));
            yield* writer.drain();
          }
          writer.writeEof();
        });
        expect(Buffer.compare(yield* reader.read(), data)).toBe(0);
        yield* sending;
      }),
    );
  });

  test("stops reading when the reader has twice its limit, and goes on when that was read", async () => {
    const limit = 1_000;
    const sent = pattern(16_000_000);
    function* flood(_reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      writer.write(sent);
      yield* writer.drain();
    }
    await runConnected(() =>
      connected(
        kind,
        flood,
        function* (reader, writer) {
          const first = yield* reader.readexactly(1);
          while (writer.transport.isReading) yield* sleep(0);
          const socket = writer.getExtraInfo("socket") as Socket;
          for (let still = 0, before = -1; still < 20; before = socket.bytesRead) {
            yield* sleep(1);
            still = socket.bytesRead === before ? still + 1 : 0;
          }
          // the system hands out up to two megabytes at a time, Node's own buffer is small
          expect(socket.bytesRead).toBeLessThan(4_000_000);
          const rest = yield* reader.read();
          expect(Buffer.compare(Buffer.concat([first, rest]), sent)).toBe(0);
        },
        { limit },
      ),
    );
  });

  test("tells its addresses and its socket, also after it was closed", async () => {
    await runConnected(function* () {
      let serverSide: StreamWriter | undefined;
      const [clientSide, address] = yield* connected(
        kind,
        function* (reader, writer) {
          serverSide = writer;
          yield* reader.read();
        },
        function* (_reader, writer, server) {
          while (serverSide === undefined) yield* sleep(0);
          return [writer, server.sockets[0]?.address()] as const;
        },
      );
      for (const side of [clientSide, serverSide as StreamWriter]) {
        expect(side.isClosing).toBe(true);
        expect(side.getExtraInfo("socket")).toBeInstanceOf(Socket);
        for (const name of ["peercert", "cipher", "alpnProtocol", "tlsVersion", "pipe"] as const) {
          expect(side.getExtraInfo(name)).toBeUndefined();
        }
      }
      if (kind === tcp) {
        expect(clientSide.getExtraInfo("peername")).toEqual(address);
        expect(serverSide?.getExtraInfo("sockname")).toEqual(address);
        expect(serverSide?.getExtraInfo("peername")).toEqual(clientSide.getExtraInfo("sockname"));
        expect(clientSide.getExtraInfo("sockname")).toMatchObject({ address: "127.0.0.1", family: "IPv4" });
      } else {
        expect(clientSide.getExtraInfo("peername")).toBe(address);
        expect(serverSide?.getExtraInfo("sockname")).toBe(address);
        // a client's socket has no path
        expect(clientSide.getExtraInfo("sockname")).toBeUndefined();
        expect(serverSide?.getExtraInfo("peername")).toBeUndefined();
      }
    });
  });

  test("serves many at once", async () => {
    await runConnected(function* () {
      const server = yield* kind.serve(echo);
      yield* within(server, function* () {
        yield* gather(
          Array.from({ length: 30 }, function* (_, i) {
            const [reader, writer] = yield* kind.connect(server);
            yield* within(writer, function* () {
              for (let n = 0; n < 5; n++) {
                writer.write(`${i} ${n}\n`);
                yield* writer.drain();
                expect(text(yield* reader.readline())).toBe(`${i} ${n}\n`);
              }
            });
          }),
        );
      });
    });
  });
});

describe("openConnection", () => {
  test("hands on what a server sends before it is asked", async () => {
    await runConnected(() =>
      within(new NodePeer((socket) => socket.end("220 ready\r\n")), function* (peer) {
        const [reader, writer] = yield* openConnection("127.0.0.1", peer.port);
        yield* within(writer, function* () {
          expect(text(yield* reader.readuntil("\r\n"))).toBe("220 ready\r\n");
          expect((yield* reader.read()).length).toBe(0);
        });
      }),
    );
  });

  test("connects by name and by address, with options of the socket", async () => {
    await runConnected(function* () {
      const server = yield* startServer(echo, "127.0.0.1", 0);
      yield* within(server, function* () {
        for (const [host, options] of [
          ["localhost", {}],
          ["127.0.0.1", { localAddress: "127.0.0.1", keepAlive: 1_000, noDelay: false }],
          ["localhost", { family: 4, happyEyeballsDelay: 0 }],
        ] as const) {
          const [reader, writer] = yield* openConnection(host, portOf(server), options);
          yield* within(writer, function* () {
            writer.write("x\n");
            expect(text(yield* reader.readline())).toBe("x\n");
          });
        }
      });
    });
  });

  test.each<[string, unknown[], string]>([
    ["no host", [undefined, 80], "HOST"],
    ["an empty host", ["", 80], "HOST"],
    ["an IPv6 address in brackets", ["[::1]", 80], "HOST"],
    ["no port", ["127.0.0.1"], "PORT"],
    ["port 0", ["127.0.0.1", 0], "PORT"],
    ["a port that is too high", ["127.0.0.1", 65_536], "PORT"],
    ["a text as port", ["127.0.0.1", "80"], "PORT"],
    ["half a port", ["127.0.0.1", 80.5], "PORT"],
    ["a limit of 0", ["127.0.0.1", 80, { limit: 0 }], "LIMIT"],
    ["a delay that is no number", ["127.0.0.1", 80, { happyEyeballsDelay: Number.NaN }], "HAPPY_EYEBALLS_DELAY"],
  ])("refuses %s", async (_name, args, code) => {
    await runConnected(function* () {
      const open = openConnection as unknown as (...args: unknown[]) => ReturnType<typeof openConnection>;
      expect(
        yield* thrownBy(
          (function* () {
            yield* open(...args);
          })(),
        ),
      ).toEqual(withCode(code));
    });
  });
});

describe("openUnixConnection", () => {
  test.each([undefined, ""])("refuses %j as path", async (path) => {
    await runConnected(function* () {
      expect(() => openUnixConnection(path as string)).toThrow(withCode("PATH"));
    });
  });

  test("throws the system's error where there is no socket", async () => {
    await runConnected(function* () {
      expect(yield* thrownBy(openUnixConnection(socketPath()))).toEqual(systemError("ENOENT"));
    });
  });

  test("wants to know the server's name for TLS", async () => {
    await runConnected(function* () {
      const open = () => openUnixConnection(socketPath(), { tls: true });
      expect(open).toThrow(withCode("SERVER_HOSTNAME", /serverHostname/));
    });
  });
});

describe("startServer and startUnixServer", () => {
  test.each<[string, unknown[], string]>([
    ["no handler", [undefined, "127.0.0.1", 0], "HANDLER"],
    ["no port", [echo, "127.0.0.1"], "PORT"],
    ["a port that is negative", [echo, "127.0.0.1", -1], "PORT"],
    ["a limit that is no number", [echo, "127.0.0.1", 0, { limit: Number.NaN }], "LIMIT"],
    ["no connection at all", [echo, "127.0.0.1", 0, { maxConnections: 0 }], "MAX_CONNECTIONS"],
  ])("refuse %s", async (_name, args, code) => {
    await runConnected(function* () {
      const start = startServer as unknown as (...args: unknown[]) => ReturnType<typeof startServer>;
      expect(
        yield* thrownBy(
          (function* () {
            yield* start(...args);
          })(),
        ),
      ).toEqual(withCode(code));
    });
  });

  test("refuse a path that is none, and no handler there too", async () => {
    await runConnected(function* () {
      expect(() => startUnixServer(echo, "")).toThrow(withCode("PATH"));
      expect(() => startUnixServer(undefined as unknown as typeof echo, "x")).toThrow(withCode("HANDLER"));
    });
  });
});
