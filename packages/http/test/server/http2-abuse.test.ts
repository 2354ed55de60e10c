import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import {
  asyncGenerator,
  type Coroutine,
  createTask,
  Event,
  isCancelled,
  type Manager,
  sleep,
  until,
  within,
} from "corio";
import { describe, expect } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { HttpError, type RequestHandler, Response, type ServeOptions } from "../../src/index.js";
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  HEADERS,
  headerBlock,
  Http2Client,
  PING,
  requestBlock,
  RST_STREAM,
  SETTINGS,
  uint32,
  WINDOW_UPDATE,
} from "../support/http2-frames.js";
import { eventually, it, type Serving, serving, turn } from "./hostile-setting.js";

const certificates = useCertificates();

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;

/** A server of HTTP/2. */
function serving2(handler: RequestHandler, options: ServeOptions = {}): Manager<Serving> {
  return serving(handler, { http2: true, tls: { ...certificates.server }, ca: certificates.ca, ...options });
}

/** A client that sends frames. */
function frames(serving: Serving, options?: { preface: boolean }): Manager<Http2Client> {
  let made: Http2Client;
  return {
    *enter(): Coroutine<Http2Client> {
      made = yield* until(Http2Client.connect(serving.port as number, certificates.ca, options));
      return made;
    },
    *exit(): Coroutine<void> {
      yield* until(made.connection.close());
    },
  };
}

/** A client of Node's. */
function session({ port }: Serving): Manager<ClientHttp2Session> {
  let made: ClientHttp2Session;
  return {
    *enter(): Coroutine<ClientHttp2Session> {
      made = connect(`https://localhost:${port}`, { ca: certificates.ca });
      made.on("error", () => {});
      yield* until(once(made, "connect"));
      return made;
    },
    *exit(): Coroutine<void> {
      if (made.destroyed) return;
      made.destroy();
      yield* until(once(made, "close"));
    },
  };
}

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
  /** The code of RST_STREAM. */
  readonly code: number;
}

function begin(session: ClientHttp2Session, path = "/", headers: Record<string, string> = {}): ClientHttp2Stream {
  return session.request({ ":path": path, ...headers });
}

function* answer(stream: ClientHttp2Stream): Coroutine<Answer> {
  let status: number | undefined;
  let body = "";
  stream.on("error", () => {});
  stream.on("response", (headers) => (status = headers[":status"]));
  stream.on("data", (data: Buffer) => (body += data.toString()));
  let over = stream.closed;
  // "close" does not come while a body that nobody wants is still on its way
  for (const event of ["end", "close"]) stream.once(event, () => (over = true));
  yield* eventually(() => over);
  return { status, body, code: stream.rstCode };
}

/** Handlers that wait, and what became of them. */
class Waiting {
  begun = 0;
  readonly ends: string[] = [];
  readonly released = new Event();

  readonly handler: RequestHandler = () => this.#wait();

  *#wait(): Coroutine<globalThis.Response> {
    this.begun++;
    try {
      yield* this.released.wait();
      this.ends.push("released");
    } catch (error) {
      this.ends.push(isCancelled(error) ? (error.reason as { code: string }).code : "failed");
      throw error;
    }
    return new Response("ok");
  }
}

const GONE = "ERR_CORIO_CLIENT_GONE";
const ok: RequestHandler = () => new Response("ok");

/** Asks once more over a connection of its own: the server is as before. */
function* stillServes(serving: Serving, path = "/"): Coroutine<void> {
  yield* within(session(serving), function* (client) {
    expect((yield* answer(begin(client, path))).status).toBe(200);
  });
}

