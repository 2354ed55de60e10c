import { spawnSync } from "node:child_process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Coroutine, EventLoop, Future, getRunningLoop, run, sleep } from "corio";
import { describe, expect, test } from "vitest";
import { createDatagramEndpoint } from "../../src/transports/datagram-endpoint.js";
import type { DatagramProtocol } from "../../src/transports/datagram-protocol.js";
import type { DatagramTransport } from "../../src/transports/datagram-transport.js";
import { PeerProcess } from "../peers/peer-process.js";
import {
  Echo,
  hasIPv6,
  hostOf,
  LOCAL,
  open,
  Recorder,
  reportsOf,
  runCleanly,
  socketsLeft,
  withCode,
} from "./datagram-recorder.js";

/** Runs main with a server and a client that is connected to it, and closes both. */
async function runPair(main: (server: Recorder, client: Recorder) => Coroutine<void>): Promise<void> {
  await runCleanly(function* () {
    const server = yield* open({ localAddress: LOCAL });
    const client = yield* open({ remoteAddress: hostOf(server.transport) });
    yield* main(server, client);
    yield* client.close();
    yield* server.close();
  });
}

describe("sendTo", () => {
  test("sends strings as UTF-8, bytes as they are, and empty datagrams", async () => {
    await runPair(function* (server, client) {
      const sent = ["grüße", new TextEncoder().encode("bytes"), Buffer.from("a buffer"), "", new Uint8Array()];
      for (const data of sent) client.transport.sendTo(data);
      for (const data of ["grüße", "bytes", "a buffer", "", ""]) expect(yield* server.text()).toBe(data);
    });
  });

  test("arrives as a Uint8Array, with an address that serves for the answer", async () => {
    await runCleanly(function* () {
      const received = new Future<Uint8Array>();
      const [server] = yield* createDatagramEndpoint(
        (): DatagramProtocol => ({
          datagramReceived(data, from) {
            received.setResult(data);
            server.sendTo("answer", from);
          },
        }),
        { localAddress: LOCAL },
      );
      const { address, port } = server.getExtraInfo("sockname")!;
      const client = yield* open({ localAddress: LOCAL });
      client.transport.sendTo(Uint8Array.of(0, 255), { address, port });
      const data = yield* received;
      expect(data).toBeInstanceOf(Uint8Array);
      expect([...data]).toEqual([0, 255]);
      expect(yield* client.datagrams.get()).toEqual(["answer", { address, port, family: "IPv4" }]);
      server.close();
      yield* client.close();
    });
  });

  test("sends the biggest datagram there is, in one piece", async () => {
    await runPair(function* (server, client) {
      client.transport.sendTo("x".repeat(65_507));
      expect((yield* server.text()).length).toBe(65_507);
    });
  });

  test("with a remote address takes that one, and no other", async () => {
    await runPair(function* (server, { transport }) {
      const { address, port } = transport.getExtraInfo("peername")!;
      transport.sendTo("hello", { address, port });
      expect(yield* server.text()).toBe("hello");
      for (const other of [
        { address, port: port - 1 },
        { address: "127.0.0.2", port },
      ]) {
        expect(() => transport.sendTo("hello", other)).toThrow(
          withCode("ADDRESS", /only to its remote address, 127\.0\.0\.1 port \d+: leave/),
        );
      }
    });
  });

  test("refuses what it cannot send, and says what to write", async () => {
    await runCleanly(function* () {
      const endpoint = yield* open({ localAddress: LOCAL });
      const sendTo = (data: unknown, address?: unknown) => () =>
        endpoint.transport.sendTo(data as string, address as { address: string; port: number });
      const there = { address: "127.0.0.1", port: 9 };
      const all = (): void => {
        expect(sendTo("x")).toThrow(withCode("NO_ADDRESS", /needs an endpoint with a remoteAddress; write sendTo/));
        expect(sendTo({ a: 1 }, there)).toThrow(withCode("NOT_BYTES", /not an object; .* JSON\.stringify/));
        expect(sendTo(null, there)).toThrow(withCode("NOT_BYTES", /not null/));
        expect(sendTo(7, there)).toThrow(withCode("NOT_BYTES", /not number/));
        expect(sendTo("x", { ...there, address: "localhost" })).toThrow(
          withCode("ADDRESS", /"localhost".*getaddrinfo/),
        );
        expect(sendTo("x", { host: "127.0.0.1", port: 9 })).toThrow(withCode("ADDRESS", /undefined.*getaddrinfo/));
        expect(sendTo("x", { ...there, address: "::1" })).toThrow(withCode("ADDRESS", /speaks IPv4.*family 6/));
        for (const port of [0, 65_536, "9"]) {
          expect(sendTo("x", { ...there, port })).toThrow(withCode("PORT", /from 1 to 65535/));
        }
      };
      all();
      yield* endpoint.close();
      all();
    });
  });

  test.skipIf(!hasIPv6)("tells an IPv6 endpoint how IPv4 addresses are written", async () => {
    await runCleanly(function* () {
      const endpoint = yield* open({ localAddress: { host: "::1", port: 0 } });
      expect(() => endpoint.transport.sendTo("x", { address: "127.0.0.1", port: 9 })).toThrow(
        withCode("ADDRESS", /write "::ffff:127\.0\.0\.1" instead of "127\.0\.0\.1"/),
      );
      yield* endpoint.close();
    });
  });

  test("does nothing once the endpoint is closing", async () => {
    await runPair(function* (server, client) {
      client.transport.sendTo("before");
      client.transport.close();
      client.transport.sendTo("after");
      expect(yield* client.lost).toBe(undefined);
      client.transport.sendTo("long after");
      // what is sent later to the same socket arrives later
      const other = yield* open({ remoteAddress: hostOf(server.transport) });
      other.transport.sendTo("marker");
      expect([yield* server.text(), yield* server.text()]).toEqual(["before", "marker"]);
      yield* other.close();
    });
  });
});

