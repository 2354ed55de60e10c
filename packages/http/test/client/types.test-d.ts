import { asyncGenerator, type Coroutine, forEach, Queue, within } from "corio";
import type { StreamReader } from "@corio/node";
import type { CookieJar } from "tough-cookie";
import { describe, expectTypeOf, test } from "vitest";
import {
  ClientResponse,
  ClientSession,
  type BodyTimeoutError,
  type ClientConnectionError,
  type ClientError,
  type ClientResponseError,
  type ConnectTimeoutError,
  type HeadersTimeoutError,
  type PendingResponse,
  type RequestOptions,
  type RequestPhase,
  type RequestTimeoutError,
  type ResponseTooLargeError,
  type ServerDisconnectedError,
  type SessionOptions,
  type TotalTimeoutError,
} from "../../src/index.js";

const session = {} as ClientSession;
const response = {} as ClientResponse;

function result<T>(_coroutine: Coroutine<T>): T {
  return {} as T;
}

describe("a session", () => {
  test("has methods that give a response, awaited or as a manager", () => {
    for (const method of ["get", "post", "put", "patch", "delete", "head", "options"] as const) {
      expectTypeOf<Parameters<ClientSession[typeof method]>[0]>().toEqualTypeOf<string | URL>();
      expectTypeOf<Parameters<ClientSession[typeof method]>[1]>().toEqualTypeOf<RequestOptions | undefined>();
      expectTypeOf(session[method]).returns.toEqualTypeOf<PendingResponse>();
    }
    expectTypeOf<Parameters<ClientSession["request"]>[0]>().toEqualTypeOf<string>();
    expectTypeOf<Parameters<ClientSession["request"]>[2]>().toEqualTypeOf<RequestOptions | undefined>();
    function* awaited(): Coroutine<void> {
      expectTypeOf(yield* session.get("/")).toEqualTypeOf<ClientResponse>();
      const status = yield* within(session.get("/"), function* (entered) {
        expectTypeOf(entered).toEqualTypeOf<ClientResponse>();
        return entered.status;
      });
      expectTypeOf(status).toEqualTypeOf<number>();
      yield* within(new ClientSession(), function* (entered) {
        expectTypeOf(entered).toEqualTypeOf<ClientSession>();
      });
    }
    expectTypeOf(awaited).returns.toEqualTypeOf<Coroutine<void>>();
  });

  test("is closed by a coroutine, and tells about itself", () => {
    expectTypeOf(session.close()).toEqualTypeOf<Coroutine<void>>();
    expectTypeOf(session.closed).toEqualTypeOf<boolean>();
    expectTypeOf(session.connections).toEqualTypeOf<number>();
    expectTypeOf(session.cookieJar).toEqualTypeOf<CookieJar | null>();
  });

  test("hides what is internal", () => {
    expectTypeOf<Extract<keyof ClientSession, `_${string}`>>().toEqualTypeOf<never>();
    expectTypeOf<Extract<keyof ClientResponse, `_${string}`>>().toEqualTypeOf<never>();
  });

  test("takes options, and refuses what is none", () => {
    expectTypeOf<ConstructorParameters<typeof ClientSession>[0]>().toEqualTypeOf<SessionOptions | undefined>();
    const options: SessionOptions = {
      auth: null,
      baseUrl: new URL("http://localhost"),
      cookieJar: null,
      headers: new Headers(),
      http2: true,
      limit: Infinity,
      proxy: { url: "http://localhost", headers: { a: "b" } },
      redirects: "error",
      retry: { attempts: 2, statuses: [503] },
      socketPath: undefined,
      timeout: { total: null, body: 5 },
      tls: { ca: "", rejectUnauthorized: false },
      trace: { onEnd: (_, { ms, error }) => void [ms.toFixed(), error] },
    };
    expectTypeOf(options).toExtend<SessionOptions>();
    // @ts-expect-error a time limit has parts
    session.get("/", { timeout: 5 });
    // @ts-expect-error no such redirects
    session.get("/", { redirects: "follow" });
    // @ts-expect-error a name without a password
    session.get("/", { auth: { username: "a" } });
    // @ts-expect-error a limit is the session's
    session.get("/", { limit: 5 });
    // @ts-expect-error no URL
    session.get(5);
    // @ts-expect-error a body is no object
    session.post("/", { body: { a: 1 } });
    // @ts-expect-error a body is no number
    session.post("/", { body: 5 });
    // @ts-expect-error params have no null
    session.get("/", { params: { a: null } });
    // @ts-expect-error "path" and the like are not TLS's to say
    void new ClientSession({ tls: { path: "/x" } });
  });

  test("takes bodies of all kinds", () => {
    const pieces = asyncGenerator(function* () {
      yield "text";
      yield new Uint8Array();
    });
    const reader = {} as StreamReader;
    const bodies: RequestOptions["body"][] = [
      "text",
      new Uint8Array(),
      Buffer.from(""),
      new ArrayBuffer(0),
      new DataView(new ArrayBuffer(0)),
      new Blob([]),
      new FormData(),
      new URLSearchParams(),
      new ReadableStream<Uint8Array>(),
      pieces(),
      new Queue<string>(),
      reader.chunks(),
      ["a", "b"],
      null,
      undefined,
    ];
    expectTypeOf(bodies).toExtend<RequestOptions["body"][]>();
    session.post("/", { json: { a: [1, "b", null] } });
    session.post("/", { form: { a: 1, b: ["c", true], d: undefined } });
    session.get("/", { headers: { a: 1, b: ["c"], d: undefined, e: null } });
    session.get("/", { headers: [["a", "b"]] });
    session.get("/", { params: new URLSearchParams() });
  });
});

