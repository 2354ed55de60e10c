import { type Coroutine, Event, until, within } from "corio";
import { describe, expect } from "vitest";
import { type RequestHandler, Response } from "../../src/index.js";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { connectRaw, flood, headerOf, nextAnswer } from "../support/raw-client.js";
import type { RawConnection } from "../support/raw-connection.js";
import { ask, client, eventually, it, post, request, type Serving, serving, turn } from "./hostile-setting.js";

const certificates = useCertificates();

/** A handler whose requests wait until they are let go. */
class Gate {
  readonly begun: string[] = [];
  readonly ended: string[] = [];
  readonly open = new Event();
  atOnce = 0;
  most = 0;

  readonly handler: RequestHandler = (incoming) => this.#handle(new URL(incoming.url).pathname);

  *#handle(path: string): Coroutine<globalThis.Response> {
    this.begun.push(path);
    this.most = Math.max(this.most, ++this.atOnce);
    try {
      yield* this.open.wait();
      return new Response(path);
    } finally {
      this.atOnce--;
      this.ended.push(path);
    }
  }
}

/** So many clients, each with a request on its way. */
function* clients(serving: Serving, count: number, path = ""): Coroutine<RawConnection[]> {
  const connections: RawConnection[] = [];
  for (let i = 0; i < count; i++) {
    const connection = yield* until(connectRaw(serving));
    yield* until(connection.send(request(`GET /${path}${i}`)));
    connections.push(connection);
    // in this order
    yield* eventually(() => serving.server.requests > i || connection.receivedLength > 0);
  }
  return connections;
}

function* close(connections: readonly RawConnection[]): Coroutine<void> {
  for (const connection of connections) yield* until(connection.close());
}