describe("errorReceived", () => {
  test("is told of a datagram that is too long, and the endpoint lives on", async () => {
    await runPair(function* (server, client) {
      client.transport.sendTo(new Uint8Array(70_000));
      expect(yield* client.errors.get()).toMatchObject({ code: "EMSGSIZE", syscall: "send" });
      client.transport.sendTo("shorter");
      expect(yield* server.text()).toBe("shorter");
      expect(client.transport.isClosing).toBe(false);
    });
  });

  test.skipIf(process.platform === "win32")(
    "is told that nobody listens at the remote address, and the endpoint lives on",
    async () => {
      await runPair(function* (server, client) {
        yield* server.close();
        for (let i = 0; i < 2; i++) {
          client.transport.sendTo("anybody there?");
          expect((yield* client.errors.get()).code).toBe("ECONNREFUSED");
        }
        const later = yield* open({ localAddress: hostOf(server.transport) });
        client.transport.sendTo("now?");
        expect(yield* later.text()).toBe("now?");
        expect(client.calls).toEqual(["connectionMade", "errorReceived", "errorReceived"]);
        yield* later.close();
      });
    },
  );

  test("is told of the last datagram, although the endpoint was closed after it", async () => {
    await runPair(function* (_server, client) {
      client.transport.sendTo(new Uint8Array(70_000));
      yield* client.close();
      expect(client.calls).toEqual(["connectionMade", "errorReceived", "connectionLost"]);
    });
  });

  test("is left out by who does not care; debug mode warns", async () => {
    const warnings: unknown[][] = [];
    await runCleanly(function* () {
      const loop = getRunningLoop();
      loop.reporter = { error: () => {}, warn: (...warning) => void warnings.push(warning) };
      for (const debug of [false, true]) {
        loop.debug = debug;
        const [transport, { lost }] = yield* createDatagramEndpoint(
          () => {
            const lost = new Future<void>();
            return { lost, connectionLost: () => lost.setResult() };
          },
          { remoteAddress: { host: "127.0.0.1", port: 9 } },
        );
        transport.sendTo(new Uint8Array(70_000));
        transport.close();
        yield* lost;
      }
      loop.debug = false;
    });
    expect(warnings).toEqual([
      [expect.stringContaining("no errorReceived()"), expect.objectContaining({ code: "EMSGSIZE" })],
    ]);
  });
});

