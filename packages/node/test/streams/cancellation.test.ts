import { attempt, type Coroutine, isCancelled, sleep, within } from "corio";
import {
  openConnection,
  openUnixConnection,
  type Server,
  type ServerOptions,
  startServer,
  startUnixServer,
  type StreamReader,
  type StreamWriter,
} from "@corio/node";
import { describe, expect, test } from "vitest";
import { pattern, text } from "../support/bytes.js";
import { cancelAtEachStep, type Moment, moments } from "../support/cancel-at-each-step.js";
import { useCertificates } from "../support/certificates.js";
import { portOf } from "../support/peers.js";
import { runConnected } from "../support/run-connected.js";
import { socketPath } from "../support/temporary-folder.js";

const certificates = useCertificates();
const LOCAL = "127.0.0.1";
const MUCH = 3_000_000;

/** A server that does what it is told line by line, and notes what it sends. */
class Told {
  said = "";
  served = 0;
  ended = 0;
  failures: unknown[] = [];

  readonly serve = function* (this: Told, reader: StreamReader, writer: StreamWriter): Coroutine<void> {
    this.served++;
    try {
      for (;;) {
        const [command = "", argument = ""] = text(yield* reader.readline())
          .trim()
          .split(" ");
        if (command === "") return;
        if (command === "PING") this.say(writer, `PONG ${argument}\n`);
        if (command === "SAY") this.say(writer, "x".repeat(Number(argument)));
        if (command === "SWALLOW") {
          yield* reader.readexactly(Number(argument));
          this.say(writer, `SWALLOWED ${argument}\n`);
        }
        if (command === "STARTTLS") {
          this.say(writer, "GO AHEAD\n");
          yield* writer.startTls({ tls: certificates.server });
        }
        yield* writer.drain();
      }
    } catch (error) {
      if (isCancelled(error)) throw error;
      this.failures.push(error);
    } finally {
      this.ended++;
    }
  }.bind(this);

  private say(writer: StreamWriter, what: string): void {
    this.said += what;
    writer.write(what);
  }
}

/** A client, and what it knows of its connection: so another task can go on when this one was cancelled. */
class Client {
  heard = "";
  reader: StreamReader | undefined;
  writer: StreamWriter | undefined;
  /** Bytes that it has announced and not written yet. */
  owed = 0;
  tls: "none" | "asked for" | "on" = "none";

  constructor(private readonly connect: () => Coroutine<[StreamReader, StreamWriter]>) {}

  *open(): Coroutine<void> {
    [this.reader, this.writer] = yield* this.connect();
  }

  *tell(command: string): Coroutine<void> {
    this.writer?.write(`${command}\n`);
    yield* this.writer?.drain() as Coroutine<void>;
  }

  *hear(read: (reader: StreamReader) => Coroutine<Uint8Array>): Coroutine<string> {
    const what = text(yield* read(this.reader as StreamReader));
    this.heard += what;
    return what;
  }

  line(): Coroutine<string> {
    return this.hear((reader) => reader.readline());
  }

  *ping(name: string): Coroutine<void> {
    yield* this.tell(`PING ${name}`);
    expectLine(yield* this.line(), `PONG ${name}`);
  }

  *swallow(size: number): Coroutine<void> {
    this.owed = size;
    yield* this.tell(`SWALLOW ${size}`);
    yield* this.payUp();
    expectLine(yield* this.line(), `SWALLOWED ${size}`);
  }

  *payUp(): Coroutine<void> {
    while (this.owed > 0) {
      const piece = pattern(Math.min(this.owed, 400_000));
      this.writer?.write(piece);
      this.owed -= piece.length;
      yield* this.writer?.drain() as Coroutine<void>;
    }
  }

  *startTls(): Coroutine<void> {
    this.tls = "asked for";
    yield* this.tell("STARTTLS");
    expectLine(yield* this.line(), "GO AHEAD");
    yield* this.secure();
  }

  *secure(): Coroutine<void> {
    yield* this.writer?.startTls({ tls: { ca: certificates.ca }, serverHostname: "localhost" }) as Coroutine<void>;
    this.tls = "on";
  }

  /** Takes up a dialogue that was broken off anywhere, and expects that nothing is missing. */
  *takeUp(): Coroutine<void> {
    yield* this.payUp();
    if (this.tls === "asked for") {
      while (!this.heard.endsWith("GO AHEAD\n")) yield* this.hear((reader) => reader.read(100_000));
      yield* this.secure();
    }
    yield* this.tell("PING again");
    while (!this.heard.endsWith("PONG again\n")) yield* this.hear((reader) => reader.read(100_000));
  }
}

