import { asyncGenerator, type Coroutine, sleep, until, within } from "corio";
import { describe, expect } from "vitest";
import { HttpError, type RequestHandler, Response } from "../../src/index.js";
import { ambiguousRequests } from "../support/ambiguous-requests.js";
import { nextAnswer } from "../support/raw-client.js";
import { ask, client, it, post, request, type Serving, serving } from "./hostile-setting.js";

const statusesIn = (received: string): string[] => received.match(/(?<=HTTP\/1\.1 )\d{3}/g) ?? [];

const ways: readonly [name: string, handler: (seen: string[]) => RequestHandler][] = [
  [
    "reads it",
    (seen) =>
      function* (incoming) {
        seen.push(incoming.url);
        return new Response(yield* until(incoming.text()));
      },
  ],
  [
    "waits",
    (seen) =>
      function* (incoming) {
        seen.push(incoming.url);
        yield* sleep(5);
        return new Response("ok");
      },
  ],
  [
    "answers at once",
    (seen) => (incoming) => {
      seen.push(incoming.url);
      return new Response("ok");
    },
  ],
];

describe.each(ways)("a request that can be read in two ways, by a handler that %s,", (_name, handler) => {
  it.each(ambiguousRequests.map(({ title, text }) => [title, text] as const))(
    "is refused, and what is hidden in it is not seen: %s",
    function* (_title, text) {
      const seen: string[] = [];
      yield* within(serving(handler(seen), { bodyIdleTimeout: 500 }), function* (serving) {
        const { received, ended } = yield* serving.exchange(text);
        // one that answers before it has looked at the body may have answered already
        const answered = seen.length > 0;
        if (!answered) expect(statusesIn(received)).toEqual(["400"]);
        expect(statusesIn(received)).toHaveLength(1);
        if (!answered) expect(received).toMatch(/\r\nconnection: close\r\n/i);
        expect(ended).toBe("end");
        expect(seen.filter((url) => url.includes("smuggled"))).toEqual([]);
      });
    },
  );
});

const echo: RequestHandler = function* (incoming) {
  return new Response(`${incoming.method} ${incoming.url} ${yield* until(incoming.text())}`);
};

describe("a request of HTTP/2 over a connection of HTTP/1", () => {
  it("is refused, and what stands behind it is not seen", function* () {
    yield* within(serving(echo), function* (serving) {
      const text = `GET / HTTP/2.0\r\nHost: localhost\r\n\r\n${request("GET /smuggled")}`;
      const { received, ended } = yield* serving.exchange(text);
      expect([statusesIn(received), received.includes("smuggled"), ended]).toEqual([["505"], false, "end"]);
    });
  });
});

describe("a body", () => {
  it.each<[string, string]>([
    ["compressed", "gzip, chunked"],
    ["compressed in two headers", "deflate\r\nTransfer-Encoding: chunked"],
  ])("in an encoding that is not understood is refused: %s", function* (_title, encoding) {
    yield* within(serving(echo), function* (serving) {
      const text = request("POST /", [`Transfer-Encoding: ${encoding}`], `0\r\n\r\n${request("GET /smuggled")}`);
      const { received, ended } = yield* serving.exchange(text);
      expect([statusesIn(received), ended]).toEqual([["501"], "end"]);
      expect(received).not.toContain("smuggled");
    });
  });

  it.each<[string, string]>([
    ["in capitals", request("POST /", ["TRANSFER-ENCODING: CHUNKED"], "1\r\nx\r\n0\r\n\r\n")],
    ["with leading zeros", request("POST /", ["Content-Length: 001"], "x")],
    ["with extensions", request("POST /", ["Transfer-Encoding: chunked"], '1;a=b;c="d"\r\nx\r\n0;e\r\n\r\n')],
    ["with trailers", request("POST /", ["Transfer-Encoding: chunked"], "1\r\nx\r\n0\r\nX: y\r\n\r\n")],
    ["of GET", request("GET /", ["Content-Length: 1"], "x")],
  ])("is taken for what it is, and the next request begins behind it: %s", function* (_title, text) {
    yield* within(serving(echo), (serving) =>
      within(client(serving), function* (connection) {
        const { body } = yield* ask(connection, text + request("GET /next"));
        expect(body).toMatch(/^\w+ http:\/\/localhost\/ x$/);
        expect((yield* until(nextAnswer(connection))).body).toBe("GET http://localhost/next ");
      }),
    );
  });

  it.each<[string, string, string]>([
    ["h2c", "Upgrade, HTTP2-Settings", "h2c"],
    ["WebSocket", "Upgrade", "websocket"],
    ["something unknown", "Upgrade", "x"],
  ])("of a request to upgrade to %s is read as such", function* (_title, connection, upgrade) {
    yield* within(serving(echo), function* (serving) {
      for (const framing of ["Content-Length: 5", "Transfer-Encoding: chunked"]) {
        const body = framing.startsWith("C") ? "hello" : "5\r\nhello\r\n0\r\n\r\n";
        const headers = [`Connection: ${connection}, close`, `Upgrade: ${upgrade}`, framing];
        const { received, ended } = yield* serving.exchange(request("POST /", headers, body));
        expect([statusesIn(received), received.endsWith("POST http://localhost/ hello"), ended]).toEqual([
          ["200"],
          true,
          "end",
        ]);
      }
    });
  });
});