describe("a protocol that throws", () => {
  const exception = new Error("thrown by the protocol");
  const throws = (): never => {
    throw exception;
  };
  const report = (method: string) => ({
    message: `Fatal error: protocol.${method}() call failed`,
    exception,
    transport: expect.anything(),
    protocol: expect.any(Recorder),
  });

  test("in datagramReceived is reported, and its endpoint closed", async () => {
    const reports = await reportsOf(function* () {
      const client = yield* open({ family: 4 });
      const [transport, server] = yield* createDatagramEndpoint(
        () => Object.assign(new Recorder(), { datagramReceived: throws }),
        { localAddress: LOCAL },
      );
      for (let i = 0; i < 3; i++) client.transport.sendTo("x", transport.getExtraInfo("sockname"));
      expect(yield* server.lost).toBe(exception);
      yield* client.close();
    });
    expect(reports).toEqual([report("datagramReceived")]);
  });

  test("in errorReceived is reported, and its endpoint closed", async () => {
    const reports = await reportsOf(function* () {
      const [transport, protocol] = yield* createDatagramEndpoint(
        () => Object.assign(new Recorder(), { errorReceived: throws }),
        { remoteAddress: { host: "127.0.0.1", port: 9 } },
      );
      transport.sendTo(new Uint8Array(70_000));
      expect(yield* protocol.lost).toBe(exception);
    });
    expect(reports).toEqual([report("errorReceived")]);
  });

  test("in connectionLost is reported", async () => {
    const reports = await reportsOf(function* () {
      const [transport] = yield* createDatagramEndpoint(
        () => Object.assign(new Recorder(), { connectionLost: throws }),
        { localAddress: LOCAL },
      );
      transport.close();
    });
    expect(reports).toEqual([report("connectionLost")]);
  });

  test("what is no error is reported, too", async () => {
    const reports = await reportsOf(function* () {
      const [, protocol] = yield* createDatagramEndpoint(
        () =>
          Object.assign(new Recorder(), {
            connectionMade() {
              throw "a string";
            },
          }),
        { localAddress: LOCAL },
      );
      expect(yield* protocol.lost).toBe(undefined);
    });
    expect(reports).toEqual([{ ...report("connectionMade"), exception: "a string" }]);
  });
});

describe("closing", () => {
  test.each(["close", "abort"] as const)("%s() closes once, tells connectionLost, and ends receiving", async (end) => {
    await runCleanly(function* () {
      const server = yield* open({ localAddress: LOCAL });
      const client = yield* open({ family: 4 });
      expect(server.transport.isClosing).toBe(false);
      client.transport.sendTo("too late", server.transport.getExtraInfo("sockname"));
      server.transport[end]();
      expect(server.transport.isClosing).toBe(true);
      expect(server.calls).toEqual(["connectionMade"]); // not at once
      server.transport.abort();
      server.transport.close();
      expect(yield* server.lost).toBe(undefined);
      server.transport.close();
      server.transport.abort();
      expect(server.calls).toEqual(["connectionMade", "connectionLost"]);
      expect(server.transport.writeBufferSize).toBe(0);
      yield* client.close();
    });
  });

  test("inside datagramReceived keeps the rest away", async () => {
    const loop = new EventLoop();
    let server!: Recorder;
    class Once extends Recorder {
      override datagramReceived(data: Uint8Array, from: { address: string; port: number; family: "IPv4" }): void {
        super.datagramReceived(data, from);
        this.transport.close();
      }
    }
    await loop.runUntilComplete(
      (function* () {
        [, server] = yield* createDatagramEndpoint(() => new Once(), { localAddress: LOCAL });
      })(),
    );
    await arrive(server, 3);
    await loop.runUntilComplete(server.lost);
    expect(server.calls).toEqual(["connectionMade", "datagramReceived", "connectionLost"]);
    loop.close();
  });

  test("of Node's socket by somebody else is told, too", async () => {
    await runCleanly(function* () {
      const endpoint = yield* open({ localAddress: LOCAL });
      endpoint.transport.getExtraInfo("socket")!.close();
      expect(yield* endpoint.lost).toBe(undefined);
      expect(endpoint.transport.isClosing).toBe(true);
      endpoint.transport.close();
    });
  });
});

