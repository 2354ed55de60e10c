import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import {
  asyncGenerator,
  type Coroutine,
  createTask,
  Event,
  isCancelled,
  Queue,
  sleep,
  type Suspension,
  TaskGroup,
  until,
  within,
} from "corio";
import { describe, expect } from "vitest";
import { HttpError, type RequestHandler, Response } from "../../src/index.js";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { nextAnswer } from "../support/raw-client.js";
import type { RawConnection } from "../support/raw-connection.js";
import {
  ask,
  client,
  eventually,
  it,
  post,
  request,
  type Serving,
  type ServingOptions,
  serving,
  turn,
} from "./hostile-setting.js";

const certificates = useCertificates();

/** What became of a request. */
interface Fate {
  /** Where the handler has come to. */
  at: "nowhere" | "begun" | "waiting" | "sending";
  /** How it ended. */
  readonly ends: string[];
  /** Why its signal was aborted. */
  reason: unknown;
}

const newFate = (): Fate => ({ at: "nowhere", ends: [], reason: undefined });

/** Waits in a way of its own, and notes how that ended; its cleanup takes its time. */
function* noting<T>(fate: Fate, body: Coroutine<T>): Coroutine<T> {
  try {
    const result = yield* body;
    fate.ends.push("returned");
    return result;
  } catch (error) {
    fate.ends.push(
      isCancelled(error) ? `cancelled: ${(error.reason as { code?: string } | undefined)?.code}` : String(error),
    );
    throw error;
  } finally {
    yield* sleep(1);
    fate.ends.push("cleaned up");
  }
}

const endless = asyncGenerator(function* (fate: Fate, size: number) {
  const chunk = Buffer.alloc(size, "x");
  try {
    for (;;) {
      fate.at = "sending";
      yield chunk;
      yield* sleep(0);
    }
  } finally {
    yield* sleep(1);
    fate.ends.push("source closed");
  }
});

const GONE = "cancelled: ERR_CORIO_CLIENT_GONE";

/** How a client goes away. */
const departures: readonly [how: string, leave: (connection: RawConnection) => void][] = [
  ["resets the connection", (connection) => connection.reset()],
  ["closes the connection", (connection) => void connection.close()],
];

/** When, by what it does until then. */
interface Moment {
  readonly title: string;
  readonly text: string;
  readonly until: Fate["at"];
  readonly handler: (fate: Fate) => RequestHandler;
  readonly ends: readonly string[];
}

const waits =
  (wait: (incoming: Request) => Iterable<Suspension>) =>
  (fate: Fate): RequestHandler =>
    function* (incoming) {
      fate.at = "begun";
      incoming.signal.addEventListener("abort", () => (fate.reason = incoming.signal.reason));
      yield* noting(
        fate,
        (function* () {
          fate.at = "waiting";
          yield* wait(incoming) as Coroutine<unknown>;
        })(),
      );
      return new Response("too late");
    };

const sends =
  (size: number) =>
  (fate: Fate): RequestHandler =>
    function* (incoming) {
      incoming.signal.addEventListener("abort", () => (fate.reason = incoming.signal.reason));
      return new Response(endless(fate, size));
    };

const moments: readonly Moment[] = [
  {
    title: "while the handler sleeps",
    text: request("GET /"),
    until: "waiting",
    handler: waits(() => sleep(60_000)),
    ends: [GONE, "cleaned up"],
  },
  {
    title: "while a task group of the handler works",
    text: request("GET /"),
    until: "waiting",
    handler: waits(() =>
      within(new TaskGroup(), function* (group) {
        for (let i = 0; i < 3; i++) group.createTask(sleep(60_000));
      }),
    ),
    ends: [GONE, "cleaned up"],
  },
  {
    title: "while the handler waits for a promise",
    text: request("GET /"),
    until: "waiting",
    handler: waits(() => until(new Promise(() => {}))),
    ends: [GONE, "cleaned up"],
  },
  {
    title: "in the middle of the body, which is read",
    text: request("POST /", ["Content-Length: 10"], "12345"),
    until: "waiting",
    handler: waits((incoming) => until(incoming.text())),
    ends: [GONE, "cleaned up"],
  },
  {
    title: "in the middle of a chunk, which is read",
    text: request("POST /", ["Transfer-Encoding: chunked"], "5\r\n12"),
    until: "waiting",
    handler: waits((incoming) => until(incoming.text())),
    ends: [GONE, "cleaned up"],
  },
  {
    title: "in the middle of the body, which is read as a stream",
    text: request("POST /", ["Content-Length: 10"], "12345"),
    until: "waiting",
    handler: waits(function* (incoming) {
      const reader = (incoming.body as ReadableStream<Uint8Array>).getReader();
      while (!(yield* until(reader.read())).done);
    }),
    ends: [GONE, "cleaned up"],
  },
  {
    title: "in the middle of the body, which is not read",
    text: request("POST /", ["Content-Length: 10"], "12345"),
    until: "waiting",
    handler: waits(() => sleep(60_000)),
    ends: [GONE, "cleaned up"],
  },
  {
    title: "before the body that it was told to send",
    text: request("POST /", ["Content-Length: 10", "Expect: 100-continue"]),
    until: "waiting",
    handler: waits((incoming) => until(incoming.text())),
    ends: [GONE, "cleaned up"],
  },
  {
    title: "while the answer streams, a little at a time",
    text: request("GET /"),
    until: "sending",
    handler: sends(1),
    ends: ["source closed"],
  },
  {
    title: "while the answer streams, more than it takes",
    text: request("GET /"),
    until: "sending",
    handler: sends(1024 * 1024),
    ends: ["source closed"],
  },
];

