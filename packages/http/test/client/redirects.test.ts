import { asyncGenerator, type Coroutine, gather, within } from "corio";
import { describe, expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { thrownBy } from "../../../node/test/support/thrown-by.js";
import { RedirectError, type PendingResponse } from "../../src/index.js";
import { answer, answering } from "../support/faults.js";
import { nextRequest } from "../support/raw-server.js";
import { type Answer, Origin } from "./origin-server.js";
import { withOrigin, withRawServer } from "./session-setting.js";

const certificates = useCertificates();

interface Echo {
  method: string;
  url: string;
  headers: Record<string, string | undefined>;
  body: string;
}

/** `/301/path` leads to `/path`, and other paths are answered with what was asked. */
const redirecting: Answer = ({ method, url, headers, body }, response) => {
  const [, status, location] = /^\/(30\d)(\/.*)$/.exec(url) ?? [];
  if (status !== undefined) response.writeHead(Number(status), { location }).end("moved");
  else response.end(JSON.stringify({ method, url, headers, body }));
};

function* echoed(pending: PendingResponse): Coroutine<Echo> {
  return yield* (yield* pending).json<Echo>();
}

describe("a redirect", () => {
  test.each([
    [301, "GET", "GET"],
    [301, "POST", "GET"],
    [301, "PUT", "PUT"],
    [302, "GET", "GET"],
    [302, "POST", "GET"],
    [302, "DELETE", "DELETE"],
    [303, "GET", "GET"],
    [303, "POST", "GET"],
    [303, "PUT", "GET"],
    [303, "DELETE", "GET"],
    [307, "GET", "GET"],
    [307, "POST", "POST"],
    [308, "PUT", "PUT"],
    [308, "PATCH", "PATCH"],
  ])("with %i makes of %s a %s", async (status, method, then) => {
    await withOrigin(redirecting, function* (session, origin) {
      const hasBody = method !== "GET";
      const options = hasBody ? { json: { a: 1 }, headers: { "content-language": "en", "x-a": "1" } } : {};
      const response = yield* session.request(method, `/${status}/there`, options);
      expect(response.method).toBe(then);
      expect(response.url).toBe(origin.url("/there"));
      expect(response.redirects).toEqual([{ status, url: origin.url(`/${status}/there`) }]);
      const got = yield* response.json<Echo>();
      const keeps = method === then && hasBody;
      expect(got).toMatchObject({ method: then, url: "/there", body: keeps ? '{"a":1}' : "" });
      expect(got.headers["content-type"]).toBe(keeps ? "application/json" : undefined);
      expect(got.headers["content-language"]).toBe(keeps ? "en" : undefined);
      expect(got.headers["content-length"]).toBe(keeps ? "7" : undefined);
      expect(got.headers["x-a"]).toBe(hasBody ? "1" : undefined);
    });
  });

  test("of HEAD is the answer, unless it is to be followed", async () => {
    await withOrigin(redirecting, function* (session) {
      const response = yield* session.head("/301/there");
      expect([response.status, response.headers.get("location")]).toEqual([301, "/there"]);
      expect(yield* session.head("/303/there", { redirects: 5 })).toMatchObject({ status: 200, method: "HEAD" });
      expect(yield* session.request("HEAD", "/307/there")).toMatchObject({ status: 200, method: "HEAD" });
    });
  });

  test.each([300, 304, 305, 306])("is not what %i says", async (status) => {
    await withOrigin(
      (_, response) => response.writeHead(status, { location: "/x" }).end(),
      function* (session) {
        expect((yield* session.get("/")).status).toBe(status);
      },
    );
  });

  test("without a location is the answer", async () => {
    await withOrigin(
      (_, response) => response.writeHead(302).end("where?"),
      function* (session) {
        expect(yield* (yield* session.get("/")).text()).toBe("where?");
      },
    );
  });

  test.each([
    ["/there", "/there"],
    ["there?a=1", "/a/there?a=1"],
    ["../there", "/there"],
    ["?b=2", "/a/b?b=2"],
    ["", "/a/b"],
    ["/a b", "/a%20b"],
    ["/there#part", "/there"],
  ])("to %j stands on where it was", async (location, path) => {
    let times = 0;
    await withOrigin(
      ({ url }, response) => {
        if (times++ === 0) response.writeHead(302, { location }).end();
        else response.end(url);
      },
      function* (session) {
        expect(yield* (yield* session.get("/a/b")).text()).toBe(path);
      },
    );
  });

  test("to a location in UTF-8 leads there", async () => {
    await withRawServer(
      async (connection) => {
        await nextRequest(connection);
        await connection.send(Buffer.from("HTTP/1.1 302 Found\r\nlocation: /é\r\ncontent-length: 0\r\n\r\n"));
        const [line] = (await nextRequest(connection)).split("\r\n");
        await connection.send(answer(line as string));
      },
      function* (session) {
        expect(yield* (yield* session.get("/")).text()).toBe("GET /%C3%A9 HTTP/1.1");
      },
    );
  });

  test("may go on, and all of them are told", async () => {
    await withOrigin(redirecting, function* (session, origin) {
      const response = yield* session.get("/301/302/303/307/308/there");
      expect(response.redirects.map(({ status }) => status)).toEqual([301, 302, 303, 307, 308]);
      expect(response.redirects[1]?.url).toBe(origin.url("/302/303/307/308/there"));
      expect(response.url).toBe(origin.url("/there"));
      expect(origin.connections).toBe(1);
    });
  });

  test("is followed 10 times, or as often as is said", async () => {
    await withOrigin(
      ({ url }, response) => response.writeHead(302, { location: `${url}x` }).end(),
      function* (session, origin) {
        const error = yield* thrownBy(session.get("/"));
        expect(error).toBeInstanceOf(RedirectError);
        expect(error).toMatchObject({
          code: "ERR_CORIO_REDIRECT",
          message: expect.stringMatching(/^redirected more than 10 times/),
          url: origin.url(`/${"x".repeat(10)}`),
        });
        expect(origin.requests).toHaveLength(11);
        expect(yield* thrownBy(session.get("/", { redirects: 0 }))).toBeInstanceOf(RedirectError);
        expect(origin.requests).toHaveLength(12);
      },
    );
    await withOrigin(
      redirecting,
      function* (session) {
        expect((yield* session.get("/301/302/x")).status).toBe(200);
        expect(yield* thrownBy(session.get("/301/301/301/x"))).toBeInstanceOf(RedirectError);
        expect((yield* session.get("/301/301/301/x", { redirects: 3 })).status).toBe(200);
      },
      { session: { redirects: 2 } },
    );
  });

  test("is the answer with `manual`, and an error with `error`", async () => {
    await withOrigin(redirecting, function* (session, origin) {
      const response = yield* session.get("/302/there", { redirects: "manual" });
      expect([response.status, yield* response.text()]).toEqual([302, "moved"]);
      const error = yield* thrownBy(session.get("/302/there", { redirects: "error" }));
      expect(error).toBeInstanceOf(RedirectError);
      expect((error as Error).message).toMatch(/redirects is "error"/);
      expect((yield* session.get("/there", { redirects: "error" })).status).toBe(200);
      expect(origin.log).toEqual(["GET /302/there", "GET /302/there", "GET /there"]);
    });
  });

  test.each([
    ["ftp://example.com/", /not for HTTP|ftp:/],
    ["file:///etc/passwd", /file:/],
    ["javascript:alert(1)", /javascript:/],
    ["data:text/plain,x", /data:/],
    ["http://", /no URL/],
    ["http://[::1", /no URL/],
    ["//exa mple/", /no URL/],
  ])("to %j is not followed", async (location, message) => {
    await withOrigin(
      (_, response) => response.writeHead(302, { location }).end(),
      function* (session) {
        const error = yield* thrownBy(session.get("/"));
        expect(error).toBeInstanceOf(RedirectError);
        expect((error as Error).message).toMatch(message);
      },
    );
  });

  test("sends a body that is there again, and refuses to with one that came over time", async () => {
    const body = asyncGenerator(function* () {
      yield "some";
    });
    await withOrigin(redirecting, function* (session, origin) {
      expect((yield* echoed(session.post("/307/x", { body: new Blob(["again"]) }))).body).toBe("again");
      const error = yield* thrownBy(session.post("/308/x", { body: body() }));
      expect(error).toBeInstanceOf(RedirectError);
      expect((error as Error).message).toMatch(/cannot be sent again/);
      expect(origin.log.at(-1)).toBe("POST /308/x");
      expect((yield* echoed(session.post("/303/x", { body: body() }))).method).toBe("GET");
    });
  });

  test("whose body does not end is not waited for", async () => {
    await withOrigin(
      ({ url }, response) => {
        if (url === "/there") return response.end("there");
        response.writeHead(302, { location: "/there" });
        return response.write("a body that does not end");
      },
      function* (session, origin) {
        expect(yield* (yield* session.get("/")).text()).toBe("there");
        expect(session.connections).toBe(1);
        expect(origin.connections).toBe(2);
      },
      { session: { limit: 1 } },
    );
  });

  test("in a session that was limited to one connection does not wait for itself", async () => {
    await withOrigin(
      redirecting,
      function* (session) {
        const all = yield* gather(Array.from({ length: 20 }, (_, i) => echoed(session.get(`/301/302/${i}`))));
        expect(all.map(({ url }) => url)).toEqual(Array.from({ length: 20 }, (_, i) => `/${i}`));
      },
      { session: { limit: 1 } },
    );
  });
});

describe("a redirect to another origin", () => {
  const secrets = {
    authorization: "Basic c2VjcmV0",
    cookie: "a=secret",
    "proxy-authorization": "Basic c2VjcmV0",
    host: "virtual.example",
    "x-a": "kept",
  };

  function toOther(location: (other: Origin) => string, check: (got: Echo) => void, tls = false): Promise<void> {
    let other: Origin | undefined;
    const sending: Answer = (_, response) => response.writeHead(307, { location: location(other as Origin) }).end();
    return withOrigin(
      sending,
      function* (session) {
        yield* within(new Origin(redirecting), function* (second) {
          other = second;
          check(yield* echoed(session.get("/", { headers: secrets })));
        });
      },
      tls ? { server: { tls: certificates.server }, session: { tls: { ca: certificates.ca } } } : {},
    );
  }

  const expectNone = ({ headers }: Echo): void => {
    expect(headers).toMatchObject({ "x-a": "kept", host: expect.stringMatching(/^(127\.0\.0\.1|localhost):/) });
    for (const name of ["authorization", "cookie", "proxy-authorization"]) expect(headers[name]).toBeUndefined();
  };

  test("takes none of its secrets along: another port", async () => {
    await toOther((other) => other.url("/"), expectNone);
  });

  test("takes none of its secrets along: another name of the same server", async () => {
    await toOther((other) => `http://localhost:${other.port}/`, expectNone);
  });

  test("takes none of its secrets along: from https to http", async () => {
    await toOther((other) => other.url("/"), expectNone, true);
  });

  test("takes no credentials from its location", async () => {
    await toOther((other) => other.url("/").replace("//", "//user:secret@"), expectNone);
  });

  test("and back has them no more", async () => {
    let first: Origin | undefined;
    await withOrigin(redirecting, function* (session, origin) {
      first = origin;
      const back: Answer = (_, response) => response.writeHead(302, { location: first?.url("/end") }).end();
      yield* within(new Origin(back), function* (other) {
        const there: Answer = (_, response) => response.writeHead(302, { location: other.url("/") }).end();
        yield* within(new Origin(there), function* (start) {
          expectNone(yield* echoed(session.get(start.url("/"), { headers: secrets })));
        });
      });
    });
  });

  test("keeps them on its own origin", async () => {
    await withOrigin(redirecting, function* (session) {
      expect((yield* echoed(session.get("/302/x", { headers: secrets }))).headers).toMatchObject(secrets);
    });
  });

  test("takes none of the session's credentials along", async () => {
    await withOrigin(
      redirecting,
      function* (session, origin) {
        const away: Answer = (_, response) => response.writeHead(302, { location: origin.url("/x") }).end();
        yield* within(new Origin(away), function* (other) {
          const headers = { authorization: "mine" };
          expectWithout(yield* echoed(session.get(other.url("/"), { headers })));
          expectWithout(yield* echoed(session.get(other.url("/").replace("//", "//user:secret@"))));
        });
      },
      { session: { auth: { bearer: "secret" } } },
    );
    function expectWithout({ headers }: Echo): void {
      expect(headers["authorization"]).toBeUndefined();
    }
  });

  test("keeps a body under 307, and the method", async () => {
    let other: Origin | undefined;
    await withOrigin(
      (_, response) => response.writeHead(307, { location: other?.url("/x") }).end(),
      function* (session) {
        yield* within(new Origin(redirecting), function* (second) {
          other = second;
          expect(yield* echoed(session.post("/", { body: "again" }))).toMatchObject({ method: "POST", body: "again" });
        });
      },
    );
  });
});

test("several locations are no redirect that could lead anywhere else", async () => {
  await withRawServer(
    answering("HTTP/1.1 302 Found\r\nlocation: /a\r\nlocation: http://evil.example/\r\ncontent-length: 0\r\n\r\n"),
    function* (session, server) {
      const error = yield* thrownBy(session.get("/", { redirects: 1 }));
      expect(error).toBeInstanceOf(RedirectError);
      expect((error as RedirectError).url.startsWith(server.origin)).toBe(true);
    },
  );
});