describe("a request of HTTP/2 that the client takes back", () => {
  it("is cancelled, and the others of its connection are not", function* () {
    const waiting = new Waiting();
    yield* within(serving2(waiting.handler), (serving) =>
      within(session(serving), function* (client) {
        const [first, second] = [begin(client), begin(client)];
        yield* eventually(() => waiting.begun === 2);
        first.on("error", () => {});
        first.close(NGHTTP2_CANCEL);
        yield* eventually(() => waiting.ends.length === 1);
        expect([waiting.ends, serving.server.requests]).toEqual([[GONE], 1]);
        waiting.released.set();
        expect(yield* answer(second)).toEqual({ status: 200, body: "ok", code: NGHTTP2_NO_ERROR });
      }),
    );
  });

  it("while its body is read is cancelled", function* () {
    const ends: string[] = [];
    const handler: RequestHandler = function* (incoming) {
      ends.push("begun");
      try {
        return new Response(yield* until(incoming.text()));
      } catch (error) {
        ends.push(isCancelled(error) ? "cancelled" : "failed");
        throw error;
      }
    };
    yield* within(serving2(handler), (serving) =>
      within(frames(serving), function* (client) {
        // Node's client would end its body in good order first
        yield* until(
          client.send(
            frame(
              HEADERS,
              END_HEADERS,
              1,
              headerBlock([
                [":method", "POST"],
                [":scheme", "https"],
                [":authority", "localhost"],
                [":path", "/"],
              ]),
            ),
            frame(DATA, 0, 1, "half"),
          ),
        );
        yield* eventually(() => ends.length === 1);
        yield* until(client.send(frame(RST_STREAM, 0, 1, uint32(NGHTTP2_CANCEL))));
        yield* serving.quiet();
        expect(ends).toEqual(["begun", "cancelled"]);
      }),
    );
  });

  it.each([1, 1_000_000])(
    "while the answer streams ends that, and closes the source: pieces of %s bytes",
    function* (size) {
      const closed: string[] = [];
      const endless = asyncGenerator(function* () {
        const chunk = Buffer.alloc(size);
        try {
          for (;;) {
            yield chunk;
            yield* sleep(0);
          }
        } finally {
          yield* sleep(1);
          closed.push("closed");
        }
      });
      yield* within(
        serving2(() => new Response(endless())),
        (serving) =>
          within(session(serving), function* (client) {
            const stream = begin(client);
            stream.on("error", () => {});
            yield* until(once(stream, "response"));
            yield* turn(5);
            stream.close(NGHTTP2_CANCEL);
            yield* serving.quiet();
            expect(closed).toEqual(["closed"]);
          }),
      );
    },
  );

  it("with all of its connection is cancelled with all the others", function* () {
    const waiting = new Waiting();
    yield* within(serving2(waiting.handler), (serving) =>
      within(session(serving), function* (client) {
        for (let i = 0; i < 20; i++) begin(client).on("error", () => {});
        yield* eventually(() => waiting.begun === 20);
        client.destroy();
        yield* serving.quiet();
        expect(waiting.ends).toEqual(Array(20).fill(GONE));
      }),
    );
  });
});

describe("rapid resets", () => {
  /** Sends requests, each taken back at once or a little later. */
  function* reset(client: Http2Client, count: number, later: boolean): Coroutine<void> {
    for (let i = 0; i < count; i++) {
      const stream = 2 * i + 1;
      const sent = [frame(HEADERS, END_HEADERS | END_STREAM, stream, requestBlock(`/${i}`))];
      if (later) yield* until(client.send(...sent));
      if (later) yield* turn(2);
      yield* until(client.send(...(later ? [] : sent), frame(RST_STREAM, 0, stream, uint32(NGHTTP2_CANCEL))));
      if (client.connection.ended !== undefined) return;
      if (i % 20 === 0) yield* turn();
    }
  }

  it.each<[string, boolean]>([
    ["in one packet with the request", false],
    ["when the handler has begun", true],
  ])("%s end the connection", function* (_title, later) {
    const waiting = new Waiting();
    yield* within(serving2(waiting.handler, { maxStreamResets: 50 }), function* (serving) {
      yield* within(frames(serving), function* (client) {
        yield* reset(client, 300, later);
        expect(yield* until(client.over())).toBe(NGHTTP2_ENHANCE_YOUR_CALM);
        yield* serving.quiet();
        expect(waiting.begun).toBeLessThan(200);
        expect(waiting.ends).toEqual(Array(waiting.begun).fill(GONE));
      });
      waiting.released.set();
      yield* stillServes(serving);
    });
  });

  it("that the client provokes, so that the server sends them, end the connection", function* () {
    const waiting = new Waiting();
    yield* within(serving2(waiting.handler, { maxStreamResets: 50 }), (serving) =>
      within(frames(serving), function* (client) {
        for (let i = 0; i < 300 && client.connection.ended === undefined; i++) {
          const stream = 2 * i + 1;
          yield* until(
            client.send(
              frame(HEADERS, END_HEADERS | END_STREAM, stream, requestBlock()),
              // an increment of zero is an error of the stream
              frame(WINDOW_UPDATE, 0, stream, uint32(0)),
            ),
          );
          if (i % 20 === 0) yield* turn();
        }
        yield* until(client.over());
        yield* serving.quiet();
        expect(waiting.begun).toBeLessThan(200);
        expect(waiting.ends).toEqual(Array(waiting.begun).fill(GONE));
      }),
    );
  });

  it("within the limit are allowed", function* () {
    const waiting = new Waiting();
    yield* within(serving2(waiting.handler, { maxStreamResets: 50 }), (serving) =>
      within(frames(serving), function* (client) {
        yield* reset(client, 50, true);
        waiting.released.set();
        yield* until(client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1001, requestBlock())));
        yield* until(client.next(({ type, stream }) => type === DATA && stream === 1001));
        expect(client.goneAway).toBeUndefined();
      }),
    );
  });
});

