import { sleep, type TaskGroup } from "corio";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { expectTypeOf, test } from "vitest";
import { coroutines, handler, respond, taskGroup } from "../../src/adapters/fastify.js";

const app = fastify();

test("a handler knows what its route says", () => {
  app.get<{ Params: { id: string }; Querystring: { deep?: string }; Reply: { id: string } }>(
    "/users/:id",
    handler(function* (request, reply) {
      expectTypeOf(request.params).toEqualTypeOf<{ id: string }>();
      expectTypeOf(request.query.deep).toEqualTypeOf<string | undefined>();
      reply.header("x-one", "1");
      yield* sleep(1);
      expectTypeOf(taskGroup(request)).toEqualTypeOf<TaskGroup>();
      return { id: request.params.id };
    }),
  );
});

test("a handler knows the request that it says it gets", () => {
  app.post("/orders", {
    handler: handler(function* (request: FastifyRequest<{ Body: { amount: number } }>) {
      expectTypeOf(request.body.amount).toEqualTypeOf<number>();
      return "text";
    }),
    onRequest: handler(function* (request: FastifyRequest, reply: FastifyReply) {
      reply.header("x-url", request.url);
    }),
  });
});

test("a handler has the instance as its this", () => {
  app.get(
    "/",
    handler(function* (this: FastifyInstance, request, reply) {
      expectTypeOf(request).toExtend<FastifyRequest>();
      expectTypeOf(reply).toExtend<FastifyReply>();
      return this.prefix;
    }),
  );
});

test("hooks get what Fastify gives them", () => {
  app.addHook(
    "preHandler",
    handler(function* (request, reply) {
      expectTypeOf(request).toExtend<FastifyRequest>();
      expectTypeOf(reply).toExtend<FastifyReply>();
    }),
  );
  app.addHook(
    "onSend",
    handler(function* (_request, reply, payload) {
      expectTypeOf(reply).toExtend<FastifyReply>();
      expectTypeOf(payload).toEqualTypeOf<unknown>();
      return payload;
    }),
  );
});

test("plain handlers can respond, those of errors as well", () => {
  app.setErrorHandler((error, request, reply) =>
    respond(request, function* () {
      yield* sleep(1);
      return reply.code(500).send({ error: String(error) });
    }),
  );
  app.get<{ Params: { id: string } }>("/responding/:id", (request) =>
    respond(request, function* () {
      return request.params.id;
    }),
  );
  expectTypeOf(respond({}, () => sleep(1, "result" as const))).toEqualTypeOf<Promise<"result">>();
  app.register(coroutines({ shutdownTimeout: null }));
});

test("what is no coroutine function is refused", () => {
  // @ts-expect-error -- an async function is a handler as it is
  handler(async () => "text");
});
