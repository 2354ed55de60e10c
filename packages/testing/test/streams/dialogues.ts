import {
  createTask,
  type Coroutine,
  forEach,
  gather,
  IncompleteReadError,
  isCancelled,
  LimitOverrunError,
  sleep,
  within,
} from "corio";
import {
  ConnectionLostError,
  type openConnection,
  type Server,
  type startServer,
  type StreamReader,
  type StreamWriter,
} from "@corio/node";
import { pattern, text } from "../../../node/test/support/bytes.js";
import { portOf } from "../../../node/test/support/peers.js";
import { thrownBy } from "../../../node/test/support/thrown-by.js";

/** What connections are made with: the real functions, or those of a network in memory. */
interface Net {
  readonly openConnection: typeof openConnection;
  readonly startServer: typeof startServer;
}

/** A program of clients and servers that gives what it has seen: the same over every network. */
export interface Dialogue {
  readonly title: string;
  readonly run: (net: Net) => Coroutine<unknown>;
  readonly sees: unknown;
  /** What is reported of it, where no caller can catch it. */
  readonly reports?: readonly RegExp[];
  /** It sends so much that it cannot be cut into crumbs. */
  readonly bulky?: boolean;
}

const HOST = "127.0.0.1";

type Handler = (reader: StreamReader, writer: StreamWriter) => Coroutine<void>;
type Body<T> = (reader: StreamReader, writer: StreamWriter, server: Server) => Coroutine<T>;

/** Serves, connects, runs a body, and closes the connection and then the server. */
function* connected<T>(net: Net, handler: Handler, body: Body<T>, options = {}): Coroutine<T> {
  const server = yield* net.startServer(handler, HOST, 0, options);
  return yield* within(server, function* () {
    const [reader, writer] = yield* net.openConnection(HOST, portOf(server), options);
    return yield* within(writer, () => body(reader, writer, server));
  });
}

function* echo(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
  yield* forEach(reader.chunks(), function* (chunk) {
    writer.write(chunk);
    yield* writer.drain();
  });
}

function* readAll(reader: StreamReader): Coroutine<void> {
  yield* reader.read();
}

/** What a failure is, said alike on all networks: after a reset a system may also say EPIPE. */
function* failureOf(awaitable: Iterable<unknown>): Coroutine<string> {
  const error = yield* thrownBy(awaitable);
  if (error instanceof ConnectionLostError) return "ConnectionLostError";
  const { code, name } = error as { code?: string; name: string };
  return code === "EPIPE" ? "ECONNRESET" : (code ?? name);
}

const lines: Dialogue = {
  title: "lines go to and fro",
  *run(net) {
    return yield* connected(net, echo, function* (reader, writer) {
      const heard: string[] = [];
      for (const line of ["one\n", "two é\n", "\n"]) {
        writer.write(line);
        yield* writer.drain();
        heard.push(text(yield* reader.readline()));
      }
      writer.writelines(["thr", "ee", "", "\nfour\nfive"]);
      writer.writeEof();
      yield* forEach(reader, (line) => void heard.push(text(line)));
      return [heard, reader.atEof, text(yield* reader.read(5))];
    });
  },
  sees: [["one\n", "two é\n", "\n", "three\n", "four\n", "five"], true, ""],
};

const halfClosedByClient: Dialogue = {
  title: "the client ends its direction, and the answer still comes",
  *run(net) {
    function* upperCase(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      writer.write(text(yield* reader.read()).toUpperCase());
      yield* writer.drain();
    }
    return yield* connected(net, upperCase, function* (reader, writer) {
      writer.write("a question");
      writer.writeEof();
      writer.writeEof();
      const wrote = yield* failureOf(
        (function* () {
          writer.write("more");
        })(),
      );
      const before = [writer.isClosing, writer.canWriteEof, wrote];
      const answer = text(yield* reader.read());
      yield* writer.waitClosed();
      return [...before, answer, writer.isClosing];
    });
  },
  sees: [false, true, "ERR_CORIO_WRITE_AFTER_EOF", "A QUESTION", true],
};

const halfClosedByServer: Dialogue = {
  title: "the server ends its direction, and still hears the client",
  *run(net) {
    const heard: string[] = [];
    function* greet(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      writer.write("that is all");
      writer.writeEof();
      heard.push(text(yield* reader.read()));
    }
    const answer = yield* connected(net, greet, function* (reader, writer) {
      const answer = text(yield* reader.read());
      writer.write("but listen");
      yield* writer.drain();
      writer.write("!");
      writer.writeEof();
      yield* writer.waitClosed();
      return answer;
    });
    return [answer, heard];
  },
  sees: ["that is all", ["but listen!"]],
};

