import {
  CancelledError,
  CorioError,
  type Coroutine,
  createTask,
  ensureFuture,
  forEach,
  type Future,
  gather,
  IncompleteReadError,
  isCancelled,
  isCoroutine,
  iterate,
  LimitOverrunError,
  race,
  run,
  Runner,
  shield,
  sleep,
  timeout,
  waitFor,
  within,
} from "corio";
import { type Separator, StreamReader } from "@corio/node";
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../corio/test/support/later.js";
import { runCleanly, turns } from "../../../corio/test/support/run-cleanly.js";
import { virtualLoop } from "../../../corio/test/support/virtual-loop.js";
import { bytes, text } from "../support/bytes.js";
import { CountingTransport } from "../support/internals.js";

const withCode = (code: string, message?: RegExp): Error =>
  expect.objectContaining({
    code: `ERR_CORIO_${code}`,
    ...(message !== undefined && { message: expect.stringMatching(message) }),
  });

/** A reader that was fed with texts; `null` is the end. */
function readerOf(...pieces: (string | null)[]): StreamReader {
  return limited(64 * 1024, ...pieces);
}

function limited(limit: number, ...pieces: (string | null)[]): StreamReader {
  const reader = new StreamReader({ limit });
  for (const piece of pieces) feed(reader, piece);
  return reader;
}

function feed(reader: StreamReader, piece: string | null): void {
  if (piece === null) reader.feedEof();
  else reader.feedData(bytes(piece));
}

/** Feeds one piece after another, giving others turns in between. */
function* feeding(reader: StreamReader, ...pieces: (string | null)[]): Coroutine<void> {
  for (const piece of pieces) {
    yield* turns();
    feed(reader, piece);
  }
}

function* textOf(read: Coroutine<Uint8Array>): Coroutine<string> {
  return text(yield* read);
}

describe("new StreamReader", () => {
  test.each([0, -1, Number.NaN])("refuses %s as limit", (limit) => {
    runCleanly(function* () {
      expect(() => new StreamReader({ limit })).toThrow(withCode("LIMIT", /more than 0/));
    });
  });

  test("takes the running loop, or one that is given", () => {
    expect(() => new StreamReader()).toThrow(withCode("NO_RUNNING_LOOP"));
    const { loop } = virtualLoop();
    expect(new StreamReader({ loop }).atEof).toBe(false);
    loop.close();
  });
});

describe("read", () => {
  test("waits for at least one byte, and gives no more than asked for", () => {
    runCleanly(function* () {
      const reader = readerOf();
      const feeder = createTask(feeding(reader, "abc", "d"));
      expect(yield* textOf(reader.read(2))).toBe("ab");
      expect(yield* textOf(reader.read(2))).toBe("c");
      expect(yield* textOf(reader.read(2))).toBe("d");
      yield* feeder;
    });
  });

  test("of no bytes gives none, and waits for nothing", () => {
    runCleanly(function* () {
      const reader = readerOf();
      expect((yield* reader.read(0)).length).toBe(0);
      feed(reader, "x");
      expect((yield* reader.read(0)).length).toBe(0);
      expect(yield* textOf(reader.read(1))).toBe("x");
    });
  });

  test("gives none at the end, again and again", () => {
    runCleanly(function* () {
      const reader = readerOf("a", null);
      expect(yield* textOf(reader.read(9))).toBe("a");
      expect((yield* reader.read(9)).length).toBe(0);
      expect((yield* reader.read()).length).toBe(0);
    });
  });

  test("without a size gives everything up to the end", () => {
    runCleanly(function* () {
      const reader = limited(2, "abc");
      const feeder = createTask(feeding(reader, "defgh", "", "i", null));
      expect(yield* textOf(reader.read())).toBe("abcdefghi");
      expect((yield* reader.read(-1)).length).toBe(0);
      yield* feeder;
    });
  });

  test("gives more than the limit, if that has come", () => {
    runCleanly(function* () {
      expect(yield* textOf(limited(3, "chunk").read(5))).toBe("chunk");
    });
  });

  test.each([-2, 1.5, Number.NaN, "1" as unknown as number])("refuses %s as size", (size) => {
    runCleanly(function* () {
      const reader = readerOf("abc");
      expect(() => reader.read(size)).toThrow(withCode("SIZE", /-1 for everything/));
      expect(yield* textOf(reader.read(9))).toBe("abc");
    });
  });

  test("without a size, when the connection fails, throws that and leaves what had arrived", () => {
    runCleanly(function* () {
      const reader = readerOf("ab");
      const reading = createTask(thrownBy(reader.read()));
      yield* feeding(reader, "cd");
      yield* turns();
      const broken = new Error("broken");
      reader.setException(broken);
      expect(yield* reading).toBe(broken);
      expect(yield* textOf(reader.read(4))).toBe("abcd");
    });
  });
});

