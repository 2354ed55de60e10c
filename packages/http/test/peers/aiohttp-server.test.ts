import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { openAsBlob } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  asyncGenerator,
  type Coroutine,
  createTask,
  forEach,
  gather,
  sleep,
  timeout,
  until,
  wait,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { runConnected } from "../../../node/test/support/run-connected.js";
import { thrownBy } from "../../../node/test/support/thrown-by.js";
import {
  BodyTimeoutError,
  type ClientSession,
  HeadersTimeoutError,
  type PendingResponse,
  ResponseTooLargeError,
  type SessionOptions,
  TotalTimeoutError,
  WebSocketHandshakeError,
} from "../../src/index.js";
import { inSession } from "../client/session-setting.js";
import { type AiohttpServer, type Echoed, type EchoedPart, startAiohttpServer } from "../support/aiohttp-server.js";
import { describeWith } from "../support/programs.js";
import { started, useStarted } from "../support/started.js";

const sha256 = (data: Uint8Array | string): string => createHash("sha256").update(data).digest("hex");

function* json<T>(pending: PendingResponse): Coroutine<T> {
  return yield* (yield* pending).json<T>();
}

function* textOf(pending: PendingResponse): Coroutine<string> {
  return yield* (yield* pending).text();
}

/** Waits until the server has seen so many clients go, counted from an earlier state. */
function* seesGone(server: AiohttpServer, gone: number): Coroutine<void> {
  while ((yield* until(server.stats())).gone < gone) yield* sleep(5);
}

