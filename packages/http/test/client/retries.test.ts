import { asyncGenerator, createTask, isCancelled, type Coroutine, sleep } from "corio";
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../node/test/support/thrown-by.js";
import {
  ClientConnectionError,
  type ClientResponse,
  ConnectTimeoutError,
  HeadersTimeoutError,
  type RequestTrace,
  type RetryPolicy,
  ServerDisconnectedError,
  TotalTimeoutError,
} from "../../src/index.js";
import { delayAfter, retriesOf, retryAfter } from "./internals.js";
import { answer, faults } from "../support/faults.js";
import { nextRequest } from "../support/raw-server.js";
import type { Answer } from "./origin-server.js";
import { withOrigin, withRawServer } from "./session-setting.js";

/** Fails with a status as often as is said, and answers then. */
function failing(times: number, status = 503, headers: Record<string, string> = {}): Answer {
  let left = times;
  return (_, response) => {
    if (left-- > 0) response.writeHead(status, headers).end("later");
    else response.end("now");
  };
}

const quick: RetryPolicy = { attempts: 3, delay: 1 };

/** What a session says that it waits before it tries again. */
function noting(delays: number[]): RequestTrace {
  return { onRetry: (_, { delay }) => void delays.push(delay) };
}

describe("retrying after a status", () => {
  test("is not done where nobody asks for it", async () => {
    await withOrigin(failing(1), function* (session, origin) {
      expect((yield* session.get("/")).status).toBe(503);
      expect(origin.requests).toHaveLength(1);
    });
  });

  test.each([408, 429, 500, 502, 503, 504])("is done after %i", async (status) => {
    await withOrigin(failing(2, status), function* (session, origin) {
      const response = yield* session.get("/", { retry: quick });
      expect([response.status, yield* response.text()]).toEqual([200, "now"]);
      expect(origin.requests).toHaveLength(3);
      expect(origin.connections).toBe(1);
    });
  });

  test.each([400, 404, 409, 501, 505])("is not done after %i", async (status) => {
    await withOrigin(failing(2, status), function* (session, origin) {
      expect((yield* session.get("/", { retry: quick })).status).toBe(status);
      expect(origin.requests).toHaveLength(1);
    });
  });

  test("is done after the statuses that are named, and no others", async () => {
    const retry = { ...quick, statuses: [418] };
    await withOrigin(failing(1, 418), function* (session) {
      expect((yield* session.get("/", { retry })).status).toBe(200);
    });
    await withOrigin(failing(1, 503), function* (session) {
      expect((yield* session.get("/", { retry })).status).toBe(503);
    });
  });

  test("gives the last answer when none was better", async () => {
    await withOrigin(
      failing(5),
      function* (session, origin) {
        const response = yield* session.get("/");
        expect([response.status, yield* response.text()]).toEqual([503, "later"]);
        expect(origin.requests).toHaveLength(2);
        expect(yield* thrownBy(session.get("/", { raiseForStatus: true, retry: 1 }))).toMatchObject({ status: 503 });
        expect(origin.requests).toHaveLength(3);
      },
      { session: { retry: { attempts: 2, delay: 1 } } },
    );
  });

  test.each([
    ["GET", 3],
    ["HEAD", 3],
    ["OPTIONS", 3],
    ["PUT", 3],
    ["DELETE", 3],
    ["POST", 1],
    ["PATCH", 1],
  ])("sends %s %i times", async (method, times) => {
    await withOrigin(failing(5), function* (session, origin) {
      expect((yield* session.request(method, "/", { retry: quick })).status).toBe(503);
      expect(origin.requests).toHaveLength(times);
    });
  });

  test("sends the methods that are named", async () => {
    await withOrigin(failing(1), function* (session, origin) {
      const retry = { ...quick, methods: ["post"] };
      const response = yield* session.post("/", { json: { a: 1 }, retry });
      expect(response.status).toBe(200);
      expect(origin.requests.map(({ body }) => body)).toEqual(['{"a":1}', '{"a":1}']);
      expect((yield* session.get("/", { retry })).status).toBe(200);
    });
  });

  test("sends a body again that is there, and not one that came over time", async () => {
    const body = asyncGenerator(function* () {
      yield "once";
    });
    await withOrigin(failing(1), function* (session, origin) {
      expect((yield* session.put("/", { body: new Blob(["again"]), retry: quick })).status).toBe(200);
      expect(origin.requests.map(({ body: got }) => got)).toEqual(["again", "again"]);
    });
    await withOrigin(failing(1), function* (session, origin) {
      expect((yield* session.put("/", { body: body(), retry: quick })).status).toBe(503);
      expect(origin.requests.map(({ body: got }) => got)).toEqual(["once"]);
    });
  });

  test("counts anew behind a redirect", async () => {
    const failed = new Set<string>();
    await withOrigin(
      ({ url }, response) => {
        if (!failed.has(url)) {
          failed.add(url);
          response.writeHead(503).end();
        } else if (url === "/") response.writeHead(302, { location: "/there" }).end();
        else response.end(url);
      },
      function* (session, origin) {
        const response = yield* session.get("/", { retry: { attempts: 2, delay: 1 } });
        expect(yield* response.text()).toBe("/there");
        expect(origin.log).toEqual(["GET /", "GET /", "GET /there", "GET /there"]);
      },
    );
  });

  test("can be cancelled while it pauses", async () => {
    await withOrigin(failing(1), function* (session, origin) {
      const retrying = createTask(session.get("/", { retry: { attempts: 2, delay: 60_000 } }));
      while (origin.requests.length === 0) yield* sleep(1);
      yield* sleep(5);
      retrying.cancel();
      expect(isCancelled(yield* thrownBy(retrying))).toBe(true);
      expect(origin.requests).toHaveLength(1);
    });
  });
});

