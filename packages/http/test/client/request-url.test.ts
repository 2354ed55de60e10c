import { describe, expect, test } from "vitest";
import type { QueryParams } from "../../src/client/request-url.js";
import { RequestUrls } from "./client-parts.js";

const resolve = (url: unknown, base?: string, params?: unknown): string =>
  new RequestUrls(base).resolve(url as string, params as QueryParams).href;

const thrown = (call: () => unknown): { code: string; message: string } => {
  try {
    call();
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error("it threw nothing");
};

describe("the URL of a request", () => {
  test("is what it is without a base, and a new one", () => {
    expect(resolve("http://example.com")).toBe("http://example.com/");
    expect(resolve("HTTPS://Example.com:443/a/../b?c=d")).toBe("https://example.com/b?c=d");
    const given = new URL("http://example.com/a");
    const resolved = new RequestUrls().resolve(given);
    resolved.pathname = "/b";
    expect(given.pathname).toBe("/a");
  });

  const bases = [
    "http://example.com",
    "http://example.com/",
    "http://example.com/?",
    "http://example.com?q=1",
    "https://example.com:8443/v1/",
    "https://example.com:8443/v1",
    "https://user:secret@example.com/v1/things?page=2#top",
    "http://[::1]:8080/a/b/../c/",
  ];
  const urls = [
    ...[
      "/",
      "/users",
      "/users?active",
      "users",
      "./users",
      "../users",
      "?page=3",
      "",
      "//other.example/x",
      "\\\\other",
    ],
    ...[
      "/\t/other.example",
      "/\n/other.example",
      "/\r/x",
      "/\\other",
      "/ a",
      "/a b ",
      "/%2e%2e/x",
      "/../x",
      "/ü?ü",
      "/a:b",
    ],
    ...["http://other.example/", "https:users", " /users", "/users//twice", "/@x", "/#top", "/x#top"],
  ];
  test.each(bases)("stands on %s as a link on its page", (base) => {
    for (const url of urls) {
      let expected: URL | undefined;
      try {
        expected = new URL(url, base);
      } catch {
        // no URL for Node either
      }
      if (expected === undefined) {
        expect(thrown(() => resolve(url, base)).code, url).toBe("ERR_CORIO_URL");
        continue;
      }
      expected.hash = "";
      expected.username = expected.password = "";
      expect(resolve(url, base), JSON.stringify(url)).toBe(expected.href);
      expect(resolve(expected, base)).toBe(expected.href);
    }
  });

  test("has not the credentials of the base, which are for a header", () => {
    const urls = new RequestUrls("https://user:pass@example.com/v1/");
    expect(urls.authorization).toBe(`Basic ${btoa("user:pass")}`);
    expect(urls.resolve("users").href).toBe("https://example.com/v1/users");
    expect(urls.resolve("/users").href).toBe("https://example.com/users");
    expect(new RequestUrls("https://example.com").authorization).toBeUndefined();
    expect(new RequestUrls().authorization).toBeUndefined();
  });

  test("has no fragment, which is not for servers", () => {
    expect(resolve("http://example.com/a#b")).toBe("http://example.com/a");
    expect(resolve("http://example.com/a#")).toBe("http://example.com/a");
    expect(resolve("/a?b=%23#c", "http://example.com")).toBe("http://example.com/a?b=%23");
  });

  test.each(["ftp://example.com/", "file:///etc/passwd", "data:text/plain,hello", "ws://example.com", "javascript:0"])(
    "is not %s",
    (url) => {
      const { protocol } = new URL(url);
      expect(thrown(() => resolve(url))).toMatchObject({
        code: "ERR_CORIO_URL",
        message: `url begins with http:// or https://, not with ${protocol}`,
      });
      expect(thrown(() => resolve(url, "http://example.com")).code).toBe("ERR_CORIO_URL");
      expect(thrown(() => new RequestUrls(url)).code).toBe("ERR_CORIO_BASE_URL");
    },
  );

  test("is refused with words that help", () => {
    expect(thrown(() => resolve("/users"))).toMatchObject({
      code: "ERR_CORIO_URL",
      message: 'url is not a URL: "/users"; a relative one needs a session with a `baseUrl`',
    });
    expect(thrown(() => resolve("http://", "http://example.com")).message).toBe('url is not a URL: "http://"');
    expect(thrown(() => new RequestUrls("/v1")).message).toBe('baseUrl is not a URL: "/v1"');
    expect(thrown(() => resolve(5))).toMatchObject({
      code: "ERR_CORIO_URL",
      message: expect.stringMatching(/not number/),
    });
    expect(thrown(() => resolve(null)).message).toMatch(/not null/);
    expect(thrown(() => resolve(undefined, "http://example.com"))).toBeInstanceOf(TypeError);
    expect(thrown(() => resolve(`http://${"x".repeat(9_999)} /`)).message.length).toBeLessThan(400);
  });

  test("shows no password in an error", () => {
    for (const url of ["http://user:secret@exa mple.com/", "http://user:secret@[::1", "//user:secret@host:99999/"]) {
      const error = thrown(() => resolve(url));
      expect(JSON.stringify({ ...error, message: error.message })).not.toContain("secret");
      expect(error).not.toHaveProperty("cause");
    }
  });
});

describe("params", () => {
  const withParams = (params: unknown, url = "http://example.com/"): string =>
    resolve(url, undefined, params).slice(19);

  test("are appended to the query", () => {
    expect(withParams({ a: 1, b: "x y&z", c: true, d: ["p", 2, false], e: 5n, f: undefined })).toBe(
      "?a=1&b=x+y%26z&c=true&d=p&d=2&d=false&e=5",
    );
    expect(
      withParams(
        new URLSearchParams([
          ["a", "1"],
          ["a", "2"],
        ]),
      ),
    ).toBe("?a=1&a=2");
    expect(withParams({ "é=": "ü\n" })).toBe("?%C3%A9%3D=%C3%BC%0A");
    expect(withParams({})).toBe("");
    expect(withParams({ a: undefined, b: [] })).toBe("");
  });

  test("leave the query that is there as it is written", () => {
    expect(withParams({ b: 1 }, "http://example.com/?sig=a%20b~%2F+c")).toBe("?sig=a%20b~%2F+c&b=1");
    expect(withParams({ b: 1 }, "http://example.com/?")).toBe("?b=1");
    expect(withParams({ b: 1 }, "http://example.com/?a&")).toBe("?a&b=1");
    expect(withParams({ b: 1 }, "http://example.com/?a#top")).toBe("?a&b=1");
    expect(resolve("/x?a=1", "http://example.com/v1/", { b: 2 })).toBe("http://example.com/x?a=1&b=2");
  });

  test.each([
    ["a null", { a: null }, /a is null: leave it out|and a is null/],
    ["NaN", { a: Number.NaN }, /a is NaN/],
    ["an infinite number", { a: [1, Number.NEGATIVE_INFINITY] }, /a is -Infinity/],
    ["an object", { a: {} }, /a is object/],
    ["an array of arrays", { a: [["b"]] }, /a is object/],
    ["an undefined in an array", { a: [undefined] }, /a is undefined/],
    ["a symbol", { a: Symbol("b") }, /a is symbol/],
    ["an array", [["a", 1]], /not an array/],
    ["a text", "a=1", /not string/],
    ["nothing", null, /not object|not null/],
    ["a map", new Map([["a", 1]]), /not object/],
  ])("are refused for %s", (_what, params, message) => {
    expect(thrown(() => withParams(params))).toMatchObject({
      code: "ERR_CORIO_PARAMS",
      message: expect.stringMatching(message),
    });
  });
});