describeWith("aiohttp")("a server of aiohttp", () => {
  const server = useStarted(() => startAiohttpServer());

  /** A test that asks it. */
  const asking =
    (body: (session: ClientSession) => Coroutine<void>, options: SessionOptions = {}): (() => Promise<void>) =>
    () =>
      runConnected(() => inSession({ baseUrl: server().origin, ...options }, body));

  describe("gets", () => {
    test.each(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])("the method %s", (method) =>
      asking(function* (session) {
        const echoed = yield* json<Echoed>(session.request(method, "/echo?a=b"));
        expect(echoed).toMatchObject({ method, target: "/echo?a=b", version: "1.1", length: 0 });
      })(),
    );

    test(
      "just the headers that the session says it sends",
      asking(function* (session) {
        const { headers } = yield* json<Echoed>(
          session.get("/echo", { headers: { "X-One": "1", "x-two": ["a", "b"] } }),
        );
        const names = headers.map(([name]) => name.toLowerCase()).toSorted();
        expect(names).toEqual([
          "accept",
          "accept-encoding",
          "connection",
          "host",
          "user-agent",
          "x-one",
          "x-two",
          "x-two",
        ]);
        expect(new Map(headers).get("host")).toBe(new URL(server().origin).host);
      }),
    );

    test(
      "paths and queries as they were meant",
      asking(function* (session) {
        const target = function* (url: string, params?: Record<string, string | readonly string[]>): Coroutine<string> {
          return (yield* json<Echoed>(session.get(url, { params }))).target;
        };
        expect(yield* target("/echo/a%2Fb/ü")).toBe("/echo/a%2Fb/%C3%BC");
        expect(yield* target("/echo", { "a b": "ü&=", c: ["1", "2"] })).toMatch(
          /^.echo\?a(\+|%20)b=%C3%BC%26%3D&c=1&c=2$/,
        );
      }),
    );

    test.each<[string, () => object, string]>([
      ["a text", () => ({ body: "grüße" }), "grüße"],
      ["bytes", () => ({ body: new Uint8Array([0, 255, 10]) }), "\0\u00ff\n"],
      ["JSON", () => ({ json: { a: ["ü"] } }), '{"a":["ü"]}'],
      ["fields", () => ({ form: { a: "1 2", b: "ü" } }), "a=1+2&b=%C3%BC"],
      ["a blob", () => ({ body: new Blob(["from a blob"]) }), "from a blob"],
      ["a stream", () => ({ body: new Blob(["from a stream"]).stream() }), "from a stream"],
      ["a generator", () => ({ body: pieces(["from", " a ", "generator"], 2) }), "from a generator"],
      ["nothing, announced", () => ({ body: "" }), ""],
    ])("a body: %s", (what, options, text) =>
      asking(function* (session) {
        const bytes = Buffer.from(text, what === "bytes" ? "latin1" : "utf8");
        for (let i = 0; i < 2; i++) {
          const echoed = yield* json<Echoed>(session.post("/echo", options()));
          expect(echoed).toMatchObject({ method: "POST", length: bytes.length, sha256: sha256(bytes) });
          expect(echoed.text).toBe(bytes.toString("latin1"));
        }
        // the second one came over the same connection: nothing was left of the first
        expect(session.connections).toBe(1);
      })(),
    );

    test(
      "forms as this server reads them",
      asking(function* (session) {
        const form = { name: "Ada Lovelace", sign: "&=+%", letters: "äß€" };
        expect(yield* json(session.post("/form", { form }))).toEqual(Object.entries(form));
      }),
    );

    test(
      "forms with files, which are streamed",
      asking(function* (session) {
        const content = randomBytes(3_000_000);
        const folder = yield* until(mkdtemp(join(tmpdir(), "corio-upload-")));
        try {
          yield* until(writeFile(join(folder, "data.bin"), content));
          const body = new FormData();
          body.append("field", "välue");
          body.append(
            "one",
            yield* until(openAsBlob(join(folder, "data.bin"), { type: "image/png" })),
            'ä "quoted".png',
          );
          body.append("two", new File(["text"], "two.txt", { type: "text/plain" }));
          const parts = yield* json<EchoedPart[]>(session.post("/form", { body }));
          expect(parts).toEqual([
            expect.objectContaining({ name: "field", filename: null, length: 6, sha256: sha256("välue") }),
            {
              name: "one",
              filename: expect.stringMatching(/^ä .*quoted.*\.png$/),
              type: "image/png",
              length: content.length,
              sha256: sha256(content),
            },
            { name: "two", filename: "two.txt", type: "text/plain", length: 4, sha256: sha256("text") },
          ]);
        } finally {
          yield* until(rm(folder, { recursive: true }));
        }
      }),
    );

    test(
      "large bodies side by side",
      asking(function* (session) {
        const content = randomBytes(5_000_000);
        const pieces = Array.from({ length: 50 }, (_, i) => content.subarray(i * 100_000, (i + 1) * 100_000));
        const bodies = [content, new Blob([content]), inPieces(pieces), new Blob([content]).stream()];
        const echoed = yield* gather(...bodies.map((body) => json<Echoed>(session.put("/echo", { body }))));
        expect(echoed.map((one) => one.sha256)).toEqual(bodies.map(() => sha256(content)));
      }),
    );
  });

  describe("answers", () => {
    test.each([200, 201, 204, 206, 304, 400, 404, 418, 429, 500, 503, 599])("with status %i", (status) =>
      asking(function* (session) {
        const response = yield* session.get(`/status/${status}?x-a=b`);
        expect(response.status).toBe(status);
        expect(response.headers.get("x-a")).toBe("b");
        yield* response.bytes();
        expect((yield* session.head(`/status/${status}`)).status).toBe(status);
        expect(session.connections).toBe(1);
      })(),
    );

    test(
      "with so many bytes",
      asking(function* (session) {
        for (const length of [0, 1, 65_535, 65_536, 65_537, 10_000_000]) {
          expect(yield* textOf(session.get(`/bytes/${length}`))).toBe("x".repeat(length));
        }
        expect(session.connections).toBe(1);
      }),
    );

    test(
      "in chunks, however they are read",
      asking(function* (session) {
        const url = "/chunks?n=20&size=3000";
        const expected = Buffer.concat(Array.from({ length: 20 }, (_, i) => Buffer.alloc(3_000, i)));
        expect(Buffer.from(yield* (yield* session.get(url)).bytes())).toEqual(expected);
        const { body } = yield* session.get(url);
        const read: Uint8Array[] = [];
        for (let i = 0; i < 20; i++) read.push(yield* body.readexactly(3_000));
        expect(Buffer.concat(read)).toEqual(expected);
        expect(yield* body.read()).toHaveLength(0);
        const chunks: Uint8Array[] = [];
        yield* forEach((yield* session.get(url)).chunks(), function* (chunk) {
          yield* sleep(1);
          chunks.push(chunk);
        });
        expect(Buffer.concat(chunks)).toEqual(expected);
        expect(session.connections).toBe(1);
      }),
    );

    test(
      "in pieces as they come",
      asking(function* (session) {
        const response = yield* session.get("/chunks?n=1000&size=1000&ms=20");
        expect(yield* response.body.readexactly(3_000)).toHaveLength(3_000);
        response.release(); // it would go on for 20 seconds
      }),
    );

    test.each(["gzip", "deflate", "raw-deflate"])("compressed by %s", (name) =>
      asking(function* (session) {
        const zeros = yield* (yield* session.get(`/${name}?bytes=3000000`)).bytes();
        expect([zeros.length, zeros.every((byte) => byte === 0)]).toEqual([3_000_000, true]);
        const raw = yield* session.get(`/${name}?bytes=3000000`, { decompress: false });
        expect((yield* raw.bytes()).length).toBeLessThan(10_000);
        const bomb = session.get(`/${name}?bytes=1000000000`, { maxBodySize: 2_000_000 });
        const error = yield* thrownBy((yield* bomb).bytes());
        expect(error).toBeInstanceOf(ResponseTooLargeError);
        expect(error).toMatchObject({ limit: 2_000_000 });
      })(),
    );

    test(
      "with redirects, which are followed with the method that the status asks for",
      asking(function* (session) {
        const response = yield* session.get("/redirect/3?a=1");
        expect(response.redirects.map(({ status }) => status)).toEqual([302, 302, 302]);
        expect((yield* response.json<Echoed>()).method).toBe("GET");
        const method = function* (status: number): Coroutine<string> {
          const echoed = yield* json<Echoed>(session.post(`/redirect/1?status=${status}`, { body: "text" }));
          return `${echoed.method} ${echoed.text}`;
        };
        expect([yield* method(301), yield* method(302), yield* method(303)]).toEqual(["GET ", "GET ", "GET "]);
        expect([yield* method(307), yield* method(308)]).toEqual(["POST text", "POST text"]);
        expect(yield* thrownBy(session.get("/redirect/4", { redirects: 3 }))).toMatchObject({ name: "RedirectError" });
        expect((yield* session.get("/redirect/1", { redirects: "manual" })).status).toBe(302);
      }),
    );

    test(
      "with a redirect to another origin, which gets no credentials",
      asking(function* (session) {
        yield* within(
          started(() => startAiohttpServer()),
          function* (other) {
            const params = { url: `${other.origin}/echo` };
            const headers = { authorization: "Bearer secret", cookie: "a=secret", "x-kept": "1" };
            const echoed = yield* json<Echoed>(session.get("/redirect-to", { params, headers }));
            const names = echoed.headers.map(([name]) => name.toLowerCase());
            expect(names).toContain("x-kept");
            expect(names).not.toContain("authorization");
            expect(names).not.toContain("cookie");
          },
        );
      }),
    );

    test(
      "with cookies, which come back",
      asking(function* (session) {
        expect(yield* json(session.get("/cookies/set?a=1&b=two"))).toEqual({ a: "1", b: "two" });
        expect(yield* json(session.get("/cookies"))).toEqual({ a: "1", b: "two" });
        expect(yield* json(session.get("/cookies", { headers: { cookie: "c=3" } }))).toMatchObject({ a: "1", c: "3" });
      }),
    );
  });

  describe("fails", () => {
    test(
      "for a while, and is asked again",
      asking(function* (session) {
        const retry = { attempts: 5, delay: 1 };
        expect(yield* json(session.get("/flaky/a?fail=3", { retry }))).toEqual({ tries: 4 });
        expect(yield* json(session.get("/flaky/b?fail=2&status=429&retry-after=0", { retry }))).toEqual({ tries: 3 });
        expect((yield* session.get("/flaky/c?fail=9", { retry })).status).toBe(503);
        expect(yield* json(session.get("/flaky/c?fail=0"))).toEqual({ tries: 6 });
        // what may not be sent twice is not
        expect((yield* session.post("/flaky/d", { retry })).status).toBe(503);
        expect(yield* json(session.post("/flaky/d"))).toEqual({ tries: 2 });
      }),
    );

    test(
      "to answer in time",
      asking(function* (session) {
        const headers = yield* thrownBy(session.get("/slow?ms=10000", { timeout: { headers: 50 } }));
        expect(headers).toBeInstanceOf(HeadersTimeoutError);
        expect(headers).toMatchObject({ limit: 50, phase: "headers" });
        const total = yield* thrownBy(session.get("/slow?ms=10000", { timeout: { total: 50 } }));
        expect(total).toBeInstanceOf(TotalTimeoutError);
        expect(session.connections).toBe(0);
      }),
    );

    test(
      "to go on in time",
      asking(function* (session) {
        const response = yield* session.get("/drip?bytes=3&ms=5000", { timeout: { body: 50 } });
        expect(yield* thrownBy(response.text())).toBeInstanceOf(BodyTimeoutError);
        const slow = yield* session.get("/drip?bytes=10&ms=10", { timeout: { body: 2_000 } });
        expect(yield* slow.text()).toBe("xxxxxxxxxx");
      }),
    );

    test(
      "no one who goes away: it hears of each",
      asking(function* (session) {
        const { gone } = yield* until(server().stats());
        // before the head
        const tasks = [1, 2, 3].map(() => createTask(session.get("/slow?ms=60000")));
        yield* sleep(50);
        for (const task of tasks) task.cancel();
        yield* wait(tasks);
        yield* seesGone(server(), gone + 3);
        // in the body: cancelled, released, and out of time
        const reading = createTask(textOf(session.get("/drip?ms=60000")));
        yield* sleep(50);
        reading.cancel();
        yield* wait([reading]);
        yield* within(session.get("/drip?ms=60000"), () => sleep(20));
        yield* thrownBy(within(timeout(50), () => textOf(session.get("/drip?ms=60000"))));
        yield* seesGone(server(), gone + 6);
        expect(session.connections).toBe(0);
        expect(yield* textOf(session.get("/bytes/1"))).toBe("x");
      }),
    );
  });

  test(
    "keeps the connections of many requests, as many as the session wants",
    asking(
      function* (session) {
        const before = yield* until(server().stats());
        const got = yield* gather(...Array.from({ length: 1_000 }, () => textOf(session.get("/bytes/5"))));
        expect(new Set(got)).toEqual(new Set(["xxxxx"]));
        const after = yield* until(server().stats());
        expect(after.requests - before.requests).toBe(1_000);
        expect(after.connections - before.connections).toBeLessThanOrEqual(20);
        expect(session.connections).toBeLessThanOrEqual(20);
      },
      { limit: 20 },
    ),
  );

  test("has no connection left of a session that is closed", async () => {
    await asking(function* (session) {
      yield* gather(...Array.from({ length: 10 }, () => textOf(session.get("/bytes/5"))));
      expect((yield* until(server().stats())).open).toBeGreaterThan(0);
    })();
    await expect.poll(async () => (await server().stats()).open).toBe(0);
  });

  describe("sends events", () => {
    test(
      "of one answer",
      asking(function* (session) {
        const got: unknown[] = [];
        yield* within(session.get("/sse?n=3"), function* (response) {
          yield* forEach(response.events(), (event) => void got.push(event));
        });
        expect(got).toEqual([1, 2, 3].map((i) => ({ event: "tick", data: `${i}\nü`, id: String(i) })));
      }),
    );

    test(
      "over as many connections as it takes",
      asking(function* (session) {
        const got: string[] = [];
        const delays: unknown[] = [];
        const onReconnect = (error: unknown, delay: number): void => void delays.push([error, delay]);
        const events = session.events("/sse?n=3&total=8&retry=1", { jitter: 0, onReconnect });
        yield* forEach(events, ({ id }) => void got.push(id));
        expect(got).toEqual(["1", "2", "3", "4", "5", "6", "7", "8"]);
        expect(delays).toEqual(Array.from({ length: 3 }, () => [undefined, 1]));
      }),
    );

    test(
      "from where one begins",
      asking(function* (session) {
        const got: string[] = [];
        const events = session.events("/sse?n=3&total=8&retry=1", { lastEventId: "6" });
        yield* forEach(events, ({ id }) => void got.push(id));
        expect(got).toEqual(["7", "8"]);
      }),
    );
  });

  describe("speaks WebSocket", () => {
    test(
      "and sends back texts and bytes",
      asking(function* (session) {
        yield* within(session.wsConnect("/ws"), function* (socket) {
          const large = "ü".repeat(1_000_000);
          for (const message of ["text", "", "äöü€𝄞", large, new Uint8Array([0, 1, 255]), new Uint8Array(0)]) {
            yield* socket.send(message);
            const back = yield* socket.receive();
            expect(typeof back === "string" ? back : Buffer.from(back)).toEqual(
              typeof message === "string" ? message : Buffer.from(message),
            );
          }
        });
      }),
    );

    test(
      "compressed",
      asking(function* (session) {
        yield* within(session.wsConnect("/ws", { compress: true }), function* (socket) {
          for (const message of ["text", "x".repeat(100_000)]) {
            yield* socket.send(message);
            expect(yield* socket.receive()).toBe(message);
          }
        });
      }),
    );

    test(
      "by the subprotocol that both know",
      asking(function* (session) {
        yield* within(session.wsConnect("/ws", { protocols: ["unknown", "other"] }), function* (socket) {
          expect(socket.protocol).toBe("other");
        });
      }),
    );

    test(
      "and closes with a code and a reason",
      asking(function* (session) {
        const socket = yield* session.wsConnect("/ws");
        yield* socket.send("close 4001 enough of it");
        yield* forEach(socket, () => expect.unreachable());
        expect(socket).toMatchObject({ closeCode: 4001, closeReason: "enough of it" });
      }),
    );

    test(
      "and hears our close",
      asking(function* (session) {
        const socket = yield* session.wsConnect("/ws");
        yield* within(socket, function* () {
          yield* socket.send("text");
        });
        expect(socket.closeCode).toBe(1000);
      }),
    );

    test(
      "and many messages come in their order, to a slow reader as well",
      asking(function* (session) {
        yield* within(session.wsConnect("/ws"), function* (socket) {
          yield* socket.send("send 2000 1000");
          let i = 0;
          yield* forEach(socket, function* (message) {
            expect(message).toBe(String(i % 10).repeat(1_000));
            if (i % 100 === 0) yield* sleep(1);
            if (++i === 2_000) yield* socket.close();
          });
          expect(i).toBe(2_000);
        });
      }),
    );

    test(
      "and a message that is too large ends it",
      asking(function* (session) {
        const socket = yield* session.wsConnect("/ws", { maxMessageSize: 1_000 });
        yield* socket.send("send 1 1001");
        expect(yield* thrownBy(socket.receive())).toMatchObject({ name: "WebSocketClosedError" });
        expect(socket.closeCode).toBe(1009);
      }),
    );

    test(
      "to many at once",
      asking(function* (session) {
        function* converse(i: number): Coroutine<unknown> {
          return yield* within(session.wsConnect("/ws"), function* (socket) {
            yield* socket.send(`hello ${i}`);
            return yield* socket.receive();
          });
        }
        const got = yield* gather(...Array.from({ length: 100 }, (_, i) => converse(i)));
        expect(got).toEqual(Array.from({ length: 100 }, (_, i) => `hello ${i}`));
      }),
    );

    test(
      "only where it does",
      asking(function* (session) {
        const error = yield* thrownBy(session.wsConnect("/echo"));
        expect(error).toBeInstanceOf(WebSocketHandshakeError);
        expect(error).toMatchObject({ status: 200 });
        expect(yield* thrownBy(session.wsConnect("/nothing"))).toMatchObject({ status: 404 });
      }),
    );
  });
});