describe("the pause before another attempt", () => {
  test("grows, up to the longest, and is partly left to chance", async () => {
    const delays: number[] = [];
    await withOrigin(
      failing(4),
      function* (session) {
        const retry = { attempts: 5, delay: 2, factor: 3, maxDelay: 20, jitter: 0 };
        expect((yield* session.get("/", { retry })).status).toBe(200);
        expect(delays).toEqual([2, 6, 18, 20]);
      },
      { session: { trace: noting(delays) } },
    );
  });

  test("is what the policy says", () => {
    const policy = retriesOf({ delay: 100, factor: 2, maxDelay: 1_000, jitter: 0.5 });
    expect([1, 2, 3, 4, 5, 100].map((n) => delayAfter(n, policy, () => 0))).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    expect(delayAfter(1, policy, () => 0.5)).toBe(75);
    expect(delayAfter(3, policy, () => 1)).toBe(200);
    const none = retriesOf({ delay: 0, attempts: Number.POSITIVE_INFINITY });
    expect(delayAfter(5_000, none)).toBe(0);
    expect(delayAfter(5_000, retriesOf({ delay: 1, maxDelay: Number.POSITIVE_INFINITY, jitter: 0 }))).toBeGreaterThan(
      1e300,
    );
  });

  test.each([
    ["0", 0],
    ["120", 120_000],
    [" 5 ", 5_000],
    ["Thu, 01 Jan 1970 00:01:40 GMT", 40_000],
    ["Thursday, 01-Jan-70 00:01:40 GMT", 40_000],
    ["Thu Jan  1 00:01:40 1970 GMT", 40_000],
    ["Thu, 01 Jan 1970 00:00:40 GMT", 0],
    ["soon", undefined],
    ["", undefined],
    [undefined, undefined],
    [["7", "9"], 7_000],
  ])("that a server asks for with %j is %j ms", (header, expected) => {
    expect(retryAfter(header, 60_000)).toBe(expected);
  });

  test.each(["-5", "1.5", "7, 9"])("is not what a server says by %j", (header) => {
    expect(retryAfter(header, 60_000)).toBeUndefined();
  });

  test("is at least what the server asks for", async () => {
    const delays: number[] = [];
    const session = { trace: noting(delays) };
    const retry = { attempts: 2, delay: 1, jitter: 0 };
    await withOrigin(
      failing(1, 429, { "retry-after": "1" }),
      function* (session) {
        const retrying = createTask(session.get("/", { retry }));
        while (delays.length === 0) yield* sleep(1);
        expect(delays).toEqual([1_000]);
        retrying.cancel();
        yield* thrownBy(retrying);
      },
      { session },
    );
    delays.length = 0;
    const date = new Date(Date.now() + 20_000).toUTCString();
    await withOrigin(
      failing(1, 503, { "retry-after": date }),
      function* (session) {
        const retrying = createTask(session.get("/", { retry }));
        while (delays.length === 0) yield* sleep(1);
        expect(delays[0]).toBeGreaterThan(5_000);
        expect(delays[0]).toBeLessThanOrEqual(20_000);
        retrying.cancel();
        yield* thrownBy(retrying);
      },
      { session },
    );
    await withOrigin(failing(1, 503, { "retry-after": "0" }), function* (session) {
      expect((yield* session.get("/", { retry })).status).toBe(200);
    });
  });

  test("is not made when the server asks for more than the longest", async () => {
    await withOrigin(failing(1, 503, { "retry-after": "31" }), function* (session, origin) {
      const response = yield* session.get("/", { retry: quick });
      expect([response.status, yield* response.text()]).toEqual([503, "later"]);
      expect(origin.requests).toHaveLength(1);
    });
  });

  test("is not made when it would outlast the time limit: what was wrong is told instead", async () => {
    await withOrigin(failing(2), function* (session, origin) {
      const retry = { attempts: 3, delay: 10_000, jitter: 0 };
      expect((yield* session.get("/", { retry, timeout: { total: 9_000 } })).status).toBe(503);
      const refused = session.get("http://127.0.0.1:1/", { retry, timeout: { total: 9_000 } });
      expect(yield* thrownBy(refused)).toBeInstanceOf(ClientConnectionError);
      expect(origin.requests).toHaveLength(1);
    });
  });

  test("that ends in the moment in which the time is up does not lose the time limit", async () => {
    await withOrigin(
      ({ url }, response) => {
        if (url === "/") response.writeHead(503).end();
      },
      function* (session, origin) {
        const retrying = createTask(
          thrownBy(session.get("/", { timeout: { total: 60 }, retry: { attempts: 2, delay: 40, jitter: 0 } })),
        );
        while (origin.requests.length === 0) yield* sleep(1);
        yield* sleep(5);
        blockFor(100);
        const error = yield* retrying;
        expect(error).toBeInstanceOf(TotalTimeoutError);
      },
    );
  });
});