describe("DatagramTransport", () => {
  test("knows its addresses and its socket, also once it is closed", async () => {
    await runPair(function* (server, { transport, lost }) {
      const { port } = server.transport.getExtraInfo("sockname")!;
      const socket = transport.getExtraInfo("socket")!;
      expect(socket.remoteAddress()).toEqual({ address: "127.0.0.1", family: "IPv4", port });
      const sockname = socket.address();
      transport.close();
      yield* lost;
      expect(transport.getExtraInfo("peername")).toEqual({ address: "127.0.0.1", family: "IPv4", port });
      expect(transport.getExtraInfo("sockname")).toEqual(sockname);
      expect(transport.getExtraInfo("cipher" as "socket")).toBe(undefined);
    });
  });

  test("tells another protocol, once that is set", async () => {
    await runPair(function* (server, client) {
      client.transport.sendTo("one");
      expect(yield* server.text()).toBe("one");
      const next = new Recorder();
      server.transport.protocol = next;
      client.transport.sendTo("two");
      expect(yield* next.text()).toBe("two");
      server.transport.close();
      yield* next.lost;
      server.transport.protocol = server;
      server.lost.setResult(undefined);
    });
  });

  test("has limits of its write buffer that make sense", async () => {
    await runCleanly(function* () {
      const endpoint = yield* open({ family: 4 });
      const { transport } = endpoint;
      expect(transport.writeBufferLimits).toEqual({ high: 65_536, low: 16_384 });
      transport.writeBufferLimits = { high: 10 };
      expect(transport.writeBufferLimits).toEqual({ high: 10, low: 2 });
      transport.writeBufferLimits = { high: 10, low: 0 };
      expect(transport.writeBufferLimits).toEqual({ high: 10, low: 0 });
      for (const limits of [{ high: 1, low: 2 }, { high: -1 }, { high: Number.NaN }, { high: 1, low: -1 }]) {
        expect(() => (transport.writeBufferLimits = limits)).toThrow(withCode("WRITE_BUFFER_LIMITS"));
      }
      expect(transport.writeBufferLimits).toEqual({ high: 10, low: 0 });
      yield* endpoint.close();
    });
  });

  test("pauses nobody as long as the system takes all at once", async () => {
    await runPair(function* (_server, client) {
      client.transport.writeBufferLimits = { high: 0 };
      for (let i = 0; i < 100; i++) {
        client.transport.sendTo(new Uint8Array(1_000));
        if (client.transport.writeBufferSize > 0) return; // this system did not: nothing to be seen
      }
      expect(client.calls).toEqual(["connectionMade"]);
    });
  });

  test("hands on, in order, what arrived while the loop stood still, and drops what is too much", async () => {
    const loop = new EventLoop();
    let server!: Recorder;
    await loop.runUntilComplete(
      (function* () {
        server = yield* open({ localAddress: LOCAL });
      })(),
    );
    await arrive(server, 300);
    expect(server.calls).toEqual(["connectionMade"]);
    await loop.runUntilComplete(
      (function* () {
        for (let i = 0; i < 256; i++) expect(yield* server.text()).toBe(String(i));
        yield* sleep(0);
        expect(server.datagrams.empty).toBe(true);
        // and then goes on as before
        const client = yield* open({ remoteAddress: hostOf(server.transport) });
        client.transport.sendTo("the next");
        expect(yield* server.text()).toBe("the next");
        yield* client.close();
        yield* server.close();
        yield* socketsLeft(0);
      })(),
    );
    loop.close();
  });
});

