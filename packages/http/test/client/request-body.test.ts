import { once } from "node:events";
import { openAsBlob, truncateSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { StreamReader } from "@corio/node";
import { test as coroutineTest } from "@corio/testing/vitest";
import {
  allTasks,
  asyncGenerator,
  attempt,
  ContextVar,
  type Coroutine,
  createTask,
  currentTask,
  Event,
  makeCursor,
  Queue,
  run,
  shield,
  sleep,
  type Task,
  until,
  wait,
} from "corio";
import { Client, FormData as UndiciFormData } from "undici";
import { describe, expect, test } from "vitest";
import { type Report, reportingLoop } from "../../../node/test/support/run-connected.js";
import { temporaryFolder } from "../../../node/test/support/temporary-folder.js";
import { type PreparedBody, prepareBody } from "./client-parts.js";

const it = coroutineTest.with({ time: "real" });

type Options = Parameters<typeof prepareBody>[0];

const prepared = (options: unknown): PreparedBody => prepareBody(options as Options);

/** All the bytes, as undici takes them. */
async function sent({ body }: PreparedBody): Promise<Buffer> {
  if (body === null || Buffer.isBuffer(body)) return body ?? Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) {
    expect(chunk).toBeInstanceOf(Uint8Array);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const asText = async (body: PreparedBody): Promise<string> => (await sent(body)).toString();

/** Steps through a body by hand. */
function steps({ body }: PreparedBody): AsyncIterator<Uint8Array> {
  if (body === null || Buffer.isBuffer(body)) throw new Error("it is there at once");
  return body[Symbol.asyncIterator]();
}

const next = (iterator: AsyncIterator<Uint8Array>): Promise<string | undefined> =>
  iterator.next().then(({ done, value }) => (done === true ? undefined : Buffer.from(value).toString()));

const thrown = (call: () => unknown): Error & { code?: string } => {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error("it threw nothing");
};

const URL_ENCODED = "application/x-www-form-urlencoded;charset=UTF-8";
const over = expect.objectContaining({ code: "ERR_CORIO_BODY_CLOSED" });

describe("a body that is there", () => {
  test.each<[string, () => Options, string, string | undefined]>([
    ["a text", () => ({ body: "häh" }), "häh", "text/plain;charset=UTF-8"],
    ["an empty text", () => ({ body: "" }), "", "text/plain;charset=UTF-8"],
    ["a Buffer", () => ({ body: Buffer.from("bytes") }), "bytes", undefined],
    ["a part of an array", () => ({ body: new Uint8Array(Buffer.from("xbytesx")).subarray(1, 6) }), "bytes", undefined],
    ["an ArrayBuffer", () => ({ body: new Uint8Array(Buffer.from("bytes")).buffer }), "bytes", undefined],
    ["a DataView", () => ({ body: new DataView(new Uint8Array([120, 121, 122]).buffer, 1) }), "yz", undefined],
    ["numbers of two bytes", () => ({ body: new Uint16Array([0x4241]) }), "AB", undefined],
    ["a Blob", () => ({ body: new Blob(["bl", "ob"]) }), "blob", undefined],
    ["a Blob with a type", () => ({ body: new Blob(["blob"], { type: "Image/PNG" }) }), "blob", "image/png"],
    ["an empty Blob", () => ({ body: new Blob([]) }), "", undefined],
    ["a File", () => ({ body: new File(["file"], "name.txt", { type: "text/x" }) }), "file", "text/x"],
    ["URLSearchParams", () => ({ body: new URLSearchParams({ a: "b c" }) }), "a=b+c", URL_ENCODED],
    ["JSON", () => ({ json: { a: [1, "ü", null] } }), '{"a":[1,"ü",null]}', "application/json"],
    ["null as JSON", () => ({ json: null }), "null", "application/json"],
    ["false as JSON", () => ({ json: false }), "false", "application/json"],
    ["an empty text as JSON", () => ({ json: "" }), '""', "application/json"],
    ["a form", () => ({ form: { a: 1, b: ["x y", true], c: undefined } }), "a=1&b=x+y&b=true", URL_ENCODED],
    ["an empty form", () => ({ form: {} }), "", URL_ENCODED],
    ["pairs as a form", () => ({ form: new URLSearchParams("a=1&a=2") }), "a=1&a=2", URL_ENCODED],
  ])("is %s, and can be sent again", async (_what, options, text, contentType) => {
    const body = prepareBody(options());
    expect(await asText(body)).toBe(text);
    expect(await asText(body)).toBe(text);
    expect([body.length, body.contentType]).toEqual([Buffer.byteLength(text), contentType]);
    expect([body.replayable, body.failure]).toEqual([true, undefined]);
    expect(body.close()).toBeUndefined();
  });

  test.each([{}, { body: null }, { body: undefined, json: undefined, form: undefined }])(
    "is none for %j",
    (options) => {
      const body = prepareBody(options as Options);
      expect(body).toMatchObject({ body: null, replayable: true });
      expect([body.length, body.contentType]).toEqual([undefined, undefined]);
      expect(body.close()).toBeUndefined();
    },
  );

  test.each([
    [{ body: "a", json: 1 }, "BODY", /either `body` or `json` or `form`/],
    [{ body: "", form: {} }, "BODY", /one body/],
    [{ json: null, form: {} }, "BODY", /one body/],
    [{ body: {} }, "BODY", /not an object of Object; JSON is `\{ json: value \}`, a form `\{ form: fields \}`/],
    [{ body: 5 }, "BODY", /not number$/],
    [{ body: true }, "BODY", /not boolean$/],
    [{ body: () => "a" }, "BODY", /not function$/],
    [{ body: Object.create(null) }, "BODY", /not an object of no class/],
    [{ body: new Date(0) }, "BODY", /not an object of Date/],
    [{ body: new Response("a") }, "BODY", /not an object of Response/],
    [{ json: () => 1 }, "JSON", /no value for: function/],
    [{ json: Symbol("x") }, "JSON", /no value for: symbol/],
    [{ json: { toJSON: () => undefined } }, "JSON", /no value for: an object of Object/],
    [{ form: "a=1" }, "FORM", /form takes fields .* not string/],
    [{ form: { a: null } }, "FORM", /a is null/],
    [{ form: { a: new Blob([]) } }, "FORM", /a is object/],
    [{ form: new FormData() }, "FORM", /form takes/],
  ])("is not %o", (options, code, message) => {
    const error = thrown(() => prepared(options));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: `ERR_CORIO_${code}`, message: expect.stringMatching(message) });
  });

  test("is not what JSON refuses, with JSON's own error", () => {
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    expect(thrown(() => prepared({ json: circle })).message).toMatch(/circular/);
    expect(thrown(() => prepared({ json: 1n })).message).toMatch(/BigInt/);
  });

  test("is not a coroutine, nor a stream that is read already", async () => {
    function* coroutine(): Coroutine<void> {}
    expect(thrown(() => prepared({ body: coroutine() }))).toMatchObject({
      code: "ERR_CORIO_BODY",
      message: expect.stringMatching(/not a coroutine: make a generator of it by asyncGenerator/),
    });
    const stream = new Blob(["x"]).stream();
    stream.getReader();
    expect(thrown(() => prepared({ body: stream }))).toMatchObject({
      code: "ERR_CORIO_BODY",
      message: expect.stringMatching(/locked/),
    });
  });
});

