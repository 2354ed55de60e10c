import { type Coroutine, sleep, type TaskGroup } from "corio";
import { type Context, Hono } from "hono";
import { hc, type InferResponseType } from "hono/client";
import { validator } from "hono/validator";
import { expectTypeOf, test } from "vitest";
import { coroutines, handler, middleware, respond, taskGroup } from "../../src/adapters/hono.js";

interface Env {
  Variables: { user: { id: number } };
}

test("the parameters of a handler's path are strings", () => {
  new Hono().get(
    "/users/:id",
    handler(function* (c) {
      expectTypeOf(c.req.param("id")).toEqualTypeOf<string>();
      expectTypeOf(taskGroup(c)).toEqualTypeOf<TaskGroup>();
      yield* sleep(1);
      return c.text("text");
    }),
  );
});

test("a handler knows the context that it says it gets", () => {
  new Hono<Env>().get(
    "/users/:id?",
    handler(function* (c: Context<Env, "/users/:id?">) {
      expectTypeOf(c.req.param("id")).toEqualTypeOf<string | undefined>();
      expectTypeOf(c.var.user).toEqualTypeOf<{ id: number }>();
      return c.json(c.var.user);
    }),
  );
});

test("what responds in a plain handler knows all that this knows", () => {
  new Hono<Env>().post(
    "/users/:id/orders/:order?",
    validator("json", (value: { amount?: unknown }) => ({ amount: Number(value.amount) })),
    (c) =>
      respond(c, function* () {
        expectTypeOf(c.req.param("id")).toEqualTypeOf<string>();
        expectTypeOf(c.req.param("order")).toEqualTypeOf<string | undefined>();
        expectTypeOf(c.get("user")).toEqualTypeOf<{ id: number }>();
        expectTypeOf(c.req.valid("json")).toEqualTypeOf<{ amount: number }>();
        expectTypeOf(taskGroup(c)).toEqualTypeOf<TaskGroup>();
        yield* sleep(1);
        return c.json({ accepted: true as const }, 201);
      }),
  );
});

test("error handlers and those of what is not found can respond as well", () => {
  const app = new Hono<Env>();
  app.onError((error, c) =>
    respond(c, function* () {
      yield* sleep(1);
      return c.text(error.message, 500);
    }),
  );
  app.notFound((c) =>
    respond(c, function* () {
      return c.text("nothing", 404);
    }),
  );
});

test("middleware sets variables that are known after it", () => {
  const session = middleware<{ Variables: { session: string } }>(function* (c, next) {
    expectTypeOf(next).toEqualTypeOf<() => Coroutine<void>>();
    c.set("session", "abc");
    yield* next();
  });
  new Hono<Env>().use(coroutines()).get("/", session, (c) => {
    expectTypeOf(c.var.session).toEqualTypeOf<string>();
    expectTypeOf(c.var.user).toEqualTypeOf<{ id: number }>();
    return c.body(null);
  });
});

test("the client of an app knows what its coroutines answer", () => {
  const app = new Hono()
    .get(
      "/users/:id",
      handler(function* (c) {
        if (c.req.param("id") === "0") return c.json({ error: "nobody" as const }, 404);
        return c.json({ id: c.req.param("id"), age: 5 }, 200);
      }),
    )
    .get("/responding", (c) =>
      respond(c, function* () {
        return c.json({ plain: "text" });
      }),
    );
  const client = hc<typeof app>("http://localhost/");
  type Found = InferResponseType<(typeof client.users)[":id"]["$get"], 200>;
  type Missing = InferResponseType<(typeof client.users)[":id"]["$get"], 404>;
  expectTypeOf<Found>().toEqualTypeOf<{ id: string; age: number }>();
  expectTypeOf<Missing>().toEqualTypeOf<{ error: "nobody" }>();
  expectTypeOf<InferResponseType<typeof client.responding.$get>>().toEqualTypeOf<{ plain: string }>();
});

test("what is no coroutine function, or gives no response, is refused", () => {
  // @ts-expect-error -- an async function is a handler as it is
  handler(async (c: Context) => c.text("text"));
  // @ts-expect-error -- a string is no response
  handler(function* () {
    return "text";
  });
  middleware<{ Variables: { session: string } }>(function* (c) {
    // @ts-expect-error -- a session is a string
    c.set("session", 5);
  });
});