/** Sends datagrams to an endpoint whose loop stands still: returns when Node has read all of them. */
async function arrive({ transport }: Recorder, count: number): Promise<void> {
  const socket = transport.getExtraInfo("socket")!;
  await run(function* () {
    const sender = yield* open({ remoteAddress: hostOf(transport) });
    for (let i = 0; i < count; i++) {
      const read = new Future<void>();
      socket.once("message", () => read.setResult());
      sender.transport.sendTo(String(i));
      yield* read;
    }
    yield* sender.close();
  });
}

// Loopback takes every datagram at once. With this option, which is for tests, Node buffers each of them, as it does where a
// network is slower than the program.
const BUFFER = "--test-udp-no-try-send";
const canBuffer = spawnSync(process.execPath, [BUFFER, "-e", ""]).status === 0;

describe.skipIf(!canBuffer)("what the system does not take at once", () => {
  const packages = fileURLToPath(new URL("../../..", import.meta.url));
  const built = (file: string): string => JSON.stringify(pathToFileURL(packages + file).href);

  /** Runs `body` in another process: a client's datagrams are buffered, the server tells which ones arrive. */
  async function runBuffering(body: string): Promise<unknown> {
    const program = `
      import { EventLoop, Future, run, sleep } from ${built("corio/dist/index.js")};
      import { createDatagramEndpoint } from ${built("node/dist/transports/datagram-endpoint.js")};
      const calls = [];
      let size;
      const received = [];
      let expected, all, lost;
      class Server {
        datagramReceived(data) {
          received.push(data.length);
          if (expected(data)) all.setResult();
        }
      }
      class Client {
        connectionMade(transport) { this.transport = transport; }
        pauseWriting() { calls.push("pause", this.transport.writeBufferSize); }
        resumeWriting() { calls.push("resume", this.transport.writeBufferSize); }
        errorReceived(error) { calls.push(error.code); }
        connectionLost(error) { calls.push("lost", error ?? null); lost.setResult(); }
      }
      await run(function* () {
        all = new Future();
        lost = new Future();
        const localAddress = { host: "127.0.0.1", port: 0 };
        const [server] = yield* createDatagramEndpoint(() => new Server(), { localAddress });
        const sockname = server.getExtraInfo("sockname");
        const remoteAddress = { host: sockname.address, port: sockname.port };
        const [client] = yield* createDatagramEndpoint(() => new Client(), { remoteAddress });
        const send = (count) => { for (let i = 0; i < count; i++) client.sendTo(new Uint8Array(1_000)); };
        ${body}
      });
      console.log(JSON.stringify({ calls, received: received.length, size }));
    `;
    const { stdout } = await new PeerProcess(process.execPath, [
      BUFFER,
      "--input-type=module",
      "-e",
      program,
    ]).succeeded();
    return JSON.parse(stdout);
  }

  test("is counted, pauses the protocol above the high-water mark, and resumes it at the low one", async () => {
    const told = await runBuffering(`
      client.writeBufferLimits = { high: 10_000, low: 2_500 };
      expected = () => received.length === 20;
      send(20);
      size = client.writeBufferSize;
      yield* all;
      while (calls.length < 4) yield* sleep(0);
      client.close();
      yield* lost;
      server.close();
    `);
    expect(told).toEqual({
      calls: ["pause", 11_000, "resume", expect.toSatisfy((size) => size <= 2_500), "lost", null],
      received: 20,
      size: 20_000,
    });
  });

  test("is sent before the endpoint closes", async () => {
    const told = await runBuffering(`
      expected = () => received.length === 10;
      send(10);
      client.close();
      send(10);
      size = client.writeBufferSize;
      yield* all;
      yield* lost;
      server.close();
    `);
    expect(told).toEqual({ calls: ["lost", null], received: 10, size: 10_000 });
  });

  test("is sent although the loop is closed, if the endpoint was told to close", async () => {
    const told = await runBuffering(`
      expected = () => received.length === 10;
      setImmediate(async () => {
        const loop = new EventLoop();
        const opening = createDatagramEndpoint(() => ({}), { remoteAddress });
        const [other] = await loop.runUntilComplete(opening);
        for (let i = 0; i < 10; i++) other.sendTo(new Uint8Array(1_000));
        other.close();
        size = other.writeBufferSize;
        loop.close();
      });
      yield* all;
      client.close();
      yield* lost;
      server.close();
    `);
    expect(told).toEqual({ calls: ["lost", null], received: 10, size: 10_000 });
  });

  test("is given up by abort(), without an error", async () => {
    const told = await runBuffering(`
      expected = (data) => data.length === 6;
      send(10);
      client.abort();
      size = client.writeBufferSize;
      yield* lost;
      const [other] = yield* createDatagramEndpoint(() => ({}), { remoteAddress });
      other.sendTo("marker");
      yield* all;
      other.close();
      server.close();
    `);
    expect(told).toEqual({
      calls: ["lost", null],
      // the first one has gone at once
      received: expect.toSatisfy((count) => count <= 2),
      size: 0,
    });
  });
});