function pieces(texts: readonly string[], ms: number): AsyncIterable<string> {
  return asyncGenerator(function* () {
    for (const text of texts) {
      yield* sleep(ms);
      yield text;
    }
  })();
}

const inPieces = asyncGenerator(function* (pieces: readonly Uint8Array[]) {
  for (const piece of pieces) yield piece;
});

describeWith("aiohttp")("a server of aiohttp at a Unix socket", () => {
  test("answers, and speaks WebSocket", async () => {
    const folder = await mkdtemp(join(tmpdir(), "corio-socket-"));
    const socketPath = join(folder, "socket");
    try {
      await runConnected(() =>
        within(
          started(() => startAiohttpServer({ path: socketPath })),
          () =>
            inSession({ baseUrl: "http://api/", socketPath }, function* (session) {
              const echoed = yield* json<Echoed>(session.get("/echo"));
              expect(new Map(echoed.headers).get("host")).toBe("api");
              yield* within(session.wsConnect("/ws"), function* (socket) {
                yield* socket.send("text");
                expect(yield* socket.receive()).toBe("text");
              });
            }),
        ),
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describeWith("aiohttp", "openssl")("a server of aiohttp with TLS", () => {
  const certificates = useCertificates();
  const server = useStarted(() => startAiohttpServer({ tls: certificates.server }));

  test("answers, and speaks WebSocket", () =>
    runConnected(() =>
      inSession({ baseUrl: server().origin, tls: { ca: certificates.ca } }, function* (session) {
        expect(yield* textOf(session.get("/bytes/3"))).toBe("xxx");
        expect((yield* (yield* session.get("/bytes/3000000")).bytes()).length).toBe(3_000_000);
        yield* within(session.wsConnect("/ws"), function* (socket) {
          yield* socket.send("text");
          expect(yield* socket.receive()).toBe("text");
        });
      }),
    ));

  test("is not trusted by who does not know its authority", () =>
    runConnected(() =>
      inSession({ baseUrl: server().origin }, function* (session) {
        for (const pending of [session.get("/bytes/3"), session.wsConnect("/ws")]) {
          const error = yield* thrownBy(pending);
          expect(error).toMatchObject({ name: "ClientConnectionError", message: expect.stringMatching(/certificate/) });
        }
      }),
    ));
});
