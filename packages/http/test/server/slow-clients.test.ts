import { asyncGenerator, type Coroutine, Event, sleep, until, within } from "corio";
import { describe, expect } from "vitest";
import { HttpError, type RequestHandler, Response } from "../../src/index.js";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { connectRaw, headerOf, nextAnswer } from "../support/raw-client.js";
import type { RawConnection } from "../support/raw-connection.js";
import { ask, client, eventually, it, post, request, type Serving, serving } from "./hostile-setting.js";

const certificates = useCertificates();

const echo: RequestHandler = function* (incoming) {
  return new Response(yield* until(incoming.text()));
};

/** Expects 408 and the end of the connection. */
function* tooSlow(connection: RawConnection): Coroutine<void> {
  const { status, headers } = yield* until(nextAnswer(connection));
  expect([status, headerOf({ headers }, "connection")]).toEqual([408, "close"]);
  expect(yield* until(connection.over())).toBe("end");
}

describe("a client that sends its headers slowly", () => {
  const limits = { headersTimeout: 60, requestTimeout: 5_000 };

  it.each<[string, string]>([
    ["nothing at all", ""],
    ["the beginning of a line", "GET / HT"],
    ["a line and no more", "GET / HTTP/1.1\r\n"],
    ["all but the end", request("GET /").slice(0, -2)],
  ])("gets 408 after the limit: it has sent %s", function* (_title, sent) {
    yield* within(serving(echo, limits), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(sent));
        yield* tooSlow(connection);
      }),
    );
  });

  it("gets 408 although it sends a byte now and then", function* () {
    yield* within(serving(echo, limits), (serving) =>
      within(client(serving), function* (connection) {
        const sent = yield* until(connection.drip(`GET / HTTP/1.1\r\nX: ${"x".repeat(1_000)}`, 5));
        expect(sent).toBeLessThan(1_000);
        yield* tooSlow(connection);
      }),
    );
  });

  it("gets 408 for its second request as well", function* () {
    yield* within(serving(echo, limits), (serving) =>
      within(client(serving), function* (connection) {
        expect((yield* ask(connection, post("/", "first"))).body).toBe("first");
        yield* until(connection.send("GET / HTTP/1.1\r\nHost:"));
        yield* tooSlow(connection);
      }),
    );
  });

  it("does not end the request before, which is handled still", function* () {
    const released = new Event();
    const handler: RequestHandler = function* () {
      yield* released.wait();
      return new Response("first");
    };
    yield* within(serving(handler, limits), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(`${request("GET /")}GET / HTTP/1.1\r\nHost:`));
        yield* sleep(200);
        released.set();
        expect((yield* until(nextAnswer(connection))).body).toBe("first");
        yield* until(connection.over());
      }),
    );
  });

  it("keeps nobody else waiting, a hundred of them", function* () {
    yield* within(serving(echo, limits), function* (serving) {
      const slow: RawConnection[] = [];
      for (let i = 0; i < 100; i++) {
        const connection = yield* until(connectRaw(serving));
        yield* until(connection.send("POST / HTTP/1.1\r\nHost: local"));
        slow.push(connection);
      }
      yield* within(client(serving), function* (connection) {
        expect((yield* ask(connection, post("/", "ordinary"))).body).toBe("ordinary");
      });
      for (const connection of slow) yield* tooSlow(connection);
      for (const connection of slow) yield* until(connection.close());
      yield* eventually(() => serving.server.connections === 0);
    });
  });

  it("is cut off in the handshake of TLS", function* () {
    const tls = { ...certificates.server };
    yield* within(serving(echo, { ...limits, tls }), function* (serving) {
      yield* within(client({ port: serving.port }), function* (connection) {
        yield* until(connection.send("\x16\x03\x01"));
        yield* eventually(() => serving.server.connections === 1);
        yield* until(connection.over());
        yield* eventually(() => serving.server.connections === 0);
      });
    });
  });
});

describe("a client that sends its body slowly", () => {
  it("gets 408 when all of the request takes too long, although it sends all the time", function* () {
    yield* within(serving(echo, { headersTimeout: 60, requestTimeout: 100 }), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(request("POST /", ["Content-Length: 1000"])));
        expect(yield* until(connection.drip("x".repeat(1_000), 5))).toBeLessThan(1_000);
        yield* tooSlow(connection);
        yield* serving.quiet();
      }),
    );
  });

  it("gets 408 when its body stands still", function* () {
    yield* within(serving(echo, { bodyIdleTimeout: 40 }), (serving) =>
      within(client(serving), function* (connection) {
        const { status, body } = yield* ask(connection, request("POST /", ["Content-Length: 10"], "12345"));
        expect([status, body]).toEqual([408, "The body stood still for 40 ms"]);
      }),
    );
  });

  it("may take its time as long as the body moves", function* () {
    yield* within(serving(echo, { bodyIdleTimeout: 100 }), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(request("POST /", ["Content-Length: 60"])));
        yield* until(connection.drip("x".repeat(60), 5));
        expect((yield* until(nextAnswer(connection))).body).toBe("x".repeat(60));
      }),
    );
  });

  it("is told while the body is read piece by piece, and the handler may say something else", function* () {
    const pieces: number[] = [];
    const handler: RequestHandler = function* (incoming) {
      const reader = (incoming.body as ReadableStream<Uint8Array>).getReader();
      try {
        for (;;) {
          const { done, value } = yield* until(reader.read());
          if (done) return new Response("all");
          pieces.push(value.length);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(HttpError);
        throw new HttpError(422, "half of it");
      }
    };
    yield* within(serving(handler, { bodyIdleTimeout: 40 }), (serving) =>
      within(client(serving), function* (connection) {
        const { status, body } = yield* ask(
          connection,
          request("POST /", ["Transfer-Encoding: chunked"], "3\r\nabc\r\n"),
        );
        expect([status, body, pieces]).toEqual([422, "half of it", [3]]);
      }),
    );
  });

  it("does not run into the limit while the handler lets the client wait", function* () {
    const handler: RequestHandler = function* (incoming) {
      const reader = (incoming.body as ReadableStream<Uint8Array>).getReader();
      yield* until(reader.read());
      yield* sleep(120);
      let rest = 0;
      for (;;) {
        const { done, value } = yield* until(reader.read());
        if (done) return new Response(String(rest));
        rest += value.length;
      }
    };
    yield* within(serving(handler, { bodyIdleTimeout: 60 }), (serving) =>
      within(client(serving), function* (connection) {
        expect((yield* ask(connection, post("/", "x".repeat(500_000)))).status).toBe(200);
      }),
    );
  });
});

