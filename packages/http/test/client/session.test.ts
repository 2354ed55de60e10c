import { type Coroutine, createTask, run, sleep, until, within } from "corio";
import { CookieJar } from "tough-cookie";
import { describe, expect, test } from "vitest";
import { expectClosed, openHandles } from "../../../node/test/support/open-handles.js";
import { runConnected } from "../../../node/test/support/run-connected.js";
import { thrownBy, withCode } from "../../../node/test/support/thrown-by.js";
import { ClientSession, type SessionOptions } from "../../src/index.js";
import { answering, faults } from "../support/faults.js";
import { startRawServer } from "../support/raw-server.js";
import { Origin } from "./origin-server.js";
import { inSession, withOrigin, withRawServer } from "./session-setting.js";

describe("a session", () => {
  test("can be made outside of a loop, and belongs to the one that it is used in first", async () => {
    const session = new ClientSession();
    expect([session.closed, session.connections]).toEqual([false, 0]);
    expect(session.cookieJar).toBeInstanceOf(CookieJar);
    await withOrigin(
      (_, response) => response.end(),
      function* (_, origin) {
        expect((yield* session.get(origin.url("/"))).status).toBe(200);
        yield* session.close();
      },
    );
    expect(session.closed).toBe(true);
  });

  test("refuses another loop", async () => {
    await withOrigin(
      (_, response) => response.end(),
      function* (session, origin) {
        yield* session.get("/");
        const elsewhere = new Promise((resolve) => {
          setImmediate(() => resolve(run(() => thrownBy(inOtherLoop()))));
        });
        function* inOtherLoop(): Coroutine<void> {
          yield* session.get("/");
        }
        const thrown = yield* until(elsewhere);
        expect(thrown).toEqual(withCode("SESSION_LOOP", /make one inside each run/));
        expect(origin.requests).toHaveLength(1);
      },
    );
  });

  test("is refused outside of a loop", async () => {
    const session = new ClientSession();
    expect(() => session.get("http://localhost/")).toThrow(withCode("NO_RUNNING_LOOP"));
    await run(() => session.close());
  });

  test("is entered as itself, and closed when its block ends, however it ends", async () => {
    await withOrigin(
      (_, response) => response.end(),
      function* (_, origin) {
        const session = new ClientSession();
        yield* within(session, function* (entered) {
          expect(entered).toBe(session);
          yield* entered.get(origin.url("/"));
          expect(session.connections).toBe(1);
        });
        expect([session.closed, session.connections]).toEqual([true, 0]);
        const failing = new ClientSession();
        const thrown = new Error("mine");
        const block = within(failing, function* () {
          yield* failing.get(origin.url("/"));
          throw thrown;
        });
        expect(yield* thrownBy(block)).toBe(thrown);
        expect([failing.closed, failing.connections]).toEqual([true, 0]);
      },
    );
  });

  test("that is closed refuses everything at the call, and may be closed again", async () => {
    await runConnected(function* () {
      const session = new ClientSession();
      yield* session.close();
      yield* session.close();
      expect(() => session.get("http://localhost/")).toThrow(withCode("SESSION_CLOSED", /within\(new ClientSession/));
      expect(() => session.wsConnect("ws://localhost/")).toThrow(withCode("SESSION_CLOSED"));
      expect(() => session.enter()).toThrow(withCode("SESSION_CLOSED"));
    });
  });

  test("that is closed before a request is awaited refuses it then", async () => {
    await withOrigin(
      (_, response) => response.end(),
      function* (session, origin) {
        const pending = session.get("/");
        yield* session.close();
        expect(yield* thrownBy(pending)).toEqual(withCode("SESSION_CLOSED"));
        expect(origin.requests).toEqual([]);
      },
    );
  });

  test("that is closed ends what is under way: connecting, waiting, answered and being read", async () => {
    await withOrigin(
      ({ url }, response) => {
        if (url === "/body") response.write("the beginning");
      },
      function* (_, origin) {
        const silent = yield* until(startRawServer(faults.neverAnswers));
        const session = new ClientSession({ baseUrl: origin.origin, limit: 3 });
        const handshake = createTask(session.get(`https://127.0.0.1:${silent.port}/`));
        const waiting = createTask(session.get("/silent"));
        const response = yield* session.get("/body");
        const reading = createTask(response.text());
        const queued = createTask(session.get("/queued"));
        while (origin.requests.length < 2 || silent.open() === 0) yield* sleep(1);
        yield* session.close();
        for (const task of [handshake, waiting, reading, queued]) {
          expect(yield* thrownBy(task)).toEqual(withCode("SESSION_CLOSED"));
        }
        expect(session.connections).toBe(0);
        while (silent.open() + origin.sockets.size > 0) yield* sleep(1);
        yield* until(silent.stop());
      },
    );
  });

  test("whose loop is closed closes its connections, and is closed", async () => {
    const before = openHandles();
    const silent = await startRawServer(faults.neverAnswers);
    const session = new ClientSession();
    await run(function* () {
      createTask(session.get(silent.origin));
      createTask(session.get(`https://127.0.0.1:${silent.port}/`));
      while (silent.open() < 2) yield* sleep(1);
    });
    expect(session.closed).toBe(true);
    await silent.stop();
    await expectClosed(before);
  });

  test("whose loop is closed while a response is read, is closed, too", async () => {
    const before = openHandles();
    const silent = await startRawServer(faults.endlessBody);
    const session = new ClientSession();
    await run(function* () {
      const response = yield* session.get(silent.origin);
      yield* response.body.read(100_000);
    });
    expect(session.closed).toBe(true);
    await silent.stop();
    await expectClosed(before);
  });

  test("does not keep a program from its end while it is idle", async () => {
    await withOrigin(
      (_, response) => response.end(),
      function* (session, origin) {
        yield* (yield* session.get("/")).bytes();
        const { getActiveResourcesInfo } = process;
        // of the two ends of the connection only the server's counts
        expect(origin.sockets.size).toBe(1);
        yield* sleep(5);
        const sockets = getActiveResourcesInfo.call(process).filter((name) => name === "TCPSocketWrap");
        expect(sockets).toHaveLength(1);
      },
    );
  });

  test.each<[string, unknown, string]>([
    ["null", null, "SESSION_OPTIONS"],
    ["a base URL that is none", { baseUrl: "/v1" }, "BASE_URL"],
    ["a base URL of another scheme", { baseUrl: "ftp://localhost" }, "BASE_URL"],
    ["a header with a line break", { headers: { a: "b\r\nc: d" } }, "HEADER"],
    ["credentials that are none", { auth: { bearer: "a b" } }, "AUTH"],
    ["a time limit that is none", { timeout: { total: -1 } }, "TIMEOUT"],
    ["a policy that is none", { retry: { attempts: 0 } }, "RETRY"],
    ["redirects that are none", { redirects: "never" }, "REDIRECTS"],
    ["a size that is none", { maxBodySize: Number.NaN }, "MAX_BODY_SIZE"],
    ["a keep-alive that is none", { keepAliveTimeout: 0 }, "SESSION_OPTIONS"],
    ["half a byte", { maxHeaderSize: 2_000.5 }, "SESSION_OPTIONS"],
    ["endless headers", { maxHeaderSize: Number.POSITIVE_INFINITY }, "SESSION_OPTIONS"],
    ["a proxy and a socket", { proxy: "http://localhost", socketPath: "/x" }, "PROXY"],
    ["TLS that is none", { tls: { ca: "no certificate", cert: "x" } }, "TLS"],
  ])("is not made with %s", (_what, options, code) => {
    expect(() => new ClientSession(options as SessionOptions)).toThrow(withCode(code));
  });

  test("takes its options for all of its requests, which replace them", async () => {
    await withOrigin(
      (_, response) => response.end("x".repeat(100)),
      function* (session) {
        expect(yield* thrownBy((yield* session.get("/")).text())).toMatchObject({ name: "ResponseTooLargeError" });
        expect(yield* (yield* session.get("/", { maxBodySize: 100 })).text()).toHaveLength(100);
      },
      { session: { maxBodySize: 50 } },
    );
  });

  test("allows headers of so many bytes", async () => {
    const answer = (bytes: number) => `HTTP/1.1 200 OK\r\nx: ${"x".repeat(bytes)}\r\ncontent-length: 0\r\n\r\n`;
    await withRawServer(answering(answer(3_000)), function* (session, server) {
      expect((yield* session.get("/")).status).toBe(200);
      yield* inSession({ maxHeaderSize: 2_000 }, function* (strict) {
        const error = yield* thrownBy(strict.get(server.origin));
        expect(error).toMatchObject({ name: "ServerDisconnectedError", cause: { code: "UND_ERR_HEADERS_OVERFLOW" } });
      });
    });
    await withRawServer(answering(answer(30_000)), function* (session, server) {
      expect(yield* thrownBy(session.get("/"))).toMatchObject({ name: "ServerDisconnectedError" });
      yield* inSession({ maxHeaderSize: 64_000 }, function* (lax) {
        expect((yield* lax.get(server.origin)).status).toBe(200);
      });
    });
  });

  test("does nothing that debug mode reports", async () => {
    await withOrigin(
      ({ url }, response) => {
        if (url !== "/silent") response.end("x".repeat(100_000));
      },
      function* (session) {
        yield* within(session.get("/"), (response) => response.text());
        yield* within(session.get("/"), function* () {});
        expect(yield* thrownBy(session.get("/silent", { timeout: { total: 20 } }))).toMatchObject({ phase: "total" });
        const getting = createTask(session.get("/silent"));
        yield* sleep(5);
        getting.cancel();
        yield* thrownBy(getting);
      },
      { debug: true },
    );
  });

  test("may be closed by several, and by one that is cancelled", async () => {
    await withOrigin(
      (_, response) => response.end(),
      function* (session, origin) {
        yield* session.get("/");
        const closing = [
          createTask(session.close()),
          createTask(session.close()),
          createTask(session.close()),
        ] as const;
        yield* sleep(0);
        closing[1].cancel();
        yield* closing[0];
        yield* closing[2];
        expect(session.connections).toBe(0);
        while (origin.sockets.size > 0) yield* sleep(1);
      },
    );
  });

  test("may be one of several in a loop", async () => {
    await runConnected(() =>
      within(new Origin(({ url }, response) => response.end(url)), (origin) =>
        inSession({ baseUrl: origin.origin }, (first) =>
          inSession({ baseUrl: origin.origin }, function* (second) {
            expect(yield* (yield* first.get("/1")).text()).toBe("/1");
            expect(yield* (yield* second.get("/2")).text()).toBe("/2");
            expect(origin.connections).toBe(2);
            yield* first.close();
            expect(yield* (yield* second.get("/3")).text()).toBe("/3");
          }),
        ),
      ),
    );
  });
});