describe.each(departures)("a client that %s", (_how, leave) => {
  it.each(moments.map((moment) => [moment.title, moment] as const))(
    "cancels its request's task, whose cleanup runs, and nothing is reported: %s",
    function* (_title, { text, until: place, handler, ends }) {
      const fate = newFate();
      yield* within(serving(handler(fate)), (serving) =>
        within(client(serving), function* (connection) {
          if (place === "sending") connection.pause();
          yield* until(connection.send(text));
          yield* eventually(() => fate.at === place);
          yield* sleep(5);
          leave(connection);
          yield* serving.quiet();
          expect(fate.ends).toEqual(ends);
          expect(fate.reason).toMatchObject({ code: "ERR_CORIO_CLIENT_GONE" });
        }),
      );
    },
  );

  it("behind the headers is no request", function* () {
    yield* within(
      serving(() => expect.unreachable()),
      function* (serving) {
        yield* within(client(serving), function* (connection) {
          yield* until(connection.send("GET / HTTP/1.1\r\nHost: loc"));
          yield* eventually(() => serving.server.connections === 1);
          leave(connection);
          yield* eventually(() => serving.server.connections === 0);
        });
      },
    );
  });

  it("cancels all requests that it has sent ahead", function* () {
    const fates = Array.from({ length: 5 }, newFate);
    const handler: RequestHandler = (incoming) =>
      waits(() => sleep(60_000))(fates[Number(incoming.url.at(-1))] as Fate)(incoming);
    yield* within(serving(handler), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(fates.map((_, i) => request(`GET /${i}`)).join("")));
        yield* eventually(() => fates.every(({ at }) => at === "waiting"));
        expect(serving.server.requests).toBe(5);
        leave(connection);
        yield* serving.quiet();
        for (const fate of fates) expect(fate.ends).toEqual([GONE, "cleaned up"]);
      }),
    );
  });

  it("cancels what it has sent ahead, whether or not those before have begun to answer", function* () {
    const fates = Array.from({ length: 3 }, newFate);
    const handlers = [sends(1024 * 1024), waits(() => sleep(60_000)), sends(1)].map((of, i) => of(fates[i] as Fate));
    yield* within(
      serving((incoming) => (handlers[Number(incoming.url.at(-1))] as RequestHandler)(incoming)),
      (serving) =>
        within(client(serving), function* (connection) {
          connection.pause();
          yield* until(connection.send(fates.map((_, i) => request(`GET /${i}`)).join("")));
          yield* eventually(() => fates.every(({ at }) => at === "waiting" || at === "sending"));
          yield* sleep(5);
          leave(connection);
          yield* serving.quiet();
          expect(fates.map(({ ends }) => ends)).toEqual([["source closed"], [GONE, "cleaned up"], ["source closed"]]);
        }),
    );
  });
});

describe("a client that ends its side of the connection", () => {
  it("is told the end as well", function* () {
    yield* within(
      serving(() => new Response("ok")),
      (serving) =>
        within(client(serving), function* (connection) {
          yield* until(connection.send(request("GET /")));
          expect((yield* until(nextAnswer(connection))).body).toBe("ok");
          connection.end();
          expect(yield* until(connection.over())).toBe("end");
        }),
    );
  });

  it("is gone, as Node has it: its request is cancelled", function* () {
    const fate = newFate();
    yield* within(serving(waits(() => sleep(60_000))(fate)), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(request("GET /")));
        yield* eventually(() => fate.at === "waiting");
        connection.end();
        expect(yield* until(connection.over())).toBe("end");
        yield* serving.quiet();
        expect(fate.ends).toEqual([GONE, "cleaned up"]);
      }),
    );
  });
});