describe("streams", () => {
  it("beyond the limit are refused, those within it are answered", function* () {
    const waiting = new Waiting();
    yield* within(serving2(waiting.handler, { maxConcurrentStreams: 5 }), (serving) =>
      within(frames(serving), function* (client) {
        for (let i = 0; i < 8; i++) {
          yield* until(client.send(frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, requestBlock())));
        }
        const isRefusal = ({ type }: { type: number }): boolean => type === RST_STREAM;
        yield* until(client.connection.until(() => client.frames.filter(isRefusal).length === 3));
        const refusals = client.frames.filter(isRefusal);
        expect(refusals.map(({ stream, payload }) => [stream, payload.readUInt32BE(0)])).toEqual([
          [11, NGHTTP2_REFUSED_STREAM],
          [13, NGHTTP2_REFUSED_STREAM],
          [15, NGHTTP2_REFUSED_STREAM],
        ]);
        expect(waiting.begun).toBe(5);
        waiting.released.set();
        yield* until(client.next(({ type, stream }) => type === DATA && stream === 9));
      }),
    );
  });

  it("beyond concurrency and queue are answered with 503", function* () {
    const waiting = new Waiting();
    yield* within(serving2(waiting.handler, { concurrency: 1, queueSize: 1 }), (serving) =>
      within(session(serving), function* (client) {
        const [first, second] = [begin(client), begin(client)];
        yield* eventually(() => serving.server.requests === 2);
        expect((yield* answer(begin(client))).status).toBe(503);
        waiting.released.set();
        expect((yield* answer(first)).status).toBe(200);
        expect((yield* answer(second)).status).toBe(200);
      }),
    );
  });
});

/** What a client may send until the connection is ended; nothing of it may grow for ever. */
const floods: readonly [title: string, piece: (i: number) => Buffer][] = [
  ["PING", (i) => frame(PING, 0, 0, Buffer.concat([uint32(i), uint32(i)]))],
  ["SETTINGS", (i) => frame(SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(65_535 + (i % 2))]))],
  ["empty frames of DATA", () => frame(DATA, 0, 1)],
  [
    "CONTINUATION",
    (i) =>
      i === 0
        ? frame(HEADERS, END_STREAM, 3, requestBlock())
        : frame(CONTINUATION, 0, 3, headerBlock([[`x-${i}`, "x"]])),
  ],
  [
    "empty frames of CONTINUATION",
    (i) => (i === 0 ? frame(HEADERS, END_STREAM, 3, requestBlock()) : frame(CONTINUATION, 0, 3)),
  ],
];

