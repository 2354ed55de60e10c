import { test as it } from "@corio/testing/vitest";
import {
  asyncGenerator,
  attempt,
  type Coroutine,
  createTask,
  type Cursor,
  forEach,
  getRunningLoop,
  iterate,
  Queue,
  sleep,
  type Source,
  wait,
  within,
} from "corio";
import { describe, expect, test, vi } from "vitest";
import type { EventSourceOptions } from "../../src/client/event-source.js";
import { ClientConnectionError, ClientPayloadError, ServerDisconnectedError } from "../../src/errors/client-error.js";
import { HeadersTimeoutError } from "../../src/errors/request-timeout-error.js";
import { type EventStream, reconnectingEvents } from "./client-parts.js";

const bytes = (text: string): Uint8Array => Buffer.from(text);

type Make<T> = new (...args: never[]) => T;
const make = <T>(of: abstract new (...args: never[]) => T, ...args: unknown[]): T =>
  new (of as unknown as Make<T>)(...(args as never[]));

const NEWS = "http://example.com/news";
const refused = (): ClientConnectionError => make(ClientConnectionError, "refused", NEWS);
const brokenOff = (): ClientPayloadError => make(ClientPayloadError, "broke off", NEWS);

/** What a connection comes to. */
type Answer = string | Source<Uint8Array> | Error | { status?: number; contentType?: string | undefined };

/** A server that answers one connection after another as it was told, and then with 204. */
class Script {
  readonly connections: { at: number; headers: Readonly<Record<string, string>> }[] = [];
  readonly releases: number[] = [];
  readonly #answers: Answer[];
  /** How long it takes until an answer begins. */
  latency = 0;

  constructor(...answers: Answer[]) {
    this.#answers = answers;
  }

  readonly connect = (headers: Readonly<Record<string, string>>): Coroutine<EventStream> => this.#connect(headers);

  *#connect(headers: Readonly<Record<string, string>>): Coroutine<EventStream> {
    const number = this.connections.push({ at: getRunningLoop().time(), headers });
    if (this.latency > 0) yield* sleep(this.latency);
    const answer = this.#answers[number - 1] ?? { status: 204 };
    if (answer instanceof Error) throw answer;
    const head = { status: 200, contentType: "text/event-stream" as string | undefined };
    let body: Source<Uint8Array> = [];
    if (typeof answer === "string") body = [bytes(answer)];
    else if ("status" in answer || "contentType" in answer) Object.assign(head, answer);
    else body = answer as Source<Uint8Array>;
    return { ...head, url: NEWS, body, release: () => void this.releases.push(number) };
  }

  events(options: EventSourceOptions = {}) {
    return reconnectingEvents(this.connect, { jitter: 0, ...options });
  }

  /** The data of all events. */
  *data(options?: EventSourceOptions): Coroutine<string[]> {
    const seen: string[] = [];
    yield* forEach(this.events(options), ({ data }) => void seen.push(data));
    return seen;
  }

  /** How long was waited before each connection after the first. */
  get waits(): number[] {
    return this.connections.slice(1).map(({ at }, i) => at - (this.connections[i]?.at ?? 0));
  }

  get lastEventIds(): (string | undefined)[] {
    return this.connections.map(({ headers }) => headers["last-event-id"]);
  }
}

/** Events, and then an error. */
const breaking = asyncGenerator(function* (text: string, error: Error) {
  yield bytes(text);
  throw error;
});

