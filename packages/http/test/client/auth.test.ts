import { describe, expect, test } from "vitest";
import type { Auth } from "../../src/client/auth.js";
import { authorizationOf, takeCredentials } from "./client-parts.js";

describe("basic auth", () => {
  test("is the base64 of name and password", () => {
    // RFC 7617, 2
    expect(authorizationOf({ username: "Aladdin", password: "open sesame" })).toBe(
      "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    );
    expect(authorizationOf({ username: "", password: "" })).toBe("Basic Og==");
    expect(authorizationOf({ username: "a", password: ":b:" })).toBe(`Basic ${btoa("a::b:")}`);
  });

  test("is in UTF-8", () => {
    // RFC 7617, 2.1
    expect(authorizationOf({ username: "test", password: "123£" })).toBe("Basic dGVzdDoxMjPCow==");
  });

  test.each([
    ["a name with a colon", { username: "a:b", password: "secret" }, /no ":"/],
    ["a line break", { username: "a", password: "secret\r\nx: y" }, /control characters/],
    ["a NUL", { username: "\0", password: "secret" }, /control characters/],
    ["a DEL", { username: "\x7f", password: "secret" }, /control characters/],
    ["no password", { username: "secret" }, /\{ username, password \}/],
    ["no name", { password: "secret" }, /\{ username, password \}/],
    ["a number", { username: "secret", password: 5 }, /all of them strings/],
    ["both kinds", { username: "a", password: "secret", bearer: "secret" }, /or \{ bearer \}/],
    ["nothing", {}, /auth takes/],
    ["null", null, /auth takes/],
    ["a text", "user:secret", /auth takes/],
  ])("is refused for %s, which the error does not show", (_what, auth, message) => {
    expect(() => authorizationOf(auth as unknown as Auth)).toThrow(
      expect.objectContaining({ name: "TypeError", code: "ERR_CORIO_AUTH", message: expect.stringMatching(message) }),
    );
    expect(() => authorizationOf(auth as unknown as Auth)).not.toThrow(/secret/);
  });
});

describe("a bearer token", () => {
  test("is sent as it is", () => {
    expect(authorizationOf({ bearer: "eyJ.eyJ.x-_~+/==" })).toBe("Bearer eyJ.eyJ.x-_~+/==");
    expect(authorizationOf({ bearer: "a:b|c" })).toBe("Bearer a:b|c");
  });

  test.each(["", "a b", "a\r\nx: y", "é", "a\t", "\0"])("is refused if it is %j", (bearer) => {
    expect(() => authorizationOf({ bearer })).toThrow(expect.objectContaining({ code: "ERR_CORIO_AUTH" }));
  });
});

describe("credentials in a URL", () => {
  const take = (text: string): [string | undefined, string] => {
    const url = new URL(text);
    return [takeCredentials(url), url.href];
  };

  test("are taken out of it", () => {
    const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;
    expect(take("http://user:pass@example.com/x?y")).toEqual([basic("user:pass"), "http://example.com/x?y"]);
    expect(take("http://user@example.com/")).toEqual([basic("user:"), "http://example.com/"]);
    expect(take("http://:pass@example.com/")).toEqual([basic(":pass"), "http://example.com/"]);
    expect(take("http://u%40x:p%2Fw%C3%A9%3A@example.com/")).toEqual([basic("u@x:p/wé:"), "http://example.com/"]);
    expect(take("http://100%:50%zz@example.com/")).toEqual([basic("100%:50%zz"), "http://example.com/"]);
  });

  test("are none where there are none", () => {
    expect(take("http://example.com/")).toEqual([undefined, "http://example.com/"]);
    expect(take("http://@example.com/")).toEqual([undefined, "http://example.com/"]);
  });

  test("are gone from it even if they are refused", () => {
    const url = new URL("http://a%3Ab:secret@example.com/");
    expect(() => takeCredentials(url)).toThrow(/no ":"/);
    expect(url.href).toBe("http://example.com/");
  });
});