describe("a flood of frames:", () => {
  it.each(floods)("%s, whose answers are not taken, ends, and the server is as before", function* (_title, piece) {
    const waiting = new Waiting();
    yield* within(serving2(waiting.handler), function* (serving) {
      yield* within(frames(serving), function* (client) {
        yield* until(client.next(({ type, flags }) => type === SETTINGS && (flags & ACK) === 0));
        yield* until(
          client.send(
            frame(
              HEADERS,
              END_HEADERS,
              1,
              headerBlock([
                [":method", "POST"],
                [":scheme", "https"],
                [":authority", "localhost"],
                [":path", "/"],
              ]),
            ),
          ),
        );
        client.connection.pause();
        const many = (from: number): Buffer[] => Array.from({ length: 1_000 }, (_, i) => piece(from + i));
        let sent = 0;
        for (; sent < 100_000 && client.connection.ended === undefined; sent += 1_000) {
          if (!(yield* until(client.send(...many(sent))))) break;
          yield* turn();
        }
        client.connection.resume();
        yield* turn(5);
        yield* until(client.connection.close());
        yield* serving.quiet();
        expect(waiting.ends).toEqual(Array(waiting.begun).fill(GONE));
      });
      waiting.released.set();
      yield* stillServes(serving);
    });
  });

  it("CONTINUATION without an end is cut off", function* () {
    yield* within(serving2(ok), (serving) =>
      within(frames(serving), function* (client) {
        yield* until(client.send(frame(HEADERS, END_STREAM, 1, requestBlock())));
        for (let i = 0; i < 1_000 && client.connection.ended === undefined; i++) {
          yield* until(client.send(frame(CONTINUATION, 0, 1, headerBlock([[`x-${i}`, "x".repeat(100)]]))));
        }
        expect(yield* until(client.over())).toBeDefined();
      }),
    );
  });
});