describe("more requests than may be handled at once", () => {
  it("wait for their turn, in order, and those beyond the queue are refused at once", function* () {
    const gate = new Gate();
    yield* within(serving(gate.handler, { concurrency: 2, queueSize: 3 }), function* (serving) {
      const waiting = yield* clients(serving, 5);
      expect(gate.begun).toEqual(["/0", "/1"]);
      const refused = yield* clients(serving, 4, "x");
      for (const connection of refused) {
        const { status, headers } = yield* until(nextAnswer(connection));
        expect([status, headerOf({ headers }, "retry-after")]).toEqual([503, "1"]);
      }
      gate.open.set();
      for (const [i, connection] of waiting.entries()) {
        expect((yield* until(nextAnswer(connection))).body).toBe(`/${i}`);
      }
      expect([gate.begun, gate.most]).toEqual([["/0", "/1", "/2", "/3", "/4"], 2]);
      // the same connections again
      for (const connection of [...waiting, ...refused]) {
        expect((yield* ask(connection, request("GET /again"))).body).toBe("/again");
      }
      yield* close([...waiting, ...refused]);
    });
  });

  it("do not wait at all without a queue", function* () {
    const gate = new Gate();
    yield* within(serving(gate.handler, { concurrency: 1, queueSize: 0 }), function* (serving) {
      const [first, second] = (yield* clients(serving, 2)) as [RawConnection, RawConnection];
      expect((yield* until(nextAnswer(second))).status).toBe(503);
      gate.open.set();
      expect((yield* until(nextAnswer(first))).status).toBe(200);
      yield* close([first, second]);
    });
  });

  it("give their place in the queue back when their clients leave, and are never begun", function* () {
    const gate = new Gate();
    yield* within(serving(gate.handler, { concurrency: 1, queueSize: 2 }), function* (serving) {
      const [first, second, third] = (yield* clients(serving, 3)) as [RawConnection, RawConnection, RawConnection];
      second.reset();
      yield* eventually(() => serving.server.requests === 2);
      const fourth = yield* until(connectRaw(serving));
      yield* until(fourth.send(request("GET /3")));
      yield* eventually(() => serving.server.requests === 3);
      gate.open.set();
      expect((yield* until(nextAnswer(first))).body).toBe("/0");
      expect((yield* until(nextAnswer(third))).body).toBe("/2");
      expect((yield* until(nextAnswer(fourth))).body).toBe("/3");
      expect(gate.begun).toEqual(["/0", "/2", "/3"]);
      yield* close([first, second, third, fourth]);
    });
  });

  it("give their turn to the next when their clients leave", function* () {
    const gate = new Gate();
    yield* within(serving(gate.handler, { concurrency: 1 }), function* (serving) {
      const connections = yield* clients(serving, 4);
      for (const [i, connection] of connections.slice(0, 3).entries()) {
        expect(gate.begun.at(-1)).toBe(`/${i}`);
        connection.reset();
        yield* eventually(() => gate.begun.length === i + 2);
      }
      gate.open.set();
      expect((yield* until(nextAnswer(connections[3] as RawConnection))).body).toBe("/3");
      yield* close(connections);
    });
  });

  it("leave all at once, and the server is as before", function* () {
    const gate = new Gate();
    yield* within(serving(gate.handler, { concurrency: 2, queueSize: 50 }), function* (serving) {
      const connections = yield* clients(serving, 30);
      for (const connection of connections) connection.reset();
      yield* serving.quiet();
      expect(gate.ended.length).toBe(gate.begun.length);
      yield* close(connections);
      gate.open.set();
      yield* within(client(serving), function* (connection) {
        expect((yield* ask(connection, request("GET /after"))).body).toBe("/after");
      });
    });
  });

  it("of one connection wait and are refused like others, in the order of their answers", function* () {
    const gate = new Gate();
    yield* within(serving(gate.handler, { concurrency: 1, queueSize: 2 }), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(Array.from({ length: 6 }, (_, i) => request(`GET /${i}`)).join("")));
        yield* eventually(() => serving.server.requests === 6);
        gate.open.set();
        const statuses: number[] = [];
        for (let i = 0; i < 6; i++) statuses.push((yield* until(nextAnswer(connection))).status);
        expect(statuses).toEqual([200, 200, 200, 503, 503, 503]);
        expect(gate.begun).toEqual(["/0", "/1", "/2"]);
      }),
    );
  });

  it("in a flood are each answered or refused, and none is lost", function* () {
    const gate = new Gate();
    yield* within(serving(gate.handler, { concurrency: 10, queueSize: 20 }), function* (serving) {
      const connections = yield* until(Promise.all(Array.from({ length: 500 }, () => connectRaw(serving))));
      for (const connection of connections) void connection.send(request("GET /"));
      yield* eventually(() => connections.filter(({ receivedLength }) => receivedLength > 0).length === 470);
      expect([serving.server.requests, gate.atOnce]).toEqual([30, 10]);
      gate.open.set();
      const came: Record<number, number> = {};
      for (const connection of connections) {
        const { status } = yield* until(nextAnswer(connection));
        came[status] = (came[status] ?? 0) + 1;
      }
      expect(came).toEqual({ 200: 30, 503: 470 });
      expect(gate.most).toBe(10);
      yield* close(connections);
    });
  });

  it("are refused with a body on its way, and the client gets the answer", function* () {
    const gate = new Gate();
    yield* within(serving(gate.handler, { concurrency: 1, queueSize: 0 }), function* (serving) {
      const [first] = (yield* clients(serving, 1)) as [RawConnection];
      for (const size of [10, 10_000_000]) {
        const second = yield* until(connectRaw(serving));
        void second.send(post("/", "x".repeat(size)));
        expect((yield* until(nextAnswer(second))).status).toBe(503);
        yield* until(second.close());
      }
      gate.open.set();
      yield* until(nextAnswer(first));
      yield* close([first]);
    });
  });

  it("are refused before they are told to send their body", function* () {
    const gate = new Gate();
    yield* within(serving(gate.handler, { concurrency: 1, queueSize: 0 }), function* (serving) {
      const [first] = (yield* clients(serving, 1)) as [RawConnection];
      yield* within(client(serving), function* (second) {
        const headers = ["Content-Length: 10", "Expect: 100-continue"];
        const answer = yield* ask(second, request("POST /", headers));
        expect([answer.status, answer.interim]).toEqual([503, []]);
        // it is not known whether the body comes: nothing may be read behind it
        expect(headerOf(answer, "connection")).toBe("close");
        yield* until(second.over());
      });
      gate.open.set();
      yield* until(nextAnswer(first));
      yield* close([first]);
    });
  });
});

