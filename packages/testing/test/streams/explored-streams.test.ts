import { createTask, type Coroutine, gather, isCancelled, sleep, timeout, within } from "corio";
import { explore, ExplorationError, replay } from "@corio/testing";
import { MemoryNetwork, memoryStreams } from "@corio/testing/streams";
import type { StreamReader, StreamWriter } from "@corio/node";
import { describe, expect, test } from "vitest";
import { text } from "../../../node/test/support/bytes.js";

const HOST = "server.example";
const PORT = 7;

/** Answers each line with the same line. */
function* echo(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
  for (let line = yield* reader.readline(); line.length > 0; line = yield* reader.readline()) {
    writer.write(line);
    yield* writer.drain();
  }
}

/** A client that leaves its connection closed, whatever happens. */
function* client(network: MemoryNetwork, name: string): Coroutine<void> {
  const [reader, writer] = yield* network.openConnection(HOST, PORT);
  yield* within(writer, function* () {
    for (const word of ["one", "two"]) {
      writer.write(`${name} ${word}\n`);
      yield* writer.drain();
      const line = text(yield* reader.readline());
      if (line === `${name} ${word}\n`) continue;
      // the server may have been cancelled
      if (reader.atEof && `${name} ${word}\n`.startsWith(line)) return;
      throw new Error(`${name} got ${line}`);
    }
  });
}

describe("programs over streams in memory, explored", () => {
  test("keep their dialogues apart in every order, and leave nothing behind", () => {
    const { schedules } = explore(
      function* () {
        const network = new MemoryNetwork();
        const server = yield* network.startServer(echo, HOST, PORT);
        yield* within(server, () => gather(client(network, "a"), client(network, "b"), client(network, "c")));
      },
      { schedules: 400 },
    );
    expect(schedules).toBeGreaterThan(50);
  });

  test.each([
    ["at once", {}],
    ["slowly", { latency: 5, bandwidth: 1_000 }],
    ["in crumbs", { segment: 2, latency: 1 }],
    ["until they break", { disconnectAfter: 20, latency: 1 }],
  ])("may be cancelled at every await, connecting included, where bytes go %s", (_name, conditions) => {
    let cancelled = 0;
    explore(
      function* () {
        const network = new MemoryNetwork(conditions);
        const server = yield* network.startServer(quietly(echo), HOST, PORT);
        yield* within(server, function* () {
          const clients = ["a", "b"].map((name) => createTask(client(network, name)));
          for (const task of clients) {
            try {
              yield* task;
            } catch (error) {
              if (isCancelled(error)) cancelled++;
              else if ((error as { code?: string }).code !== "ECONNRESET") throw error;
            }
          }
        });
      },
      { schedules: 600, cancel: true },
    );
    expect(cancelled).toBeGreaterThan(50);
  });

  test("may be cancelled in a pair as well, and no byte is lost or doubled", () => {
    let cancelled = 0;
    explore(
      function* () {
        const [[, writer], [reader, theirWriter]] = memoryStreams({ latency: 2, segment: 3 });
        const sending = createTask(function* () {
          for (let i = 0; i < 3; i++) {
            writer.write(`line ${i}\n`);
            yield* writer.drain();
            yield* sleep(3);
          }
        });
        const heard: string[] = [];
        const listen = function* (): Coroutine<void> {
          for (let line = yield* reader.readline(); line.length > 0; line = yield* reader.readline())
            heard.push(text(line));
        };
        const listening = createTask(listen);
        try {
          yield* sending;
        } catch (error) {
          if (!isCancelled(error)) throw error;
          cancelled++;
        }
        writer.close();
        try {
          yield* listening;
        } catch (error) {
          if (!isCancelled(error)) throw error;
          cancelled++;
          yield* listen();
        }
        theirWriter.close();
        yield* writer.waitClosed();
        yield* theirWriter.waitClosed();
        const expected = ["line 0\n", "line 1\n", "line 2\n"].slice(0, heard.length);
        if (heard.join("") !== expected.join("")) throw new Error(`heard ${JSON.stringify(heard)}`);
      },
      { schedules: 500, cancel: (task) => task.name !== "main" },
    );
    expect(cancelled).toBeGreaterThan(20);
  });

  test("may be cancelled as they are refused, and the refusal is not reported as an error that nobody heard of", () => {
    const { exhaustive } = explore(
      function* () {
        const network = new MemoryNetwork({ latency: 1 });
        const connecting = createTask(network.openConnection(HOST, PORT));
        try {
          yield* connecting;
        } catch (error) {
          if (!isCancelled(error) && (error as { code?: string }).code !== "ECONNREFUSED") throw error;
        }
      },
      { schedules: 200, cancel: true },
    );
    expect(exhaustive).toBe(true);
  });

  /** Two tasks ask over one connection: the answers may come to the wrong one. */
  function* confused(): Coroutine<void> {
    const [[reader, writer], [theirReader, theirWriter]] = memoryStreams();
    const server = createTask(echo(theirReader, theirWriter));
    function* ask(name: string): Coroutine<void> {
      yield* sleep(0);
      writer.write(`${name}\n`);
      yield* sleep(1);
      const line = yield* reader.readline();
      if (text(line) !== `${name}\n`) throw new Error(`${name} got the answer of another: ${text(line)}`);
    }
    yield* within(writer, () => gather(ask("first"), ask("second")));
    yield* server;
    theirWriter.close();
    yield* theirWriter.waitClosed();
  }

  test("show their races, and replay them", () => {
    let found: unknown;
    try {
      explore(confused, { schedules: 500 });
    } catch (error) {
      found = error;
    }
    expect(found).toBeInstanceOf(ExplorationError);
    expect((found as Error).message).toContain("got the answer of another");
    expect(() => replay(confused, (found as ExplorationError).seed)).toThrow(ExplorationError);
  });

  test("that leave a connection open while bytes are under way are told of the timer", () => {
    expect(() =>
      explore(
        function* () {
          const [[, writer]] = memoryStreams({ latency: 10 });
          writer.write("x");
          yield* sleep(0);
        },
        { schedules: 1 },
      ),
    ).toThrow(/a timer armed for 10 ms/);
  });

  test("that give up in time over a slow network close what they opened", () => {
    explore(
      function* () {
        const network = new MemoryNetwork({ latency: 100 });
        const server = yield* network.startServer(quietly(echo), HOST, PORT);
        yield* within(server, function* () {
          for (const limit of [50, 150, 250, 450]) {
            try {
              yield* within(timeout(limit), () => client(network, "late"));
            } catch (error) {
              if ((error as Error).name !== "TimeoutError") throw error;
            }
          }
        });
      },
      { schedules: 200 },
    );
  });
});

/** The same handler, for which a connection that breaks is no failure. */
function quietly(handler: typeof echo): typeof echo {
  return function* (reader, writer) {
    try {
      yield* handler(reader, writer);
    } catch (error) {
      if ((error as { code?: string }).code !== "ECONNRESET") throw error;
    }
  };
}