/** Handlers that do not take their cancellation as they should. */
const stubborn: readonly [title: string, handler: RequestHandler, reports: readonly (string | RegExp)[]][] = [
  ["answers all the same", stubbornly(() => new Response("ok")), []],
  ["answers something large", stubbornly(() => new Response("x".repeat(5_000_000))), []],
  ["answers by a source", stubbornly(() => new Response(slow())), []],
  ["answers by a web stream", stubbornly(() => new globalThis.Response("x".repeat(5_000_000))), []],
  [
    "throws an HttpError",
    stubbornly(() => {
      throw new HttpError(418);
    }),
    [],
  ],
  [
    "throws something else",
    stubbornly(() => {
      throw new Error("instead");
    }),
    [/instead/],
  ],
  [
    "fails in its cleanup",
    function* () {
      try {
        yield* sleep(60_000);
      } finally {
        throwing("in the cleanup");
      }
      return new Response("ok");
    },
    [/in the cleanup/],
  ],
  ["has a source that goes on", () => new Response(stubbornSource()), []],
  ["has a source that fails in its cleanup", () => new Response(failingSource()), [/cleanup of the source/]],
];

function stubbornly(answer: () => globalThis.Response): RequestHandler {
  return function* () {
    try {
      yield* sleep(60_000);
    } catch {
      // whatever it was
    }
    return answer();
  };
}

function throwing(message: string): void {
  throw new Error(message);
}

const slow = asyncGenerator(function* () {
  for (let i = 0; i < 5; i++) {
    yield* sleep(1);
    yield "x".repeat(100_000);
  }
});

const stubbornSource = asyncGenerator(function* () {
  yield "begun";
  for (let i = 0; i < 5; i++) {
    try {
      yield* sleep(60_000);
    } catch {
      // whatever it was
    }
    yield "x".repeat(100_000);
  }
});

const failingSource = asyncGenerator(function* () {
  try {
    yield "begun";
    yield* sleep(60_000);
  } finally {
    throwing("the cleanup of the source");
  }
});

describe("a handler that is cancelled, and", () => {
  it.each(stubborn)("%s, ends", function* (_title, handler, reports) {
    yield* within(serving(handler), function* (serving) {
      yield* within(client(serving), function* (connection) {
        yield* until(connection.send(request("GET /")));
        yield* eventually(() => serving.server.requests === 1);
        yield* sleep(5);
        connection.reset();
        yield* serving.quiet();
      });
      expect(serving.reports()).toEqual(reports.map((report) => expect.stringMatching(report)));
    });
  });

  it.each(stubborn)("%s, ends also behind another request", function* (_title, handler, reports) {
    yield* within(serving(handler), function* (serving) {
      yield* within(client(serving), function* (connection) {
        yield* until(connection.send(request("GET /") + request("GET /")));
        yield* eventually(() => serving.server.requests === 2);
        yield* sleep(5);
        connection.reset();
        yield* serving.quiet();
      });
      expect(serving.reports()).toEqual([...reports, ...reports].map((report) => expect.stringMatching(report)));
    });
  });
});

