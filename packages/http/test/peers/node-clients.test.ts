import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import { Readable } from "node:stream";
import { buffer, text as textOf } from "node:stream/consumers";
import { type Coroutine, createTask, forEach, gather, sleep, until, wait } from "corio";
import { describe, expect, test } from "vitest";
import { Client, fetch, FormData, Pool, WebSocket } from "undici";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { describeWith } from "../support/programs.js";
import type { HttpServer } from "../../src/index.js";
import { type EchoedRequest, type Service, serving, type ServingOptions } from "./service.js";

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

const large = randomBytes(3_000_000);
const roomy = { maxBodySize: 10_000_000 } as const;

const asking =
  (body: (server: HttpServer, service: Service) => Coroutine<void>, options?: ServingOptions) => (): Promise<void> =>
    serving(body, options);

describe("undici's request", () => {
  /** Asks over connections of its own, and closes them. */
  const askingBy = (
    body: (pool: Pool, service: Service, server: HttpServer) => Coroutine<void>,
    options?: ServingOptions & Pool.Options,
  ): (() => Promise<void>) => {
    const { connections, pipelining, ...serverOptions } = options ?? {};
    return asking(function* (server, service) {
      const pool = new Pool(server.url, { ...(connections && { connections }), ...(pipelining && { pipelining }) });
      try {
        yield* body(pool, service, server);
      } finally {
        yield* until(pool.destroy());
      }
    }, serverOptions);
  };

  test(
    "is answered",
    askingBy(function* (pool) {
      const answer = yield* until(pool.request({ method: "GET", path: "/echo?a=b", headers: { "x-one": ["1", "2"] } }));
      expect(answer.statusCode).toBe(200);
      expect(yield* until(answer.body.json())).toMatchObject({ method: "GET", headers: { "x-one": "1, 2" } });
      const head = yield* until(pool.request({ method: "HEAD", path: "/bytes/10" }));
      expect(head.headers["content-length"]).toBe("10");
      yield* until(head.body.dump());
      for (const method of ["POST", "PUT", "PATCH", "DELETE"] as const) {
        const answer = yield* until(pool.request({ method, path: "/echo", body: method }));
        expect(yield* until(answer.body.json())).toMatchObject({ method, text: method });
      }
    }),
  );

  test(
    "sends streams",
    askingBy(function* (pool) {
      const body = Readable.from(Array.from({ length: 30 }, (_, i) => large.subarray(i * 100_000, (i + 1) * 100_000)));
      const answer = yield* until(pool.request({ method: "POST", path: "/echo", body }));
      expect(yield* until(answer.body.json())).toMatchObject({ length: large.length, sha256: sha256(large) });
    }, roomy),
  );

  test(
    "asks before the answer to the request before has come",
    askingBy(
      function* (pool, service) {
        const paths = ["/wait/1?ms=100", "/bytes/2", "/stream?n=3&size=1", "/bytes/100000", "/wait/5?ms=1"];
        function* body(path: string): Coroutine<string> {
          const answer = yield* until(pool.request({ method: "GET", path }));
          return yield* until(answer.body.text());
        }
        const bodies = yield* gather(...paths.map(body));
        expect(bodies).toEqual(["waited", "xx", "012", "x".repeat(100_000), "waited"]);
        expect(service.handled).toBe(5);
      },
      { connections: 1, pipelining: 10 },
    ),
  );

  test(
    "asks many times",
    askingBy(
      function* (pool, service, server) {
        function* one(i: number): Coroutine<number> {
          const answer = yield* until(pool.request({ method: "POST", path: "/echo", body: `body ${i}` }));
          const { text } = (yield* until(answer.body.json())) as EchoedRequest;
          return text === `body ${i}` ? answer.statusCode : 0;
        }
        const statuses = yield* gather(...Array.from({ length: 1_000 }, (_, i) => one(i)));
        expect(new Set(statuses)).toEqual(new Set([200]));
        expect(service.handled).toBe(1_000);
        expect(server.connections).toBe(10);
      },
      { connections: 10 },
    ),
  );

  test(
    "is aborted, which cancels the handler",
    askingBy(function* (pool, service) {
      const controller = new AbortController();
      const asked = createTask(until(pool.request({ method: "GET", path: "/wait/1", signal: controller.signal })));
      yield* service.untilWaiting(1);
      controller.abort();
      yield* service.untilCancelled(1);
      yield* wait([asked]);
      expect(asked.exception()).toMatchObject({ name: "AbortError" });
      const next = yield* until(pool.request({ method: "GET", path: "/bytes/1" }));
      expect(yield* until(next.body.text())).toBe("x");
    }),
  );

  test(
    "is aborted in the body, which closes its source",
    askingBy(function* (pool, service) {
      const answer = yield* until(pool.request({ method: "GET", path: "/stream?n=100000&size=1000" }));
      yield* until(once(answer.body, "data"));
      answer.body.on("error", () => {});
      answer.body.destroy();
      yield* service.untilCancelled(1);
    }),
  );

  test(
    "does not read, and the source has to wait",
    askingBy(function* (pool, service) {
      const answer = yield* until(pool.request({ method: "GET", path: "/stream?n=1000&size=100000" }));
      yield* sleep(100);
      expect(service.waiting.size).toBe(1); // 100 MB are not on their way
      let length = 0;
      yield* forEach(answer.body, (chunk: Buffer) => void (length += chunk.length));
      expect(length).toBe(100_000_000);
    }),
  );

  test(
    "sends an upload that stops half-way, of which the handler hears",
    askingBy(function* (pool, service) {
      const body = new Readable({ read() {} });
      body.push("a beginning");
      const asked = createTask(until(pool.request({ method: "POST", path: "/echo", body })));
      yield* sleep(50);
      body.destroy(new Error("no more"));
      yield* wait([asked]);
      expect(asked.exception()).toMatchObject({ message: "no more" });
      expect(service.handled).toBe(1);
    }),
  );

  test(
    "is answered by a server that shuts down, over all its connections",
    askingBy(function* (pool, service, server) {
      function* one(i: number): Coroutine<[number, string]> {
        const answer = yield* until(pool.request({ method: "GET", path: `/wait/${i}?ms=100` }));
        return [answer.statusCode, yield* until(answer.body.text())];
      }
      const asked = Array.from({ length: 20 }, (_, i) => createTask(one(i)));
      yield* service.untilWaiting(20);
      yield* server.shutdown();
      expect(yield* gather(...asked)).toEqual(Array.from({ length: 20 }, () => [200, "waited"]));
    }),
  );
});

