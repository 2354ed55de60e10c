import { type Coroutine, createTask, gather, map, sleep, type Task, within } from "corio";
import { describe, expect, test } from "vitest";
import { thrownBy, withCode } from "../../../node/test/support/thrown-by.js";
import { ClientSession } from "../../src/index.js";
import type { ClientResponse } from "../../src/index.js";
import { type Answer, Origin } from "./origin-server.js";
import { withOrigin } from "./session-setting.js";

/** Answers after a moment, with the path. */
const slow: Answer = ({ url }, response) => void setTimeout(() => response.end(url), 3);

function* texts(session: ClientSession, urls: readonly string[]): Coroutine<string[]> {
  return yield* gather(
    urls.map(function* (url): Coroutine<string> {
      return yield* (yield* session.get(url)).text();
    }),
  );
}

const paths = (length: number): string[] => Array.from({ length }, (_, i) => `/${i}`);

describe("the limit of a session", () => {
  test.each([1, 3, 10])("of %i connections is never exceeded", async (limit) => {
    await withOrigin(
      slow,
      function* (session, origin) {
        expect(yield* texts(session, paths(50))).toEqual(paths(50));
        expect(origin.mostConnections).toBe(limit);
        expect(origin.connections).toBe(limit);
        expect(session.connections).toBe(limit);
      },
      { session: { limit } },
    );
  });

  test("is 100 where nothing is said", async () => {
    await withOrigin(
      () => {},
      function* (session, origin) {
        const waiting = paths(150).map((path) => createTask(thrownBy(session.get(path))));
        while (origin.requests.length < 100) yield* sleep(1);
        expect([session.connections, origin.connections]).toEqual([100, 100]);
        yield* session.close();
        for (const task of waiting) expect(yield* task).toEqual(withCode("SESSION_CLOSED"));
      },
    );
  });

  test("for one host holds for each of them", async () => {
    await withOrigin(
      slow,
      function* (session, origin) {
        yield* within(new Origin(slow), function* (other) {
          const urls = paths(20).flatMap((path) => [origin.url(path), other.url(path)]);
          yield* texts(session, urls);
          expect([origin.mostConnections, other.mostConnections]).toEqual([2, 2]);
          expect(session.connections).toBe(4);
        });
      },
      { session: { limitPerHost: 2 } },
    );
  });

  test("over several hosts holds for all of them together", async () => {
    let open = 0;
    let most = 0;
    const counting: Answer = ({ url, message }, response) => {
      void message;
      setTimeout(() => response.end(url), 1);
    };
    const origins = [new Origin(counting), new Origin(counting), new Origin(counting), new Origin(counting)] as const;
    await withOrigin(
      counting,
      function* (session) {
        yield* within(...origins, function* (...all: Origin[]) {
          const watching = createTask(function* () {
            for (;;) {
              open = all.reduce((sum, { sockets }) => sum + sockets.size, 0);
              most = Math.max(most, open, session.connections);
              yield* sleep(0);
            }
          });
          const urls = paths(40).flatMap((path) => all.map((origin) => origin.url(path)));
          expect(yield* texts(session, urls)).toHaveLength(160);
          watching.cancel();
          yield* thrownBy(watching);
          for (const { requests } of all) expect(requests).toHaveLength(40);
        });
        expect(session.connections).toBeLessThanOrEqual(3);
      },
      { session: { limit: 3 } },
    );
    expect(most).toBeLessThanOrEqual(3 + 3); // a server sees an end a moment later than the session
    expect(most).toBeGreaterThanOrEqual(3);
  });

  test.each([0, -1, Number.NaN, "5", null])("cannot be %j", (limit) => {
    expect(() => new ClientSession({ limit: limit as number })).toThrow(withCode("SESSION_OPTIONS", /limit/));
    expect(() => new ClientSession({ limitPerHost: limit as number })).toThrow(
      withCode("SESSION_OPTIONS", /limitPerHost/),
    );
  });
});