/** Answers that are none, each with what is reported of it. */
const failures: readonly [title: string, handler: () => unknown, report: RegExp][] = [
  ["throws at once", () => throwing("secret"), /secret/],
  [
    "throws in its coroutine",
    function* () {
      yield* sleep(1);
      throw new Error("secret");
    },
    /secret/,
  ],
  ["throws nothing", () => throwValue(undefined), /undefined/],
  ["throws null", () => throwValue(null), /null/],
  ["throws a text", () => throwValue("secret"), /secret/],
  ["throws a function", () => throwValue(() => {}), /failed/],
  ["throws a symbol", () => throwValue(Symbol("secret")), /failed/],
  ["throws a response", () => throwValue(new Response("secret")), /failed/],
  ["throws an object without a prototype", () => throwValue(Object.create(null)), /failed/],
  ["throws what cannot be looked at", () => throwValue(new Proxy({}, { get: () => throwing("looked at") })), /failed/],
  ["rejects", () => Promise.reject(new Error("secret")), /secret/],
  ["rejects with nothing", () => Promise.reject(undefined), /undefined/],
  ["gives a thenable that throws", () => ({ then: () => throwing("secret") }), /secret/],
  [
    "gives a thenable whose getter throws",
    () => Object.defineProperty({}, "then", { get: () => throwing("secret") }),
    /secret/,
  ],
  ["returns nothing", () => undefined, /return new Response/],
  ["returns null", () => null, /Response/],
  ["returns a text", () => "secret", /return new Response\(text\)/],
  ["returns a number", () => 42, /Response/],
  ["returns an object", () => ({ secret: true }), /Response\.json/],
  ["returns a function", () => () => new Response("ok"), /Response/],
  ["returns the request", (...[incoming]: unknown[]) => incoming, /Response/],
  ["returns a promise of nothing", () => Promise.resolve(), /return new Response/],
  [
    "returns nothing from its coroutine",
    function* () {
      yield* sleep(1);
    },
    /return new Response/,
  ],
  ["returns Response.error()", () => Response.error(), /HttpError/],
  ["returns the platform's Response.error()", () => globalThis.Response.error(), /HttpError/],
  ["returns an answer that was read", () => readBefore(new Response("secret")), /read already/],
  ["returns one of the platform that was read", () => readBefore(new globalThis.Response("secret")), /read already/],
  [
    "returns one whose body is being read",
    () => {
      const response = new globalThis.Response("secret");
      response.body?.getReader();
      return response;
    },
    /being read/,
  ],
  [
    "cancels what it waits for",
    function* () {
      const task = createTask(sleep(60_000), { name: "something else" });
      task.cancel();
      yield* task;
    },
    /Cancelled/,
  ],
  [
    "fails in two tasks of a group",
    function* () {
      yield* within(new TaskGroup(), function* (group) {
        group.createTask(failing());
        group.createTask(failing());
      });
    },
    /secret|Group/,
  ],
  ["has a source that fails before its first piece", () => new Response(failsAfter(0)), /secret/],
  ["has a source of something else", () => new Response(numbers() as never), /strings or bytes/],
  ["has a stream that fails", () => new Response(new ReadableStream({ pull: () => throwing("secret") })), /secret/],
  ["has a Readable that fails", () => new Response(Readable.from(rejecting()) as never), /secret/],
  [
    "has a length that its body does not have",
    () => new Response(failsAfter(2), { headers: { "content-length": "x" } }),
    /content-length/,
  ],
];

function throwValue(value: unknown): never {
  throw value;
}

async function readBefore(response: globalThis.Response): Promise<globalThis.Response> {
  await response.text();
  return response;
}

function* failing(): Coroutine<void> {
  yield* sleep(1);
  throw new Error("secret");
}

const failsAfter = asyncGenerator(function* (pieces: number) {
  for (let i = 0; i < pieces; i++) {
    yield "piece";
    yield* sleep(2);
  }
  throw new Error("secret");
});

const numbers = asyncGenerator(function* () {
  yield 42;
});

async function* rejecting(): AsyncGenerator<string> {
  yield await Promise.reject<string>(new Error("secret"));
}

