import { randomBytes } from "node:crypto";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { createTask, forEach, isCancelled, iterate, sleep, timeout, within } from "corio";
import { describe, expect, test } from "vitest";
import { thrownBy, withCode } from "../../../node/test/support/thrown-by.js";
import { ClientPayloadError, ClientResponseError, ResponseTooLargeError } from "../../src/index.js";
import { answering } from "../support/faults.js";
import { nextRequest } from "../support/raw-server.js";
import type { Answer } from "./origin-server.js";
import { withOrigin, withRawServer } from "./session-setting.js";

const giving =
  (body: string | Uint8Array, headers: Record<string, string> = {}, status = 200): Answer =>
  (_, response) =>
    response.writeHead(status, headers).end(body);

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe("a response", () => {
  test("has a status, what it is called, headers and where it came from", async () => {
    await withRawServer(
      answering(
        "HTTP/1.1 201 Quite\r\nX-A: 1\r\nx-a: 2\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 0\r\n\r\n",
      ),
      function* (session, server) {
        const response = yield* session.get("/x#y");
        expect(response).toMatchObject({ status: 201, statusText: "Quite", ok: true, method: "GET", redirects: [] });
        expect(response.url).toBe(`${server.origin}/x`);
        expect(response.headers.get("X-a")).toBe("1, 2");
        expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
        expect(response.headers).toBe(response.headers);
        expect(response.headers).toBeInstanceOf(Headers);
      },
    );
  });

  test("is not ok with a status of 300 or more", async () => {
    let status = 0;
    await withOrigin(
      (_, response) => response.writeHead(status).end(),
      function* (session) {
        for (const [given, ok] of [
          [200, true],
          [299, true],
          [304, false],
          [400, false],
          [599, false],
        ] as const) {
          status = given;
          expect((yield* session.get("/")).ok).toBe(ok);
        }
      },
    );
  });

  test("calls a status by its usual name where the server does not", async () => {
    await withRawServer(answering("HTTP/1.1 404 \r\ncontent-length: 0\r\n\r\n"), function* (session) {
      expect((yield* session.get("/")).statusText).toBe("Not Found");
    });
  });

  test("keeps header values as they are in Latin-1", async () => {
    await withRawServer(answering("HTTP/1.1 200 OK\r\nx: é ÿ\r\ncontent-length: 0\r\n\r\n"), function* (session) {
      expect((yield* session.get("/")).headers.get("x")).toBe("é ÿ");
    });
  });

  test("is what follows interim answers", async () => {
    const interim = "HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n";
    await withRawServer(answering(interim, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), function* (session) {
      const response = yield* session.get("/");
      expect(response.status).toBe(200);
      expect(response.headers.has("link")).toBe(false);
      expect(yield* response.text()).toBe("ok");
    });
  });

  test("raiseForStatus throws for 400 and more, and releases it", async () => {
    let status = 399;
    await withOrigin(
      (_, response) => response.writeHead(status, "Gone mad", { "x-a": "1" }).write("not the end"),
      function* (session, origin) {
        const response = yield* session.get("/");
        response.raiseForStatus();
        response.release();
        status = 404;
        const failing = yield* session.post("/x");
        expect(session.connections).toBe(1);
        expect(() => failing.raiseForStatus()).toThrow(ClientResponseError);
        expect(session.connections).toBe(0);
        const error = yield* thrownBy(session.get("/y", { raiseForStatus: true }));
        expect(error).toBeInstanceOf(ClientResponseError);
        expect(error).toMatchObject({
          code: "ERR_CORIO_RESPONSE_STATUS",
          message: `GET ${origin.url("/y")} was answered with 404 Gone mad`,
          status: 404,
          statusText: "Gone mad",
          method: "GET",
          url: origin.url("/y"),
        });
        expect((error as ClientResponseError).headers.get("x-a")).toBe("1");
        expect(session.connections).toBe(0);
      },
    );
  });

  test("raiseForStatus can be said once for a session", async () => {
    await withOrigin(
      giving("", {}, 500),
      function* (session) {
        expect(yield* thrownBy(session.get("/"))).toBeInstanceOf(ClientResponseError);
        expect((yield* session.get("/", { raiseForStatus: false })).status).toBe(500);
      },
      { session: { raiseForStatus: true } },
    );
  });
});

