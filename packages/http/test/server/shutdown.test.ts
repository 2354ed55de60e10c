import {
  allTasks,
  attempt,
  type Coroutine,
  createTask,
  Event,
  EventLoop,
  isCancelled,
  Queue,
  sleep,
  until,
  wait,
  within,
} from "corio";
import { describe, expect, it } from "vitest";
import { runConnected } from "../../../node/test/support/run-connected.js";
import { Response, serve } from "../../src/index.js";
import { connectRaw, headerOf, nextAnswer } from "../support/raw-client.js";
import { ask, askOver, connected, eventually, requestText, serving } from "./serving.js";

describe("A shutdown", () => {
  it("waits for what is in flight, whose answers are the last of their connections", () => {
    const go = new Event();
    return serving(
      function* () {
        yield* go.wait();
        return new Response("promised");
      },
      function* (server) {
        yield* connected(server, function* (connection) {
          yield* until(connection.send(requestText("GET /")));
          yield* eventually(() => server.requests === 1);
          const shutdown = createTask(server.shutdown());
          yield* eventually(() => !server.isServing);
          go.set();
          const answer = yield* until(nextAnswer(connection));
          expect(answer.body).toBe("promised");
          expect(headerOf(answer, "connection")).toBe("close");
          yield* shutdown;
          expect(server.connections).toBe(0);
        });
      },
    );
  });

  it("closes idle connections at once, and refuses new ones", () =>
    serving(
      () => new Response("ok"),
      function* (server) {
        const { port } = server;
        yield* connected(server, function* (connection) {
          yield* askOver(connection, "GET /");
          yield* server.shutdown();
          expect(yield* until(connection.over())).toBe("end");
        });
        const refused = yield* attempt(() => refusedAt(port));
        expect(refused).toMatchObject({ ok: false, error: { code: "ECONNREFUSED" } });
      },
    ));

  it("answers who has connected before it, although nobody has accepted yet", () =>
    serving(
      () => new Response("ok"),
      function* (server) {
        const answers = Array.from({ length: 100 }, async () => {
          const connection = await connectRaw({ port: server.port });
          await connection.send(requestText("GET /"));
          const { status } = await nextAnswer(connection);
          await connection.close();
          return status;
        });
        yield* sleep(0);
        yield* server.shutdown();
        expect(new Set(yield* until(Promise.all(answers)))).toEqual(new Set([200]));
      },
    ));

  it("sends what a slow client has not taken yet", () => {
    const body = "x".repeat(5_000_000);
    return serving(
      () => new Response(body),
      function* (server) {
        yield* connected(server, function* (connection) {
          connection.pause();
          yield* until(connection.send(requestText("GET /")));
          yield* eventually(() => server.requests === 1);
          const shutdown = createTask(server.shutdown());
          yield* eventually(() => !server.isServing);
          connection.resume();
          expect((yield* until(nextAnswer(connection))).body.length).toBe(body.length);
          yield* shutdown;
        });
      },
    );
  });

  it("cancels what takes too long, waits for its cleanup, and answers it with 503", () => {
    const notes: string[] = [];
    return serving(
      function* () {
        try {
          yield* sleep(60_000);
        } finally {
          yield* sleep(10);
          notes.push("cleaned up");
        }
        return new Response("unreachable");
      },
      function* (server) {
        yield* connected(server, function* (connection) {
          yield* until(connection.send(requestText("GET /")));
          yield* eventually(() => server.requests === 1);
          const shutdown = createTask(server.shutdown(20));
          const answer = yield* until(nextAnswer(connection));
          expect(answer.status).toBe(503);
          expect(headerOf(answer, "connection")).toBe("close");
          yield* shutdown;
          expect(notes).toEqual(["cleaned up"]);
        });
      },
    );
  });

  it("is what leaving the block does, by an error or a cancellation, too", () =>
    runConnected(function* () {
      const go = new Event();
      const handler = function* (): Coroutine<Response> {
        yield* go.wait();
        return new Response("promised");
      };
      const server = yield* serve(handler, { host: "127.0.0.1", port: 0 });
      const main = createTask(within(server, () => server.serveForever()));
      yield* connected(server, function* (connection) {
        yield* until(connection.send(requestText("GET /")));
        yield* eventually(() => server.requests === 1);
        main.cancel();
        yield* eventually(() => !server.isServing);
        go.set();
        expect((yield* until(nextAnswer(connection))).body).toBe("promised");
      });
      yield* wait([main]);
      expect(main.cancelled).toBe(true);
      expect(server.connections).toBe(0);
    }));

  it("that is cancelled itself cancels the requests at once", () =>
    runConnected(function* () {
      let cancelled = 0;
      const server = yield* serve(
        function* () {
          try {
            yield* sleep(60_000);
          } catch (error) {
            if (isCancelled(error)) cancelled++;
            throw error;
          }
          return new Response("unreachable");
        },
        { host: "127.0.0.1", port: 0, shutdownTimeout: null },
      );
      yield* connected(server, function* (connection) {
        yield* until(connection.send(requestText("GET /")));
        yield* eventually(() => server.requests === 1);
        const shutdown = createTask(server.shutdown());
        yield* eventually(() => !server.isServing);
        shutdown.cancel();
        yield* wait([shutdown]);
        expect([cancelled, shutdown.cancelled, server.requests, server.connections]).toEqual([1, true, 0, 0]);
      });
    }));

  it("can be asked for several times", () =>
    serving(
      () => new Response("ok"),
      function* (server) {
        yield* ask(server, "GET /");
        yield* wait([createTask(server.shutdown()), createTask(server.shutdown(0)), createTask(server.waitClosed())]);
        expect(server.isServing).toBe(false);
      },
    ));

  it("refuses a time that is none, at once", () =>
    serving(
      () => new Response("ok"),
      // biome-ignore lint/correctness/useYield: it throws before
      function* (server) {
        expect(() => server.shutdown(-1)).toThrow("milliseconds from 0, or null");
      },
    ));
});

