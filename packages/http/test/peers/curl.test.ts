import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Coroutine, createTask, gather, sleep, timeout, until, wait, within } from "corio";
import { describe, expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { CredentialFiles } from "../support/credential-files.js";
import { type Curled, curl } from "../support/curl.js";
import { describeWith } from "../support/programs.js";
import type { HttpServer } from "../../src/index.js";
import { type EchoedRequest, type Service, serving, type ServingOptions } from "./service.js";

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

const large = randomBytes(5_000_000);

describeWith("curl")("curl", () => {
  /** Asks the server for a path. */
  type Ask = (path: string, args?: readonly string[], input?: string | Uint8Array) => Coroutine<Curled>;

  const asking =
    (body: (ask: Ask, service: Service, server: HttpServer) => Coroutine<void>, options: ServingOptions = {}) =>
    (): Promise<void> =>
      serving((server, service) => {
        function* ask(path: string, args: readonly string[] = [], input?: string | Uint8Array): Coroutine<Curled> {
          return yield* until(curl([...args, server.url + path], input));
        }
        return body(ask, service, server);
      }, options);

  function* echoed(asked: Coroutine<Curled>): Coroutine<EchoedRequest> {
    const { exitCode, body, errors } = yield* asked;
    expect([exitCode, errors]).toEqual([0, ""]);
    return JSON.parse(body) as EchoedRequest;
  }

  test.each(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "BREW"])(
    "asks by the method %s",
    (method) =>
      asking(function* (ask, _service, server) {
        if (method === "BREW") {
          // Node's parser knows the methods that there are
          expect(yield* ask("/echo", ["--request", method])).toMatchObject({ status: 400 });
          return;
        }
        const it = yield* echoed(
          ask("/echo?a=b", ["--request", method, "--header", "X-One: 1", "--header", "x-one: 2"]),
        );
        expect(it).toMatchObject({ method, url: `${server.url}/echo?a=b`, length: 0 });
        expect(it.headers).toMatchObject({ "x-one": "1, 2", "user-agent": expect.stringMatching(/^curl/) });
      })(),
  );

  test(
    "asks for the head alone",
    asking(function* (ask) {
      // curl writes the head where the body would be
      const { exitCode, head, body } = yield* ask("/bytes/100000", ["--head"]);
      expect([exitCode, body]).toEqual([0, head]);
      expect(head).toMatch(/^HTTP.1.1 200[^]*^content-length: 100000\r$/im);
      const stream = yield* ask("/stream?n=1000&ms=1000", ["--head"]);
      expect(stream).toMatchObject({ exitCode: 0, status: 200, body: stream.head });
    }),
  );

  test.each([200, 201, 204, 205, 304, 400, 404, 500, 599])("gets the status %i", (status) =>
    asking(function* (ask) {
      const answer = yield* ask(`/status/${status}?x-a=b`);
      expect(answer).toMatchObject({ exitCode: 0, status, body: "", version: "1.1" });
      expect(answer.head).toMatch(/^x-a: b\r$/im);
      expect(answer.head).toMatch(/^date: /im);
    })(),
  );

  test(
    "gets an error without its text, which is reported",
    asking(
      function* (ask) {
        expect(yield* ask("/fail")).toMatchObject({
          exitCode: 0,
          status: 500,
          body: expect.not.stringContaining("secret"),
        });
        expect(yield* ask("/fail/http")).toMatchObject({ status: 418, body: "a teapot" });
      },
      { reports: [/handler.*a secret/] },
    ),
  );

  test(
    "keeps its connection",
    asking(function* (_ask, service, server) {
      const next = ["--next", "--verbose", "--output", "/dev/null"];
      const urls = Array.from({ length: 5 }, (_, i) => [...(i > 0 ? next : []), `${server.url}/bytes/100`]);
      const { errors } = yield* until(curl(urls.flat()));
      expect(service.handled).toBe(5);
      expect(errors.match(/Re-using existing connection/g)).toHaveLength(4);
    }),
  );

  test(
    "speaks HTTP/1.0, and so gets the length or the end of the connection",
    asking(function* (ask) {
      const whole = yield* ask("/bytes/1000", ["--http1.0"]);
      expect(whole).toMatchObject({ exitCode: 0, status: 200, body: "x".repeat(1_000) });
      const stream = yield* ask("/stream?n=3&size=2", ["--http1.0"]);
      expect(stream).toMatchObject({ exitCode: 0, status: 200, body: "001122" });
      expect(stream.head).not.toMatch(/transfer-encoding/i);
      const kept = yield* ask("/bytes/1000", ["--http1.0", "--header", "connection: keep-alive"]);
      expect(kept).toMatchObject({ exitCode: 0, status: 200, body: "x".repeat(1_000) });
    }),
  );

  describe("sends", () => {
    test(
      "a form",
      asking(function* (ask) {
        const it = yield* echoed(ask("/echo", ["--data-urlencode", "a=1 &ü", "--data", "b=2"]));
        expect(it.headers["content-type"]).toBe("application/x-www-form-urlencoded");
        expect(it.text).toBe("a=1+%26%C3%BC&b=2");
      }),
    );

    test(
      "a file, with a length",
      asking(
        function* (ask) {
          const it = yield* echoed(ask("/echo", ["--request", "PUT", "--data-binary", "@-"], large));
          expect(it).toMatchObject({ method: "PUT", length: large.length, sha256: sha256(large) });
          expect(it.headers["content-length"]).toBe(String(large.length));
        },
        { maxBodySize: 10_000_000 },
      ),
    );

    test(
      "a file, in chunks",
      asking(
        function* (ask) {
          const it = yield* echoed(ask("/echo", ["--upload-file", "-"], large));
          expect(it).toMatchObject({ method: "PUT", length: large.length, sha256: sha256(large) });
          expect(it.headers["transfer-encoding"]).toBe("chunked");
        },
        { maxBodySize: 10_000_000 },
      ),
    );

    test(
      "no faster than the handler reads",
      asking(
        function* (ask) {
          const it = yield* echoed(ask("/echo?ms=1", ["--upload-file", "-"], large));
          expect(it).toMatchObject({ length: large.length, sha256: sha256(large) });
        },
        { maxBodySize: 10_000_000 },
      ),
    );

    test(
      "slowly, which is no standstill",
      asking(
        function* (ask) {
          const args = ["--limit-rate", "100k", "--upload-file", "-"];
          const it = yield* echoed(ask("/echo", args, large.subarray(0, 60_000)));
          expect(it.length).toBe(60_000);
        },
        { bodyIdleTimeout: 5_000 },
      ),
    );

    test.each(["--data-binary", "--upload-file"])("more than is allowed, and gets 413: %s", (how) =>
      asking(function* (ask) {
        const content = how === "--data-binary" ? "@-" : "-";
        // with and without a wait for 100 Continue
        for (const header of ["expect: 100-continue", "expect:"]) {
          const answer = yield* ask("/echo", ["--header", header, how, content], large);
          expect(answer).toMatchObject({ exitCode: 0, status: 413 });
        }
      })(),
    );

    test.each(["--data-binary", "--upload-file"])("what nobody reads, and gets its answer: %s", (how) =>
      asking(function* (ask) {
        const content = how === "--data-binary" ? "@-" : "-";
        for (const header of ["expect: 100-continue", "expect:"]) {
          const answer = yield* ask("/unread", ["--header", header, how, content], large);
          expect(answer).toMatchObject({ exitCode: 0, status: 413, body: "unread" });
        }
      })(),
    );
  });

  describe("expects 100 Continue", () => {
    const args = ["--header", "expect: 100-continue", "--expect100-timeout", "20", "--data-binary", "@-"];

    test(
      "and gets it when the handler reads",
      asking(function* (ask) {
        const answer = yield* ask("/echo", args, "text");
        expect(answer.head).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200/);
        expect(JSON.parse(answer.body)).toMatchObject({ text: "text" });
      }),
    );

    test(
      "and does not get it when the handler does not",
      asking(function* (ask) {
        const answer = yield* ask("/unread", args, "text");
        expect(answer).toMatchObject({ status: 413, body: "unread" });
        expect(answer.head).not.toContain("100");
      }),
    );

    test(
      "and gets 417 for what nobody knows",
      asking(function* (ask) {
        const answer = yield* ask("/echo", ["--header", "expect: miracles", "--data-binary", "@-"], "text");
        expect(answer.status).toBe(417);
      }),
    );
  });

  describe("gets a stream", () => {
    test(
      "whole",
      asking(function* (ask) {
        const { exitCode, head, body } = yield* ask("/stream?n=100&size=1000");
        expect(exitCode).toBe(0);
        expect(head).toMatch(/^transfer-encoding: chunked\r$/im);
        expect(body).toBe(Array.from({ length: 100 }, (_, i) => String(i % 10).repeat(1_000)).join(""));
      }),
    );

    test(
      "while it comes",
      asking(function* (ask, service) {
        const answer = yield* ask("/stream?n=1000&size=10&ms=10", ["--no-buffer", "--max-time", "0.3"]);
        expect(answer).toMatchObject({ exitCode: 28, status: 200 });
        expect(answer.body).toMatch(/^0{10}1{10}/);
        yield* service.untilCancelled(1);
      }),
    );

    test(
      "slowly, and the source has to wait",
      asking(function* (ask) {
        const answer = yield* ask("/stream?n=40&size=100000", ["--limit-rate", "8M"]);
        expect(answer).toMatchObject({ exitCode: 0 });
        expect(answer.body.length).toBe(4_000_000);
      }),
    );
  });

  test(
    "goes away, which cancels the handler",
    asking(function* (ask, service) {
      const asked = [1, 2, 3].map((i) => createTask(ask(`/wait/${i}`, ["--max-time", "0.2"])));
      yield* service.untilCancelled(3);
      yield* wait(asked);
      for (const task of asked) expect(task.result()).toMatchObject({ exitCode: 28, status: 0 });
      expect(service.cancelled.map(([path]) => path).toSorted()).toEqual(["/wait/1", "/wait/2", "/wait/3"]);
      expect(service.cancelled[0]?.[1]).toMatchObject({ code: "ERR_CORIO_CLIENT_GONE" });
    }),
  );

  test(
    "is answered by a server that shuts down meanwhile",
    asking(function* (ask, service, server) {
      const asked = createTask(ask("/wait/x?ms=200"));
      yield* service.untilWaiting(1);
      yield* server.shutdown();
      const answer = yield* asked;
      expect(answer).toMatchObject({ exitCode: 0, status: 200, body: "waited" });
      expect(answer.head).toMatch(/^connection: close\r$/im);
      expect(yield* ask("/")).toMatchObject({ exitCode: 7 });
    }),
  );

  test(
    "is told 503 by a server that cannot wait any longer",
    asking(function* (ask, service, server) {
      const asked = createTask(ask("/wait/x"));
      yield* service.untilWaiting(1);
      yield* server.shutdown(50);
      expect(yield* asked).toMatchObject({ exitCode: 0, status: 503 });
      expect(service.cancelled).toHaveLength(1);
    }),
  );

  test(
    "is told 503 when the handler takes too long",
    asking(
      function* (ask, service) {
        expect(yield* ask("/wait/x")).toMatchObject({ exitCode: 0, status: 503 });
        expect(service.cancelled).toHaveLength(1);
        const stream = yield* ask("/stream?n=100&ms=10");
        expect(stream).toMatchObject({ exitCode: 18, status: 200 });
      },
      { handlerTimeout: 100 },
    ),
  );

  test(
    "waits in the queue, and is told 503 beyond it",
    asking(
      function* (ask, service) {
        const first = createTask(ask("/wait/1?ms=400"));
        yield* service.untilWaiting(1);
        const rest = [2, 3, 4, 5].map((i) => createTask(ask(`/wait/${i}?ms=1`)));
        const answers = yield* gather(first, ...rest);
        expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 200, 503, 503]);
        const refused = answers.find(({ status }) => status === 503);
        expect(refused?.head).toMatch(/^retry-after: /im);
      },
      { concurrency: 1, queueSize: 2 },
    ),
  );

  test(
    "is refused headers that are too large",
    asking(function* (ask) {
      expect(yield* ask("/", ["--header", `x-large: ${"x".repeat(20_000)}`])).toMatchObject({ status: 431 });
      expect(yield* ask("/", ["--header", `x-large: ${"x".repeat(10_000)}`])).toMatchObject({ status: 200 });
    }),
  );

  test("asks at a Unix socket", async () => {
    const folder = await mkdtemp(join(tmpdir(), "corio-socket-"));
    const path = join(folder, "socket");
    try {
      await serving(
        function* () {
          const answer = yield* until(curl(["--unix-socket", path, "http://api/echo"]));
          expect(JSON.parse(answer.body)).toMatchObject({ url: "http://api/echo" });
        },
        { path, host: undefined, port: undefined },
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describeWith("curl", "openssl")("curl with TLS", () => {
  const certificates = useCertificates();

  /** Runs a coroutine that asks a server with TLS. */
  async function asking(
    body: (
      ask: (path: string, args?: readonly string[], input?: string | Uint8Array) => Coroutine<Curled>,
      service: Service,
      server: HttpServer,
    ) => Coroutine<void>,
    options: ServingOptions = {},
  ): Promise<void> {
    const files = new CredentialFiles();
    try {
      const trust = ["--cacert", files.path("ca", certificates.ca)];
      await serving(
        (server, service) => {
          function* ask(path: string, args: readonly string[] = [], input?: string | Uint8Array): Coroutine<Curled> {
            return yield* until(curl([...trust, ...args, server.url + path], input));
          }
          return body(ask, service, server);
        },
        { tls: certificates.server, http2: true, maxBodySize: 10_000_000, ...options },
      );
    } finally {
      files.remove();
    }
  }

  test.each([
    ["--http1.1", "1.1"],
    ["--http2", "2"],
  ])("gets answers: %s", (how, version) =>
    asking(function* (ask, _service, server) {
      const answer = yield* ask("/echo?a=b", [how]);
      expect(answer).toMatchObject({ exitCode: 0, status: 200, version });
      expect(JSON.parse(answer.body)).toMatchObject({ method: "GET", url: `${server.url}/echo?a=b` });
      expect(yield* ask("/bytes/3000000", [how])).toMatchObject({ exitCode: 0, body: "x".repeat(3_000_000) });
      expect(yield* ask("/stream?n=3&size=2", [how])).toMatchObject({ exitCode: 0, body: "001122" });
      expect((yield* ask("/bytes/10", [how, "--head"])).head).toMatch(/^HTTP.* 200[^]*^content-length: 10\r$/im);
      for (const status of [204, 304, 404]) expect(yield* ask(`/status/${status}`, [how])).toMatchObject({ status });
      expect(yield* ask("/fail/http", [how])).toMatchObject({ status: 418, body: "a teapot" });
    }),
  );

  test.each(["--http1.1", "--http2"])("sends bodies: %s", (how) =>
    asking(function* (ask) {
      for (const args of [
        ["--request", "PUT", "--data-binary", "@-"],
        ["--upload-file", "-"],
      ]) {
        const { exitCode, body } = yield* ask("/echo", [how, ...args], large);
        expect(exitCode).toBe(0);
        expect(JSON.parse(body)).toMatchObject({ method: "PUT", length: large.length, sha256: sha256(large) });
      }
    }),
  );

  test.each(["--http1.1", "--http2"])("sends more than is allowed, or than is read: %s", (how) =>
    asking(
      function* (ask) {
        for (const args of [
          ["--data-binary", "@-"],
          ["--upload-file", "-"],
        ]) {
          expect(yield* ask("/echo", [how, ...args], large)).toMatchObject({ status: 413 });
          expect(yield* ask("/unread", [how, ...args], large)).toMatchObject({ status: 413, body: "unread" });
        }
      },
      { maxBodySize: 1_000_000 },
    ),
  );

  const goesAway = (how: string): Promise<void> =>
    asking(
      function* (ask, service) {
        expect(yield* ask("/wait/1", [how, "--max-time", "0.2"])).toMatchObject({ exitCode: 28 });
        yield* within(timeout(2_000), () => service.untilCancelled(1));
        expect(service.cancelled[0]?.[1]).toMatchObject({ code: "ERR_CORIO_CLIENT_GONE" });
      },
      { shutdownTimeout: 0 },
    );

  test("goes away, which cancels the handler, over HTTP/1", () => goesAway("--http1.1"));
  test("goes away, which cancels the handler, over HTTP/2", () => goesAway("--http2"));

  test.each(["--http1.1", "--http2"])("goes away from a stream, which closes the source: %s", (how) =>
    asking(function* (ask, service) {
      const stream = yield* ask("/stream?n=1000&ms=10", [how, "--no-buffer", "--max-time", "0.3"]);
      expect(stream).toMatchObject({ exitCode: 28, status: 200, body: expect.stringMatching(/^0{1000}1{1000}/) });
      yield* service.untilCancelled(1);
    }),
  );

  test.each(["--http1.1", "--http2"])("is answered by a server that shuts down: %s", (how) =>
    asking(function* (ask, service, server) {
      const asked = [createTask(ask("/wait/x?ms=200", [how])), createTask(ask("/wait/y", [how]))];
      yield* service.untilWaiting(2);
      yield* server.shutdown(500);
      const [answered, late] = yield* gather(...asked);
      expect(answered).toMatchObject({ exitCode: 0, status: 200, body: "waited" });
      expect(late).toMatchObject({ exitCode: 0, status: 503 });
    }),
  );

  test("speaks HTTP/2 only where it is wanted", () =>
    asking(
      function* (ask) {
        expect(yield* ask("/", ["--http2"])).toMatchObject({ status: 200, version: "1.1" });
      },
      { http2: false },
    ));

  test("finds no HTTP/1 where it is not wanted", () =>
    asking(
      function* (ask) {
        expect((yield* ask("/", ["--http1.1"])).exitCode).not.toBe(0);
        expect(yield* ask("/", ["--http2"])).toMatchObject({ status: 200, version: "2" });
      },
      { allowHTTP1: false },
    ));

  test("does not trust whom it does not know", () =>
    serving(
      function* (server) {
        expect(yield* until(curl([server.url]))).toMatchObject({ exitCode: 60, status: 0 });
        yield* sleep(1);
        expect(server.requests).toBe(0);
      },
      { tls: certificates.server },
    ));
});
