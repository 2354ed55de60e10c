import { asyncGenerator, type Coroutine, isCancelled, sleep, until, within } from "corio";
import { describe, expect } from "vitest";
import { HttpError, type RequestHandler, Response } from "../../src/index.js";
import { headerOf, nextAnswer, type RawAnswer } from "../support/raw-client.js";
import type { RawConnection } from "../support/raw-connection.js";
import { ask, client, eventually, it, post, request, serving } from "./hostile-setting.js";

const chunked = (...pieces: readonly string[]): string =>
  request(
    "POST /",
    ["Transfer-Encoding: chunked"],
    `${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join("")}0\r\n\r\n`,
  );

/** What a handler may do with the body of its request. */
const ways: readonly [what: string, handler: RequestHandler][] = [
  ["does not look at it", () => new Response("ok")],
  [
    "reads it",
    function* (incoming) {
      yield* until(incoming.text());
      return new Response("ok");
    },
  ],
  [
    "asks for the stream, and does not read it",
    (incoming) => {
      expect(incoming.body === null).toBe(incoming.method === "GET");
      return new Response("ok");
    },
  ],
  [
    "reads one piece of it",
    function* (incoming) {
      yield* until((incoming.body as ReadableStream<Uint8Array>).getReader().read());
      return new Response("ok");
    },
  ],
  [
    "reads one piece of it, and cancels the rest",
    function* (incoming) {
      const reader = (incoming.body as ReadableStream<Uint8Array>).getReader();
      yield* until(reader.read());
      yield* until(reader.cancel());
      return new Response("ok");
    },
  ],
  [
    "begins to read it, and does not wait for that",
    (incoming) => {
      incoming.text().catch(() => {});
      return new Response("ok");
    },
  ],
  [
    "throws before it is read",
    () => {
      throw new HttpError(400, "ok");
    },
  ],
  [
    "makes a copy of the request",
    function* (incoming) {
      const copy = incoming.clone();
      expect(yield* until(copy.text())).toBe(yield* until(incoming.text()));
      return new Response("ok");
    },
  ],
  ["answers by a source, and does not look at it", () => new Response(slowOk())],
];

const slowOk = asyncGenerator(function* () {
  yield "o";
  yield* sleep(1);
  yield "k";
});

const bodies: readonly [what: string, text: string][] = [
  ["small", post("/", "x".repeat(10))],
  ["of many packets", post("/", "x".repeat(60_000))],
  ["large", post("/", "x".repeat(900_000))],
  ["in chunks", chunked("x", "y".repeat(1_000), "z".repeat(60_000))],
  ["in one chunk", chunked("x")],
  ["that asks whether it may come", post("/", "x", "Expect: 100-continue")],
];

/** Asks once more: over the same connection if it is kept, else over another. Nothing of what was before is seen. */
function* asksOnceMore(
  connection: RawConnection,
  before: RawAnswer,
  target: { port?: number | undefined },
): Coroutine<void> {
  expect(connection.received).toBe("");
  if (headerOf(before, "connection") !== "close") {
    expect((yield* ask(connection, request("GET /next"))).body).toBe("next");
    return;
  }
  expect(["end", "ECONNRESET"]).toContain(yield* until(connection.over()));
  expect(connection.received).toBe("");
  yield* within(client(target), function* (other) {
    expect((yield* ask(other, request("GET /next"))).body).toBe("next");
  });
}

describe.each(ways)("with a handler that %s, a body", (what, handler) => {
  const answers: RequestHandler = (incoming) =>
    incoming.url.endsWith("/next") ? new Response("next") : handler(incoming);

  // what is known of it is below
  const taken = what.startsWith("answers by a source") ? bodies.filter(([body]) => body !== "large") : bodies;

  it.each(taken)("%s does not get into the way of the next request", function* (_body, text) {
    yield* within(serving(answers), (serving) =>
      within(client(serving), function* (connection) {
        void connection.send(text);
        const answer = yield* until(nextAnswer(connection));
        expect(answer.body).toBe("ok");
        yield* asksOnceMore(connection, answer, serving);
      }),
    );
  });

  it.each(bodies)("%s, of which half never comes, does neither", function* (_body, text) {
    const limits = { bodyIdleTimeout: 30, headersTimeout: 60, requestTimeout: 100 };
    yield* within(serving(answers, limits), (serving) =>
      within(client(serving), function* (connection) {
        const end = text.indexOf("\r\n\r\n") + 4;
        void connection.send(text.slice(0, end + Math.floor((text.length - end) / 2)));
        const answer = yield* until(nextAnswer(connection));
        expect([200, 400, 408]).toContain(answer.status);
        connection.end();
        yield* until(connection.over());
        // no second answer, but the 408 for what did not come
        expect(connection.received).toMatch(/^(?:HTTP\/1\.1 408 [^]*|HTTP\/1\.1 400 [^]*)?$/);
        yield* serving.quiet();
      }),
    );
  });
});

