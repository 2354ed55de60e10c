import { gzipSync } from "node:zlib";
import { createTask, sleep, within } from "corio";
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../node/test/support/thrown-by.js";
import type { RequestTrace, TracedRequest } from "../../src/index.js";
import { faults } from "../support/faults.js";
import type { Answer } from "./origin-server.js";
import { withOrigin, withRawServer } from "./session-setting.js";

type Told = [hook: string, details: Record<string, unknown>];

/** Notes what it is told, and that times do not run backwards. */
function recording(): { trace: RequestTrace; told: Told[]; requests: Set<TracedRequest>; names: () => string[] } {
  const told: Told[] = [];
  const requests = new Set<TracedRequest>();
  const last = new Map<TracedRequest, number>();
  const hook =
    (name: string) =>
    (request: TracedRequest, details: Record<string, unknown>): void => {
      requests.add(request);
      told.push([name, details]);
      if (typeof details["ms"] !== "number") return;
      expect(details["ms"]).toBeGreaterThanOrEqual(last.get(request) ?? 0);
      last.set(request, details["ms"]);
    };
  const hooks = ["onStart", "onQueued", "onSend", "onRedirect", "onRetry", "onResponse", "onChunk", "onEnd"];
  const trace = Object.fromEntries(hooks.map((name) => [name, hook(name)])) as RequestTrace;
  return { trace, told, requests, names: () => told.map(([name]) => name) };
}