describe("retrying after an error", () => {
  function* expectAttempts(
    getting: Coroutine<ClientResponse>,
    kind: new (...args: never[]) => Error,
  ): Coroutine<Error> {
    const error = yield* thrownBy(getting);
    expect(error).toBeInstanceOf(kind);
    return error as Error;
  }

  test("is done when a connection is refused", async () => {
    const delays: number[] = [];
    await withOrigin(
      failing(0),
      function* (session) {
        const error = yield* expectAttempts(
          session.get("http://127.0.0.1:1/", { retry: quick }),
          ClientConnectionError,
        );
        expect(error).toMatchObject({ code: "ERR_CORIO_CONNECTION", cause: { code: "ECONNREFUSED" } });
        expect(delays).toHaveLength(2);
        yield* expectAttempts(session.post("http://127.0.0.1:1/", { retry: quick }), ClientConnectionError);
        expect(delays).toHaveLength(2);
        expect(session.connections).toBe(0);
      },
      { session: { trace: noting(delays) } },
    );
  });

  test("is done when the server hangs up, and each attempt counts", async () => {
    await withRawServer(faults.closesWithoutAnswer, function* (session, server) {
      yield* expectAttempts(session.get("/", { retry: quick }), ServerDisconnectedError);
      expect(server.connections).toHaveLength(3);
      yield* expectAttempts(session.post("/", { retry: quick }), ServerDisconnectedError);
      expect(server.connections).toHaveLength(4);
      yield* expectAttempts(session.get("/"), ServerDisconnectedError);
      expect(server.connections).toHaveLength(5);
    });
  });

  test("is done when no connection or no answer comes in time", async () => {
    await withRawServer(faults.neverAnswers, function* (session, server) {
      yield* expectAttempts(session.get("/", { retry: quick, timeout: { headers: 20 } }), HeadersTimeoutError);
      expect(server.connections).toHaveLength(3);
      const handshakes = `https://127.0.0.1:${server.port}/`;
      yield* expectAttempts(session.get(handshakes, { retry: quick, timeout: { connect: 20 } }), ConnectTimeoutError);
      expect(server.connections).toHaveLength(6);
      expect(session.connections).toBe(0);
    });
  });

  test("is not done when all of it took too long", async () => {
    await withRawServer(faults.neverAnswers, function* (session, server) {
      yield* expectAttempts(session.get("/", { retry: quick, timeout: { total: 20 } }), TotalTimeoutError);
      expect(server.connections).toHaveLength(1);
    });
  });

  test("is not done once the answer has begun", async () => {
    await withRawServer(faults.stopsInMidBody, function* (session, server) {
      const response = yield* session.get("/", { retry: quick });
      expect(yield* thrownBy(response.bytes())).toMatchObject({ name: "ClientPayloadError" });
      expect(server.connections).toHaveLength(1);
    });
  });
});