describe("a large body that nobody reads", () => {
  it.fails("is no surprise to a client whose answer comes over time: it is told that the connection ends", function* () {
    yield* within(
      serving(() => new Response(slowOk())),
      (serving) =>
        within(client(serving), function* (connection) {
          void connection.send(post("/", "x".repeat(900_000)));
          const answer = yield* until(nextAnswer(connection));
          expect([answer.body, headerOf(answer, "connection")]).toEqual(["ok", "close"]);
        }),
    );
  });
});

describe("a connection is kept", () => {
  it.each<[string, string, RequestHandler]>([
    ["an answer", request("GET /"), () => new Response("ok")],
    ["an empty answer", request("GET /"), () => new Response(null)],
    ["204", request("GET /"), () => new Response(null, { status: 204 })],
    [
      "304 with a length",
      request("GET /"),
      () => new Response(null, { status: 304, headers: { "content-length": "10" } }),
    ],
    ["HEAD", request("HEAD /"), () => new Response("x".repeat(1_000))],
    ["HEAD by a source", request("HEAD /"), () => new Response(slowOk())],
    [
      "HEAD by a source with a length",
      request("HEAD /"),
      () => new Response(slowOk(), { headers: { "content-length": "2" } }),
    ],
    ["a source", request("GET /"), () => new Response(slowOk())],
    [
      "a source with its length",
      request("GET /"),
      () => new Response(slowOk(), { headers: { "content-length": "2" } }),
    ],
    ["a web stream", request("GET /"), () => new globalThis.Response("ok")],
    ["404", request("GET /"), () => throwing(new HttpError(404))],
    ["500", request("GET /"), () => throwing(new Error("secret"))],
    ["a redirect", request("GET /"), () => Response.redirect("/elsewhere")],
    ["OPTIONS *", request("OPTIONS *"), () => new Response("ok")],
    ["a request with odd line ends before it", `\r\n\r\n${request("GET /")}`, () => new Response("ok")],
  ])("after %s, ten times", function* (_what, text, handler) {
    const answers: RequestHandler = (incoming) =>
      incoming.url.endsWith("/next") ? new Response("next") : handler(incoming);
    yield* within(serving(answers), (serving) =>
      within(client(serving), function* (connection) {
        for (let i = 0; i < 10; i++) {
          const answer = yield* ask(connection, text, text.trim().split(" ", 1)[0]);
          expect(headerOf(answer, "connection")).toBe("keep-alive");
          expect((yield* ask(connection, request("GET /next"))).body).toBe("next");
          serving.reports();
        }
      }),
    );
  });

  it("after each of a hundred requests of all kinds that were sent ahead", function* () {
    const answers: RequestHandler = function* (incoming) {
      const { pathname } = new URL(incoming.url);
      const i = Number(pathname.slice(1));
      if (i % 3 === 0) yield* sleep(i % 5);
      if (i % 7 === 0) throw new HttpError(418, pathname);
      const text = i % 2 === 0 ? yield* until(incoming.text()) : "";
      return i % 5 === 0 ? new Response(piecesOf(pathname + text)) : new Response(pathname + text);
    };
    yield* within(serving(answers), (serving) =>
      within(client(serving), function* (connection) {
        const texts = Array.from({ length: 100 }, (_, i) =>
          i % 2 === 0 ? post(`/${i}`, "x".repeat(i)) : request(`GET /${i}`),
        );
        void connection.send(texts.join(""));
        for (let i = 0; i < 100; i++) {
          const { body } = yield* until(nextAnswer(connection));
          expect(body).toBe(i % 7 === 0 ? `/${i}` : `/${i}${i % 2 === 0 ? "x".repeat(i) : ""}`);
        }
      }),
    );
  });
});

const piecesOf = asyncGenerator(function* (text: string) {
  for (const letter of text) yield letter;
});

function throwing(error: Error): never {
  throw error;
}