describe("readline", () => {
  test("puts a line together from its pieces, and leaves the rest", () => {
    runCleanly(function* () {
      const reader = readerOf("one ");
      const feeder = createTask(feeding(reader, "two ", "three", "\nfour\n", "five", null));
      expect(yield* textOf(reader.readline())).toBe("one two three\n");
      expect(yield* textOf(reader.readline())).toBe("four\n");
      expect(yield* textOf(reader.readline())).toBe("five");
      expect((yield* reader.readline()).length).toBe(0);
      yield* feeder;
    });
  });

  test("gives empty lines as lines", () => {
    runCleanly(function* () {
      const reader = readerOf("\n\n", null);
      expect(yield* textOf(reader.readline())).toBe("\n");
      expect(yield* textOf(reader.readline())).toBe("\n");
      expect((yield* reader.readline()).length).toBe(0);
    });
  });

  test("takes a line that is just as long as the limit, and none that is longer", () => {
    runCleanly(function* () {
      const reader = limited(7, "1234567\n", "12345678\n", "next\n");
      expect(yield* textOf(reader.readline())).toBe("1234567\n");
      const error = yield* thrownBy(reader.readline());
      expect(error).toBeInstanceOf(LimitOverrunError);
      expect(error).toMatchObject({ consumed: 8 });
      // the line is dropped, so that the next one can be read
      expect(yield* textOf(reader.readline())).toBe("next\n");
    });
  });

  test("drops the line that is too long as far as it has come", () => {
    runCleanly(function* () {
      const reader = limited(3, "li", "ne1", "li");
      expect(yield* thrownBy(reader.readline())).toMatchObject({ name: "LimitOverrunError", consumed: 7 });
      feed(reader, "x\n");
      expect(yield* textOf(reader.readline())).toBe("x\n");
    });
  });

  test("drops a line that is too long as soon as that is known, in waiting too", () => {
    runCleanly(function* () {
      const reader = limited(7);
      const reading = createTask(thrownBy(reader.readline()));
      yield* turns();
      for (const piece of ["chunk1", "chunk2\n", "chunk3\n"]) feed(reader, piece);
      expect(yield* reading).toMatchObject({ name: "LimitOverrunError", consumed: 12 });
      expect(yield* textOf(reader.readline())).toBe("chunk3\n");
    });
  });
});

describe("readexactly", () => {
  test("waits until there is so much", () => {
    runCleanly(function* () {
      const reader = readerOf("ab");
      const feeder = createTask(feeding(reader, "cd", "efg"));
      expect(yield* textOf(reader.readexactly(6))).toBe("abcdef");
      expect(yield* textOf(reader.readexactly(1))).toBe("g");
      yield* feeder;
    });
  });

  test("of no bytes gives none, at the end too", () => {
    runCleanly(function* () {
      const reader = readerOf();
      expect((yield* reader.readexactly(0)).length).toBe(0);
      feed(reader, null);
      expect((yield* reader.readexactly(0)).length).toBe(0);
    });
  });

  test("throws an IncompleteReadError with what there was, if the end comes before", () => {
    runCleanly(function* () {
      const reader = readerOf("ab");
      const feeder = createTask(feeding(reader, "c", null));
      const error = yield* thrownBy(reader.readexactly(4));
      expect(error).toBeInstanceOf(IncompleteReadError);
      expect(error).toMatchObject({ expected: 4, partial: Buffer.from("abc"), code: "ERR_CORIO_INCOMPLETE_READ" });
      expect(reader.atEof).toBe(true);
      yield* feeder;
    });
  });

  test.each([-1, 0.5, Number.NaN, undefined as unknown as number])("refuses %s as size", (size) => {
    runCleanly(function* () {
      const reader = readerOf("abc");
      expect(() => reader.readexactly(size)).toThrow(withCode("SIZE", /readexactly/));
      expect(yield* textOf(reader.read(9))).toBe("abc");
    });
  });
});

