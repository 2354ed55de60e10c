import { Socket } from "node:dgram";
import dns from "node:dns";
import { syncBuiltinESMExports } from "node:module";
import { CancelledError, createTask, EventLoop, getRunningLoop, run, sleep, type Task } from "corio";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createDatagramEndpoint, type DatagramEndpointOptions } from "../../src/transports/datagram-endpoint.js";
import {
  Echo,
  failure,
  hasIPv6,
  hostOf,
  LOCAL,
  open,
  Recorder,
  reportsOf,
  runCleanly,
  sockets,
  socketsLeft,
  withCode,
} from "./datagram-recorder.js";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const knowsReusePort = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);

describe.each([
  { family: 4 as const, host: "127.0.0.1", any: "0.0.0.0", skip: false },
  { family: 6 as const, host: "::1", any: "::", skip: !hasIPv6 },
])("an IPv$family endpoint", ({ family, host, any, skip }) => {
  test.skipIf(skip)("asks and answers, with a remote address and without", async () => {
    await runCleanly(function* () {
      const [transport, server] = yield* createDatagramEndpoint(() => new Echo(), { localAddress: { host, port: 0 } });
      const { address, port } = transport.getExtraInfo("sockname")!;
      const from = { address: host, port, family: `IPv${family}` };
      expect({ address, port }).toEqual({ address: host, port: expect.any(Number) });

      const connected = yield* open({ remoteAddress: { host, port } });
      connected.transport.sendTo("one");
      expect(yield* connected.datagrams.get()).toEqual(["one", from]);
      expect(connected.transport.getExtraInfo("peername")).toMatchObject({ address: host, port });

      const free = yield* open({ family });
      expect(free.transport.getExtraInfo("sockname")).toMatchObject({ address: any, port: expect.any(Number) });
      expect(free.transport.getExtraInfo("peername")).toBe(undefined);
      free.transport.sendTo("two", { address, port });
      expect(yield* free.datagrams.get()).toEqual(["two", from]);

      for (const endpoint of [server, connected, free]) expect(yield* endpoint.close()).toBe(undefined);
    });
  });
});