const reads: Dialogue = {
  title: "every way to read gives what it should, and its error at the end",
  *run(net) {
    function* send(_reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      writer.write("12345head\r\n\r\nthis line is too long\nlast|and a rest");
      yield* writer.drain();
    }
    return yield* connected(
      net,
      send,
      function* (reader) {
        const exact = text(yield* reader.readexactly(5));
        const head = text(yield* reader.readuntil("\r\n\r\n"));
        const overrun = (yield* thrownBy(reader.readuntil("|"))) instanceof LimitOverrunError;
        const skipped = text(yield* reader.readexactly(22));
        const last = text(yield* reader.readuntil(["#", "|"]));
        const incomplete = yield* thrownBy(reader.readexactly(500));
        const { partial, expected } = incomplete as IncompleteReadError;
        return [
          exact,
          head,
          overrun,
          skipped,
          last,
          incomplete instanceof IncompleteReadError,
          text(partial),
          expected,
        ];
      },
      { limit: 12 },
    );
  },
  sees: ["12345", "head\r\n\r\n", true, "this line is too long\n", "last|", true, "and a rest", 500],
};

const bulk: Dialogue = {
  title: "much goes both ways at once, unchanged",
  bulky: true,
  *run(net) {
    const data = pattern(1_000_000);
    return yield* connected(net, echo, function* (reader, writer) {
      const sending = createTask(function* () {
        for (let at = 0; at < data.length; at += 70_000) {
          writer.write(data.subarray(at, at + 70_000));
          yield* writer.drain();
        }
        writer.writeEof();
      });
      const same = Buffer.compare(yield* reader.read(), data) === 0;
      yield* sending;
      return same;
    });
  },
  sees: true,
};

const backpressure: Dialogue = {
  title: "a peer that does not read holds the writer back, until it reads",
  bulky: true,
  *run(net) {
    const size = 16_000_000;
    let goOn = false;
    let read = 0;
    function* lazy(reader: StreamReader): Coroutine<void> {
      while (!goOn) yield* sleep(1);
      for (let piece = yield* reader.read(500_000); piece.length > 0; piece = yield* reader.read(500_000)) {
        read += piece.length;
      }
    }
    return yield* connected(net, lazy, function* (reader, writer) {
      writer.write(new Uint8Array(size));
      const draining = createTask(writer.drain());
      for (let i = 0; i < 50; i++) yield* sleep(1);
      const wasHeldBack = !draining.done;
      goOn = true;
      yield* draining;
      writer.writeEof();
      yield* reader.read();
      return [wasHeldBack, read];
    });
  },
  sees: [true, 16_000_000],
};

const reset: Dialogue = {
  title: "a reset is told to all who wait, and to whoever asks later",
  *run(net) {
    let reset = (): void => {};
    function* talk(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      writer.write("one\ntw");
      reset = () => writer.getExtraInfo("socket")?.resetAndDestroy();
      yield* reader.read();
    }
    return yield* connected(net, talk, function* (reader, writer) {
      const first = text(yield* reader.readline());
      while (text(yield* reader.readexactly(2)) !== "tw");
      const reading = createTask(failureOf(reader.readline()));
      const closing = createTask(failureOf(writer.waitClosed()));
      yield* sleep(1);
      reset();
      const failures = yield* gather(reading, closing);
      writer.write("nobody is there");
      const drained = yield* failureOf(writer.drain());
      const readAgain = yield* failureOf(reader.read(9));
      return [first, failures, drained, readAgain, (reader.exception as { code: string }).code, writer.isClosing];
    });
  },
  sees: ["one\n", ["ECONNRESET", "ECONNRESET"], "ECONNRESET", "ECONNRESET", "ECONNRESET", true],
};

const writtenToNobody: Dialogue = {
  title: "who writes on to a peer that has gone comes to hear of it",
  *run(net) {
    function* leave(): Coroutine<void> {}
    return yield* connected(net, leave, function* (reader, writer) {
      const end = (yield* reader.read()).length;
      const failure = yield* failureOf(
        (function* () {
          for (;;) {
            writer.write("are you there?");
            yield* writer.drain();
            yield* sleep(1);
          }
        })(),
      );
      return [end, failure === "ConnectionLostError" || failure === "ECONNRESET", writer.isClosing];
    });
  },
  sees: [0, true, true],
};

const closedHere: Dialogue = {
  title: "after close() writing is dropped, and drain() says that the connection is lost",
  *run(net) {
    return yield* connected(net, readAll, function* (reader, writer) {
      writer.write("x");
      writer.close();
      writer.write("dropped");
      const closing = writer.isClosing;
      yield* writer.waitClosed();
      return [closing, yield* failureOf(writer.drain()), (yield* reader.read()).length, reader.atEof];
    });
  },
  sees: [true, "ConnectionLostError", 0, true],
};

const refused: Dialogue = {
  title: "where nobody listens any more a connection is refused",
  *run(net) {
    const server = yield* net.startServer(echo, HOST, 0);
    const port = portOf(server);
    const taken = yield* failureOf(net.startServer(echo, HOST, port));
    server.close();
    server.close();
    yield* server.waitClosed();
    const starting = yield* failureOf(server.startServing());
    const error = yield* thrownBy(net.openConnection(HOST, port));
    const { code, syscall, address } = error as NodeJS.ErrnoException & { address: string };
    return [taken, starting, code, syscall, address, server.sockets.length, server.isServing];
  },
  sees: ["EADDRINUSE", "ERR_CORIO_SERVER_CLOSED", "ECONNREFUSED", "connect", HOST, 0, false],
};