describe("readuntil", () => {
  test.each<[string, Separator | Separator[], string[], string, string]>([
    ["a line without being told", "\n", ["ab\ncd"], "ab\n", "cd"],
    ["a text", "\r\n", ["ab\rcd\r\nef"], "ab\rcd\r\n", "ef"],
    ["bytes", bytes("--"), ["a-b--c"], "a-b--", "c"],
    ["a separator that was cut", "\r\n\r\n", ["a\r\n", "b\r", "\n\r", "\nc"], "a\r\nb\r\n\r\n", "c"],
    ["one that overlaps itself", "aab", ["a", "a", "a", "b", "x"], "aaab", "x"],
    ["the first of several", ["\r", "\n"], ["one\ntwo\r"], "one\n", "two\r"],
    ["that of several which ends first, although it begins later", ["DEFG", "F"], ["ABCDEFG"], "ABCDEF", "G"],
    ["that of several which ends first, although it is longer", ["DEF", "BCDE"], ["ABCDEFG"], "ABCDE", "FG"],
    [
      "a short one, while a long one could not have come yet",
      ["A", "long sep"],
      ["data", "Z", "Aaaa"],
      "dataZA",
      "aaa",
    ],
    ["a text of several bytes a letter", "…", ["é…", "x"], "é…", "x"],
  ])("reads up to %s", (_name, separator, pieces, expected, rest) => {
    runCleanly(function* () {
      const reader = readerOf();
      const feeder = createTask(feeding(reader, ...pieces));
      expect(yield* textOf(reader.readuntil(separator))).toBe(expected);
      yield* feeder;
      expect(yield* textOf(reader.readexactly(bytes(rest).length))).toBe(rest);

      const fed = readerOf(...pieces);
      expect(yield* textOf(fed.readuntil(separator))).toBe(expected);
    });
  });

  test("throws an IncompleteReadError with what there was, if the end comes before", () => {
    runCleanly(function* () {
      const error = yield* thrownBy(readerOf("some data\r", null).readuntil("\r\n"));
      expect(error).toMatchObject({ name: "IncompleteReadError", partial: bytes("some data\r"), expected: undefined });
    });
  });

  test("beyond the limit throws a LimitOverrunError, and leaves everything", () => {
    runCleanly(function* () {
      const reader = limited(3, "some dataAA");
      expect(yield* thrownBy(reader.readuntil("AAA"))).toMatchObject({
        name: "LimitOverrunError",
        code: "ERR_CORIO_LIMIT_OVERRUN",
        message: expect.stringContaining("not found"),
        consumed: 9, // so far there is surely no separator
      });
      feed(reader, "A");
      const error = yield* thrownBy(reader.readuntil("AAA"));
      expect(error).toMatchObject({ message: expect.stringContaining("is found"), consumed: 9 });
      // what `consumed` is for
      yield* reader.readexactly((error as LimitOverrunError).consumed);
      expect(yield* textOf(reader.readuntil("AAA"))).toBe("AAA");
    });
  });

  test("beyond the limit goes by the separator that ends first", () => {
    runCleanly(function* () {
      const reader = limited(3, "some dataA");
      const error = yield* thrownBy(reader.readuntil(["A", "ome dataA"]));
      expect(error).toMatchObject({ name: "LimitOverrunError", message: expect.stringContaining("is found") });
      expect(yield* textOf(reader.read(99))).toBe("some dataA");
    });
  });

  test("takes what comes before a separator up to the limit, not counting the separator", () => {
    runCleanly(function* () {
      expect(yield* textOf(limited(3, "abcSEP").readuntil("SEP"))).toBe("abcSEP");
      expect(yield* thrownBy(limited(3, "abcdSEP").readuntil("SEP"))).toMatchObject({ consumed: 4 });
    });
  });

  test.each([[""], [[]], [["a", ""]], [new Uint8Array(0)], [5 as unknown as string], [[5]]])(
    "refuses %j as separator",
    (separator) => {
      runCleanly(function* () {
        const reader = readerOf("abc");
        expect(() => reader.readuntil(separator as Separator)).toThrow(withCode("SEPARATOR"));
        expect(yield* textOf(reader.read(9))).toBe("abc");
      });
    },
  );
});