describe("a connection is closed", () => {
  it.each<[string, string, RequestHandler]>([
    ["the client has said so", request("GET /", ["Connection: close"]), () => new Response("ok")],
    ["the client speaks HTTP/1.0", "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", () => new Response("ok")],
    ["the handler has said so", request("GET /"), () => new Response("ok", { headers: { connection: "close" } })],
    [
      "the handler has said so among others",
      request("GET /"),
      () => new Response("ok", { headers: { connection: "x-other, Close" } }),
    ],
    ["a source is its body, and the client speaks HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", () => new Response(slowOk())],
  ])("when %s", function* (_what, text, handler) {
    yield* within(serving(handler), (serving) =>
      within(client(serving), function* (connection) {
        const answer = yield* ask(connection, text);
        expect([answer.body, headerOf(answer, "connection")]).toEqual(["ok", "close"]);
        expect(yield* until(connection.over())).toBe("end");
      }),
    );
  });

  it("after as many requests as it may bring, with the last answer in order", function* () {
    yield* within(
      serving(() => new Response("ok"), { maxRequestsPerSocket: 3 }),
      (serving) =>
        within(client(serving), function* (connection) {
          for (const expected of ["keep-alive", "keep-alive", "close"]) {
            expect(headerOf(yield* ask(connection, request("GET /")), "connection")).toBe(expected);
          }
          yield* until(connection.over());
        }),
    );
  });

  it("by the client in mid-answer, and its address can connect again", function* () {
    const ends: string[] = [];
    const handler: RequestHandler = function* () {
      try {
        yield* sleep(60_000);
      } catch (error) {
        ends.push(isCancelled(error) ? "cancelled" : "failed");
        throw error;
      }
      return new Response("never");
    };
    yield* within(serving(handler), function* (serving) {
      for (let i = 1; i <= 5; i++) {
        yield* within(client(serving), function* (connection) {
          yield* until(connection.send(request("GET /")));
          yield* eventually(() => serving.server.requests === 1);
        });
        yield* serving.quiet();
        expect(ends).toHaveLength(i);
      }
    });
  });
});

describe("a body that the client asks about", () => {
  const limit: RequestHandler = function* (incoming) {
    if (incoming.headers.get("authorization") === null) throw new HttpError(401);
    return new Response(yield* until(incoming.text()));
  };

  it("is sent when the handler reads it, and not before", function* () {
    yield* within(serving(limit), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(
          connection.send(request("POST /", ["Authorization: x", "Content-Length: 4", "Expect: 100-continue"])),
        );
        yield* eventually(() => connection.receivedLength > 0);
        expect(connection.received).toBe("HTTP/1.1 100 Continue\r\n\r\n");
        const answer = yield* ask(connection, "body", "POST");
        expect([answer.interim, answer.body, headerOf(answer, "connection")]).toEqual([[100], "body", "keep-alive"]);
        expect((yield* ask(connection, post("/", "next", "Authorization: x"))).body).toBe("next");
      }),
    );
  });

  it("is not asked for when the answer is there, and the connection is not used any more", function* () {
    yield* within(serving(limit), (serving) =>
      within(client(serving), function* (connection) {
        const answer = yield* ask(connection, request("POST /", ["Content-Length: 4", "Expect: 100-continue"]));
        expect([answer.status, answer.interim, headerOf(answer, "connection")]).toEqual([401, [], "close"]);
        yield* until(connection.send("body"));
        yield* until(connection.over());
        expect(connection.received).toBe("");
      }),
    );
  });

  it("is refused if it is too large, without having been sent", function* () {
    yield* within(serving(limit, { maxBodySize: 3 }), (serving) =>
      within(client(serving), function* (connection) {
        const headers = ["Authorization: x", "Content-Length: 4", "Expect: 100-continue"];
        const answer = yield* ask(connection, request("POST /", headers));
        expect([answer.status, answer.interim, headerOf(answer, "connection")]).toEqual([413, [], "close"]);
        yield* until(connection.over());
      }),
    );
  });

  it.fails("that is empty is no reason to ask", function* () {
    yield* within(serving(limit), (serving) =>
      within(client(serving), function* (connection) {
        const headers = ["Authorization: x", "Content-Length: 0", "Expect: 100-continue"];
        expect((yield* ask(connection, request("POST /", headers))).status).toBe(200);
        expect((yield* ask(connection, post("/", "next", "Authorization: x"))).body).toBe("next");
      }),
    );
  });

  it("and of which something else is expected is refused", function* () {
    yield* within(serving(limit), (serving) =>
      within(client(serving), function* (connection) {
        const answer = yield* ask(connection, post("/", "body", "Authorization: x", "Expect: something"));
        expect(answer.status).toBe(417);
      }),
    );
  });
});