describe("the hooks of a session", () => {
  test("tell the life of a request", async () => {
    const { trace, told, requests, names } = recording();
    await withOrigin(
      (_, response) => response.writeHead(201, { "x-a": "1" }).end("hello"),
      function* (session, origin) {
        yield* (yield* session.get("/x")).text();
        expect(names()).toEqual(["onStart", "onSend", "onResponse", "onChunk", "onEnd"]);
        expect([...requests]).toEqual([{ method: "GET", url: origin.url("/x") }]);
        const [start, send, response, chunk, end] = told.map(([, details]) => details);
        expect(start).toMatchObject({ headers: { accept: "*/*" } });
        expect(send).toMatchObject({ url: origin.url("/x"), attempt: 1, reused: false, ms: expect.any(Number) });
        expect(response).toMatchObject({ url: origin.url("/x"), status: 201, headers: expect.any(Headers) });
        expect((response as unknown as { headers: Headers }).headers.get("x-a")).toBe("1");
        expect(chunk).toMatchObject({ bytes: 5 });
        expect(end).toMatchObject({ error: undefined, ms: expect.any(Number) });
        told.length = 0;
        yield* (yield* session.get("/x")).text();
        expect(told[1]).toEqual(["onSend", expect.objectContaining({ reused: true })]);
        expect(requests.size).toBe(2);
      },
      { session: { trace } },
    );
  });

  test("tell of waiting, redirects and retries", async () => {
    const { trace, told, names } = recording();
    let busy = true;
    const answer: Answer = ({ url }, response) => {
      if (url === "/from") response.writeHead(302, { location: "/to" }).end();
      else if (url === "/to") {
        if (busy) response.writeHead(503).end();
        else response.end("there");
        busy = false;
      }
    };
    await withOrigin(
      answer,
      function* (session, origin) {
        const first = createTask(session.get("/silent"));
        while (origin.requests.length === 0) yield* sleep(1);
        told.length = 0;
        const second = createTask(session.get("/from", { retry: { attempts: 2, delay: 1, jitter: 0 } }));
        yield* sleep(5);
        expect(names()).toEqual(["onStart", "onQueued"]);
        first.cancel();
        yield* (yield* second).text();
        yield* thrownBy(first);
        const expected = ["onSend", "onRedirect", "onSend", "onRetry", "onSend", "onResponse", "onChunk", "onEnd"];
        const ofTheFirst = ([name, { error }]: Told): boolean => name === "onEnd" && error !== undefined;
        const later = told.slice(2).filter((one) => !ofTheFirst(one));
        expect(later.map(([name]) => name)).toEqual(expected);
        expect(later[1]?.[1]).toMatchObject({ status: 302, url: origin.url("/from"), location: origin.url("/to") });
        expect(later[3]?.[1]).toMatchObject({ attempt: 1, delay: 1, error: undefined, status: 503 });
        expect(later[4]?.[1]).toMatchObject({ attempt: 2, url: origin.url("/to") });
      },
      { session: { trace, limit: 1 } },
    );
  });

  test("tell how a request failed", async () => {
    const { trace, told } = recording();
    await withRawServer(
      faults.closesWithoutAnswer,
      function* (session) {
        const error = yield* thrownBy(session.get("/", { retry: { attempts: 2, delay: 1 } }));
        expect(told.map(([name]) => name)).toEqual(["onStart", "onSend", "onRetry", "onSend", "onEnd"]);
        expect(told[2]?.[1]).toMatchObject({ status: undefined, error: { name: "ServerDisconnectedError" } });
        expect(told[4]?.[1]["error"]).toBe(error);
      },
      { session: { trace } },
    );
  });

  test("tell the end once: of a body that breaks, of one that is left, of a cancellation", async () => {
    const { trace, told } = recording();
    const end = (): unknown => {
      const ends = told.splice(0).filter(([name]) => name === "onEnd");
      expect(ends).toHaveLength(1);
      return ends[0]?.[1]["error"];
    };
    await withRawServer(
      faults.stopsInMidBody,
      function* (session) {
        const error = yield* thrownBy((yield* session.get("/")).text());
        expect(end()).toBe(error);
      },
      { session: { trace } },
    );
    await withRawServer(
      faults.stallsInMidBody,
      function* (session) {
        yield* within(session.get("/"), function* () {});
        expect(end()).toMatchObject({ code: "ERR_CORIO_RESPONSE_RELEASED" });
        const getting = createTask(within(session.get("/"), (response) => response.text()));
        yield* sleep(20);
        getting.cancel();
        yield* thrownBy(getting);
        expect(end()).toBeInstanceOf(Error);
        yield* thrownBy(session.get("http://127.0.0.1:1/"));
        expect(end()).toMatchObject({ name: "ClientConnectionError" });
      },
      { session: { trace } },
    );
  });

  test("count the bytes of a body as they came, compressed", async () => {
    const { trace, told } = recording();
    const compressed = gzipSync("x".repeat(10_000));
    await withOrigin(
      (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(compressed),
      function* (session) {
        yield* (yield* session.get("/")).text();
        const bytes = told.filter(([name]) => name === "onChunk").map(([, details]) => Number(details["bytes"]));
        expect(bytes.reduce((sum, one) => sum + one, 0)).toBe(compressed.length);
      },
      { session: { trace } },
    );
  });

  test("may change the headers, which are sent so", async () => {
    const trace: RequestTrace = {
      onStart: (_, { headers }) => {
        headers["traceparent"] = "00-1-2-01";
        delete headers["accept"];
      },
    };
    await withOrigin(
      ({ headers }, response) => response.end(`${String(headers["traceparent"])} ${headers.accept}`),
      function* (session) {
        for (let i = 0; i < 2; i++) expect(yield* (yield* session.get("/")).text()).toBe("00-1-2-01 undefined");
      },
      { session: { trace } },
    );
  });

  test("may throw, which is reported, and the request goes on", async () => {
    const hooks = ["onStart", "onSend", "onResponse", "onChunk", "onEnd"] as const;
    const trace = Object.fromEntries(
      hooks.map((hook) => [
        hook,
        () => {
          throw new Error(`mine in ${hook}`);
        },
      ]),
    ) as RequestTrace;
    await withOrigin(
      (_, response) => response.end("hello"),
      function* (session) {
        expect(yield* (yield* session.get("/")).text()).toBe("hello");
      },
      {
        session: { trace },
        reports: hooks.map((hook) => new RegExp(`hook ${hook} of a session.*mine in ${hook}`)),
      },
    );
  });

  test("are called on their object", async () => {
    class Counting implements RequestTrace {
      started = 0;
      onStart(): void {
        this.started++;
      }
    }
    const trace = new Counting();
    await withOrigin(
      (_, response) => response.end(),
      function* (session) {
        yield* session.get("/");
        expect(trace.started).toBe(1);
      },
      { session: { trace } },
    );
  });
});
