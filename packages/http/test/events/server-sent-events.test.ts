import { test as it } from "@corio/testing/vitest";
import {
  asyncGenerator,
  attempt,
  type Coroutine,
  createTask,
  forEach,
  iterate,
  Queue,
  sleep,
  wait,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import type { ServerSentEvent } from "../../src/events/server-sent-events.js";
import { eventsOf, type EventsOptions } from "../client/client-parts.js";

const bytes = (text: string): Uint8Array => Buffer.from(text);

function* all(chunks: Iterable<Uint8Array>, options?: EventsOptions): Coroutine<ServerSentEvent[]> {
  const events: ServerSentEvent[] = [];
  yield* forEach(eventsOf(chunks, options), (event) => void events.push(event));
  return events;
}

/** Just what was said: `data`, `event:data`, `data#id`. */
const brief = ({ event, data, id }: ServerSentEvent): string =>
  `${event === "message" ? "" : `${event}:`}${data}${id === "" ? "" : `#${id}`}`;

describe("server-sent events", () => {
  const cases: [string, string, string[]][] = [
    ["one", "data: hello\n\n", ["hello"]],
    ["several", "data: 1\n\ndata: 2\n\n\n\ndata: 3\n\n", ["1", "2", "3"]],
    ["of several lines", "data: 1\ndata: 2\ndata\ndata:\n\n", ["1\n2\n\n"]],
    ["without a space, or with several", "data:1\n\ndata:  2 \n\n", ["1", " 2 "]],
    ["that are empty", "data\n\ndata:\n\ndata: \n\n", ["", "", ""]],
    ["of a kind", "event: add\ndata: 1\n\ndata: 2\n\nevent: a:b\nevent\ndata: 3\n\n", ["add:1", "2", "3"]],
    ["with an id, which holds for those after it", "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", ["a#1", "b#1", "c"]],
    ["whose id has a NUL, which is none", "id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", ["a#1", "b#1"]],
    ["among comments and unknown fields", ": hello\n:\ndata: 1\n:\nfoo: bar\nData: 2\n data: 3\n\n", ["1"]],
    ["without data, which are none", "event: a\n\nid: 5\nevent: b\n\n\ndata: c\n\n", ["c"]],
    [
      "with line breaks of all kinds",
      "data: 1\r\n\r\ndata: 2\r\rdata: 3\r\ndata: 4\n\r\ndata: 5\n\r",
      ["1", "2", "3\n4", "5"],
    ],
    ["behind a byte order mark", "\ufeffdata: 1\n\n\ufeffdata: 2\n\ndata: 3\n\n", ["1", "3"]],
    ["of which the last has not come to its end", "data: 1\n\ndata: 2\n", ["1"]],
    ["in UTF-8", "data: ok… 🎉 é\nevent: ünï\n\n", ["ünï:ok… 🎉 é"]],
    ["none at all", "", []],
  ];
  for (const [what, text, expected] of cases) {
    it(`are ${what}, however the bytes are split`, function* () {
      const whole = bytes(text);
      for (let size = 1; size <= whole.length + 1; size++) {
        const chunks: Uint8Array[] = [];
        for (let at = 0; at < whole.length; at += size) chunks.push(whole.subarray(at, at + size), new Uint8Array(0));
        expect((yield* all(chunks)).map(brief), `in pieces of ${size}`).toEqual(expected);
      }
      for (let at = 0; at <= whole.length; at++) {
        const events = yield* all([whole.subarray(0, at), whole.subarray(at)]);
        expect(events.map(brief), `in two, at ${at}`).toEqual(expected);
      }
    });
  }

  it("have all three of their fields", function* () {
    expect(yield* all([bytes("data: 1\n\nevent: add\nid: 7\ndata: 2\n\n")])).toEqual([
      { event: "message", data: "1", id: "" },
      { event: "add", data: "2", id: "7" },
    ]);
    expect(yield* all([bytes("data: 1\n\n")], { lastEventId: "6" })).toEqual([
      { event: "message", data: "1", id: "6" },
    ]);
  });

  it("replace what is no UTF-8", function* () {
    const broken = Buffer.concat([bytes("data: "), Uint8Array.of(0xff, 0xe2, 0x82), bytes("!\n\n")]);
    expect(yield* all([broken.subarray(0, 8), broken.subarray(8)])).toMatchObject([{ data: "\ufffd\ufffd!" }]);
  });

  it("come as soon as their last line has ended", function* () {
    for (const [first, second, rest] of [
      ["\n", "\n", ""],
      ["\r\n", "\r", "\n"],
      ["\r", "\r", ""],
    ] as const) {
      const queue = new Queue<Uint8Array>();
      const seen: string[] = [];
      const reading = createTask(forEach(eventsOf(queue), (event) => void seen.push(brief(event))));
      for (const text of ["1", "2"]) {
        queue.putNowait(bytes(`data: ${text}`));
        queue.putNowait(bytes(first));
        yield* sleep(1);
        expect(seen).not.toContain(text);
        queue.putNowait(bytes(second));
        yield* sleep(1);
        expect(seen, JSON.stringify(second)).toContain(text);
        queue.putNowait(bytes(rest));
      }
      queue.shutdown();
      yield* reading;
      expect(seen).toEqual(["1", "2"]);
    }
  });

  it("tell how long to wait before the next connection", function* () {
    const delays: number[] = [];
    const text = "retry: 1000\n\nretry: 5x\nretry:\nretry: -1\nretry: 1.5\nretry:0\ndata: 1\n\n";
    yield* all([bytes(text)], { onRetry: (delay) => void delays.push(delay) });
    expect(delays).toEqual([1000, 0]);
  });

  it("are not lost if the wait for one is cancelled", function* () {
    const queue = new Queue<Uint8Array>();
    yield* within(iterate(eventsOf(queue)), function* (events) {
      queue.putNowait(bytes("data: 1\n\ndata: 2\n\ndata: "));
      expect(yield* events.next()).toBe(true);
      const step = function* (): Coroutine<void> {
        while (yield* events.next());
      };
      const waiting = createTask(step);
      yield* sleep(1);
      expect(events.value.data).toBe("2");
      waiting.cancel();
      yield* wait([waiting]);
      queue.putNowait(bytes("3\n\n"));
      expect(yield* events.next()).toBe(true);
      expect(events.value.data).toBe("3");
    });
  });

  it("end with what the source throws, after those that came before", function* () {
    const broken = new Error("broken");
    const source = asyncGenerator(function* () {
      yield bytes("data: 1\n\ndata: 2\n\ndata: 3");
      throw broken;
    });
    const seen: string[] = [];
    const outcome = yield* attempt(forEach(eventsOf(source()), ({ data }) => void seen.push(data)));
    expect(outcome).toEqual({ ok: false, error: broken });
    expect(seen).toEqual(["1", "2"]);
  });

  it("close their source when they are left", function* () {
    let closed = false;
    const source = asyncGenerator(function* () {
      try {
        for (;;) yield bytes("data: 1\n\ndata: 2\n\n");
      } finally {
        yield* sleep(1);
        closed = true;
      }
    });
    expect(yield* forEach(eventsOf(source()), ({ data }, stop) => stop(data))).toBe("1");
    expect(closed).toBe(true);
  });
});

describe("a server-sent event that is too large", () => {
  const refused = (limit: number): unknown => ({
    ok: false,
    error: expect.objectContaining({
      name: "CorioError",
      code: "ERR_CORIO_EVENT_TOO_LARGE",
      message: expect.stringContaining(`${limit} characters that maxEventSize allows`),
    }),
  });

  const tooLarge: [string, string][] = [
    ["a line", `data: ${"x".repeat(200)}\n\n`],
    ["a line without an end", `data: ${"x".repeat(200)}`],
    ["a comment without an end", `:${"x".repeat(200)}`],
    ["many lines", `${"data: 12345678\n".repeat(20)}\n`],
    ["many empty lines of data", `${"data\n".repeat(200)}\n`],
  ];
  for (const [what, large] of tooLarge) {
    it(`is an error, after those that came before: ${what}`, function* () {
      const text = bytes(`data: 1\n\n${large}`);
      for (const size of [text.length, 1, 16]) {
        const chunks: Uint8Array[] = [];
        for (let at = 0; at < text.length; at += size) chunks.push(text.subarray(at, at + size));
        const seen: string[] = [];
        const reading = forEach(eventsOf(chunks, { maxEventSize: 100 }), ({ data }) => void seen.push(data));
        expect(yield* attempt(reading)).toEqual(refused(100));
        expect(seen).toEqual(["1"]);
      }
    });
  }

  it("stays an error, and takes no more of its source", function* () {
    let taken = 0;
    const endless = asyncGenerator(function* () {
      for (;;) {
        taken++;
        yield bytes("data: xxxxxxxxxxxxxxxxxxxx");
      }
    });
    yield* within(iterate(eventsOf(endless(), { maxEventSize: 100 })), function* (events) {
      expect(yield* attempt(events.next())).toEqual(refused(100));
      const before = taken;
      expect(before).toBeLessThan(10);
      expect(yield* attempt(events.next())).toEqual(refused(100));
      expect(taken).toBe(before);
    });
  });

  it("is one of more than a MiB where nothing else is said", function* () {
    const event = (size: number): Uint8Array => bytes(`data: ${"x".repeat(size)}\n\n`);
    expect(yield* all([event(1024 * 1024)])).toHaveLength(1);
    expect(yield* attempt(all([event(1024 * 1024 + 1)]))).toEqual(refused(1024 * 1024));
    expect(yield* all([event(100), event(100)], { maxEventSize: 120 })).toHaveLength(2);
  });

  test("has a size that is a number", () => {
    for (const maxEventSize of [0, -1, Number.NaN]) {
      expect(() => eventsOf([], { maxEventSize })).toThrow(
        expect.objectContaining({ name: "TypeError", code: "ERR_CORIO_EVENT_SIZE" }),
      );
    }
  });
});
