import { CookieJar } from "tough-cookie";
import { type Coroutine, within } from "corio";
import { describe, expect, test } from "vitest";
import { thrownBy, withCode } from "../../../node/test/support/thrown-by.js";
import type { ClientSession, PendingResponse, RequestHeaders } from "../../src/index.js";
import type { Answer, Received } from "./origin-server.js";
import { inSession, withOrigin } from "./session-setting.js";

/** Answers with what it was asked. */
const echo: Answer = ({ method, url, headers, body }, response) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ method, url, headers, body }));
};

interface Echo {
  method: string;
  url: string;
  headers: Record<string, string | undefined>;
  body: string;
}

function* echoed(pending: PendingResponse): Coroutine<Echo> {
  return yield* (yield* pending).json<Echo>();
}

const basic = (credentials: string): string => `Basic ${Buffer.from(credentials).toString("base64")}`;

describe("the methods of a session", () => {
  test.each(["get", "post", "put", "patch", "delete", "options"] as const)("%s", async (method) => {
    await withOrigin(echo, function* (session) {
      const response = yield* session[method]("/path?a=1");
      expect(response.method).toBe(method.toUpperCase());
      expect(yield* response.json()).toMatchObject({ method: method.toUpperCase(), url: "/path?a=1", body: "" });
    });
  });

  test("head gives headers and no body", async () => {
    await withOrigin(
      (_, response) => response.writeHead(200, { "content-length": 1_000 }).end(),
      function* (session) {
        const response = yield* session.head("/");
        expect(response.status).toBe(200);
        expect(response.headers.get("content-length")).toBe("1000");
        expect(yield* response.text()).toBe("");
        expect((yield* session.head("/")).ok).toBe(true);
      },
    );
  });

  test("request takes any method, as it is written", async () => {
    await withOrigin(echo, function* (session) {
      expect((yield* echoed(session.request("PROPFIND", "/"))).method).toBe("PROPFIND");
      expect((yield* session.request("HEAD", "/")).ok).toBe(true);
      expect((yield* echoed(session.request("GET", "/", { body: "with a body" }))).body).toBe("with a body");
    });
  });

  test.each(["", "GET /", "GE T", "GET\r\n", "gét", 5, null, undefined])(
    "request refuses %j as a method at the call",
    async (method) => {
      await withOrigin(echo, function* (session, origin) {
        expect(() => session.request(method as string, "/")).toThrow(withCode("METHOD", /a method is a word/));
        expect(origin.requests).toEqual([]);
      });
    },
  );

  test("none is sent before it is awaited, and each can be awaited once", async () => {
    await withOrigin(echo, function* (session, origin) {
      const pending = session.get("/");
      expect(session.connections).toBe(0);
      yield* pending;
      expect(origin.log).toEqual(["GET /"]);
    });
  });

  test("refuse options that make no sense at the call", async () => {
    await withOrigin(echo, function* (session, origin) {
      const refused = (options: unknown, code: string, message: RegExp): void =>
        expect(() => session.get("/", options as object)).toThrow(withCode(code, message));
      refused(null, "REQUEST_OPTIONS", /not null/);
      refused("GET", "REQUEST_OPTIONS", /not GET/);
      refused({ redirects: -1 }, "REDIRECTS", /not -1/);
      refused({ redirects: "follow" }, "REDIRECTS", /not follow/);
      refused({ maxBodySize: -1 }, "MAX_BODY_SIZE", /in bytes/);
      refused({ maxBodySize: "1" }, "MAX_BODY_SIZE", /in bytes/);
      refused({ timeout: 5 }, "TIMEOUT", /timeout: \{ total: 5 \}/);
      refused({ timeout: { read: 5 } }, "TIMEOUT", /total, connect, headers and body, not read/);
      refused({ timeout: { total: 0 } }, "TIMEOUT", /more than 0/);
      refused({ timeout: { total: Number.NaN } }, "TIMEOUT", /not NaN/);
      refused({ retry: 0 }, "RETRY", /at least 1, not 0/);
      refused({ retry: "often" }, "RETRY", /number of attempts/);
      refused({ retry: { delay: -1 } }, "RETRY", /retry.delay cannot be -1/);
      refused({ retry: { jitter: 2 } }, "RETRY", /retry.jitter cannot be 2/);
      refused({ auth: { username: "a" } }, "AUTH", /username, password/);
      refused({ params: { a: null } }, "PARAMS", /a is null/);
      refused({ json: 1, body: "1" }, "BODY", /one body/);
      refused({ json: 1, form: {} }, "BODY", /one body/);
      refused({ form: {}, body: "1" }, "BODY", /one body/);
      refused({ json: () => 1 }, "JSON", /no value for/);
      refused({ body: 5 }, "BODY", /not number/);
      refused({ headers: 5 }, "HEADERS", /not 5/);
      expect(origin.requests).toEqual([]);
    });
  });
});

