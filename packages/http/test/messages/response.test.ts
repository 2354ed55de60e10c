import { inspect } from "node:util";
import { asyncGenerator, attempt, type Coroutine, run, sleep, until } from "corio";
import { describe, expect, it } from "vitest";
import { Response, type ResponseBody, type ResponseInit } from "../../src/messages/response.js";
import { overrideGlobals } from "./internals.js";

const Platform = globalThis.Response;

describe("A response", () => {
  it("is one for the platform, and the platform's for this class", () => {
    expect(new Response()).toBeInstanceOf(Platform);
    expect(new Platform()).toBeInstanceOf(Response);
    expect({}).not.toBeInstanceOf(Response);
  });

  // each as the platform has it
  const parts: [title: string, body: ResponseBody | null | undefined, init: ResponseInit | undefined][] = [
    ["nothing", undefined, undefined],
    ["a text", "text", undefined],
    ["a text with a type", "text", { headers: { "Content-Type": "text/html" } }],
    ["a status and its text", null, { status: 404, statusText: "Not here" }],
    ["headers by name", null, { headers: { "X-A": " 1 ", "x-b": "2" } }],
    [
      "headers in pairs, twice the same",
      null,
      {
        headers: [
          ["X-A", "1"],
          ["x-a", "2"],
          ["Set-Cookie", "a"],
          ["set-cookie", "b"],
        ],
      },
    ],
    ["Headers", null, { headers: new Headers({ "x-a": "1" }) }],
    ["a form", new URLSearchParams("a=1"), undefined],
    ["a Blob", new Blob(["x"], { type: "image/png" }), undefined],
    ["a status without a body", null, { status: 204 }],
  ];
  for (const [title, body, init] of parts) {
    it(`is what the platform's is, made of ${title}`, async () => {
      const ours = new Response(body, init);
      const theirs = new Platform(body as never, init as never);
      const of = async (response: globalThis.Response): Promise<unknown> => ({
        status: response.status,
        statusText: response.statusText,
        ok: response.ok,
        type: response.type,
        url: response.url,
        redirected: response.redirected,
        headers: [...response.headers],
        hasBody: response.body !== null,
        used: response.bodyUsed,
        text: await response.text(),
        usedThen: response.bodyUsed,
      });
      expect(await of(ours)).toEqual(await of(theirs));
    });
  }

  it("can be read in every way", async () => {
    const bytes = [123, 125];
    expect(await new Response("{}").json()).toEqual({});
    expect([...new Uint8Array(await new Response("{}").arrayBuffer())]).toEqual(bytes);
    expect([...(await new Response("{}").bytes())]).toEqual(bytes);
    expect((await new Response(new Blob(["x"], { type: "a/b" })).blob()).type).toBe("a/b");
    expect([...(await new Response(new URLSearchParams("a=1")).formData())]).toEqual([["a", "1"]]);
  });

  it("gives a source as a stream, whose pieces are taken by the loop when they are asked for", () =>
    run(function* () {
      let taken = 0;
      const pieces = asyncGenerator(function* () {
        for (const piece of ["a", "", "b"]) {
          yield* sleep(0);
          taken++;
          yield piece;
        }
      });
      const response = new Response(pieces());
      const { body } = response;
      yield* sleep(1);
      expect(taken).toBe(0);
      expect(body).toBeInstanceOf(ReadableStream);
      expect(yield* until(response.text())).toBe("ab");
    }));

  it("closes its source when the stream is cancelled, and fails as it fails", () =>
    run(function* () {
      let closed = false;
      const endless = asyncGenerator(function* () {
        try {
          for (;;) yield "x";
        } finally {
          closed = true;
        }
      });
      const reader = (new Response(endless()).body as ReadableStream).getReader();
      yield* until(reader.read());
      yield* until(reader.cancel());
      expect(closed).toBe(true);
      const failing = asyncGenerator(function* () {
        yield "x";
        throw new Error("broken");
      });
      const failed = yield* attempt(() => readText(new Response(failing())));
      expect(failed).toMatchObject({ ok: false, error: { message: "broken" } });
    }));

  it("can be cloned, with whatever body", async () => {
    const text = new Response("x", { status: 201, headers: { "x-a": "1" } });
    const copy = text.clone();
    expect([await text.text(), await copy.text(), copy.status, copy.headers.get("x-a")]).toEqual(["x", "x", 201, "1"]);
    expect(() => text.clone()).toThrow("was read already");
    const streamed = new Response(new Platform("y").body);
    const other = streamed.clone();
    expect([await streamed.text(), await other.text()]).toEqual(["y", "y"]);
  });

  it("can be made of another one's parts", async () => {
    const response = new Response("x", { headers: { "x-a": "1" } });
    const platform = new Platform(response.body, response);
    expect([await platform.text(), platform.headers.get("x-a")]).toEqual(["x", "1"]);
  });

  it("of JSON has its type, unless another one is given", async () => {
    expect(Response.json({ a: 1 }).headers.get("content-type")).toBe("application/json");
    expect(Response.json({}, { headers: { "content-type": "a/b" } }).headers.get("content-type")).toBe("a/b");
    expect(await Response.json({ a: 1 }).json()).toEqual({ a: 1 });
    expect(() => Response.json(undefined)).toThrow("takes what JSON has");
    expect(() => Response.json({}, { status: 204 })).toThrow("has no body");
  });

  it("that redirects takes a whole URL or a path, and nothing that could lead elsewhere", () => {
    expect(Response.redirect("https://x.example/ä").headers.get("location")).toBe("https://x.example/%C3%A4");
    expect(Response.redirect("/login?a=b#c", 303)).toMatchObject({ status: 303 });
    expect(Response.redirect("/login?a=b#c").headers.get("location")).toBe("/login?a=b#c");
    for (const url of ["//evil.example/", "/\\evil.example", "login", "http://"]) {
      expect(() => Response.redirect(url)).toThrow("takes an absolute URL, or a path");
    }
    expect(() => Response.redirect("/", 200)).toThrow(RangeError);
  });

  const refused: [title: string, make: () => unknown, error: string][] = [
    ["a status below 200", () => new Response(null, { status: 101 }), "from 200 to 599"],
    ["a status above 599", () => new Response(null, { status: 600 }), "from 200 to 599"],
    ["a body where there is none", () => new Response("", { status: 204 }), "has no body"],
    ["a header's name with a space", () => new Response(null, { headers: { "a b": "1" } }), "cannot be the name"],
    [
      "a header's value with a line break",
      () => new Response(null, { headers: { a: "1\r\nb: 2" } }),
      "no header can have",
    ],
    ["headers that are a text", () => new Response(null, { headers: "a: b" as never }), "headers are"],
    ["a statusText with a line break", () => new Response(null, { statusText: "a\nb" }), "statusText"],
    ["a plain object", () => new Response({ a: 1 } as never), "Response.json(value)"],
    ["a coroutine", () => new Response(sleep(1) as never), "asyncGenerator"],
  ];
  for (const [title, make, error] of refused) {
    it(`is not made of ${title}`, () => expect(make).toThrow(error));
  }

  it("shows itself without being read", () => {
    const response = new Response("x", { status: 201 });
    expect(inspect(response)).toContain("status: 201");
    expect(response.bodyUsed).toBe(false);
  });

  it("of class error is the platform's", () => {
    expect(Response.error()).toMatchObject({ status: 0, type: "error", ok: false });
  });
});

describe("The global objects", () => {
  it("are replaced as long as anybody wants, and put back then", () => {
    const { Request: Original } = globalThis;
    const restore = [overrideGlobals(), overrideGlobals()];
    expect(globalThis.Response).toBe(Response);
    expect(new Original("http://x/")).toBeInstanceOf(globalThis.Request);
    expect(new globalThis.Request("http://x/")).toBeInstanceOf(Original);
    restore[0]?.();
    restore[0]?.();
    expect(globalThis.Response).toBe(Response);
    restore[1]?.();
    expect([globalThis.Response, globalThis.Request]).toEqual([Platform, Original]);
  });

  it("are left alone if somebody else has replaced them meanwhile", () => {
    const restore = overrideGlobals();
    const theirs = Object.assign(() => {}, {}) as never;
    const { Request: ours } = globalThis;
    globalThis.Response = theirs;
    try {
      restore();
      expect(globalThis.Response).toBe(theirs);
      expect(globalThis.Request).not.toBe(ours);
    } finally {
      globalThis.Response = Platform;
    }
  });
});

function* readText(response: Response): Coroutine<string> {
  return yield* until(response.text());
}