const names: Dialogue = {
  title: "both sides know each other's address",
  *run(net) {
    let there: unknown[] = [];
    function* tell(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      there = [writer.getExtraInfo("sockname"), writer.getExtraInfo("peername")];
      yield* reader.read();
    }
    return yield* connected(net, tell, function* (_reader, writer, server) {
      while (there.length === 0) yield* sleep(1);
      const here = [writer.getExtraInfo("peername"), writer.getExtraInfo("sockname")];
      return [
        JSON.stringify(here) === JSON.stringify(there),
        portOf(server) === (there[0] as { port: number }).port,
        (here[1] as { address: string }).address,
        writer.getExtraInfo("tlsVersion"),
        server.connections,
      ];
    });
  },
  sees: [true, true, HOST, undefined, 1],
};

const failingHandler: Dialogue = {
  title: "a handler that throws is reported, its connection closed, and the others go on",
  reports: [/Unhandled exception in a connection's handler[\s\S]*too much/],
  *run(net) {
    function* strict(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
      for (;;) {
        const line = text(yield* reader.readline());
        if (line === "") return;
        if (line === "bad\n") throw new Error("too much");
        writer.write(line);
      }
    }
    return yield* connected(net, strict, function* (reader, writer, server) {
      const other = yield* net.openConnection(HOST, portOf(server));
      const end = yield* within(other[1], function* () {
        other[1].write("bad\n");
        return (yield* other[0].read()).length;
      });
      writer.write("good\n");
      return [end, text(yield* reader.readline())];
    });
  },
  sees: [0, "good\n"],
};

const plainHandler: Dialogue = {
  title: "a handler that is no coroutine keeps its connection open",
  *run(net) {
    const kept: StreamWriter[] = [];
    const server = yield* net.startServer((_reader, writer) => void kept.push(writer), HOST, 0);
    return yield* within(server, function* () {
      const [reader, writer] = yield* net.openConnection(HOST, portOf(server));
      return yield* within(writer, function* () {
        while (kept.length === 0) yield* sleep(1);
        kept[0]?.write("later\n");
        const line = text(yield* reader.readline());
        server.closeClients();
        return [line, (yield* reader.read()).length];
      });
    });
  },
  sees: ["later\n", 0],
};

const servingEnds: Dialogue = {
  title: "who leaves a server's block by an error cancels its handlers and closes their connections",
  *run(net) {
    const ends: string[] = [];
    function* waiting(reader: StreamReader): Coroutine<void> {
      try {
        yield* reader.read();
      } catch (error) {
        ends.push(isCancelled(error) ? "cancelled" : "failed");
        yield* sleep(5);
        ends.push("cleaned up");
        throw error;
      }
    }
    const server = yield* net.startServer(waiting, HOST, 0);
    const serving = createTask(server.serveForever());
    yield* sleep(0);
    const twice = yield* failureOf(server.serveForever());
    const [reader, writer] = yield* net.openConnection(HOST, portOf(server));
    const end = yield* within(writer, function* () {
      while (server.connections === 0) yield* sleep(1);
      const left = yield* failureOf(
        within(server, function* () {
          yield* sleep(20);
          throw new RangeError("enough");
        }),
      );
      ends.push(left);
      return (yield* reader.read()).length;
    });
    yield* serving;
    return [twice, ends, end, server.connections];
  },
  sees: ["ERR_CORIO_SERVING", ["cancelled", "cleaned up", "RangeError"], 0, 0],
};

const maxConnections: Dialogue = {
  title: "connections beyond the most that are allowed are closed as soon as they come",
  *run(net) {
    return yield* connected(
      net,
      echo,
      function* (reader, writer, server) {
        writer.write("first\n");
        const first = text(yield* reader.readline());
        const [secondReader, secondWriter] = yield* net.openConnection(HOST, portOf(server));
        const second = yield* within(secondWriter, () => secondReader.read());
        return [first, second.length, server.connections];
      },
      { maxConnections: 1 },
    );
  },
  sees: ["first\n", 0, 1],
};

const crowd: Dialogue = {
  title: "many clients talk at once, each to its own handler",
  *run(net) {
    const server = yield* net.startServer(echo, HOST, 0);
    return yield* within(server, function* () {
      const heard = yield* gather(
        Array.from({ length: 20 }, function* (_, i) {
          const [reader, writer] = yield* net.openConnection(HOST, portOf(server));
          return yield* within(writer, function* () {
            let good = 0;
            for (let n = 0; n < 10; n++) {
              writer.write(`${i} ${n}\n`);
              if (text(yield* reader.readline()) === `${i} ${n}\n`) good++;
            }
            return good;
          });
        }),
      );
      return heard.reduce((sum, good) => sum + good, 0);
    });
  },
  sees: 200,
};

export const dialogues: readonly Dialogue[] = [
  lines,
  halfClosedByClient,
  halfClosedByServer,
  reads,
  bulk,
  backpressure,
  reset,
  writtenToNobody,
  closedHere,
  refused,
  names,
  failingHandler,
  plainHandler,
  servingEnds,
  maxConnections,
  crowd,
];