function expectLine(line: string, expected: string): void {
  expect(line).toBe(`${expected}\n`);
}

interface Way {
  readonly name: string;
  serve(told: Told): Coroutine<Server>;
  connect(server: Server): Coroutine<[StreamReader, StreamWriter]>;
}

const serve = (told: Told, options: ServerOptions = {}): Coroutine<Server> =>
  startServer(told.serve, LOCAL, 0, options);

const tcp: Way = {
  name: "TCP",
  serve: (told) => serve(told),
  connect: (server) => openConnection("localhost", portOf(server)),
};
const unix: Way = {
  name: "a Unix socket",
  serve: (told) => startUnixServer(told.serve, socketPath()),
  connect: (server) => openUnixConnection(server.sockets[0]?.address() as string),
};
const tls: Way = {
  name: "TLS",
  serve: (told) => serve(told, { tls: certificates.server }),
  connect: (server) => openConnection("localhost", portOf(server), { tls: { ca: certificates.ca } }),
};

const dialogues: { name: string; ways: Way[]; main(client: Client): Coroutine<void> }[] = [
  {
    name: "reads and writes",
    ways: [tcp, unix, tls],
    *main(client) {
      yield* client.ping("one");
      yield* client.tell("SAY 200000");
      yield* client.hear((reader) => reader.readexactly(150_000));
      yield* client.tell("PING two");
      yield* client.hear((reader) => reader.readuntil("PONG"));
      yield* client.line();
      yield* client.ping("three");
    },
  },
  {
    name: "sends more than the system takes at once",
    ways: [tcp, tls],
    *main(client) {
      yield* client.swallow(MUCH);
      yield* client.ping("after");
    },
  },
  {
    name: "goes over to TLS",
    ways: [tcp, unix],
    *main(client) {
      yield* client.ping("readable");
      yield* client.startTls();
      yield* client.ping("secret");
    },
  },
];