describe("the URL of a request", () => {
  test("stands on the session's base", async () => {
    await withOrigin(echo, function* (session, origin) {
      yield* inSession({ baseUrl: `${origin.origin}/v1/` }, function* (based) {
        expect((yield* echoed(based.get("users"))).url).toBe("/v1/users");
        expect((yield* echoed(based.get("/users"))).url).toBe("/users");
        expect((yield* echoed(based.get("?q=1"))).url).toBe("/v1/?q=1");
        expect((yield* echoed(based.get(new URL("/x", origin.origin)))).url).toBe("/x");
      });
      expect((yield* session.get("/a b/é?q=ü#fragment")).url).toBe(`${origin.origin}/a%20b/%C3%A9?q=%C3%BC`);
      expect(origin.log.at(-1)).toBe("GET /a%20b/%C3%A9?q=%C3%BC");
    });
  });

  test("gets the params behind its query", async () => {
    await withOrigin(echo, function* (session) {
      const params = { a: 1, b: ["x y", true], c: undefined, d: "&" };
      expect((yield* echoed(session.get("/p?z=%20", { params }))).url).toBe("/p?z=%20&a=1&b=x+y&b=true&d=%26");
      const more = new URLSearchParams([["a", "1"]]);
      expect((yield* echoed(session.post("/", { params: more }))).url).toBe("/?a=1");
    });
  });

  test("is refused at the call if it is none", async () => {
    await inSessionWithoutBase(function* (session) {
      for (const url of ["/relative", "", "ftp://example.com/", "http://", "//example.com/"]) {
        expect(() => session.get(url)).toThrow(withCode("URL"));
      }
    });
  });

  test("shows no credentials, in the response and in errors", async () => {
    await withOrigin(
      (_, response) => response.writeHead(404).end(),
      function* (session, origin) {
        const url = new URL(origin.origin);
        [url.username, url.password] = ["user", "secret"];
        const response = yield* session.get(url);
        expect(response.url).toBe(`${origin.origin}/`);
        const error = yield* thrownBy(session.get(url, { raiseForStatus: true }));
        expect(String(error)).not.toContain("secret");
        expect((error as { url: string }).url).toBe(`${origin.origin}/`);
        expect(url.password).toBe("secret");
      },
    );
  });
});