describe("the end of a StreamReader", () => {
  test("is there when it was received and everything was read", () => {
    runCleanly(function* () {
      const reader = readerOf("some data\n");
      expect(reader.atEof).toBe(false);
      yield* reader.readline();
      expect(reader.atEof).toBe(false);
      feed(reader, "x");
      feed(reader, null);
      expect(reader.atEof).toBe(false);
      yield* reader.readline();
      expect(reader.atEof).toBe(true);
    });
  });

  test("wakes who waits", () => {
    runCleanly(function* () {
      for (const [read, expected] of [
        [(reader: StreamReader) => reader.read(5), ""],
        [(reader: StreamReader) => reader.read(), ""],
        [(reader: StreamReader) => reader.readline(), ""],
      ] as const) {
        const reader = readerOf();
        const reading = createTask(textOf(read(reader)));
        yield* turns();
        reader.feedEof();
        expect(yield* reading).toBe(expected);
      }
    });
  });

  test("takes no more data", () => {
    runCleanly(function* () {
      const reader = readerOf(null);
      expect(() => feed(reader, "x")).toThrow(withCode("FED_AFTER_EOF"));
      reader.feedEof();
    });
  });

  test("by an error comes after what had arrived", () => {
    runCleanly(function* () {
      const reader = readerOf("one\ntwo");
      const broken = new Error("broken");
      expect(reader.exception).toBeUndefined();
      reader.setException(broken);
      expect(reader.exception).toBe(broken);
      expect(yield* textOf(reader.readline())).toBe("one\n");
      expect(yield* thrownBy(reader.readline())).toBe(broken);
      expect(yield* thrownBy(reader.readuntil("x"))).toBe(broken);
      expect(yield* thrownBy(reader.readexactly(4))).toBe(broken);
      expect(yield* textOf(reader.read(9))).toBe("two");
      expect(yield* thrownBy(reader.read(9))).toBe(broken);
      expect(yield* thrownBy(reader.read())).toBe(broken);
      expect(yield* thrownBy(reader.readline())).toBe(broken);
    });
  });

  test.each<[string, (reader: StreamReader) => Coroutine<Uint8Array>]>([
    ["read", (reader) => reader.read(3)],
    ["read of everything", (reader) => reader.read()],
    ["readline", (reader) => reader.readline()],
    ["readexactly", (reader) => reader.readexactly(3)],
    ["readuntil", (reader) => reader.readuntil("x")],
  ])("by an error is thrown by %s that waits", (_name, read) => {
    runCleanly(function* () {
      const reader = readerOf();
      const reading = createTask(thrownBy(read(reader)));
      yield* turns();
      const broken = new Error("broken");
      reader.setException(broken);
      expect(yield* reading).toBe(broken);
    });
  });
});

describe("what a reader's methods return", () => {
  const methods: [string, (reader: StreamReader) => Coroutine<Uint8Array>][] = [
    ["read", (reader) => reader.read(3)],
    ["read of everything", (reader) => reader.read()],
    ["readline", (reader) => reader.readline()],
    ["readexactly", (reader) => reader.readexactly(3)],
    ["readuntil", (reader) => reader.readuntil("c")],
  ];

  test.each(methods)("is a coroutine like any other: %s", (_name, read) => {
    runCleanly(function* () {
      const ways: ((coroutine: Coroutine<Uint8Array>) => Coroutine<Uint8Array> | Future<Uint8Array>)[] = [
        (coroutine) => coroutine,
        (coroutine) => createTask(coroutine),
        (coroutine) => ensureFuture(coroutine),
        (coroutine) => shield(coroutine),
        (coroutine) => waitFor(coroutine, 1_000),
        (coroutine) => race(coroutine, sleep(1_000, new Uint8Array(0))),
        function* (coroutine) {
          return yield* within(timeout(1_000), () => coroutine);
        },
        function* (coroutine) {
          return (yield* gather(coroutine, sleep(0)))[0];
        },
      ];
      for (const way of ways) {
        const there = readerOf("abc", null);
        expect(isCoroutine(read(there))).toBe(true);
        expect(text(yield* way(read(there)) as Coroutine<Uint8Array>)).toBe("abc");
        const coming = readerOf();
        const feeder = createTask(feeding(coming, "abc", null));
        expect(text(yield* way(read(coming)) as Coroutine<Uint8Array>)).toBe("abc");
        yield* feeder;
      }
    });
  });

  test.each(methods)("takes nothing until it is awaited: %s", (_name, read) => {
    runCleanly(function* () {
      const reader = readerOf("abc");
      const unused = read(reader);
      expect(yield* textOf(reader.read(1))).toBe("a");
      unused.return(new Uint8Array(0));
      expect(yield* textOf(reader.read(9))).toBe("bc");
    });
  });
});