const three = asyncGenerator(function* () {
  for (const text of ["one", "two", "three"]) {
    yield* sleep(0);
    yield text;
  }
});

async function* native(): AsyncGenerator<string> {
  yield* ["one", "two", "three"];
}

describe("a body that comes over time", () => {
  const sources: Record<string, () => unknown> = {
    "an asynchronous generator": () => three(),
    "a Queue": () => {
      const queue = new Queue<string>();
      for (const text of ["one", "two", "three"]) queue.putNowait(text);
      queue.shutdown();
      return queue;
    },
    "a StreamReader": () => {
      const reader = new StreamReader();
      reader.feedData(Buffer.from("one\ntwo"));
      reader.feedData(Buffer.from("three"));
      reader.feedEof();
      return reader;
    },
    "pieces of a StreamReader": () => {
      const reader = new StreamReader();
      reader.feedData(Buffer.from("onetwo"));
      reader.feedData(Buffer.from("three"));
      reader.feedEof();
      return reader.chunks();
    },
    "what makes its own cursor": () => ({ [makeCursor]: cursorOfThree }),
    "a native generator": native,
    "a Readable": () => Readable.from(["one", "two", "three"]),
    "a Readable of bytes": () => Readable.from([Buffer.from("one"), Buffer.from("twothree")]),
    "a ReadableStream": () => new Blob(["onetwothree"]).stream(),
    "an array": () => ["one", Buffer.from("two"), new Uint8Array(Buffer.from("three")).buffer],
    "a Set": () => new Set(["one", "two", "three"]),
    "pieces, some of them empty": () => ["", "one", "", "twothree", new Uint8Array(0)],
  };

  function cursorOfThree() {
    const texts = ["three", "two", "one"];
    return {
      value: "",
      *next() {
        const text = texts.pop();
        this.value = text ?? "";
        return text !== undefined;
      },
      *close() {},
    };
  }

  for (const [name, make] of Object.entries(sources)) {
    it(`is ${name}, and cannot be sent again`, function* () {
      const body = prepared({ body: make() });
      expect(body.replayable).toBe(false);
      expect([body.length, body.contentType]).toEqual([undefined, undefined]);
      expect((yield* until(asText(body))).replace("\n", "")).toBe("onetwothree");
      expect(body.failure).toBeUndefined();
      expect(body.close()).toBeUndefined();
      expect(yield* until(asText(body))).toBe("");
    });
  }

  it("is taken piece by piece, as it is asked for", function* () {
    const steps_: number[] = [];
    const numbers = asyncGenerator(function* () {
      for (let i = 1; i <= 3; i++) {
        steps_.push(i);
        yield String(i);
      }
    });
    const body = prepared({ body: numbers() });
    yield* sleep(5);
    expect(steps_).toEqual([]);
    const iterator = steps(body);
    for (const i of [1, 2]) {
      expect(yield* until(next(iterator))).toBe(String(i));
      yield* sleep(5);
      expect(steps_).toHaveLength(i);
    }
    expect(yield* until(next(iterator))).toBe("3");
    expect(yield* until(next(iterator))).toBeUndefined();
    expect(yield* until(next(iterator))).toBeUndefined();
  });

  it("runs inside the loop: in one task, and in the context of who made the request", function* () {
    const tenant = new ContextVar<string>("tenant");
    tenant.set("seven");
    const tasks = new Set<unknown>();
    const seen = asyncGenerator(function* () {
      for (let i = 0; i < 3; i++) {
        tasks.add(currentTask());
        expect(currentTask()?.name).toBe("sending the body of a request");
        yield* sleep(0);
        yield tenant.get();
      }
    });
    const body = prepared({ body: seen() });
    tenant.set("eight");
    // undici asks in callbacks of the host
    const text = yield* until(new Promise<string>((resolve) => setImmediate(() => resolve(asText(body)))));
    expect(text).toBe("sevensevenseven");
    expect(tasks.size).toBe(1);
  });

  it("ends with the error of its source, which is kept", function* () {
    const broken = new Error("broken");
    let closed = false;
    const breaking = asyncGenerator(function* () {
      try {
        yield "one";
        yield* sleep(0);
        throw broken;
      } finally {
        closed = true;
      }
    });
    async function* nativeBreaking(): AsyncGenerator<string> {
      yield "one";
      throw broken;
    }
    for (const source of [breaking(), nativeBreaking(), Readable.from(nativeBreaking())]) {
      const body = prepared({ body: source });
      const iterator = steps(body);
      expect(yield* until(next(iterator))).toBe("one");
      expect(body.failure).toBeUndefined();
      expect(yield* attempt(until(next(iterator)))).toEqual({ ok: false, error: broken });
      expect(body.failure).toEqual({ error: broken });
      expect(body.close()).toBeUndefined();
      expect(yield* attempt(until(next(iterator)))).toEqual({ ok: false, error: broken });
    }
    expect(closed).toBe(true);
  });

  it("ends with an error at a piece that is none, and closes its source", function* () {
    for (const piece of [5, null, undefined, {}, ["x"]]) {
      let closed = false;
      const wrong = asyncGenerator(function* () {
        try {
          yield "one";
          yield piece;
        } finally {
          yield* sleep(0);
          closed = true;
        }
      });
      const body = prepared({ body: wrong() });
      const outcome = yield* attempt(until(sent(body)));
      expect(outcome).toMatchObject({
        ok: false,
        error: { code: "ERR_CORIO_BODY", message: expect.stringMatching(/^the pieces of a body are strings or bytes/) },
      });
      expect(closed).toBe(true);
      expect(body.failure?.error).toBeInstanceOf(TypeError);
    }
  });
});