describe("more connections than there may be", () => {
  it("are closed, and when others end there is room again", function* () {
    yield* within(
      serving(() => new Response("ok"), { maxConnections: 3 }),
      function* (serving) {
        const connections: RawConnection[] = [];
        for (let i = 0; i < 3; i++) {
          const connection = yield* until(connectRaw(serving));
          expect((yield* ask(connection, request("GET /"))).status).toBe(200);
          connections.push(connection);
        }
        for (let i = 0; i < 3; i++) {
          yield* within(client(serving), function* (connection) {
            yield* until(connection.send(request("GET /")));
            yield* until(connection.over());
            expect(connection.received).toBe("");
          });
        }
        yield* until((connections.pop() as RawConnection).close());
        yield* eventually(() => serving.server.connections === 2);
        yield* within(client(serving), function* (connection) {
          expect((yield* ask(connection, request("GET /"))).status).toBe(200);
        });
        yield* close(connections);
      },
    );
  });
});

describe("a flood", () => {
  it.each<[string, string, string]>([
    ["garbage", "\u0000\u0001\u0002 garbage\r\n\r\n", "400"],
    ["headers without an end", `GET / HTTP/1.1\r\nX: ${"x".repeat(100_000)}`, "431"],
    [
      "many headers",
      request(
        "GET /",
        Array.from({ length: 5_000 }, (_, i) => `X-${i}: x`),
      ),
      "431",
    ],
    ["a long target", request(`GET /${"x".repeat(100_000)}`), "431"],
    ["bodies beyond the limit", post("/", "x".repeat(2_000)), "413"],
    [
      "chunks beyond the limit",
      request("POST /", ["Transfer-Encoding: chunked"], `7d0\r\n${"x".repeat(2_000)}\r\n`),
      "413",
    ],
    [
      "tiny chunks beyond the limit",
      request("POST /", ["Transfer-Encoding: chunked"], "1\r\nx\r\n".repeat(2_000)),
      "413",
    ],
    ["huge extensions of chunks", request("POST /", ["Transfer-Encoding: chunked"], `1;${"x".repeat(100_000)}`), "413"],
  ])("of %s is answered, and the server is as before", function* (_title, text, status) {
    const handler: RequestHandler = function* (incoming) {
      return new Response(yield* until(incoming.text()));
    };
    yield* within(serving(handler, { maxBodySize: 1_000 }), function* (serving) {
      expect(yield* until(flood(serving, 200, text))).toEqual({ [status]: 200 });
      yield* serving.quiet();
      yield* within(client(serving), function* (connection) {
        expect((yield* ask(connection, post("/", "after"))).body).toBe("after");
      });
    });
  });

  it("of connections that are reset at once leaves nothing", function* () {
    yield* within(
      serving(() => new Response("ok")),
      function* (serving) {
        for (let round = 0; round < 10; round++) {
          const connections = yield* until(Promise.all(Array.from({ length: 50 }, () => connectRaw(serving))));
          for (const [i, connection] of connections.entries()) {
            if (i % 2 === 0) void connection.send(request("GET /"));
            connection.reset();
          }
        }
        yield* eventually(() => serving.server.connections === 0);
        expect(serving.server.requests).toBe(0);
      },
    );
  });

  it("of handshakes that fail leaves nothing", function* () {
    const options = { tls: { ...certificates.server }, ca: certificates.ca };
    yield* within(
      serving(() => new Response("ok"), options),
      function* (serving) {
        const plain = { port: serving.port };
        yield* until(flood(plain, 100, request("GET /")));
        yield* eventually(() => serving.server.connections === 0);
        yield* within(client(serving), function* (connection) {
          expect((yield* ask(connection, request("GET /"))).body).toBe("ok");
        });
      },
    );
  });

  it("of requests that one client sends ahead is answered in order", function* () {
    const handler: RequestHandler = (incoming) => new Response(`<${new URL(incoming.url).pathname}>`);
    yield* within(serving(handler), function* (serving) {
      const paths = Array.from({ length: 10_000 }, (_, i) => `/${i}`);
      const texts = paths.map((path, i) => request(`GET ${path}`, i < paths.length - 1 ? [] : ["Connection: close"]));
      const { received } = yield* serving.exchange(texts.join(""), 15_000);
      expect(received.match(/(?<=<)[^>]*(?=>)/g)).toEqual(paths);
    });
  });

  it("of requests that one client sends ahead and does not take the answers of is held back", function* () {
    let begun = 0;
    const handler: RequestHandler = () => {
      begun++;
      return new Response("x".repeat(10_000));
    };
    yield* within(serving(handler, { writeTimeout: 100 }), (serving) =>
      within(client(serving), function* (connection) {
        connection.pause();
        // 2 GB of answers
        void connection.send(request("GET /").repeat(200_000));
        yield* eventually(() => begun > 0);
        yield* serving.quiet();
        expect(begun).toBeLessThan(20_000);
        yield* until(connection.close());
        yield* eventually(() => serving.server.connections === 0);
      }),
    );
  });
});

