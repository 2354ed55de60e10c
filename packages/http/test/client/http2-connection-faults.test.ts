import { asyncGenerator, createTask, type Coroutine, gather, sleep, until, within } from "corio";
import { describe, expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { thrownBy, withCode } from "../../../node/test/support/thrown-by.js";
import {
  ClientPayloadError,
  type ClientSession,
  ServerDisconnectedError,
  type SessionOptions,
} from "../../src/index.js";
import {
  block,
  codes,
  data,
  type Fields,
  frame,
  goaway,
  headers,
  type Http2Peer,
  type PeerScript,
  type PeerServer,
  resetStream,
  settings,
  withHttp2Peer,
} from "./http2-peer.js";

const certificates = useCertificates();

const inTest = (
  script: PeerScript,
  body: (session: ClientSession, server: PeerServer) => Coroutine<void>,
  session?: SessionOptions,
): Promise<void> => withHttp2Peer(certificates, script, body, { session });

/** Answers each request with what it is told for it; the first of them once the settings are exchanged. */
const answering =
  (...answers: readonly ((stream: number, peer: Http2Peer) => Buffer[] | void)[]): PeerScript =>
  async (peer) => {
    peer.send(settings());
    for (const answer of answers) {
      const stream = await peer.request();
      peer.send(...(answer(stream, peer) ?? []));
    }
  };

const ok = (stream: number): Buffer[] => [headers(stream, 200), data(stream, "ok", { end: true })];

const refuse = (stream: number): Buffer[] => [resetStream(stream, codes.refusedStream)];

async function answerAll(peer: Http2Peer): Promise<void> {
  for (;;) peer.send(...ok(await peer.request()));
}

function* textOf(session: ClientSession, path = "/"): Coroutine<string> {
  return yield* within(session.get(path), (response) => response.text());
}

function brokeOff(message: RegExp): Error {
  return expect.toSatisfy(
    (error: unknown) => error instanceof ClientPayloadError && message.test(error.message),
  ) as Error;
}

function disconnected(message: RegExp): Error {
  return expect.toSatisfy(
    (error: unknown) => error instanceof ServerDisconnectedError && message.test(error.message),
  ) as Error;
}

const REFUSED = expect.objectContaining({ cause: expect.objectContaining({ code: "ERR_HTTP2_REFUSED" }) });

describe("an answer over HTTP/2 that is cut short", () => {
  const CODES = [
    ["NO_ERROR", codes.noError],
    ["PROTOCOL_ERROR", codes.protocolError],
    ["INTERNAL_ERROR", codes.internalError],
    ["REFUSED_STREAM", codes.refusedStream],
    ["CANCEL", codes.cancel],
    ["ENHANCE_YOUR_CALM", codes.calm],
    ["the code 77", 77],
  ] as const;

  test.each(CODES)("by a reset with %s breaks off, and the connection goes on", async (name, code) => {
    for (const fields of [[], [["content-length", "100"]]] satisfies Fields[]) {
      await inTest(
        answering(
          (stream) => [headers(stream, 200, fields), data(stream, "x".repeat(50))],
          (stream) => [resetStream(stream - 2, code), ...ok(stream)],
        ),
        function* (session, server) {
          const response = yield* session.get("/");
          expect(yield* textOf(session)).toBe("ok");
          expect(yield* thrownBy(response.bytes())).toEqual(brokeOff(new RegExp(`broke off: .* with ${name}$`)));
          expect(server.peers).toHaveLength(1);
        },
      );
    }
  });

  test.each(CODES)("by a reset with %s in one piece with its beginning breaks off", async (_, code) => {
    await inTest(
      answering((stream) => [headers(stream, 200), data(stream, "x"), resetStream(stream, code)]),
      function* (session) {
        expect(yield* thrownBy(textOf(session))).toEqual(brokeOff(/./));
      },
    );
  });

  test.each(CODES)("by a reset with %s after its end is complete", async (_, code) => {
    await inTest(
      answering(
        (stream) => [...ok(stream), resetStream(stream, code)],
        (stream) => [headers(stream, 204, [], { end: true }), resetStream(stream, code)],
        ok,
      ),
      function* (session, server) {
        for (const text of ["ok", "", "ok"]) expect(yield* textOf(session)).toBe(text);
        expect(server.peers).toHaveLength(1);
      },
    );
  });

  test.each(CODES.filter(([name]) => name !== "REFUSED_STREAM"))(
    "before it began, by a reset with %s, is none, and the request is not sent again",
    async (name, code) => {
      await inTest(
        answering(ok, (stream) => [resetStream(stream, code)], ok),
        function* (session, server) {
          expect(yield* textOf(session)).toBe("ok");
          expect(yield* thrownBy(session.get("/"))).toEqual(disconnected(new RegExp(`no answer from .* with ${name}`)));
          expect(yield* textOf(session)).toBe("ok");
          expect(server.peers).toHaveLength(1);
        },
      );
    },
  );

  test("before it began because it was refused is asked for again, unless the body is gone", async () => {
    const pieces = asyncGenerator(function* () {
      yield "piece";
    });
    await inTest(answering(refuse, refuse, ok, refuse, ok), function* (session, server) {
      expect(yield* (yield* session.post("/", { body: "again" })).text()).toBe("ok");
      expect(yield* thrownBy(session.post("/", { body: pieces() }))).toEqual(REFUSED);
      expect(yield* textOf(session)).toBe("ok");
      expect(server.peers).toHaveLength(1);
    });
    await inTest(answering(...new Array<typeof refuse>(20).fill(refuse)), function* (session) {
      expect(yield* thrownBy(session.get("/"))).toEqual(REFUSED);
    });
  });

  test.each([
    ["fewer bytes than it announced", "99", "x".repeat(98)],
    ["more bytes than it announced", "99", "x".repeat(100)],
    ["none of the bytes that it announced", "99", ""],
  ])("or long, by %s, breaks off", async (_, length, content) => {
    await inTest(
      answering(
        (stream) => [headers(stream, 200, [["content-length", length]]), data(stream, content, { end: true })],
        ok,
      ),
      function* (session, server) {
        expect(yield* thrownBy(textOf(session))).toEqual(brokeOff(/PROTOCOL_ERROR/));
        expect(yield* textOf(session)).toBe("ok");
        expect(server.peers).toHaveLength(1);
      },
    );
  });

  test.each([
    ["is closed", (peer: Http2Peer) => peer.end()],
    ["is reset", (peer: Http2Peer) => peer.reset()],
  ])("because the connection %s breaks off, and others are none", async (_, close) => {
    await inTest(
      async (peer, number) => {
        peer.send(settings());
        const first = await peer.request();
        if (number === 2) return peer.send(...ok(first));
        peer.send(headers(first, 200), data(first, "x"));
        await peer.request();
        close(peer);
      },
      function* (session, server) {
        const response = yield* session.get("/");
        const closed = /the server closed the connection|ECONNRESET/;
        expect(yield* thrownBy(session.post("/"))).toEqual(disconnected(closed));
        expect(yield* thrownBy(response.bytes())).toEqual(brokeOff(closed));
        expect(session.connections).toBe(0);
        expect(yield* textOf(session)).toBe("ok");
        expect(server.peers).toHaveLength(2);
      },
    );
  });

  test("because it goes beyond what it may send breaks off", async () => {
    await inTest(
      answering((stream) => [
        headers(stream, 200),
        ...Array.from({ length: 40 }, () => data(stream, "x".repeat(16_384))),
      ]),
      function* (session, server) {
        const response = yield* session.get("/");
        yield* until((server.peers[0] as Http2Peer).next("RST_STREAM"));
        expect(yield* thrownBy(response.bytes())).toEqual(brokeOff(/FLOW_CONTROL_ERROR/));
      },
    );
  });

  test("by its trailers is complete", async () => {
    await inTest(
      answering((stream) => [
        headers(stream, 200),
        data(stream, "ok"),
        frame("HEADERS", 5, stream, block([["x-checksum", "1"]])),
      ]),
      function* (session) {
        yield* within(session.get("/"), function* (response) {
          expect(yield* response.text()).toBe("ok");
          expect(response.headers.get("x-checksum")).toBeNull();
        });
      },
    );
  });
});

describe("a server that leaves", () => {
  test("finishes what it has begun, and the rest is sent over another connection", async () => {
    await inTest(
      async (peer, number) => {
        peer.send(settings());
        if (number === 2) return answerAll(peer);
        const first = await peer.request();
        await peer.request();
        peer.send(headers(first, 200), goaway(first));
        await peer.next("GOAWAY");
        peer.send(data(first, "fini"));
        peer.send(data(first, "shed", { end: true }));
        await peer.until(() => peer.ended);
        peer.end();
      },
      function* (session, server) {
        const first = createTask(textOf(session));
        const second = createTask(session.post("/"));
        expect(yield* (yield* second).text()).toBe("ok");
        expect(yield* textOf(session)).toBe("ok");
        expect(yield* first).toBe("finished");
        expect(server.peers).toHaveLength(2);
        const [peer] = server.peers as [Http2Peer];
        yield* until(peer.until(() => peer.closed));
        expect(session.connections).toBe(1);
      },
    );
  });

  test("in two steps, as it should, loses nothing that comes in between", async () => {
    await inTest(
      async (peer, number) => {
        peer.send(settings());
        if (number === 2) return answerAll(peer);
        const first = await peer.request();
        await peer.request();
        peer.send(goaway(2 ** 31 - 1));
        peer.send(goaway(first));
        peer.send(...ok(first));
      },
      function* (session, server) {
        const [first, second] = [createTask(textOf(session)), createTask(session.post("/"))];
        expect([yield* first, yield* (yield* second).text()]).toEqual(["ok", "ok"]);
        expect(yield* textOf(session)).toBe("ok");
        expect(server.peers).toHaveLength(2);
      },
    );
  });

  test("with an error breaks off what it has begun, and the rest is sent over another connection", async () => {
    await inTest(
      async (peer, number) => {
        peer.send(settings());
        if (number === 2) return answerAll(peer);
        const first = await peer.request();
        peer.send(headers(first, 200), data(first, "x"));
        const second = await peer.request();
        await peer.request();
        peer.send(goaway(second, codes.internalError));
      },
      function* (session, server) {
        const response = yield* session.get("/");
        const [second, third] = [createTask(thrownBy(session.post("/"))), createTask(session.post("/"))];
        expect(yield* second).toEqual(disconnected(/the server ended the connection with INTERNAL_ERROR/));
        expect(yield* (yield* third).text()).toBe("ok");
        expect(yield* thrownBy(response.bytes())).toEqual(brokeOff(/ended the connection with INTERNAL_ERROR/));
        expect([session.connections, server.peers.length]).toEqual([1, 2]);
      },
    );
  });

  test.each([
    ["in good order", goaway(1), (peer: Http2Peer) => peer.end()],
    ["with an error", goaway(1, codes.internalError), (peer: Http2Peer) => peer.end()],
  ])("%s in one piece with its answer has answered", async (_, leaving, end) => {
    await inTest(
      async (peer) => {
        peer.send(settings());
        const stream = await peer.request();
        peer.send(...ok(stream), leaving);
        end(peer);
      },
      function* (session) {
        expect(yield* textOf(session)).toBe("ok");
      },
    );
  });

  test("with an error leaves a large answer whole that has arrived and is not read yet", async () => {
    const length = 200_000;
    await inTest(
      async (peer) => {
        peer.send(settings());
        const stream = await peer.request();
        const pieces = Array.from({ length: length / 10_000 }, () => data(stream, "x".repeat(10_000)));
        peer.send(headers(stream, 200), ...pieces, data(stream, "", { end: true }), goaway(1, codes.internalError));
      },
      function* (session, server) {
        const response = yield* session.get("/");
        const [peer] = server.peers as [Http2Peer];
        yield* until(peer.until(() => peer.ended));
        expect(yield* response.bytes()).toHaveLength(length);
      },
    );
  });

  test("while nothing runs is left for a new connection", async () => {
    await inTest(
      async (peer) => {
        peer.send(settings());
        const stream = await peer.request();
        peer.send(...ok(stream));
        await peer.next("WINDOW_UPDATE");
        peer.send(goaway(stream));
      },
      function* (session, server) {
        expect(yield* textOf(session)).toBe("ok");
        while (session.connections > 0) yield* sleep(1);
        expect(yield* textOf(session)).toBe("ok");
        expect(server.peers).toHaveLength(2);
      },
    );
  });

  test("for good closes idle connections without a word", async () => {
    await inTest(
      async (peer) => {
        peer.send(settings());
        peer.send(...ok(await peer.request()));
        peer.end();
      },
      function* (session, server) {
        expect(yield* textOf(session)).toBe("ok");
        while (session.connections > 0) yield* sleep(1);
        expect(yield* textOf(session)).toBe("ok");
        expect(server.peers).toHaveLength(2);
      },
    );
  });
});

describe("the settings of a server", () => {
  test("are awaited by all but the first request", async () => {
    await inTest(
      async (peer, number) => {
        const first = await peer.request();
        await peer.next("SETTINGS");
        expect([number, peer.frames.filter(({ type }) => type === "HEADERS")]).toEqual([1, []]);
        peer.send(settings());
        peer.send(...ok(await peer.request()), ...ok(await peer.request()), ...ok(first));
      },
      function* (session, server) {
        expect(yield* gather([textOf(session), textOf(session), textOf(session)])).toEqual(["ok", "ok", "ok"]);
        expect(server.peers).toHaveLength(1);
      },
    );
  });

  test("that allow nothing yet are awaited", async () => {
    await inTest(
      async (peer) => {
        const first = await peer.request();
        peer.send(settings({ maxConcurrentStreams: 0 }));
        peer.send(resetStream(first, codes.refusedStream));
        await peer.next("SETTINGS"); // the client's
        await peer.next("SETTINGS"); // and what acknowledges ours
        peer.send(settings({ maxConcurrentStreams: 1 }));
        await answerAll(peer);
      },
      function* (session, server) {
        expect(yield* gather([textOf(session), textOf(session)])).toEqual(["ok", "ok"]);
        expect(server.peers).toHaveLength(1);
      },
      { limit: 1 },
    );
  });

  test("that never come leave the time limit to the request", async () => {
    await inTest(
      async (peer) => void (await peer.request()),
      function* (session, server) {
        const timeout = { total: 50 };
        const all = yield* gather([thrownBy(session.get("/", { timeout })), thrownBy(session.get("/", { timeout }))]);
        expect(all).toEqual([withCode("TOTAL_TIMEOUT"), withCode("TOTAL_TIMEOUT")]);
        expect(server.peers).toHaveLength(1);
      },
    );
  });

  test("may take what they gave: nothing more is sent until enough is over", async () => {
    const acknowledged = (peer: Http2Peer, times: number): Promise<void> =>
      peer.until(() => peer.log.filter((one) => one === "SETTINGS 0").length === 1 + times);
    await inTest(
      (peer) => peer.send(settings({ maxConcurrentStreams: 3 })),
      function* (session, server) {
        const [one, two] = [createTask(textOf(session)), createTask(textOf(session))];
        while (server.peers.length === 0) yield* sleep(1);
        const [peer] = server.peers as [Http2Peer];
        const [first, second] = [yield* until(peer.request()), yield* until(peer.request())];
        peer.send(settings({ maxConcurrentStreams: 1 }));
        yield* until(acknowledged(peer, 2));
        const three = createTask(textOf(session));
        peer.send(...ok(first));
        expect(yield* one).toBe("ok");
        peer.send(frame("PING", 0, 0, Buffer.alloc(8)));
        yield* until(peer.next("PING"));
        expect(peer.frames.filter(({ type }) => type === "HEADERS")).toEqual([]);
        peer.send(...ok(second));
        peer.send(...ok(yield* until(peer.request())));
        expect([yield* two, yield* three]).toEqual(["ok", "ok"]);
        expect(server.peers).toHaveLength(1);
      },
      { limit: 1 },
    );
  });
});

describe("what is no HTTP/2", () => {
  const garbage: Record<string, (peer: Http2Peer, stream: number) => void> = {
    "another protocol": (peer) => peer.sendText("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"),
    "no settings at first": (peer, stream) => peer.send(...ok(stream)),
    "an answer without a status": (peer, stream) =>
      peer.send(settings(), frame("HEADERS", 4, stream, block([["a", "b"]]))),
    "a status that is none": (peer, stream) => peer.send(settings(), headers(stream, "ok")),
    "a name in capitals": (peer, stream) => peer.send(settings(), headers(stream, 200, [["Name", "value"]])),
    "a header of a connection": (peer, stream) =>
      peer.send(settings(), headers(stream, 200, [["transfer-encoding", "chunked"]])),
    "an answer to what was not asked": (peer) => peer.send(settings(), headers(99, 200)),
    "headers without end": (peer, stream) =>
      peer.send(
        settings(),
        frame("HEADERS", 0, stream, block([[":status", "200"]])),
        ...Array.from({ length: 5_000 }, (_, i) =>
          frame("CONTINUATION", 0, stream, block([[`x-${i}`, "x".repeat(100)]])),
        ),
      ),
  };

  test.each(Object.keys(garbage))("%s is an error of the request", async (name) => {
    await inTest(
      async (peer) => {
        const stream = await peer.request();
        garbage[name]?.(peer, stream);
        await peer.until(() => peer.ended || peer.log.includes("GOAWAY 0"));
        peer.end(); // as every server does that is told of its error
      },
      function* (session) {
        const error = yield* thrownBy(session.get("/", { timeout: { total: 5_000 } }));
        expect(error).toEqual(disconnected(/no answer from/));
      },
    );
  });

  // Node tells the server of these, and then hears nothing of it any more
  const fatal: Record<string, (stream: number) => Buffer> = {
    "a frame beyond the size that was agreed upon": (stream) => frame("DATA", 0, stream, Buffer.alloc(20_000)),
    "data before the headers": (stream) => data(stream, "x"),
    "headers that cannot be unpacked": (stream) => frame("HEADERS", 4, stream, Buffer.alloc(6, 0xff)),
  };

  test.each(Object.keys(fatal))("%s leads to a new connection, at the latest after a time limit", async (name) => {
    await inTest(
      async (peer, number) => {
        peer.send(settings());
        for (;;) {
          const stream = await peer.request();
          peer.send(...(number === 1 ? [fatal[name]?.(stream) as Buffer] : ok(stream)));
        }
      },
      function* (session, server) {
        const hanging = createTask(thrownBy(session.get("/")));
        yield* sleep(1);
        const retry = { attempts: 1_000, delay: 1, factor: 1 };
        const response = yield* session.get("/", { timeout: { headers: 10 }, retry });
        expect([yield* response.text(), server.peers.length]).toEqual(["ok", 2]);
        expect(hanging.done).toBe(false);
        yield* session.close();
        expect(yield* hanging).toEqual(withCode("SESSION_CLOSED"));
      },
      { keepAliveTimeout: 30 },
    );
  });

  test("nothing at all leads to a new connection after a time limit, a late answer to none", async () => {
    await inTest(
      async (peer) => {
        peer.send(settings());
        const first = await peer.request();
        await peer.next("RST_STREAM");
        await peer.next("PING");
        peer.send(headers(first, 200));
        peer.send(...ok(await peer.request()));
      },
      function* (session, server) {
        expect(yield* thrownBy(session.get("/", { timeout: { headers: 10 } }))).toEqual(withCode("HEADERS_TIMEOUT"));
        expect(yield* textOf(session)).toBe("ok");
        expect(server.peers).toHaveLength(1);
      },
    );
  });

  test("between the interim answers of a server that never comes to the point is nothing", async () => {
    await inTest(
      answering((stream) => [
        headers(stream, 103, [["link", "</style.css>"]]),
        headers(stream, 100),
        headers(stream, 103),
        ...ok(stream),
      ]),
      function* (session) {
        yield* within(session.get("/"), function* (response) {
          expect(response.status).toBe(200);
          expect(response.headers.get("link")).toBeNull();
          expect(yield* response.text()).toBe("ok");
        });
      },
    );
  });
});

describe("closing the session", () => {
  test("does not wait for a server that reads nothing", async () => {
    await inTest(
      async (peer) => {
        peer.send(settings(), frame("WINDOW_UPDATE", 0, 0, Buffer.from([0x40, 0, 0, 0])));
        const stream = await peer.request();
        peer.send(frame("WINDOW_UPDATE", 0, stream, Buffer.from([0x40, 0, 0, 0])));
        peer.stopReading();
        peer.send(headers(stream, 200));
      },
      function* (session) {
        yield* session.post("/", { body: Buffer.alloc(50_000_000) });
        yield* session.close();
      },
    );
  });

  test("does not wait for a server that does not close", async () => {
    await inTest(answering(ok), function* (session, server) {
      expect(yield* textOf(session)).toBe("ok");
      yield* session.close();
      const [peer] = server.peers as [Http2Peer];
      yield* until(peer.until(() => peer.closed || peer.ended));
      expect(peer.log).toContain("GOAWAY 0");
    });
  });
});