describe("a handler that", () => {
  it.each(failures)(
    "%s is a 500 without its text, is reported, and the connection is kept",
    function* (_title, handler, report) {
      const answer = handler as RequestHandler;
      yield* within(
        serving((incoming) => (incoming.url.endsWith("/next") ? new Response("next") : answer(incoming))),
        (serving) =>
          within(client(serving), function* (connection) {
            const { status, body } = yield* ask(connection, request("GET /"));
            expect([status, body]).toEqual([500, "Internal Server Error"]);
            expect(serving.reports()).toEqual([expect.stringMatching(report)]);
            expect((yield* ask(connection, request("GET /next"))).body).toBe("next");
          }),
      );
    },
  );

  it.each<[string, () => globalThis.Response, RegExp]>([
    ["a source that throws", () => new Response(failsAfter(2)), /secret/],
    [
      "a source with a length that throws",
      () => new Response(failsAfter(2), { headers: { "content-length": "99" } }),
      /secret/,
    ],
    [
      "a source that gives too little",
      () => new Response(slow(), { headers: { "content-length": "600000" } }),
      /only 500000/,
    ],
    ["a source that gives too much", () => new Response(slow(), { headers: { "content-length": "250000" } }), /more/],
    ["a stream that fails", () => new globalThis.Response(ReadableStream.from(rejectsLater()) as never), /secret/],
    ["a Readable that is destroyed", () => new Response(destroyed() as never), /secret/],
    ["a source whose cleanup throws", () => new Response(throwsInCleanup()), /secret/],
  ])("has begun to send %s is seen to break off, and reported", function* (_title, answer, report) {
    yield* within(serving(answer), function* (serving) {
      for (const version of ["1.1", "1.0"]) {
        const { received } = yield* serving.exchange(`GET / HTTP/${version}\r\nHost: localhost\r\n\r\n`);
        expect(received).toMatch(/^HTTP\/1\.1 200 /);
        expect(received).not.toContain("secret");
        const isWhole = received.endsWith("\r\n0\r\n\r\n");
        expect([isWhole, serving.reports()]).toEqual([false, [expect.stringMatching(report)]]);
      }
    });
  });

  // without chunks and a length, the end of the connection is the end of the body
  it("fails in an answer to HTTP/1.0 resets the connection", function* () {
    yield* within(
      serving(() => new Response(failsAfter(2))),
      function* (serving) {
        const endings = new Set<string>();
        for (let i = 0; i < 50; i++) endings.add((yield* serving.exchange("GET / HTTP/1.0\r\n\r\n")).ended);
        expect(serving.reports()).toHaveLength(50);
        expect([...endings]).toEqual(["ECONNRESET"]);
      },
    );
  });

  it.each<[string, (folder: string) => ServingOptions]>([
    ["over TLS", () => ({ tls: { ...certificates.server }, ca: certificates.ca })],
    ["over a Unix socket", (folder) => ({ path: join(folder, "socket") })],
  ])("fails in an answer ends the connection, which cannot be reset: %s", function* (_title, options) {
    const folder = yield* until(mkdtemp(join(tmpdir(), "corio-http-")));
    yield* within(
      serving(() => new Response(failsAfter(2)), options(folder)),
      function* (serving) {
        for (const version of ["1.1", "1.0"]) {
          const { received } = yield* serving.exchange(`GET / HTTP/${version}\r\nHost: localhost\r\n\r\n`);
          expect(received).toMatch(/^HTTP\/1\.1 200 /);
          expect(received.endsWith("0\r\n\r\n")).toBe(false);
          expect(serving.reports()).toEqual([expect.stringContaining("secret")]);
        }
      },
    );
    yield* until(rm(folder, { recursive: true }));
  });

  it("throws an HttpError answers with it, and nothing is reported", function* () {
    const handler: RequestHandler = () => {
      throw new HttpError(429, "later: é", {
        headers: { "Retry-After": "7", "Content-Type": "text/x" },
        cause: "secret",
      });
    };
    yield* within(serving(handler), (serving) =>
      within(client(serving), function* (connection) {
        const { status, statusText, headers, body } = yield* ask(connection, request("GET /"));
        expect([status, statusText, Buffer.from(body, "latin1").toString()]).toEqual([
          429,
          "Too Many Requests",
          "later: é",
        ]);
        expect(headers).toContainEqual(["retry-after", "7"]);
        expect(headers).toContainEqual(["content-type", "text/x"]);
      }),
    );
  });
});

async function* rejectsLater(): AsyncGenerator<Uint8Array> {
  yield Buffer.from("piece");
  await new Promise((resolve) => void setImmediate(resolve));
  throw new Error("secret");
}

function destroyed(): Readable {
  const readable = new Readable({ read: () => {} });
  readable.push("piece");
  setImmediate(() => readable.destroy(new Error("secret")));
  return readable;
}

const throwsInCleanup = asyncGenerator(function* () {
  try {
    yield "piece";
    yield* sleep(2);
  } finally {
    throwing("secret");
  }
});

/** Reads until the connection is over. */
function* rest(connection: RawConnection): Coroutine<string> {
  yield* until(connection.over());
  return connection.received;
}

