import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { asyncGenerator, type Coroutine, Queue, sleep, type Source, until } from "corio";
import { describe, expect, it } from "vitest";
import { HttpError } from "../../src/errors/http-error.js";
import { Response, type ResponseBody } from "../../src/messages/response.js";
import { headerOf, nextAnswer, type RawAnswer } from "../support/raw-client.js";
import { ask, askOver, connected, requestText, serving } from "./serving.js";

/** How a client sees a response. */
function seen(
  make: (request: Request) => globalThis.Response | Coroutine<globalThis.Response>,
  check: (answer: RawAnswer) => void,
  { line = "GET /", reports = [] }: { line?: string; reports?: readonly (string | RegExp)[] } = {},
): Promise<void> {
  return serving(
    make,
    function* (server) {
      check(yield* ask(server, line));
    },
    { reports },
  );
}

describe("An answer", () => {
  it("is what a coroutine function returns", () =>
    seen(
      function* () {
        yield* sleep(1);
        return new Response("hello", { status: 201, headers: { "X-One": "1" } });
      },
      (answer) => {
        expect(answer).toMatchObject({ status: 201, statusText: "Created", body: "hello" });
        expect(headerOf(answer, "content-type")).toBe("text/plain;charset=UTF-8");
        expect(headerOf(answer, "content-length")).toBe("5");
        expect(headerOf(answer, "x-one")).toBe("1");
      },
    ));

  it("may be the platform's, and may come as a promise", () =>
    serving(
      async ({ url }) => globalThis.Response.json({ url }, { headers: { "x-one": "1" } }),
      function* (server) {
        const answer = yield* ask(server, "GET /a?b");
        expect(JSON.parse(answer.body)).toEqual({ url: "http://localhost/a?b" });
        expect(headerOf(answer, "content-type")).toBe("application/json");
        expect(headerOf(answer, "x-one")).toBe("1");
      },
    ));

  const bodies: [title: string, body: () => ResponseBody, expected: string, length: string | undefined][] = [
    ["a text with more bytes than characters", () => "grüße", "gr\u00c3\u00bc\u00c3\u009fe", "7"],
    ["bytes", () => new Uint8Array([104, 105]), "hi", "2"],
    ["a part of a buffer", () => new Uint8Array([0, 104, 105, 0]).subarray(1, 3), "hi", "2"],
    ["an ArrayBuffer", () => new Uint8Array([104, 105]).buffer, "hi", "2"],
    ["a form, URL-encoded", () => new URLSearchParams({ a: "b c" }), "a=b+c", "5"],
    ["a Blob", () => new Blob(["some ", "text"]), "some text", "9"],
    ["an empty text", () => "", "", "0"],
    ["nothing", () => null, "", "0"],
    ["a web stream", () => new globalThis.Response("streamed").body, "streamed", undefined],
    ["an asynchronous generator", () => letters(), "abc", undefined],
    ["a Node stream", () => Readable.from(["x", "y"]), "xy", undefined],
    ["an array of pieces", () => ["x", new Uint8Array([121])], "xy", undefined],
    ["a source of empty pieces", () => ["", ""], "", "0"],
  ];
  for (const [title, body, expected, length] of bodies) {
    it(`has as its body ${title}`, () =>
      seen(
        () => new Response(body()),
        (answer) => {
          expect(answer.body).toBe(expected);
          expect(headerOf(answer, "content-length")).toBe(length);
        },
      ));
  }

  it("has as its body what a queue gives up to its shutdown", () => {
    const queue = new Queue<string>();
    return serving(
      () => new Response(queue),
      function* (server) {
        yield* queue.put("a");
        yield* queue.put("b");
        queue.shutdown();
        expect((yield* ask(server, "GET /")).body).toBe("ab");
      },
    );
  });

  it("has as its body a form with its boundary", () => {
    const form = new FormData();
    form.set("name", "value");
    return seen(
      () => new Response(form),
      (answer) => {
        const type = headerOf(answer, "content-type") ?? "";
        expect(type).toMatch(/^multipart\/form-data; ?boundary=/);
        expect(answer.body).toContain('name="name"\r\n\r\nvalue\r\n');
        expect(answer.body).toContain(type.split("boundary=")[1] as string);
      },
    );
  });

  it("of a hundred megabytes arrives whole, and keeps the connection", () => {
    const body = new Uint8Array(100_000_000).fill(97);
    return serving(
      () => new Response(body),
      function* (server) {
        const response = yield* until(fetch(server.url));
        expect(Buffer.from(yield* until(response.arrayBuffer())).equals(body)).toBe(true);
      },
    );
  });

  it("may be sent more than once, if its body is there as a whole", () => {
    const kept = new Response("again");
    return serving(
      () => kept,
      function* (server) {
        expect((yield* ask(server, "GET /")).body).toBe("again");
        expect((yield* ask(server, "GET /")).body).toBe("again");
      },
    );
  });

  it("that was fetched is passed on as it is now: decoded", async () => {
    const { gzipSync } = await import("node:zlib");
    const origin = createServer((_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip", "content-type": "text/plain", connection: "close" });
      response.end(gzipSync("fetched"));
    });
    await new Promise<void>((resolve) => origin.listen(0, "127.0.0.1", resolve));
    try {
      await serving(
        () => fetch(`http://127.0.0.1:${(origin.address() as AddressInfo).port}/`),
        function* (server) {
          const answer = yield* ask(server, "GET /");
          expect(answer.body).toBe("fetched");
          expect(headerOf(answer, "content-encoding")).toBe(undefined);
          expect(headerOf(answer, "content-type")).toBe("text/plain");
        },
      );
    } finally {
      origin.closeAllConnections();
      origin.close();
    }
  });

  it("to HEAD has the headers and no body", () =>
    serving(
      () => new Response("hello"),
      function* (server) {
        yield* connected(server, function* (connection) {
          const answer = yield* askOver(connection, "HEAD /");
          expect(headerOf(answer, "content-length")).toBe("5");
          // were there a body, it would be taken for the next answer
          expect((yield* askOver(connection, "GET /")).body).toBe("hello");
        });
      },
    ));

  it("to HEAD closes a source that nobody reads", () => {
    let closed = 0;
    const source = (): Readable => Readable.from(["a"]).on("close", () => closed++);
    return serving(
      () => new Response(source(), { headers: { "content-length": "1" } }),
      function* (server) {
        const answer = yield* ask(server, "HEAD /");
        expect(headerOf(answer, "content-length")).toBe("1");
        expect(closed).toBe(1);
      },
    );
  });

  const bodiless: [status: number, length: string | undefined][] = [
    [204, undefined],
    [205, "0"],
    [304, undefined],
  ];
  for (const [status, length] of bodiless) {
    it(`with ${status} has no body, and no headers that tell of one`, () =>
      serving(
        () => new Response(null, { status }),
        function* (server) {
          yield* connected(server, function* (connection) {
            const answer = yield* askOver(connection, "GET /");
            expect(answer.status).toBe(status);
            expect(headerOf(answer, "content-length")).toBe(length);
            expect(headerOf(answer, "transfer-encoding")).toBe(undefined);
            expect((yield* askOver(connection, "GET /")).status).toBe(status);
          });
        },
      ));
  }

  it("tells with 304 the length that it would have", () =>
    seen(
      () => new Response(null, { status: 304, headers: { "content-length": "7", etag: '"x"' } }),
      (answer) => expect(headerOf(answer, "content-length")).toBe("7"),
    ));

  it("has several cookies, each in a header of its own", () =>
    seen(
      () => {
        const response = new Response("x", { headers: [["set-cookie", "a=1"]] });
        response.headers.append("set-cookie", "b=2");
        return response;
      },
      ({ headers }) =>
        expect(headers.filter(([name]) => name === "set-cookie").map(([, value]) => value)).toEqual(["a=1", "b=2"]),
    ));

  it("has the words after its status that it was given", () =>
    seen(
      () => new Response("x", { status: 299, statusText: "Quite fine" }),
      (answer) => expect(answer.statusText).toBe("Quite fine"),
    ));

  it("keeps characters of Latin-1 in its headers, whatever its body", () =>
    seen(
      () => new Response("ü", { headers: { "x-name": "\u00fc" } }),
      (answer) => expect(headerOf(answer, "x-name")).toBe("\u00fc"),
    ));

  it("says itself how long it is and what becomes of the connection, whatever its headers say", () =>
    seen(
      () =>
        new Response("four", {
          headers: {
            "content-length": "999",
            "transfer-encoding": "chunked",
            "keep-alive": "timeout=999",
            trailer: "x",
          },
        }),
      (answer) => {
        expect(answer.body).toBe("four");
        expect(headerOf(answer, "content-length")).toBe("4");
        expect(headerOf(answer, "transfer-encoding")).toBe(undefined);
        expect(headerOf(answer, "keep-alive")).toBe("timeout=5");
        expect(headerOf(answer, "trailer")).toBe(undefined);
      },
    ));

  it("closes the connection if its headers say so", () =>
    serving(
      () => new Response("x", { headers: { connection: "close" } }),
      function* (server) {
        yield* connected(server, function* (connection) {
          expect(headerOf(yield* askOver(connection, "GET /"), "connection")).toBe("close");
          expect(yield* until(connection.over())).toBe("end");
        });
      },
    ));

  it("may ask for an upgrade", () =>
    seen(
      () => new Response("x", { status: 426, headers: { upgrade: "websocket", connection: "Upgrade" } }),
      (answer) => {
        expect(headerOf(answer, "upgrade")).toBe("websocket");
        expect(headerOf(answer, "connection")).toBe("upgrade");
      },
    ));

  it("goes out with its headers, although its source lets wait", () => {
    const queue = new Queue<string>();
    return serving(
      () => new Response(queue),
      function* (server) {
        yield* connected(server, function* (connection) {
          yield* until(connection.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
          yield* until(connection.until(() => connection.received.includes("\r\n\r\n")));
          yield* queue.put("later");
          yield* until(connection.until(() => connection.received.includes("later")));
          queue.shutdown();
        });
      },
    );
  });

  it("is sent piece by piece to a client of HTTP/1.0, up to the end of the connection", () =>
    serving(
      () => new Response(letters()),
      function* (server) {
        yield* connected(server, function* (connection) {
          yield* until(connection.send("GET / HTTP/1.0\r\n\r\n"));
          expect(yield* until(connection.over())).toBe("end");
          expect(connection.received).toMatch(/\r\n\r\nabc$/);
          expect(connection.received.toLowerCase()).not.toContain("chunked");
        });
      },
    ));

  it("follows the one before it on the connection, however they are ready", () =>
    serving(
      function* ({ url }) {
        if (url.endsWith("/slow")) yield* sleep(20);
        return new Response(url);
      },
      function* (server) {
        yield* connected(server, function* (connection) {
          yield* until(connection.send(`${requestText("GET /slow")}${requestText("GET /fast")}`));
          expect((yield* until(nextAnswer(connection))).body).toBe("http://localhost/slow");
          expect((yield* until(nextAnswer(connection))).body).toBe("http://localhost/fast");
        });
      },
    ));
});

describe("An error", () => {
  it("is a 500 without its text, and reported", () =>
    seen(
      () => {
        throw new Error("secret");
      },
      (answer) => {
        expect(answer).toMatchObject({ status: 500, body: "Internal Server Error" });
        expect(headerOf(answer, "content-type")).toBe("text/plain;charset=UTF-8");
      },
      { reports: ["The handler of a request failed: Error: secret"] },
    ));

  it("is reported with what was requested", () =>
    serving(
      function* () {
        yield* sleep(1);
        throw new Error("late");
      },
      function* (server, reports) {
        expect((yield* ask(server, "POST /path?query")).status).toBe(500);
        expect(reports[0]?.context).toMatchObject({ request: "POST http://localhost/path?query" });
      },
      { reports: ["Error: late"] },
    ));

  it("of class HttpError is the answer itself", () =>
    seen(
      function* () {
        yield* sleep(0);
        throw new HttpError(404, "no such thing", { headers: { "x-one": "1" } });
      },
      (answer) => {
        expect(answer).toMatchObject({ status: 404, body: "no such thing" });
        expect(headerOf(answer, "x-one")).toBe("1");
      },
    ));

  const noResponses: [title: string, value: unknown, hint: string][] = [
    ["nothing", undefined, "return new Response(…)"],
    ["a string", "text", "return new Response(text)"],
    ["an object", { a: 1 }, "Response.json(value)"],
    ["an error response", Response.error(), "HttpError"],
  ];
  for (const [title, value, hint] of noResponses) {
    it(`is ${title} that a handler returns for a response; the report says what to write`, () =>
      seen(
        () => value as Response,
        (answer) => expect(answer.status).toBe(500),
        { reports: [hint] },
      ));
  }

  it("of a source before its first piece is a 500", () =>
    seen(
      () => new Response(failing(0)),
      (answer) => expect(answer).toMatchObject({ status: 500, body: "Internal Server Error" }),
      { reports: ["The handler of a request failed: Error: in mid-body"] },
    ));

  it("of a source in mid-body breaks the answer off, so that the client sees it", () =>
    serving(
      () => new Response(failing(1)),
      function* (server) {
        yield* connected(server, function* (connection) {
          yield* until(connection.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
          yield* until(connection.over());
          expect(connection.received).toContain("a");
          expect(connection.received).not.toContain("0\r\n\r\n");
        });
      },
      { reports: ["The body of an answer failed, and was cut off: Error: in mid-body"] },
    ));

  it("of a source in mid-body resets a connection whose end would be the body's", () =>
    serving(
      () => new Response(failing(1)),
      function* (server) {
        yield* connected(server, function* (connection) {
          yield* until(connection.send("GET / HTTP/1.0\r\n\r\n"));
          expect(yield* until(connection.over())).toBe("ECONNRESET");
        });
      },
      { reports: ["Error: in mid-body"] },
    ));

  const lengths: [title: string, length: number, report: string][] = [
    ["more", 2, "has more bytes"],
    ["less", 4, "has only 3 bytes"],
  ];
  for (const [title, length, report] of lengths) {
    it(`is a source that gives ${title} than its content-length`, () =>
      serving(
        () => new Response(letters(), { headers: { "content-length": String(length) } }),
        function* (server) {
          yield* connected(server, function* (connection) {
            yield* until(connection.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
            yield* until(connection.over());
            const [, body = ""] = connection.received.split("\r\n\r\n");
            expect(body.length).toBeLessThan(length + 1);
          });
        },
        { reports: [report] },
      ));
  }

  it("is a response that was read before", () =>
    seen(
      function* () {
        const response = new Response("x");
        yield* until(response.text());
        return response;
      },
      (answer) => expect(answer.status).toBe(500),
      { reports: ["was read already"] },
    ));
});

function letters(): Source<string> {
  return asyncGenerator(function* () {
    for (const letter of "abc") {
      yield* sleep(0);
      yield letter;
    }
  })();
}

function failing(pieces: number): Source<string> {
  return asyncGenerator(function* () {
    for (let i = 0; i < pieces; i++) {
      yield "a";
      yield* sleep(5);
    }
    throw new Error("in mid-body");
  })();
}