describe("the body of a response, as a whole", () => {
  test("is bytes, text or JSON, and can be asked for again", async () => {
    await withOrigin(giving('{"a":["é"]}'), function* (session) {
      const response = yield* session.get("/");
      const bytes = yield* response.bytes();
      expect(bytes).toBeInstanceOf(Uint8Array);
      expect(text(bytes)).toBe('{"a":["é"]}');
      expect(yield* response.bytes()).toBe(bytes);
      expect(yield* response.text()).toBe('{"a":["é"]}');
      expect(yield* response.json()).toEqual({ a: ["é"] });
    });
  });

  test("may be empty", async () => {
    await withOrigin(giving("", {}, 204), function* (session) {
      const response = yield* session.get("/");
      expect(yield* response.bytes()).toHaveLength(0);
      expect(yield* response.text()).toBe("");
      expect(yield* thrownBy(response.json())).toBeInstanceOf(SyntaxError);
    });
  });

  test("may be large", async () => {
    const large = randomBytes(5 * 1024 * 1024);
    await withOrigin(giving(large), function* (session) {
      const bytes = yield* (yield* session.get("/")).bytes();
      expect(Buffer.compare(bytes, large)).toBe(0);
      expect(session.connections).toBe(1);
    });
  });

  test("may end with the connection", async () => {
    await withRawServer(
      async (connection) => {
        await nextRequest(connection);
        await connection.send("HTTP/1.1 200 OK\r\n\r\nuntil the end");
        connection.end();
      },
      function* (session) {
        expect(yield* (yield* session.get("/")).text()).toBe("until the end");
      },
    );
  });

  test.each<[string, string, Uint8Array, string]>([
    ["UTF-8 by default", "text/plain", Buffer.from("é☃"), "é☃"],
    ["without a byte order mark", "text/plain", Buffer.from("\u{feff}é"), "é"],
    ["the charset", "text/plain; charset=ISO-8859-1", Buffer.from([0xe9]), "é"],
    ["the charset in quotes and capitals", 'text/plain; a=b; Charset="Windows-1251"', Buffer.from([0xe9]), "й"],
    ["UTF-16", "text/plain;charset=utf-16le", Buffer.from("é☃", "utf16le"), "é☃"],
    ["UTF-8 where the charset is unknown", "text/plain; charset=klingon", Buffer.from("é"), "é"],
    ["what is not UTF-8, with marks", "text/plain", Buffer.from([0x61, 0xff]), "a\u{fffd}"],
  ])("is text by %s", async (_what, type, bytes, expected) => {
    await withOrigin(giving(bytes, { "content-type": type }), function* (session) {
      expect(yield* (yield* session.get("/")).text()).toBe(expected);
    });
  });

  test("is text in the encoding that is asked for", async () => {
    await withOrigin(giving(Buffer.from([0xe9])), function* (session) {
      const response = yield* session.get("/");
      expect(yield* response.text("latin1")).toBe("é");
      function* unknown() {
        yield* response.text("klingon");
      }
      expect(yield* thrownBy(unknown())).toBeInstanceOf(RangeError);
      expect(yield* response.text("latin1")).toBe("é");
    });
  });

  test("is JSON in UTF-8, whatever the charset and the type say", async () => {
    const bytes = Buffer.from('\u{feff}"é"');
    await withOrigin(giving(bytes, { "content-type": "text/plain; charset=latin1" }), function* (session) {
      expect(yield* (yield* session.get("/")).json()).toBe("é");
    });
  });

  test("is read by one task at a time", async () => {
    await withOrigin(
      (_, response) => response.write("a"),
      function* (session) {
        const response = yield* session.get("/");
        const reading = createTask(response.text());
        yield* sleep(0);
        expect(yield* thrownBy(response.bytes())).toEqual(withCode("CONCURRENT_READ", /let one task read/));
        expect(() => response.body).toThrow(withCode("BODY_READ", /as a whole already/));
        reading.cancel();
        expect(isCancelled(yield* thrownBy(reading))).toBe(true);
      },
    );
  });

  test("is released with its response if reading is cancelled", async () => {
    await withOrigin(
      (_, response) => response.write("a"),
      function* (session) {
        const response = yield* session.get("/");
        function* tooSlow() {
          yield* within(timeout(10), () => response.text());
        }
        expect(yield* thrownBy(tooSlow())).toMatchObject({ name: "TimeoutError" });
        expect(session.connections).toBe(0);
        expect(yield* thrownBy(response.text())).toBeInstanceOf(Error);
      },
    );
  });

  test("is kept when the response is released after it was read", async () => {
    await withOrigin(giving("all"), function* (session) {
      const response = yield* within(session.get("/"), function* (response) {
        yield* response.bytes();
        return response;
      });
      expect(yield* response.text()).toBe("all");
      expect(session.connections).toBe(1);
    });
  });
});

