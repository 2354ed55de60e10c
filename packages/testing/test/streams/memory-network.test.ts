import {
  ContextVar,
  createTask,
  type Coroutine,
  currentTask,
  gather,
  isCancelled,
  sleep,
  type Task,
  timeout,
  waitFor,
  within,
} from "corio";
import { runVirtually, VirtualLoop, waitAllTasksBlocked } from "@corio/testing";
import { MemoryNetwork, type NetworkConditions } from "@corio/testing/streams";
import type { openConnection, StreamReader, StreamWriter } from "@corio/node";
import { describe, expect, test } from "vitest";
import { text } from "../../../node/test/support/bytes.js";
import { systemError, thrownBy, withCode } from "../../../node/test/support/thrown-by.js";
import { now, runInMemory } from "./run-in-memory.js";

const HOST = "server.example";
const PORT = 7;

/** Answers each line with the same line. */
function* echo(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
  for (let line = yield* reader.readline(); line.length > 0; line = yield* reader.readline()) writer.write(line);
}

/** Runs a body with a network on which a server listens. */
function withServer<T>(
  body: (network: MemoryNetwork) => Coroutine<T>,
  conditions: NetworkConditions = {},
  handler: (reader: StreamReader, writer: StreamWriter) => Coroutine<unknown> = echo,
): Awaited<T> {
  return runInMemory(function* () {
    const network = new MemoryNetwork(conditions);
    const server = yield* network.startServer(handler, HOST, PORT);
    return yield* within(server, () => body(network));
  });
}

function* ping(reader: StreamReader, writer: StreamWriter, line = "ping\n"): Coroutine<string> {
  writer.write(line);
  return text(yield* reader.readline());
}

describe("connecting", () => {
  test("takes a round trip, and the server hears of it halfway", () => {
    let accepted: number | undefined;
    withServer(
      function* (network) {
        const [reader, writer] = yield* network.openConnection(HOST, PORT);
        expect(now()).toBe(60);
        expect(accepted).toBe(30);
        yield* within(writer, () => ping(reader, writer));
        expect(now()).toBe(120);
      },
      { latency: 30 },
      function* (reader, writer) {
        accepted = now();
        yield* echo(reader, writer);
      },
    );
  });

  test("hears at once what the server says first", () => {
    withServer(
      function* (network) {
        const [reader, writer] = yield* network.openConnection(HOST, PORT);
        yield* within(writer, function* () {
          expect(text(yield* reader.readline())).toBe("welcome\n");
          expect(now()).toBe(60);
        });
      },
      { latency: 30 },
      function* (reader, writer) {
        writer.write("welcome\n");
        yield* reader.read();
      },
    );
  });

  test("is refused after a round trip where nobody listens", () => {
    withServer(
      function* (network) {
        for (const place of [
          { host: HOST, port: 8 },
          { host: "other.example", port: PORT },
        ]) {
          const start = now();
          expect(yield* thrownBy(network.openConnection(place.host, place.port))).toMatchObject({
            message: `connect ECONNREFUSED ${place.host}:${place.port}`,
            code: "ECONNREFUSED",
            syscall: "connect",
            address: place.host,
            port: place.port,
          });
          expect(now() - start).toBe(60);
        }
      },
      { latency: 30 },
    );
  });

  test.each([
    ["localhost", "127.0.0.1"],
    ["127.0.0.1", "localhost"],
    [undefined, "any.example"],
    [["first.example", "second.example"], "second.example"],
  ] as const)("to a server that listens at %s is possible at %s", (host, to) => {
    runInMemory(function* () {
      const network = new MemoryNetwork();
      const server = yield* network.startServer(echo, host, PORT);
      yield* within(server, function* () {
        expect(yield* thrownBy(network.startServer(echo, to, PORT))).toEqual(systemError("EADDRINUSE"));
        expect(yield* thrownBy(network.startServer(echo, undefined, PORT))).toEqual(systemError("EADDRINUSE"));
        const [reader, writer] = yield* network.openConnection(to, PORT);
        yield* within(writer, function* () {
          expect(yield* ping(reader, writer)).toBe("ping\n");
        });
      });
      const again = yield* network.startServer(echo, host, PORT, { startServing: false });
      expect(again.isServing).toBe(false);
      yield* again.startServing();
      expect(again.isServing).toBe(true);
      again.close();
    });
  });

  test("is what code gets that takes a function for it", () => {
    function* fetchLine(open: typeof openConnection): Coroutine<string> {
      const [reader, writer] = yield* open(HOST, PORT, { limit: 100 });
      return yield* within(writer, () => ping(reader, writer));
    }
    withServer(function* ({ openConnection: open }) {
      expect(yield* fetchLine(open)).toBe("ping\n");
    });
  });

  test("to a server that has begun to close is refused", () => {
    runInMemory(function* () {
      const network = new MemoryNetwork({ latency: 10 });
      const server = yield* network.startServer(echo, HOST, PORT);
      const connecting = createTask(thrownBy(network.openConnection(HOST, PORT)));
      yield* sleep(5);
      server.close();
      expect(yield* connecting).toEqual(systemError("ECONNREFUSED"));
    });
  });

  test("ends with the loop: a later one finds nobody, and may listen there", () => {
    const network = new MemoryNetwork();
    runVirtually(function* () {
      yield* network.startServer(echo, HOST, PORT);
    });
    runVirtually(function* () {
      expect(yield* thrownBy(network.openConnection(HOST, PORT))).toEqual(systemError("ECONNREFUSED"));
      const server = yield* network.startServer(echo, HOST, PORT);
      expect(server.isServing).toBe(true);
    });
  });
});