describe("events over several connections", () => {
  it("go on after the last one that came", function* () {
    const script = new Script("id: 1\ndata: a\n\nid: 2\ndata: b\n\n", "data: c\n\n", "id: 3\ndata: d\n\ndata: lost");
    expect(yield* script.data()).toEqual(["a", "b", "c", "d"]);
    expect(script.lastEventIds).toEqual([undefined, "2", "2", "3"]);
    expect(script.waits).toEqual([3_000, 3_000, 3_000]);
    expect(script.releases).toEqual([1, 2, 3, 4]);
    for (const { headers } of script.connections) {
      expect(headers).toMatchObject({ accept: "text/event-stream", "cache-control": "no-store" });
    }
  });

  it("know the id of an earlier connection, or of an earlier run", function* () {
    const script = new Script("data: a\n\n", "id\ndata: b\n\n", "data: c\n\n");
    const ids: string[] = [];
    yield* forEach(script.events({ lastEventId: "41" }), ({ id }) => void ids.push(id));
    expect(ids).toEqual(["41", "", ""]);
    expect(script.lastEventIds).toEqual(["41", "41", undefined, undefined]);
  });

  it("tell an id in UTF-8, and none that no header can have", function* () {
    const script = new Script("id: ä✓\ndata: a\n\n", "id: a\u0001b\ndata: b\n\n", "id: \tx \ndata: c\n\n");
    yield* script.data();
    expect(script.lastEventIds.map((id) => id && Buffer.from(id, "latin1").toString())).toEqual([
      undefined,
      "ä✓",
      undefined,
      "\tx ",
    ]);
  });

  it("end with a 204, at first or later", function* () {
    const atFirst = new Script({ status: 204, contentType: undefined });
    expect(yield* atFirst.data()).toEqual([]);
    expect(atFirst.releases).toEqual([1]);
    const later = new Script("data: a\n\n", { status: 204, contentType: undefined }, "data: never\n\n");
    yield* within(iterate(later.events()), function* (events) {
      expect(yield* events.next()).toBe(true);
      expect(yield* events.next()).toBe(false);
      expect(yield* events.next()).toBe(false);
    });
    expect(later.connections).toHaveLength(2);
  });

  const cases: [string, Answer][] = [
    ["the status 404", { status: 404 }],
    ["the status 503", { status: 503 }],
    ["the status 206", { status: 206 }],
    ["content of type text/html", { contentType: "text/html" }],
    ["content of type text/event-streams", { contentType: "text/event-streams" }],
    ["content of type unknown", { contentType: undefined }],
  ];
  for (const [what, answer] of cases) {
    it(`end with an error at ${what}, at first or later`, function* () {
      for (const before of [[], ["data: a\n\n"]]) {
        const script = new Script(...before, answer, "data: never\n\n");
        expect(yield* attempt(script.data())).toMatchObject({
          ok: false,
          error: {
            name: "ClientError",
            code: "ERR_CORIO_EVENT_STREAM",
            url: NEWS,
            message: expect.stringContaining(what),
          },
        });
        expect(script.connections).toHaveLength(before.length + 1);
        expect(script.releases).toContain(before.length + 1);
      }
    });
  }

  it("are of a type that may have parameters, and capitals", function* () {
    for (const contentType of ["text/event-stream;charset=utf-8", "Text/Event-Stream", " text/event-stream ; a=b"]) {
      const script = new Script({ contentType }, "data: a\n\n");
      expect(yield* script.data()).toEqual(["a"]);
    }
  });

  it("throw what the first connection fails with, and try no other", function* () {
    for (const error of [refused(), make(HeadersTimeoutError, 5, NEWS), new TypeError("wrong")]) {
      const script = new Script(error, "data: never\n\n");
      expect(yield* attempt(script.data())).toEqual({ ok: false, error });
      expect(script.connections).toHaveLength(1);
    }
  });

  it("outlast connections that break, or are refused", function* () {
    const reconnects: [unknown, number][] = [];
    const errors = [brokenOff(), make(ServerDisconnectedError, "gone", NEWS), make(HeadersTimeoutError, 5, NEWS)];
    const script = new Script(
      breaking("id: 1\ndata: a\n\nid: 2\ndata: half", errors[0] as Error),
      errors[1] as Error,
      errors[2] as Error,
      "id: 2\ndata: b\n\n",
    );
    const options = { onReconnect: (error: unknown, delay: number) => void reconnects.push([error, delay]) };
    expect(yield* script.data(options)).toEqual(["a", "b"]);
    expect(script.lastEventIds).toEqual([undefined, "1", "1", "1", "2"]);
    expect(reconnects).toEqual([
      [errors[0], 3_000],
      [errors[1], 6_000],
      [errors[2], 12_000],
      [undefined, 3_000],
    ]);
    expect(script.waits).toEqual([3_000, 6_000, 12_000, 3_000]);
    expect(script.releases).toEqual([1, 4, 5]);
  });

  it("wait twice as long after each connection without an event, up to a limit", function* () {
    const failures = Array.from({ length: 7 }, refused);
    const script = new Script("data: a\n\n", ...failures, "", ": hello\n\n", "data: b\n\n");
    expect(yield* script.data({ reconnectDelay: 1_000, maxReconnectDelay: 20_000 })).toEqual(["a", "b"]);
    expect(script.waits).toEqual([
      ...[1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000],
      ...[20_000, 20_000, 1_000],
    ]);
  });

  it("wait as long as the server wants", function* () {
    const script = new Script("retry: 100\ndata: a\n\n", "data: b\n\n", refused(), "retry: 90000\n\n", "data: c\n\n");
    yield* script.data({ maxReconnectDelay: 1_000 });
    expect(script.waits).toEqual([100, 100, 1_000, 90_000, 90_000]);
  });

  it("do not run hot with a server that wants no delay, and brings nothing", function* () {
    const script = new Script("retry: 0\ndata: a\n\n", "", "", "", "data: b\n\n");
    yield* script.data();
    expect(script.waits).toEqual([0, 1_000, 2_000, 4_000, 0]);
  });

  it("wait longer by chance, and never shorter", function* () {
    const random = vi.spyOn(Math, "random").mockReturnValueOnce(0).mockReturnValueOnce(0.5).mockReturnValueOnce(0.998);
    const script = new Script("data: a\n\n", "data: b\n\n", "data: c\n\n");
    yield* script.data({ jitter: 0.5, reconnectDelay: 1_000 });
    random.mockRestore();
    expect(script.waits.map(Math.round)).toEqual([1_000, 1_250, 1_499]);
  });

  it("throw the error of a connection when too many in a row have failed", function* () {
    const errors = [refused(), refused(), refused()];
    const script = new Script("data: a\n\n", refused(), refused(), "data: b\n\n", ...errors, "data: never\n\n");
    const outcome = yield* attempt(script.data({ maxReconnects: 2 }));
    expect(outcome).toMatchObject({ ok: false });
    expect((outcome as { error: unknown }).error).toBe(errors[2]);
    expect(script.connections).toHaveLength(7);
    const never = new Script(breaking("data: a\n\n", errors[0] as Error), "data: never\n\n");
    expect(yield* attempt(never.data({ maxReconnects: 0 }))).toEqual({ ok: false, error: errors[0] });
  });

  it("end with any other error, and let go of the connection", function* () {
    const wrong = new TypeError("wrong");
    const failing = new Script("data: a\n\n", breaking("data: b\n\n", wrong));
    expect(yield* attempt(failing.data())).toEqual({ ok: false, error: wrong });
    expect(failing.releases).toEqual([1, 2]);
    const large = new Script("data: a\n\n", `data: ${"x".repeat(200)}\n\n`);
    expect(yield* attempt(large.data({ maxEventSize: 100 }))).toMatchObject({
      ok: false,
      error: { code: "ERR_CORIO_EVENT_TOO_LARGE" },
    });
    expect(large.releases).toEqual([1, 2]);
  });

  it("send nothing before they are iterated", function* () {
    const script = new Script("data: a\n\n");
    const events = script.events();
    yield* sleep(10);
    expect(script.connections).toEqual([]);
    yield* forEach(events, () => {});
    expect(script.connections).toHaveLength(2);
  });
});