describe("a target", () => {
  it.each<[string, string]>([
    ["/", "/"],
    ["//other.example/x", "//other.example/x"],
    ["/\\other.example", "//other.example"],
    ["/a/../../b/./c/%2e%2e/d", "/b/d"],
    ["/a//b", "/a//b"],
    ["/a?b=/../c", "/a?b=/../c"],
    ["/a%2fb%00", "/a%2fb%00"],
    ["/@other.example", "/@other.example"],
    ["/:80", "/:80"],
    ["http://localhost/x", "/x"],
    ["HTTP://LOCALHOST:80/x", "/x"],
  ])("is a path of this server, as the URL has it: %s", function* (target, path) {
    yield* within(serving(echo), (serving) =>
      within(client(serving), function* (connection) {
        const { body } = yield* ask(connection, request(`GET ${target}`));
        expect(body).toBe(`GET http://localhost${path} `);
      }),
    );
  });

  it("that is a whole URL says the host, and not the header", function* () {
    yield* within(serving(echo), (serving) =>
      within(client(serving), function* (connection) {
        expect((yield* ask(connection, request("GET http://other.example/x"))).body).toBe(
          "GET http://other.example/x ",
        );
      }),
    );
  });

  it("of CONNECT reaches no handler", function* () {
    yield* within(serving(echo), function* (serving) {
      const { received, ended } = yield* serving.exchange(
        `CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n${request("GET /smuggled")}`,
      );
      expect([received.includes("smuggled"), ended]).toEqual([false, "end"]);
    });
  });
});

const evil = "x\r\nx-evil: 1\r\n\r\nHTTP/1.1 200 OK\r\n\r\nevil";
const control = "a\u0001b";

function foreign(parts: Record<string, unknown>): globalThis.Response {
  return { status: 200, statusText: "", headers: {}, body: null, ...parts } as unknown as globalThis.Response;
}

const slowly = asyncGenerator(function* () {
  yield* sleep(5);
  yield "piece";
});

describe("an answer with a header that would split it", () => {
  it.each<[string, (value: string) => globalThis.Response]>([
    ["in a record", (value) => new Response("ok", { headers: { "x-given": value } })],
    ["in pairs", (value) => new Response("ok", { headers: [["x-given", value]] })],
    ["in a header's name", (value) => new Response("ok", { headers: { [value]: "x" } })],
    ["in statusText", (value) => new Response("ok", { statusText: value })],
    ["in a type", (value) => new Response("ok", { headers: { "content-type": value } })],
    ["in a cookie", (value) => new Response("ok", { headers: { "set-cookie": value } })],
    ["in a length", (value) => new Response(slowly(), { headers: { "content-length": value } })],
    [
      "set later",
      (value) => {
        const response = new Response("ok");
        response.headers.set("x-given", value);
        return response;
      },
    ],
    [
      "before a body that comes slowly",
      (value) => {
        const response = new Response(slowly());
        response.headers.set("x-given", value);
        return response;
      },
    ],
    ["of the platform", (value) => new globalThis.Response("ok", { headers: { "x-given": value } })],
    [
      "of an HttpError",
      (value) => {
        throw new HttpError(401, "who?", { headers: { "www-authenticate": value } });
      },
    ],
    [
      "of an HttpError, in its name",
      (value) => {
        throw new HttpError(401, "who?", { headers: { [value]: "x" } });
      },
    ],
    ["of another library", (value) => foreign({ headers: { "x-given": value } })],
    ["of another library, in statusText", (value) => foreign({ statusText: value })],
  ])("is an error of the handler: %s", function* (_title, answer) {
    const values = [evil, control, "x\ny", "x\ry", "x\0y", "x\u0100y"];
    yield* within(
      serving((incoming) => answer(values[Number(incoming.url.at(-1))] as string)),
      function* (serving) {
        for (const [i] of values.entries()) {
          const { received, ended } = yield* serving.exchange(request(`GET /${i}`, ["Connection: close"]));
          expect([statusesIn(received), ended], JSON.stringify(values[i])).toEqual([["500"], "end"]);
          expect(received).not.toContain("evil");
          expect(received).not.toContain("x-given");
          expect(serving.reports(), JSON.stringify(values[i])).toHaveLength(1);
        }
      },
    );
  });

  it("is refused as a place to go to", function* () {
    yield* within(
      serving(() => Response.redirect(`/login?next=${evil}`)),
      function* (serving) {
        const { received, ended } = yield* serving.exchange(request("GET /", ["Connection: close"]));
        expect([statusesIn(received), ended]).toEqual([["302"], "end"]);
        expect(received).not.toMatch(/^x-evil/m);
      },
    );
  });

  it.each<[unknown]>([[99], [100], [101], [150], [199], [600], [1000], [Number.NaN], ["200 OK\r\nx-evil: 1"]] as const)(
    "is an error, too, with the status %s of another library",
    function* (status) {
      yield* within(
        serving(() => foreign({ status })),
        function* (serving) {
          const { received, ended } = yield* serving.exchange(request("GET /", ["Connection: close"]));
          expect([statusesIn(received), ended]).toEqual([["500"], "end"]);
          expect(serving.reports()).toHaveLength(1);
        },
      );
    },
  );
});

function* refusedBefore(serving: Serving, first: string): Coroutine<void> {
  const { received, ended } = yield* serving.exchange(first + request("GET /behind") + post("/behind", "x"));
  expect([statusesIn(received), ended]).toEqual([["400"], "end"]);
}

describe("what stands behind a request that was refused", () => {
  it.each<[string, string]>([
    ["its Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"],
    ["its target", "GET ftp://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ["its length", request("POST /", ["Content-Length: x"])],
  ])("is not looked at: refused for %s", function* (_title, first) {
    const seen: string[] = [];
    const handler: RequestHandler = (incoming) => {
      seen.push(incoming.url);
      return new Response("ok");
    };
    yield* within(serving(handler), (serving) => refusedBefore(serving, first));
    expect(seen).toEqual([]);
  });
});
