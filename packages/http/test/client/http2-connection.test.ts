import { once } from "node:events";
import http2, { constants, type Http2ServerRequest, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { gzipSync } from "node:zlib";
import { asyncGenerator, createTask, type Coroutine, forEach, gather, Queue, sleep, until, within } from "corio";
import { describe, expect, test, vi } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { runConnected } from "../../../node/test/support/run-connected.js";
import { thrownBy, withCode } from "../../../node/test/support/thrown-by.js";
import {
  ClientConnectionError,
  ClientPayloadError,
  type ClientSession,
  ServerDisconnectedError,
  type SessionOptions,
} from "../../src/index.js";
import { startNginx } from "../support/nginx.js";
import { started } from "../support/started.js";
import type { Answer, Origin, OriginOptions, Received } from "./origin-server.js";
import { inSession, withOrigin } from "./session-setting.js";

const certificates = useCertificates();

/** A session that offers HTTP/2 and a server that speaks it. */
function overHttp2(
  answer: Answer,
  body: (session: ClientSession, origin: Origin) => Coroutine<void>,
  { session, server }: { session?: SessionOptions; server?: OriginOptions } = {},
): Promise<void> {
  return withOrigin(answer, body, {
    session: { http2: true, tls: { ca: certificates.ca }, ...session },
    server: { http2: true, ...server, tls: { ...certificates.server, ...server?.tls } },
  });
}

const streamOf = ({ message }: Received): ServerHttp2Stream => (message as unknown as Http2ServerRequest).stream;

const path: Answer = ({ url }, response) => response.end(url);

/** Answers with what it was asked. */
const echo: Answer = ({ method, url, headers, body, message }, response) =>
  response.end(JSON.stringify({ method, url, version: message.httpVersion, body, headers }));

function* textOf(session: ClientSession, url = "/", method = "GET"): Coroutine<string> {
  return yield* within(session.request(method, url), (response) => response.text());
}

function* eventually(condition: () => boolean): Coroutine<void> {
  while (!condition()) yield* sleep(1);
}

const rejected = (type: new (...args: never[]) => Error, message: RegExp): Error =>
  expect.toSatisfy((error: unknown) => error instanceof type && message.test(error.message)) as Error;

describe("a session with http2", () => {
  test("sends requests over one connection, and each gets its own answer", async () => {
    await overHttp2(path, function* (session, origin) {
      const paths = Array.from({ length: 100 }, (_, i) => `/${i}`);
      expect(yield* gather(paths.map((one) => textOf(session, one)))).toEqual(paths);
      expect([origin.connections, session.connections]).toEqual([1, 1]);
    });
  });

  test.each(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])("sends %s", async (method) => {
    await overHttp2(echo, function* (session, origin) {
      const answer = JSON.parse(yield* textOf(session, "/path?a=1", method));
      const length = ["POST", "PUT", "PATCH"].includes(method) ? "0" : undefined;
      expect(answer).toMatchObject({ method, url: "/path?a=1", version: "2.0", body: "" });
      expect(answer.headers["content-length"]).toBe(length);
      expect(answer.headers[":authority"]).toBe(`localhost:${origin.port}`);
      expect(answer.headers[":scheme"]).toBe("https");
    });
  });

  test("sends bodies of every kind", async () => {
    await overHttp2(echo, function* (session) {
      const pieces = asyncGenerator(function* () {
        yield "pie";
        yield new Uint8Array();
        yield Buffer.from("ces");
      });
      const large = "x".repeat(300_000);
      for (const [body, expected] of [
        ["text", "text"],
        [new TextEncoder().encode("bytes"), "bytes"],
        [new Blob(["blob"]), "blob"],
        ["", ""],
        [pieces(), "pieces"],
        [large, large],
        [new Blob([large]), large],
      ] as const) {
        const answer = yield* (yield* session.post("/", { body })).json<{ body: string }>();
        expect(answer.body).toBe(expected);
      }
    });
  });

  test("leaves out what is about a connection of HTTP/1.1", async () => {
    await overHttp2(echo, function* (session) {
      const headers = { connection: "close", te: "gzip, trailers", "http2-settings": "AAMAAABkAAQAAP__", "x-own": "1" };
      for (let i = 0; i < 2; i++) {
        const answer = yield* (yield* session.get("/", { headers })).json<{ headers: Record<string, string> }>();
        expect(Object.keys(answer.headers).toSorted()).toEqual([
          ":authority",
          ":method",
          ":path",
          ":scheme",
          "accept",
          "accept-encoding",
          "user-agent",
          "x-own",
        ]);
      }
    });
  });

  test("sends the host that it is given", async () => {
    await overHttp2(echo, function* (session) {
      const headers = { host: "other.example" };
      const answer = yield* (yield* session.get("/", { headers })).json<{ headers: Record<string, string> }>();
      expect(answer.headers).toMatchObject({ ":authority": "other.example" });
    });
  });

  test("sends cookies and takes them", async () => {
    await overHttp2(
      ({ headers }, response) => {
        response.setHeader("set-cookie", ["a=1", "b=2"]);
        response.end(headers.cookie ?? "none");
      },
      function* (session) {
        const response = yield* session.get("/");
        expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
        expect(yield* response.text()).toBe("none");
        expect(yield* textOf(session)).toBe("a=1; b=2");
        const more = yield* session.get("/", { headers: { cookie: "c=3" } });
        expect(yield* more.text()).toBe("c=3; a=1; b=2");
      },
    );
  });

  test.each([
    [{ "content-type": ["text/plain", "text/html"] }, "REQUEST", /content-type.*single value/],
    [{ "content-length": "a few" }, "REQUEST", /content-length/],
    [{ "content-length": "5" }, "CONTENT_LENGTH", /not the length/],
  ])("refuses the headers %j, and goes on", async (headers, code, message) => {
    await overHttp2(path, function* (session, origin) {
      for (let i = 0; i < 2; i++) {
        expect(yield* thrownBy(session.get("/", { headers }))).toEqual(withCode(code, message));
      }
      expect(yield* textOf(session)).toBe("/");
      expect(origin.connections).toBe(1);
    });
  });

  test("has an error for headers that are too large to be sent, and goes on", async () => {
    await overHttp2(path, function* (session) {
      const headers = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x-${i}`, "x".repeat(2_000)]));
      expect(yield* thrownBy(session.get("/", { headers }))).toBeInstanceOf(Error);
      expect(yield* textOf(session)).toBe("/");
    });
  });

  test("does without a body where there is none", async () => {
    await overHttp2(
      ({ url }, response) => response.writeHead(Number(url.slice(1)), { "content-length": 1_000 }).end(),
      function* (session, origin) {
        for (const [method, status] of [
          ["HEAD", 200],
          ["GET", 304],
        ] as const) {
          const response = yield* session.request(method, `/${status}`);
          expect([response.status, response.headers.get("content-length")]).toEqual([status, "1000"]);
          expect(yield* response.text()).toBe("");
        }
        expect(origin.connections).toBe(1);
      },
    );
    await overHttp2(
      (_, response) => response.writeHead(204).end(),
      function* (session) {
        const response = yield* session.delete("/");
        expect([response.status, response.statusText, yield* response.text()]).toEqual([204, "No Content", ""]);
      },
    );
  });

  test("decompresses, and follows redirects", async () => {
    await overHttp2(
      ({ url }, response) => {
        if (url === "/") response.writeHead(302, { location: "/there" }).end("moved");
        else response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("there"));
      },
      function* (session) {
        expect(yield* textOf(session)).toBe("there");
      },
    );
  });

  test("takes no notice of interim answers and of trailers, and no pushes", async () => {
    await overHttp2(
      (request, response) => {
        const stream = streamOf(request);
        stream.additionalHeaders({ ":status": 103, link: "</style.css>; rel=preload" });
        (response as unknown as { addTrailers(headers: object): void }).addTrailers({ "x-checksum": "1" });
        response.end(String(stream.pushAllowed));
      },
      function* (session) {
        yield* within(session.get("/"), function* (response) {
          expect([response.status, response.headers.get("link")]).toEqual([200, null]);
          expect(yield* response.text()).toBe("false");
        });
      },
    );
  });

  test("takes many headers, and has an error for more than maxHeaderSize", async () => {
    await overHttp2(
      ({ url }, response) => {
        const cookies = Array.from({ length: Number(url.slice(1)) }, (_, i) => `c${i}=1; Max-Age=0`);
        response.setHeader("set-cookie", cookies);
        response.end("ok");
      },
      function* (session, origin) {
        expect(yield* thrownBy(session.get("/600"))).toEqual(
          rejected(ServerDisconnectedError, /larger than maxHeaderSize/),
        );
        const response = yield* session.get("/200");
        expect(response.headers.getSetCookie()).toHaveLength(200);
        expect(yield* response.text()).toBe("ok");
        expect(yield* thrownBy(session.get("/600"))).toEqual(rejected(ServerDisconnectedError, /maxHeaderSize/));
        expect(yield* textOf(session, "/1")).toBe("ok");
        expect([origin.connections, origin.log.length]).toEqual([1, 4]);
      },
    );
  });

  test("speaks HTTP/1.1 where the server does not, and needs no other connection for that", async () => {
    await overHttp2(
      ({ message }, response) => response.end(message.httpVersion),
      function* (session, origin) {
        expect(yield* textOf(session)).toBe("1.1");
        expect(yield* textOf(session, "/", "POST")).toBe("1.1");
        expect([origin.connections, session.connections]).toEqual([1, 1]);
        for (const socket of origin.sockets) socket.destroy();
        yield* eventually(() => session.connections === 0);
        expect(yield* gather([textOf(session), textOf(session), textOf(session)])).toEqual(["1.1", "1.1", "1.1"]);
        expect(origin.connections).toBe(4);
      },
      { server: { http2: false } },
    );
  });

  test("opens the connection anew that the server closes in the moment of a request, over HTTP/1.1", async () => {
    await overHttp2(
      (request, response) => {
        if (request.connection === 1 && request.url === "/break") request.message.socket.destroy();
        else response.end(`${request.connection}`);
      },
      function* (session) {
        expect(yield* textOf(session)).toBe("1");
        expect(yield* textOf(session, "/break")).toBe("2");
      },
      { server: { http2: false } },
    );
  });

  test("has a ClientConnectionError where there is no connection, for everybody who waits", async () => {
    await overHttp2(
      path,
      function* (session) {
        const errors = yield* gather([1, 2, 3].map(() => thrownBy(session.get("/"))));
        for (const error of errors)
          expect(error).toEqual(rejected(ClientConnectionError, /cannot connect.*self-signed|unable/));
        expect(session.connections).toBe(0);
      },
      { session: { tls: {} } },
    );
  });
});

describe("requests over one connection of HTTP/2", () => {
  test.each(["GET", "POST"])("%s does not wait for a pending GET", async (method) => {
    await overHttp2(
      ({ url }, response) => void (url !== "/slow" && response.end(url)),
      function* (session, origin) {
        const slow = createTask(thrownBy(session.get("/slow")));
        yield* eventually(() => origin.log.length === 1);
        expect(yield* textOf(session, "/fast", method)).toBe("/fast");
        const streamed = asyncGenerator(function* () {
          yield "piece";
        });
        expect(yield* (yield* session.put("/streamed", { body: streamed() })).text()).toBe("/streamed");
        expect([slow.done, origin.connections]).toEqual([false, 1]);
        yield* session.close();
        expect(yield* slow).toEqual(withCode("SESSION_CLOSED"));
      },
    );
  });

  test("do not wait for an upload that takes its time", async () => {
    await overHttp2(echo, function* (session, origin) {
      const pieces = new Queue<string>();
      const upload = createTask(session.post("/", { body: pieces }));
      yield* pieces.put("first");
      expect(JSON.parse(yield* textOf(session, "/fast", "POST")).url).toBe("/fast");
      expect(upload.done).toBe(false);
      yield* pieces.put("second");
      pieces.shutdown();
      expect(yield* (yield* upload).json()).toMatchObject({ body: "firstsecond" });
      expect(origin.connections).toBe(1);
    });
  });

  test("do not wait for answers that nobody reads, and of those no more is taken in than a window", async () => {
    const sent: number[] = [];
    await overHttp2(
      async ({ url }, response) => {
        if (url === "/fast") {
          response.end("fast");
          return;
        }
        const number = sent.push(0) - 1;
        for (let i = 0; i < 1_000; i++) {
          sent[number] = (sent[number] as number) + 50_000;
          if (!response.write(Buffer.alloc(50_000, 120)))
            await new Promise((resolve) => response.once("drain", resolve));
        }
        response.end();
      },
      function* (session, origin) {
        const unread = yield* gather([1, 2, 3].map(() => session.get("/large")));
        let before = -1;
        const total = (): number => sent.reduce((sum, one) => sum + one, 0);
        while (total() > before) {
          before = total();
          for (let i = 0; i < 20; i++) expect(yield* textOf(session, "/fast")).toBe("fast");
        }
        for (const one of sent) expect(one).toBeLessThan(1_000_000);
        let length = 0;
        yield* forEach((unread[1] as (typeof unread)[0]).chunks(), (chunk) => void (length += chunk.length));
        expect(length).toBe(50_000_000);
        expect(origin.connections).toBe(1);
      },
    );
  });

  test("go on when one of them is cancelled, and the server learns of that one", async () => {
    const codes: number[] = [];
    await overHttp2(
      (request, response) => {
        streamOf(request).on("close", () => codes.push(streamOf(request).rstCode));
        if (request.url === "/body") response.write("begun");
        if (request.url === "/later") setTimeout(() => response.end("later"), 20);
      },
      function* (session, origin) {
        const later = createTask(textOf(session, "/later"));
        const [none, body] = [createTask(textOf(session, "/none")), createTask(textOf(session, "/body"))];
        yield* eventually(() => origin.log.length === 3);
        none.cancel();
        body.cancel();
        expect(yield* later).toBe("later");
        yield* eventually(() => codes.length === 3);
        expect(codes.toSorted((a, b) => a - b)).toEqual([
          constants.NGHTTP2_NO_ERROR,
          constants.NGHTTP2_CANCEL,
          constants.NGHTTP2_CANCEL,
        ]);
        expect([none.cancelled, body.cancelled, origin.connections, session.connections]).toEqual([true, true, 1, 1]);
      },
    );
  });

  test("are each ended by their own time limits", async () => {
    await overHttp2(
      ({ url }, response) => void (url === "/body" ? response.write("x") : url === "/fast" && response.end("fast")),
      function* (session, origin) {
        const errors = yield* gather([
          thrownBy(textOfWith({ headers: 20 }, "/none")),
          thrownBy(textOfWith({ body: 20 }, "/body")),
          thrownBy(textOfWith({ total: 20 }, "/none")),
        ]);
        expect(errors).toEqual([withCode("HEADERS_TIMEOUT"), withCode("BODY_TIMEOUT"), withCode("TOTAL_TIMEOUT")]);
        expect(yield* textOf(session, "/fast")).toBe("fast");
        expect(origin.connections).toBe(1);

        function* textOfWith(timeout: object, url: string): Coroutine<string> {
          return yield* within(session.get(url, { timeout }), (response) => response.text());
        }
      },
    );
  });

  test("of a hundred that upload into nowhere do not keep another from its answer", async () => {
    await overHttp2(
      ({ url, message }, response) => {
        if (url === "/fast") response.end("fast");
        else message.pause();
      },
      function* (session, origin) {
        const body = Buffer.alloc(1_000_000);
        const uploads = Array.from({ length: 98 }, () => createTask(thrownBy(session.post("/", { body }))));
        yield* eventually(() => origin.log.length === 98);
        for (let i = 0; i < 5; i++) expect(yield* textOf(session, "/fast")).toBe("fast");
        expect(origin.connections).toBe(1);
        yield* session.close();
        for (const upload of uploads) expect(yield* upload).toEqual(withCode("SESSION_CLOSED"));
      },
      { server: { streams: true } },
    );
  });
});

describe("the body of a request over HTTP/2", () => {
  test("is taken as fast as the server takes it", async () => {
    let taken = 0;
    let read = (): void => {};
    await overHttp2(
      async ({ message }, response) => {
        await new Promise<void>((resolve) => (read = resolve));
        let length = 0;
        for await (const chunk of message) length += (chunk as Buffer).length;
        response.end(String(length));
      },
      function* (session, origin) {
        const pieces = asyncGenerator(function* () {
          for (let i = 0; i < 500; i++) {
            taken++;
            yield Buffer.alloc(100_000);
          }
        });
        const upload = createTask(session.post("/", { body: pieces() }));
        yield* eventually(() => origin.log.length === 1);
        for (let before = -1; before < taken; ) {
          before = taken;
          for (let i = 0; i < 20; i++) yield* sleep(1);
        }
        expect(taken).toBeLessThan(20);
        read();
        expect(yield* (yield* upload).text()).toBe("50000000");
      },
      { server: { streams: true } },
    );
  });

  test("that fails resets its stream, and is the error of the request", async () => {
    const codes: number[] = [];
    await overHttp2(
      (request, response) => {
        if (request.url === "/fast") response.end("fast");
        else streamOf(request).on("close", () => codes.push(streamOf(request).rstCode));
      },
      function* (session, origin) {
        const failure = new Error("no more");
        const pieces = asyncGenerator(function* () {
          yield "piece";
          yield* eventually(() => origin.log.length === 1);
          throw failure;
        });
        expect(yield* thrownBy(session.post("/", { body: pieces() }))).toBe(failure);
        yield* eventually(() => codes.length === 1);
        expect(codes).toEqual([constants.NGHTTP2_CANCEL]);
        expect(yield* textOf(session, "/fast")).toBe("fast");
        expect(origin.connections).toBe(1);
      },
      { server: { streams: true } },
    );
  });

  test.each([
    ["fewer", "10"],
    ["more", "2"],
  ])("with %s bytes than announced is refused, and resets its stream", async (_, length) => {
    await overHttp2(path, function* (session, origin) {
      const pieces = asyncGenerator(function* () {
        yield "piece";
      });
      const headers = { "content-length": length };
      const expected = withCode("CONTENT_LENGTH", /not the length/);
      expect(yield* thrownBy(session.post("/", { body: pieces(), headers }))).toEqual(expected);
      expect(yield* thrownBy(session.post("/", { body: "piece", headers }))).toEqual(expected);
      expect(yield* textOf(session)).toBe("/");
      expect([origin.log, origin.connections]).toEqual([["GET /"], 1]);
    });
  });

  test.each(["a large one", "one that comes over time"])("%s is not sent to its end after the answer", async (kind) => {
    const codes: number[] = [];
    let closed = false;
    await overHttp2(
      (request, response) => {
        streamOf(request).on("close", () => codes.push(streamOf(request).rstCode));
        if (request.method === "POST") request.message.pause();
        response.statusCode = 413;
        response.end("too large");
      },
      function* (session, origin) {
        const endless = asyncGenerator(function* () {
          try {
            for (;;) {
              yield Buffer.alloc(10_000);
              yield* sleep(0);
            }
          } finally {
            closed = true;
          }
        });
        const body = kind === "a large one" ? Buffer.alloc(50_000_000) : endless();
        const response = yield* session.post("/", { body });
        expect([response.status, yield* response.text()]).toEqual([413, "too large"]);
        yield* eventually(() => codes.length === 1);
        expect(codes).toEqual([constants.NGHTTP2_CANCEL]);
        if (kind !== "a large one") yield* eventually(() => closed);
        expect(yield* textOf(session)).toBe("too large");
        expect(origin.connections).toBe(1);
      },
      { server: { streams: true } },
    );
  });
});

describe("how many requests a server takes at once", () => {
  /** Answers after a moment, and notes how many there are at once. */
  function counting(): { answer: Answer; most: () => number } {
    let [running, most] = [0, 0];
    return {
      answer: ({ url }, response) => {
        most = Math.max(most, ++running);
        setTimeout(() => {
          running--;
          response.end(url);
        }, 2);
      },
      most: () => most,
    };
  }

  const paths = Array.from({ length: 30 }, (_, i) => `/${i}`);

  test.each([1, 3])("is kept: %i", async (maxConcurrentStreams) => {
    const { answer, most } = counting();
    await overHttp2(
      answer,
      function* (session, origin) {
        expect(yield* gather(paths.map((one) => textOf(session, one)))).toEqual(paths);
        expect([most(), origin.connections]).toEqual([maxConcurrentStreams, 1]);
      },
      { session: { limit: 1 }, server: { tls: { settings: { maxConcurrentStreams } } } },
    );
  });

  test("leads to as many connections as there may be", async () => {
    const { answer, most } = counting();
    await overHttp2(
      answer,
      function* (session, origin) {
        expect(yield* gather(paths.map((one) => textOf(session, one)))).toEqual(paths);
        expect([most(), origin.connections]).toEqual([6, 3]);
      },
      { session: { limit: 3 }, server: { tls: { settings: { maxConcurrentStreams: 2 } } } },
    );
  });

  test("is never more than 100", async () => {
    const waiting: (() => void)[] = [];
    let hold = true;
    await overHttp2(
      ({ url }, response) => {
        if (hold) waiting.push(() => response.end(url));
        else response.end(url);
      },
      function* (session, origin) {
        const many = Array.from({ length: 250 }, (_, i) => `/${i}`);
        const texts = createTask(gather(many.map((one) => textOf(session, one))));
        yield* eventually(() => waiting.length === 100);
        for (let i = 0; i < 10; i++) yield* sleep(1);
        expect([waiting.length, origin.connections]).toEqual([100, 1]);
        hold = false;
        for (const answer of waiting) answer();
        expect(yield* texts).toEqual(many);
      },
      { session: { limit: 1 }, server: { tls: { settings: { maxConcurrentStreams: 1_000 } } } },
    );
  });

  test("may grow", async () => {
    await overHttp2(
      ({ url }, response) => void (url !== "/slow" && response.end(url)),
      function* (session, origin) {
        const slow = createTask(thrownBy(session.get("/slow")));
        yield* eventually(() => origin.log.length === 1);
        const other = createTask(textOf(session, "/other"));
        for (let i = 0; i < 10; i++) yield* sleep(1);
        expect([other.done, origin.log]).toEqual([false, ["GET /slow"]]);
        for (const one of origin.sessions) one.settings({ maxConcurrentStreams: 2 });
        expect(yield* other).toBe("/other");
        slow.cancel();
      },
      { session: { limit: 1 }, server: { tls: { settings: { maxConcurrentStreams: 1 } } } },
    );
  });

  test("of one, cancelled, leaves the connection for the next", async () => {
    await overHttp2(
      ({ url }, response) => void (url !== "/slow" && response.end(url)),
      function* (session, origin) {
        const slow = createTask(thrownBy(session.get("/slow")));
        yield* eventually(() => origin.log.length === 1);
        const other = createTask(textOf(session, "/other"));
        slow.cancel();
        expect(yield* other).toBe("/other");
        expect(origin.connections).toBe(1);
      },
      { session: { limit: 1 }, server: { tls: { settings: { maxConcurrentStreams: 1 } } } },
    );
  });
});

describe("a connection of HTTP/2", () => {
  const sessionOf = (origin: Origin): ServerHttp2Session => [...origin.sessions][0] as ServerHttp2Session;

  test("is closed in good order when it has been idle for long enough, and not while it is in use", async () => {
    let [code, release] = [-1, (): void => {}];
    await overHttp2(
      ({ url }, response) => void (url === "/slow" ? (release = () => response.end("slow")) : response.end(url)),
      function* (session, origin) {
        const slow = createTask(textOf(session, "/slow"));
        yield* eventually(() => origin.log.length === 1);
        sessionOf(origin).on("goaway", (given: number) => (code = given));
        yield* sleep(60);
        expect([session.connections, code]).toEqual([1, -1]);
        release();
        expect(yield* slow).toBe("slow");
        expect(session.connections).toBe(1);
        yield* eventually(() => origin.sockets.size === 0);
        expect([session.connections, code]).toEqual([0, constants.NGHTTP2_NO_ERROR]);
        expect(yield* textOf(session)).toBe("/");
        expect(origin.connections).toBe(2);
      },
      { session: { keepAliveTimeout: 30 } },
    );
  });

  test("keeps the process from ending only while it is in use", async () => {
    const holding = (): number =>
      process.getActiveResourcesInfo().filter((name) => name.startsWith("TCPSocket")).length;
    let release = (): void => {};
    await overHttp2(
      ({ url }, response) => void (url === "/slow" ? (release = () => response.end("slow")) : response.end(url)),
      function* (session, origin) {
        yield* textOf(session);
        const idle = holding();
        const slow = createTask(textOf(session, "/slow"));
        yield* eventually(() => origin.log.length === 2);
        expect(holding()).toBe(idle + 1);
        release();
        yield* slow;
        expect(holding()).toBe(idle);
      },
    );
  });

  test("makes room for another host", async () => {
    await overHttp2(
      path,
      function* (session, origin) {
        expect(yield* textOf(session)).toBe("/");
        expect(yield* textOf(session, `https://127.0.0.1:${origin.port}/other`)).toBe("/other");
        expect([session.connections, origin.connections]).toEqual([1, 2]);
        yield* eventually(() => origin.sockets.size === 1);
      },
      { session: { limit: 1 } },
    );
  });

  test("that the server ends while it is idle is not used again", async () => {
    await overHttp2(path, function* (session, origin) {
      for (const end of [(one: ServerHttp2Session) => one.close(), (one: ServerHttp2Session) => one.destroy()]) {
        expect(yield* textOf(session)).toBe("/");
        end(sessionOf(origin));
        yield* eventually(() => session.connections === 0);
      }
      expect(yield* textOf(session)).toBe("/");
      expect(origin.connections).toBe(3);
    });
  });

  test("that the server ends leaves finished what is under way, and is not used by others", async () => {
    let release = (): void => {};
    await overHttp2(
      ({ url, connection }, response) =>
        void (url === "/slow" ? (release = () => response.end("slow")) : response.end(`${connection}`)),
      function* (session, origin) {
        const slow = createTask(textOf(session, "/slow"));
        yield* eventually(() => origin.log.length === 1);
        const heard = once(sessionOf(origin), "goaway"); // the client's, for the server's
        sessionOf(origin).close();
        yield* until(heard);
        expect(yield* textOf(session)).toBe("2");
        expect(session.connections).toBe(2);
        release();
        expect(yield* slow).toBe("slow");
        yield* eventually(() => origin.sockets.size === 1);
        expect(session.connections).toBe(1);
      },
    );
  });

  test("that is closed by the session ends everything on it", async () => {
    await overHttp2(
      ({ url }, response) => void (url === "/body" && response.write("x")),
      function* (session, origin) {
        const none = createTask(thrownBy(session.get("/none")));
        const body = createTask(thrownBy(textOf(session, "/body")));
        yield* eventually(() => origin.log.length === 2);
        yield* session.close();
        expect([yield* none, yield* body]).toEqual([withCode("SESSION_CLOSED"), withCode("SESSION_CLOSED")]);
        yield* eventually(() => origin.sockets.size === 0);
      },
    );
  });

  test("that breaks is an error of everything on it", async () => {
    await overHttp2(
      ({ url }, response) => void (url === "/body" && response.write("x")),
      function* (session, origin) {
        const none = createTask(thrownBy(session.post("/none")));
        const body = yield* session.get("/body");
        yield* eventually(() => origin.log.length === 2);
        for (const socket of origin.sockets) socket.destroy();
        expect(yield* none).toEqual(rejected(ServerDisconnectedError, /the server closed the connection/));
        expect(yield* thrownBy(body.text())).toEqual(rejected(ClientPayloadError, /the server closed the connection/));
        expect(session.connections).toBe(0);
      },
    );
  });

  test("that is being opened is given up with its request, and those who wait get another", async () => {
    await overHttp2(path, function* (session, origin) {
      const first = createTask(textOf(session, "/first"));
      const second = createTask(textOf(session, "/second"));
      yield* sleep(0);
      first.cancel();
      expect(yield* second).toBe("/second");
      expect([first.cancelled, origin.log, session.connections]).toEqual([true, ["GET /second"], 1]);
    });
  });

  test("that is being opened is closed with the session", async () => {
    await overHttp2(path, function* (session, origin) {
      const waiting = [createTask(thrownBy(session.get("/"))), createTask(thrownBy(session.get("/")))];
      yield* sleep(0);
      yield* session.close();
      for (const task of waiting) expect(yield* task).toEqual(withCode("SESSION_CLOSED"));
      expect(origin.log).toEqual([]);
    });
  });

  test("that has no numbers for streams left is replaced", async () => {
    const connect = vi.spyOn(http2, "connect");
    try {
      await overHttp2(
        ({ connection }, response) => response.end(`${connection}`),
        function* (session) {
          expect(yield* textOf(session)).toBe("1");
          const [opened] = connect.mock.results;
          const { value } = opened as { value: { setNextStreamID(id: number): void } };
          value.setNextStreamID(2 ** 31 - 11);
          const texts: string[] = [];
          while (texts.at(-1) !== "2" && texts.length < 20) texts.push(yield* textOf(session));
          expect(new Set(texts)).toEqual(new Set(["1", "2"]));
        },
      );
    } finally {
      connect.mockRestore();
    }
  });
});