const hasPython = spawnSync("python3", ["--version"]).status === 0;

describe.skipIf(!hasPython)("CPython's asyncio", () => {
  test("answers", async () => {
    const python = new PeerProcess("python3", [
      "-u",
      "-c",
      `
import asyncio

class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
        print("port", transport.get_extra_info("sockname")[1])
    def datagram_received(self, data, addr):
        self.transport.sendto(b"echo " + data, addr)
        if data == b"bye":
            done.set_result(None)

async def main():
    global done
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    await done
    transport.close()

asyncio.run(main())
`,
    ]);
    const port = Number((await python.wrote(/port (\d+)/))[1]);
    await runCleanly(function* () {
      const client = yield* open({ remoteAddress: { host: "127.0.0.1", port } });
      for (const word of ["hello", "x".repeat(10_000), "bye"]) {
        client.transport.sendTo(word);
        expect(yield* client.datagrams.get()).toEqual([`echo ${word}`, { address: "127.0.0.1", port, family: "IPv4" }]);
      }
      yield* client.close();
    });
    await python.succeeded();
  });

  test("is answered", async () => {
    let server!: DatagramTransport;
    let python!: PeerProcess;
    await runCleanly(function* () {
      const [transport, echo] = yield* createDatagramEndpoint(() => new Echo(), { localAddress: LOCAL });
      server = transport;
      python = new PeerProcess("python3", [
        "-u",
        "-c",
        `
import asyncio, sys

class Client(asyncio.DatagramProtocol):
    def datagram_received(self, data, addr):
        answers.put_nowait(data)

async def main():
    global answers
    answers = asyncio.Queue()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Client, remote_addr=("127.0.0.1", int(sys.argv[1])))
    for data in [b"hello", b"x" * 10000, b"bye"]:
        transport.sendto(data)
        assert await answers.get() == data
    transport.close()

asyncio.run(main())
`,
        String(hostOf(server).port),
      ]);
      const ended = new Future<void>();
      python.ended.then(
        () => ended.setResult(),
        (error) => ended.setException(error),
      );
      yield* ended;
      yield* echo.close();
    });
    expect(await python.succeeded()).toMatchObject({ stderr: "" });
  });
});