describe("closing a body", () => {
  /** A source that waits for good after its first piece, and notes what happens to it. */
  function stalling(log: string[]) {
    return asyncGenerator(function* () {
      try {
        log.push("begun");
        yield "one";
        yield* new Event().wait();
      } finally {
        yield* sleep(0);
        log.push("closed");
      }
    })();
  }

  it("runs the source's finally, where the source waits", function* () {
    const log: string[] = [];
    const body = prepared({ body: stalling(log) });
    const iterator = steps(body);
    expect(yield* until(next(iterator))).toBe("one");
    const pending = until(next(iterator));
    yield* sleep(1);
    const closing = body.close();
    expect(body.close()).toBe(closing);
    yield* closing as Task<void>;
    expect(log).toEqual(["begun", "closed"]);
    expect(yield* attempt(pending)).toEqual({ ok: false, error: over });
    expect(yield* attempt(until(next(iterator)))).toEqual({ ok: false, error: over });
    expect(body.failure).toBeUndefined();
  });

  it("runs it where the source stands between two pieces", function* () {
    const log: string[] = [];
    const body = prepared({ body: stalling(log) });
    expect(yield* until(next(steps(body)))).toBe("one");
    yield* sleep(1);
    yield* body.close() as Task<void>;
    expect(log).toEqual(["begun", "closed"]);
  });

  it("closes a source that was not begun, too", function* () {
    const log: string[] = [];
    yield* prepared({ body: stalling(log) }).close() as Task<void>;
    expect(log).toEqual([]);

    const readable = Readable.from(["one"]);
    yield* prepared({ body: readable }).close() as Task<void>;
    expect(readable.destroyed).toBe(true);

    let cancelled = false;
    const stream = new ReadableStream({ cancel: () => void (cancelled = true) });
    yield* prepared({ body: stream }).close() as Task<void>;
    expect(cancelled).toBe(true);
  });

  it("closes native sources, even where they never answer", function* () {
    const stuck = new Readable({ read() {} });
    let cancelled = false;
    const web = new ReadableStream({ cancel: () => void (cancelled = true) });
    for (const source of [stuck, web]) {
      const body = prepared({ body: source });
      const pending = until(next(steps(body)));
      yield* sleep(1);
      yield* body.close() as Task<void>;
      expect(yield* attempt(pending)).toEqual({ ok: false, error: over });
    }
    expect(stuck.destroyed).toBe(true);
    expect(cancelled).toBe(true);
  });

  it("happens when undici leaves the iteration", function* () {
    const log: string[] = [];
    const body = prepared({ body: stalling(log) });
    const iterator = steps(body);
    yield* until(next(iterator));
    expect(yield* until(iterator.return?.() as Promise<unknown>)).toMatchObject({ done: true });
    expect(log).toEqual(["begun", "closed"]);
  });

  it("gives what the source's finally throws", function* () {
    const broken = new Error("broken in finally");
    const fail = (): never => {
      throw broken;
    };
    const breaking = asyncGenerator(function* () {
      try {
        yield "one";
      } finally {
        fail();
      }
    });
    const body = prepared({ body: breaking() });
    yield* until(next(steps(body)));
    yield* sleep(0);
    const outcome = yield* attempt(body.close() as Task<void>);
    expect(outcome).toMatchObject({ ok: false });
    expect((outcome as { error: unknown }).error).toBe(broken);
  });

  it("can be waited for by a task that is cancelled, and goes on", function* () {
    let closed = false;
    const slow = asyncGenerator(function* () {
      try {
        yield "one";
      } finally {
        yield* sleep(20);
        closed = true;
      }
    });
    const body = prepared({ body: slow() });
    yield* until(next(steps(body)));
    const closing = body.close() as Task<void>;
    const waiting = createTask(function* () {
      yield* shield(closing);
    });
    yield* sleep(1);
    waiting.cancel();
    yield* wait([waiting]);
    expect(waiting.cancelled).toBe(true);
    expect(closed).toBe(false);
    yield* closing;
    expect(closed).toBe(true);
  });

  it("is what the cancellation of its task does, which is then cancelled", function* () {
    const log: string[] = [];
    const body = prepared({ body: stalling(log) });
    const iterator = steps(body);
    yield* until(next(iterator));
    const pending = until(next(iterator));
    const task = [...allTasks()].find(({ name }) => name === "sending the body of a request");
    task?.cancel();
    expect(yield* attempt(pending)).toEqual({ ok: false, error: over });
    expect(task?.cancelled).toBe(true);
    expect(log).toEqual(["begun", "closed"]);
  });

  test("is what the end of the loop does", async () => {
    const log: string[] = [];
    const reports: Report[] = [];
    let pending: Promise<unknown> | undefined;
    let body: PreparedBody | undefined;
    let unbegun: PreparedBody | undefined;
    const main = function* (): Coroutine<void> {
      unbegun = prepared({ body: three() });
      body = prepared({ body: stalling(log) });
      const iterator = steps(body);
      yield* until(next(iterator));
      pending = next(iterator).catch((error: unknown) => error);
      yield* sleep(1);
    };
    await run(main, { loopFactory: () => reportingLoop(reports) });
    await expect(sent(unbegun as PreparedBody)).rejects.toEqual(over);
    expect(unbegun?.close()).toBeUndefined();
    expect(reports).toEqual([]);
    expect(log).toEqual(["begun", "closed"]);
    expect(await pending).toEqual(over);
    expect(body?.close()).toBeUndefined();
    await expect(sent(body as PreparedBody)).rejects.toEqual(over);
  });
});