/** What became of a source. */
interface Fate {
  given: number;
  closed: boolean;
}

const endless = asyncGenerator(function* (fate: Fate) {
  const chunk = Buffer.alloc(64 * 1024);
  try {
    for (;;) {
      yield chunk;
      fate.given++;
    }
  } finally {
    yield* sleep(1);
    fate.closed = true;
  }
});

/** Takes nothing, and expects to be cut off. */
function* takesNothing(serving: Serving): Coroutine<number> {
  const connection = yield* until(connectRaw(serving));
  try {
    connection.pause();
    yield* until(connection.send(request("GET /")));
    yield* eventually(() => serving.server.requests === 1);
    yield* serving.quiet();
    connection.resume();
    yield* until(connection.over());
    return connection.receivedLength;
  } finally {
    yield* until(connection.close());
  }
}

describe("a client that does not take its answer", () => {
  const limits = { writeTimeout: 50 };

  it("is cut off after the limit, and the source is closed", function* () {
    const fate: Fate = { given: 0, closed: false };
    yield* within(
      serving(() => new Response(endless(fate)), limits),
      takesNothing,
    );
    expect(fate.closed).toBe(true);
    // what the systems of both have buffered, and no more
    expect(fate.given).toBeLessThan(1_000);
  });

  it.each<[string, () => globalThis.Response]>([
    ["a text", () => new Response("x".repeat(30_000_000))],
    ["bytes", () => new Response(Buffer.alloc(30_000_000))],
    ["a blob", () => new Response(new Blob([Buffer.alloc(30_000_000)]))],
    ["a web stream", () => new globalThis.Response(Buffer.alloc(30_000_000))],
  ])("is cut off with %s, too", function* (_title, answer) {
    yield* within(serving(answer, limits), function* (serving) {
      expect(yield* takesNothing(serving)).toBeLessThan(30_000_000);
    });
  });

  it("is cut off over TLS, too", function* () {
    const fate: Fate = { given: 0, closed: false };
    const options = { ...limits, tls: { ...certificates.server }, ca: certificates.ca };
    yield* within(
      serving(() => new Response(endless(fate)), options),
      takesNothing,
    );
    expect(fate.closed).toBe(true);
  });

  it("cancels what it has sent ahead", function* () {
    const ended: string[] = [];
    const handler: RequestHandler = function* (incoming) {
      if (incoming.url.endsWith("/large")) return new Response("x".repeat(30_000_000));
      try {
        yield* sleep(60_000);
      } finally {
        ended.push(incoming.url);
      }
      return new Response("never");
    };
    yield* within(serving(handler, limits), (serving) =>
      within(client(serving), function* (connection) {
        connection.pause();
        yield* until(connection.send(request("GET /large") + request("GET /behind")));
        yield* eventually(() => serving.server.requests === 2);
        yield* serving.quiet();
        expect(ended).toEqual(["http://localhost/behind"]);
      }),
    );
  });

  it("is not cut off for an answer behind one that takes long", function* () {
    const handler: RequestHandler = function* (incoming) {
      if (incoming.url.endsWith("/slow")) yield* sleep(200);
      return new Response(incoming.url);
    };
    yield* within(serving(handler, limits), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(request("GET /slow") + request("GET /fast")));
        expect((yield* until(nextAnswer(connection))).body).toBe("http://localhost/slow");
        expect((yield* until(nextAnswer(connection))).body).toBe("http://localhost/fast");
      }),
    );
  });

  it("is not cut off as long as it takes a little now and then", function* () {
    const length = 8_000_000;
    yield* within(
      serving(() => new Response(Buffer.alloc(length)), { writeTimeout: 400 }),
      (serving) =>
        within(client(serving), function* (connection) {
          connection.pause();
          yield* until(connection.send(request("GET /")));
          yield* eventually(() => serving.server.requests === 1);
          // longer than the limit in all
          for (let before = -1; serving.server.requests > 0; before = connection.receivedLength) {
            connection.resume();
            yield* eventually(() => connection.receivedLength > before + 100_000 || serving.server.requests === 0);
            connection.pause();
            yield* sleep(20);
          }
          connection.resume();
          expect((yield* until(nextAnswer(connection))).body).toHaveLength(length);
        }),
    );
  });
});