describe("a second task that reads", () => {
  test.each<[string, (reader: StreamReader) => Coroutine<Uint8Array>]>([
    ["read", (reader) => reader.read(3)],
    ["read", (reader) => reader.read()],
    ["readline", (reader) => reader.readline()],
    ["readexactly", (reader) => reader.readexactly(3)],
    ["readuntil", (reader) => reader.readuntil("x")],
  ])("is refused by %s, and the first one is not disturbed", (name, read) => {
    runCleanly(function* () {
      const reader = readerOf();
      const first = createTask(textOf(reader.read(9)));
      yield* turns();
      const error = yield* thrownBy(read(reader));
      expect(error).toBeInstanceOf(CorioError);
      expect(error).toEqual(withCode("CONCURRENT_READ", new RegExp(`^${name}\\(\\) called while`)));
      feed(reader, "abc");
      expect(yield* first).toBe("abc");
    });
  });

  test("may read once the first one was cancelled", () => {
    runCleanly(function* () {
      const reader = readerOf();
      const first = createTask(reader.read(9));
      yield* turns();
      first.cancel();
      const second = createTask(textOf(reader.readline()));
      yield* turns();
      feed(reader, "abc\n");
      expect(yield* second).toBe("abc\n");
      expect(first.cancelled).toBe(true);
    });
  });
});

describe("a StreamReader whose buffer fills", () => {
  test("pauses its transport beyond twice the limit, and resumes it when no more than the limit is left", () => {
    runCleanly(function* () {
      const reader = limited(4);
      const transport = CountingTransport.of(reader);
      feed(reader, "12345678");
      expect(transport.paused).toBe(false);
      feed(reader, "9");
      expect(transport.paused).toBe(true);
      feed(reader, "more"); // what was under way
      expect(transport.pauses).toBe(1);
      yield* reader.readexactly(8);
      expect(transport.paused).toBe(true); // 5 left
      yield* reader.readexactly(1);
      expect(transport.paused).toBe(false);
      expect([transport.pauses, transport.resumes]).toEqual([1, 1]);
    });
  });

  test.each<[string, (reader: StreamReader) => Coroutine<Uint8Array>]>([
    ["read", (reader) => reader.read(99)],
    ["readline", (reader) => reader.readline()],
    ["readexactly", (reader) => reader.readexactly(10)],
    ["readuntil", (reader) => reader.readuntil("\n")],
  ])("resumes it after %s", (_name, read) => {
    runCleanly(function* () {
      const reader = limited(9);
      const transport = CountingTransport.of(reader);
      feed(reader, "123456789\n123456789");
      expect(transport.paused).toBe(true);
      yield* read(reader);
      expect(transport.paused).toBe(false);
    });
  });

  test("resumes it after a line that was too long", () => {
    runCleanly(function* () {
      const reader = limited(2);
      const transport = CountingTransport.of(reader);
      feed(reader, "12345");
      expect(transport.paused).toBe(true);
      expect(yield* thrownBy(reader.readline())).toBeInstanceOf(LimitOverrunError);
      expect(transport.paused).toBe(false);
    });
  });

  test("resumes it for who asks for more than the limit, each time it fills", () => {
    runCleanly(function* () {
      const reader = limited(2);
      const transport = CountingTransport.of(reader);
      const reading = createTask(textOf(reader.readexactly(12)));
      for (const piece of ["12345", "67890", "12"]) {
        yield* turns();
        expect(transport.paused).toBe(false);
        feed(reader, piece);
        expect(transport.paused).toBe(true);
      }
      expect(yield* reading).toBe("123456789012");
      expect(transport.paused).toBe(false);
    });
  });

  test("resumes it for who waits for a separator that is longer than the limit", () => {
    runCleanly(function* () {
      const reader = limited(1);
      const transport = CountingTransport.of(reader);
      const reading = createTask(textOf(reader.readuntil("separator")));
      for (const piece of ["sep", "ara", "tor"]) {
        yield* turns();
        expect(transport.paused).toBe(false);
        feed(reader, piece);
      }
      expect(yield* reading).toBe("separator");
    });
  });
});

