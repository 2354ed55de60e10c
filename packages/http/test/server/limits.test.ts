import { connect as connectHttp2, constants } from "node:http2";
import { asyncGenerator, type Coroutine, createTask, Event, gather, isCancelled, sleep, until } from "corio";
import { describe, expect, it } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { Response } from "../../src/index.js";
import { connectRaw, exchangeRaw, headerOf, nextAnswer } from "../support/raw-client.js";
import { ask, askOver, connected, eventually, requestText, serving } from "./serving.js";

const certificates = useCertificates();

function* echo(request: Request): Coroutine<Response> {
  return new Response(yield* until(request.text()));
}

describe("A limit", () => {
  it("of a body that is announced refuses it before it is sent", () =>
    serving(
      echo,
      function* (server) {
        const headers = ["Content-Length: 11", "Expect: 100-continue"];
        const answer = yield* ask(server, "POST /", headers);
        expect(answer).toMatchObject({ status: 413, body: "The body is larger than 10 bytes", interim: [] });
        expect((yield* ask(server, "POST /", ["Content-Length: 10"], "x".repeat(10))).status).toBe(200);
      },
      { serve: { maxBodySize: 10 } },
    ));

  it("of a body counts what comes in chunks", () =>
    serving(
      echo,
      function* (server) {
        const answer = yield* ask(server, "POST /", ["Transfer-Encoding: chunked"], "6\r\n123456\r\n6\r\n123456\r\n");
        expect(answer.status).toBe(413);
        expect(headerOf(answer, "connection")).toBe("close");
      },
      { serve: { maxBodySize: 10 } },
    ));

  it("of time for a body that stands still is a 408", () =>
    serving(
      echo,
      function* (server) {
        const answer = yield* ask(server, "POST /", ["Content-Length: 10"], "some");
        expect(answer).toMatchObject({ status: 408, body: "The body stood still for 30 ms" });
        expect(headerOf(answer, "connection")).toBe("close");
      },
      { serve: { bodyIdleTimeout: 30 } },
    ));

  it("of time for headers ends a client that is too slow with 408", () =>
    serving(
      () => new Response("ok"),
      function* (server) {
        const target = { port: server.port };
        const { received, ended } = yield* until(exchangeRaw(target, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "));
        expect(received).toMatch(/^HTTP\/1\.1 408 /);
        expect(ended).toBe("end");
      },
      { serve: { headersTimeout: 100 } },
    ));

  it("of the headers' size is a 431", () =>
    serving(
      () => new Response("ok"),
      function* (server) {
        const target = { port: server.port };
        const text = requestText("GET /", [`X-Large: ${"x".repeat(20_000)}`]);
        expect((yield* until(exchangeRaw(target, text))).received).toMatch(/^HTTP\/1\.1 431 /);
        expect((yield* ask(server, "GET /", [`X-Large: ${"x".repeat(15_000)}`])).status).toBe(200);
      },
    ));

  it("of idle time closes a connection after its answer", () =>
    serving(
      () => new Response("ok"),
      function* (server) {
        yield* connected(server, function* (connection) {
          yield* askOver(connection, "GET /");
          expect(yield* until(connection.over())).toBe("end");
        });
      },
      { serve: { keepAliveTimeout: 20 } },
    ));

  it("of time for taking an answer cuts a client off that takes nothing", () => {
    const endless = asyncGenerator(function* () {
      for (;;) {
        yield "x".repeat(100_000);
        yield* sleep(0);
      }
    });
    return serving(
      () => new Response(endless()),
      function* (server) {
        yield* connected(server, function* (connection) {
          connection.pause();
          yield* until(connection.send(requestText("GET /")));
          yield* eventually(() => server.requests === 1);
          yield* eventually(() => server.requests === 0);
        });
      },
      { serve: { writeTimeout: 50 } },
    );
  });

  it("of concurrency lets the others wait, in their order, and refuses those beyond the queue with 503", () => {
    const go = new Event();
    const order: string[] = [];
    return serving(
      function* ({ url }) {
        order.push(url.slice(-1));
        yield* go.wait();
        return new Response("ok");
      },
      function* (server) {
        const first = createTask(ask(server, "GET /1"));
        yield* eventually(() => server.requests === 1);
        const second = createTask(ask(server, "GET /2"));
        yield* eventually(() => server.requests === 2);
        const third = createTask(ask(server, "GET /3"));
        yield* eventually(() => server.requests === 3);
        const refused = yield* ask(server, "GET /4");
        expect(refused.status).toBe(503);
        expect(headerOf(refused, "retry-after")).toBe("1");
        expect(order).toEqual(["1"]);
        go.set();
        const answers = yield* gather(first, second, third);
        expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
        expect(order).toEqual(["1", "2", "3"]);
      },
      { serve: { concurrency: 1, queueSize: 2 } },
    );
  });

  it("of concurrency forgets who goes away before its turn", () => {
    const go = new Event();
    const order: string[] = [];
    return serving(
      function* ({ url }) {
        order.push(url.slice(-1));
        yield* go.wait();
        return new Response("ok");
      },
      function* (server) {
        const first = createTask(ask(server, "GET /1"));
        yield* eventually(() => server.requests === 1);
        yield* connected(server, function* (connection) {
          yield* until(connection.send(requestText("GET /2")));
          yield* eventually(() => server.requests === 2);
        });
        yield* eventually(() => server.requests === 1);
        go.set();
        yield* first;
        yield* ask(server, "GET /3");
        expect(order).toEqual(["1", "3"]);
      },
      { serve: { concurrency: 1 } },
    );
  });

  it("of connections closes those beyond it", () =>
    serving(
      () => new Response("ok"),
      function* (server) {
        yield* connected(server, function* (connection) {
          yield* askOver(connection, "GET /");
          const beyond = yield* until(connectRaw({ port: server.port }));
          yield* until(beyond.over());
          yield* until(beyond.close());
          expect((yield* askOver(connection, "GET /")).body).toBe("ok");
        });
      },
      { serve: { maxConnections: 1 } },
    ));

  it("of requests a connection may bring closes it after the last one", () =>
    serving(
      () => new Response("ok"),
      function* (server) {
        yield* connected(server, function* (connection) {
          expect(headerOf(yield* askOver(connection, "GET /"), "connection")).toBe("keep-alive");
          expect(headerOf(yield* askOver(connection, "GET /"), "connection")).toBe("close");
          expect(yield* until(connection.over())).toBe("end");
        });
      },
      { serve: { maxRequestsPerSocket: 2 } },
    ));

  it("of requests that a client of HTTP/2 takes back ends the connection", () => {
    let cancelled = 0;
    return serving(
      function* () {
        try {
          yield* sleep(60_000);
        } catch (error) {
          if (isCancelled(error)) cancelled++;
          throw error;
        }
        return new Response("unreachable");
      },
      function* (server) {
        const session = connectHttp2(`https://localhost:${server.port}`, { ca: certificates.ca });
        let code: number | undefined;
        session.on("goaway", (given) => {
          code = given;
        });
        session.on("error", () => {});
        for (let i = 0; i < 20 && !session.destroyed; i++) {
          const before = cancelled;
          const stream = session.request({ ":path": "/" });
          stream.on("error", () => {});
          yield* eventually(() => server.requests === 1 || session.destroyed);
          stream.close(constants.NGHTTP2_CANCEL);
          yield* eventually(() => cancelled > before || session.destroyed);
        }
        yield* eventually(() => session.destroyed);
        expect([code, cancelled]).toEqual([constants.NGHTTP2_ENHANCE_YOUR_CALM, 6]);
      },
      {
        serve: {
          http2: true,
          maxStreamResets: 5,
          tls: {
            get cert() {
              return certificates.server.cert;
            },
            get key() {
              return certificates.server.key;
            },
          },
        },
      },
    );
  });

  it("of what a target may be refuses what is none; a whole URL is taken as it is", () =>
    serving(
      ({ url }) => new Response(url),
      function* (server) {
        expect((yield* ask(server, "GET http://other.example/x?y")).body).toBe("http://other.example/x?y");
        expect((yield* ask(server, "OPTIONS *")).body).toBe("http://localhost/*");
        expect((yield* ask(server, "GET ftp://other.example/")).status).toBe(400);
        expect((yield* ask(server, "GET /a/../b/%2e%2e/c")).body).toBe("http://localhost/c");
        yield* connected(server, function* (connection) {
          yield* until(connection.send("GET /x HTTP/1.1\r\nHost: LOCALHOST:80\r\n\r\n"));
          expect((yield* until(nextAnswer(connection))).body).toBe("http://localhost/x");
        });
      },
    ));
});
