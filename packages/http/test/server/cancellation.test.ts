import {
  asyncGenerator,
  type Coroutine,
  createTask,
  Event,
  isCancelled,
  run,
  sleep,
  timeout,
  until,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { cancelAtEachStep, moments } from "../../../node/test/support/cancel-at-each-step.js";
import { expectClosed, openHandles } from "../../../node/test/support/open-handles.js";
import { reportingLoop, type Report } from "../../../node/test/support/run-connected.js";
import { type HttpServer, type RequestHandler, Response, serve } from "../../src/index.js";
import { connectRaw, nextAnswer } from "../support/raw-client.js";
import { ask, client, eventually, it, post, request, serving, tasksOfRequests, turn } from "./hostile-setting.js";

const here = { host: "127.0.0.1", port: 0 };
const ok: RequestHandler = () => new Response("ok");

/** A scenario whose coroutine is cancelled at each of its awaits. Nothing may be left open, nothing reported. */
async function atEachStep(
  moment: (typeof moments)[number],
  scenario: (cancelAt: (coroutine: Coroutine<unknown>) => Coroutine<{ cancelled: boolean }>) => Coroutine<void>,
): Promise<void> {
  await cancelAtEachStep(moment, async (cancelAt) => {
    const before = openHandles();
    const reports: Report[] = [];
    await run(() => scenario(cancelAt), { loopFactory: () => reportingLoop(reports) });
    await expectClosed(before);
    expect(reports).toEqual([]);
  });
}

/** A coroutine that waits for a server, which is closed as soon as it waits, unless it is cancelled by then. */
function* closedDuring(server: HttpServer, waiting: Coroutine<void>): Coroutine<void> {
  const closing = setTimeout(() => server.close(), 20);
  try {
    yield* waiting;
  } finally {
    clearTimeout(closing);
  }
}

/** A request on its way to a server, whose handler has begun. */
function* asking(server: HttpServer): Coroutine<() => Promise<unknown>> {
  const connection = yield* until(connectRaw({ port: server.port }));
  yield* until(connection.send(request("GET /")));
  yield* eventually(() => server.requests === 1);
  return async () => {
    await connection.over();
    await connection.close();
  };
}

describe.each(moments)("cancelled %s, at each of its awaits,", (moment) => {
  test("serve() does not listen", async () => {
    await atEachStep(moment, function* (cancelAt) {
      let server: HttpServer | undefined;
      const ended = yield* cancelAt(
        (function* () {
          server = yield* serve(ok, here);
        })(),
      );
      if (ended.cancelled) expect(server).toBeUndefined();
      yield* server?.shutdown() ?? sleep(0);
    });
  });

  test("serve() at a host with a name does not listen", async () => {
    await atEachStep(moment, function* (cancelAt) {
      let server: HttpServer | undefined;
      yield* cancelAt(
        (function* () {
          server = yield* serve(ok, { host: "localhost", port: 0 });
        })(),
      );
      yield* server?.shutdown() ?? sleep(0);
    });
  });

  test("shutdown() with nothing in flight shuts down", async () => {
    await atEachStep(moment, function* (cancelAt) {
      const server = yield* serve(ok, here);
      const connection = yield* until(connectRaw({ port: server.port }));
      yield* ask(connection, request("GET /"));
      yield* cancelAt(server.shutdown());
      yield* server.waitClosed();
      expect([server.requests, server.connections]).toEqual([0, 0]);
      yield* until(connection.close());
    });
  });

  test("shutdown() with a request in flight cancels that, and its cleanup runs", async () => {
    await atEachStep(moment, function* (cancelAt) {
      const ends: string[] = [];
      const handler: RequestHandler = function* () {
        try {
          yield* sleep(20);
          ends.push("done");
        } catch (error) {
          ends.push("cancelled");
          throw error;
        } finally {
          yield* sleep(1);
          ends.push("cleaned up");
        }
        return new Response("ok");
      };
      const server = yield* serve(handler, here);
      const answered = yield* asking(server);
      const { cancelled } = yield* cancelAt(server.shutdown());
      yield* server.waitClosed();
      expect([
        ["done", "cleaned up"],
        ["cancelled", "cleaned up"],
      ]).toContainEqual(ends);
      if (!cancelled) expect(ends).toEqual(["done", "cleaned up"]);
      expect([server.requests, server.connections, tasksOfRequests()]).toEqual([0, 0, []]);
      yield* until(answered());
    });
  });

  test("shutdown() beyond its time ends all the same", async () => {
    await atEachStep(moment, function* (cancelAt) {
      const ends: string[] = [];
      const handler: RequestHandler = function* () {
        try {
          yield* sleep(60_000);
        } finally {
          yield* sleep(2);
          ends.push("cleaned up");
        }
        return new Response("never");
      };
      const server = yield* serve(handler, here);
      const answered = yield* asking(server);
      yield* cancelAt(server.shutdown(3));
      yield* server.waitClosed();
      expect([server.requests, server.connections, tasksOfRequests()]).toEqual([0, 0, []]);
      expect(ends).toEqual(["cleaned up"]);
      yield* until(answered());
    });
  });

  test("serveForever() shuts down", async () => {
    await atEachStep(moment, function* (cancelAt) {
      const server = yield* serve(ok, here);
      yield* cancelAt(closedDuring(server, server.serveForever()));
      yield* server.shutdown();
      expect([server.isServing, server.connections]).toEqual([false, 0]);
    });
  });

  test("waitClosed() changes nothing", async () => {
    await atEachStep(moment, function* (cancelAt) {
      const server = yield* serve(ok, here);
      const { cancelled } = yield* cancelAt(closedDuring(server, server.waitClosed()));
      if (cancelled && server.isServing) {
        const connection = yield* until(connectRaw({ port: server.port }));
        expect((yield* ask(connection, request("GET /"))).body).toBe("ok");
        yield* until(connection.close());
      }
      yield* server.shutdown();
    });
  });

  test("the block of a server is left with nothing open", async () => {
    await atEachStep(moment, function* (cancelAt) {
      let asked: Promise<void> | undefined;
      yield* cancelAt(
        (function* () {
          const server = yield* serve(ok, here);
          yield* within(server, function* () {
            asked = askOnce(server);
            yield* until(asked);
          });
        })(),
      );
      yield* until(asked ?? Promise.resolve());
    });
  });
});

/** Asks over a connection of its own, whatever comes of it. */
async function askOnce({ port }: HttpServer): Promise<void> {
  try {
    const connection = await connectRaw({ port });
    await connection.send(request("GET /"));
    await nextAnswer(connection).catch(() => {});
    await connection.close();
  } catch {
    // it is closed already
  }
}

describe("a handler that is cancelled from inside", () => {
  it("by a time limit of its own has an ordinary error", function* () {
    const handler: RequestHandler = function* () {
      yield* within(timeout(5), () => sleep(60_000));
      return new Response("never");
    };
    yield* within(serving(handler), (serving) =>
      within(client(serving), function* (connection) {
        expect((yield* ask(connection, request("GET /"))).status).toBe(500);
        expect(serving.reports()).toEqual([expect.stringContaining("TimeoutError")]);
      }),
    );
  });

  it("by itself is answered with 503, and the server goes on", function* () {
    const handler: RequestHandler = function* (incoming) {
      if (incoming.url.endsWith("/after")) return new Response("after");
      const { currentTask } = yield* until(import("corio"));
      currentTask()?.cancel("myself");
      yield* sleep(60_000);
      return new Response("never");
    };
    yield* within(serving(handler), function* (serving) {
      yield* within(client(serving), function* (connection) {
        expect((yield* ask(connection, request("GET /"))).status).toBe(503);
      });
      yield* within(client(serving), function* (connection) {
        expect((yield* ask(connection, request("GET /after"))).body).toBe("after");
      });
    });
  });
});

/** How the cleanup of a request ends that is cancelled for one reason, and then for another. */
describe("a request that is cancelled twice", () => {
  it("cleans up undisturbed when its client leaves after the time was up", function* () {
    const released = new Event();
    const ends: string[] = [];
    const handler: RequestHandler = function* () {
      try {
        yield* sleep(60_000);
      } finally {
        ends.push("cleaning");
        yield* released.wait();
        ends.push("cleaned up");
      }
      return new Response("never");
    };
    yield* within(serving(handler, { handlerTimeout: 20 }), function* (serving) {
      yield* within(client(serving), function* (connection) {
        yield* until(connection.send(request("GET /")));
        yield* eventually(() => ends.length > 0);
        connection.reset();
        yield* sleep(20);
      });
      released.set();
      yield* serving.quiet();
    });
    expect(ends).toEqual(["cleaning", "cleaned up"]);
  });

  it("ends, if it has swallowed the first, when the server shuts down", function* () {
    const ends: string[] = [];
    const handler: RequestHandler = function* () {
      for (let i = 0; i < 2; i++) {
        try {
          yield* sleep(60_000);
        } catch (error) {
          ends.push(isCancelled(error) ? (error.reason as { code: string }).code : "?");
        }
      }
      return new Response("never");
    };
    yield* within(serving(handler), function* (serving) {
      yield* within(client(serving), function* (connection) {
        yield* until(connection.send(request("GET /")));
        yield* eventually(() => serving.server.requests === 1);
        connection.reset();
        yield* eventually(() => ends.length === 1);
      });
      yield* serving.server.shutdown(5);
    });
    expect(ends).toEqual(["ERR_CORIO_CLIENT_GONE", "ERR_CORIO_SHUTDOWN"]);
  });
});

const sources: readonly [string, (closed: string[]) => globalThis.Response][] = [
  [
    "a source",
    (closed) =>
      new Response(
        asyncGenerator(function* () {
          try {
            for (let i = 0; i < 50; i++) {
              yield "x".repeat(10_000);
              yield* sleep(0);
            }
          } finally {
            yield* sleep(0);
            closed.push("closed");
          }
        })(),
      ),
  ],
  [
    "a web stream",
    (closed) =>
      new globalThis.Response(
        new ReadableStream({
          pull: async (controller) => {
            await new Promise((resolve) => void setImmediate(resolve));
            controller.enqueue(Buffer.alloc(1_000));
          },
          cancel: () => void closed.push("closed"),
        }),
      ),
  ],
];

describe("a request whose client leaves after so many turns", () => {
  it.each(sources)("ends in whatever it does, and closes %s if that was begun", function* (_title, answer) {
    for (let turns = 0; turns < 40; turns++) {
      const closed: string[] = [];
      const log: string[] = [];
      const handler: RequestHandler = function* (incoming) {
        log.push("begun");
        try {
          yield* until(incoming.text());
          log.push("body");
          yield* sleep(0);
          return answer(closed);
        } finally {
          log.push("end");
        }
      };
      yield* within(serving(handler), function* (serving) {
        const connection = yield* until(connectRaw(serving));
        yield* until(connection.send(post("/", "x".repeat(1_000))));
        yield* turn(turns);
        connection.reset();
        yield* eventually(() => serving.server.connections === 0);
        yield* serving.quiet();
      });
      const begun = log.filter((one) => one === "begun").length;
      expect(log.filter((one) => one === "end")).toHaveLength(begun);
    }
  });

  it("is shut down in the same moment, and nothing is left", function* () {
    for (let turns = 0; turns < 25; turns++) {
      const handler: RequestHandler = function* () {
        yield* sleep(60_000);
        return new Response("never");
      };
      const task = createTask(
        within(serving(handler, { concurrency: 2, shutdownTimeout: 0 }), function* (serving) {
          const connections = [];
          for (let i = 0; i < 6; i++) {
            const connection = yield* until(connectRaw(serving));
            yield* until(connection.send(request("GET /") + request("GET /ahead")));
            connections.push(connection);
          }
          yield* eventually(() => serving.server.requests === 12);
          for (const [i, connection] of connections.entries()) {
            if (i % 2 === 0) connection.reset();
            else void connection.close();
          }
          yield* turn(turns);
        }),
      );
      yield* task;
    }
  });
});