describe("the time of a handler", () => {
  const limited = (handler: RequestHandler, body: (serving: Serving) => Coroutine<void>): Coroutine<void> =>
    within(serving(handler, { handlerTimeout: 30 }), body);

  it("that is up is a 503, and the task is cancelled", function* () {
    const fate = newFate();
    yield* limited(waits(() => sleep(60_000))(fate), (serving) =>
      within(client(serving), function* (connection) {
        const { status, headers } = yield* ask(connection, request("GET /"));
        expect(status).toBe(503);
        expect(headers).toContainEqual(["connection", "close"]);
        expect(yield* rest(connection)).toBe("");
        expect(fate.ends).toEqual(["cancelled: ERR_CORIO_TIMEOUT", "cleaned up"]);
        expect(fate.reason).toMatchObject({ name: "TimeoutError" });
      }),
    );
  });

  it("that is up while the body comes is a 503, too", function* () {
    yield* limited(
      function* (incoming) {
        return new Response(yield* until(incoming.text()));
      },
      (serving) =>
        within(client(serving), function* (connection) {
          const { status } = yield* ask(connection, request("POST /", ["Content-Length: 10"], "12345"));
          expect(status).toBe(503);
          yield* rest(connection);
        }),
    );
  });

  it("that is up while the answer streams cuts it off, and the source is closed", function* () {
    const fate = newFate();
    yield* limited(sends(1)(fate), function* (serving) {
      const { received } = yield* serving.exchange(request("GET /"));
      expect(received).toMatch(/^HTTP\/1\.1 200 /);
      expect(received.endsWith("0\r\n\r\n")).toBe(false);
      expect(fate.ends).toEqual(["source closed"]);
    });
  });

  it("that is up while the client does not take the answer cuts it off", function* () {
    let begun = false;
    yield* limited(
      () => {
        begun = true;
        return new Response("x".repeat(30_000_000));
      },
      (serving) =>
        within(client(serving), function* (connection) {
          connection.pause();
          yield* until(connection.send(request("GET /")));
          yield* eventually(() => begun);
          yield* serving.quiet();
          connection.resume();
          expect((yield* rest(connection)).length).toBeLessThan(30_000_000);
        }),
    );
  });

  it("that is up behind another request is one of its own", function* () {
    yield* limited(
      function* (incoming) {
        if (incoming.url.endsWith("/slow")) yield* sleep(60_000);
        return new Response("ok");
      },
      function* (serving) {
        const { received } = yield* serving.exchange(request("GET /") + request("GET /slow") + request("GET /"));
        expect(received.match(/(?<=HTTP\/1\.1 )\d{3}/g)?.slice(0, 2)).toEqual(["200", "503"]);
      },
    );
  });

  it("does not count while it waits for its turn", function* () {
    let turns = 0;
    yield* within(
      serving(
        function* () {
          turns++;
          yield* sleep(20);
          return new Response("ok");
        },
        { handlerTimeout: 50, concurrency: 1 },
      ),
      function* (serving) {
        const answers = yield* until(
          Promise.all(Array.from({ length: 6 }, () => fetch(serving.server.url, { headers: { connection: "close" } }))),
        );
        expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200));
        for (const answer of answers) yield* until(answer.text());
        expect(turns).toBe(6);
      },
    );
  });

  it("leaves no timer with what was answered in time", function* () {
    yield* within(
      serving(() => new Response("ok"), { handlerTimeout: 60_000 }),
      (serving) =>
        within(client(serving), function* (connection) {
          expect((yield* ask(connection, request("GET /"))).body).toBe("ok");
        }),
    );
  });

  it("that is up for a handler which answers nevertheless changes nothing", function* () {
    yield* limited(
      stubbornly(() => new Response("late")),
      (serving) =>
        within(client(serving), function* (connection) {
          expect((yield* ask(connection, request("GET /"))).body).toBe("late");
        }),
    );
  });
});

describe("the rest of a request's life", () => {
  it("is over with the handler: who reads the body later is told", function* () {
    const late: unknown[] = [];
    yield* within(
      serving((incoming) => {
        setImmediate(
          () =>
            void incoming.text().then(
              (text) => late.push(text),
              (error: unknown) => late.push(error),
            ),
        );
        return new Response("ok");
      }),
      (serving) =>
        within(client(serving), function* (connection) {
          expect((yield* ask(connection, post("/", "body"))).body).toBe("ok");
          yield* eventually(() => late.length > 0);
          expect(late).toEqual([expect.objectContaining({ code: "ERR_CORIO_BODY_CLOSED" })]);
        }),
    );
  });

  it("may be longer for a task that the handler has left running", function* () {
    const released = new Event();
    const results = new Queue<string>();
    yield* within(
      serving(function* () {
        createTask(
          (function* () {
            yield* released.wait();
            results.putNowait("done");
          })(),
        );
        return new Response("ok");
      }),
      (serving) =>
        within(client(serving), function* (connection) {
          expect((yield* ask(connection, request("GET /"))).body).toBe("ok");
          yield* until(connection.close());
          yield* turn(3);
          released.set();
          expect(yield* results.get()).toBe("done");
        }),
    );
  });
});
