import {
  asyncGenerator,
  ContextVar,
  type Coroutine,
  createTask,
  currentTask,
  Event,
  gather,
  sleep,
  until,
  within,
} from "corio";
import { describe, expect } from "vitest";
import { HttpError, type RequestHandler, Response } from "../../src/index.js";
import { nextAnswer } from "../support/raw-client.js";
import { ask, client, eventually, it, request, serving, tasksOfRequests } from "./hostile-setting.js";

const who = new ContextVar<string>("who", { default: "nobody" });

describe("context variables", () => {
  it("are those of who serves, and each request has its own", function* () {
    const seen: string[] = [];
    const bothAre = new Event();
    let begun = 0;
    const handler: RequestHandler = function* (incoming) {
      const { pathname } = new URL(incoming.url);
      seen.push(`${pathname} begins with ${who.get()}`);
      who.set(pathname);
      if (++begun === 2) bothAre.set();
      yield* bothAre.wait();
      yield* sleep(1);
      return new Response(named(pathname));
    };
    const named = asyncGenerator(function* (pathname: string) {
      yield* sleep(1);
      yield `${pathname} sends as ${who.get()}`;
    });
    who.set("the server");
    yield* within(serving(handler), function* (serving) {
      who.set("the test");
      yield* within(client(serving), (one) =>
        within(client(serving), function* (two) {
          const answers = yield* gather(ask(one, request("GET /1")), ask(two, request("GET /2")));
          expect(answers.map(({ body }) => body)).toEqual(["/1 sends as /1", "/2 sends as /2"]);
        }),
      );
      expect(seen.toSorted()).toEqual(["/1 begins with the server", "/2 begins with the server"]);
      expect(who.get()).toBe("the test");
    });
  });

  it("of one request are not seen by the next on its connection, nor by those sent ahead", function* () {
    const handler: RequestHandler = (incoming) => {
      const before = who.get();
      who.set(new URL(incoming.url).pathname);
      return new Response(before);
    };
    yield* within(serving(handler), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(request("GET /1") + request("GET /2")));
        for (let i = 0; i < 2; i++) expect((yield* until(nextAnswer(connection))).body).toBe("nobody");
        expect((yield* ask(connection, request("GET /3"))).body).toBe("nobody");
      }),
    );
  });

  it("are the request's also in what was queued before it began", function* () {
    const released = new Event();
    const handler: RequestHandler = function* () {
      const before = who.get();
      who.set("changed");
      yield* released.wait();
      return new Response(before);
    };
    yield* within(serving(handler, { concurrency: 1 }), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(request("GET /1") + request("GET /2")));
        yield* eventually(() => serving.server.requests === 2);
        released.set();
        for (let i = 0; i < 2; i++) expect((yield* until(nextAnswer(connection))).body).toBe("nobody");
      }),
    );
  });
});

describe("the task of a request", () => {
  it("is named for it, without the query, and is over with it", function* () {
    const names: string[] = [];
    const handler: RequestHandler = function* () {
      names.push((currentTask() as { name: string }).name);
      yield* sleep(1);
      return new Response("ok");
    };
    yield* within(serving(handler), (serving) =>
      within(client(serving), function* (connection) {
        yield* ask(connection, request("GET /a/b?secret=1"));
        yield* ask(connection, request("DELETE /"));
        expect(names).toEqual(["GET /a/b", "DELETE /"]);
        yield* serving.quiet();
        expect(tasksOfRequests()).toEqual([]);
      }),
    );
  });

  it("can be cancelled by another request", function* () {
    const tasks = new Map<string, { cancel(reason?: unknown): unknown }>();
    const handler: RequestHandler = function* (incoming) {
      const { pathname } = new URL(incoming.url);
      if (pathname === "/cancel") {
        tasks.get("/long")?.cancel("enough");
        return new Response("done");
      }
      tasks.set(pathname, currentTask());
      yield* sleep(60_000);
      return new Response("never");
    };
    yield* within(serving(handler), (serving) =>
      within(client(serving), (long) =>
        within(client(serving), function* (other) {
          yield* until(long.send(request("GET /long")));
          yield* eventually(() => tasks.size === 1);
          expect((yield* ask(other, request("GET /cancel"))).body).toBe("done");
          expect((yield* until(nextAnswer(long))).status).toBe(503);
        }),
      ),
    );
  });
});

/** Handlers of every kind, each answering with the name it is given. */
const kinds: readonly [kind: string, handler: (name: string) => RequestHandler][] = [
  [
    "a coroutine function",
    (name) =>
      function* () {
        yield* sleep(0);
        return new Response(name);
      },
  ],
  ["a function of a coroutine", (name) => () => answering(name)],
  ["an async function", (name) => async () => new Response(name)],
  ["an async function of the platform's response", (name) => async () => new globalThis.Response(name)],
  ["an ordinary function", (name) => () => new Response(name)],
  ["a function of a task", (name) => () => createTask(answering(name))],
];

function* answering(name: string): Coroutine<globalThis.Response> {
  yield* sleep(1);
  return new Response(name);
}

describe("many requests at once", () => {
  it.each(kinds)("each have their own answer, of %s", function* (_kind, handler) {
    yield* within(
      serving((incoming) => handler(new URL(incoming.url).pathname)(incoming)),
      function* (serving) {
        const one = function* (path: string): Coroutine<void> {
          yield* within(client(serving), function* (connection) {
            const first = yield* ask(connection, request(`GET ${path}/1`));
            const second = yield* ask(connection, request(`GET ${path}/2`));
            expect(first.body + second.body).toBe(`${path}/1${path}/2`);
          });
        };
        yield* gather(...Array.from({ length: 100 }, (_, i) => one(`/${i}`)));
        expect(serving.server.connections).toBeLessThanOrEqual(100);
      },
    );
  });

  it("some of which fail do not disturb the others", function* () {
    const handler: RequestHandler = function* (incoming) {
      const i = Number(new URL(incoming.url).pathname.slice(1));
      yield* sleep(i % 4);
      if (i % 4 === 1) throw new HttpError(404);
      if (i % 4 === 2) throw new Error(`secret ${i}`);
      if (i % 4 === 3) return new Response(brokenOff());
      return new Response(`${i}`);
    };
    const brokenOff = asyncGenerator(function* () {
      yield "piece";
      yield* sleep(1);
      throw new Error("secret piece");
    });
    yield* within(serving(handler), function* (serving) {
      const one = function* (i: number): Coroutine<void> {
        yield* within(client(serving), function* (connection) {
          yield* until(connection.send(request(`GET /${i}`)));
          if (i % 4 === 3) {
            yield* until(connection.over());
            expect(connection.received.endsWith("0\r\n\r\n")).toBe(false);
            return;
          }
          const { status, body } = yield* until(nextAnswer(connection));
          expect([status, body]).toEqual(
            [
              [200, `${i}`],
              [404, "Not Found"],
              [500, "Internal Server Error"],
            ][i % 4],
          );
        });
      };
      yield* gather(...Array.from({ length: 80 }, (_, i) => one(i)));
      expect(serving.reports()).toHaveLength(40);
    });
  });
});