describe("A server", () => {
  it("that is closed answers what is in flight, and is over then", () => {
    const queue = new Queue<string>();
    return serving(
      () => new Response(queue),
      function* (server) {
        yield* connected(server, function* (connection) {
          yield* until(connection.send(requestText("GET /")));
          yield* eventually(() => server.requests === 1);
          server.close();
          yield* queue.put("last words");
          queue.shutdown();
          expect((yield* until(nextAnswer(connection))).body).toBe("last words");
          yield* server.waitClosed();
        });
      },
    );
  });

  it("ends with its loop, and takes its connections with it", async () => {
    const loop = new EventLoop();
    const server = await loop.runUntilComplete(serve(() => new Response("ok"), { host: "127.0.0.1", port: 0 }));
    const connection = await connectRaw({ port: server.port });
    loop.close();
    await connection.over();
    await expect(connectRaw({ port: server.port })).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  it("may stand beside another one, and beside what else its loop runs", () =>
    runConnected(function* () {
      const at = { host: "127.0.0.1", port: 0 };
      const one = yield* serve(() => new Response("one"), at);
      const two = yield* serve(() => new Response("two"), at);
      yield* within(one, two, function* () {
        expect([(yield* ask(one, "GET /")).body, (yield* ask(two, "GET /")).body]).toEqual(["one", "two"]);
        yield* one.shutdown();
        expect((yield* ask(two, "GET /")).body).toBe("two");
      });
      expect([...allTasks()].length).toBe(1);
    }));

  it("is awaited by one serveForever() at a time, which ends with close()", () =>
    serving(
      () => new Response("ok"),
      function* (server) {
        const forever = createTask(server.serveForever());
        yield* sleep(0);
        const second = createTask(server.serveForever());
        yield* wait([second]);
        expect(second.exception()).toMatchObject({ code: "ERR_CORIO_SERVING" });
        server.close();
        yield* forever;
      },
    ));
});

function* refusedAt(port: number | undefined): Coroutine<unknown> {
  return yield* until(connectRaw({ port }));
}