describe("headers", () => {
  it("up to the limit are taken, in number and in size", function* () {
    const handler: RequestHandler = (incoming) => new Response(String([...incoming.headers].length));
    yield* within(serving(handler, { maxHeaderSize: 64 * 1024 }), (serving) =>
      within(client(serving), function* (connection) {
        const many = Array.from({ length: 4_000 }, (_, i) => `X-${i}: x`);
        expect((yield* ask(connection, request("GET /", many))).body).toBe("4001");
        expect((yield* ask(connection, request("GET /", [`X: ${"x".repeat(60_000)}`]))).body).toBe("2");
      }),
    );
  });

  it("with names that are properties of objects are headers like others", function* () {
    const handler: RequestHandler = ({ headers }) =>
      new Response([headers.get("__proto__"), headers.get("constructor"), headers.get("hasownproperty")].join());
    yield* within(serving(handler), (serving) =>
      within(client(serving), function* (connection) {
        const odd = ["__proto__: a", "constructor: b", "hasOwnProperty: c", "__proto__: d"];
        expect((yield* ask(connection, request("GET /", odd))).body).toBe("a, d,b,c");
      }),
    );
  });
});

describe("a server with a queue", () => {
  it("answers those that wait when it is shut down before their turn", function* () {
    const gate = new Gate();
    yield* within(serving(gate.handler, { concurrency: 1, shutdownTimeout: 20 }), function* (serving) {
      const connections = yield* clients(serving, 4);
      yield* turn(3);
      yield* serving.server.shutdown();
      for (const connection of connections) {
        expect((yield* until(nextAnswer(connection))).status).toBe(503);
        expect(yield* until(connection.over())).toBe("end");
      }
      expect([gate.begun, gate.ended]).toEqual([["/0"], ["/0"]]);
      yield* close(connections);
    });
  });

  it("handles those that wait when it is shut down in time", function* () {
    const gate = new Gate();
    yield* within(serving(gate.handler, { concurrency: 1 }), function* (serving) {
      const connections = yield* clients(serving, 4);
      serving.server.close();
      yield* turn(10);
      gate.open.set();
      yield* serving.server.shutdown();
      for (const [i, connection] of connections.entries()) {
        expect((yield* until(nextAnswer(connection))).body).toBe(`/${i}`);
      }
      yield* close(connections);
    });
  });
});