describe("a connection that the server closes after it was kept alive", () => {
  test.each(["closesAtSecondRequest", "resetsAtSecondRequest"] as const)(
    "is replaced once, in silence, for what may be sent twice (%s)",
    async (fault) => {
      await withRawServer(faults[fault], function* (session, server) {
        for (const method of ["GET", "PUT", "HEAD"]) {
          yield* (yield* session.get("/first")).text();
          const connections = server.connections.length;
          const response = yield* session.request(method, "/second", method === "PUT" ? { body: "x" } : {});
          expect(response.status).toBe(200);
          yield* response.text();
          expect(server.connections).toHaveLength(connections + 1);
        }
      });
    },
  );

  test("is an error where the policy says so", async () => {
    await withRawServer(
      faults.closesAtSecondRequest,
      function* (session, server) {
        yield* (yield* session.get("/")).text();
        expect(yield* thrownBy(session.get("/"))).toBeInstanceOf(ServerDisconnectedError);
        expect(server.connections).toHaveLength(1);
        yield* (yield* session.get("/")).text();
        expect((yield* session.get("/", { retry: { attempts: 2, delay: 1 } })).status).toBe(200);
      },
      { session: { retry: { attempts: 1, stale: false } } },
    );
  });

  test("is an error for what may not", async () => {
    const body = asyncGenerator(function* () {
      yield "once";
    });
    await withRawServer(faults.closesAtSecondRequest, function* (session) {
      for (const sending of [
        () => session.post("/", { body: "x" }),
        () => session.patch("/"),
        () => session.put("/", { body: body() }),
      ]) {
        yield* (yield* session.get("/")).text();
        expect(yield* thrownBy(sending())).toBeInstanceOf(ServerDisconnectedError);
        expect(session.connections).toBe(0);
      }
    });
  });

  test("is an error if the next one is closed as well", async () => {
    await withRawServer(
      async (connection, number) => {
        await nextRequest(connection);
        if (number === 1) {
          await connection.send(answer("ok"));
          await nextRequest(connection);
        }
        await connection.close();
      },
      function* (session, server) {
        yield* (yield* session.get("/")).text();
        expect(yield* thrownBy(session.get("/"))).toBeInstanceOf(ServerDisconnectedError);
        expect(server.connections).toHaveLength(2);
      },
    );
  });

  test("is not used any more if it is closed while it is idle", async () => {
    await withRawServer(faults.closesAfterAnswer, function* (session, server) {
      yield* (yield* session.get("/")).text();
      while (session.connections > 0) yield* sleep(1);
      expect((yield* session.post("/")).status).toBe(200);
      expect(server.connections).toHaveLength(2);
    });
  });

  test("costs the others that are idle, which are as old", async () => {
    let close = false;
    await withRawServer(
      async (connection) => {
        for (;;) {
          await nextRequest(connection);
          if (close) return connection.close();
          await connection.send(answer("ok"));
        }
      },
      function* (session, server) {
        const first = [createTask(session.get("/")), createTask(session.get("/")), createTask(session.get("/"))];
        for (const task of first) yield* (yield* task).text();
        expect(server.open()).toBe(3);
        close = true;
        expect(yield* thrownBy(session.get("/"))).toBeInstanceOf(ServerDisconnectedError);
        expect(server.connections).toHaveLength(4);
        expect(session.connections).toBe(0);
      },
    );
  });
});

/** Keeps the loop from running for so many milliseconds. */
function blockFor(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}
