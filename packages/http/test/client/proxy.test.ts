import { type Coroutine, gather, within } from "corio";
import { describe, expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { thrownBy } from "../../../node/test/support/thrown-by.js";
import {
  ClientConnectionError,
  type ClientSession,
  type PendingResponse,
  type SessionOptions,
} from "../../src/index.js";
import { faults } from "../support/faults.js";
import { type Answer, Origin, type OriginOptions } from "./origin-server.js";
import { ProxyServer, type ProxyServerOptions } from "./proxy-server.js";
import { inSession, withOrigin, withRawServer } from "./session-setting.js";

const certificates = useCertificates();

const credentials = `Basic ${Buffer.from("user:secret").toString("base64")}`;

const echo: Answer = ({ method, url, headers, body }, response) => {
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

interface Setting {
  readonly proxy?: ProxyServerOptions;
  readonly server?: OriginOptions;
  readonly session?: (proxy: ProxyServer, origin: Origin) => SessionOptions;
}

/** Runs a coroutine with a session whose requests to the origin go through the proxy. */
function throughProxy(
  body: (session: ClientSession, proxy: ProxyServer, origin: Origin) => Coroutine<void>,
  { proxy: options, server, session }: Setting = {},
): Promise<void> {
  return withOrigin(
    echo,
    (_, origin) =>
      within(new ProxyServer(options), (proxy) =>
        inSession({ baseUrl: origin.origin, proxy: proxy.url, ...session?.(proxy, origin) }, (opened) =>
          body(opened, proxy, origin),
        ),
      ),
    { server },
  );
}

const withTls = (): Setting => ({
  server: { tls: certificates.server },
  session: () => ({ tls: { ca: certificates.ca } }),
});

describe("a proxy", () => {
  test("is asked for whole URLs, and knows nothing else of requests over plain HTTP", async () => {
    await throughProxy(function* (session, proxy, origin) {
      const got = yield* echoed(session.post("/a?b=1#c", { body: "body" }));
      expect(got).toMatchObject({ method: "POST", url: "/a?b=1", body: "body" });
      expect(got.headers["host"]).toBe(`127.0.0.1:${origin.port}`);
      expect(proxy.asked.map(({ line }) => line)).toEqual([`POST ${origin.url("/a?b=1")}`]);
      expect(proxy.asked[0]?.headers["host"]).toBe(`127.0.0.1:${origin.port}`);
      expect((yield* echoed(session.get("/", { headers: { host: "other.example" } }))).headers["host"]).toBe(
        "other.example",
      );
    });
  });

  test("makes a tunnel for TLS, in which it sees nothing", async () => {
    await throughProxy(function* (session, proxy, origin) {
      const got = yield* echoed(session.get("/secret", { headers: { "x-a": "1" } }));
      expect(got).toMatchObject({ method: "GET", url: "/secret", headers: { "x-a": "1" } });
      yield* echoed(session.get("/secret"));
      expect(proxy.asked.map(({ line }) => line)).toEqual([`CONNECT localhost:${origin.port}`]);
      expect(proxy.asked[0]?.headers["x-a"]).toBeUndefined();
      expect(proxy.asked[0]?.headers["user-agent"]).toBeUndefined();
    }, withTls());
  });

  test("makes a tunnel for HTTP/2", async () => {
    await throughProxy(
      function* (session, proxy) {
        const all = yield* gather(Array.from({ length: 5 }, (_, i) => echoed(session.get(`/${i}`))));
        expect(all.map(({ url }) => url)).toEqual(["/0", "/1", "/2", "/3", "/4"]);
        expect(proxy.asked).toHaveLength(1);
      },
      {
        server: { tls: certificates.server, http2: true },
        session: () => ({ tls: { ca: certificates.ca }, http2: true }),
      },
    );
  });

  test.each([
    ["plain HTTP", (): Setting => ({})],
    ["a tunnel", withTls],
  ])("gets its credentials, and the origin does not: %s", async (_what, setting) => {
    const more = setting();
    await throughProxy(
      function* (session, proxy) {
        const got = yield* echoed(session.get("/"));
        expect(got.headers["proxy-authorization"]).toBeUndefined();
        expect(got.headers["x-proxy"]).toBeUndefined();
        expect(got.headers["authorization"]).toBe("Bearer of the origin");
        expect(proxy.asked[0]?.headers).toMatchObject({ "proxy-authorization": credentials });
      },
      {
        ...more,
        proxy: { authorization: credentials },
        session: (proxy, origin) => ({
          ...more.session?.(proxy, origin),
          proxy: proxy.url.replace("//", "//user:secret@"),
          headers: { authorization: "Bearer of the origin" },
        }),
      },
    );
  });

  test("gets headers of its own in a tunnel", async () => {
    const more = withTls();
    await throughProxy(
      function* (session, proxy) {
        expect((yield* echoed(session.get("/"))).headers["x-proxy"]).toBeUndefined();
        expect(proxy.asked[0]?.headers["x-proxy"]).toBe("1");
      },
      {
        ...more,
        session: (proxy, origin) => ({
          ...more.session?.(proxy, origin),
          proxy: { url: proxy.url, headers: { "X-Proxy": "1" } },
        }),
      },
    );
  });

  test("may be reached by TLS", async () => {
    for (const more of [{}, withTls()] as Setting[]) {
      await throughProxy(
        function* (session, proxy) {
          expect((yield* echoed(session.get("/x"))).url).toBe("/x");
          expect(proxy.asked).toHaveLength(1);
        },
        {
          ...more,
          proxy: { tls: certificates.server },
          session: (proxy) => ({
            tls: { ca: certificates.ca },
            proxy: { url: proxy.url, tls: { ca: certificates.ca } },
          }),
        },
      );
    }
  });

  test("that wants credentials is told of, as an answer or as an error", async () => {
    await throughProxy(
      function* (session) {
        expect((yield* session.get("/")).status).toBe(407);
      },
      { proxy: { authorization: credentials } },
    );
    await throughProxy(
      function* (session, proxy, origin) {
        const error = yield* thrownBy(session.get("/"));
        expect(error).toBeInstanceOf(ClientConnectionError);
        expect((error as Error).message).toContain(`refused a tunnel to localhost:${origin.port} with 407`);
        expect((error as Error).message).toContain(proxy.url);
        expect(session.connections).toBe(0);
      },
      { ...withTls(), proxy: { authorization: credentials } },
    );
  });

  test("that cannot be reached is told of, without its password", async () => {
    await withOrigin(echo, (_, origin) =>
      inSession({ baseUrl: origin.origin, proxy: "http://user:secret@127.0.0.1:1" }, function* (session) {
        for (const url of ["/", "https://localhost/"]) {
          const error = yield* thrownBy(session.get(url));
          expect(error).toBeInstanceOf(ClientConnectionError);
          expect((error as Error).message).toMatch(/no connection to the proxy http:\/\/127\.0\.0\.1:1/);
          expect(JSON.stringify([error, String((error as Error).cause)])).not.toContain("secret");
        }
        expect(session.connections).toBe(0);
      }),
    );
  });

  test("that is silent is subject to the time limits", async () => {
    await withRawServer(faults.neverAnswers, (_, server) =>
      inSession({ proxy: server.origin }, function* (session) {
        const tunnel = session.get("https://localhost/", { timeout: { connect: 20 } });
        expect(yield* thrownBy(tunnel)).toMatchObject({ name: "ConnectTimeoutError" });
        const plain = session.get("http://localhost/", { timeout: { headers: 20 } });
        expect(yield* thrownBy(plain)).toMatchObject({ name: "HeadersTimeoutError" });
        expect(session.connections).toBe(0);
      }),
    );
  });

  test("follows redirects from one origin to another, and its connections serve them all", async () => {
    await throughProxy(function* (session, proxy, origin) {
      const away: Answer = (_, response) => response.writeHead(302, { location: origin.url("/there") }).end();
      yield* within(new Origin(away), function* (other) {
        const response = yield* session.get(other.url("/"), { headers: { "proxy-authorization": "own" } });
        expect((yield* response.json<Echo>()).url).toBe("/there");
        expect(proxy.asked.map(({ headers }) => headers["proxy-authorization"])).toEqual(["own", undefined]);
        expect(session.connections).toBe(1);
      });
    });
  });
});
