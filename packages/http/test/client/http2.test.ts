import type { ServerHttp2Stream } from "node:http2";
import type { ServerResponse } from "node:http";
import { constants, type SecureServerOptions } from "node:http2";
import { gzipSync } from "node:zlib";
import { asyncGenerator, type Coroutine, createTask, forEach, gather, isCancelled, Queue, sleep, within } from "corio";
import { describe, expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { thrownBy } from "../../../node/test/support/thrown-by.js";
import {
  ClientConnectionError,
  ClientPayloadError,
  type ClientSession,
  ServerDisconnectedError,
  type SessionOptions,
} from "../../src/index.js";
import type { Answer } from "./origin-server.js";
import { type Setting, withOrigin } from "./session-setting.js";

const certificates = useCertificates();

/** A server that speaks HTTP/2, and a session that wants to. */
function over2({
  session,
  tls,
  streams,
}: {
  session?: SessionOptions;
  tls?: SecureServerOptions;
  streams?: boolean;
} = {}): Setting {
  return {
    server: { tls: { ...certificates.server, ...tls }, http2: true, streams },
    session: { http2: true, tls: { ca: certificates.ca }, ...session },
  };
}

const streamOf = (response: ServerResponse): ServerHttp2Stream =>
  (response as unknown as { stream: ServerHttp2Stream }).stream;

const echo: Answer = ({ method, url, body, message }, response) =>
  response.end(`${message.httpVersion} ${method} ${url} ${body}`);

/** Answers at once, but to `/slow` not at all. */
const answering: Answer = (request, response) => {
  if (request.url !== "/slow") echo(request, response);
};

function* textOf(session: ClientSession, path: string): Coroutine<string> {
  return yield* (yield* session.get(path)).text();
}

describe("HTTP/2", () => {
  test("is spoken where both sides want it, and many requests share a connection", async () => {
    await withOrigin(
      echo,
      function* (session, origin) {
        const paths = Array.from({ length: 300 }, (_, i) => `/${i}`);
        const texts = yield* gather(paths.map((path) => textOf(session, path)));
        expect(texts).toEqual(paths.map((path) => `2.0 GET ${path} `));
        expect(session.connections).toBe(origin.connections);
        expect(origin.connections).toBeLessThanOrEqual(3);
      },
      over2(),
    );
  });

  test("is not spoken where the session does not want it", async () => {
    await withOrigin(
      echo,
      function* (session) {
        expect(yield* textOf(session, "/")).toBe("1.1 GET / ");
      },
      over2({ session: { http2: false } }),
    );
  });

  test("falls back to HTTP/1.1 where the server speaks nothing else", async () => {
    await withOrigin(
      ({ url, message }, response) => void setTimeout(() => response.end(`${message.httpVersion} ${url}`), 2),
      function* (session, origin) {
        const paths = Array.from({ length: 20 }, (_, i) => `/${i}`);
        const texts = yield* gather(paths.map((path) => textOf(session, path)));
        expect(texts).toEqual(paths.map((path) => `1.1 ${path}`));
        expect(origin.mostConnections).toBeGreaterThan(1);
        expect(origin.mostConnections).toBeLessThanOrEqual(4);
      },
      { server: { tls: certificates.server }, session: { http2: true, tls: { ca: certificates.ca }, limit: 4 } },
    );
  });

  test("is not tried without TLS", async () => {
    await withOrigin(
      echo,
      function* (session) {
        expect(yield* textOf(session, "/")).toBe("1.1 GET / ");
      },
      { session: { http2: true } },
    );
  });

  test("carries methods, headers, cookies, bodies and answers of all kinds", async () => {
    await withOrigin(
      ({ method, headers, body }, response) => {
        response.writeHead(201, {
          "content-type": "application/json",
          "content-encoding": "gzip",
          "set-cookie": ["a=1", "b=2"],
          "x-a": ["1", "2"] as never,
        });
        response.end(gzipSync(JSON.stringify({ method, headers, body })));
      },
      function* (session, origin) {
        const headers = { "x-b": ["1", "2"], host: "virtual.example" };
        const response = yield* session.put("/", { json: { a: 1 }, headers });
        expect(response).toMatchObject({ status: 201, statusText: "Created", url: origin.url("/") });
        expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
        expect(response.headers.get("x-a")).toBe("1, 2");
        expect([...response.headers.keys()].some((name) => name.startsWith(":"))).toBe(false);
        const got = yield* response.json<{ method: string; headers: Record<string, string>; body: string }>();
        expect(got).toMatchObject({ method: "PUT", body: '{"a":1}' });
        expect(got.headers).toMatchObject({
          ":authority": "virtual.example",
          "content-type": "application/json",
          "content-length": "7",
          "x-b": "1, 2",
          "user-agent": "corio",
        });
        const again = yield* session.get("/", { headers: { cookie: "c=3" } });
        expect((yield* again.json<{ headers: Record<string, string> }>()).headers["cookie"]).toBe("c=3; a=1; b=2");
      },
      over2(),
    );
  });

  test("gives HEAD and 204 no body", async () => {
    await withOrigin(
      ({ method }, response) => response.writeHead(method === "HEAD" ? 200 : 204, { "content-encoding": "gzip" }).end(),
      function* (session) {
        expect(yield* (yield* session.head("/")).bytes()).toHaveLength(0);
        expect(yield* (yield* session.delete("/")).bytes()).toHaveLength(0);
      },
      over2(),
    );
  });

  test("sends bodies that come over time, both ways at once", async () => {
    await withOrigin(
      ({ message }, response) => {
        message.on("data", (chunk: Buffer) => response.write(chunk.toString().toUpperCase()));
        message.on("end", () => response.end());
      },
      function* (session) {
        const queue = new Queue<string>();
        queue.putNowait("a");
        yield* within(session.post("/", { body: queue }), function* ({ body }) {
          expect(Buffer.from(yield* body.readexactly(1)).toString()).toBe("A");
          queue.putNowait("b");
          expect(Buffer.from(yield* body.readexactly(1)).toString()).toBe("B");
          queue.shutdown();
          expect(yield* body.read()).toHaveLength(0);
        });
      },
      over2({ streams: true }),
    );
  });

  test("ends a request whose body throws with that error, and no other request", async () => {
    const thrown = new RangeError("mine");
    const body = asyncGenerator(function* () {
      yield "some";
      yield* sleep(5);
      throw thrown;
    });
    await withOrigin(
      ({ url }, response) => void setTimeout(() => response.end(url), 30),
      function* (session, origin) {
        yield* textOf(session, "/first");
        const other = createTask(textOf(session, "/other"));
        expect(yield* thrownBy(session.post("/", { body: body() }))).toBe(thrown);
        expect(yield* other).toBe("/other");
        expect(origin.connections).toBe(1);
      },
      over2(),
    );
  });
});

describe("streams of one connection over HTTP/2", () => {
  test.each(["post", "put", "patch", "delete"] as const)("do not wait for each other: %s", async (method) => {
    await withOrigin(
      answering,
      function* (session, origin) {
        yield* textOf(session, "/");
        const slow = createTask(session.get("/slow"));
        while (!origin.log.includes("GET /slow")) yield* sleep(1);
        const options = { body: "x", timeout: { total: 2_000 } };
        expect(yield* (yield* session[method]("/x", options)).text()).toBe(`2.0 ${method.toUpperCase()} /x x`);
        expect(yield* textOf(session, "/y")).toBe("2.0 GET /y ");
        expect(origin.connections).toBe(1);
        slow.cancel();
        expect(isCancelled(yield* thrownBy(slow))).toBe(true);
      },
      over2(),
    );
  });

  test("do not wait for each other: bodies that come over time", async () => {
    const body = asyncGenerator(function* () {
      yield "over ";
      yield* sleep(1);
      yield "time";
    });
    await withOrigin(
      answering,
      function* (session) {
        yield* textOf(session, "/");
        const slow = createTask(session.get("/slow"));
        yield* sleep(5);
        const options = { body: body(), timeout: { total: 2_000 } };
        expect(yield* (yield* session.put("/x", options)).text()).toBe("2.0 PUT /x over time");
        slow.cancel();
        yield* thrownBy(slow);
      },
      over2(),
    );
  });

  test("are reset one by one when their requests are cancelled", async () => {
    const closed: number[] = [];
    await withOrigin(
      (request, response) => {
        streamOf(response).on("close", () => {
          if (request.url === "/slow") closed.push(streamOf(response).rstCode);
        });
        if (request.url === "/slow") return;
        setTimeout(() => echo(request, response), 20);
      },
      function* (session, origin) {
        yield* textOf(session, "/first");
        const slow = createTask(session.get("/slow"));
        const others = Array.from({ length: 5 }, (_, i) => createTask(textOf(session, `/${i}`)));
        while (origin.requests.length < 7) yield* sleep(1);
        slow.cancel();
        expect(isCancelled(yield* thrownBy(slow))).toBe(true);
        for (const [i, other] of others.entries()) expect(yield* other).toBe(`2.0 GET /${i} `);
        while (closed.length === 0) yield* sleep(1);
        expect(closed).toEqual([constants.NGHTTP2_CANCEL]);
        expect(origin.connections).toBe(1);
        expect(session.connections).toBe(1);
      },
      over2(),
    );
  });

  test("that are left half-way leave the connection as it is", async () => {
    await withOrigin(
      ({ url }, response) => (url === "/half" ? response.write("x".repeat(1_000)) : response.end(url)),
      function* (session, origin) {
        for (let i = 0; i < 20; i++) {
          yield* within(session.get("/half"), function* ({ body }) {
            if (i % 2 === 0) yield* body.read(10);
          });
          expect(yield* textOf(session, `/${i}`)).toBe(`/${i}`);
        }
        expect(origin.connections).toBe(1);
      },
      over2(),
    );
  });

  test("that nobody reads do not hold up the others, and take no more than their window", async () => {
    let written = 0;
    await withOrigin(
      ({ url }, response) => {
        if (url !== "/large") return response.end(url);
        const chunk = Buffer.alloc(64 * 1024);
        const write = (): void => {
          while (!response.destroyed && written < 200_000_000) {
            written += chunk.length;
            if (!response.write(chunk)) return;
          }
        };
        response.on("drain", write);
        return write();
      },
      function* (session) {
        yield* within(session.get("/large"), function* (response) {
          for (let before = -1; before !== written; ) {
            before = written;
            yield* sleep(30);
          }
          expect(written).toBeLessThan(16 * 1024 * 1024);
          for (let i = 0; i < 10; i++) expect(yield* textOf(session, `/${i}`)).toBe(`/${i}`);
          let read = 0;
          while (read < 5_000_000) read += (yield* response.body.read(65_536)).length;
        });
        expect(yield* textOf(session, "/after")).toBe("/after");
      },
      over2(),
    );
  });

  test("wait for each other where the server allows few", async () => {
    let at = 0;
    let most = 0;
    await withOrigin(
      ({ url }, response) => {
        most = Math.max(most, ++at);
        setTimeout(() => {
          at--;
          response.end(url);
        }, 3);
      },
      function* (session) {
        yield* textOf(session, "/first");
        const paths = Array.from({ length: 30 }, (_, i) => `/${i}`);
        expect(yield* gather(paths.map((path) => textOf(session, path)))).toEqual(paths);
        expect(most).toBeLessThanOrEqual(3);
      },
      over2({ tls: { settings: { maxConcurrentStreams: 3 } }, session: { limit: 1 } }),
    );
  });

  test("go on when the one before them is cancelled, where the server allows one", async () => {
    await withOrigin(
      answering,
      function* (session, origin) {
        yield* textOf(session, "/");
        const slow = createTask(session.get("/slow"));
        while (!origin.log.includes("GET /slow")) yield* sleep(1);
        const others = Array.from({ length: 3 }, (_, i) => createTask(textOf(session, `/${i}`)));
        yield* sleep(5);
        slow.cancel();
        yield* thrownBy(slow);
        for (const [i, other] of others.entries()) expect(yield* other).toBe(`2.0 GET /${i} `);
      },
      over2({ tls: { settings: { maxConcurrentStreams: 1 } }, session: { limit: 1 } }),
    );
  });

  test("have time limits of their own", async () => {
    await withOrigin(
      (request, response) => {
        if (request.url === "/half") response.write("half");
        else answering(request, response);
      },
      function* (session, origin) {
        yield* textOf(session, "/");
        expect(yield* thrownBy(session.get("/slow", { timeout: { headers: 30 } }))).toMatchObject({
          name: "HeadersTimeoutError",
        });
        expect(yield* thrownBy(session.get("/slow", { timeout: { total: 30 } }))).toMatchObject({
          name: "TotalTimeoutError",
        });
        const half = yield* session.get("/half", { timeout: { body: 30 } });
        expect(yield* thrownBy(half.text())).toMatchObject({ name: "BodyTimeoutError" });
        expect(yield* textOf(session, "/x")).toBe("2.0 GET /x ");
        expect(origin.connections).toBe(1);
      },
      over2(),
    );
  });
});

describe("a server over HTTP/2 that", () => {
  test.each([
    ["cancels", constants.NGHTTP2_CANCEL],
    ["ends without an error", constants.NGHTTP2_NO_ERROR],
    ["fails", constants.NGHTTP2_INTERNAL_ERROR],
    ["wants less", constants.NGHTTP2_ENHANCE_YOUR_CALM],
  ])("%s a stream before the answer is an error, of that request only", async (_what, code) => {
    await withOrigin(
      (request, response) => {
        if (request.url === "/reset") streamOf(response).close(code);
        else echo(request, response);
      },
      function* (session, origin) {
        yield* textOf(session, "/");
        const error = yield* thrownBy(session.post("/reset"));
        expect(error).toBeInstanceOf(ServerDisconnectedError);
        expect(error).toMatchObject({ url: origin.url("/reset"), cause: expect.any(Error) });
        expect(yield* textOf(session, "/x")).toBe("2.0 GET /x ");
        expect(origin.log.filter((line) => line === "POST /reset")).toHaveLength(1);
      },
      over2(),
    );
  });

  test.each([
    ["CANCEL", constants.NGHTTP2_CANCEL, {}],
    ["NO_ERROR", constants.NGHTTP2_NO_ERROR, {}],
    ["INTERNAL_ERROR", constants.NGHTTP2_INTERNAL_ERROR, {}],
    ["CANCEL, with a length", constants.NGHTTP2_CANCEL, { "content-length": "100" }],
    ["NO_ERROR, with a length", constants.NGHTTP2_NO_ERROR, { "content-length": "100" }],
  ])("resets a stream in mid-body (%s) is an error, and never a shorter body", async (_what, code, headers) => {
    await withOrigin(
      (request, response) => {
        if (request.url !== "/reset") return echo(request, response);
        response.writeHead(200, headers).write("x".repeat(50));
        return void setTimeout(() => streamOf(response).close(code), 10);
      },
      function* (session) {
        const whole = yield* session.get("/reset");
        expect(yield* thrownBy(whole.bytes())).toBeInstanceOf(ClientPayloadError);
        const streamed = yield* session.get("/reset");
        expect(yield* thrownBy(forEach(streamed.chunks(), () => {}))).toBeInstanceOf(ClientPayloadError);
        expect(yield* textOf(session, "/x")).toBe("2.0 GET /x ");
      },
      over2(),
    );
  });

  test("refuses streams is an error, and a retry for what may be sent twice", async () => {
    let refused = 0;
    await withOrigin(
      (request, response) => {
        if (refused++ < 1) streamOf(response).close(constants.NGHTTP2_REFUSED_STREAM);
        else echo(request, response);
      },
      function* (session) {
        const response = yield* session.get("/x", { retry: { attempts: 3, delay: 1 } });
        expect(yield* response.text()).toBe("2.0 GET /x ");
        refused = 0;
        expect((yield* session.get("/y", { retry: { attempts: 3, delay: 1 } })).status).toBe(200);
      },
      over2(),
    );
  });

  test("cuts the connection is an error of all that is under way, nothing of which is sent again in silence", async () => {
    await withOrigin(
      (request, response) => {
        if (request.url === "/half") response.write("half");
        else answering(request, response);
      },
      function* (session, origin) {
        yield* textOf(session, "/first");
        const tasks = [session.post("/slow", { body: "x" }), session.get("/slow"), session.put("/slow")].map(
          (pending) => createTask(thrownBy(pending)),
        );
        const half = yield* session.get("/half");
        while (origin.requests.length < 5) yield* sleep(1);
        for (const socket of origin.sockets) socket.destroy();
        for (const task of tasks) expect(yield* task).toBeInstanceOf(ServerDisconnectedError);
        expect(yield* thrownBy(half.text())).toBeInstanceOf(ClientPayloadError);
        while (session.connections > 0) yield* sleep(1);
        expect(yield* textOf(session, "/again")).toBe("2.0 GET /again ");
        expect(origin.requests).toHaveLength(6);
        expect(origin.connections).toBe(2);
      },
      over2({ session: { retry: { attempts: 1, stale: false } } }),
    );
  });

  test("goes away finishes what it has begun, and what comes then has another connection", async () => {
    await withOrigin(
      (request, response) => {
        if (request.url === "/going") streamOf(response).session?.goaway(constants.NGHTTP2_NO_ERROR);
        setTimeout(() => echo(request, response), request.url === "/first" ? 0 : 30);
      },
      function* (session, origin) {
        yield* textOf(session, "/first");
        const before = [createTask(textOf(session, "/a")), createTask(textOf(session, "/b"))];
        const going = createTask(textOf(session, "/going"));
        while (!origin.log.includes("GET /going")) yield* sleep(1);
        yield* sleep(5);
        expect(yield* textOf(session, "/after")).toBe("2.0 GET /after ");
        for (const task of before) expect(yield* task).toMatch(/^2\.0 GET \/[ab] $/);
        expect(yield* going).toBe("2.0 GET /going ");
        expect(origin.connections).toBe(2);
        expect(origin.requests).toHaveLength(5);
      },
      over2(),
    );
  });

  test("closes its idle connection has the next request on another", async () => {
    await withOrigin(
      echo,
      function* (session, origin) {
        yield* textOf(session, "/a");
        for (const http2 of origin.sessions) http2.close();
        while (session.connections > 0) yield* sleep(1);
        expect(yield* (yield* session.post("/b")).text()).toBe("2.0 POST /b ");
        expect(origin.connections).toBe(2);
      },
      over2(),
    );
  });
});

describe("a connection of HTTP/2", () => {
  test("is closed when it has been idle for keepAliveTimeout, and not before", async () => {
    await withOrigin(
      ({ url }, response) => void setTimeout(() => response.end(url), url === "/slow" ? 150 : 0),
      function* (session, origin) {
        expect(yield* textOf(session, "/slow")).toBe("/slow");
        expect(origin.connections).toBe(1);
        while (session.connections > 0 || origin.sockets.size > 0) yield* sleep(5);
        expect(yield* textOf(session, "/x")).toBe("/x");
        expect(origin.connections).toBe(2);
      },
      over2({ session: { keepAliveTimeout: 40 } }),
    );
  });

  test.each(["te", "proxy-connection", "http2-settings", "connection", "keep-alive"])(
    "is not harmed by the header %s, which HTTP/2 does not have",
    async (name) => {
      const uncaught: unknown[] = [];
      const note = (error: unknown): void => void uncaught.push(error);
      process.on("uncaughtException", note);
      try {
        await withOrigin(
          echo,
          function* (session) {
            function* attempt(): Coroutine<string> {
              return yield* (yield* session.get("/", { headers: { [name]: "x" }, timeout: { total: 2_000 } })).text();
            }
            for (let i = 0; i < 2; i++) {
              try {
                expect(yield* attempt()).toBe("2.0 GET / ");
              } catch (error) {
                expect(error).toBeInstanceOf(TypeError);
              }
              const next = yield* session.get("/next", { timeout: { total: 2_000 } });
              expect(yield* next.text()).toBe("2.0 GET /next ");
            }
          },
          over2(),
        );
      } finally {
        process.off("uncaughtException", note);
      }
      expect(uncaught).toEqual([]);
    },
  );

  test("that cannot be made is an error of each who waits for it", async () => {
    await withOrigin(
      echo,
      function* (session) {
        const all = yield* gather(Array.from({ length: 20 }, () => thrownBy(session.get("/"))));
        for (const error of all) {
          expect(error).toBeInstanceOf(ClientConnectionError);
          expect(error).toMatchObject({ cause: { code: "CERT_HAS_EXPIRED" } });
        }
        expect(session.connections).toBe(0);
      },
      over2({ tls: certificates.expired }),
    );
  });

  test("ends with its session, and what is under way with an error", async () => {
    await withOrigin(
      answering,
      function* (session, origin) {
        yield* textOf(session, "/");
        const slow = [1, 2, 3].map(() => createTask(thrownBy(session.get("/slow"))));
        while (origin.requests.length < 4) yield* sleep(1);
        yield* session.close();
        for (const task of slow) expect(yield* task).toMatchObject({ code: "ERR_CORIO_SESSION_CLOSED" });
        expect(session.connections).toBe(0);
        while (origin.sockets.size > 0) yield* sleep(1);
      },
      over2(),
    );
  });
});