describe.each(moments)("cancelled at each step, %s,", (moment: Moment) => {
  const cases = dialogues.flatMap(({ ways, ...dialogue }) => ways.map((way) => ({ ...dialogue, way, over: way.name })));

  test.each(cases)("a client that $name by $over leaves a connection that is whole, or none", async ({ way, main }) => {
    await cancelAtEachStep(moment, (cancelAt, step) =>
      runConnected(function* () {
        const told = new Told();
        const server = yield* way.serve(told);
        yield* within(server, function* () {
          const client = new Client(() => way.connect(server));
          yield* cancelAt(
            (function* () {
              yield* client.open();
              yield* main(client);
            })(),
          );
          const { writer } = client;
          if (writer === undefined) expect(client.heard).toBe("");
          else {
            // A startTls that was broken off closes the connection. Nothing else does.
            if (!writer.isClosing) {
              yield* client.takeUp();
              expect(client.heard, `cancelled at step ${step}`).toBe(told.said);
              expect(told.failures).toEqual([]);
            } else expect(client.tls, `cancelled at step ${step}`).toBe("asked for");
            writer.close();
            yield* writer.waitClosed();
            expect(told.said.startsWith(client.heard)).toBe(true);
          }
        });
        // the server waited for its handlers
        expect(told.ended).toBe(told.served);
      }),
    );
  });

  test("a client that closes goes on closing", async () => {
    await cancelAtEachStep(moment, (cancelAt) =>
      runConnected(function* () {
        const told = new Told();
        const server = yield* serve(told);
        yield* within(server, function* () {
          const client = new Client(() => tcp.connect(server));
          yield* client.open();
          const writer = client.writer as StreamWriter;
          yield* cancelAt(
            (function* () {
              writer.write("PING last\n");
              writer.close();
              yield* writer.drain();
              yield* writer.waitClosed();
            })(),
          );
          expect(writer.isClosing).toBe(true);
          yield* writer.waitClosed();
        });
        expect(told.said).toBe("PONG last\n");
      }),
    );
  });

  test("a client's block leaves nothing open", async () => {
    await cancelAtEachStep(moment, (cancelAt) =>
      runConnected(function* () {
        const told = new Told();
        const server = yield* serve(told);
        yield* within(server, function* () {
          let kept: StreamWriter | undefined;
          yield* cancelAt(
            (function* () {
              const [reader, writer] = yield* openConnection(LOCAL, portOf(server));
              kept = writer;
              yield* within(writer, function* () {
                writer.write("PING once\n");
                yield* reader.readline();
                writer.write(`SWALLOW ${MUCH}\n`);
                writer.write(pattern(MUCH));
              });
            })(),
          );
          if (kept !== undefined) expect(kept.isClosing).toBe(true);
        });
        expect(told.ended).toBe(told.served);
      }),
    );
  });

  test("a server's start, block and end leave nothing open", async () => {
    await cancelAtEachStep(moment, (cancelAt) =>
      runConnected(function* () {
        const told = new Told();
        const servers: Server[] = [];
        yield* cancelAt(
          (function* () {
            const server = yield* startServer(told.serve, [LOCAL, "127.0.0.2"], 0);
            servers.push(server);
            yield* within(server, function* () {
              const [reader, writer] = yield* openConnection(LOCAL, portOf(server));
              yield* within(writer, function* () {
                writer.write("PING once\n");
                yield* reader.readline();
              });
            });
          })(),
        );
        // One that was started in the very step in which its starter was cancelled is nobody's: it is the loop's to close.
        for (const server of servers) {
          expect(server.isServing).toBe(false);
          expect(server.connections).toBe(0);
        }
        expect(told.ended).toBe(told.served);
      }),
    );
  });

  test("what fails at the same time is not reported as an error that nobody retrieved", async () => {
    const path = socketPath();
    const failing: Record<string, (port: number) => Coroutine<unknown>> = {
      ECONNREFUSED: (port) => openConnection(LOCAL, port + 1),
      ENOENT: () => openUnixConnection(`${path}-of-nobody`),
      EADDRINUSE: (port) => startServer(new Told().serve, LOCAL, port),
      "EADDRINUSE on a Unix socket": () => startUnixServer(new Told().serve, path),
      CERT: (port) => openConnection(LOCAL, port, { tls: true }),
      ECONNRESET: function* (port) {
        const [reader, writer] = yield* openConnection(LOCAL, port);
        try {
          writer.getExtraInfo("socket")?.resetAndDestroy();
          yield* writer.waitClosed();
          yield* reader.read();
        } finally {
          writer.close();
        }
      },
      CONNECTION_LOST: function* (port) {
        const [, writer] = yield* openConnection(LOCAL, port);
        writer.write(pattern(20_000_000));
        writer.transport.abort();
        for (;;) yield* writer.drain() as Coroutine<void>;
      },
      "CONNECTION_LOST in waiting": function* (port) {
        const [, writer] = yield* openConnection(LOCAL, port);
        writer.transport.writeBufferLimits = { high: 0 };
        writer.write(pattern(20_000_000));
        writer.transport.loop.callSoon(() => writer.transport.abort());
        yield* writer.drain() as Coroutine<void>;
      },
    };
    for (const fail of Object.values(failing)) {
      await cancelAtEachStep(moment, (cancelAt) =>
        runConnected(function* () {
          const refused = yield* startServer(new Told().serve, [LOCAL], 0, { tls: certificates.server });
          const unixServer = yield* startUnixServer(new Told().serve, path);
          yield* within(refused, unixServer, () =>
            cancelAt(
              (function* () {
                yield* attempt(fail(portOf(refused)));
                // it has failed, so it cannot be taken for what went well
                yield* sleep(0);
              })(),
            ),
          );
        }),
      );
    }
  });

  test("a server that serves for ever ends with its handlers and their connections", async () => {
    await cancelAtEachStep(moment, (cancelAt) =>
      runConnected(function* () {
        const told = new Told();
        const server = yield* startServer(told.serve, LOCAL, 0, { startServing: false });
        let client: [StreamReader, StreamWriter] | undefined;
        yield* cancelAt(
          (function* () {
            yield* server.startServing();
            client = yield* openConnection(LOCAL, portOf(server));
            client[1].write("PING once\n");
            yield* client[0].readline();
            server.loop.callLater(20, () => server.close());
            yield* server.serveForever();
          })(),
        );
        server.close();
        if (client !== undefined) {
          client[1].close();
          yield* attempt(client[1].waitClosed());
        }
        yield* server.waitClosed();
        expect(server.isServing).toBe(false);
        expect(told.ended).toBe(told.served);
        yield* sleep(0);
      }),
    );
  });
});