describe("the headers of a request", () => {
  test("are what clients send, and those of the session, which those of the request replace", async () => {
    await withOrigin(
      echo,
      function* (session) {
        const { headers } = yield* echoed(session.get("/", { headers: { "X-B": "request", "user-agent": undefined } }));
        expect(headers).toEqual({
          host: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
          connection: "keep-alive",
          accept: "*/*",
          "accept-encoding": expect.stringMatching(/^gzip, deflate, br/),
          "x-a": "session",
          "x-b": "request",
        });
      },
      { session: { headers: { "x-a": "session", "x-b": "session" } } },
    );
  });

  test("can be given in each of the forms", async () => {
    await withOrigin(echo, function* (session, origin) {
      const raw = (): string[] => {
        const { rawHeaders } = origin.requests.at(-1) as Received;
        return rawHeaders.flatMap((name, i) =>
          i % 2 === 0 && name.startsWith("x-") ? [`${name}: ${rawHeaders[i + 1]}`] : [],
        );
      };
      const forms: [RequestHeaders, string[]][] = [
        [{ "X-A": "1", "x-n": 5 }, ["x-a: 1", "x-n: 5"]],
        [{ "x-a": ["1", "2"] }, ["x-a: 1", "x-a: 2"]],
        [{ "x-a": null, "x-b": "" }, ["x-b: "]],
        [new Headers([["X-A", "1"], ["x-a", "2"]]), ["x-a: 1, 2"]], // biome-ignore format: pairs
        [new Map([["X-A", "1"]]), ["x-a: 1"]],
        [[["x-a", "1"], ["X-A", "2"], ["x-b", "3"]], ["x-a: 1", "x-a: 2", "x-b: 3"]], // biome-ignore format: pairs
        [{ "x-latin": "é" }, ["x-latin: é"]],
      ];
      for (const [headers, expected] of forms) {
        yield* echoed(session.get("/", { headers }));
        expect(raw()).toEqual(expected);
      }
    });
  });

  test("may name another host, and another content type", async () => {
    await withOrigin(echo, function* (session) {
      const headers = { host: "virtual.example", "content-type": "application/merge-patch+json" };
      const got = yield* echoed(session.patch("/", { json: { a: 1 }, headers }));
      expect(got.headers).toMatchObject(headers);
      expect(got.body).toBe('{"a":1}');
    });
  });

  test.each<[string, object]>([
    ["a line break in a value", { "x-a": "b\r\nx-injected: 1" }],
    ["a bare line feed", { "x-a": "b\nx-injected: 1" }],
    ["a NUL", { "x-a": "b\0" }],
    ["a line break in a name", { "x-a: b\r\nx-injected": "1" }],
    ["a space in a name", { "x a": "1" }],
    ["an empty name", { "": "1" }],
    ["a value beyond Latin-1", { "x-a": "☃" }],
    ["a line break in one of several values", { "x-a": ["1", "2\r\nx-injected: 1"] }],
    ["a transfer coding", { "transfer-encoding": "chunked" }],
    ["another upgrade", { upgrade: "h2c" }],
    ["expectations", { expect: "100-continue" }],
    ["two hosts", { host: ["a", "b"] }],
    ["a length that is none", { "content-length": "5, 6" }],
  ])("are refused with %s, and nothing is sent", async (_what, headers) => {
    await withOrigin(echo, function* (session, origin) {
      function* attempt(): Coroutine<void> {
        yield* session.get("/", { headers: headers as RequestHeaders });
      }
      const error = yield* thrownBy(attempt());
      expect(error).toBeInstanceOf(TypeError);
      expect((error as { code: string }).code).toMatch(/^ERR_CORIO_/);
      expect(origin.requests).toEqual([]);
      expect((yield* session.get("/")).ok).toBe(true);
    });
  });

  test("cannot say another length than the body has", async () => {
    await withOrigin(echo, function* (session, origin) {
      for (const length of ["2", "4"]) {
        const sending = session.post("/", { body: "abc", headers: { "content-length": length } });
        expect(yield* thrownBy(sending)).toEqual(withCode("CONTENT_LENGTH", /has not the length/));
      }
      expect(origin.requests).toEqual([]);
    });
  });

  test("are refused at the call", async () => {
    await withOrigin(echo, function* (session) {
      expect(() => session.get("/", { headers: { a: "b\r\nc: d" } })).toThrow(TypeError);
    });
  });

  test("that are refused cost no connection", async () => {
    await withOrigin(echo, function* (session, origin) {
      yield* echoed(session.get("/"));
      try {
        yield* session.get("/", { headers: { a: "b\r\nc: d" } });
      } catch {
        // said above
      }
      yield* echoed(session.get("/"));
      expect(origin.connections).toBe(1);
    });
  });
});

