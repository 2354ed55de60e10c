import { createHash, randomBytes } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { asyncGenerator, type Coroutine, createTask, forEach, gather, sleep, timeout, wait, within } from "corio";
import { describe, expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { runConnected } from "../../../node/test/support/run-connected.js";
import { thrownBy, withCode } from "../../../node/test/support/thrown-by.js";
import {
  ClientConnectionError,
  ClientPayloadError,
  type ClientSession,
  type RequestBody,
  type SessionOptions,
  TotalTimeoutError,
} from "../../src/index.js";
import { inSession } from "../client/session-setting.js";
import { faults } from "../support/faults.js";
import { type Nginx, type NginxOptions, startNginx } from "../support/nginx.js";
import { describeWith } from "../support/programs.js";
import { nextRequest, type Script, startRawServer } from "../support/raw-server.js";
import { started, useStarted } from "../support/started.js";

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

const text = "All files of this server are small, apart from one.\n".repeat(100);
const large = randomBytes(20_000_000);

const inPieces = asyncGenerator(function* (data: Uint8Array) {
  for (let i = 0; i < data.length; i += 100_000) yield data.subarray(i, i + 100_000);
});

const files = {
  "hello.txt": "hello",
  "index.html": "<title>index</title>",
  "text.txt": text,
  "large.bin": large,
  "folder/index.html": "<title>folder</title>",
  users: "ada:{PLAIN}secret\n",
};

const server = `
  location = /gzip.txt { gzip on; gzip_min_length 1; gzip_types *; alias root/text.txt; }
  location = /slow.bin { limit_rate 200k; alias root/large.bin; }
  location = /old { return 301 /hello.txt; }
  location = /post-then-get { return 303 /hello.txt; }
  location = /private.txt { auth_basic private; auth_basic_user_file root/users; alias root/hello.txt; }
  location /closing/ { keepalive_timeout 0; alias root/; }
  location /few/ { keepalive_requests 3; alias root/; }
  location /idle/ { keepalive_timeout 20ms; alias root/; }
  location /small { client_max_body_size 1k; proxy_pass http://127.0.0.1:1; }
  location /nobody { proxy_pass http://127.0.0.1:1; }
  location /files/ { dav_methods PUT DELETE MKCOL MOVE; create_full_put_path on; client_max_body_size 0; alias root/put/; }
  location = /busy.txt { limit_conn one 1; limit_conn_status 503; add_header retry-after 0 always; alias root/hello.txt; }
  location = /busy.bin { limit_conn one 1; limit_rate 200k; alias root/large.bin; }
`;

const http = "limit_conn_zone $server_port zone=one:1m;";

/** Runs a coroutine with a session, and expects that nothing of it is left. */
function withSession(options: SessionOptions, body: (session: ClientSession) => Coroutine<void>): Promise<void> {
  return runConnected(() => inSession(options, body));
}

/** What nginx has logged of a path; it does so a moment after its answers. */
function* logged(nginx: Nginx, path: RegExp, count: number): Coroutine<ReturnType<Nginx["requests"]>> {
  for (;;) {
    const requests = nginx.requests().filter(({ target }) => path.test(target));
    if (requests.length >= count) return requests;
    yield* sleep(5);
  }
}

describeWith("nginx")("nginx", () => {
  const nginx = useStarted(() => startNginx({ files, server, http }));

  /** A test that asks it. */
  const asking =
    (body: (session: ClientSession) => Coroutine<void>, options: SessionOptions = {}): (() => Promise<void>) =>
    () =>
      withSession({ baseUrl: nginx().origin, ...options }, body);

  describe("serves files", () => {
    test(
      "as a whole, with their headers",
      asking(function* (session) {
        const response = yield* session.get("/hello.txt");
        expect(response).toMatchObject({ status: 200, statusText: "OK", ok: true, method: "GET", redirects: [] });
        expect(response.headers.get("server")).toMatch(/^nginx/);
        expect(response.headers.get("content-length")).toBe("5");
        expect(yield* response.text()).toBe("hello");
      }),
    );

    test(
      "whose head alone is asked for",
      asking(function* (session) {
        const response = yield* session.head("/large.bin");
        expect(response.headers.get("content-length")).toBe(String(large.length));
        expect(yield* response.bytes()).toHaveLength(0);
        // nothing of the body is on its way: the connection serves the next one
        expect(yield* (yield* session.get("/hello.txt")).text()).toBe("hello");
        expect(session.connections).toBe(1);
      }),
    );

    test(
      "in parts",
      asking(function* (session) {
        const part = yield* session.get("/large.bin", { headers: { range: "bytes=1000-1999" } });
        expect(part.status).toBe(206);
        expect(part.headers.get("content-range")).toBe(`bytes 1000-1999/${large.length}`);
        expect(Buffer.from(yield* part.bytes())).toEqual(large.subarray(1000, 2000));
        const parts = yield* session.get("/hello.txt", { headers: { range: "bytes=0-0,4-4" } });
        expect(parts.headers.get("content-type")).toMatch(/^multipart\/byteranges/);
        expect(yield* parts.text()).toMatch(/bytes 0-0\/5\r\n\r\nh\r\n[^]*bytes 4-4\/5\r\n\r\no\r\n/);
        const beyond = yield* session.get("/hello.txt", { headers: { range: "bytes=10-" } });
        expect(beyond.status).toBe(416);
      }),
    );

    test(
      "that the client has already, with 304 and no body",
      asking(function* (session) {
        const first = yield* session.get("/hello.txt");
        yield* first.bytes();
        const etag = first.headers.get("etag") as string;
        const second = yield* session.get("/hello.txt", { headers: { "if-none-match": etag } });
        expect(second.status).toBe(304);
        expect(yield* second.bytes()).toHaveLength(0);
        expect(yield* (yield* session.get("/hello.txt")).text()).toBe("hello");
        expect(session.connections).toBe(1);
      }),
    );

    test(
      "compressed, which the session undoes",
      asking(function* (session) {
        const response = yield* session.get("/gzip.txt");
        expect(response.headers.get("content-encoding")).toBe("gzip");
        expect(yield* response.text()).toBe(text);
        const lines: string[] = [];
        for (const cursor = (yield* session.get("/gzip.txt")).lines(); yield* cursor.next(); ) lines.push(cursor.value);
        expect(`${lines.join("\n")}\n`).toBe(text);
        const raw = yield* session.get("/gzip.txt", { decompress: false, headers: { "accept-encoding": "gzip" } });
        expect(gunzipSync(yield* raw.bytes()).toString()).toBe(text);
        const plain = yield* session.get("/gzip.txt", {
          decompress: false,
          headers: { "accept-encoding": "identity" },
        });
        expect(plain.headers.get("content-encoding")).toBe(null);
        expect(yield* plain.text()).toBe(text);
      }),
    );

    test(
      "of any size, as a whole and piece by piece",
      asking(function* (session) {
        const whole = yield* session.get("/large.bin");
        expect(sha256(yield* whole.bytes())).toBe(sha256(large));
        const pieces = createHash("sha256");
        const response = yield* session.get("/large.bin");
        for (const cursor = response.chunks(); yield* cursor.next(); ) pieces.update(cursor.value);
        expect(pieces.digest("hex")).toBe(sha256(large));
        expect(session.connections).toBe(1);
      }),
    );

    test(
      "that are not there, with 404",
      asking(function* (session) {
        const response = yield* session.get("/nothing");
        expect(response.status).toBe(404);
        expect(() => response.raiseForStatus()).toThrow(withCode("RESPONSE_STATUS", /404 Not Found/));
        yield* within(session.get("/nothing"), function* (again) {
          expect(yield* again.text()).toContain("404 Not Found");
        });
      }),
    );

    test(
      "under names that are written as they are",
      asking(function* (session) {
        yield* (yield* session.get("/a%2Fb/ä?q=1&q=%20+ü")).bytes();
        const [request] = yield* logged(nginx(), /^\/a%2F/, 1);
        expect(request?.target).toBe("/a%2Fb/%C3%A4?q=1&q=%20+%C3%BC");
      }),
    );

    test(
      "elsewhere",
      asking(function* (session) {
        const moved = yield* session.get("/old");
        expect(yield* moved.text()).toBe("hello");
        expect(moved.redirects).toEqual([{ status: 301, url: `${nginx().origin}/old` }]);
        const folder = yield* session.get("/folder");
        expect(folder.url).toBe(`${nginx().origin}/folder/`);
        expect(yield* folder.text()).toContain("folder");
        const posted = yield* session.post("/post-then-get", { json: {} });
        expect(posted.method).toBe("GET");
        expect(yield* posted.text()).toBe("hello");
      }),
    );

    test(
      "to who may have them",
      asking(function* (session) {
        const refused = yield* session.get("/private.txt");
        expect(refused.status).toBe(401);
        expect(refused.headers.get("www-authenticate")).toContain("Basic");
        const auth = { username: "ada", password: "secret" };
        expect(yield* (yield* session.get("/private.txt", { auth })).text()).toBe("hello");
        const wrong = yield* session.get("/private.txt", { auth: { username: "ada", password: "wrong" } });
        expect(wrong.status).toBe(401);
      }),
    );
  });

  describe("takes files", () => {
    test(
      "and gives them back, moves and deletes them",
      asking(function* (session) {
        const content = randomBytes(300_000);
        expect((yield* session.put("/files/a/one.bin", { body: content })).status).toBe(201);
        const moving = { headers: { destination: "/files/a/two.bin" } };
        expect((yield* session.request("MOVE", "/files/a/one.bin", moving)).status).toBe(204);
        expect(sha256(yield* (yield* session.get("/files/a/two.bin")).bytes())).toBe(sha256(content));
        expect((yield* session.delete("/files/a/two.bin")).status).toBe(204);
        expect((yield* session.get("/files/a/two.bin")).status).toBe(404);
      }),
    );

    test.each(["with a length", "in chunks"])("of any size, %s", (how) =>
      withSession({ baseUrl: nginx().origin }, function* (session) {
        const name = how.replaceAll(" ", "-");
        const body = how === "in chunks" ? inPieces(large) : new Blob([large]);
        expect((yield* session.put(`/files/${name}`, { body })).status).toBe(201);
        expect(sha256(yield* (yield* session.get(`/files/${name}`)).bytes())).toBe(sha256(large));
      }),
    );

    test.each(["with a length", "in chunks"])("that are too large with 413, before they have come, %s", (how) =>
      withSession({ baseUrl: nginx().origin }, function* (session) {
        for (let i = 0; i < 5; i++) {
          yield* within(
            session.post("/small", { body: how === "in chunks" ? inPieces(large) : large }),
            function* (response) {
              expect(response.status).toBe(413);
              expect(yield* response.text()).toContain("413 Request Entity Too Large");
            },
          );
          // and the connection does not take the next request for the rest of the body
          expect(yield* (yield* session.get("/hello.txt")).text()).toBe("hello");
        }
      }),
    );
  });

  describe("keeps connections", () => {
    test(
      "as long as the session has use for them",
      asking(function* (session) {
        for (let i = 0; i < 20; i++) yield* (yield* session.get(`/hello.txt?kept=${i}`)).text();
        const requests = yield* logged(nginx(), /kept/, 20);
        expect(new Set(requests.map(({ connection }) => connection)).size).toBe(1);
        expect(session.connections).toBe(1);
      }),
    );

    test(
      "no more than the session's limit",
      asking(
        function* (session) {
          function* one(i: number): Coroutine<string> {
            return yield* (yield* session.get(`/hello.txt?limited=${i}`)).text();
          }
          const got = yield* gather(...Array.from({ length: 500 }, (_, i) => one(i)));
          expect(new Set(got)).toEqual(new Set(["hello"]));
          const requests = yield* logged(nginx(), /limited/, 500);
          expect(new Set(requests.map(({ connection }) => connection)).size).toBe(10);
        },
        { limit: 10 },
      ),
    );

    test(
      "unless it says that it closes them",
      asking(function* (session) {
        for (let i = 0; i < 5; i++) {
          const response = yield* session.get(`/closing/hello.txt?${i}`);
          expect(response.headers.get("connection")).toBe("close");
          expect(yield* response.text()).toBe("hello");
        }
        const requests = yield* logged(nginx(), /^.closing/, 5);
        expect(new Set(requests.map(({ connection }) => connection)).size).toBe(5);
      }),
    );

    test(
      "for a few requests, after which it closes them",
      asking(function* (session) {
        for (let i = 0; i < 8; i++) expect(yield* (yield* session.get(`/few/hello.txt?${i}`)).text()).toBe("hello");
        const requests = yield* logged(nginx(), /^.few/, 8);
        expect(requests.map(({ nth }) => nth)).toEqual([1, 2, 3, 1, 2, 3, 1, 2]);
      }),
    );

    test(
      "for a few requests of many at a time",
      asking(
        function* (session) {
          function* one(i: number): Coroutine<string> {
            return yield* (yield* session.post(`/few/nothing?at-once=${i}`, { body: "x" })).text();
          }
          const got = yield* gather(...Array.from({ length: 100 }, (_, i) => one(i)));
          expect(new Set(got.map((page) => /<title>(.*)<.title>/.exec(page)?.[1]))).toEqual(new Set(["404 Not Found"]));
          expect(yield* logged(nginx(), /at-once/, 100)).toHaveLength(100);
        },
        { limit: 5 },
      ),
    );

    test(
      "for a moment, in which a request may come too late, and is sent again",
      asking(function* (session) {
        for (let i = 0; i < 20; i++) {
          expect(yield* (yield* session.get("/idle/hello.txt")).text()).toBe("hello");
          yield* sleep(15 + i);
        }
      }),
    );
  });

  describe("sends slowly", () => {
    test(
      "and what nobody wants any more is broken off, without harm to others",
      asking(function* (session) {
        yield* within(session.get("/slow.bin?left"), function* (response) {
          expect(yield* response.body.readexactly(1000)).toHaveLength(1000);
        });
        function* all(): Coroutine<Uint8Array> {
          return yield* (yield* session.get("/slow.bin?cancelled")).bytes();
        }
        const cancelled = yield* thrownBy(within(timeout(50), all));
        expect(cancelled).toMatchObject({ name: "TimeoutError" });
        expect(yield* (yield* session.get("/hello.txt")).text()).toBe("hello");
        expect(session.connections).toBe(1);
      }),
    );

    test(
      "and the session's patience ends",
      asking(function* (session) {
        const response = yield* session.get("/slow.bin", { timeout: { total: 100 } });
        const error = yield* thrownBy(response.bytes());
        expect(error).toBeInstanceOf(TotalTimeoutError);
        expect(error).toMatchObject({ limit: 100, phase: "total" });
        expect(session.connections).toBe(0);
      }),
    );

    test(
      "to one, and refuses others, who try again",
      asking(function* (session) {
        yield* within(session.get("/busy.bin"), function* (response) {
          yield* response.body.read(1);
          const busy = yield* session.get("/busy.txt", { retry: { attempts: 3, delay: 1 } });
          expect(busy.status).toBe(503);
          yield* busy.bytes();
        });
        const patient = yield* session.get("/busy.txt", { retry: { attempts: 100, delay: 5 } });
        expect(yield* patient.text()).toBe("hello");
      }),
    );
  });

  describe("refuses", () => {
    test(
      "headers that are too large",
      asking(function* (session) {
        const response = yield* session.get("/hello.txt", { headers: { "x-large": "x".repeat(100_000) } });
        expect(response.status).toBe(400);
        expect(yield* response.text()).toContain("Request Header Or Cookie Too Large");
        const long = yield* session.get(`/${"x".repeat(100_000)}`);
        expect(long.status).toBe(414);
        expect(yield* (yield* session.get("/hello.txt")).text()).toBe("hello");
      }),
    );

    test(
      "methods",
      asking(function* (session) {
        expect((yield* session.post("/hello.txt", { body: "text" })).status).toBe(405);
        expect((yield* session.request("BREW", "/hello.txt")).status).toBe(405);
        expect((yield* session.request("TRACE", "/hello.txt")).status).toBe(405);
      }),
    );
  });
});

describeWith("nginx")("nginx in front of a server", () => {
  /** Runs a coroutine with an nginx that passes its requests on to a server of a script. */
  const inFrontOf = (
    script: Script,
    body: (session: ClientSession) => Coroutine<void>,
    { directives = "", ...options }: SessionOptions & { directives?: string } = {},
  ): Promise<void> =>
    runConnected(() =>
      within(
        started(() => startRawServer(script)),
        (upstream) =>
          within(
            started(() =>
              startNginx({
                server: `location / { proxy_http_version 1.1; ${directives} proxy_pass ${upstream.origin}; }`,
              }),
            ),
            (nginx) => inSession({ baseUrl: nginx.origin, ...options }, body),
          ),
      ),
    );

  test("that is not there answers 502", () =>
    runConnected(() =>
      within(
        started(() => startNginx({ server: "location / { proxy_pass http://127.0.0.1:1; }" })),
        (nginx) =>
          inSession({ baseUrl: nginx.origin, raiseForStatus: true }, function* (session) {
            const error = yield* thrownBy(session.get("/", { retry: { attempts: 2, delay: 1 } }));
            expect(error).toMatchObject({ status: 502, statusText: "Bad Gateway", url: `${nginx.origin}/` });
          }),
      ),
    ));

  test("that says nothing answers 504", () =>
    inFrontOf(
      faults.neverAnswers,
      function* (session) {
        const response = yield* session.get("/");
        expect(response.status).toBe(504);
        expect(yield* response.text()).toContain("504 Gateway Time-out");
      },
      { directives: "proxy_read_timeout 50ms;" },
    ));

  test.each(["stopsInMidBody", "stopsInMidChunk", "stopsBetweenChunks", "resetsInMidBody"] as const)(
    "that breaks off breaks off as well: %s",
    (fault) =>
      inFrontOf(faults[fault], function* (session) {
        const response = yield* session.get("/");
        expect(response.status).toBe(200);
        expect(yield* thrownBy(response.bytes())).toBeInstanceOf(ClientPayloadError);
        const again = yield* session.get("/");
        expect(yield* thrownBy(again.body.readexactly(10))).toBeInstanceOf(ClientPayloadError);
      }),
  );

  test("passes on events while they come", () => {
    const events: Script = async (connection, number) => {
      const request = await nextRequest(connection);
      const last = /^last-event-id: (.*)$/im.exec(request)?.[1] ?? "0";
      if (last === "4") {
        await connection.send("HTTP/1.1 204 No Content\r\n\r\n");
        return;
      }
      await connection.send(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\nretry: 1\n\n",
      );
      for (const id of number === 1 ? [1, 2] : [3, 4]) await connection.send(`id: ${id}\ndata: after ${last}\n\n`);
      connection.end();
    };
    return inFrontOf(
      events,
      function* (session) {
        const got: string[] = [];
        yield* forEach(session.events("/", { jitter: 0 }), ({ id, data }) => void got.push(`${id} ${data}`));
        expect(got).toEqual(["1 after 0", "2 after 0", "3 after 2", "4 after 2"]);
      },
      { directives: "proxy_buffering off;" },
    );
  });

  test("passes on the end of a client that has gone", () => {
    let gone = 0;
    const silent: Script = async (connection) => {
      await nextRequest(connection);
      await connection.over();
      gone++;
    };
    return inFrontOf(silent, function* (session) {
      const tasks = Array.from({ length: 5 }, () => createTask(session.get("/")));
      yield* sleep(100);
      for (const task of tasks) task.cancel();
      yield* wait(tasks);
      while (gone < 5) yield* sleep(5);
      expect(session.connections).toBe(0);
    });
  });

  test("passes on a body as it comes", () =>
    inFrontOf(
      async (connection) => {
        await connection.until(() => connection.received.includes("0\r\n\r\n"));
        const { received } = connection;
        const chunked = /transfer-encoding: chunked/i.test(received) && received.includes("\r\n3\r\none\r\n");
        await connection.send(`HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n${chunked}`);
      },
      function* (session) {
        const body = asyncGenerator(function* () {
          yield "one";
          yield* sleep(20);
          yield "three";
        });
        expect(yield* (yield* session.post("/", { body: body() })).text()).toBe("true");
      },
      { directives: "proxy_request_buffering off;" },
    ));
});

describeWith("nginx")("nginx as a proxy", () => {
  const origin = useStarted(() => startNginx({ files }));
  const proxy = useStarted(() =>
    startNginx({
      files: { users: "ada:{PLAIN}secret\n" },
      server: "location / { proxy_pass http://$http_host$request_uri; }",
    }),
  );

  test("is asked for whole URLs, over connections that are kept", () =>
    withSession({ proxy: proxy().origin, baseUrl: origin().origin }, function* (session) {
      for (let i = 0; i < 3; i++) expect(yield* (yield* session.get(`/hello.txt?${i}`)).text()).toBe("hello");
      expect(session.connections).toBe(1);
      const requests = yield* logged(proxy(), /hello/, 3);
      expect(requests.map(({ nth }) => nth)).toEqual([1, 2, 3]);
      const [first] = yield* logged(origin(), /hello/, 3);
      expect(first).toMatchObject({ target: "/hello.txt?0", protocol: "HTTP/1.0" });
    }));

  test("refuses tunnels, which is an error that says so", () =>
    withSession({ proxy: proxy().origin }, function* (session) {
      const error = yield* thrownBy(session.get("https://127.0.0.1:1/"));
      expect(error).toBeInstanceOf(ClientConnectionError);
      expect(String(error)).toMatch(/40[05]/);
    }));
});

describeWith("nginx", "openssl")("nginx with TLS", () => {
  const certificates = useCertificates();
  const start = (options: NginxOptions): Promise<Nginx> => startNginx({ files, tls: certificates.server, ...options });
  const trusting = (): SessionOptions => ({ tls: { ca: certificates.ca } });

  describe("and HTTP/1.1", () => {
    const nginx = useStarted(() => start({}));

    test("keeps connections", () =>
      withSession({ baseUrl: nginx().origin, ...trusting() }, function* (session) {
        for (let i = 0; i < 3; i++) {
          const response = yield* session.get("/large.bin");
          expect(sha256(yield* response.bytes())).toBe(sha256(large));
        }
        const requests = yield* logged(nginx(), /large/, 3);
        expect(requests.map(({ nth, protocol }) => [nth, protocol])).toEqual([1, 2, 3].map((nth) => [nth, "HTTP/1.1"]));
      }));

    test("is offered HTTP/2 and does not want it", () =>
      withSession({ baseUrl: nginx().origin, http2: true, ...trusting() }, function* (session) {
        function* one(i: number): Coroutine<string> {
          return yield* (yield* session.get(`/hello.txt?offered=${i}`)).text();
        }
        expect(new Set(yield* gather(...Array.from({ length: 50 }, (_, i) => one(i))))).toEqual(new Set(["hello"]));
        const requests = yield* logged(nginx(), /offered/, 50);
        expect(new Set(requests.map(({ protocol }) => protocol))).toEqual(new Set(["HTTP/1.1"]));
      }));

    test("is not trusted by who does not know its authority", () =>
      withSession({ baseUrl: nginx().origin }, function* (session) {
        const error = yield* thrownBy(session.get("/hello.txt"));
        expect(error).toBeInstanceOf(ClientConnectionError);
        expect(error).toMatchObject({ message: expect.stringMatching(/certificate/), cause: expect.any(Error) });
        expect(session.connections).toBe(0);
      }));

    test("is spoken to without it, and says so", () =>
      withSession({ baseUrl: nginx().origin.replace("https:", "http:") }, function* (session) {
        const response = yield* session.get("/hello.txt");
        expect(response.status).toBe(400);
        expect(yield* response.text()).toContain("plain HTTP request was sent to HTTPS port");
      }));
  });

  test("lets in who has a certificate", () =>
    runConnected(() =>
      within(
        started(() =>
          start({
            files: { ...files, "ca.pem": certificates.ca },
            server: "ssl_client_certificate root/ca.pem; ssl_verify_client on;",
          }),
        ),
        function* (nginx) {
          const options = { baseUrl: nginx.origin, ...trusting() };
          yield* inSession(options, function* (session) {
            expect((yield* session.get("/hello.txt")).status).toBe(400);
          });
          const tls = { ...options.tls, ...certificates.client };
          yield* inSession({ ...options, tls }, function* (session) {
            expect(yield* (yield* session.get("/hello.txt")).text()).toBe("hello");
          });
        },
      ),
    ));

  describe("and HTTP/2", () => {
    const nginx = useStarted(() =>
      start({ http2: true, server: `${server} location /gone/ { keepalive_requests 5; alias root/; }`, http }),
    );

    /** A test that asks it. */
    const asking =
      (body: (session: ClientSession) => Coroutine<void>, options: SessionOptions = {}): (() => Promise<void>) =>
      () =>
        withSession({ baseUrl: nginx().origin, http2: true, ...trusting(), ...options }, body);

    test(
      "answers as it does without",
      asking(function* (session) {
        const response = yield* session.get("/hello.txt?plain");
        expect(response).toMatchObject({ status: 200, statusText: "OK" });
        expect(response.headers.get("content-length")).toBe("5");
        expect([...response.headers.keys()].filter((name) => name.startsWith(":"))).toEqual([]);
        expect(yield* response.text()).toBe("hello");
        expect((yield* session.head("/hello.txt")).headers.get("content-length")).toBe("5");
        expect((yield* session.get("/nothing")).status).toBe(404);
        expect(yield* (yield* session.get("/gzip.txt")).text()).toBe(text);
        const etag = response.headers.get("etag") as string;
        expect((yield* session.get("/hello.txt", { headers: { "if-none-match": etag } })).status).toBe(304);
        const part = yield* session.get("/large.bin", { headers: { range: "bytes=1000-1999" } });
        expect(Buffer.from(yield* part.bytes())).toEqual(large.subarray(1000, 2000));
        const [request] = yield* logged(nginx(), /plain/, 1);
        expect(request?.protocol).toBe("HTTP/2.0");
      }),
    );

    test(
      "answers many over one connection",
      asking(function* (session) {
        function* one(i: number): Coroutine<string> {
          return yield* (yield* session.get(`/hello.txt?many=${i}`)).text();
        }
        expect(new Set(yield* gather(...Array.from({ length: 500 }, (_, i) => one(i))))).toEqual(new Set(["hello"]));
        const requests = yield* logged(nginx(), /many/, 500);
        expect(new Set(requests.map(({ connection }) => connection)).size).toBeLessThanOrEqual(5);
      }),
    );

    test(
      "sends what is large, some of it at once",
      asking(function* (session) {
        function* one(): Coroutine<string> {
          return sha256(yield* (yield* session.get("/large.bin")).bytes());
        }
        expect(yield* gather(one(), one(), one())).toEqual(Array.from({ length: 3 }, () => sha256(large)));
      }),
    );

    test.each(["with a length", "in chunks"])("takes what is large, %s", (how) =>
      asking(function* (session) {
        const name = how.replaceAll(" ", "-");
        const body = how === "in chunks" ? inPieces(large) : new Blob([large]);
        expect((yield* session.put(`/files/${name}`, { body })).status).toBe(201);
        expect(sha256(yield* (yield* session.get(`/files/${name}`)).bytes())).toBe(sha256(large));
      })(),
    );

    const refused = (body: () => RequestBody): (() => Promise<void>) =>
      asking(function* (session) {
        for (let i = 0; i < 3; i++) {
          const response = yield* session.post("/small", { body: body() });
          expect(response.status).toBe(413);
          expect(yield* response.text()).toContain("413 Request Entity Too Large");
          expect(yield* (yield* session.get("/hello.txt")).text()).toBe("hello");
        }
      });

    test(
      "refuses what is too large, before it has come, in pieces",
      refused(() => inPieces(large)),
    );
    test(
      "refuses what is too large, before it has come, with a length",
      refused(() => new Blob([large])),
    );
    test(
      "refuses what is too large, before it has come, in one piece",
      refused(() => large),
    );

    test(
      "ends connections after a few requests, and answers those that are under way",
      asking(function* (session) {
        function* one(i: number): Coroutine<string> {
          return yield* (yield* session.get(`/gone/hello.txt?${i}`)).text();
        }
        for (let i = 0; i < 12; i++) expect(yield* one(i)).toBe("hello");
        expect(new Set(yield* gather(...Array.from({ length: 50 }, (_, i) => one(i))))).toEqual(new Set(["hello"]));
      }),
    );

    test(
      "hears who breaks off, and the others do not",
      asking(function* (session) {
        const other = createTask(session.get("/slow.bin?other"));
        yield* within(session.get("/slow.bin?left"), function* (response) {
          expect(yield* response.body.readexactly(1000)).toHaveLength(1000);
        });
        function* all(): Coroutine<Uint8Array> {
          return yield* (yield* session.get("/slow.bin?cancelled")).bytes();
        }
        expect(yield* thrownBy(within(timeout(50), all))).toMatchObject({ name: "TimeoutError" });
        const response = yield* other;
        expect(Buffer.from(yield* response.body.readexactly(10_000))).toEqual(large.subarray(0, 10_000));
        response.release();
        const requests = yield* logged(nginx(), /slow.bin/, 3);
        expect(new Set(requests.map(({ connection }) => connection)).size).toBe(1);
      }),
    );
  });
});
