import { describe, expect, it } from "vitest";
import { isHost, isTarget, requestUrl } from "./internals.js";

describe("The URL of a request", () => {
  const urls: [scheme: string, host: string, target: string, url: string][] = [
    ["http", "localhost", "/", "http://localhost/"],
    ["http", "LOCALHOST:80", "/x", "http://localhost/x"],
    ["https", "localhost:443", "/x", "https://localhost/x"],
    ["https", "localhost:80", "/x", "https://localhost:80/x"],
    ["http", "[::1]:8080", "/x?y=1", "http://[::1]:8080/x?y=1"],
    ["http", "127.0.0.1:8080", "//evil.example/x", "http://127.0.0.1:8080//evil.example/x"],
    ["http", "localhost", "/a/../b/./c", "http://localhost/b/c"],
    ["http", "localhost", "/a/%2e%2e/b", "http://localhost/b"],
    ["http", "localhost", "/a\\..\\b", "http://localhost/b"],
    ["http", "localhost", "/x#fragment", "http://localhost/x"],
    ["http", "localhost", "/\u00c3\u00bc", "http://localhost/%c3%bc"],
    ["http", "localhost", "*", "http://localhost/*"],
    ["http", "localhost", "http://other.example/x", "http://other.example/x"],
  ];
  for (const [scheme, host, target, url] of urls) {
    it(`is ${url} for ${target} at ${host}`, () => expect(requestUrl(scheme, host, target)).toBe(url));
  }
});

describe("The host of a request", () => {
  it.each(["localhost", "a.example:1", "127.0.0.1", "[::1]:80", "a_b.example", "a.example:"])("may be %s", (host) =>
    expect(isHost(host)).toBe(true),
  );
  it.each(["", "a b", "a/b", "user@a", "a?b", "a#b", "[::1", "a:65536", "a:b", "1.2.3.4.5", "a,b\\c"])(
    "is not %j",
    (host) => expect(isHost(host)).toBe(false),
  );
});

describe("The target of a request", () => {
  it.each(["/", "//x", "*", "http://a/", "HTTPS://a:1?x"])("may be %s", (target) =>
    expect(isTarget(target)).toBe(true),
  );
  it.each(["", "x", "ftp://a/", "http://", "http://user@a/", "http://a:x/"])("is not %j", (target) =>
    expect(isTarget(target)).toBe(false),
  );
});