describe("undici's fetch", () => {
  const dispatcher = (server: HttpServer): Client => new Client(server.url);

  test(
    "is answered",
    asking(function* (server) {
      const client = dispatcher(server);
      try {
        const answer = yield* until(fetch(`${server.url}/echo`, { dispatcher: client, method: "POST", body: "text" }));
        expect(yield* until(answer.json())).toMatchObject({
          text: "text",
          headers: { "content-type": "text/plain;charset=UTF-8" },
        });
        const form = new FormData();
        form.append("a", "1");
        const posted = yield* until(fetch(`${server.url}/echo`, { dispatcher: client, method: "POST", body: form }));
        expect(yield* until(posted.json())).toMatchObject({ text: expect.stringContaining('name="a"') });
        const stream = yield* until(fetch(`${server.url}/stream?n=3&size=2`, { dispatcher: client }));
        expect(yield* until(stream.text())).toBe("001122");
      } finally {
        yield* until(client.destroy());
      }
    }),
  );

  test(
    "is aborted, which cancels the handler",
    asking(function* (server, service) {
      const client = dispatcher(server);
      const controller = new AbortController();
      try {
        const { signal } = controller;
        const asked = createTask(until(fetch(`${server.url}/wait/1`, { dispatcher: client, signal })));
        yield* service.untilWaiting(1);
        controller.abort();
        yield* service.untilCancelled(1);
        yield* wait([asked]);
        expect(asked.exception()).toMatchObject({ name: "AbortError" });
      } finally {
        yield* until(client.destroy());
      }
    }),
  );

  test(
    "has a WebSocket beside it, which is closed by both sides",
    asking(function* (server, service) {
      const url = `${server.url.replace("http", "ws")}/ws`;
      const socket = new WebSocket(url, "echo");
      yield* until(once(socket as never, "open"));
      expect(socket.protocol).toBe("echo");
      socket.send("text");
      const [{ data }] = (yield* until(once(socket as never, "message"))) as [{ data: string }];
      expect(data).toBe("text");
      socket.close(4000);
      yield* until(once(socket as never, "close"));
      const other = new WebSocket(url);
      yield* until(once(other as never, "open"));
      other.send("close");
      const [{ code, reason }] = (yield* until(once(other as never, "close"))) as [{ code: number; reason: string }];
      expect([code, reason]).toEqual([4001, "as you wish"]);
      while (service.closed.length < 2) yield* sleep(2);
      expect(service.closed).toEqual([4000, 4001]);
    }),
  );
});