test("a server of another loop is not reached", () => {
  const network = new MemoryNetwork();
  using other = new VirtualLoop();
  other.runUntilComplete(network.startServer(echo, HOST, PORT));
  runVirtually(function* () {
    expect(yield* thrownBy(network.openConnection(HOST, PORT))).toEqual(systemError("ECONNREFUSED"));
  });
});

describe("a handler", () => {
  test("runs in a copy of the context in which the server was started, not in the client's", () => {
    const user = new ContextVar<string>("user");
    const seen: (string | undefined)[] = [];
    runInMemory(function* () {
      const network = new MemoryNetwork();
      user.set("server");
      const server = yield* network.startServer(
        function* (reader) {
          seen.push(user.get());
          user.set("handler");
          yield* reader.read();
        },
        HOST,
        PORT,
      );
      yield* within(server, function* () {
        user.set("client");
        for (let i = 0; i < 2; i++) {
          const [, writer] = yield* network.openConnection(HOST, PORT);
          yield* within(writer, () => sleep(0));
        }
      });
      user.set("server of a function");
      const plain = yield* network.startServer(
        (_reader, writer) => {
          seen.push(user.get());
          writer.close();
        },
        HOST,
        PORT,
      );
      yield* within(plain, function* () {
        user.set("client");
        const [, writer] = yield* network.openConnection(HOST, PORT);
        yield* within(writer, () => sleep(0));
      });
    });
    expect(seen).toEqual(["server", "server", "server of a function"]);
  });

  test("that is an ordinary function and throws is reported, and its connection closed", () => {
    runInMemory(
      function* () {
        const network = new MemoryNetwork();
        const server = yield* network.startServer(
          () => {
            throw new Error("not today");
          },
          HOST,
          PORT,
        );
        yield* within(server, function* () {
          const [reader, writer] = yield* network.openConnection(HOST, PORT);
          yield* within(writer, function* () {
            expect((yield* reader.read()).length).toBe(0);
          });
        });
      },
      [/Unhandled exception in a connection's handler[\s\S]*not today/],
    );
  });

  test("may be cancelled, which aborts its connection", () => {
    const handling: (Task<unknown> | undefined)[] = [];
    withServer(
      function* (network) {
        const [reader, writer] = yield* network.openConnection(HOST, PORT);
        yield* within(writer, function* () {
          yield* sleep(100);
          handling[0]?.cancel();
          // what had left arrives, what waited does not
          expect(text(yield* reader.read())).toBe("all this");
        });
      },
      { bandwidth: 10 },
      function* (_reader, writer) {
        handling.push(currentTask());
        writer.write("all this");
        writer.write(" and that");
        yield* sleep(1_000_000);
      },
    );
  });

  test("is cancelled when its server is, which waits for its cleanup", () => {
    let cleanedUp = false;
    runInMemory(function* () {
      const network = new MemoryNetwork();
      const server = yield* network.startServer(
        function* (reader) {
          try {
            yield* reader.read();
          } finally {
            yield* sleep(50);
            cleanedUp = true;
          }
        },
        HOST,
        PORT,
      );
      const serving = createTask(server.serveForever());
      const [reader, writer] = yield* network.openConnection(HOST, PORT);
      yield* within(writer, function* () {
        serving.cancel();
        expect(isCancelled(yield* thrownBy(serving))).toBe(true);
        expect(cleanedUp).toBe(true);
        expect(now()).toBe(50);
        expect((yield* reader.read()).length).toBe(0);
      });
    });
  });
});

describe("disconnectAll", () => {
  test("breaks every connection on both sides, and the next one stands", () => {
    const failures: unknown[] = [];
    withServer(
      function* (network) {
        const clients = [yield* network.openConnection(HOST, PORT), yield* network.openConnection(HOST, PORT)];
        const reading = clients.map(([reader]) => createTask(thrownBy(reader.readline())));
        clients[0]?.[1].write("never arrives\n");
        network.disconnectAll();
        for (const failure of yield* gather(reading)) expect(failure).toEqual(systemError("ECONNRESET"));
        const [reader, writer] = yield* network.openConnection(HOST, PORT);
        yield* within(writer, function* () {
          expect(yield* ping(reader, writer)).toBe("ping\n");
        });
        network.disconnectAll();
        expect(failures).toEqual([systemError("ECONNRESET"), systemError("ECONNRESET")]);
      },
      { latency: 10 },
      function* (reader, writer) {
        try {
          yield* echo(reader, writer);
        } catch (error) {
          failures.push(error);
        }
      },
    );
  });

  test("breaks one that is about to be accepted", () => {
    let handled = 0;
    withServer(
      function* (network) {
        const connecting = createTask(thrownBy(network.openConnection(HOST, PORT)));
        yield* sleep(0);
        network.disconnectAll();
        expect(yield* connecting).toEqual(systemError("ECONNRESET"));
        yield* sleep(1);
        expect(network.connections).toBe(0);
        expect(handled).toBe(0);
      },
      {},
      function* (reader) {
        handled++;
        yield* reader.read();
      },
    );
  });

  test.each([0, 5, 10, 15])("breaks one that is being made, too: after %i of 20 milliseconds", (ms) => {
    let handled = 0;
    withServer(
      function* (network) {
        const connecting = createTask(thrownBy(network.openConnection(HOST, PORT)));
        yield* sleep(ms);
        network.disconnectAll();
        expect(yield* connecting).toEqual(systemError("ECONNRESET"));
        expect(now()).toBe(ms);
        yield* sleep(100);
        expect(handled).toBe(ms < 10 ? 0 : 1);
      },
      { latency: 10 },
      function* (reader) {
        handled++;
        yield* thrownBy(reader.readline());
      },
    );
  });
});

test("connections tells how many are open", () => {
  withServer(function* (network) {
    expect(network.connections).toBe(0);
    const connections = [yield* network.openConnection(HOST, PORT), yield* network.openConnection(HOST, PORT)];
    expect(network.connections).toBe(2);
    for (const [, writer] of connections) writer.close();
    for (const [, writer] of connections) yield* writer.waitClosed();
    yield* waitAllTasksBlocked();
    expect(network.connections).toBe(0);
    yield* thrownBy(network.openConnection(HOST, 8));
    yield* waitAllTasksBlocked();
    expect(network.connections).toBe(0);
  });
});

describe("a partition", () => {
  test("lets nothing through until it is healed, and loses nothing", () => {
    withServer(
      function* (network) {
        const [reader, writer] = yield* network.openConnection(HOST, PORT);
        yield* within(writer, function* () {
          writer.write("under way\n");
          yield* sleep(5);
          network.partition();
          network.partition();
          writer.write("in between\n");
          const error = yield* thrownBy(waitFor(reader.readline(), 1_000));
          expect(error).toMatchObject({ name: "TimeoutError" });
          const healed = now();
          network.heal();
          network.heal();
          expect(text(yield* reader.readline())).toBe("under way\n");
          expect(now() - healed).toBe(20);
          expect(text(yield* reader.readline())).toBe("in between\n");
          expect(now() - healed).toBe(20);
        });
      },
      { latency: 10 },
    );
  });

  test("holds up who connects, and a timeout gives up without leaving anything", () => {
    withServer(
      function* (network) {
        network.partition();
        const error = yield* thrownBy(within(timeout(500), () => network.openConnection(HOST, PORT)));
        expect(error).toMatchObject({ name: "TimeoutError" });
        const connecting = createTask(network.openConnection(HOST, PORT));
        yield* sleep(500);
        expect(connecting.done).toBe(false);
        network.heal();
        const [reader, writer] = yield* connecting;
        expect(now()).toBe(1_020);
        yield* within(writer, () => ping(reader, writer));
      },
      { latency: 10 },
    );
  });
});

describe("a seed", () => {
  /** When each of five clients gets its answers. */
  const run = (seed: number): number[][] =>
    withServer(
      function* (network) {
        return yield* gather(
          Array.from({ length: 5 }, function* () {
            const [reader, writer] = yield* network.openConnection(HOST, PORT);
            return yield* within(writer, function* () {
              const times: number[] = [];
              for (let i = 0; i < 10; i++) {
                yield* ping(reader, writer);
                times.push(now());
              }
              return times;
            });
          }),
        );
      },
      { latency: [10, 90], loss: 0.1, seed },
    );

  test("that is the same gives the same run; another one another", () => {
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
  });

  test("gives each connection its own weather", () => {
    expect(new Set(run(1).map((times) => times[0])).size).toBe(5);
  });
});

describe("wrong calls are told at once", () => {
  const network = new MemoryNetwork();
  test.each<[string, () => unknown, string]>([
    ["no host", () => network.openConnection("", PORT), "HOST"],
    ["no port", () => network.openConnection(HOST, 0), "PORT"],
    ["a port too large", () => network.startServer(echo, HOST, 70_000), "PORT"],
    ["no handler", () => network.startServer("echo" as never, HOST, PORT), "HANDLER"],
    ["TLS of a client", () => network.openConnection(HOST, PORT, { tls: true }), "MEMORY_TLS"],
    ["TLS of a server", () => network.startServer(echo, HOST, PORT, { tls: {} }), "MEMORY_TLS"],
    ["a latency below 0", () => new MemoryNetwork({ latency: -1 }), "NETWORK"],
  ])("%s", (_name, call, code) => {
    expect(call).toThrow(withCode(code));
  });
});