describe("a form with files", () => {
  const parse = async (body: PreparedBody): Promise<FormData> =>
    new Response(new Uint8Array(await sent(body)), {
      headers: { "content-type": String(body.contentType) },
    }).formData();

  test("is multipart/form-data, byte by byte", async () => {
    const form = new FormData();
    form.append("field", "välue");
    form.append("lines", "a\nb\rc\r\nd");
    form.append("file", new File(["content"], "name.txt", { type: "text/plain" }));
    form.append("blob", new Blob([Uint8Array.of(0, 255)]));
    form.append("empty", "");
    form.append("none", new File([], ""));
    const body = prepared({ body: form });
    const boundary = /^multipart\/form-data; boundary=([\w-]{20,70})$/.exec(body.contentType ?? "")?.[1];
    expect(boundary).toBeDefined();
    const part = (head: string, content: string): string =>
      `--${boundary}\r\ncontent-disposition: form-data; name=${head}\r\n\r\n${content}\r\n`;
    const bytes = await sent(body);
    expect(bytes.toString("latin1")).toBe(
      Buffer.from(
        [
          part('"field"', "välue"),
          part('"lines"', "a\r\nb\r\nc\r\nd"),
          part('"file"; filename="name.txt"\r\ncontent-type: text/plain', "content"),
          part('"blob"; filename="blob"\r\ncontent-type: application/octet-stream', "\0~~"),
          part('"empty"', ""),
          part('"none"; filename=""\r\ncontent-type: application/octet-stream', ""),
          `--${boundary}--\r\n`,
        ].join(""),
      )
        .toString("latin1")
        .replace("~~", "\xff"),
    );
    expect(body).toMatchObject({ length: bytes.length, replayable: true });
    expect(await sent(body)).toEqual(bytes);
    expect(prepared({ body: form }).contentType).not.toBe(body.contentType);
  });

  test("is what another parser makes of it", async () => {
    const form = new FormData();
    form.append("a", "1");
    form.append("a", "2");
    form.append("ünicode ✓", "✓");
    form.append("file", new File([Buffer.alloc(100_000, "x")], "größe ✓.bin", { type: "application/x-thing" }));
    const parsed = await parse(prepared({ body: form }));
    expect([...parsed.keys()]).toEqual([...form.keys()]);
    expect(parsed.getAll("a")).toEqual(["1", "2"]);
    expect(parsed.get("ünicode ✓")).toBe("✓");
    const file = parsed.get("file") as File;
    expect([file.name, file.type, file.size]).toEqual(["größe ✓.bin", "application/x-thing", 100_000]);
    expect([...(await parse(prepared({ body: new FormData() }))).keys()]).toEqual([]);
  });

  test("is undici's as well, and any other library's", async () => {
    const form = new UndiciFormData();
    form.append("file", new File(["content"], "name.txt"));
    expect(((await parse(prepared({ body: form }))).get("file") as File).name).toBe("name.txt");
    const foreign = {
      [Symbol.toStringTag]: "FormData",
      *[Symbol.iterator]() {
        const stream = async function* (): AsyncGenerator<Uint8Array> {
          yield Buffer.from("foreign");
        };
        yield [
          "file",
          { [Symbol.toStringTag]: "File", size: Number.NaN, type: "a/b\r\nx-injected: 1", name: "n", stream },
        ];
      },
    };
    const body = prepared({ body: foreign });
    expect(body.length).toBeUndefined();
    expect(await asText(body)).toContain(
      'name="file"; filename="n"\r\ncontent-type: application/octet-stream\r\n\r\nforeign\r\n',
    );
  });

  test.each(['"; x="', "\r\nx-injected: 1\r\n\r\n", "\n\n--", "\r", 'a"\r\nb', '\\"', "%22", "é\0"])(
    "lets nothing out of its names: %j",
    async (evil) => {
      const form = new FormData();
      form.append(evil, "value");
      form.append("file", new File(["content"], evil));
      const body = prepared({ body: form });
      const [field, file] = (await asText(body)).split(/\r\n(?=--corio)/);
      expect(field).toMatch(/^--\S+\r\ncontent-disposition: form-data; name="[^"\r\n]*"\r\n\r\nvalue$/);
      expect(file).toMatch(
        /^--\S+\r\ncontent-disposition: form-data; name="file"; filename="[^"\r\n]*"\r\ncontent-type: application\/octet-stream\r\n\r\ncontent$/,
      );
    },
  );

  test("has a boundary of its own each time, which no field can know", () => {
    const boundaries = new Set<string | undefined>();
    for (let i = 0; i < 100; i++) boundaries.add(prepared({ body: new FormData() }).contentType);
    expect(boundaries.size).toBe(100);
  });

  test("keeps the error of a file that cannot be read any more", async () => {
    const path = join(temporaryFolder(), "file");
    writeFileSync(path, "some content");
    const form = new FormData();
    form.append("file", await openAsBlob(path), "name");
    const body = prepared({ body: form });
    expect(await asText(body)).toContain("some content");
    writeFileSync(path, "other content, and more of it");
    const error = await sent(body).catch((error: unknown) => error);
    expect(error).toMatchObject({ name: "NotReadableError" });
    expect(body.failure).toEqual({ error });
  });
});