describe("a response", () => {
  test("is read by coroutines", () => {
    expectTypeOf(result(response.bytes())).toEqualTypeOf<Uint8Array>();
    expectTypeOf(result(response.text())).toEqualTypeOf<string>();
    expectTypeOf(result(response.text("latin1"))).toEqualTypeOf<string>();
    expectTypeOf(result(response.json())).toEqualTypeOf<unknown>();
    expectTypeOf(result(response.json<{ a: 1 }>())).toEqualTypeOf<{ a: 1 }>();
    expectTypeOf(response.body).toEqualTypeOf<StreamReader>();
    expectTypeOf(response.headers).toEqualTypeOf<Headers>();
    expectTypeOf(response.status).toEqualTypeOf<number>();
    expectTypeOf(response.redirects[0]?.url).toEqualTypeOf<string | undefined>();
    expectTypeOf(response.raiseForStatus()).toEqualTypeOf<void>();
  });

  test("is iterated piece by piece, in coroutines and in plain async code", () => {
    forEach(response.chunks(), (chunk) => void expectTypeOf(chunk).toEqualTypeOf<Uint8Array>());
    forEach(response.lines(), (line) => void expectTypeOf(line).toEqualTypeOf<string>());
    forEach(response.events(), (event) => {
      expectTypeOf(event.data).toEqualTypeOf<string>();
      expectTypeOf(event.id).toEqualTypeOf<string>();
    });
    async function plain(): Promise<void> {
      for await (const chunk of response.chunks()) expectTypeOf(chunk).toEqualTypeOf<Uint8Array>();
      for await (const line of response.lines({ limit: 5 })) expectTypeOf(line).toEqualTypeOf<string>();
    }
    expectTypeOf(plain).returns.toEqualTypeOf<Promise<void>>();
  });

  test("cannot be changed, nor made", () => {
    // @ts-expect-error it is what the server said
    response.status = 500;
    // @ts-expect-error it is made by a session
    void new ClientResponse({}, {}, "GET", "/", []);
  });
});

describe("errors", () => {
  test("are told apart by their classes", () => {
    expectTypeOf<ClientConnectionError>().toExtend<ClientError>();
    expectTypeOf<ServerDisconnectedError>().toExtend<ClientConnectionError>();
    expectTypeOf<ClientResponseError["status"]>().toEqualTypeOf<number>();
    expectTypeOf<ResponseTooLargeError["limit"]>().toEqualTypeOf<number>();
    expectTypeOf<RequestTimeoutError["phase"]>().toEqualTypeOf<RequestPhase>();
    expectTypeOf<TotalTimeoutError["phase"]>().toEqualTypeOf<"total">();
    expectTypeOf<ConnectTimeoutError["phase"]>().toEqualTypeOf<"connect">();
    expectTypeOf<HeadersTimeoutError["phase"]>().toEqualTypeOf<"headers">();
    expectTypeOf<BodyTimeoutError["phase"]>().toEqualTypeOf<"body">();
    expectTypeOf<RequestTimeoutError["limit"]>().toEqualTypeOf<number>();
  });
});
