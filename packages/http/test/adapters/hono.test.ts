import { once } from "node:events";
import type { Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { pathToFileURL } from "node:url";
import {
  asyncGenerator,
  type Coroutine,
  createTask,
  ExceptionGroup,
  forEach,
  gather,
  isCancelled,
  run,
  sleep,
  timeout,
  until,
  wait,
  within,
} from "corio";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { methodOverride } from "hono/method-override";
import { streamText } from "hono/streaming";
import { beforeEach, describe, expect, test } from "vitest";
import { runConnected } from "../../../node/test/support/run-connected.js";
import { thrownBy, withCode } from "../../../node/test/support/thrown-by.js";
import { coroutines, handler, middleware, respond, taskGroup } from "../../src/adapters/hono.js";
import { ClientSession, HttpError, Response as OurResponse, upgradeWebSocket } from "../../src/index.js";
import { Journal, served, type ServedOptions, textOf } from "./apps.js";

let journal = new Journal();
beforeEach(() => {
  journal = new Journal();
});

const note = (entry: string): void => journal.note(entry);

/** Serves an app by `serve`. */
function serving(app: Hono, body: Parameters<typeof served>[1], options: ServedOptions = {}): Promise<void> {
  return served((request) => app.fetch(request), body, options);
}

describe("a coroutine handler", () => {
  test("answers", async () => {
    const app = new Hono()
      .get(
        "/users/:id",
        handler(function* (c) {
          yield* sleep(1);
          return c.json({ id: c.req.param("id"), q: c.req.query("q") });
        }),
      )
      .post(
        "/echo",
        handler(function* (c) {
          const body: unknown = yield* until(c.req.json());
          return c.json(body, 201, { "x-one": "1" });
        }),
      )
      .get(
        "/at-once",
        handler(function* (c) {
          return c.text("at once");
        }),
      )
      .get(
        "/nothing",
        handler(function* (c) {
          return c.notFound();
        }),
      );
    await serving(app, function* (session) {
      expect(yield* textOf(session, "/users/5?q=a")).toBe('{"id":"5","q":"a"}');
      const posted = yield* session.post("/echo", { json: { a: [1] } });
      expect([posted.status, posted.headers.get("x-one")]).toEqual([201, "1"]);
      expect(yield* posted.json()).toEqual({ a: [1] });
      expect(yield* textOf(session, "/at-once")).toBe("at once");
      expect((yield* session.get("/nothing")).status).toBe(404);
      expect((yield* session.get("/elsewhere")).status).toBe(404);
      const head = yield* session.head("/at-once");
      expect([head.status, head.headers.get("content-type")]).toEqual([200, expect.stringContaining("text/plain")]);
    });
  });

  test("is answered for at once by the app if it waits for nothing", async () => {
    const app = new Hono().use(coroutines()).get(
      "/",
      handler(function* (c) {
        return c.text("at once");
      }),
    );
    await serving(app, function* (session) {
      expect(yield* textOf(session, "/")).toBe("at once");
    });
    const bare = new Hono().get(
      "/",
      handler(function* (c) {
        return c.text("at once");
      }),
    );
    await served(
      (request) => {
        const response = bare.fetch(request);
        note(response instanceof Promise ? "a promise" : "a response");
        return response;
      },
      function* (session) {
        yield* textOf(session, "/");
        expect(journal.entries).toEqual(["a response"]);
      },
    );
  });

  test("stands beside plain handlers and plain middleware", async () => {
    const app = new Hono();
    app.use(async (c, next) => {
      note("plain begins");
      await next();
      c.header("x-plain", String(c.res.status));
      note("plain ends");
    });
    app.get("/plain", async (c) => {
      await Promise.resolve();
      return c.text("plain");
    });
    app.get("/sync", (c) => c.text("sync"));
    app.get(
      "/coroutine",
      handler(function* (c) {
        yield* sleep(1);
        note("handled");
        return c.text("coroutine");
      }),
    );
    await serving(app, function* (session) {
      expect(yield* textOf(session, "/plain")).toBe("plain");
      expect(yield* textOf(session, "/sync")).toBe("sync");
      journal.entries.length = 0;
      const response = yield* session.get("/coroutine");
      expect([yield* response.text(), response.headers.get("x-plain")]).toEqual(["coroutine", "200"]);
      expect(journal.entries).toEqual(["plain begins", "handled", "plain ends"]);
    });
  });

  test("runs side by side with those of other requests, each in a task named for its request", async () => {
    const app = new Hono().get(
      "/wait/:name",
      handler(function* (c) {
        yield* journal.waits(c.req.param("name"), 20);
        return c.text(c.req.param("name"));
      }),
    );
    await serving(app, function* (session) {
      const names = ["a", "b", "c"];
      expect(yield* gather(...names.map((name) => textOf(session, `/wait/${name}`)))).toEqual(names);
      expect(journal.entries.slice(0, 3)).toEqual(["a waits", "b waits", "c waits"]);
    });
  });

  test("streams what a source of corio gives, and what Hono streams", async () => {
    const pieces = asyncGenerator(function* () {
      for (let i = 0; i < 3; i++) {
        yield* sleep(1);
        yield `${i} `;
      }
    });
    const app = new Hono()
      .get(
        "/ours",
        handler(function* () {
          return new OurResponse(pieces());
        }),
      )
      .get(
        "/theirs",
        handler(function* (c) {
          return streamText(c, async (stream) => {
            for (let i = 0; i < 3; i++) await stream.write(`${i} `);
          });
        }),
      );
    await serving(app, function* (session) {
      expect(yield* textOf(session, "/ours")).toBe("0 1 2 ");
      expect(yield* textOf(session, "/theirs")).toBe("0 1 2 ");
    });
  });

  test("is refused at once if it is none", () => {
    expect(() => handler(undefined as never)).toThrow(
      withCode("HANDLER", /coroutine function: handler\(function\* \(c\)/),
    );
    expect(() => middleware({} as never)).toThrow(
      withCode("HANDLER", /middleware\(function\* \(c, next\).*not of object/),
    );
    expect(() => respond({} as never, "text" as never)).toThrow(withCode("HANDLER", /respond\(c, function\*/));
  });

  test("is refused when it gives no coroutine", async () => {
    const errors: unknown[] = [];
    const app = new Hono()
      .get("/async", handler((async () => new Response()) as never))
      .get("/plain", handler((() => 5) as never))
      .onError((error, c) => {
        errors.push(error);
        return c.text("error", 500);
      });
    await serving(app, function* (session) {
      yield* textOf(session, "/async");
      yield* textOf(session, "/plain");
      expect(errors).toEqual([
        withCode("HANDLER", /returns a promise: that is a handler as it is/),
        withCode("HANDLER", /not of number/),
      ]);
    });
  });

  test("says what is missing where there is no loop", async () => {
    const errors: unknown[] = [];
    const app = new Hono()
      .get(
        "/",
        handler(function* (c) {
          return c.text("text");
        }),
      )
      .onError((error, c) => {
        errors.push(error);
        return c.text("error", 500);
      });
    expect((await app.request("/")).status).toBe(500);
    expect(errors).toEqual([withCode("REQUEST_SCOPE", /app\.use\(coroutines\(\)\)/)]);
  });
});

describe("coroutine middleware", () => {
  test("runs around what follows", async () => {
    const app = new Hono();
    const around = (name: string) =>
      middleware(function* (c, next) {
        note(`${name} begins`);
        yield* next();
        note(`${name} sees ${c.res.status}`);
        c.header(`x-${name}`, "1");
      });
    app.use(around("outer"), around("inner"));
    app.get(
      "/",
      handler(function* (c) {
        yield* sleep(1);
        note("handled");
        return c.text("text", 201);
      }),
    );
    await serving(app, function* (session) {
      const response = yield* session.get("/");
      expect([...response.headers.keys()]).toEqual(expect.arrayContaining(["x-outer", "x-inner"]));
      expect(journal.entries).toEqual(["outer begins", "inner begins", "handled", "inner sees 201", "outer sees 201"]);
      journal.entries.length = 0;
      expect((yield* session.get("/elsewhere")).status).toBe(404);
      expect(journal.entries).toEqual(["outer begins", "inner begins", "inner sees 404", "outer sees 404"]);
    });
  });

  test("may answer itself", async () => {
    const app = new Hono();
    app.use(
      middleware(function* (c, next): Coroutine<Response | void> {
        yield* sleep(1);
        if (c.req.header("authorization") === undefined) return c.text("who are you?", 401);
        yield* next();
      }),
    );
    app.get("/", (c) => c.text("welcome"));
    await serving(app, function* (session) {
      expect((yield* session.get("/")).status).toBe(401);
      const response = yield* session.get("/", { auth: { bearer: "token" } });
      expect(yield* response.text()).toBe("welcome");
    });
  });

  test("sees an error after it was handled, as Hono has it", async () => {
    const app = new Hono<{ Variables: { seen: string } }>();
    app.use(
      middleware(function* (c, next) {
        yield* next();
        note(`sees ${c.res.status} of ${c.error?.message}`);
      }),
    );
    app.get(
      "/",
      handler(function* () {
        yield* sleep(1);
        throw new Error("broken");
      }),
    );
    app.onError((error, c) => c.text(error.message, 500));
    await serving(app as unknown as Hono, function* (session) {
      expect(yield* textOf(session, "/")).toBe("broken");
      expect(journal.entries).toEqual(["sees 500 of broken"]);
    });
  });

  test("closes what it has opened after the coroutines that follow have ended, when they are cancelled", async () => {
    const app = new Hono();
    app.use(
      middleware(function* (_c, next) {
        note("opened");
        try {
          yield* next();
        } finally {
          note("closed");
        }
      }),
    );
    app.use(async (_c, next) => next());
    app.get(
      "/",
      handler(function* (c) {
        taskGroup(c).createTask(journal.waits("task"));
        yield* journal.waits("handler");
        return c.text("text");
      }),
    );
    await serving(app, function* (session) {
      const asked = createTask(session.get("/"));
      yield* journal.until("task waits");
      asked.cancel();
      yield* journal.until("closed");
      expect(journal.entries).toEqual([
        "opened",
        "handler waits",
        "task waits",
        "handler cancelled",
        "handler over",
        "task cancelled",
        "task over",
        "closed",
      ]);
    });
  });
});

describe("an error", () => {
  const failing = (): Hono => {
    const app = new Hono();
    app.get(
      "/handler",
      handler(function* () {
        yield* sleep(1);
        throw new Error("of the handler");
      }),
    );
    app.get(
      "/at-once",
      handler(function* () {
        throw new Error("at once");
      }),
    );
    app.use(
      "/middleware",
      middleware(function* () {
        yield* sleep(1);
        throw new Error("of the middleware");
      }),
    );
    app.use(
      "/afterwards",
      middleware(function* (_c, next) {
        yield* next();
        throw new Error("afterwards");
      }),
    );
    app.get("/afterwards", (c) => c.text("text"));
    app.get(
      "/http",
      handler(function* () {
        yield* sleep(1);
        throw new HTTPException(418, { message: "a teapot" });
      }),
    );
    return app;
  };

  test("of a coroutine is what the app's error handler gets, as it was thrown", async () => {
    const app = failing();
    const errors: Error[] = [];
    app.onError((error, c) => {
      errors.push(error);
      return c.text(`handled ${error.message}`, 500);
    });
    await serving(app, function* (session) {
      for (const path of ["handler", "at-once", "middleware", "afterwards"]) {
        expect(yield* textOf(session, `/${path}`)).toMatch(/^handled/);
      }
      const messages = ["of the handler", "at once", "of the middleware", "afterwards"];
      expect(errors.map(({ message }) => message)).toEqual(messages);
    });
  });

  test("of Hono is the answer that it says", async () => {
    await serving(failing(), function* (session) {
      const response = yield* session.get("/http");
      expect([response.status, yield* response.text()]).toEqual([418, "a teapot"]);
    });
  });

  test("can be handled by a coroutine", async () => {
    const app = failing();
    app.onError((error, c) =>
      respond(c, function* () {
        yield* sleep(1);
        return c.text(`handled ${error.message}`, 503);
      }),
    );
    await serving(app, function* (session) {
      const response = yield* session.get("/handler");
      expect([response.status, yield* response.text()]).toEqual([503, "handled of the handler"]);
    });
  });

  test("that is no Error goes to the server, as Hono has it", async () => {
    const app = new Hono().get(
      "/",
      handler(function* () {
        yield* sleep(1);
        throw "a string";
      }),
    );
    await serving(
      app,
      function* (session) {
        expect((yield* session.get("/")).status).toBe(500);
      },
      { reports: [/handler.*a string/] },
    );
  });

  test("of this package is the answer that it says", async () => {
    const app = new Hono()
      .get(
        "/",
        handler(function* () {
          throw new HttpError(409, "in conflict");
        }),
      )
      .post(
        "/",
        handler(function* (c) {
          return c.text(yield* until(c.req.text()));
        }),
      );
    await serving(
      app,
      function* (session) {
        const response = yield* session.get("/");
        expect([response.status, yield* response.text()]).toEqual([409, "in conflict"]);
        expect((yield* session.post("/", { body: "x".repeat(2_000) })).status).toBe(413);
      },
      { maxBodySize: 1_000 },
    );
  });
});

describe("the task group of a request", () => {
  test("is awaited before the answer goes out", async () => {
    const app = new Hono().get(
      "/",
      handler(function* (c) {
        taskGroup(c).createTask(journal.waits("one", 20));
        taskGroup(c).createTask(journal.waits("two", 10));
        note("handled");
        return c.text("text");
      }),
    );
    await serving(app, function* (session) {
      expect(yield* textOf(session, "/")).toBe("text");
      note("answered");
      expect(journal.entries.indexOf("answered")).toBe(journal.entries.length - 1);
      expect(journal.entries).toEqual(expect.arrayContaining(["one over", "two over"]));
    });
  });

  test("cancels the handler and the other tasks when one fails, and the error handler gets the group", async () => {
    const errors: unknown[] = [];
    const app = new Hono()
      .get(
        "/",
        handler(function* (c) {
          taskGroup(c).createTask(journal.waits("other"));
          taskGroup(c).createTask(function* () {
            yield* sleep(10);
            throw new Error("of a task");
          });
          yield* journal.waits("handler");
          return c.text("text");
        }),
      )
      .onError((error, c) => {
        errors.push(error);
        return c.text("handled", 500);
      });
    await serving(app, function* (session) {
      expect(yield* textOf(session, "/")).toBe("handled");
      expect(errors).toEqual([expect.any(ExceptionGroup)]);
      expect((errors[0] as ExceptionGroup).errors).toEqual([new Error("of a task")]);
      expect(journal.entries).toEqual(expect.arrayContaining(["other cancelled", "other over", "handler over"]));
    });
  });

  test("fails the answer, too, when the handler is done already", async () => {
    const errors: unknown[] = [];
    const app = new Hono()
      .get(
        "/",
        handler(function* (c) {
          taskGroup(c).createTask(journal.waits("other"));
          taskGroup(c).createTask(function* () {
            yield* sleep(10);
            throw new Error("of a task");
          });
          return c.text("text");
        }),
      )
      .onError((error, c) => {
        errors.push(error);
        return c.text("handled", 500);
      });
    await serving(app, function* (session) {
      expect(yield* textOf(session, "/")).toBe("handled");
      expect((errors[0] as ExceptionGroup).errors).toEqual([new Error("of a task")]);
      expect(journal.entries).toEqual(["other waits", "other cancelled", "other over"]);
    });
  });

  test("leaves an error of the handler as it is, and ends its tasks", async () => {
    const errors: unknown[] = [];
    const app = new Hono()
      .get(
        "/",
        handler(function* (c) {
          taskGroup(c).createTask(journal.waits("task"));
          yield* sleep(5);
          throw new Error("of the handler");
        }),
      )
      .onError((error, c) => {
        errors.push(error);
        return c.text("handled", 500);
      });
    await serving(app, function* (session) {
      yield* textOf(session, "/");
      expect(errors).toEqual([new Error("of the handler")]);
      expect(journal.entries).toEqual(["task waits", "task cancelled", "task over"]);
    });
  });

  test("has what fails behind an error of the handler reported", async () => {
    const app = new Hono()
      .get(
        "/",
        handler(function* (c) {
          taskGroup(c).createTask(function* () {
            try {
              yield* sleep(600_000);
            } finally {
              // oxlint-disable-next-line no-unsafe-finally
              throw new Error("in the cleanup");
            }
          });
          yield* sleep(5);
          throw new Error("of the handler");
        }),
      )
      .onError((error, c) => c.text(error.message, 500));
    await serving(
      app,
      function* (session) {
        expect(yield* textOf(session, "/")).toBe("of the handler");
      },
      { reports: [/A task of a request failed after its handler: ExceptionGroup/] },
    );
  });

  test("is that of the middleware before and after the handler, and lasts as long", async () => {
    const app = new Hono();
    app.use(
      middleware(function* (c, next) {
        const group = taskGroup(c);
        group.createTask(journal.waits("the middleware's", 40));
        yield* next();
        note("followed");
        expect(taskGroup(c)).toBe(group);
      }),
    );
    app.get(
      "/",
      handler(function* (c) {
        taskGroup(c).createTask(journal.waits("the handler's", 10));
        return c.text("text");
      }),
    );
    await serving(app, function* (session) {
      yield* textOf(session, "/");
      const over = journal.entries.filter((entry) => /over|followed/.test(entry));
      expect(over).toEqual(["the handler's over", "followed", "the middleware's over"]);
    });
  });

  test("of a request is not needed for a time limit around what follows: it is cancelled, and waited for", async () => {
    const app = new Hono();
    app.use(
      middleware(function* (c, next): Coroutine<Response | void> {
        try {
          yield* within(timeout(20), () => next());
        } catch (error) {
          note(String(error));
          return c.text("too slow", 504);
        }
      }),
    );
    app.get(
      "/",
      handler(function* (c) {
        yield* journal.waits("handler");
        return c.text("text");
      }),
    );
    app.onError((error, c) => {
      note(`error ${String(error)}`);
      return c.text("handled", 500);
    });
    await serving(app, function* (session) {
      const response = yield* session.get("/");
      expect([response.status, journal.entries]).toEqual([
        504,
        ["handler waits", "handler cancelled", "handler over", expect.stringMatching(/^TimeoutError/)],
      ]);
    });
  });

  test("of middleware, when a task of it fails, cancels the middleware, and the handler before that", async () => {
    const errors: unknown[] = [];
    const app = new Hono();
    app.use(
      middleware(function* (c, next) {
        taskGroup(c).createTask(function* () {
          yield* sleep(10);
          throw new Error("of a task");
        });
        try {
          yield* next();
        } finally {
          note("middleware over");
        }
      }),
    );
    app.get(
      "/",
      handler(function* (c) {
        yield* journal.waits("handler");
        return c.text("text");
      }),
    );
    app.onError((error, c) => {
      errors.push(error);
      return c.text("handled", 500);
    });
    await serving(app, function* (session) {
      expect(yield* textOf(session, "/")).toBe("handled");
      expect(errors).toEqual([expect.any(ExceptionGroup)]);
      expect(journal.entries).toEqual(["handler waits", "handler cancelled", "handler over", "middleware over"]);
    });
  });

  test("is there for plain handlers below coroutine middleware, inside coroutines", async () => {
    const errors: unknown[] = [];
    const app = new Hono();
    app.use(
      "/below/*",
      middleware(function* (_c, next) {
        yield* next();
      }),
    );
    const asking = (c: Parameters<typeof taskGroup>[0] & { text(text: string): Response }): Response => {
      taskGroup(c);
      return c.text("text");
    };
    app.get("/below/x", (c) => asking(c));
    app.get("/alone", async (c) => {
      await Promise.resolve();
      return asking(c);
    });
    app.onError((error, c) => {
      errors.push(error);
      return c.text("handled", 500);
    });
    await serving(app, function* (session) {
      expect(yield* textOf(session, "/below/x")).toBe("text");
      expect(yield* textOf(session, "/alone")).toBe("handled");
      expect(errors).toEqual([withCode("NO_RUNNING_LOOP")]);
    });
  });
});

describe("a request whose client goes away", () => {
  test("is cancelled everywhere, and no error handler hears of it", async () => {
    const app = new Hono();
    let signal: AbortSignal | undefined;
    app.use(async (c, next) => {
      await next();
      note(`plain sees ${c.res.status}`);
    });
    app.use(
      middleware(function* (_c, next) {
        try {
          yield* next();
          note("no");
        } catch (error) {
          note(`middleware ${isCancelled(error) ? "cancelled" : String(error)}`);
          throw error;
        }
      }),
    );
    app.get(
      "/",
      handler(function* (c) {
        ({ signal } = c.req.raw);
        taskGroup(c).createTask(journal.waits("task"));
        yield* gather(journal.waits("a"), journal.waits("b"));
        return c.text("text");
      }),
    );
    app.onError((error, c) => {
      note(`error ${String(error)}`);
      return c.text("handled", 500);
    });
    await serving(app, function* (session, server) {
      const asked = createTask(session.get("/"));
      yield* journal.until("b waits");
      asked.cancel();
      yield* journal.until("plain sees 499");
      while (server.requests > 0) yield* sleep(1);
      for (const entry of ["task over", "a over", "b over", "middleware cancelled"]) {
        expect(journal.entries).toContain(entry);
      }
      expect(journal.entries.filter((entry) => /no|error/.test(entry))).toEqual([]);
      expect(signal?.reason).toMatchObject({ code: "ERR_CORIO_CLIENT_GONE" });
    });
  });

  test("may still fail in its cleanup, which the error handler hears", async () => {
    const errors: unknown[] = [];
    const app = new Hono()
      .get(
        "/",
        handler(function* (): Coroutine<Response> {
          try {
            yield* journal.waits("handler");
          } finally {
            // oxlint-disable-next-line no-unsafe-finally
            throw new Error("in the cleanup");
          }
        }),
      )
      .onError((error, c) => {
        errors.push(error);
        return c.text("handled", 500);
      });
    await serving(app, function* (session, server) {
      const asked = createTask(session.get("/"));
      yield* journal.until("handler waits");
      asked.cancel();
      yield* journal.until("handler over");
      while (server.requests > 0) yield* sleep(1);
      expect(errors).toEqual([new Error("in the cleanup")]);
    });
  });
});

describe("a request that takes too long", () => {
  const app = (): Hono => {
    const app = new Hono();
    app.use(async (c, next) => {
      await next();
      note(`plain sees ${c.res.status}`);
    });
    app.get(
      "/",
      handler(function* (c) {
        taskGroup(c).createTask(journal.waits("task"));
        yield* journal.waits("handler");
        return c.text("text");
      }),
    );
    app.onError((error, c) => {
      note(`error ${String(error)}`);
      return c.text("handled", 500);
    });
    return app;
  };
  const entries = ["handler waits", "task waits", "handler cancelled", "handler over", "task cancelled", "task over"];

  test("is cancelled by handlerTimeout, and answered with 503", async () => {
    await serving(
      app(),
      function* (session) {
        expect((yield* session.get("/")).status).toBe(503);
        yield* journal.until("plain sees 503");
        expect(journal.entries).toEqual([...entries, "plain sees 503"]);
      },
      { handlerTimeout: 30 },
    );
  });

  test("is cancelled by a shutdown that cannot wait, which waits for its cleanup", async () => {
    await serving(app(), function* (session, server) {
      const asked = createTask(session.get("/"));
      yield* journal.until("task waits");
      yield* server.shutdown(10);
      expect(journal.entries.slice(0, entries.length)).toEqual(entries);
      expect((yield* asked).status).toBe(503);
    });
  });

  test("is answered by a shutdown that can wait", async () => {
    const app = new Hono().get(
      "/",
      handler(function* (c) {
        taskGroup(c).createTask(journal.waits("task", 40));
        yield* journal.waits("handler", 20);
        return c.text("text");
      }),
    );
    await serving(app, function* (session, server) {
      const asked = createTask(textOf(session, "/"));
      yield* journal.until("task waits");
      yield* server.shutdown();
      expect(yield* asked).toBe("text");
    });
  });
});

describe("an app that another one runs", () => {
  /** What node-server of Hono's is; the benchmarks have it. */
  interface NodeServer {
    createAdaptorServer(options: { fetch: Hono["fetch"]; overrideGlobalObjects: boolean }): Server;
  }

  const nodeServer = async (): Promise<NodeServer> => {
    const benchmarks = createRequire(new URL("../../../../benchmarks/package.json", import.meta.url));
    return (await import(pathToFileURL(benchmarks.resolve("@hono/node-server")).href)) as NodeServer;
  };

  const app = (): Hono => {
    const app = new Hono();
    app.use(coroutines());
    app.get(
      "/users/:id",
      handler(function* (c) {
        taskGroup(c).createTask(journal.waits("task", 10));
        yield* sleep(1);
        return c.text(c.req.param("id"));
      }),
    );
    app.get(
      "/wait",
      handler(function* (c) {
        taskGroup(c).createTask(journal.waits("task"));
        yield* journal.waits("handler");
        return c.text("text");
      }),
    );
    app.get(
      "/fail",
      handler(function* () {
        yield* sleep(1);
        throw new Error("broken");
      }),
    );
    app.onError((error, c) => c.text(`handled ${error.message}`, 500));
    return app;
  };

  const asked = async (app: Hono, path: string, init?: RequestInit): Promise<Response> => app.request(path, init);

  test("needs coroutines(), and answers app.request()", async () => {
    await run(function* () {
      const it = app();
      const response = yield* until(asked(it, "/users/5"));
      expect(yield* until(response.text())).toBe("5");
      expect(journal.entries).toEqual(["task waits", "task waited", "task over"]);
      const failed = yield* until(asked(it, "/fail"));
      expect([failed.status, yield* until(failed.text())]).toEqual([500, "handled broken"]);
    });
  });

  test("is cancelled by the signal of its request", async () => {
    await run(function* () {
      const it = app();
      const controller = new AbortController();
      const { signal } = controller;
      const answered = createTask(until(asked(it, "/wait", { signal })));
      yield* journal.until("task waits");
      controller.abort();
      expect((yield* answered).status).toBe(499);
      expect(journal.entries).toEqual(expect.arrayContaining(["handler over", "task over"]));
      journal.entries.length = 0;
      // what is begun for a request that nobody waits for is not
      expect((yield* until(asked(it, "/wait", { signal }))).status).toBe(499);
      expect(journal.entries).toEqual([]);
    });
  });

  test("says so where no loop was running at coroutines()", async () => {
    const outside = app();
    const response = await outside.request("/users/5");
    expect([response.status, await response.text()]).toEqual([500, expect.stringContaining("coroutines({ loop })")]);
  });

  test("can be given its loop", async () => {
    await run(function* (): Coroutine<void> {
      const { getRunningLoop } = yield* until(import("corio"));
      const loop = getRunningLoop();
      const it = yield* until(
        Promise.resolve().then(() =>
          new Hono().use(coroutines({ loop })).get(
            "/",
            handler(function* (c) {
              yield* sleep(1);
              return c.text("text");
            }),
          ),
        ),
      );
      expect(yield* until((yield* until(asked(it, "/"))).text())).toBe("text");
    });
  });

  test("answers behind Hono's own server for Node, and hears clients go away", async () => {
    const { createAdaptorServer } = await nodeServer();
    await runConnected(function* () {
      const server = createAdaptorServer({ fetch: app().fetch, overrideGlobalObjects: false });
      server.listen(0, "127.0.0.1");
      yield* until(once(server, "listening"));
      const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      yield* within(new ClientSession({ baseUrl }), function* (session) {
        expect(yield* textOf(session, "/users/5")).toBe("5");
        expect(yield* textOf(session, "/fail")).toBe("handled broken");
        journal.entries.length = 0;
        const asked = createTask(session.get("/wait"));
        yield* journal.until("task waits");
        asked.cancel();
        yield* wait([asked]);
        yield* journal.until("task over");
        expect(journal.entries).toContain("handler over");
      });
      const closed = once(server, "close");
      server.close();
      yield* until(closed);
    });
  });
});

describe("under serve", () => {
  test("the global objects may be replaced by light ones meanwhile", async () => {
    const { Response: before, Request: beforeRequest } = globalThis;
    const app = new Hono()
      .use(bodyLimit({ maxSize: 1_000 }))
      .use(methodOverride({ app: new Hono(), header: "x-method" }))
      .get(
        "/",
        handler(function* (c) {
          note(globalThis.Response === OurResponse ? "ours" : "theirs");
          return c.json({ a: 1 });
        }),
      )
      .post(
        "/",
        handler(function* (c) {
          return c.text(yield* until(c.req.text()));
        }),
      );
    await serving(
      app,
      function* (session) {
        expect(yield* textOf(session, "/")).toBe('{"a":1}');
        expect(journal.entries).toEqual(["ours"]);
        expect(yield* (yield* session.post("/", { body: "text" })).text()).toBe("text");
      },
      { overrideGlobalObjects: true },
    );
    expect(globalThis.Response).toBe(before);
    expect(globalThis.Request).toBe(beforeRequest);
  });

  test("what another library has put in the place of global objects is put back", async () => {
    const { Response: before } = globalThis;
    class Theirs extends before {}
    globalThis.Response = Theirs;
    try {
      const app = new Hono().get("/", (c) => c.text("text"));
      await serving(app, (session) => textOf(session, "/") as unknown as Coroutine<void>, {
        overrideGlobalObjects: true,
      });
      expect(globalThis.Response).toBe(Theirs);
    } finally {
      globalThis.Response = before;
    }
  });

  test("middleware may replace the request, if coroutines() is first", async () => {
    const app = new Hono();
    app.use(coroutines(), async (c, next) => {
      c.req.raw = new Request("http://elsewhere/", { method: c.req.method });
      await next();
    });
    app.get(
      "/",
      handler(function* (c) {
        yield* journal.waits("handler");
        return c.text("text");
      }),
    );
    await serving(app, function* (session) {
      const asked = createTask(session.get("/"));
      yield* journal.until("handler waits");
      asked.cancel();
      yield* journal.until("handler over");
    });
  });

  test("a WebSocket is opened by a coroutine handler, and by a plain one", async () => {
    const echo = (request: Request): Response =>
      upgradeWebSocket(request, function* (socket) {
        yield* forEach(socket, (message) => socket.send(`${String(message)}!`));
        note(`closed ${socket.closeCode}`);
      });
    const app = new Hono();
    app.use(
      middleware(function* (c, next) {
        yield* next();
        if (c.res.status !== 101) c.header("x-seen", "1");
      }),
    );
    app.get(
      "/coroutine",
      handler(function* (c) {
        yield* sleep(1);
        return echo(c.req.raw);
      }),
    );
    app.get("/plain", (c) => echo(c.req.raw));
    await serving(app, function* (session) {
      for (const path of ["/coroutine", "/plain"]) {
        yield* within(session.wsConnect(path), function* (socket) {
          yield* socket.send("hello");
          expect(yield* socket.receive()).toBe("hello!");
        });
        expect((yield* session.get(path)).status).toBe(426);
      }
      while (journal.entries.length < 2) yield* sleep(1);
      expect(journal.entries).toEqual(["closed 1000", "closed 1000"]);
      const foreign = session.wsConnect("/plain", { headers: { origin: "https://evil.example" } });
      expect(yield* thrownBy(foreign)).toMatchObject({ status: 403 });
    });
  });
});
