import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { openAsBlob } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import {
  asyncGenerator,
  ContextVar,
  type Coroutine,
  createTask,
  isCancelled,
  Queue,
  sleep,
  until,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../node/test/support/thrown-by.js";
import { ClientConnectionError, type PendingResponse, type RequestOptions } from "../../src/index.js";
import { faults } from "../support/faults.js";
import { nextRequest } from "../support/raw-server.js";
import type { Answer } from "./origin-server.js";
import { withOrigin, withRawServer } from "./session-setting.js";

const echo: Answer = ({ headers, body }, response) => {
  const { "content-type": type, "content-length": length, "transfer-encoding": transfer } = headers;
  response.end(JSON.stringify({ type, length, transfer, body }));
};

function* echoed(
  pending: PendingResponse,
): Coroutine<{ type?: string; length?: string; transfer?: string; body: string }> {
  return yield* (yield* pending).json();
}

/** A body of these pieces, with a wait before each. */
const pieces = asyncGenerator(function* (texts: readonly string[]) {
  for (const text of texts) {
    yield* sleep(1);
    yield text;
  }
});

/** What became of a body without an end. */
interface Fate {
  taken: number;
  /** Whether its `finally` ran to its end. */
  closed: boolean;
}

const endless = asyncGenerator(function* (fate: Fate) {
  const chunk = Buffer.alloc(64 * 1024);
  try {
    for (;;) {
      fate.taken++;
      yield chunk;
      yield* sleep(0);
    }
  } finally {
    yield* sleep(1);
    fate.closed = true;
  }
});

describe("the body of a request", () => {
  test.each<[string, () => RequestOptions, string | undefined, string, string | undefined]>([
    ["a text", () => ({ body: "é" }), "text/plain;charset=UTF-8", "é", "2"],
    ["bytes", () => ({ body: Buffer.from("é") }), undefined, "é", "2"],
    [
      "a part of an array",
      () => ({ body: new Uint8Array(Buffer.from("xabx").buffer).subarray(0, 0) }),
      undefined,
      "",
      "0",
    ],
    ["an ArrayBuffer", () => ({ body: new Uint8Array([97, 98]).buffer }), undefined, "ab", "2"],
    ["a DataView", () => ({ body: new DataView(new Uint8Array([97, 98, 99]).buffer, 1) }), undefined, "bc", "2"],
    ["a blob", () => ({ body: new Blob(["a", "b"], { type: "text/x" }) }), "text/x", "ab", "2"],
    ["a blob without a type", () => ({ body: new Blob(["ab"]) }), undefined, "ab", "2"],
    ["an empty text", () => ({ body: "" }), "text/plain;charset=UTF-8", "", "0"],
    ["nothing", () => ({ body: null }), undefined, "", "0"],
    ["JSON", () => ({ json: { a: ["é", null] } }), "application/json", '{"a":["é",null]}', "17"],
    ["null as JSON", () => ({ json: null }), "application/json", "null", "4"],
    [
      "a form",
      () => ({ form: { a: 1, b: ["x y", "é"], c: undefined } }),
      "application/x-www-form-urlencoded;charset=UTF-8",
      "a=1&b=x+y&b=%C3%A9",
      "18",
    ],
    [
      "search params",
      () => ({ body: new URLSearchParams({ a: "&" }) }),
      "application/x-www-form-urlencoded;charset=UTF-8",
      "a=%26",
      "5",
    ],
    [
      "a form of search params",
      () => ({ form: new URLSearchParams({ a: "1" }) }),
      "application/x-www-form-urlencoded;charset=UTF-8",
      "a=1",
      "3",
    ],
  ])("can be %s", async (_what, options, type, body, length) => {
    await withOrigin(echo, function* (session) {
      expect(yield* echoed(session.post("/", options()))).toEqual({ type, body, length });
      expect(yield* echoed(session.delete("/", options()))).toMatchObject({ body });
    });
  });

  test.each<[string, () => RequestOptions["body"]]>([
    ["a generator", () => pieces(["a", "b", "é"])],
    [
      "a native generator",
      async function* () {
        yield "a";
        yield Buffer.from("b");
        yield "é";
      } as never,
    ],
    ["a Readable", () => Readable.from(["a", "b", "é"])],
    ["a web stream", () => new Blob(["ab", "é"]).stream() as never],
    ["a list", () => ["a", "b", "é"]],
    [
      "a queue",
      () => {
        const queue = new Queue<string>();
        for (const text of ["a", "b", "é"]) queue.putNowait(text);
        queue.shutdown();
        return queue;
      },
    ],
  ])("can come over time: %s", async (_what, body) => {
    await withOrigin(echo, function* (session) {
      const made = body();
      const source = typeof made === "function" ? (made as () => AsyncIterable<string>)() : made;
      expect(yield* echoed(session.put("/", { body: source }))).toEqual({ transfer: "chunked", body: "abé" });
      expect(session.connections).toBe(1);
    });
  });

  test("that comes over time is sent with a length if one is given", async () => {
    await withOrigin(echo, function* (session) {
      const sending = session.put("/", { body: pieces(["ab", "c"]), headers: { "content-length": 3 } });
      expect(yield* echoed(sending)).toEqual({ length: "3", body: "abc" });
      for (const length of [2, 4]) {
        const wrong = session.put("/", { body: pieces(["abc"]), headers: { "content-length": length } });
        expect(yield* thrownBy(wrong)).toMatchObject({ name: "TypeError", code: "ERR_CORIO_CONTENT_LENGTH" });
      }
      expect(yield* echoed(session.put("/", { body: pieces([]) }))).toMatchObject({ body: "" });
    });
  });

  test("can be a form with files, which are streamed", async () => {
    const folder = await mkdtemp(join(tmpdir(), "corio-http-"));
    try {
      const path = join(folder, "file.bin");
      await writeFile(path, "x".repeat(300_000));
      const form = new FormData();
      form.append('na"me', "a\nb");
      form.append("file", await openAsBlob(path, { type: "text/x" }), "f.bin");
      await withOrigin(echo, function* (session) {
        const { type, length, transfer, body } = yield* echoed(session.post("/", { body: form }));
        expect(transfer).toBeUndefined();
        expect(Number(length)).toBe(body.length);
        const got = yield* until(
          new Response(body, { headers: { "content-type": type as string } }).formData() as Promise<FormData>,
        );
        expect(got.get('na"me')).toBe("a\r\nb");
        const file = got.get("file") as File;
        expect(file).toMatchObject({ name: "f.bin", type: "text/x", size: 300_000 });
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("that is a file which is gone fails with the file's error", async () => {
    const folder = await mkdtemp(join(tmpdir(), "corio-http-"));
    const path = join(folder, "file.bin");
    await writeFile(path, "x");
    const blob = await openAsBlob(path);
    await rm(folder, { recursive: true });
    await withOrigin(echo, function* (session) {
      expect(yield* thrownBy(session.post("/", { body: blob }))).toMatchObject({ name: "NotReadableError" });
      expect((yield* session.get("/")).ok).toBe(true);
    });
  });

  test("is made by steps of the loop, in the context of who made the request", async () => {
    const variable = new ContextVar<string>("variable");
    const body = asyncGenerator(function* () {
      yield variable.get();
      yield* sleep(1);
      yield variable.get();
    });
    await withOrigin(echo, function* (session) {
      variable.set("mine ");
      const sending = session.put("/", { body: body() });
      variable.set("later ");
      expect((yield* echoed(sending)).body).toBe("mine mine ");
    });
  });

  test("is sent no faster than the server takes it", async () => {
    const fate: Fate = { taken: 0, closed: false };
    await withRawServer(faults.neverReads, function* (session) {
      const sending = createTask(session.put("/", { body: endless(fate) }));
      let before = -1;
      while (fate.taken !== before || fate.taken === 0) {
        before = fate.taken;
        yield* sleep(30);
      }
      expect(fate.taken * 65_536).toBeLessThan(32 * 1024 * 1024);
      sending.cancel();
      expect(isCancelled(yield* thrownBy(sending))).toBe(true);
      expect(fate.closed).toBe(true);
      expect(session.connections).toBe(0);
    });
  });

  test("that throws ends the request with that error, as it is", async () => {
    for (const thrown of [
      new RangeError("mine"),
      "a text",
      Object.assign(new Error("like undici's"), { code: "UND_ERR_SOCKET" }),
    ]) {
      let cleaned = false;
      const body = asyncGenerator(function* () {
        try {
          yield "some";
          yield* sleep(1);
          throw thrown;
        } finally {
          yield* sleep(1);
          cleaned = true;
        }
      });
      await withOrigin(echo, function* (session, origin) {
        expect(yield* thrownBy(session.put("/", { body: body(), retry: 3 }))).toBe(thrown);
        expect(cleaned).toBe(true);
        expect(origin.requests).toEqual([]);
        expect(session.connections).toBe(0);
        expect((yield* session.get("/")).ok).toBe(true);
      });
    }
  });

  test("that throws before its first piece ends the request with that error", async () => {
    const thrown = new RangeError("mine");
    const body = asyncGenerator(function* (): Generator<string, void, never> {
      throw thrown;
    });
    await withOrigin(echo, function* (session) {
      expect(yield* thrownBy(session.put("/", { body: body() }))).toBe(thrown);
      expect((yield* session.get("/")).ok).toBe(true);
    });
  });

  test("has pieces of text and bytes only", async () => {
    await withOrigin(echo, function* (session) {
      const error = yield* thrownBy(session.put("/", { body: [5] as never }));
      expect(error).toMatchObject({
        name: "TypeError",
        code: "ERR_CORIO_BODY",
        message: expect.stringMatching(/not number/),
      });
    });
  });

  test("is closed, and never begun, when there is no connection", async () => {
    const fate: Fate = { taken: 0, closed: false };
    await withOrigin(echo, function* (session) {
      const body = endless(fate);
      const sending = session.put("http://127.0.0.1:1/", { body });
      expect(yield* thrownBy(sending)).toBeInstanceOf(ClientConnectionError);
      expect(fate).toEqual({ taken: 0, closed: false });
      expect(yield* body.next()).toMatchObject({ done: true });
    });
  });

  test("is closed when the request is cancelled, whose error stays the cancellation", async () => {
    const fate: Fate = { taken: 0, closed: false };
    await withOrigin(
      ({ message }) => message.resume(),
      function* (session, origin) {
        const sending = createTask(session.put("/", { body: endless(fate) }));
        while (fate.taken < 3) yield* sleep(1);
        sending.cancel("enough");
        expect(yield* thrownBy(sending)).toMatchObject({ name: "CancelledError", reason: "enough" });
        expect(fate.closed).toBe(true);
        expect(session.connections).toBe(0);
        while (origin.sockets.size > 0) yield* sleep(1);
      },
      { server: { streams: true } },
    );
  });

  test("that is a stream is destroyed when the request is over before it", async () => {
    let cancelled = false;
    const readable = new Readable({ read() {} });
    const web = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.from("a")),
      cancel: () => void (cancelled = true),
    });
    readable.push("a");
    await withOrigin(
      ({ message }, response) => message.once("data", () => response.writeHead(413).end()),
      function* (session) {
        for (const body of [readable, web]) {
          expect((yield* session.put("/", { body })).status).toBe(413);
        }
        while (!readable.destroyed || !cancelled) yield* sleep(1);
        const pipe = new Readable({ read() {} });
        const sending = createTask(session.get("http://127.0.0.1:1/", { body: pipe }));
        expect(yield* thrownBy(sending)).toBeInstanceOf(ClientConnectionError);
        while (!pipe.destroyed) yield* sleep(1);
      },
      { server: { streams: true } },
    );
  });

  test("whose cleanup fails as the request is cancelled gives that error", async () => {
    const thrown = new RangeError("cleanup");
    const body = asyncGenerator(function* () {
      try {
        yield "a";
        yield* sleep(10_000);
      } catch {
        throw thrown;
      }
    });
    await withOrigin(echo, function* (session) {
      const sending = createTask(session.put("/", { body: body() }));
      yield* sleep(10);
      sending.cancel();
      expect(yield* thrownBy(sending)).toBe(thrown);
    });
  });
});

describe("an answer before the request was sent", () => {
  test("is the answer, and the rest is not sent", async () => {
    const fate: Fate = { taken: 0, closed: false };
    await withOrigin(
      ({ method }, response) => response.writeHead(method === "PUT" ? 413 : 200).end("too large"),
      function* (session) {
        yield* within(session.put("/", { body: endless(fate) }), function* (response) {
          expect(response.status).toBe(413);
          expect(yield* response.text()).toBe("too large");
        });
        while (!fate.closed) yield* sleep(1);
        expect(yield* (yield* session.get("/")).text()).toBe("too large");
      },
      { server: { streams: true } },
    );
  });

  test("may be read while the body is still being sent", async () => {
    await withOrigin(
      ({ message }, response) => {
        response.writeHead(200);
        message.on("data", (chunk: Buffer) => response.write(chunk.toString().toUpperCase()));
        message.on("end", () => response.end());
      },
      function* (session) {
        const queue = new Queue<string>();
        queue.putNowait("a");
        yield* within(session.post("/", { body: queue }), function* ({ body }) {
          for (const letter of ["b", "c"]) {
            const got = yield* body.readexactly(1);
            expect(Buffer.from(got).toString()).toBe(letter === "b" ? "A" : "B");
            queue.putNowait(letter);
          }
          queue.shutdown();
          expect(Buffer.from(yield* body.read()).toString()).toBe("C");
        });
      },
      { server: { streams: true } },
    );
  });

  test("to a large body in memory leaves the session in order", async () => {
    await withRawServer(
      async (connection, number) => {
        if (number > 1) {
          await nextRequest(connection);
          await connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
          return;
        }
        await connection.until(() => connection.received.includes("\r\n\r\n"));
        connection.pause();
        await connection.send("HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\nno");
      },
      function* (session) {
        const response = yield* session.post("/", { body: Buffer.alloc(50_000_000) });
        expect([response.status, yield* response.text()]).toEqual([413, "no"]);
        expect(yield* (yield* session.get("/", { timeout: { total: 1_000 } })).text()).toBe("ok");
      },
    );
  });

  test("that breaks the connection is an error, and the body is closed", async () => {
    const fate: Fate = { taken: 0, closed: false };
    await withRawServer(
      async (connection) => {
        await connection.until(() => connection.receivedLength > 100_000);
        connection.reset();
      },
      function* (session) {
        const error = yield* thrownBy(session.put("/", { body: endless(fate) }));
        expect(error).toMatchObject({ name: "ServerDisconnectedError" });
        expect(fate.closed).toBe(true);
        expect(session.connections).toBe(0);
      },
    );
  });
});