describe("the body of a response, piece by piece", () => {
  const lines = "first\r\nsecond\n\nfourth, without an end é";

  test("is a reader", async () => {
    await withOrigin(giving(lines), function* (session) {
      const { body } = yield* session.get("/");
      expect(text(yield* body.readline())).toBe("first\r\n");
      expect(text(yield* body.read(3))).toBe("sec");
      expect(text(yield* body.read())).toBe("ond\n\nfourth, without an end é");
      expect(text(yield* body.read())).toBe("");
      expect(session.connections).toBe(1);
    });
  });

  test("is a reader of pieces that are larger than its buffer", async () => {
    const large = randomBytes(2_000_000);
    await withOrigin(giving(large), function* (session) {
      const { body } = yield* session.get("/", { timeout: { total: 2_000 } });
      expect(Buffer.compare(yield* body.readexactly(1_500_000), large.subarray(0, 1_500_000))).toBe(0);
      expect(yield* body.read()).toHaveLength(500_000);
    });
  });

  test("is chunks, in coroutines and in plain async code", async () => {
    const chunked: Answer = async (_, response) => {
      for (const piece of ["a", "bc", "def"]) {
        response.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      response.end();
    };
    await withOrigin(chunked, function* (session) {
      const got: string[] = [];
      const response = yield* session.get("/");
      yield* forEach(response.chunks(), (chunk) => void got.push(text(chunk)));
      expect(got.join("")).toBe("abcdef");
      expect(got.length).toBeGreaterThan(1);
    });
  });

  test("is lines, without their ends", async () => {
    await withOrigin(giving(lines), function* (session) {
      const got: string[] = [];
      yield* forEach((yield* session.get("/")).lines(), (line) => void got.push(line));
      expect(got).toEqual(["first", "second", "", "fourth, without an end é"]);
    });
  });

  test("is lines in the charset of the body, however they are cut", async () => {
    const bytes = Buffer.from("é\r\n☃\r\n\r\nx\n", "utf16le");
    const drip: Answer = async (_, response) => {
      response.writeHead(200, { "content-type": "text/plain; charset=utf-16le" });
      for (const byte of bytes) {
        response.write(Buffer.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    };
    await withOrigin(drip, function* (session) {
      const got: string[] = [];
      yield* forEach((yield* session.get("/")).lines(), (line) => void got.push(line));
      expect(got).toEqual(["é", "☃", "", "x"]);
    });
  });

  test("is lines for plain async code, too", async () => {
    const collect = async (source: AsyncIterable<string>): Promise<string[]> => {
      const got: string[] = [];
      for await (const line of source) {
        got.push(line);
        if (line === "second") break;
      }
      return got;
    };
    await withOrigin(giving(lines), function* (session) {
      const response = yield* session.get("/");
      expect(yield* createTask(collect(response.lines()))).toEqual(["first", "second"]);
    });
    await withOrigin(giving("a\nb"), function* (session) {
      const response = yield* session.get("/");
      expect(yield* createTask(collect(response.lines()))).toEqual(["a", "b"]);
    });
  });

  test("has lines of no more than the limit, and those before a longer one", async () => {
    await withOrigin(giving(`short\n${"x".repeat(11)}\nshort\n`), function* (session) {
      const got: string[] = [];
      const response = yield* session.get("/");
      const reading = forEach(response.lines({ limit: 10 }), (line) => void got.push(line));
      expect(yield* thrownBy(reading)).toMatchObject({
        name: "LimitOverrunError",
        message: expect.stringMatching(/limit/),
      });
    });
    await withOrigin(
      (_, response) => response.write("x".repeat(11)),
      function* (session) {
        const response = yield* session.get("/");
        expect(yield* thrownBy(forEach(response.lines({ limit: 10 }), () => {}))).toMatchObject({
          name: "LimitOverrunError",
        });
        response.release();
      },
    );
  });

  test("can be begun with what came before it was asked for", async () => {
    await withOrigin(
      (_, response) => {
        response.write("early ");
        setTimeout(() => response.end("late"), 20);
      },
      function* (session) {
        const response = yield* session.get("/");
        yield* sleep(5);
        expect(text(yield* response.body.read())).toBe("early late");
      },
    );
  });

  test("is not read as a whole any more", async () => {
    await withOrigin(giving("abc"), function* (session) {
      const response = yield* session.get("/");
      expect(text(yield* response.body.read(1))).toBe("a");
      expect(yield* thrownBy(response.bytes())).toEqual(withCode("BODY_READ", /piece by piece already/));
      expect(response.body).toBe(response.body);
    });
    await withOrigin(giving("abc"), function* (session) {
      const response = yield* session.get("/");
      yield* response.bytes();
      for (const read of ["chunks", "lines", "events"] as const) {
        expect(() => response[read]()).toThrow(withCode("BODY_READ", /as a whole already/));
      }
    });
  });

  test("cannot be read by two tasks at once", async () => {
    await withOrigin(
      (_, response) => response.write("a"),
      function* (session) {
        const { body, ...response } = yield* within(session.get("/"), function* (response) {
          const { body } = response;
          expect(text(yield* body.read(1))).toBe("a");
          const reading = createTask(body.read(1));
          yield* sleep(0);
          expect(yield* thrownBy(body.read(1))).toBeInstanceOf(Error);
          reading.cancel();
          yield* thrownBy(reading);
          return { body };
        });
        expect(response).toEqual({});
        expect(yield* thrownBy(body.read())).toEqual(withCode("RESPONSE_RELEASED"));
      },
    );
  });

  test("loses nothing when a wait for it is cancelled", async () => {
    await withOrigin(
      (_, response) => {
        response.write("a\n");
        setTimeout(() => response.end("b\n"), 40);
      },
      function* (session) {
        yield* within(session.get("/"), (response) =>
          within(iterate(response.lines()), function* (it) {
            expect(yield* it.next()).toBe(true);
            function* impatient() {
              yield* within(timeout(5), () => it.next());
            }
            expect(yield* thrownBy(impatient())).toMatchObject({ name: "TimeoutError" });
            expect(yield* it.next()).toBe(true);
            expect(it.value).toBe("b");
            expect(yield* it.next()).toBe(false);
          }),
        );
      },
    );
  });
});

describe("a released response", () => {
  test("gives its connection back, and a body that was not read is not read any more", async () => {
    await withOrigin(
      ({ url }, response) => {
        if (url === "/whole") response.end("whole");
        else response.write("part");
      },
      function* (session, origin) {
        const part = yield* session.get("/part");
        part.release();
        part.release();
        expect(session.connections).toBe(0);
        expect(yield* thrownBy(part.bytes())).toEqual(withCode("RESPONSE_RELEASED", /was released/));
        expect(yield* thrownBy(part.text())).toEqual(withCode("RESPONSE_RELEASED"));
        expect(yield* thrownBy(part.body.read())).toEqual(withCode("RESPONSE_RELEASED"));
        const whole = yield* session.get("/whole");
        yield* sleep(10);
        whole.release();
        expect(session.connections).toBe(1);
        expect(yield* (yield* session.get("/whole")).text()).toBe("whole");
        expect(origin.connections).toBe(2);
      },
    );
  });

  test("left half-way, poisons no request that follows", async () => {
    const large = "x".repeat(1_000_000);
    await withOrigin(
      ({ url }, response) => response.end(url === "/large" ? large : `answer to ${url}`),
      function* (session) {
        for (let i = 0; i < 20; i++) {
          yield* within(session.get("/large"), function* (response) {
            if (i % 4 === 0) return;
            if (i % 4 === 1) yield* response.body.read(10);
            if (i % 4 === 2) yield* within(iterate(response.chunks()), (it) => it.next());
            if (i % 4 === 3) yield* within(iterate(response.lines()), function* () {});
          });
          expect(yield* (yield* session.get(`/${i}`)).text()).toBe(`answer to /${i}`);
        }
      },
      { session: { limit: 1 } },
    );
  });
});

describe("decompression", () => {
  const plain = Buffer.from("compressed ".repeat(1_000));

  test.each<[string, Uint8Array]>([
    ["gzip", gzipSync(plain)],
    ["x-gzip", gzipSync(plain)],
    ["GZIP", gzipSync(plain)],
    ["deflate", deflateSync(plain)],
    ["deflate", deflateRawSync(plain)],
    ["br", brotliCompressSync(plain)],
    ["identity", plain],
    ["br, gzip", gzipSync(brotliCompressSync(plain))],
    ["deflate, identity, gzip", gzipSync(deflateSync(plain))],
  ])("undoes %s", async (encoding, body) => {
    await withOrigin(giving(body, { "content-encoding": encoding }), function* (session) {
      const response = yield* session.get("/");
      expect(response.headers.get("content-encoding")).toBe(encoding);
      expect(text(yield* response.bytes())).toBe(plain.toString());
      const { body: reader } = yield* session.get("/");
      expect(text(yield* reader.readexactly(plain.length))).toBe(plain.toString());
      expect(yield* reader.read()).toHaveLength(0);
      expect(session.connections).toBe(1);
    });
  });

  test("leaves alone what it does not know", async () => {
    await withOrigin(giving(plain, { "content-encoding": "rot13" }), function* (session) {
      expect(text(yield* (yield* session.get("/")).bytes())).toBe(plain.toString());
    });
  });

  test("can be left to the caller", async () => {
    const body = gzipSync(plain);
    await withOrigin(
      giving(body, { "content-encoding": "gzip" }),
      function* (session, origin) {
        expect(Buffer.compare(yield* (yield* session.get("/")).bytes(), body)).toBe(0);
        expect(origin.requests[0]?.headers["accept-encoding"]).toBeUndefined();
        expect(text(yield* (yield* session.get("/", { decompress: true })).bytes())).toBe(plain.toString());
      },
      { session: { decompress: false } },
    );
    await withOrigin(giving(body, { "content-encoding": "gzip" }), function* (session) {
      expect(Buffer.compare(yield* (yield* session.get("/", { decompress: false })).bytes(), body)).toBe(0);
    });
  });

  test.each([
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
    ["GET", 200],
  ])("has nothing to do for %s answered with %i and no body", async (method, status) => {
    await withOrigin(giving("", { "content-encoding": "gzip" }, status), function* (session) {
      const response = yield* session.request(method, "/");
      expect(response.status).toBe(status);
      expect(yield* response.bytes()).toHaveLength(0);
    });
  });

  test("of a response that nobody reads, left while its connection serves another, does not harm that", async () => {
    const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024));
    await withOrigin(
      ({ url }, response) => {
        if (url === "/bomb") response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
        else setTimeout(() => response.end("other"), 30);
      },
      function* (session, origin) {
        const response = yield* session.get("/bomb");
        yield* sleep(20);
        const other = createTask(session.get("/other"));
        while (origin.requests.length < 2) yield* sleep(1);
        response.release();
        expect(yield* (yield* other).text()).toBe("other");
        expect(origin.connections).toBe(1);
        expect(yield* thrownBy(response.bytes())).toEqual(withCode("RESPONSE_RELEASED"));
      },
    );
  });

  test("fails where the data is cut off, is none, or goes on", async () => {
    const whole = gzipSync(plain);
    for (const body of [whole.subarray(0, -9), Buffer.from("no gzip"), Buffer.concat([whole, Buffer.from("more")])]) {
      await withOrigin(giving(body, { "content-encoding": "gzip" }), function* (session) {
        const response = yield* session.get("/");
        const error = yield* thrownBy(response.bytes());
        expect(error).toBeInstanceOf(ClientPayloadError);
        expect(error).toMatchObject({ code: "ERR_CORIO_PAYLOAD", url: response.url, cause: expect.any(Error) });
        const again = yield* session.get("/");
        expect(yield* thrownBy(again.body.read())).toBeInstanceOf(ClientPayloadError);
      });
    }
  });
});

describe("maxBodySize", () => {
  test("counts bytes of the body, and the one more is an error", async () => {
    await withOrigin(giving("x".repeat(1_000)), function* (session) {
      expect(yield* (yield* session.get("/", { maxBodySize: 1_000 })).bytes()).toHaveLength(1_000);
      const error = yield* thrownBy((yield* session.get("/", { maxBodySize: 999 })).bytes());
      expect(error).toBeInstanceOf(ResponseTooLargeError);
      expect(error).toMatchObject({
        code: "ERR_CORIO_RESPONSE_TOO_LARGE",
        message: expect.stringMatching(/larger than the 999 bytes/),
        limit: 999,
      });
      const streamed = yield* session.get("/", { maxBodySize: 999 });
      expect(yield* thrownBy(streamed.body.read())).toBeInstanceOf(ResponseTooLargeError);
      expect(yield* (yield* session.get("/")).bytes()).toHaveLength(1_000);
      expect(yield* thrownBy((yield* session.get("/", { maxBodySize: 0 })).bytes())).toBeInstanceOf(
        ResponseTooLargeError,
      );
      expect((yield* session.head("/", { maxBodySize: 0 })).ok).toBe(true);
    });
  });

  test("counts what is decompressed, so that a bomb stops early", async () => {
    const bomb = brotliCompressSync(gzipSync(Buffer.alloc(64 * 1024 * 1024)));
    await withOrigin(giving(bomb, { "content-encoding": "gzip, br" }), function* (session) {
      const error = yield* thrownBy((yield* session.get("/", { maxBodySize: 1_000_000 })).bytes());
      expect(error).toBeInstanceOf(ResponseTooLargeError);
      const streamed = yield* session.get("/", { maxBodySize: 1_000_000 });
      expect(yield* thrownBy(streamed.body.read())).toBeInstanceOf(ResponseTooLargeError);
    });
  });

  test("is 128 MiB for what is read as a whole, where nothing is said", async () => {
    const chunk = Buffer.alloc(1024 * 1024);
    let sent = 0;
    const endless: Answer = (_, response) => {
      const write = (): void => {
        do sent++;
        while (!response.destroyed && response.write(chunk));
      };
      response.on("drain", write);
      write();
    };
    await withOrigin(endless, function* (session) {
      const error = yield* thrownBy((yield* session.get("/")).bytes());
      expect(error).toMatchObject({ name: "ResponseTooLargeError", limit: 128 * 1024 * 1024 });
      expect(sent).toBeGreaterThan(64);
      yield* within(session.get("/"), function* ({ body }) {
        let read = 0;
        while (read <= 130 * 1024 * 1024) read += (yield* body.read(1024 * 1024)).length;
      });
      yield* within(session.get("/", { maxBodySize: 200 }), function* (response) {
        expect(yield* thrownBy(response.bytes())).toMatchObject({ limit: 200 });
      });
    });
  });
});
