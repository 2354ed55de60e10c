import { within } from "corio";
import { CookieJar } from "tough-cookie";
import { describe, expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { type Answer, Origin } from "./origin-server.js";
import { inSession, withOrigin } from "./session-setting.js";

const certificates = useCertificates();

/** `?set=…` sets cookies, `?to=…` leads there; what is answered is the cookies that came. */
const cookies: Answer = ({ url, headers }, response) => {
  const { searchParams } = new URL(url, "http://localhost/");
  const location = searchParams.get("to");
  const set = searchParams.getAll("set");
  if (set.length > 0) response.setHeader("set-cookie", set);
  if (location !== null) response.writeHead(302, { location });
  response.end(headers.cookie ?? "none");
};

const setting = (...set: string[]): { params: { set: string[] } } => ({ params: { set } });

describe("the cookies of a session", () => {
  test("are kept, and sent along from then on", async () => {
    await withOrigin(cookies, function* (session, origin) {
      expect(yield* (yield* session.get("/", setting("a=1", "b=2; HttpOnly"))).text()).toBe("none");
      expect(yield* (yield* session.post("/x")).text()).toBe("a=1; b=2");
      yield* session.get("/", setting("a=3", "b=; Max-Age=0"));
      expect(yield* (yield* session.get("/")).text()).toBe("a=3");
      expect(session.cookieJar?.getCookieStringSync(origin.origin)).toBe("a=3");
    });
  });

  test("belong to one session", async () => {
    await withOrigin(cookies, function* (session, origin) {
      yield* session.get("/", setting("a=1"));
      yield* inSession({ baseUrl: origin.origin }, function* (other) {
        expect(yield* (yield* other.get("/")).text()).toBe("none");
      });
    });
  });

  test("can be put into its jar, whenever", async () => {
    await withOrigin(cookies, function* (session, origin) {
      yield* session.get("/");
      session.cookieJar?.setCookieSync("a=1", origin.origin);
      expect(yield* (yield* session.get("/")).text()).toBe("a=1");
      const jar = new CookieJar();
      yield* inSession({ baseUrl: origin.origin, cookieJar: jar }, function* (own) {
        expect(own.cookieJar).toBe(jar);
        expect(yield* (yield* own.get("/")).text()).toBe("none");
        jar.setCookieSync("b=2", origin.origin);
        expect(yield* (yield* own.get("/")).text()).toBe("b=2");
      });
    });
  });

  test("are sent only where their path allows", async () => {
    await withOrigin(cookies, function* (session) {
      yield* session.get("/a/b", setting("path=1; Path=/a", "default=1", "root=1; Path=/"));
      expect(yield* (yield* session.get("/a/c")).text()).toBe("path=1; default=1; root=1");
      expect(yield* (yield* session.get("/a")).text()).toBe("path=1; default=1; root=1");
      expect(yield* (yield* session.get("/ab")).text()).toBe("root=1");
    });
  });

  test("are sent only where their domain allows", async () => {
    // all names lead to the proxy
    await withOrigin(cookies, function* (_, origin) {
      yield* inSession({ proxy: origin.origin }, function* (session) {
        const at = (host: string) => session.get(`http://${host}/`);
        const own = setting(
          "host=1",
          "domain=1; Domain=example.com",
          "foreign=1; Domain=other.com",
          "top=1; Domain=com",
        );
        yield* session.get("http://www.example.com/", own);
        expect(yield* (yield* at("www.example.com")).text()).toBe("host=1; domain=1");
        expect(yield* (yield* at("www.example.com:8080")).text()).toBe("host=1; domain=1");
        expect(yield* (yield* at("api.example.com")).text()).toBe("domain=1");
        expect(yield* (yield* at("notexample.com")).text()).toBe("none");
        expect(yield* (yield* at("other.com")).text()).toBe("none");
        expect(session.cookieJar?.getCookieStringSync("https://api.example.com/")).toBe("domain=1");
      });
    });
  });

  test("that are secure go over TLS only", async () => {
    await withOrigin(cookies, function* (_, origin) {
      yield* inSession({ proxy: origin.origin }, function* (session) {
        yield* session.get("http://example.com/", setting("insecure=1; Secure"));
        session.cookieJar?.setCookieSync("secure=1; Secure", "https://example.com/");
        expect(yield* (yield* session.get("http://example.com/")).text()).toBe("none");
      });
    });
    await withOrigin(
      cookies,
      function* (session) {
        yield* session.get("/", setting("secure=1; Secure"));
        expect(yield* (yield* session.get("/")).text()).toBe("secure=1");
      },
      { server: { tls: certificates.server }, session: { tls: { ca: certificates.ca } } },
    );
  });

  test("expire", async () => {
    await withOrigin(cookies, function* (session) {
      const past = new Date(0).toUTCString();
      const future = new Date(Date.now() + 60_000).toUTCString();
      yield* session.get("/", setting(`past=1; Expires=${past}`, `future=1; Expires=${future}`, "old=1; Max-Age=-1"));
      expect(yield* (yield* session.get("/")).text()).toBe("future=1");
    });
  });

  test("that cannot be understood are left out, without harm", async () => {
    await withOrigin(cookies, function* (session) {
      const response = yield* session.get("/", setting("", ";;;", "=", "a=1; Domain=..", "ok=1"));
      expect(response.status).toBe(200);
      expect(yield* (yield* session.get("/")).text()).toMatch(/ok=1$/);
    });
  });

  test("are joined to those of the request", async () => {
    await withOrigin(cookies, function* (session) {
      yield* session.get("/", setting("a=1"));
      expect(yield* (yield* session.get("/", { headers: { cookie: "b=2" } })).text()).toBe("b=2; a=1");
      expect(yield* (yield* session.get("/", { headers: { Cookie: "a=3" } })).text()).toMatch(/^a=3(;|$)/);
    });
  });

  test("are none with `null` as the jar", async () => {
    await withOrigin(
      cookies,
      function* (session) {
        expect(session.cookieJar).toBeNull();
        yield* session.get("/", setting("a=1"));
        expect(yield* (yield* session.get("/")).text()).toBe("none");
        expect(yield* (yield* session.get("/", { headers: { cookie: "b=2" } })).text()).toBe("b=2");
      },
      { session: { cookieJar: null } },
    );
  });

  test("are kept although the status is an error", async () => {
    await withOrigin(
      ({ headers }, response) => {
        response.writeHead(403, { "set-cookie": "a=1" }).end(headers.cookie ?? "none");
      },
      function* (session) {
        yield* session.get("/");
        expect(yield* (yield* session.get("/")).text()).toBe("a=1");
      },
    );
  });
});

describe("cookies and redirects", () => {
  test("are set on the way, and sent from the next hop on", async () => {
    await withOrigin(cookies, function* (session) {
      const params = { to: "/there?set=b%3D2&to=/end", set: "a=1" };
      expect(yield* (yield* session.get("/", { params })).text()).toBe("a=1; b=2");
      expect((yield* session.get("/", { params, redirects: "manual" })).headers.getSetCookie()).toEqual(["a=1"]);
    });
  });

  test("are those of each hop's own origin", async () => {
    await withOrigin(cookies, function* (session, origin) {
      yield* within(new Origin(cookies), function* (other) {
        const there = `http://localhost:${other.port}`;
        yield* session.get("/", setting("here=1"));
        yield* session.get(`${there}/`, setting("there=1"));
        expect(yield* (yield* session.get("/", { params: { to: `${there}/` } })).text()).toBe("there=1");
        const back = session.get(`${there}/`, { params: { to: origin.url("/") }, headers: { cookie: "own=1" } });
        expect(yield* (yield* back).text()).toBe("here=1");
        expect(other.requests.at(-1)?.headers.cookie).toBe("own=1; there=1");
      });
    });
  });

  test("of a request go along on its own origin", async () => {
    await withOrigin(cookies, function* (session) {
      const response = yield* session.get("/", { params: { to: "/x", set: "a=1" }, headers: { cookie: "own=1" } });
      expect(yield* response.text()).toBe("own=1; a=1");
    });
  });
});