describe("iterating a StreamReader", () => {
  test("gives its lines by forEach, the last one without an end too", () => {
    runCleanly(function* () {
      const reader = readerOf();
      const feeder = createTask(feeding(reader, "one\ntw", "o\n\nthr", "ee", null));
      const lines: string[] = [];
      yield* forEach(reader, function* (line) {
        yield* sleep(0);
        lines.push(text(line));
      });
      expect(lines).toEqual(["one\n", "two\n", "\n", "three"]);
      yield* feeder;
    });
  });

  test("gives its pieces by chunks(), none longer than the limit", () => {
    runCleanly(function* () {
      const reader = limited(4);
      const feeder = createTask(feeding(reader, "abcdefg", "hi", null));
      const chunks: string[] = [];
      yield* forEach(reader.chunks(), (chunk) => void chunks.push(text(chunk)));
      expect(chunks.join("")).toBe("abcdefghi");
      expect(Math.max(...chunks.map(({ length }) => length))).toBe(4);
      yield* feeder;
    });
  });

  test("can be left, and reading goes on behind the line that was last", () => {
    runCleanly(function* () {
      const reader = readerOf("one\ntwo\nthree\n", null);
      expect(yield* forEach(reader, (line, stop) => (text(line) === "two\n" ? stop(1) : undefined))).toBe(1);
      yield* within(iterate(reader), function* (it) {
        expect(yield* it.next()).toBe(true);
        expect(text(it.value)).toBe("three\n");
        expect(yield* it.next()).toBe(false);
        expect(yield* it.next()).toBe(false);
      });
    });
  });

  test("throws what ended the connection", () => {
    runCleanly(function* () {
      const reader = readerOf("one\ntwo");
      const broken = new Error("broken");
      reader.setException(broken);
      const lines: string[] = [];
      expect(yield* thrownBy(forEach(reader, (line) => void lines.push(text(line))))).toBe(broken);
      expect(lines).toEqual(["one\n"]);
    });
  });

  test("goes on where it was, when a cancellation was handled", () => {
    runCleanly(function* () {
      const reader = readerOf("one\ntw");
      const lines: string[] = [];
      const task = createTask(function* () {
        yield* within(iterate(reader), function* (it) {
          for (let more = true; more; ) {
            try {
              more = yield* it.next();
              if (more) lines.push(text(it.value));
            } catch (error) {
              if (!isCancelled(error)) throw error;
              lines.push("cancelled");
            }
          }
        });
      });
      yield* turns();
      task.cancel();
      yield* turns();
      yield* feeding(reader, "o\n", null);
      yield* task;
      expect(lines).toEqual(["one\n", "cancelled", "two\n"]);
    });
  });

  test("works by for await in plain async code, line by line and piece by piece", async () => {
    const runner = new Runner();
    const { loop } = runner;
    const seen: string[] = [];
    const plain = async (): Promise<void> => {
      const reader = new StreamReader({ loop });
      feed(reader, "one\ntwo\n");
      loop.createTask(feeding(reader, "thr", "ee", null));
      for await (const line of reader) {
        seen.push(text(line));
        if (seen.length === 1) break;
      }
      for await (const line of reader) seen.push(text(line));
      const chunks = new StreamReader({ loop });
      loop.createTask(feeding(chunks, "ab", "c", null));
      for await (const chunk of chunks.chunks()) seen.push(text(chunk));
    };
    await runner.run(plain());
    await runner.close();
    expect(seen).toEqual(["one\n", "two\n", "three", "ab", "c"]);
  });
});