describe("requests that wait for a connection", () => {
  test("get it in the order in which they came", async () => {
    await withOrigin(
      slow,
      function* (session, origin) {
        yield* texts(session, paths(20));
        expect(origin.log).toEqual(paths(20).map((path) => `GET ${path}`));
      },
      { session: { limit: 1 } },
    );
  });

  test("of a host with few are not kept waiting by one with many", async () => {
    await withOrigin(
      slow,
      function* (session, origin) {
        yield* within(new Origin(slow), function* (other) {
          const many = createTask(
            texts(
              session,
              paths(200).map((path) => origin.url(path)),
            ),
          );
          while (origin.requests.length === 0) yield* sleep(1);
          expect(yield* texts(session, [other.url("/few")])).toEqual(["/few"]);
          expect(origin.requests.length).toBeLessThan(100);
          expect(yield* many).toHaveLength(200);
        });
      },
      { session: { limit: 2 } },
    );
  });

  test("take the place of idle connections to other hosts", async () => {
    await withOrigin(
      slow,
      function* (session, origin) {
        yield* texts(session, ["/a"]);
        yield* within(new Origin(slow), function* (other) {
          expect(yield* texts(session, [other.url("/b")])).toEqual(["/b"]);
          expect(session.connections).toBe(1);
          while (origin.sockets.size > 0) yield* sleep(1);
        });
      },
      { session: { limit: 1 } },
    );
  });

  test("leave the queue when they are cancelled", async () => {
    const held: (() => void)[] = [];
    await withOrigin(
      ({ url }, response) => {
        if (url === "/hold") held.push(() => response.end("held"));
        else response.end(url);
      },
      function* (session, origin) {
        const first = createTask(session.get("/hold"));
        while (held.length === 0) yield* sleep(1);
        const waiting: Task<ClientResponse>[] = paths(10).map((path) => createTask(session.get(path)));
        yield* sleep(5);
        for (const i of [0, 3, 9]) waiting[i]?.cancel();
        for (const release of held) release();
        expect(yield* (yield* first).text()).toBe("held");
        for (const [i, task] of waiting.entries()) {
          if (![0, 3, 9].includes(i)) expect(yield* (yield* task).text()).toBe(`/${i}`);
          else expect(yield* thrownBy(task)).toMatchObject({ name: "CancelledError" });
        }
        expect(origin.log).toEqual(["GET /hold", ...[1, 2, 4, 5, 6, 7, 8].map((i) => `GET /${i}`)]);
        expect(origin.connections).toBe(1);
      },
      { session: { limit: 1 } },
    );
  });

  test("are served although all before them fail", async () => {
    await withOrigin(
      slow,
      function* (session) {
        const failing = paths(10).map(() => createTask(thrownBy(session.get("http://127.0.0.1:1/"))));
        expect(yield* texts(session, paths(3))).toEqual(paths(3));
        for (const task of failing) expect(yield* task).toMatchObject({ name: "ClientConnectionError" });
      },
      { session: { limit: 1 } },
    );
  });

  test("are served when responses are left and not read", async () => {
    await withOrigin(
      (_, response) => response.write("does not end"),
      function* (session, origin) {
        const statuses = yield* map(
          paths(30),
          (path) =>
            within(session.get(path), function* ({ status }) {
              return status;
            }),
          { concurrency: 10 },
        );
        expect(statuses).toEqual(Array.from({ length: 30 }, () => 200));
        expect(origin.mostConnections).toBeLessThanOrEqual(4);
        expect(session.connections).toBe(0);
      },
      { session: { limit: 2 } },
    );
  });
});

describe("connections that are idle", () => {
  test("serve the next request", async () => {
    await withOrigin(slow, function* (session, origin) {
      for (const path of paths(10)) expect(yield* texts(session, [path])).toEqual([path]);
      expect(origin.connections).toBe(1);
    });
  });

  test("are closed after keepAliveTimeout, whatever the server promises", async () => {
    await withOrigin(
      (_, response) => response.writeHead(200, { "keep-alive": "timeout=60" }).end(),
      function* (session, origin) {
        yield* texts(session, ["/"]);
        expect(session.connections).toBe(1);
        while (session.connections > 0 || origin.sockets.size > 0) yield* sleep(5);
      },
      { session: { keepAliveTimeout: 20 } },
    );
  });

  test("may be kept for ever", async () => {
    await withOrigin(
      slow,
      function* (session) {
        yield* texts(session, ["/"]);
        yield* sleep(20);
        expect(session.connections).toBe(1);
      },
      { session: { keepAliveTimeout: Number.POSITIVE_INFINITY } },
    );
  });

  test("are none where the server closes them", async () => {
    await withOrigin(
      ({ url }, response) => response.writeHead(200, { connection: "close" }).end(url),
      function* (session, origin) {
        expect(yield* texts(session, paths(20))).toEqual(paths(20));
        expect(origin.connections).toBe(20);
        while (session.connections > 0) yield* sleep(1);
      },
      { session: { limit: 2 } },
    );
  });

  test("are none where the request asks for it", async () => {
    await withOrigin(slow, function* (session) {
      expect(yield* (yield* session.get("/a", { headers: { connection: "close" } })).text()).toBe("/a");
      while (session.connections > 0) yield* sleep(1);
    });
  });
});