describe("Node's http", () => {
  /** Sends a request, and waits for the head of the answer. */
  function* ask(outgoing: ClientRequest): Coroutine<IncomingMessage> {
    const [answer] = (yield* until(once(outgoing, "response"))) as [IncomingMessage];
    return answer;
  }

  test(
    "keeps its connections",
    asking(function* (server) {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      try {
        for (let i = 0; i < 10; i++) {
          const answer = yield* ask(httpRequest(`${server.url}/bytes/10`, { agent }).end());
          expect(yield* until(textOf(answer))).toBe("xxxxxxxxxx");
        }
        expect(server.connections).toBe(1);
      } finally {
        agent.destroy();
      }
    }),
  );

  test(
    "sends in chunks, with trailers",
    asking(function* (server) {
      const outgoing = httpRequest(`${server.url}/echo`, {
        agent: false,
        method: "POST",
        headers: { trailer: "x-sum" },
      });
      outgoing.write("one ");
      outgoing.write("two");
      outgoing.addTrailers({ "x-sum": "2" });
      outgoing.end();
      const answer = yield* ask(outgoing);
      expect(JSON.parse(yield* until(textOf(answer)))).toMatchObject({ text: "one two", length: 7 });
    }),
  );

  test(
    "waits for 100 Continue",
    asking(function* (server) {
      const headers = { expect: "100-continue", "content-length": 4 };
      const reading = httpRequest(`${server.url}/echo`, { agent: false, method: "POST", headers });
      reading.flushHeaders();
      yield* until(once(reading, "continue"));
      reading.end("text");
      expect(JSON.parse(yield* until(textOf(yield* ask(reading))))).toMatchObject({ text: "text" });
      const refused = httpRequest(`${server.url}/unread`, { agent: false, method: "POST", headers });
      refused.on("continue", () => expect.unreachable());
      refused.flushHeaders();
      const answer = yield* ask(refused);
      expect([answer.statusCode, yield* until(textOf(answer))]).toEqual([413, "unread"]);
      refused.destroy();
    }),
  );

  test(
    "is destroyed, which cancels the handler",
    asking(function* (server, service) {
      const outgoing = httpRequest(`${server.url}/wait/1`, { agent: false }).end();
      outgoing.on("error", () => {});
      yield* service.untilWaiting(1);
      outgoing.destroy();
      yield* service.untilCancelled(1);
    }),
  );

  test(
    "reads an answer while it still sends",
    asking(function* (server) {
      const outgoing = httpRequest(`${server.url}/unread`, { agent: false, method: "POST" });
      outgoing.on("error", () => {});
      outgoing.write("a beginning");
      const answer = yield* ask(outgoing);
      expect([answer.statusCode, yield* until(textOf(answer))]).toEqual([413, "unread"]);
      outgoing.destroy();
    }),
  );
});