describe("a read that is cancelled", () => {
  const methods: [string, (reader: StreamReader) => Coroutine<Uint8Array>][] = [
    ["read", (reader) => reader.read(20)],
    ["read of everything", (reader) => reader.read()],
    ["readline", (reader) => reader.readline()],
    ["readexactly", (reader) => reader.readexactly(20)],
    ["readuntil", (reader) => reader.readuntil("\r\n\r\n")],
    ["readuntil with several separators", (reader) => reader.readuntil(["\r\n\r\n", "\0"])],
    ["chunks", (reader) => nextOf(reader.chunks())],
  ];

  function* nextOf(cursor: { next(): Coroutine<boolean>; readonly value: Uint8Array }): Coroutine<Uint8Array> {
    return (yield* cursor.next()) ? cursor.value : new Uint8Array(0);
  }

  test.each(methods)("loses nothing in %s: cancelled while it waits", (_name, read) => {
    runCleanly(function* () {
      const reader = readerOf();
      const task = createTask(read(reader));
      yield* turns();
      task.cancel();
      yield* turns();
      expect(task.cancelled).toBe(true);
      yield* feeding(reader, "whole", null);
      expect(yield* textOf(reader.read())).toBe("whole");
    });
  });

  test.each(methods)("loses nothing in %s: cancelled in the turn in which data came", (_name, read) => {
    runCleanly(function* () {
      const reader = readerOf();
      const task = createTask(read(reader));
      yield* turns();
      feed(reader, "who");
      task.cancel();
      yield* turns();
      expect(task.cancelled).toBe(true);
      yield* feeding(reader, "le", null);
      expect(yield* textOf(reader.read())).toBe("whole");
    });
  });

  test.each(methods)("loses nothing in %s: data comes right after the cancellation", (_name, read) => {
    runCleanly(function* () {
      const reader = readerOf();
      const task = createTask(read(reader));
      yield* turns();
      task.cancel();
      feed(reader, "who");
      yield* turns();
      expect(task.cancelled).toBe(true);
      yield* feeding(reader, "le", null);
      expect(yield* textOf(reader.read())).toBe("whole");
    });
  });

  test.each(methods.filter(([name]) => name !== "read" && name !== "chunks"))(
    "loses nothing in %s: cancelled when a part has come",
    (_name, read) => {
      runCleanly(function* () {
        const reader = readerOf();
        const task = createTask(read(reader));
        yield* feeding(reader, "w", "h");
        yield* turns();
        task.cancel();
        yield* turns();
        expect(task.cancelled).toBe(true);
        yield* feeding(reader, "ole", null);
        expect(yield* textOf(reader.read())).toBe("whole");
      });
    },
  );

  test("throws a CancelledError there", () => {
    runCleanly(function* () {
      const task = createTask(thrownBy(readerOf().readline()));
      yield* turns();
      task.cancel("enough");
      const error = yield* task;
      expect(error).toBeInstanceOf(CancelledError);
      expect(error).toMatchObject({ reason: "enough" });
    });
  });
});

describe("a reader of a source that has its data at once", () => {
  test("gets more than it buffers", async () => {
    let left = 5;
    const bytes = await run(function* () {
      const reader: StreamReader = new StreamReader({
        limit: 1_000,
        source: {
          pauseReading() {},
          resumeReading() {
            if (left-- > 0) reader.feedData(new Uint8Array(1_500));
          },
        },
      });
      reader.feedData(new Uint8Array(2_500)); // which pauses it
      return yield* reader.readexactly(9_000);
    });
    expect(bytes.length).toBe(9_000);
  });
});

describe("feedData of no data", () => {
  test("wakes nobody", async () => {
    const result = await run(function* () {
      const reader = new StreamReader();
      const reading = ensureFuture(reader.read(10));
      yield* sleep(0);
      reader.feedData(new Uint8Array(0));
      yield* sleep(0);
      const early = reading.done;
      reader.feedData(new Uint8Array(3));
      return [early, (yield* reading).length];
    });
    expect(result).toEqual([false, 3]);
  });
});