describe("createDatagramEndpoint", () => {
  test("makes the protocol when the socket is open, and returns it after connectionMade", async () => {
    await runCleanly(function* () {
      let open = -1;
      const [transport, protocol] = yield* createDatagramEndpoint(() => ((open = sockets().length), new Recorder()), {
        localAddress: LOCAL,
      });
      expect(open).toBe(1);
      expect(protocol.calls).toEqual(["connectionMade"]);
      expect(protocol.transport).toBe(transport);
      expect(transport.protocol).toBe(protocol);
      expect(transport.loop).toBe(getRunningLoop());
      yield* protocol.close();
    });
  });

  test("takes a local and a remote address together", async () => {
    await runCleanly(function* () {
      const server = yield* open({ localAddress: LOCAL });
      const client = yield* open({ localAddress: LOCAL, remoteAddress: hostOf(server.transport) });
      client.transport.sendTo("hello");
      const [, from] = yield* server.datagrams.get();
      expect(client.transport.getExtraInfo("sockname")).toMatchObject({ address: from.address, port: from.port });
      yield* client.close();
      yield* server.close();
    });
  });

  test("with a remote address receives only from there", async () => {
    await runCleanly(function* () {
      const server = yield* open({ localAddress: LOCAL });
      const client = yield* open({ localAddress: LOCAL, remoteAddress: hostOf(server.transport) });
      const { address, port } = client.transport.getExtraInfo("sockname")!;
      const stranger = yield* open({ family: 4 });
      stranger.transport.sendTo("not for you", { address, port });
      server.transport.sendTo("for you", { address, port });
      expect(yield* client.text()).toBe("for you");
      for (const endpoint of [server, client, stranger]) yield* endpoint.close();
    });
  });

  test("resolves names", async () => {
    await runCleanly(function* () {
      const server = yield* open({ localAddress: { host: "localhost", port: 0 }, family: 4 });
      expect(server.transport.getExtraInfo("sockname")?.address).toBe("127.0.0.1");
      const client = yield* open({
        localAddress: LOCAL,
        remoteAddress: { ...hostOf(server.transport), host: "localhost" },
      });
      client.transport.sendTo("hello");
      expect(yield* server.text()).toBe("hello");
      yield* client.close();
      yield* server.close();
    });
  });

  describe("with a name that has addresses of both families", () => {
    const lookup = dns.lookup;
    beforeEach(() => {
      const both = [
        { family: 6, address: "::1" },
        { family: 4, address: "127.0.0.1" },
      ];
      const answer = (name: string, { family }: dns.LookupAllOptions, callback: (...args: unknown[]) => void): void => {
        expect(name).toBe("both.test");
        setImmediate(
          callback,
          null,
          both.filter((one) => !family || one.family === family),
        );
      };
      dns.lookup = answer as typeof dns.lookup;
      syncBuiltinESMExports();
    });
    afterEach(() => {
      dns.lookup = lookup;
      syncBuiltinESMExports();
    });

    test.skipIf(!hasIPv6)("takes the first address that works, and else fails as the first one does", async () => {
      await runCleanly(function* () {
        const holder = yield* open({ localAddress: { host: "both.test", port: 0 } });
        const { host, port } = hostOf(holder.transport);
        expect(host).toBe("::1");
        const next = yield* open({ localAddress: { host: "both.test", port } });
        expect(hostOf(next.transport)).toEqual({ host: "127.0.0.1", port });
        const error = yield* failure(open({ localAddress: { host: "both.test", port } }));
        expect(error).toMatchObject({ code: "EADDRINUSE", address: "::1" });
        yield* socketsLeft(2);
        yield* holder.close();
        yield* next.close();
      });
    });

    test("takes the family that the other address has, or that is wanted", async () => {
      await runCleanly(function* () {
        const one = yield* open({ localAddress: LOCAL, remoteAddress: { host: "both.test", port: 9 } });
        expect(one.transport.getExtraInfo("peername")?.address).toBe("127.0.0.1");
        const other = yield* open({ localAddress: { host: "both.test", port: 0 }, family: 4 });
        expect(hostOf(other.transport).host).toBe("127.0.0.1");
        yield* one.close();
        yield* other.close();
      });
    });
  });

  test.skipIf(!hasIPv6)("leaves IPv4 alone with ipv6Only, and else serves it, too", async () => {
    await runCleanly(function* () {
      const both = yield* open({ localAddress: { host: "::", port: 0 } });
      const { port } = hostOf(both.transport);
      const client = yield* open({ remoteAddress: { host: "127.0.0.1", port } });
      client.transport.sendTo("hello");
      const [, from] = yield* both.datagrams.get();
      expect(from).toMatchObject({ address: "::ffff:127.0.0.1", family: "IPv6" });
      both.transport.sendTo("hello yourself", from);
      expect(yield* client.text()).toBe("hello yourself");
      yield* both.close();

      const only = yield* open({ localAddress: { host: "::", port: 0 }, ipv6Only: true });
      const beside = yield* open({ localAddress: { host: "0.0.0.0", port: hostOf(only.transport).port } });
      for (const endpoint of [client, only, beside]) yield* endpoint.close();
    });
  });

  test("asks the system for buffers of the sizes that are wanted", async () => {
    await runCleanly(function* () {
      const usual = yield* open({ localAddress: LOCAL });
      const small = yield* open({ localAddress: LOCAL, receiveBufferSize: 20_000, sendBufferSize: 30_000 });
      const of = ({ transport }: Recorder): number[] => {
        const socket = transport.getExtraInfo("socket")!;
        return [socket.getRecvBufferSize(), socket.getSendBufferSize()];
      };
      // Linux doubles them
      const factor = process.platform === "linux" ? 2 : 1;
      expect(of(small)).toEqual([20_000 * factor, 30_000 * factor]);
      expect(of(usual)).not.toEqual(of(small));
      yield* usual.close();
      yield* small.close();
    });
  });

  describe("broadcast", () => {
    test("is refused by the system without allowBroadcast", async () => {
      await runCleanly(function* () {
        const endpoint = yield* open({ localAddress: LOCAL });
        endpoint.transport.sendTo("all", { address: "255.255.255.255", port: 9 });
        expect((yield* endpoint.errors.get()).code).toBe("EACCES");
        yield* endpoint.close();
      });
    });

    test.skipIf(process.platform !== "linux")("arrives with allowBroadcast", async () => {
      await runCleanly(function* () {
        const server = yield* open({ localAddress: { host: "0.0.0.0", port: 0 } });
        const client = yield* open({ localAddress: LOCAL, allowBroadcast: true });
        client.transport.sendTo("all", { address: "127.255.255.255", port: hostOf(server.transport).port });
        expect(yield* server.text()).toBe("all");
        expect(client.calls).toEqual(["connectionMade"]);
        yield* client.close();
        yield* server.close();
      });
    });
  });

  describe("multicast", () => {
    const group = "239.255.77.61";
    const onLoopback: DatagramEndpointOptions = { localAddress: LOCAL, multicastInterface: "127.0.0.1" };

    test("arrives at those who joined the group, as long as they are in it", async ({ skip }) => {
      await runCleanly(function* () {
        const member = yield* open({ localAddress: { host: "0.0.0.0", port: 0 }, reuseAddress: true });
        const { port } = hostOf(member.transport);
        const other = yield* open({ localAddress: { host: "0.0.0.0", port }, reuseAddress: true });
        const sender = yield* open({ ...onLoopback, multicastTTL: 0, multicastLoopback: true });
        const close = function* () {
          for (const endpoint of [member, other, sender]) yield* endpoint.close();
        };
        try {
          member.transport.addMembership(group, "127.0.0.1");
          other.transport.addMembership(group, "127.0.0.1");
        } catch (error) {
          yield* close();
          skip(`this system has no multicast on its loopback: ${String(error)}`);
        }
        sender.transport.sendTo("one", { address: group, port });
        expect([yield* member.text(), yield* other.text()]).toEqual(["one", "one"]);
        other.transport.dropMembership(group, "127.0.0.1");
        expect(() => other.transport.dropMembership(group, "127.0.0.1")).toThrow(
          expect.objectContaining({ code: "EADDRNOTAVAIL" }),
        );
        sender.transport.sendTo("two", { address: group, port });
        expect(yield* member.text()).toBe("two");
        yield* close();
        other.transport.dropMembership(group, "127.0.0.1"); // nothing to leave any more
        expect(() => other.transport.addMembership(group)).toThrow(
          expect.objectContaining({ code: "ERR_SOCKET_DGRAM_NOT_RUNNING" }),
        );
      });
    });

    test("has its settings handed to the socket", async () => {
      const loopback = vi.spyOn(Socket.prototype, "setMulticastLoopback");
      const ttl = vi.spyOn(Socket.prototype, "setMulticastTTL");
      try {
        await runCleanly(function* () {
          const endpoint = yield* open({ ...onLoopback, multicastTTL: 7, multicastLoopback: false });
          expect([loopback.mock.calls, ttl.mock.calls]).toEqual([[[false]], [[7]]]);
          yield* endpoint.close();
        });
      } finally {
        loopback.mockRestore();
        ttl.mockRestore();
      }
    });

    test("refuses to join what is no group", async () => {
      await runCleanly(function* () {
        const endpoint = yield* open({ localAddress: LOCAL });
        expect(() => endpoint.transport.addMembership("127.0.0.1")).toThrow(
          expect.objectContaining({ code: "EINVAL", syscall: "addMembership" }),
        );
        yield* endpoint.close();
      });
    });
  });

  describe("an address that is taken", () => {
    test("is refused with EADDRINUSE", async () => {
      await runCleanly(function* () {
        const holder = yield* open({ localAddress: LOCAL });
        const error = yield* failure(open({ localAddress: hostOf(holder.transport) }));
        expect(error).toMatchObject({ code: "EADDRINUSE", syscall: "bind" });
        yield* socketsLeft(1);
        yield* holder.close();
      });
    });

    test("is shared with reuseAddress on both sides", async () => {
      await runCleanly(function* () {
        const one = yield* open({ localAddress: LOCAL, reuseAddress: true });
        const two = yield* open({ localAddress: hostOf(one.transport), reuseAddress: true });
        expect(hostOf(two.transport)).toEqual(hostOf(one.transport));
        yield* one.close();
        yield* two.close();
      });
    });

    test.skipIf(!knowsReusePort || process.platform !== "linux")("is shared with reusePort on both sides", async () => {
      await runCleanly(function* () {
        const one = yield* open({ localAddress: LOCAL, reusePort: true });
        const two = yield* open({ localAddress: hostOf(one.transport), reusePort: true });
        expect(hostOf(two.transport)).toEqual(hostOf(one.transport));
        yield* one.close();
        yield* two.close();
      });
    });
  });

  test.skipIf(knowsReusePort)("refuses reusePort where Node would ignore it", async () => {
    await runCleanly(function* () {
      const error = yield* failure(open({ localAddress: LOCAL, reusePort: true }));
      expect(error).toEqual(withCode("REUSE_PORT", /needs Node 22\.12/));
    });
  });

  test.each<[what: string, options: DatagramEndpointOptions, error: object]>([
    [
      "an address that is not this machine's",
      { localAddress: { host: "192.0.2.77", port: 0 } },
      { code: "EADDRNOTAVAIL" },
    ],
    ["a host without an address", { localAddress: { host: "::1", port: 0 }, family: 4 }, { code: "ENOTFOUND" }],
    [
      "an option that the system refuses",
      { localAddress: LOCAL, multicastInterface: "192.0.2.77" },
      { code: "EADDRNOTAVAIL" },
    ],
    ["an option of the wrong kind", { localAddress: LOCAL, multicastTTL: "1" as never }, { code: /ERR_INVALID/ }],
    ["a buffer size that is none", { localAddress: LOCAL, sendBufferSize: -1 }, { code: "ERR_OUT_OF_RANGE" }],
    [
      "a remote address that cannot be connected",
      { localAddress: LOCAL, remoteAddress: { host: "255.255.255.255", port: 9 } },
      { syscall: "connect" },
    ],
  ])("fails with %s, and leaves nothing open", async (_what, options, error) => {
    await runCleanly(function* () {
      const thrown = yield* failure(open(options));
      for (const [key, value] of Object.entries(error)) {
        if (value instanceof RegExp) expect(thrown).toHaveProperty(key, expect.stringMatching(value));
        else expect(thrown).toHaveProperty(key, value);
      }
      yield* socketsLeft(0);
    });
  });

  test.each<[what: string, options: unknown, code: string, message: RegExp]>([
    ["no address and no family", {}, "NO_ADDRESS", /localAddress: \{ host/],
    ["no options", undefined, "NO_ADDRESS", /family: 4/],
    ["another family", { family: 5 }, "FAMILY", /4 or 6, not 5/],
    ["a host that is no string", { localAddress: { host: undefined, port: 1 } }, "HOST", /localAddress is \{ host/],
    ["an address that is no object", { remoteAddress: "127.0.0.1:9" }, "HOST", /remoteAddress is \{ host/],
    ["null for an address", { localAddress: null }, "HOST", /localAddress is \{ host/],
    ["a port that is no number", { localAddress: { host: "::1", port: "9" } }, "PORT", /from 0 to 65535, not 9/],
    ["no remote port", { remoteAddress: { host: "::1", port: 0 } }, "PORT", /remoteAddress is .* from 1 to 65535/],
    [
      "addresses of two families",
      { localAddress: LOCAL, remoteAddress: { host: "::1", port: 9 } },
      "ADDRESS_FAMILY",
      /127\.0\.0\.1 and ::1 have no address of the same family/,
    ],
  ])("refuses %s", async (_what, options, code, message) => {
    await runCleanly(function* () {
      expect(yield* failure(open(options as DatagramEndpointOptions))).toEqual(withCode(code, message));
    });
  });

  test("refuses a class in place of a factory", async () => {
    await runCleanly(function* () {
      const error = yield* failure(createDatagramEndpoint(Recorder as never, { localAddress: LOCAL }));
      expect(error).toEqual(withCode("PROTOCOL_FACTORY", /createDatagramEndpoint/));
    });
  });

  test("closes the socket if the factory throws", async () => {
    await runCleanly(function* () {
      const make = (): Recorder => {
        throw new Error("no protocol today");
      };
      const error = yield* failure(createDatagramEndpoint(make, { localAddress: LOCAL }));
      expect(error.message).toBe("no protocol today");
      yield* socketsLeft(0);
    });
  });

  test("reports a connectionMade that throws, and closes the endpoint", async () => {
    const exception = new Error("made badly");
    let protocol: Recorder | undefined;
    const reports = await reportsOf(function* () {
      const [transport, made] = yield* createDatagramEndpoint(
        () =>
          new (class extends Recorder {
            override connectionMade(): void {
              throw exception;
            }
          })(),
        { localAddress: LOCAL },
      );
      protocol = made;
      expect(transport.isClosing).toBe(true);
      expect(yield* made.lost).toBe(exception);
    });
    expect(reports).toEqual([
      {
        message: "Fatal error: protocol.connectionMade() call failed",
        exception,
        transport: expect.anything(),
        protocol,
      },
    ]);
  });

  describe("cancelled", () => {
    function* cancelled(task: Task<unknown>, openSockets: number) {
      yield* sleep(0); // so far it gets
      expect(task.done).toBe(false);
      expect(sockets()).toHaveLength(openSockets);
      task.cancel();
      expect(yield* failure(waitFor(task))).toBeInstanceOf(CancelledError);
      yield* socketsLeft(0);
    }
    function* waitFor(task: Task<unknown>) {
      return yield* task;
    }

    test("while a name is resolved, opens nothing", async () => {
      await runCleanly(function* () {
        yield* cancelled(createTask(open({ localAddress: { host: "localhost", port: 0 } })), 0);
      });
    });

    test("while it is connected, leaves nothing open", async () => {
      await runCleanly(function* () {
        yield* cancelled(createTask(open({ remoteAddress: { host: "127.0.0.1", port: 9 } })), 1);
      });
    });
  });

  test("closes with its loop, and calls nobody", async () => {
    let endpoint!: Recorder;
    await run(function* () {
      endpoint = yield* open({ localAddress: LOCAL });
    });
    expect(endpoint.transport.isClosing).toBe(true);
    expect(endpoint.calls).toEqual(["connectionMade"]);
    await run(socketsLeft(0));
    expect(endpoint.calls).toEqual(["connectionMade"]);
    expect(endpoint.lost.done).toBe(false);
  });

  test("misses nothing of what arrives before the protocol is there", async () => {
    const loop = new EventLoop();
    let opening!: Task<Recorder>;
    await loop.runUntilComplete(
      (function* () {
        const sender = yield* open({ localAddress: LOCAL });
        const spare = yield* open({ localAddress: LOCAL });
        const own = hostOf(spare.transport);
        yield* spare.close();
        opening = createTask(open({ localAddress: own, remoteAddress: hostOf(sender.transport) }));
        yield* sleep(0);
        expect(opening.done).toBe(false); // it is bound, and being connected
        for (const word of ["one", "two", "three"]) sender.transport.sendTo(word, { ...own, address: own.host });
        sender.transport.close();
      })(),
    );
    // The loop stands still, but Node reads.
    for (let i = 0; i < 10; i++) await new Promise(setImmediate);
    await loop.runUntilComplete(
      (function* () {
        const endpoint = yield* opening;
        expect([yield* endpoint.text(), yield* endpoint.text(), yield* endpoint.text()]).toEqual([
          "one",
          "two",
          "three",
        ]);
        expect(endpoint.calls[0]).toBe("connectionMade");
        yield* endpoint.close();
        yield* socketsLeft(0);
      })(),
    );
    loop.close();
  });
});