describe("leaving events", () => {
  it("closes the connection", function* () {
    let closed = false;
    const endless = asyncGenerator(function* () {
      try {
        for (;;) yield bytes("data: a\n\n");
      } finally {
        yield* sleep(1);
        closed = true;
      }
    });
    const script = new Script(endless());
    const left = yield* within(iterate(script.events()), function* (events) {
      expect(yield* events.next()).toBe(true);
      return events;
    });
    expect(closed).toBe(true);
    expect(script.releases).toEqual([1]);
    expect(yield* left.next()).toBe(false);
    expect(script.connections).toHaveLength(1);
  });

  it("is no more than that between two connections, or before the first", function* () {
    const script = new Script("data: a\n\n", "data: b\n\n");
    yield* within(iterate(script.events()), function* () {});
    expect(script.connections).toEqual([]);
    yield* within(iterate(script.events()), function* (events) {
      yield* events.next();
      const waiting = createTask(events.next());
      yield* sleep(1_000);
      waiting.cancel();
      yield* wait([waiting]);
    });
    expect(script.connections).toHaveLength(1);
    expect(script.releases).toEqual([1]);
  });
});

describe("a cancelled wait for an event", () => {
  /** Waits for the next event, and is cancelled after some time. */
  function* cancelledAfter(time: number, events: Cursor<unknown>): Coroutine<void> {
    const waiting = createTask(events.next());
    yield* sleep(time);
    waiting.cancel();
    yield* wait([waiting]);
    expect(waiting.cancelled).toBe(true);
  }

  it("loses none: while one is awaited, between two connections, while connecting", function* () {
    const queue = new Queue<Uint8Array>();
    const script = new Script(queue, "id: 2\ndata: b\n\n");
    yield* within(iterate(script.events()), function* (events) {
      yield* cancelledAfter(10, events);
      queue.putNowait(bytes("id: 1\nda"));
      yield* cancelledAfter(10, events);
      queue.putNowait(bytes("ta: a\n\n"));
      expect(yield* events.next()).toBe(true);
      expect(events.value).toMatchObject({ data: "a", id: "1" });

      queue.shutdown();
      const ended = getRunningLoop().time();
      script.latency = 100;
      yield* cancelledAfter(1_000, events);
      yield* cancelledAfter(1_000, events);
      yield* cancelledAfter(1_050, events);
      // the one that was cancelled in its midst is made again
      expect(script.connections.map(({ at }) => at - ended)).toEqual([expect.any(Number), 3_000]);
      expect(yield* events.next()).toBe(false);
    });
    expect(script.connections).toHaveLength(3);
    expect(script.lastEventIds).toEqual([undefined, "1", "1"]);
  });
});

describe("options of events", () => {
  test.each([
    [{ reconnectDelay: -1 }, /reconnectDelay cannot be -1/],
    [{ reconnectDelay: Number.POSITIVE_INFINITY }, /reconnectDelay cannot be Infinity/],
    [{ maxReconnectDelay: Number.NaN }, /maxReconnectDelay cannot be NaN/],
    [{ jitter: 2 }, /jitter cannot be 2/],
    [{ maxReconnects: -1 }, /maxReconnects cannot be -1/],
    [{ lastEventId: 5 }, /lastEventId is the `id` of an event/],
    [{ maxEventSize: 0 }, /maxEventSize is a number of characters/],
  ])("are refused at the call: %o", (options, message) => {
    expect(() => new Script().events(options as EventSourceOptions)).toThrow(
      expect.objectContaining({ name: "TypeError", message: expect.stringMatching(message) }),
    );
  });
});