describeWith("openssl")("Node's http2", () => {
  const certificates = useCertificates();

  const askingBy =
    (
      body: (session: ClientHttp2Session, service: Service, server: HttpServer) => Coroutine<void>,
      options?: ServingOptions,
    ) =>
    (): Promise<void> =>
      serving(
        function* (server, service) {
          const session = connectHttp2(server.url, { ca: certificates.ca });
          session.on("error", () => {});
          try {
            yield* body(session, service, server);
          } finally {
            session.destroy();
          }
        },
        { tls: certificates.server, http2: true, ...roomy, ...options },
      );

  type Headers = Record<string, string>;

  function* ask(session: ClientHttp2Session, headers: Headers, body?: Uint8Array): Coroutine<[number, Buffer]> {
    const stream = session.request(headers, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    const [answer] = (yield* until(once(stream, "response"))) as [{ ":status": number }];
    return [answer[":status"], yield* until(buffer(stream))];
  }

  test(
    "asks side by side over one connection",
    askingBy(function* (session, service, server) {
      const asked = Array.from({ length: 300 }, (_, i) =>
        createTask(ask(session, { ":path": `/echo?${i}`, ":method": "POST" }, Buffer.from(`body ${i}`))),
      );
      const answers = yield* gather(...asked);
      expect(answers.map(([status, body]) => [status, (JSON.parse(body.toString()) as EchoedRequest).text])).toEqual(
        Array.from({ length: 300 }, (_, i) => [200, `body ${i}`]),
      );
      expect(server.connections).toBe(1);
      expect(service.handled).toBe(300);
    }),
  );

  test(
    "sends and receives what is large",
    askingBy(function* (session) {
      const [, echoed] = yield* ask(session, { ":path": "/echo", ":method": "POST" }, large);
      expect(JSON.parse(echoed.toString())).toMatchObject({ sha256: sha256(large) });
      const [status, body] = yield* ask(session, { ":path": "/bytes/20000000" });
      expect([status, body.length]).toEqual([200, 20_000_000]);
    }),
  );

  test(
    "takes requests back, which cancels their handlers and no others",
    askingBy(function* (session, service) {
      const other = createTask(ask(session, { ":path": "/wait/other?ms=300" }));
      const streams = Array.from({ length: 10 }, (_, i) => session.request({ ":path": `/wait/${i}` }));
      for (const stream of streams) stream.on("error", () => {});
      yield* service.untilWaiting(11);
      for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
      yield* service.untilCancelled(10);
      expect(yield* other).toEqual([200, Buffer.from("waited")]);
      expect(service.cancelled[0]?.[1]).toMatchObject({ code: "ERR_CORIO_CLIENT_GONE" });
    }),
  );

  test(
    "goes away with its connection, which cancels the handlers",
    askingBy(
      function* (session, service) {
        for (let i = 0; i < 10; i++) session.request({ ":path": `/wait/${i}` }).on("error", () => {});
        yield* service.untilWaiting(10);
        session.destroy();
        for (let i = 0; i < 200 && service.cancelled.length < 10; i++) yield* sleep(5);
        expect(service.cancelled).toHaveLength(10);
      },
      { shutdownTimeout: 0 },
    ),
  );

  test(
    "is answered, and told to go, by a server that shuts down",
    askingBy(function* (session, service, server) {
      const asked = createTask(ask(session, { ":path": "/wait/x?ms=100" }));
      yield* service.untilWaiting(1);
      const going = once(session, "goaway");
      const shutdown = createTask(server.shutdown());
      yield* until(going);
      expect(yield* asked).toEqual([200, Buffer.from("waited")]);
      yield* shutdown;
    }),
  );

  test(
    "does not read, and others on the connection are not held up",
    askingBy(function* (session, service) {
      const stream = session.request({ ":path": "/stream?n=1000&size=100000" });
      stream.on("error", () => {});
      yield* until(once(stream, "response"));
      for (let i = 0; i < 5; i++)
        expect(yield* ask(session, { ":path": "/bytes/2" })).toEqual([200, Buffer.from("xx")]);
      expect(service.waiting.size).toBe(1);
      stream.close(constants.NGHTTP2_CANCEL);
      yield* service.untilCancelled(1);
    }),
  );
});