describe("the credentials of a request", () => {
  test("are those of its URL, its options or its session, in that order from the last", async () => {
    await withOrigin(
      echo,
      function* (session, origin) {
        const authorization = function* (pending: PendingResponse): Coroutine<string | undefined> {
          return (yield* echoed(pending)).headers["authorization"];
        };
        const withCredentials = origin.url("/").replace("//", "//us%C3%A9r:p%40ss@");
        expect(yield* authorization(session.get("/"))).toBe("Bearer token");
        expect(yield* authorization(session.get("/", { auth: { username: "ü", password: ":" } }))).toBe(basic("ü::"));
        expect(yield* authorization(session.get(withCredentials))).toBe(basic("usér:p@ss"));
        expect(yield* authorization(session.get(withCredentials, { auth: { bearer: "own" } }))).toBe("Bearer own");
        expect(yield* authorization(session.get(withCredentials, { auth: null }))).toBeUndefined();
        expect(yield* authorization(session.get("/", { auth: null }))).toBeUndefined();
        expect(yield* authorization(session.get("/", { headers: { Authorization: "mine" } }))).toBe("mine");
      },
      { session: { auth: { bearer: "token" } } },
    );
  });

  test("of a base URL serve all requests on it", async () => {
    await withOrigin(echo, function* (_, origin) {
      const baseUrl = origin.url("/v1/").replace("//", "//user:secret@");
      yield* inSession({ baseUrl }, function* (session) {
        expect((yield* echoed(session.get("x"))).headers["authorization"]).toBe(basic("user:secret"));
        expect((yield* session.get("x")).url).toBe(origin.url("/v1/x"));
      });
    });
  });

  test("of a base URL stay with its origin", async () => {
    await withOrigin(echo, function* (_, origin) {
      yield* inSession({ baseUrl: "http://user:secret@api.example/" }, function* (session) {
        expect((yield* echoed(session.get(origin.url("/")))).headers["authorization"]).toBeUndefined();
      });
    });
  });

  test("of a session with a base URL stay with its origin", async () => {
    await withOrigin(echo, function* (_, origin) {
      yield* inSession({ baseUrl: "http://api.example/", auth: { bearer: "secret" } }, function* (session) {
        expect((yield* echoed(session.get(origin.url("/")))).headers["authorization"]).toBeUndefined();
      });
    });
  });
});

describe("a pending response", () => {
  test("is a context manager that releases the response", async () => {
    await withOrigin(
      (_, response) => response.write("the beginning"),
      function* (session) {
        const released = yield* within(session.get("/"), function* (response) {
          expect(response.status).toBe(200);
          expect(session.connections).toBe(1);
          return response;
        });
        expect(session.connections).toBe(0);
        expect(yield* thrownBy(released.text())).toEqual(withCode("RESPONSE_RELEASED", /inside its block/));
      },
    );
  });

  test("hands on what its block throws", async () => {
    await withOrigin(echo, function* (session) {
      const thrown = new RangeError("mine");
      const block = within(session.get("/"), function* () {
        throw thrown;
      });
      expect(yield* thrownBy(block)).toBe(thrown);
    });
  });

  test("throws what the request fails with before its block begins", async () => {
    await withOrigin(
      (_, response) => response.writeHead(404).end(),
      function* (session) {
        let entered = false;
        const block = within(session.get("/", { raiseForStatus: true }), function* () {
          entered = true;
        });
        expect(yield* thrownBy(block)).toMatchObject({ name: "ClientResponseError", status: 404 });
        expect(entered).toBe(false);
      },
    );
  });
});

function inSessionWithoutBase(body: (session: ClientSession) => Coroutine<void>): Promise<void> {
  return withOrigin(echo, () => inSession({ cookieJar: new CookieJar() }, body));
}
