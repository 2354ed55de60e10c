import {
  type Coroutine,
  createTask,
  ExceptionGroup,
  gather,
  isCancelled,
  run,
  sleep,
  until,
  wait,
  within,
} from "corio";
import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
  fastify,
} from "fastify";
import { beforeEach, describe, expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { runConnected } from "../../../node/test/support/run-connected.js";
import { withCode } from "../../../node/test/support/thrown-by.js";
import { coroutines, handler, respond, taskGroup } from "../../src/adapters/fastify.js";
import { ClientSession, HttpError } from "../../src/index.js";
import { describeWith } from "../support/programs.js";
import { Journal, textOf } from "./apps.js";

let journal = new Journal();
beforeEach(() => {
  journal = new Journal();
});

const note = (entry: string): void => journal.note(entry);

type Build = (app: FastifyInstance) => void;

/** Listens with an app while a coroutine runs, and closes it. */
async function listening(
  build: Build,
  body: (session: ClientSession, app: FastifyInstance) => Coroutine<void>,
  {
    plugin,
    reports,
    ...options
  }: FastifyServerOptions & {
    plugin?: Parameters<typeof coroutines>[0];
    reports?: readonly RegExp[];
  } = {},
): Promise<void> {
  await runConnected(
    function* () {
      const app = fastify(options);
      app.register(coroutines(plugin));
      build(app);
      const baseUrl = yield* until(app.listen({ host: "127.0.0.1", port: 0 }));
      try {
        yield* within(new ClientSession({ baseUrl, keepAliveTimeout: 50 }), (session) => body(session, app));
      } finally {
        yield* until(app.close());
      }
    },
    reports === undefined ? {} : { reports },
  );
}

/** The error handler, which notes what it gets. */
function handlingErrors(app: FastifyInstance): unknown[] {
  const errors: unknown[] = [];
  app.setErrorHandler((error, _request, reply) => {
    errors.push(error);
    void reply.code(500).send("handled");
  });
  return errors;
}

describe("a coroutine handler", () => {
  const build: Build = (app) => {
    app.get<{ Params: { id: string }; Querystring: { q?: string } }>(
      "/users/:id",
      handler(function* (request, reply) {
        yield* sleep(1);
        reply.header("x-one", "1");
        return { id: request.params.id, q: request.query.q };
      }),
    );
    app.post(
      "/echo",
      handler(function* (request, reply) {
        return reply.code(201).send(request.body);
      }),
    );
    app.get(
      "/sent",
      handler(function* (_request, reply) {
        yield* sleep(1);
        reply.send("sent");
        yield* until(reply as unknown as PromiseLike<void>);
        note("on its way");
        return reply;
      }),
    );
    app.get(
      "/sent-early",
      handler(function* (_request, reply) {
        reply.send("sent");
        yield* journal.waits("handler", 10);
      }),
    );
    app.get(
      "/nothing",
      handler(function* () {}),
    );
    app.get(
      "/this",
      handler(function* (this: FastifyInstance) {
        return this.prefix;
      }),
    );
    app.get("/plain", async () => ({ plain: true }));
    app.get("/sync", (_request, reply) => void reply.send("sync"));
  };

  test("answers, beside plain ones", async () => {
    await listening(build, function* (session) {
      const response = yield* session.get("/users/5?q=a");
      expect([response.headers.get("x-one"), yield* response.json()]).toEqual(["1", { id: "5", q: "a" }]);
      const posted = yield* session.post("/echo", { json: [1, "2"] });
      expect([posted.status, yield* posted.json()]).toEqual([201, [1, "2"]]);
      expect(yield* textOf(session, "/sent")).toBe("sent");
      yield* journal.until("on its way");
      expect(yield* textOf(session, "/sent-early")).toBe("sent");
      yield* journal.until("handler over");
      expect(yield* textOf(session, "/nothing")).toBe("");
      expect(yield* textOf(session, "/plain")).toBe('{"plain":true}');
      expect(yield* textOf(session, "/sync")).toBe("sync");
      expect((yield* session.get("/elsewhere")).status).toBe(404);
    });
  });

  test("answers what is injected", async () => {
    await run(function* () {
      const app = fastify();
      app.register(coroutines());
      build(app);
      const answer = yield* until(app.inject("/users/5"));
      expect([answer.statusCode, answer.json()]).toEqual([200, { id: "5" }]);
      const posted = yield* until(app.inject({ method: "POST", url: "/echo", payload: { a: 1 } }));
      expect([posted.statusCode, posted.json()]).toEqual([201, { a: 1 }]);
      yield* until(app.close());
    });
  });

  test("runs side by side with those of other requests, also in plugins of the app", async () => {
    await listening(
      (app) => {
        app.register(async (inner) => {
          inner.get<{ Params: { name: string } }>(
            "/wait/:name",
            handler(function* (request) {
              yield* journal.waits(request.params.name, 20);
              return request.params.name;
            }),
          );
        });
      },
      function* (session) {
        const names = ["a", "b", "c"];
        expect(yield* gather(...names.map((name) => textOf(session, `/wait/${name}`)))).toEqual(names);
        expect(journal.entries.slice(0, 3)).toEqual(["a waits", "b waits", "c waits"]);
      },
    );
  });

  test("is refused if it is none, or without the plugin", async () => {
    expect(() => handler(5 as never)).toThrow(withCode("HANDLER", /handler\(function\* \(request, reply\)/));
    await expect(respond({}, "text" as never)).rejects.toThrow(withCode("HANDLER", /respond\(request/));
    await run(function* () {
      const app = fastify();
      app.get(
        "/",
        handler(function* () {
          return "text";
        }),
      );
      const answer = yield* until(app.inject("/"));
      expect([answer.statusCode, answer.json<{ message: string }>().message]).toEqual([
        500,
        expect.stringContaining("app.register(coroutines())"),
      ]);
      expect(() => coroutines({ shutdownTimeout: -1 })).toThrow(withCode("SHUTDOWN_TIMEOUT", /not -1/));
      yield* until(app.close());
    });
    expect(() => coroutines()).toThrow(withCode("NO_RUNNING_LOOP"));
  });
});

describe("a coroutine hook", () => {
  test("stands in the order of hooks, beside plain ones", async () => {
    await listening(
      (app) => {
        const hook = (name: string) =>
          handler(function* () {
            yield* sleep(1);
            note(name);
          });
        app.addHook("onRequest", hook("onRequest"));
        app.addHook(
          "preParsing",
          handler(function* (_request, _reply, payload) {
            note("preParsing");
            return payload as never;
          }),
        );
        app.addHook("preValidation", hook("preValidation"));
        app.addHook("preHandler", async () => note("plain preHandler"));
        app.addHook("preHandler", hook("preHandler"));
        app.addHook(
          "preSerialization",
          handler(function* (_request, _reply, payload) {
            note("preSerialization");
            return { wrapped: payload };
          }),
        );
        app.addHook(
          "onSend",
          handler(function* (_request, reply, payload) {
            yield* sleep(1);
            note("onSend");
            reply.header("x-sent", "1");
            return String(payload).replace("text", "changed");
          }),
        );
        app.addHook(
          "onResponse",
          handler(function* () {
            yield* sleep(1);
            note("onResponse");
          }),
        );
        app.post(
          "/",
          handler(function* (request) {
            note("handler");
            return { body: request.body };
          }),
        );
      },
      function* (session) {
        const response = yield* session.post("/", { json: "text" });
        expect([response.headers.get("x-sent"), yield* response.json()]).toEqual([
          "1",
          { wrapped: { body: "changed" } },
        ]);
        yield* journal.until("onResponse");
        expect(journal.entries).toEqual([
          "onRequest",
          "preParsing",
          "preValidation",
          "plain preHandler",
          "preHandler",
          "handler",
          "preSerialization",
          "onSend",
          "onResponse",
        ]);
      },
    );
  });

  test("may answer itself, or fail", async () => {
    await listening(
      (app) => {
        const errors = handlingErrors(app);
        app.addHook(
          "preHandler",
          handler(function* (request, reply): Coroutine<unknown> {
            yield* sleep(1);
            if (request.headers.authorization === undefined) return reply.code(401).send("who are you?");
            if (request.headers.authorization !== "Bearer good") throw new Error("no good");
            return undefined;
          }),
        );
        app.get("/", () => {
          note(`handled after ${errors.length} errors`);
          return "welcome";
        });
      },
      function* (session) {
        expect((yield* session.get("/")).status).toBe(401);
        expect((yield* session.get("/", { auth: { bearer: "bad" } })).status).toBe(500);
        expect(yield* (yield* session.get("/", { auth: { bearer: "good" } })).text()).toBe("welcome");
        expect(journal.entries).toEqual(["handled after 1 errors"]);
      },
    );
  });
});

describe("an error", () => {
  test("of a coroutine is what Fastify's error handler gets, as it was thrown", async () => {
    let errors: unknown[] = [];
    await listening(
      (app) => {
        errors = handlingErrors(app);
        app.get(
          "/at-once",
          handler(function* () {
            throw new Error("at once");
          }),
        );
        app.get(
          "/later",
          handler(function* () {
            yield* sleep(1);
            throw new Error("later");
          }),
        );
      },
      function* (session) {
        expect(yield* textOf(session, "/at-once")).toBe("handled");
        expect(yield* textOf(session, "/later")).toBe("handled");
        expect(errors).toEqual([new Error("at once"), new Error("later")]);
      },
    );
  });

  test("of this package is the answer that it says", async () => {
    await listening(
      (app) => {
        app.get(
          "/",
          handler(function* () {
            throw new HttpError(409, "in conflict", { headers: { "x-one": "1" } });
          }),
        );
      },
      function* (session) {
        const response = yield* session.get("/");
        expect([response.status, response.headers.get("x-one")]).toEqual([409, "1"]);
        expect(yield* response.json()).toMatchObject({ statusCode: 409, message: "in conflict" });
      },
    );
  });

  test("can be handled by a coroutine", async () => {
    await listening(
      (app) => {
        app.setErrorHandler((error, request, reply) =>
          respond(request, function* () {
            yield* sleep(1);
            return reply.code(503).send(`handled ${(error as Error).message}`);
          }),
        );
        app.get("/", (request) =>
          respond(request, function* () {
            yield* sleep(1);
            throw new Error("broken");
          }),
        );
      },
      function* (session) {
        const response = yield* session.get("/");
        expect([response.status, yield* response.text()]).toEqual([503, "handled broken"]);
      },
    );
  });
});

describe("the task group of a request", () => {
  test("is shared by its hooks and its handler, and awaited before the answer goes out", async () => {
    await listening(
      (app) => {
        app.addHook(
          "preHandler",
          handler(function* (request) {
            taskGroup(request).createTask(journal.waits("the hook's", 30));
          }),
        );
        app.get(
          "/",
          handler(function* (request) {
            taskGroup(request).createTask(journal.waits("the handler's", 10));
            note("handled");
            return "text";
          }),
        );
      },
      function* (session) {
        expect(yield* textOf(session, "/")).toBe("text");
        note("answered");
        expect(journal.entries.filter((entry) => !/waits|waited/.test(entry))).toEqual([
          "handled",
          "the handler's over",
          "the hook's over",
          "answered",
        ]);
      },
    );
  });

  const failing: Coroutine<void> | (() => Coroutine<void>) = function* () {
    yield* sleep(10);
    throw new Error("of a task");
  };

  test("cancels the handler and the other tasks when one fails, and the error handler gets the group", async () => {
    let errors: unknown[] = [];
    await listening(
      (app) => {
        errors = handlingErrors(app);
        app.addHook(
          "preHandler",
          handler(function* (request) {
            taskGroup(request).createTask(failing);
          }),
        );
        app.get(
          "/",
          handler(function* (request) {
            taskGroup(request).createTask(journal.waits("other"));
            yield* journal.waits("handler");
          }),
        );
      },
      function* (session) {
        expect(yield* textOf(session, "/")).toBe("handled");
        expect(errors).toEqual([expect.any(ExceptionGroup)]);
        expect((errors[0] as ExceptionGroup).errors).toEqual([new Error("of a task")]);
        for (const entry of ["other over", "handler over", "handler cancelled"])
          expect(journal.entries).toContain(entry);
      },
    );
  });

  test("fails the answer, too, when the handler is done already, or between two coroutines", async () => {
    let errors: unknown[] = [];
    await listening(
      (app) => {
        errors = handlingErrors(app);
        app.get(
          "/afterwards",
          handler(function* (request) {
            taskGroup(request).createTask(failing);
            return "text";
          }),
        );
        app.get(
          "/between",
          {
            onRequest: handler(function* (request: FastifyRequest, _reply: FastifyReply) {
              taskGroup(request).createTask(failing);
            }),
            preHandler: async () => {
              await new Promise((resolve) => setTimeout(resolve, 50));
            },
          },
          handler(function* () {
            note("handled");
            return "text";
          }),
        );
      },
      function* (session) {
        expect(yield* textOf(session, "/afterwards")).toBe("handled");
        expect(yield* textOf(session, "/between")).toBe("handled");
        expect(errors.map((error) => (error as ExceptionGroup).errors)).toEqual([
          [new Error("of a task")],
          [new Error("of a task")],
        ]);
        expect(journal.entries).toEqual([]);
      },
    );
  });

  test("is awaited as well when the handler fails", async () => {
    let errors: unknown[] = [];
    await listening(
      (app) => {
        errors = handlingErrors(app);
        app.get(
          "/",
          handler(function* (request) {
            taskGroup(request).createTask(journal.waits("task", 20));
            yield* sleep(5);
            throw new Error("of the handler");
          }),
        );
      },
      function* (session) {
        expect(yield* textOf(session, "/")).toBe("handled");
        expect(journal.entries).toEqual(["task waits", "task waited", "task over"]);
        expect(errors).toEqual([new Error("of the handler")]);
      },
    );
  });

  test("is not there outside of a coroutine", async () => {
    let errors: unknown[] = [];
    await listening(
      (app) => {
        errors = handlingErrors(app);
        app.get("/", (request) =>
          Promise.resolve().then(() => {
            taskGroup(request);
          }),
        );
      },
      function* (session) {
        expect(yield* textOf(session, "/")).toBe("handled");
        expect(errors).toEqual([withCode("NO_RUNNING_LOOP")]);
      },
    );
  });

  test("that a hook makes once the answer is on its way is waited for when the app is closed", async () => {
    await listening(
      (app) => {
        app.addHook(
          "onResponse",
          handler(function* (request) {
            taskGroup(request).createTask(journal.waits("task", 30));
          }),
        );
        app.get("/", () => "text");
      },
      function* (session) {
        expect(yield* textOf(session, "/")).toBe("text");
        yield* journal.until("task waits");
      },
    );
    expect(journal.entries).toEqual(["task waits", "task waited", "task over"]);
  });
});

const waiting: Build = (app) => {
  app.setErrorHandler((error, _request, reply) => {
    note(`error ${String(error)}`);
    return reply.send(error);
  });
  app.get(
    "/",
    handler(function* (request) {
      taskGroup(request).createTask(journal.waits("task"));
      yield* gather(journal.waits("a"), journal.waits("b"));
      return "text";
    }),
  );
};

const cleanedUp = (): void => {
  for (const name of ["task", "a", "b"]) expect(journal.entries).toContain(`${name} over`);
};

describe("a request whose client goes away", () => {
  test("is cancelled everywhere, and no error handler hears of it", async () => {
    await listening(waiting, function* (session, app) {
      const asked = createTask(session.get("/"));
      yield* journal.until("b waits");
      asked.cancel();
      yield* wait([asked]);
      yield* until(app.close());
      cleanedUp();
      expect(journal.entries.filter((entry) => entry.startsWith("error"))).toEqual([]);
    });
  });

  test("is cancelled in a hook, and nothing follows", async () => {
    await listening(
      (app) => {
        app.addHook(
          "preHandler",
          handler(function* () {
            yield* journal.waits("hook");
          }),
        );
        app.addHook("preHandler", async () => note("next hook"));
        app.get(
          "/",
          handler(function* () {
            note("handler");
          }),
        );
      },
      function* (session) {
        const asked = createTask(session.get("/"));
        yield* journal.until("hook waits");
        asked.cancel();
        yield* journal.until("hook over");
        yield* sleep(20);
        expect(journal.entries).toEqual(["hook waits", "hook cancelled", "hook over"]);
      },
    );
  });

  test("may still fail in its cleanup, which the error handler hears", async () => {
    await listening(
      (app) => {
        app.setErrorHandler((error) => note(`error ${String(error)}`));
        app.get(
          "/",
          handler(function* () {
            try {
              yield* journal.waits("handler");
            } catch (error) {
              throw isCancelled(error) ? new Error("in the cleanup") : error;
            }
          }),
        );
      },
      function* (session) {
        const asked = createTask(session.get("/"));
        yield* journal.until("handler waits");
        asked.cancel();
        yield* journal.until("error Error: in the cleanup");
      },
    );
  });
});

describe("a request that takes too long", () => {
  test("is cancelled by Fastify's handlerTimeout, and answered by Fastify", async () => {
    await listening(
      waiting,
      function* (session) {
        const response = yield* session.get("/");
        expect([response.status, yield* response.json()]).toMatchObject([503, { code: "FST_ERR_HANDLER_TIMEOUT" }]);
        cleanedUp();
        expect(journal.entries.filter((entry) => entry.startsWith("error"))).toHaveLength(1);
      },
      { handlerTimeout: 30 },
    );
  });

  test("is cancelled by the time limit of its route, and others are not", async () => {
    await listening(
      (app) => {
        app.get(
          "/limited",
          { handlerTimeout: 30 },
          handler(function* () {
            yield* journal.waits("limited");
          }),
        );
        app.post(
          "/unlimited",
          handler(function* (request) {
            yield* journal.waits("unlimited", 100);
            return request.body;
          }),
        );
      },
      function* (session) {
        const unlimited = createTask(session.post("/unlimited", { json: "text" }));
        expect((yield* session.get("/limited")).status).toBe(503);
        expect(journal.entries).toContain("limited cancelled");
        expect(yield* (yield* unlimited).text()).toBe("text");
      },
    );
  });

  test("is finished by an app that is closed and can wait", async () => {
    await listening(
      (app) => {
        app.get(
          "/",
          handler(function* (request) {
            taskGroup(request).createTask(journal.waits("task", 40));
            yield* journal.waits("handler", 20);
            return "text";
          }),
        );
      },
      function* (session, app) {
        const asked = createTask(textOf(session, "/"));
        yield* journal.until("task waits");
        yield* until(app.close());
        expect(journal.entries).toContain("task over");
        expect(yield* asked).toBe("text");
      },
    );
  });

  test("is cancelled by an app that is closed and cannot wait, and answered with 503", async () => {
    await listening(
      waiting,
      function* (session, app) {
        const asked = createTask(session.get("/"));
        yield* journal.until("b waits");
        yield* until(app.close());
        cleanedUp();
        expect((yield* asked).status).toBe(503);
      },
      { plugin: { shutdownTimeout: 20 } },
    );
  });

  test("is cut off by an app that closes its connections, and its cleanup is waited for", async () => {
    await listening(
      waiting,
      function* (session, app) {
        const asked = createTask(session.get("/", { retry: { attempts: 1, stale: false } }));
        yield* journal.until("b waits");
        yield* until(app.close());
        cleanedUp();
        yield* wait([asked]);
        expect(asked.exception()).toMatchObject({ name: "ServerDisconnectedError" });
      },
      { forceCloseConnections: true },
    );
  });

  test("is cancelled with the program, without the app's being closed", async () => {
    const app = fastify();
    await run(function* () {
      app.register(coroutines());
      app.get(
        "/",
        handler(function* (request) {
          taskGroup(request).createTask(journal.waits("task"));
          yield* journal.waits("handler");
        }),
      );
      void app.inject("/");
      yield* journal.until("task waits");
    });
    expect(journal.entries).toContain("handler over");
    await app.close();
  });
});

describeWith("openssl")("over HTTP/2", () => {
  const certificates = useCertificates();

  test("a request that is taken back is cancelled, and others are answered", async () => {
    await runConnected(function* () {
      const app = fastify({ http2: true, https: certificates.server });
      app.register(coroutines());
      waiting(app as unknown as FastifyInstance);
      app.get("/hello", (request) =>
        respond(request, function* () {
          yield* sleep(1);
          return "hello";
        }),
      );
      const baseUrl = yield* until(app.listen({ host: "127.0.0.1", port: 0 }));
      yield* within(new ClientSession({ baseUrl, http2: true, tls: { ca: certificates.ca } }), function* (session) {
        expect(yield* textOf(session, "/hello")).toBe("hello");
        const asked = createTask(session.get("/"));
        yield* journal.until("b waits");
        asked.cancel();
        yield* journal.until("b over");
        expect(yield* textOf(session, "/hello")).toBe("hello");
      });
      yield* until(app.close());
      cleanedUp();
    });
  });
});