describe("a connection of HTTP/2", () => {
  it.each<[string, boolean, Buffer[]]>([
    ["sends nothing", false, []],
    ["sends its preface only", true, []],
    ["begins headers that it does not end", true, [frame(HEADERS, END_STREAM, 1, requestBlock())]],
    ["begins a frame that it does not end", true, [frame(HEADERS, END_STREAM, 1, requestBlock()).subarray(0, 12)]],
  ])("that %s is closed when it has been idle", function* (_title, preface, sent) {
    yield* within(serving2(ok, { keepAliveTimeout: 50, headersTimeout: 60 }), (serving) =>
      within(frames(serving, { preface }), function* (client) {
        yield* until(client.send(...sent));
        yield* until(client.connection.over());
        yield* eventually(() => serving.server.connections === 0);
      }),
    );
  });

  it("that sends garbage is closed", function* () {
    yield* within(serving2(ok), (serving) =>
      within(frames(serving, { preface: false }), function* (client) {
        yield* until(client.connection.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(10)));
        yield* until(client.connection.over());
        yield* eventually(() => serving.server.connections === 0);
      }),
    );
  });

  it("whose client takes nothing is given up, and the source is closed", function* () {
    const closed: string[] = [];
    const endless = asyncGenerator(function* () {
      try {
        for (;;) yield "x".repeat(100_000);
      } finally {
        yield* sleep(1);
        closed.push("closed");
      }
    });
    yield* within(
      serving2(() => new Response(endless()), { writeTimeout: 50 }),
      (serving) =>
        within(frames(serving), function* (client) {
          // a window of nothing
          yield* until(client.send(frame(SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(0)]))));
          yield* until(client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, requestBlock())));
          const { payload } = yield* until(client.next(({ type }) => type === RST_STREAM));
          expect(payload.readUInt32BE(0)).toBe(NGHTTP2_CANCEL);
          yield* serving.quiet();
          expect(closed).toEqual(["closed"]);
        }),
    );
  });

  it.each<[string, [string, string][]]>([
    ["an authority with a user", [[":authority", "user@localhost"]]],
    ["an authority with a path", [[":authority", "localhost/x"]]],
    ["an authority with a space", [[":authority", "local host"]]],
    [
      "another Host than its authority",
      [
        [":authority", "localhost"],
        ["host", "other.example"],
      ],
    ],
    [
      "a path that is none",
      [
        [":authority", "localhost"],
        [":path", "x"],
      ],
    ],
    [
      "a length that its body has not",
      [
        [":authority", "localhost"],
        ["content-length", "5"],
      ],
    ],
    [
      "a transfer-encoding",
      [
        [":authority", "localhost"],
        ["transfer-encoding", "chunked"],
      ],
    ],
    [
      "a connection header",
      [
        [":authority", "localhost"],
        ["connection", "close"],
      ],
    ],
    [
      "a name in capitals",
      [
        [":authority", "localhost"],
        ["X", "x"],
      ],
    ],
    [
      "a line feed in its path",
      [
        [":authority", "localhost"],
        [":path", "/ HTTP/1.1\r\nx: y"],
      ],
    ],
    [
      "a space in its path",
      [
        [":authority", "localhost"],
        [":path", "/a b"],
      ],
    ],
    [
      "a method with a space",
      [
        [":authority", "localhost"],
        [":method", "GE T"],
      ],
    ],
    [
      "two paths",
      [
        [":authority", "localhost"],
        [":path", "/"],
        [":path", "/x"],
      ],
    ],
    ["no path", [[":authority", "localhost"]]],
  ])("refuses a request with %s", function* (title, headers) {
    const seen: string[] = [];
    const handler: RequestHandler = function* (incoming) {
      seen.push(`${incoming.method} ${incoming.url} ${yield* until(incoming.text())}`);
      return new Response("ok");
    };
    yield* within(serving2(handler), (serving) =>
      within(frames(serving), function* (client) {
        const names = headers.map(([name]) => name);
        const usual = [
          [":method", "GET"],
          [":scheme", "https"],
          [":path", "/"],
        ] as [string, string][];
        const block = [...usual.filter(([name]) => !names.includes(name)), ...headers].filter(
          ([name]) => title !== "no path" || name !== ":path",
        );
        block.sort(([a], [b]) => Number(b.startsWith(":")) - Number(a.startsWith(":")));
        yield* until(client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, headerBlock(block))));
        // 0x88 is ":status: 200", and 400 is a literal
        const came = yield* until(
          client
            .next(({ type, stream }) => (type === RST_STREAM || type === HEADERS) && stream === 1)
            .catch(() => undefined),
        );
        if (came?.type === HEADERS) expect(came.payload[0]).not.toBe(0x88);
        yield* serving.quiet();
        expect(seen).toEqual([]);
      }),
    );
  });

  it.each([["a\r\nb: c"], ["a\nb"], ["a\0b"]])(
    "does not hand on a header with a value that is none: %j",
    function* (value) {
      const handler: RequestHandler = ({ headers }) => new Response(JSON.stringify([...headers.keys()]));
      yield* within(serving2(handler), (serving) =>
        within(frames(serving), function* (client) {
          yield* until(
            client.send(
              frame(HEADERS, END_HEADERS | END_STREAM, 1, requestBlock("/", ["x-odd", value], ["x-even", "x"])),
            ),
          );
          const { payload } = yield* until(client.next(({ type }) => type === DATA));
          expect(payload.toString()).toBe('["x-even"]');
        }),
      );
    },
  );

  it("gives its body up when it is too large, and goes on with others", function* () {
    const handler: RequestHandler = function* (incoming) {
      return new Response(String((yield* until(incoming.text())).length));
    };
    yield* within(serving2(handler, { maxBodySize: 1_000 }), (serving) =>
      within(session(serving), function* (client) {
        const large = client.request({ ":path": "/", ":method": "POST" });
        large.on("error", () => {});
        large.end("x".repeat(1_000_000));
        expect((yield* answer(large)).status).toBe(413);
        const small = client.request({ ":path": "/", ":method": "POST" });
        small.end("x".repeat(1_000));
        expect((yield* answer(small)).body).toBe("1000");
      }),
    );
  });

  it("answers a handler that does not read the body, and goes on with others", function* () {
    yield* within(serving2(ok), (serving) =>
      within(session(serving), function* (client) {
        for (const length of [10, 60_000, 3_000_000]) {
          const stream = client.request({ ":path": "/", ":method": "POST" });
          stream.on("error", () => {});
          stream.write("x".repeat(length));
          const { status, body } = yield* answer(stream);
          expect([length, status, body]).toEqual([length, 200, "ok"]);
        }
        yield* serving.quiet();
        expect((yield* answer(begin(client))).body).toBe("ok");
      }),
    );
  });

  it("cuts off the stream of an answer that fails, and goes on with others", function* () {
    const failing = asyncGenerator(function* () {
      yield "piece";
      yield* sleep(1);
      throw new Error("secret");
    });
    const handler: RequestHandler = (incoming) => {
      if (incoming.url.endsWith("/fails")) return new Response(failing());
      if (incoming.url.endsWith("/throws")) throw new Error("secret");
      if (incoming.url.endsWith("/refuses")) throw new HttpError(403);
      return new Response("ok");
    };
    yield* within(serving2(handler), (serving) =>
      within(session(serving), function* (client) {
        const cut = yield* answer(begin(client, "/fails"));
        expect([cut.status, cut.code]).toEqual([200, constants.NGHTTP2_INTERNAL_ERROR]);
        expect(yield* answer(begin(client, "/throws"))).toMatchObject({ status: 500, body: "Internal Server Error" });
        expect(yield* answer(begin(client, "/refuses"))).toMatchObject({ status: 403, body: "Forbidden" });
        expect(serving.reports()).toEqual([expect.stringContaining("secret"), expect.stringContaining("secret")]);
        expect((yield* answer(begin(client))).body).toBe("ok");
      }),
    );
  });

  it("has the time of its handlers limited, each for itself", function* () {
    const handler: RequestHandler = function* (incoming) {
      if (incoming.url.endsWith("/slow")) yield* sleep(60_000);
      return new Response("ok");
    };
    yield* within(serving2(handler, { handlerTimeout: 30 }), (serving) =>
      within(session(serving), function* (client) {
        const slow = begin(client, "/slow");
        expect((yield* answer(begin(client))).body).toBe("ok");
        expect((yield* answer(slow)).status).toBe(503);
        expect((yield* answer(begin(client))).body).toBe("ok");
      }),
    );
  });
});

