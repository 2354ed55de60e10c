import {
  asyncGenerator,
  attempt,
  type Coroutine,
  currentTask,
  Event,
  forEach,
  isCancelled,
  Queue,
  sleep,
  until,
} from "corio";
import { describe, expect, it } from "vitest";
import { HttpError } from "../../src/errors/http-error.js";
import { Response } from "../../src/messages/response.js";
import { headerOf, nextAnswer } from "../support/raw-client.js";
import { ask, askOver, connected, eventually, requestText, serving } from "./serving.js";

describe("A request", () => {
  it("has the method, the URL and the headers that were sent", () =>
    serving(
      ({ method, url, headers }) => Response.json({ method, url, headers: [...headers] }),
      function* (server) {
        const { body } = yield* ask(server, "PUT /a/b?c=d", [
          "X-One: 1",
          "X-One: 2",
          "Cookie: a=1",
          "Content-Length: 0",
        ]);
        expect(JSON.parse(body)).toEqual({
          method: "PUT",
          url: "http://localhost/a/b?c=d",
          headers: [
            ["content-length", "0"],
            ["cookie", "a=1"],
            ["host", "localhost"],
            ["x-one", "1, 2"],
          ],
        });
      },
    ));

  it("is a Request to the platform, which can make another of its parts", () =>
    serving(
      function* (request) {
        expect(request).toBeInstanceOf(Request);
        const copy = new Request("http://elsewhere/", request);
        expect(copy.headers.get("x-one")).toBe("1");
        return new Response(`${copy.method} ${yield* until(copy.text())}`);
      },
      function* (server) {
        const answer = yield* ask(server, "POST /", ["X-One: 1", "Content-Length: 4"], "body");
        expect(answer.body).toBe("POST body");
      },
    ));

  it("says what to write when it is taken for a URL", () =>
    serving(
      (request) => new Response(String(request)),
      function* (server, reports) {
        yield* ask(server, "GET /");
        expect(String(reports[0]?.exception)).toContain("request.clone()");
      },
      { reports: ["request.clone()"] },
    ));

  it("has no body if none was sent", () =>
    serving(
      function* (request) {
        expect(request.body).toBe(null);
        expect(yield* until(request.text())).toBe("");
        expect(request.bodyUsed).toBe(false);
        return new Response("ok");
      },
      function* (server) {
        expect((yield* ask(server, "GET /")).body).toBe("ok");
        expect((yield* ask(server, "POST /", ["Content-Length: 0"])).body).toBe("ok");
      },
    ));

  const reads: [
    title: string,
    type: string,
    sent: string,
    read: (request: Request) => Promise<unknown>,
    expected: unknown,
  ][] = [
    ["text", "text/plain", "\u00ef\u00bb\u00bftext", (request) => request.text(), "text"],
    ["JSON", "application/json", '{"a":1}', (request) => request.json(), { a: 1 }],
    ["an ArrayBuffer", "x/y", "ab", async (request) => [...new Uint8Array(await request.arrayBuffer())], [97, 98]],
    [
      "bytes",
      "x/y",
      "ab",
      async (request) => [...(await (request as { bytes(): Promise<Uint8Array> } & Request).bytes())],
      [97, 98],
    ],
    [
      "a Blob",
      "image/png",
      "ab",
      async (request) => {
        const blob = await request.blob();
        return [blob.type, await blob.text()];
      },
      ["image/png", "ab"],
    ],
    [
      "a form",
      "application/x-www-form-urlencoded",
      "a=1&b=2",
      async (request) => [...(await request.formData())],
      [
        ["a", "1"],
        ["b", "2"],
      ],
    ],
    [
      "a form of parts",
      "multipart/form-data; boundary=x",
      '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
      async (request) => [...(await request.formData())],
      [["a", "1"]],
    ],
    [
      "the text of a clone",
      "text/plain",
      "twice",
      async (request) => [await request.clone().text(), await request.text()],
      ["twice", "twice"],
    ],
  ];
  for (const [title, type, sent, read, expected] of reads) {
    for (const chunked of [false, true]) {
      it(`gives its body as ${title}${chunked ? ", sent in chunks" : ""}`, () =>
        serving(
          function* (request) {
            const value = yield* until(read(request));
            expect(request.bodyUsed).toBe(true);
            return Response.json({ value });
          },
          function* (server) {
            const answer = chunked
              ? yield* ask(server, "POST /", [`Content-Type: ${type}`, "Transfer-Encoding: chunked"], inChunks(sent))
              : yield* ask(server, "POST /", [`Content-Type: ${type}`, `Content-Length: ${sent.length}`], sent);
            expect(answer.status).toBe(200);
            expect(JSON.parse(answer.body)).toEqual({ value: expected });
          },
        ));
    }
  }

  it("gives its body once", () =>
    serving(
      function* (request) {
        yield* until(request.text());
        yield* until(request.text());
        return new Response("unreachable");
      },
      function* (server) {
        expect((yield* ask(server, "POST /", ["Content-Length: 1"], "x")).status).toBe(500);
      },
      { reports: ["was read already"] },
    ));

  it("gives its body piece by piece, and holds the client back meanwhile", () => {
    const read = new Event();
    let pieces = 0;
    return serving(
      function* (request) {
        yield* read.wait();
        let size = 0;
        yield* forEach(request.body as ReadableStream<Uint8Array>, (chunk) => {
          size += chunk.length;
          pieces++;
        });
        return new Response(String(size));
      },
      function* (server) {
        yield* connected(server, function* (connection) {
          const size = 50_000_000;
          yield* until(connection.send(requestText("POST /", [`Content-Length: ${size}`])));
          let sent = false;
          const sending = connection.send(new Uint8Array(size)).then(() => {
            sent = true;
          });
          yield* sleep(200);
          // the system's buffers are full, and the server's own few, too
          expect(sent).toBe(false);
          read.set();
          yield* until(sending);
          expect((yield* until(nextAnswer(connection))).body).toBe(String(size));
          expect(pieces).toBeGreaterThan(100);
        });
      },
      { serve: { maxBodySize: Number.POSITIVE_INFINITY } },
    );
  });

  it("can be answered with its own body while that comes", () =>
    serving(
      (request) => new Response(request.body),
      function* (server) {
        yield* connected(server, function* (connection) {
          yield* until(connection.send(requestText("POST /", ["Transfer-Encoding: chunked"])));
          yield* until(connection.send(inChunks("first").slice(0, -5)));
          yield* until(connection.until(() => connection.received.includes("first")));
          yield* until(connection.send(inChunks("second")));
          expect((yield* until(nextAnswer(connection))).body).toBe("firstsecond");
          // and the connection goes on
          expect((yield* askOver(connection, "POST /", ["Content-Length: 1"], "x")).body).toBe("x");
        });
      },
    ));

  it("whose body nobody reads leaves the connection usable, if little of it is left", () =>
    serving(
      () => new Response("ok"),
      function* (server) {
        yield* connected(server, function* (connection) {
          const size = 60_000;
          yield* until(connection.send(requestText("POST /", [`Content-Length: ${size}`])));
          const first = yield* until(nextAnswer(connection));
          expect(headerOf(first, "connection")).toBe("keep-alive");
          yield* until(connection.send("x".repeat(size)));
          expect((yield* askOver(connection, "GET /")).body).toBe("ok");
        });
      },
    ));

  it("whose body was read half leaves the connection usable, if little of it is left", () =>
    serving(
      function* (request) {
        if (request.body === null) return new Response("ok");
        yield* forEach(request.body as ReadableStream<Uint8Array>, (_chunk, stop) => stop());
        return new Response("half");
      },
      function* (server) {
        yield* connected(server, function* (connection) {
          yield* until(connection.send(requestText("POST /", ["Content-Length: 10"], "12345")));
          expect((yield* until(nextAnswer(connection))).body).toBe("half");
          yield* until(connection.send("67890"));
          expect((yield* askOver(connection, "GET /")).body).toBe("ok");
        });
      },
    ));

  it("of which enough was read leaves the connection usable, if all of it has come", () =>
    serving(
      function* (request) {
        if (request.body === null) return new Response("ok");
        yield* sleep(20);
        yield* forEach(request.body as ReadableStream<Uint8Array>, (_chunk, stop) => stop());
        return new Response("enough");
      },
      function* (server) {
        yield* connected(server, function* (connection) {
          const size = 40_000;
          yield* until(connection.send(requestText("POST /", [`Content-Length: ${size}`], "x".repeat(size))));
          expect((yield* until(nextAnswer(connection))).body).toBe("enough");
          expect((yield* askOver(connection, "GET /")).body).toBe("ok");
        });
      },
    ));

  it("whose body is large and nobody reads is the last of its connection, and its answer arrives", () =>
    serving(
      () => new Response("no, thank you", { status: 403 }),
      function* (server) {
        yield* connected(server, function* (connection) {
          yield* until(connection.send(requestText("POST /", ["Content-Length: 10000000"])));
          const sending = connection.send(new Uint8Array(5_000_000));
          const answer = yield* until(nextAnswer(connection));
          expect(answer).toMatchObject({ status: 403, body: "no, thank you" });
          expect(headerOf(answer, "connection")).toBe("close");
          yield* until(sending);
          yield* until(connection.over());
        });
      },
    ));

  it("is told to go on only when its body is read", () =>
    serving(
      function* (request) {
        if (request.url.endsWith("/refused")) return new Response("no", { status: 403 });
        return new Response(yield* until(request.text()));
      },
      function* (server) {
        const headers = ["Expect: 100-continue", "Content-Length: 4"];
        yield* connected(server, function* (connection) {
          yield* until(connection.send(requestText("POST /", headers)));
          yield* until(connection.until(() => connection.received.includes("100 Continue\r\n\r\n")));
          yield* until(connection.send("body"));
          expect(yield* until(nextAnswer(connection))).toMatchObject({ interim: [100], body: "body" });
        });
        const refused = yield* ask(server, "POST /refused", headers);
        expect(refused).toMatchObject({ status: 403, interim: [] });
        expect(headerOf(refused, "connection")).toBe("close");
      },
    ));

  it("that expects something else is refused with 417", () =>
    serving(
      () => new Response("ok"),
      function* (server) {
        expect((yield* ask(server, "GET /", ["Expect: miracles"])).status).toBe(417);
      },
    ));
});