describe("an nginx with HTTP/2", () => {
  const files = { "hello.txt": "hello", "large.bin": Buffer.alloc(5_000_000, 120) };

  async function withNginx(
    server: string,
    body: (
      session: ClientSession,
      requests: () => readonly { connection: number; protocol: string }[],
    ) => Coroutine<void>,
    options: SessionOptions = {},
  ): Promise<void> {
    await runConnected(() =>
      within(
        started(() => startNginx({ files, tls: certificates.server, http2: true, server })),
        (nginx) =>
          inSession({ baseUrl: nginx.origin, http2: true, tls: { ca: certificates.ca }, ...options }, (session) =>
            body(session, () => nginx.requests()),
          ),
      ),
    );
  }

  test("answers many requests over one connection", async () => {
    await withNginx(
      "",
      function* (session, requests) {
        const texts = yield* gather(Array.from({ length: 500 }, () => textOf(session, "/hello.txt")));
        expect(new Set(texts)).toEqual(new Set(["hello"]));
        const large = yield* gather([1, 2, 3].map(() => textOf(session, "/large.bin")));
        expect(large.map(({ length }) => length)).toEqual([5_000_000, 5_000_000, 5_000_000]);
        yield* eventually(() => requests().length === 503);
        expect(new Set(requests().map(({ connection }) => connection)).size).toBe(1);
        expect(new Set(requests().map(({ protocol }) => protocol))).toEqual(new Set(["HTTP/2.0"]));
      },
      { limit: 1 },
    );
  });

  test("answers a few at a time", async () => {
    await withNginx(
      "http2_max_concurrent_streams 2;",
      function* (session, requests) {
        yield* gather(Array.from({ length: 50 }, () => textOf(session, "/hello.txt")));
        yield* eventually(() => requests().length === 50);
        expect(new Set(requests().map(({ connection }) => connection)).size).toBe(1);
      },
      { limit: 1 },
    );
  });

  test("answers early to what is too large, and goes on", async () => {
    await withNginx("client_max_body_size 1k;", function* (session, requests) {
      for (const body of [Buffer.alloc(20_000_000), new Blob([Buffer.alloc(20_000_000)])]) {
        const response = yield* session.post("/hello.txt", { body });
        expect(response.status).toBe(413);
        yield* response.bytes();
        expect(yield* textOf(session, "/hello.txt")).toBe("hello");
      }
      yield* eventually(() => requests().length === 4);
    });
  });

  test("closes its connections after some requests, one by one", async () => {
    await withNginx("keepalive_requests 5;", function* (session, requests) {
      for (let i = 0; i < 12; i++) expect(yield* textOf(session, "/hello.txt")).toBe("hello");
      yield* eventually(() => requests().length === 12);
      expect(new Set(requests().map(({ connection }) => connection)).size).toBe(3);
    });
  });
});