describe("a server of HTTP/2 that shuts down", () => {
  it("answers all that is in flight, and refuses no stream that it has taken", function* () {
    const waiting = new Waiting();
    yield* within(serving2(waiting.handler), (serving) =>
      within(session(serving), function* (client) {
        const streams = Array.from({ length: 10 }, () => begin(client));
        const answers = streams.map((stream) => createTask(answer(stream)));
        yield* eventually(() => waiting.begun === 10);
        const shutdown = createTask(serving.server.shutdown());
        yield* until(once(client, "goaway"));
        waiting.released.set();
        for (const task of answers) expect((yield* task).body).toBe("ok");
        yield* shutdown;
      }),
    );
  });

  it("answers what has just been sent", function* () {
    yield* within(serving2(ok), (serving) =>
      within(session(serving), function* (client) {
        expect((yield* answer(begin(client))).body).toBe("ok");
        const answers = Array.from({ length: 10 }, () => createTask(answer(begin(client))));
        yield* turn(1);
        yield* serving.server.shutdown();
        for (const task of answers) {
          const { status, code } = yield* task;
          // one that was not taken in any more may be sent again
          if (status === undefined) expect(code).toBe(NGHTTP2_REFUSED_STREAM);
          else expect(status).toBe(200);
        }
      }),
    );
  });

  it("cancels what takes too long: 503, or the stream is cut off", function* () {
    const closed: string[] = [];
    const endless = asyncGenerator(function* () {
      try {
        for (;;) {
          yield "x";
          yield* sleep(1);
        }
      } finally {
        closed.push("closed");
      }
    });
    const handler: RequestHandler = function* (incoming) {
      if (incoming.url.endsWith("/stream")) return new Response(endless());
      yield* sleep(60_000);
      return new Response("never");
    };
    yield* within(serving2(handler), (serving) =>
      within(session(serving), function* (client) {
        const waiting = createTask(answer(begin(client)));
        const streaming = begin(client, "/stream");
        yield* until(once(streaming, "response"));
        const streamed = createTask(answer(streaming));
        yield* serving.server.shutdown(10);
        expect((yield* waiting).status).toBe(503);
        expect((yield* streamed).code).not.toBe(NGHTTP2_NO_ERROR);
        expect(closed).toEqual(["closed"]);
      }),
    );
  });

  it("does not wait for a client that is idle", function* () {
    yield* within(serving2(ok), (serving) =>
      within(session(serving), function* (client) {
        expect((yield* answer(begin(client))).body).toBe("ok");
        yield* serving.server.shutdown();
        expect(serving.server.connections).toBe(0);
      }),
    );
  });
});