test("a body that could not be sent once can be sent again, and has not failed then", async () => {
  let attempts = 0;
  const stream = async function* (): AsyncGenerator<Uint8Array> {
    if (attempts++ === 0) throw new Error("not now");
    yield Buffer.from("content");
  };
  const body = prepared({ body: { [Symbol.toStringTag]: "Blob", size: 7, type: "", stream } });
  await expect(sent(body)).rejects.toThrow("not now");
  expect(body.failure).toEqual({ error: new Error("not now") });
  expect(await asText(body)).toBe("content");
  expect(body.failure).toBeUndefined();
});

describe("sent by undici", () => {
  /** A server that does something with each request, and a client of it; both are closed in the end. */
  function* serving(
    handle: (request: IncomingMessage) => void,
    main: (client: Client) => Coroutine<void>,
  ): Coroutine<void> {
    const server = createServer((request, response) => {
      request.on("end", () => response.end("done"));
      request.on("error", () => {});
      handle(request);
    }).listen(0, "127.0.0.1");
    yield* until(once(server, "listening"));
    const client = new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    try {
      yield* main(client);
    } finally {
      yield* until(client.destroy());
      server.closeAllConnections();
      yield* until(new Promise((resolve) => server.close(resolve)));
    }
  }

  async function post(client: Client, body: PreparedBody, signal?: AbortSignal): Promise<string> {
    const answer = await client.request({
      method: "POST",
      path: "/",
      body: body.body as Buffer,
      headers: {
        ...(body.contentType === undefined ? {} : { "content-type": body.contentType }),
        ...(body.length === undefined ? {} : { "content-length": String(body.length) }),
      },
      ...(signal === undefined ? {} : { signal }),
    });
    return answer.body.text();
  }

  it("arrives as it was: with its length, or in chunks", function* () {
    const received: { headers: IncomingMessage["headers"]; text: string }[] = [];
    const collect = (request: IncomingMessage): void => {
      let text = "";
      request.setEncoding("utf8").on("data", (chunk) => void (text += chunk));
      request.on("end", () => void received.push({ headers: request.headers, text }));
    };
    yield* serving(collect, function* (client) {
      yield* until(post(client, prepared({ body: new Blob(["a", "b".repeat(100_000)]) })));
      yield* until(post(client, prepared({ body: three() })));
      yield* until(post(client, prepared({ json: [1] })));
    });
    expect(received.map(({ text }) => text)).toEqual([`a${"b".repeat(100_000)}`, "onetwothree", "[1]"]);
    expect(received.map(({ headers }) => headers["content-length"])).toEqual(["100001", undefined, "3"]);
    expect(received.map(({ headers }) => headers["transfer-encoding"])).toEqual([undefined, "chunked", undefined]);
  });

  it("waits for a server that does not read", function* () {
    let taken = 0;
    const endless = asyncGenerator(function* () {
      for (;;) {
        taken += 65_536;
        yield Buffer.alloc(65_536);
      }
    });
    yield* serving(
      (request) => void request.pause(),
      function* (client) {
        const body = prepared({ body: endless() });
        const abort = new AbortController();
        const answer = post(client, body, abort.signal).catch((error: unknown) => error);
        for (let before = -1; before < taken; ) {
          before = taken;
          yield* sleep(50);
        }
        expect(taken).toBeLessThan(32 * 1024 * 1024);
        abort.abort();
        expect(yield* until(answer)).toMatchObject({ name: "AbortError" });
        yield* body.close() as Task<void>;
      },
    );
  });

  it("is closed after an abort: its finally has run", function* () {
    const log: string[] = [];
    const stalling = asyncGenerator(function* () {
      try {
        yield "begun";
        log.push("waiting");
        yield* new Event().wait();
      } finally {
        yield* sleep(1);
        log.push("closed");
      }
    });
    yield* serving(
      () => {},
      function* (client) {
        const body = prepared({ body: stalling() });
        const abort = new AbortController();
        const answer = post(client, body, abort.signal).catch((error: unknown) => error);
        while (log.length === 0) yield* sleep(1);
        abort.abort();
        expect(yield* until(answer)).toMatchObject({ name: "AbortError" });
        yield* body.close() as Task<void>;
        expect(log).toEqual(["waiting", "closed"]);
      },
    );
  });

  it("fails with the error of the generator", function* () {
    const broken = new Error("broken");
    const breaking = asyncGenerator(function* () {
      yield "one";
      throw broken;
    });
    yield* serving(
      (request) => void request.resume(),
      function* (client) {
        const body = prepared({ body: breaking() });
        expect(yield* attempt(until(post(client, body)))).toEqual({ ok: false, error: broken });
        expect(body.failure).toEqual({ error: broken });
        expect(body.close()).toBeUndefined();
      },
    );
  });

  it("streams a large file: memory stays flat", function* () {
    const size = 200 * 1024 * 1024;
    const path = join(temporaryFolder(), "large");
    writeFileSync(path, "begin");
    truncateSync(path, size);
    const form = new FormData();
    form.append("title", "a large one");
    form.append("file", yield* until(openAsBlob(path, { type: "application/x-large" })), "large.bin");
    const body = prepared({ body: form });

    let received = 0;
    let announced: string | undefined;
    globalThis.gc?.();
    const before = process.memoryUsage().arrayBuffers;
    let most = before;
    const count = (request: IncomingMessage): void => {
      announced = request.headers["content-length"];
      request.on("data", (chunk: Buffer) => {
        received += chunk.length;
        most = Math.max(most, process.memoryUsage().arrayBuffers);
      });
    };
    yield* serving(count, function* (client) {
      expect(yield* until(post(client, body))).toBe("done");
    });
    expect(received).toBe(body.length);
    expect(received).toBeGreaterThan(size);
    expect(announced).toBe(String(received));
    expect((most - before) / 1024 / 1024).toBeLessThan(64);
  });
});

test("is not begun outside of a loop, where a source could not run", () => {
  expect(thrown(() => prepared({ body: three() }))).toMatchObject({ name: "NoRunningLoopError" });
});
