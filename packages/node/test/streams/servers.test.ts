import { once } from "node:events";
import {
  ContextVar,
  createTask,
  type Coroutine,
  currentTask,
  Event,
  Future,
  isCancelled,
  sleep,
  until,
  within,
} from "corio";
import type { StreamWriter } from "@corio/node";
import { startServer, type StreamReader } from "@corio/node";
import { describe, expect, test } from "vitest";
import { text } from "../support/bytes.js";
import { connected, echo, tcp, unix } from "../support/echo.js";
import { closedOf, connectPeer, portOf, receivedBy } from "../support/peers.js";
import { runConnected } from "../support/run-connected.js";
import { thrownBy } from "../support/thrown-by.js";

describe.each([tcp, unix])("a handler of a server on $name", (kind) => {
  test("that throws is reported, its connection ends, and the others go on", async () => {
    function* fragile(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      for (;;) {
        const line = text(yield* reader.readline());
        if (line === "") return;
        if (line === "break\n") throw new Error("broken by a line");
        writer.write(line);
      }
    }
    await runConnected(
      function* (reports) {
        yield* connected(kind, fragile, function* (reader, writer, server) {
          writer.write("before\n");
          expect(text(yield* reader.readline())).toBe("before\n");
          const [other, otherWriter] = yield* kind.connect(server);
          yield* within(otherWriter, function* () {
            otherWriter.write("last words\nbreak\n");
            // what it had sent arrives
            expect(text(yield* other.read())).toBe("last words\n");
          });
          writer.write("after\n");
          expect(text(yield* reader.readline())).toBe("after\n");
          const [third, thirdWriter] = yield* kind.connect(server);
          yield* within(thirdWriter, function* () {
            thirdWriter.write("new\n");
            expect(text(yield* third.readline())).toBe("new\n");
          });
        });
        expect(reports[0]?.context).toMatchObject({ transport: expect.anything() });
      },
      { reports: [/Unhandled exception in a connection's handler.*broken by a line/] },
    );
  });

  test("may be an async function, whose end closes the connection", async () => {
    let ended = false;
    await runConnected(function* () {
      const plain = async (_reader: StreamReader, writer: StreamWriter): Promise<void> => {
        writer.write("from a promise\n");
        await new Promise((resolve) => void setImmediate(resolve));
        ended = true;
      };
      yield* connected(kind, plain as unknown as typeof echo, function* (reader) {
        expect(text(yield* reader.read())).toBe("from a promise\n");
        expect(ended).toBe(true);
      });
    });
  });

  test("that is an async function and rejects is reported, too", async () => {
    const plain = async (): Promise<void> => {
      throw new Error("rejected");
    };
    await runConnected(
      () =>
        connected(kind, plain as unknown as typeof echo, function* (reader) {
          expect((yield* reader.read()).length).toBe(0);
        }),
      { reports: [/handler.*rejected/] },
    );
  });

  test("may be an ordinary function, which sees to the rest itself", async () => {
    let theirs: StreamWriter | undefined;
    const hold = (_reader: StreamReader, writer: StreamWriter): void => {
      theirs = writer;
      writer.write("hello\n");
    };
    await runConnected(() =>
      connected(kind, hold as unknown as typeof echo, function* (reader) {
        expect(text(yield* reader.readline())).toBe("hello\n");
        expect(theirs?.isClosing).toBe(false);
        theirs?.write("still here\n");
        expect(text(yield* reader.readline())).toBe("still here\n");
        theirs?.close();
        expect((yield* reader.read()).length).toBe(0);
      }),
    );
  });

  test("that is an ordinary function and throws is reported, and its connection ends", async () => {
    const fail = (): void => {
      throw new Error("at once");
    };
    await runConnected(
      () =>
        connected(kind, fail as unknown as typeof echo, function* (reader) {
          expect((yield* reader.read()).length).toBe(0);
        }),
      { reports: [/handler.*at once/] },
    );
  });

  test("that is cancelled ends its connection, and nothing is reported", async () => {
    const tasks: ReturnType<typeof currentTask>[] = [];
    const log: string[] = [];
    function* waits(reader: StreamReader): Coroutine<void> {
      tasks.push(currentTask());
      try {
        yield* reader.read();
      } catch (error) {
        log.push(isCancelled(error) ? "cancelled" : String(error));
        throw error;
      } finally {
        yield* sleep(1);
        log.push("cleaned up");
      }
    }
    await runConnected(() =>
      connected(kind, waits, function* (reader) {
        while (tasks.length === 0) yield* sleep(0);
        tasks[0]?.cancel();
        // an end, or a reset if the system sees it so
        expect((yield* reader.read()).length).toBe(0);
        expect(log).toEqual(["cancelled", "cleaned up"]);
      }),
    );
  });

  test("may close its connection itself, and go on", async () => {
    const after = new Event();
    function* leaves(_reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      writer.close();
      yield* writer.waitClosed();
      yield* after.wait();
    }
    await runConnected(() =>
      connected(kind, leaves, function* (reader, _writer, server) {
        expect((yield* reader.read()).length).toBe(0);
        server.close();
        const closing = createTask(server.waitClosed());
        yield* sleep(1);
        // the server waits for it all the same
        expect(closing.done).toBe(false);
        after.set();
        yield* closing;
      }),
    );
  });

  test("runs in a copy of the context in which the server was started", async () => {
    const user = new ContextVar("user", { default: "nobody" });
    const seen: string[] = [];
    function* asks(_reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      const before = user.get();
      user.set("handler");
      yield* sleep(0);
      seen.push(before, user.get());
      writer.write("done");
    }
    await runConnected(function* () {
      user.set("starter");
      const server = yield* kind.serve(asks);
      user.set("later");
      yield* within(server, function* () {
        for (let i = 0; i < 2; i++) {
          const [reader, writer] = yield* kind.connect(server);
          yield* within(writer, () => reader.read());
        }
      });
      expect(seen).toEqual(["starter", "handler", "starter", "handler"]);
      expect(user.get()).toBe("later");
    });
  });

  test("sees that the peer is gone, by the end or by the error", async () => {
    const seen: unknown[] = [];
    function* listens(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      try {
        writer.write("hello\n");
        for (;;) {
          if ((yield* reader.read(100)).length === 0) break;
        }
        seen.push("end");
      } catch (error) {
        seen.push((error as { code?: string }).code);
      }
    }
    await runConnected(function* () {
      const server = yield* kind.serve(listens);
      yield* within(server, function* () {
        const address = server.sockets[0]?.address();
        const orderly = yield* connectPeer(kind === tcp ? portOf(server) : (address as string));
        yield* until(once(orderly, "data"));
        orderly.end();
        yield* closedOf(orderly);
        if (kind === tcp) {
          const rude = yield* connectPeer(portOf(server));
          yield* until(once(rude, "data"));
          rude.resetAndDestroy();
          yield* closedOf(rude);
        }
      });
      expect(seen).toEqual(kind === tcp ? ["end", "ECONNRESET"] : ["end"]);
    });
  });
});

describe("a handler", () => {
  test("gets what the client sent together with its connection", async () => {
    await runConnected(function* () {
      const arrived = new Future<string>();
      const server = yield* startServer(
        function* (reader) {
          arrived.setResult(text(yield* reader.read()));
        },
        "127.0.0.1",
        0,
      );
      yield* within(server, function* () {
        const peer = yield* connectPeer(portOf(server));
        peer.end("at once");
        expect(yield* arrived).toBe("at once");
        yield* receivedBy(peer);
      });
    });
  });

  test("that ends while the peer still sends lets what it wrote arrive", async () => {
    function* answers(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      yield* reader.readline();
      writer.write("an answer\n");
    }
    await runConnected(() =>
      connected(tcp, answers, function* (reader, writer) {
        writer.write("a question\n");
        for (let i = 0; i < 20; i++) writer.write("and so on ".repeat(100));
        expect(text(yield* reader.readline())).toBe("an answer\n");
        expect((yield* reader.read()).length).toBe(0);
      }),
    );
  });

  test("may read and write after its server was closed", async () => {
    await runConnected(() =>
      connected(tcp, echo, function* (reader, writer, server) {
        writer.write("one\n");
        expect(text(yield* reader.readline())).toBe("one\n");
        server.close();
        writer.write("two\n");
        expect(text(yield* reader.readline())).toBe("two\n");
      }),
    );
  });

  test("may be waited for in vain: leaving the server's block by an error cancels it, cleanup included", async () => {
    const log: string[] = [];
    function* stubborn(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      try {
        yield* reader.read();
      } finally {
        writer.write("goodbye");
        yield* writer.drain();
        yield* sleep(5);
        log.push("cleaned up");
      }
    }
    await runConnected(function* () {
      const server = yield* startServer(stubborn, "127.0.0.1", 0);
      const wrong = new Error("wrong");
      let peer: Awaited<ReturnType<typeof connectPeer> extends Coroutine<infer P> ? P : never> | undefined;
      const error = yield* thrownBy(
        within(server, function* () {
          peer = yield* connectPeer(portOf(server));
          while (server.connections === 0) yield* sleep(0);
          yield* sleep(0);
          throw wrong;
        }),
      );
      expect(error).toBe(wrong);
      expect(log).toEqual(["cleaned up"]);
      // the connection was open as long as the handler cleaned up
      expect(yield* receivedBy(peer as NonNullable<typeof peer>)).toBe("goodbye");
      peer?.destroy();
    });
  });
});
