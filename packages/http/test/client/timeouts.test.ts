import { once } from "node:events";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import {
  asyncGenerator,
  type Coroutine,
  createTask,
  forEach,
  type Manager,
  sleep,
  TimeoutError,
  until,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { runConnected } from "../../../node/test/support/run-connected.js";
import { thrownBy } from "../../../node/test/support/thrown-by.js";
import {
  BodyTimeoutError,
  ConnectTimeoutError,
  HeadersTimeoutError,
  RequestTimeoutError,
  type RequestTimeouts,
  TotalTimeoutError,
} from "../../src/index.js";
import { faults } from "../support/faults.js";
import type { Answer } from "./origin-server.js";
import { inSession, withOrigin, withRawServer } from "./session-setting.js";

const certificates = useCertificates();

const silent: Answer = () => {};

/** Sends the first half of a body, and the second after a while. */
const halting =
  (ms: number): Answer =>
  (_, response) => {
    response.write("first half, ");
    setTimeout(() => response.end("second half"), ms);
  };

function expectTimeout(
  error: unknown,
  kind: new (...args: never[]) => RequestTimeoutError,
  expected: { phase: string; limit: number; message: RegExp; url?: string },
): void {
  const { message, ...rest } = expected;
  expect(error).toBeInstanceOf(kind);
  expect(error).toBeInstanceOf(RequestTimeoutError);
  expect(error).toBeInstanceOf(TimeoutError);
  expect(error).toMatchObject({
    name: kind.name,
    code: `ERR_CORIO_${expected.phase.toUpperCase()}_TIMEOUT`,
    message: expect.stringMatching(message),
    ...rest,
  });
}

describe("the time limit of all of a request", () => {
  const expected = (limit: number) => ({
    phase: "total",
    limit,
    message: /^the request was not done within \d+ ms: http/,
  });

  test("holds while the answer is waited for", async () => {
    await withOrigin(silent, function* (session, origin) {
      const error = yield* thrownBy(session.get("/x", { timeout: { total: 20 } }));
      expectTimeout(error, TotalTimeoutError, { ...expected(20), url: origin.url("/x") });
      expect(session.connections).toBe(0);
    });
  });

  test("holds while a connection is being opened", async () => {
    await withRawServer(faults.neverAnswers, function* (session, server) {
      const handshake = session.get(`https://127.0.0.1:${server.port}/`, { timeout: { total: 20 } });
      expectTimeout(yield* thrownBy(handshake), TotalTimeoutError, expected(20));
      expect(session.connections).toBe(0);
    });
  });

  test("holds while a connection is waited for, and leaves the queue", async () => {
    await withOrigin(
      ({ url }, response) => {
        if (url === "/next") response.end("next");
      },
      function* (session, origin) {
        const first = createTask(session.get("/first"));
        while (origin.requests.length === 0) yield* sleep(1);
        const second = createTask(thrownBy(session.get("/second", { timeout: { total: 20 } })));
        const third = createTask(session.get("/next"));
        expectTimeout(yield* second, TotalTimeoutError, expected(20));
        first.cancel();
        expect(yield* (yield* third).text()).toBe("next");
        expect(origin.log).toEqual(["GET /first", "GET /next"]);
      },
      { session: { limit: 1 } },
    );
  });

  test("holds if it passes in the moment in which a connection is free", async () => {
    await withOrigin(
      silent,
      function* (session, origin) {
        const first = createTask(session.get("/first"));
        while (origin.requests.length === 0) yield* sleep(1);
        const second = createTask(thrownBy(session.get("/second", { timeout: { total: 30 } })));
        yield* sleep(5);
        first.cancel();
        blockFor(50);
        expectTimeout(yield* second, TotalTimeoutError, expected(30));
        expect(session.connections).toBe(0);
      },
      { session: { limit: 1 } },
    );
  });

  test("holds over redirects, and says where it was", async () => {
    const slow: Answer = ({ url }, response) =>
      void setTimeout(() => response.writeHead(302, { location: `${url}x` }).end(), 15);
    await withOrigin(slow, function* (session, origin) {
      const error = yield* thrownBy(session.get("/", { timeout: { total: 50 }, redirects: 1_000 }));
      expectTimeout(error, TotalTimeoutError, expected(50));
      expect((error as TotalTimeoutError).url).toMatch(/\/x+$/);
      expect(origin.requests.length).toBeGreaterThan(1);
    });
  });

  test("holds over the body, however it is read", async () => {
    await withOrigin(halting(10_000), function* (session) {
      const whole = yield* session.get("/", { timeout: { total: 40 } });
      expectTimeout(yield* thrownBy(whole.text()), TotalTimeoutError, expected(40));
      const reader = yield* session.get("/", { timeout: { total: 40 } });
      yield* reader.body.read(5);
      expectTimeout(yield* thrownBy(reader.body.read()), TotalTimeoutError, expected(40));
      const lines = yield* session.get("/", { timeout: { total: 40 } });
      expectTimeout(yield* thrownBy(forEach(lines.lines(), () => {})), TotalTimeoutError, expected(40));
      expect(session.connections).toBe(0);
    });
  });

  test("holds over a body that nobody reads, which is an error when somebody does", async () => {
    await withOrigin(halting(10_000), function* (session) {
      const response = yield* session.get("/", { timeout: { total: 20 } });
      while (session.connections > 0) yield* sleep(1);
      expectTimeout(yield* thrownBy(response.text()), TotalTimeoutError, expected(20));
    });
  });

  test("holds while a body is being sent", async () => {
    const endless = asyncGenerator(function* () {
      for (;;) {
        yield "x";
        yield* sleep(1);
      }
    });
    await withOrigin(
      ({ message }) => message.resume(),
      function* (session) {
        const sending = session.put("/", { body: endless(), timeout: { total: 30 } });
        expectTimeout(yield* thrownBy(sending), TotalTimeoutError, expected(30));
        expect(session.connections).toBe(0);
      },
      { server: { streams: true } },
    );
  });

  test("is over with the body, which may be read later", async () => {
    await withOrigin(
      (_, response) => response.end("all"),
      function* (session) {
        const response = yield* session.get("/", { timeout: { total: 30 } });
        yield* sleep(60);
        expect(yield* response.text()).toBe("all");
      },
    );
  });

  test("begins when the request is awaited", async () => {
    await withOrigin(
      (_, response) => response.end("ok"),
      function* (session) {
        const pending = session.get("/", { timeout: { total: 40 } });
        yield* sleep(60);
        expect((yield* pending).status).toBe(200);
      },
    );
  });
});

describe("the time limit of connecting", () => {
  const expected = (limit: number) => ({ phase: "connect", limit, message: /^no connection within \d+ ms: http/ });

  test("includes the handshake of TLS", async () => {
    await withRawServer(faults.neverAnswers, function* (session, server) {
      const url = `https://127.0.0.1:${server.port}/`;
      const error = yield* thrownBy(session.get(url, { timeout: { connect: 20 } }));
      expectTimeout(error, ConnectTimeoutError, { ...expected(20), url });
      expect(session.connections).toBe(0);
    });
  });

  test("is over when the connection stands", async () => {
    await withOrigin(
      (_, response) => void setTimeout(() => response.end("ok"), 300),
      function* (session) {
        expect((yield* session.get("/", { timeout: { connect: 200 } })).status).toBe(200);
      },
    );
  });

  test("does not include waiting for the limits of the session", async () => {
    await withOrigin(
      (_, response) => void setTimeout(() => response.end("ok"), 120),
      function* (session) {
        const first = createTask(session.get("/"));
        const second = createTask(session.get("/", { timeout: { connect: 100 } }));
        expect([(yield* first).status, (yield* second).status]).toEqual([200, 200]);
      },
      { session: { limit: 1 } },
    );
  });

  test("holds where a connection is opened anew, because the server has closed it behind an answer", async () => {
    await runConnected(() =>
      within(new OnlyFirstHandshake(certificates.server), (server) =>
        inSession({ baseUrl: server.origin, limit: 1, tls: { ca: certificates.ca } }, function* (session) {
          const first = createTask(session.get("/"));
          const second = createTask(thrownBy(session.get("/", { timeout: { connect: 30, total: 2_000 } })));
          expect(yield* (yield* first).text()).toBe("ok");
          expectTimeout(yield* second, ConnectTimeoutError, expected(30));
          expect(session.connections).toBe(0);
        }),
      ),
    );
  });
});

/** A server that answers on its first connection, closes it, and takes part in no other handshake. */
class OnlyFirstHandshake implements Manager<OnlyFirstHandshake> {
  readonly #sockets: Socket[] = [];
  readonly #server: Server;

  constructor(credentials: { cert: string; key: string }) {
    const secure = createHttpsServer(credentials, (_, response) => {
      response.writeHead(200, { connection: "close" }).end("ok");
    });
    this.#server = createServer((socket) => {
      socket.on("error", () => {});
      if (this.#sockets.push(socket) === 1) secure.emit("connection", socket);
    });
  }

  get origin(): string {
    return `https://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  *enter(): Coroutine<OnlyFirstHandshake> {
    this.#server.listen(0, "127.0.0.1");
    yield* until(once(this.#server, "listening"));
    return this;
  }

  *exit(): Coroutine<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    yield* until(once(this.#server, "close"));
  }
}

describe("the time limit of the headers", () => {
  const expected = (limit: number) => ({ phase: "headers", limit, message: /^no answer within \d+ ms: http/ });

  test.each(["neverAnswers", "stallsInMidHead", "endlessInterimAnswers", "dripsHead"] as const)(
    "holds for a server that %s",
    async (fault) => {
      await withRawServer(faults[fault], function* (session, server) {
        const error = yield* thrownBy(session.get("/x", { timeout: { headers: 30 } }));
        expectTimeout(error, HeadersTimeoutError, { ...expected(30), url: `${server.origin}/x` });
        expect(session.connections).toBe(0);
      });
    },
  );

  test("is over when they are there", async () => {
    await withOrigin(halting(150), function* (session) {
      const response = yield* session.get("/", { timeout: { headers: 100 } });
      expect(yield* response.text()).toBe("first half, second half");
    });
  });

  test("holds anew after a redirect", async () => {
    const slow: Answer = ({ url }, response) =>
      void setTimeout(() => {
        if (url.length < 5) response.writeHead(302, { location: `${url}x` });
        response.end("done");
      }, 40);
    await withOrigin(slow, function* (session) {
      expect(yield* (yield* session.get("/", { timeout: { headers: 120 } })).text()).toBe("done");
    });
  });

  test("says what came after a redirect", async () => {
    await withOrigin(
      ({ url }, response) => {
        if (url === "/") response.writeHead(302, { location: "/silent" }).end();
      },
      function* (session, origin) {
        const error = yield* thrownBy(session.get("/", { timeout: { headers: 30 } }));
        expectTimeout(error, HeadersTimeoutError, { ...expected(30), url: origin.url("/silent") });
      },
    );
  });
});

describe("the time limit of the body", () => {
  const expected = (limit: number) => ({ phase: "body", limit, message: /^the body stood still for \d+ ms: http/ });

  test("holds between two pieces", async () => {
    await withOrigin(halting(10_000), function* (session, origin) {
      const error = yield* thrownBy((yield* session.get("/x", { timeout: { body: 30 } })).text());
      expectTimeout(error, BodyTimeoutError, { ...expected(30), url: origin.url("/x") });
      const { body } = yield* session.get("/", { timeout: { body: 30 } });
      expect(Buffer.from(yield* body.readexactly(12)).toString()).toBe("first half, ");
      expectTimeout(yield* thrownBy(body.readexactly(1)), BodyTimeoutError, expected(30));
      const chunks = yield* session.get("/", { timeout: { body: 30 } });
      expectTimeout(yield* thrownBy(forEach(chunks.chunks(), () => {})), BodyTimeoutError, expected(30));
      expect(session.connections).toBe(0);
    });
  });

  test("holds for a compressed body, too", async () => {
    const half = gzipSync("x".repeat(1_000)).subarray(0, 20);
    await withOrigin(
      (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).write(half),
      function* (session) {
        const error = yield* thrownBy((yield* session.get("/", { timeout: { body: 30 } })).text());
        expectTimeout(error, BodyTimeoutError, expected(30));
      },
    );
  });

  test("begins anew with every piece", async () => {
    await withRawServer(faults.dripsBody, function* (session) {
      const response = yield* session.get("/", { timeout: { body: 300 } });
      expect(yield* response.text()).toHaveLength(100);
    });
  });

  test.each([
    ["plain", {}, (text: string) => Buffer.from(text)],
    ["compressed", { "content-encoding": "gzip" }, (text: string) => gzipSync(text)],
  ] as const)("does not count while nobody waits: %s", async (_what, headers, encoded) => {
    const whole = encoded("x".repeat(100_000));
    await withOrigin(
      (_, response) => {
        response.writeHead(200, headers).write(whole.subarray(0, whole.length / 2));
        setTimeout(() => response.end(whole.subarray(whole.length / 2)), 60);
      },
      function* (session) {
        yield* within(session.get("/", { timeout: { body: 30 } }), function* (response) {
          yield* sleep(150);
          expect(yield* response.text()).toHaveLength(100_000);
        });
        yield* within(session.get("/", { timeout: { body: 30 } }), function* ({ body }) {
          expect(yield* body.read(1)).toHaveLength(1);
          yield* sleep(150);
          expect(yield* body.read()).toHaveLength(99_999);
        });
      },
    );
  });

  test("does not count while a full buffer waits for a slow reader", async () => {
    await withOrigin(
      (_, response) => response.end(Buffer.alloc(8 * 1024 * 1024)),
      function* (session) {
        yield* within(session.get("/", { timeout: { body: 40 } }), function* ({ body }) {
          let read = 0;
          for (let i = 0; ; i++) {
            const { length } = yield* body.read(512 * 1024);
            if (length === 0) break;
            read += length;
            if (i % 8 === 0) yield* sleep(60);
          }
          expect(read).toBe(8 * 1024 * 1024);
        });
      },
    );
  });
});

test("the time limits of a session are replaced one by one, and `null` takes one away", async () => {
  const timeouts: RequestTimeouts = { total: 30, headers: 20 };
  await withOrigin(
    (_, response) => void setTimeout(() => response.end("ok"), 120),
    function* (session) {
      expect(yield* thrownBy(session.get("/"))).toBeInstanceOf(HeadersTimeoutError);
      expect(yield* thrownBy(session.get("/", { timeout: { headers: null } }))).toBeInstanceOf(TotalTimeoutError);
      expect(yield* thrownBy(session.get("/", { timeout: { total: null } }))).toBeInstanceOf(HeadersTimeoutError);
      expect((yield* session.get("/", { timeout: { total: null, headers: null } })).status).toBe(200);
      expect((yield* session.get("/", { timeout: { total: Infinity, headers: 1e12 } })).status).toBe(200);
      expect(yield* thrownBy(session.get("/", { timeout: { total: undefined } }))).toBeInstanceOf(HeadersTimeoutError);
    },
    { session: { timeout: timeouts } },
  );
});

/** Keeps the loop from running for so many milliseconds. */
function blockFor(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}
