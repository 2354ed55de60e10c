import { asyncGenerator, type Coroutine, createTask, forEach, isCancelled, sleep, timeout, wait, within } from "corio";
import { describe, expect, test } from "vitest";
import { cancelAtEachStep, moments } from "../../../node/test/support/cancel-at-each-step.js";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { thrownBy } from "../../../node/test/support/thrown-by.js";
import type { ClientSession, SessionOptions } from "../../src/index.js";
import { faults } from "../support/faults.js";
import { type Answer, Origin, type OriginOptions } from "./origin-server.js";
import { inSession, withOrigin, withRawServer } from "./session-setting.js";
import { runConnected } from "../../../node/test/support/run-connected.js";

const certificates = useCertificates();

const LARGE = "x".repeat(300_000);

/** Redirects once, asks to come later once, and gives a large body then. */
const difficult: Answer = ({ url, body }, response) => {
  if (url === "/") response.writeHead(307, { location: "/busy" }).end("moved");
  else if (url === "/busy") response.writeHead(307, { location: "/there" }).end();
  else if (url === "/next") response.end("next");
  else if (url === "/once-more") response.writeHead(503).end();
  else response.end(LARGE + body);
};

const pieces = asyncGenerator(function* (log: string[]) {
  log.push("begun");
  try {
    for (const piece of ["a", "b"]) {
      yield* sleep(1);
      yield piece;
    }
  } finally {
    yield* sleep(0);
    log.push("closed");
  }
});

interface Case {
  readonly answer?: Answer;
  readonly server?: () => OriginOptions;
  readonly session?: () => SessionOptions;
  readonly work: (session: ClientSession, origin: Origin, log: string[]) => Coroutine<unknown>;
}

const cases: Record<string, Case> = {
  "a request that is redirected, and reading its answer": {
    *work(session) {
      yield* within(session.post("/", { body: "again" }), (response) => response.text());
    },
  },
  "a request without a block": {
    *work(session) {
      const response = yield* session.get("/there");
      try {
        expect(yield* response.text()).toHaveLength(LARGE.length);
      } finally {
        response.release();
      }
    },
  },
  "reading piece by piece": {
    *work(session) {
      yield* within(session.get("/there"), function* (response) {
        yield* forEach(response.chunks(), function* () {
          yield* sleep(0);
        });
      });
    },
  },
  "sending a generator": {
    *work(session, _, log) {
      yield* within(session.put("/there", { body: pieces(log) }), (response) => response.bytes());
    },
  },
  retries: {
    *work(session) {
      const retry = { attempts: 3, delay: 1 };
      yield* within(session.get("/once-more", { retry }), (response) => response.bytes());
    },
  },
  "waiting for a connection": {
    session: () => ({ limit: 1 }),
    *work(session) {
      const others = [1, 2].map(() => createTask(session.get("/next")));
      try {
        yield* within(session.get("/next"), (response) => response.text());
      } finally {
        for (const other of others) other.cancel();
        // what comes all the same is released
        yield* wait(others);
        for (const other of others) if (!other.cancelled) other.result().release();
      }
    },
  },
  "a handshake of TLS": {
    server: () => ({ tls: certificates.server }),
    session: () => ({ tls: { ca: certificates.ca } }),
    *work(session) {
      yield* within(session.get("/there"), (response) => response.text());
    },
  },
  "HTTP/2": {
    server: () => ({ tls: certificates.server, http2: true }),
    session: () => ({ tls: { ca: certificates.ca }, http2: true }),
    *work(session, _, log) {
      yield* within(session.put("/", { body: "x" }), (response) => response.text());
      yield* within(session.put("/there", { body: pieces(log) }), (response) => response.bytes());
    },
  },
  "a session of its own": {
    *work(_, origin) {
      yield* inSession({ baseUrl: origin.origin }, function* (own) {
        yield* within(own.get("/there"), (response) => response.text());
      });
    },
  },
  "a total time limit around it": {
    *work(session) {
      yield* within(timeout(10_000), () =>
        within(session.get("/", { timeout: { total: 10_000, headers: 10_000, body: 10_000 } }), ({ body }) =>
          body.read(),
        ),
      );
    },
  },
};

describe.each(moments)("cancelled %s at each of its awaits, what is left is nothing:", (moment) => {
  test.each(Object.keys(cases))("%s", async (name) => {
    const { answer = difficult, server, session: options, work } = cases[name] as Case;
    await cancelAtEachStep(moment, (cancelAt) =>
      runConnected(() =>
        within(new Origin(answer, server?.()), (origin) =>
          inSession({ baseUrl: origin.origin, ...options?.() }, function* (session) {
            const log: string[] = [];
            yield* cancelAt(work(session, origin, log));
            expect(log.filter((entry) => entry === "begun").length).toBe(log.length / 2);
            // no request is under way, no place is taken, and the next one gets its own answer
            const open = session.connections;
            expect(open).toBeLessThanOrEqual(1);
            expect(yield* (yield* session.get("/next")).text()).toBe("next");
            expect(session.connections).toBe(1);
          }),
        ),
      ),
    );
  });
});

describe("a request that is cancelled", () => {
  test("closes its connection at once, which the server sees", async () => {
    await withRawServer(faults.neverAnswers, function* (session, server) {
      const getting = createTask(session.get("/"));
      while (server.open() === 0 || server.connections[0]?.receivedLength !== 0) yield* sleep(1);
      getting.cancel();
      expect(isCancelled(yield* thrownBy(getting))).toBe(true);
      expect(session.connections).toBe(0);
      while (server.open() > 0) yield* sleep(1);
    });
  });

  test("while it connects opens no connection", async () => {
    await withRawServer(faults.neverAnswers, function* (session, server) {
      const getting = createTask(session.get(`https://127.0.0.1:${server.port}/`));
      while (server.open() === 0) yield* sleep(1);
      expect(session.connections).toBe(1);
      getting.cancel();
      expect(isCancelled(yield* thrownBy(getting))).toBe(true);
      expect(session.connections).toBe(0);
      while (server.open() > 0) yield* sleep(1);
    });
  });

  test("tells the reason to nobody but who waits", async () => {
    await withRawServer(faults.neverAnswers, function* (session) {
      const getting = createTask(session.get("/"));
      yield* sleep(10);
      getting.cancel("a text, and no error");
      expect(yield* thrownBy(getting)).toMatchObject({ name: "CancelledError", reason: "a text, and no error" });
    });
  });

  test("by a timeout of the loop gives that timeout", async () => {
    await withRawServer(faults.stallsInMidBody, function* (session) {
      const block = within(timeout(30), () => within(session.get("/"), (response) => response.text()));
      expect(yield* thrownBy(block)).toMatchObject({ name: "TimeoutError", code: "ERR_CORIO_TIMEOUT" });
      expect(session.connections).toBe(0);
    });
  });

  test("leaves the others alone", async () => {
    await withOrigin(
      ({ url }, response) => void setTimeout(() => response.end(url), 20),
      function* (session) {
        const tasks = Array.from({ length: 20 }, (_, i) => createTask(session.get(`/${i}`)));
        yield* sleep(5);
        for (const [i, task] of tasks.entries()) if (i % 2 === 0) task.cancel();
        for (const [i, task] of tasks.entries()) {
          if (i % 2 === 0) expect(isCancelled(yield* thrownBy(task))).toBe(true);
          else expect(yield* (yield* task).text()).toBe(`/${i}`);
        }
      },
      { session: { limit: 4 } },
    );
  });
});