describe("The task of a request", () => {
  it("is named for it", () =>
    serving(
      // biome-ignore lint/correctness/useYield: it need not wait
      function* () {
        return new Response(currentTask().name);
      },
      function* (server) {
        expect((yield* ask(server, "GET /path?query")).body).toBe("GET /path");
      },
    ));

  it("is cancelled when the client goes away; its cleanup runs, and nothing is reported", () => {
    const handled = new Queue<string>();
    return serving(
      function* (request) {
        request.signal.addEventListener("abort", () => handled.putNowait(`signal: ${request.signal.reason.message}`));
        handled.putNowait("begun");
        try {
          yield* sleep(60_000);
        } catch (error) {
          handled.putNowait(`cancelled: ${isCancelled(error)}`);
          throw error;
        } finally {
          yield* sleep(1);
          handled.putNowait("cleaned up");
        }
        return new Response("unreachable");
      },
      function* (server) {
        yield* connected(server, function* (connection) {
          yield* until(connection.send(requestText("GET /")));
          expect(yield* handled.get()).toBe("begun");
          expect(server.requests).toBe(1);
        });
        expect(yield* handled.get()).toBe("signal: the client went away before it had its answer");
        expect(yield* handled.get()).toBe("cancelled: true");
        expect(yield* handled.get()).toBe("cleaned up");
        yield* eventually(() => server.requests === 0);
      },
    );
  });

  it("that sends a source closes it when the client goes away", () => {
    const closed = new Event();
    const endless = asyncGenerator(function* () {
      try {
        for (;;) {
          yield "tick ".repeat(10_000);
          yield* sleep(0);
        }
      } finally {
        closed.set();
      }
    });
    return serving(
      () => new Response(endless()),
      function* (server) {
        yield* connected(server, function* (connection) {
          connection.pause();
          yield* until(connection.send(requestText("GET /")));
          yield* sleep(50);
          expect(closed.isSet).toBe(false);
        });
        yield* closed.wait();
      },
    );
  });

  it("that reads a body is cancelled when the client goes away in mid-body; and the read fails", () => {
    const outcome = new Queue<string>();
    return serving(
      function* (request) {
        const text = request.text();
        text.catch((error: Error) => outcome.putNowait(error.message));
        return new Response(yield* until(text));
      },
      function* (server) {
        yield* connected(server, function* (connection) {
          yield* until(connection.send(requestText("POST /", ["Content-Length: 100"], "some")));
          yield* sleep(20);
        });
        expect(yield* outcome.get()).toBe("the client went away before it had its answer");
        yield* eventually(() => server.requests === 0);
      },
    );
  });

  it("is not cancelled by a client that takes its answer and goes", () => {
    let cancelled = 0;
    return serving(
      function* (request) {
        request.signal.addEventListener("abort", () => cancelled++);
        yield* sleep(1);
        return new Response("ok");
      },
      function* (server) {
        for (let i = 0; i < 20; i++) yield* ask(server, "GET /");
        yield* eventually(() => server.requests === 0 && server.connections === 0);
        expect(cancelled).toBe(0);
      },
    );
  });

  it("is cancelled when handlerTimeout is up; the answer is 503", () => {
    let reason: unknown;
    return serving(
      function* () {
        const waited = yield* attempt(() => sleepLong((why) => (reason = why)));
        return new Response(waited.ok ? "slept" : "failed");
      },
      function* (server) {
        const answer = yield* ask(server, "GET /");
        expect(answer).toMatchObject({ status: 503, body: "Service Unavailable" });
        expect(String(reason)).toContain("not answered within 20 ms");
      },
      { serve: { handlerTimeout: 20 } },
    );
  });

  it("is cancelled when handlerTimeout is up in mid-answer, which is cut off", () => {
    const queue = new Queue<string>();
    return serving(
      () => new Response(queue),
      function* (server) {
        yield* queue.put("first");
        yield* connected(server, function* (connection) {
          yield* until(connection.send(requestText("GET /")));
          yield* until(connection.over());
          expect(connection.received).toContain("first");
          expect(connection.received).not.toContain("0\r\n\r\n");
        });
      },
      { serve: { handlerTimeout: 50 } },
    );
  });

  it("answers with 503 when somebody else has cancelled it", () =>
    serving(
      function* () {
        currentTask().cancel();
        yield* sleep(1);
        return new Response("unreachable");
      },
      function* (server) {
        expect((yield* ask(server, "GET /")).status).toBe(503);
      },
    ));

  it("has a deadline of its own making as an HttpError that it throws", () =>
    serving(
      function* () {
        yield* sleep(1);
        throw new HttpError(504, "too slow");
      },
      function* (server) {
        expect(yield* ask(server, "GET /")).toMatchObject({ status: 504, body: "too slow" });
      },
    ));
});

function* sleepLong(told: (reason: unknown) => void): Coroutine<void> {
  try {
    yield* sleep(60_000);
  } catch (error) {
    if (isCancelled(error)) told(error.reason);
    throw error;
  }
}

function inChunks(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;
}
