import {
  createTask,
  type Coroutine,
  gather,
  getRunningLoop,
  LimitOverrunError,
  IncompleteReadError,
  sleep,
  waitFor,
} from "corio";
import { memoryStreams, type NetworkConditions } from "@corio/testing/streams";
import { runVirtually, waitAllTasksBlocked } from "@corio/testing";
import { StreamReader, type StreamLimit, StreamWriter, Transport } from "@corio/node";
import { describe, expect, test } from "vitest";
import { bytes, pattern, text } from "../../../node/test/support/bytes.js";
import { systemError, thrownBy, withCode } from "../../../node/test/support/thrown-by.js";
import { now, runInMemory } from "./run-in-memory.js";

interface Pair {
  readonly reader: StreamReader;
  readonly writer: StreamWriter;
  readonly theirReader: StreamReader;
  readonly theirWriter: StreamWriter;
}

/** Runs a body with a pair of streams, and closes both sides after it. */
function withStreams<T>(
  body: (pair: Pair) => Coroutine<T>,
  conditions: NetworkConditions & StreamLimit = {},
): Awaited<T> {
  return runInMemory(function* () {
    const [[reader, writer], [theirReader, theirWriter]] = memoryStreams(conditions);
    const value = yield* body({ reader, writer, theirReader, theirWriter });
    for (const one of [writer, theirWriter]) one.close();
    for (const one of [writer, theirWriter]) yield* ended(one);
    return value;
  });
}

/** Waits until a connection is closed, however it ended. */
function* ended(writer: StreamWriter): Coroutine<void> {
  try {
    yield* writer.waitClosed();
  } catch {
    // that is an end, too
  }
}

describe("streams in memory", () => {
  test("are the streams of @corio/node, over its transport", () => {
    withStreams(function* ({ reader, writer, theirWriter }) {
      expect(reader).toBeInstanceOf(StreamReader);
      expect(writer).toBeInstanceOf(StreamWriter);
      expect(writer.transport).toBeInstanceOf(Transport);
      expect(writer.canWriteEof).toBe(true);
      expect(writer.getExtraInfo("peername")).toBeUndefined();
      // what programs set on sockets does no harm
      theirWriter.getExtraInfo("socket")?.setNoDelay(true).setKeepAlive(true);
    });
  });

  test("carry bytes both ways in order", () => {
    withStreams(function* ({ reader, writer, theirReader, theirWriter }) {
      writer.write("one\ntw");
      writer.writelines(["o\n", bytes("three\n")]);
      theirWriter.write("eins\n");
      for (const line of ["one\n", "two\n", "three\n"]) expect(text(yield* theirReader.readline())).toBe(line);
      expect(text(yield* reader.readline())).toBe("eins\n");
      expect(now()).toBe(0);
    });
  });

  test("hand over copies: what one side does to its bytes later, the other one does not see", () => {
    withStreams(function* ({ writer, theirReader }) {
      const sent = bytes("whole");
      writer.write(sent);
      const received = yield* theirReader.readexactly(5);
      sent.fill(0);
      expect(text(received)).toBe("whole");
      received.fill(1);
      expect(sent).toEqual(new Uint8Array(5));
    });
  });

  test("do not let anything arrive before the writer waits", () => {
    withStreams(function* ({ writer, theirReader }) {
      const reading = createTask(theirReader.readline());
      yield* sleep(0);
      writer.write("line\n");
      expect(reading.done).toBe(false);
      expect(text(yield* reading)).toBe("line\n");
    });
  });

  test("need a running loop", () => {
    expect(() => memoryStreams()).toThrow(/running/);
  });

  test("refuse TLS, and say what to do", () => {
    withStreams(function* ({ writer }) {
      expect(() => writer.startTls()).toThrow(withCode("MEMORY_TLS", /leave it out/i));
    });
  });

  test("that nobody writes to are found as a deadlock", () => {
    expect(() =>
      runVirtually(function* () {
        const [[reader]] = memoryStreams({ latency: 10 });
        yield* reader.readline();
      }),
    ).toThrow(expect.objectContaining({ name: "DeadlockError" }));
  });

  test("are closed with their loop, and leave nothing that it would run", () => {
    let writer: StreamWriter | undefined;
    runVirtually(function* () {
      [[, writer]] = memoryStreams({ latency: 10, bandwidth: 10 });
      writer.write("left");
      yield* sleep(1);
    });
    expect(writer?.isClosing).toBe(true);
  });
});

describe("latency", () => {
  test("holds each way up for just so long", () => {
    withStreams(
      function* ({ reader, writer, theirReader, theirWriter }) {
        writer.write("ping\n");
        expect(text(yield* theirReader.readline())).toBe("ping\n");
        expect(now()).toBe(50);
        yield* sleep(25);
        theirWriter.write("pong\n");
        expect(text(yield* reader.readline())).toBe("pong\n");
        expect(now()).toBe(125);
      },
      { latency: 50 },
    );
  });

  test("is of each piece on its own: they do not wait for one another", () => {
    withStreams(
      function* ({ writer, theirReader }) {
        const arrivals: number[] = [];
        const reading = createTask(function* () {
          for (let i = 0; i < 3; i++) {
            yield* theirReader.readline();
            arrivals.push(now());
          }
        });
        for (let i = 0; i < 3; i++) {
          writer.write(`${i}\n`);
          yield* sleep(10);
        }
        yield* reading;
        expect(arrivals).toEqual([50, 60, 70]);
      },
      { latency: 50 },
    );
  });

  test("holds the end up, too", () => {
    withStreams(
      function* ({ writer, theirReader }) {
        writer.write("last words");
        writer.close();
        expect(text(yield* theirReader.read())).toBe("last words");
        expect(now()).toBe(50);
      },
      { latency: 50 },
    );
  });

  test("that is drawn lies within its bounds, and keeps the order", () => {
    const { arrivals, sent } = withStreams(
      function* ({ writer, theirReader }) {
        const arrivals: number[] = [];
        const reading = createTask(function* () {
          for (let i = 0; i < 200; i++) {
            expect(text(yield* theirReader.readline())).toBe(`${i}\n`);
            arrivals.push(now());
          }
        });
        const sent: number[] = [];
        for (let i = 0; i < 200; i++) {
          sent.push(now());
          writer.write(`${i}\n`);
          yield* sleep(100);
        }
        yield* reading;
        return { arrivals, sent };
      },
      { latency: [10, 300] },
    );
    const delays = arrivals.map((at, i) => at - (sent[i] as number));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(10);
    expect(Math.max(...delays)).toBeLessThan(300);
    expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(100);
    expect(arrivals).toEqual(arrivals.toSorted((a, b) => a - b));
  });
});

describe("bandwidth", () => {
  test("is how fast bytes go, and latency comes on top", () => {
    withStreams(
      function* ({ writer, theirReader }) {
        writer.write(pattern(1_000));
        yield* theirReader.readexactly(1_000);
        expect(now()).toBe(250 + 40);
      },
      { bandwidth: 4_000, latency: 40 },
    );
  });

  test("is shared by what is written one after the other, and each direction has its own", () => {
    withStreams(
      function* ({ reader, writer, theirReader, theirWriter }) {
        writer.write(pattern(1_000));
        writer.write(pattern(500));
        theirWriter.write(pattern(1_000));
        yield* reader.readexactly(1_000);
        expect(now()).toBe(1_000);
        yield* theirReader.readexactly(1_500);
        expect(now()).toBe(1_500);
      },
      { bandwidth: 1_000 },
    );
  });

  test("lets a piece arrive segment by segment", () => {
    withStreams(
      function* ({ writer, theirReader }) {
        writer.write(pattern(1_000));
        expect((yield* theirReader.read(5_000)).length).toBe(100);
        expect(now()).toBe(100);
        yield* theirReader.readexactly(900);
        expect(now()).toBe(1_000);
      },
      { bandwidth: 1_000, segment: 100 },
    );
  });

  test("fills the buffer of who writes faster, and drain() waits until it is at the low-water mark", () => {
    withStreams(
      function* ({ writer, theirReader }) {
        writer.transport.writeBufferLimits = { high: 1_000, low: 200 };
        const reading = createTask(theirReader.readexactly(2_000));
        for (let i = 0; i < 10; i++) writer.write(pattern(200));
        expect(writer.transport.writeBufferSize).toBe(2_000);
        yield* writer.drain();
        expect(now()).toBe(1_800);
        expect(writer.transport.writeBufferSize).toBe(200);
        yield* reading;
        expect(now()).toBe(2_000);
      },
      { bandwidth: 1_000, segment: 100 },
    );
  });

  test("is reached over a long line as well: the window is as large as that takes", () => {
    withStreams(
      function* ({ writer, theirReader }) {
        const size = 10_000_000;
        writer.write(new Uint8Array(size));
        for (let read = 0; read < size; ) read += (yield* theirReader.read(1_000_000)).length;
        expect(now()).toBeCloseTo(10_000 + 300, 6);
      },
      { bandwidth: 1_000_000, latency: 300 },
    );
  });

  test("closing sends what is left before the end", () => {
    withStreams(
      function* ({ writer, theirReader }) {
        writer.write(pattern(3_000));
        writer.close();
        expect(Buffer.compare(yield* theirReader.read(), pattern(3_000))).toBe(0);
        expect(now()).toBe(3_000);
        yield* writer.waitClosed();
      },
      { bandwidth: 1_000, segment: 100 },
    );
  });

  test("aborting drops what is left, but for the segment that is just being sent", () => {
    withStreams(
      function* ({ writer, theirReader }) {
        writer.write(pattern(1_000));
        yield* sleep(250);
        writer.transport.abort();
        expect(writer.transport.writeBufferSize).toBe(0);
        expect((yield* theirReader.read()).length).toBe(300);
        expect(now()).toBe(300);
      },
      { bandwidth: 1_000, segment: 100 },
    );
  });
});

describe("a reader that does not read", () => {
  test("stops the flow: the window, its own buffer and the writer's buffer fill, and drain() waits", () => {
    withStreams(
      function* ({ writer, theirReader }) {
        writer.transport.writeBufferLimits = { high: 500, low: 100 };
        let written = 0;
        const writing = createTask(function* () {
          for (; written < 10_000; written += 50) {
            writer.write(pattern(50));
            yield* writer.drain();
          }
        });
        yield* sleep(100_000);
        expect(writing.done).toBe(false);
        // 300 bytes filled the window, and 550 more than the high-water mark
        expect(written + 50).toBe(300 + 550);
        // the reader then took more than twice its limit, and as many followed: not enough to come down to the low-water mark
        expect(writer.transport.writeBufferSize).toBe(550 - 250);
        const stuckAt = written;
        yield* sleep(100_000);
        expect(written).toBe(stuckAt);
        const whole = yield* theirReader.readexactly(10_000);
        expect(whole.length).toBe(10_000);
        yield* writing;
      },
      { window: 300, limit: 100 },
    );
  });

  test("gets everything unchanged once it reads, however slowly", () => {
    const sent = pattern(20_000);
    withStreams(
      function* ({ writer, theirReader }) {
        const writing = createTask(function* () {
          for (let at = 0; at < sent.length; at += 700) {
            writer.write(sent.subarray(at, at + 700));
            yield* writer.drain();
          }
          writer.writeEof();
        });
        const pieces: Uint8Array[] = [];
        for (;;) {
          const piece = yield* theirReader.read(130);
          if (piece.length === 0) break;
          pieces.push(piece);
          yield* sleep(7);
        }
        yield* writing;
        expect(Buffer.compare(Buffer.concat(pieces), sent)).toBe(0);
      },
      { window: 300, limit: 100, latency: [1, 9], segment: [1, 200] },
    );
  });
});

describe("loss", () => {
  test("costs the time until a segment is sent again, twice that the next time, and nothing else", () => {
    const times = withStreams(
      function* ({ writer, theirReader }) {
        const delays: number[] = [];
        for (let i = 0; i < 300; i++) {
          const sent = now();
          writer.write(`${i}\n`);
          expect(text(yield* theirReader.readline())).toBe(`${i}\n`);
          delays.push(now() - sent);
        }
        return delays;
      },
      { latency: 10, loss: 0.4, retransmission: 100 },
    );
    const counts = [10, 110, 310, 710].map((delay) => times.filter((time) => time === delay).length);
    // 180, 72, 29 and 12 are to be expected
    expect(counts[0]).toBeGreaterThan(140);
    expect(counts[1]).toBeGreaterThan(40);
    expect(counts[2]).toBeGreaterThan(10);
    expect(counts[3]).toBeGreaterThan(2);
  });

  test("holds up what follows, so the order stays", () => {
    withStreams(
      function* ({ writer, theirReader }) {
        const sent = pattern(5_000);
        writer.write(sent);
        writer.close();
        expect(Buffer.compare(yield* theirReader.read(), sent)).toBe(0);
        expect(now()).toBeGreaterThan(200);
      },
      { loss: 0.3, segment: [1, 100] },
    );
  });
});

describe("a segment's size", () => {
  test("shows who counts on how bytes are cut", () => {
    const lengths = withStreams(
      function* ({ writer, theirReader }) {
        writer.write("a line that could come at once\n");
        const lengths: number[] = [];
        for (let left = 31; left > 0; ) {
          const piece = yield* theirReader.read(100);
          lengths.push(piece.length);
          left -= piece.length;
          yield* sleep(0);
        }
        return lengths;
      },
      { segment: [1, 6], bandwidth: 1_000 },
    );
    expect(lengths.length).toBeGreaterThan(5);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(6);
    expect(new Set(lengths).size).toBeGreaterThan(2);
  });
});

describe("a break", () => {
  test("after so many bytes comes in the midst of a line, and both sides get ECONNRESET", () => {
    withStreams(
      function* ({ reader, writer, theirReader, theirWriter }) {
        const reset = systemError("ECONNRESET");
        const reading = createTask(thrownBy(reader.readline()));
        writer.write("one\ntwo\nthree\n");
        expect(text(yield* theirReader.readline())).toBe("one\n");
        expect(yield* thrownBy(writer.waitClosed())).toEqual(reset);
        expect(yield* reading).toEqual(reset);
        // what had arrived is read, and then the error comes
        expect(text(yield* theirReader.readline())).toBe("two\n");
        expect(yield* thrownBy(theirReader.readline())).toEqual(reset);
        expect(text(yield* theirReader.readexactly(2))).toBe("th");
        expect(yield* thrownBy(theirReader.readexactly(1))).toEqual(reset);
        expect(yield* thrownBy(theirWriter.waitClosed())).toEqual(reset);
        writer.write("nobody is there");
        expect(yield* thrownBy(writer.drain())).toEqual(reset);
        expect(now()).toBe(10);
      },
      { disconnectAfter: 10, latency: 10 },
    );
  });

  test("counts the bytes of both directions", () => {
    withStreams(
      function* ({ reader, writer, theirReader, theirWriter }) {
        writer.write("12345");
        yield* theirReader.readexactly(5);
        theirWriter.write("123456");
        expect(yield* thrownBy(reader.readexactly(6))).toEqual(systemError("ECONNRESET"));
        expect(text(yield* reader.read(9))).toBe("12345");
      },
      { disconnectAfter: 10 },
    );
  });

  test("is told by drain() that waits", () => {
    withStreams(
      function* ({ writer }) {
        writer.write(pattern(200_000));
        expect(yield* thrownBy(writer.drain())).toEqual(systemError("ECONNRESET"));
        expect(now()).toBe(16_384);
      },
      { disconnectAfter: 16_000, bandwidth: 1_000 },
    );
  });

  test("by chance comes sooner or later, never in every run at the same place", () => {
    const breaksAt = (seed: number): number =>
      withStreams(
        function* ({ writer, theirReader }) {
          for (let i = 0; ; i++) {
            writer.write("line\n");
            try {
              yield* theirReader.readline();
            } catch (error) {
              expect(error).toEqual(systemError("ECONNRESET"));
              return i;
            }
          }
        },
        { disconnect: 0.05, seed },
      );
    const places = Array.from({ length: 30 }, (_, seed) => breaksAt(seed));
    expect(new Set(places).size).toBeGreaterThan(10);
    const mean = places.reduce((sum, place) => sum + place, 0) / places.length;
    // 19 is to be expected
    expect(mean).toBeGreaterThan(8);
    expect(mean).toBeLessThan(40);
  });

  test("that is certain leaves no segment through", () => {
    withStreams(
      function* ({ writer, theirReader }) {
        writer.write("x");
        expect(yield* thrownBy(theirReader.read(1))).toEqual(systemError("ECONNRESET"));
      },
      { disconnect: 1 },
    );
  });
});

describe("an end", () => {
  test("of one direction leaves the other one open", () => {
    withStreams(
      function* ({ reader, writer, theirReader, theirWriter }) {
        writer.write("a question");
        writer.writeEof();
        expect(() => writer.write("more")).toThrow(withCode("WRITE_AFTER_EOF"));
        expect(text(yield* theirReader.read())).toBe("a question");
        expect(theirReader.atEof).toBe(true);
        expect(theirWriter.isClosing).toBe(false);
        yield* sleep(1_000);
        theirWriter.write("an answer");
        theirWriter.close();
        expect(text(yield* reader.read())).toBe("an answer");
        expect(now()).toBe(1_060);
        // both have said that they end, so it is over
        yield* writer.waitClosed();
        expect(now()).toBe(1_060);
      },
      { latency: 30 },
    );
  });

  test("in the midst of what is read is an IncompleteReadError with what there was", () => {
    withStreams(function* ({ writer, theirReader }) {
      writer.write("half a li");
      writer.close();
      const error = yield* thrownBy(theirReader.readuntil("\n"));
      expect(error).toBeInstanceOf(IncompleteReadError);
      expect(text((error as IncompleteReadError).partial)).toBe("half a li");
    });
  });

  test("where something was not read is a reset for the peer", () => {
    withStreams(
      function* ({ reader, writer, theirWriter }) {
        writer.write(pattern(1_000));
        yield* waitAllTasksBlocked();
        theirWriter.transport.pauseReading();
        theirWriter.transport.abort();
        expect(yield* thrownBy(reader.read())).toEqual(systemError("ECONNRESET"));
      },
      // the socket holds what the reader has no room for
      { limit: 100, window: 500, segment: 100 },
    );
  });

  test("that is orderly drops what was not read, and is told to who waits for room to send", () => {
    withStreams(
      function* ({ reader, writer, theirWriter }) {
        writer.write(pattern(5_000));
        yield* waitAllTasksBlocked();
        expect(writer.transport.writeBufferSize).toBe(5_000);
        theirWriter.write("goodbye");
        theirWriter.close();
        expect(text(yield* reader.readexactly(7))).toBe("goodbye");
        expect(yield* thrownBy(writer.waitClosed())).toEqual(systemError("ECONNRESET"));
        yield* theirWriter.waitClosed();
      },
      { limit: 100, window: 500, segment: 100 },
    );
  });

  test("that is orderly is no reset for a peer that has sent all it had, although not all of it was read", () => {
    withStreams(
      function* ({ reader, writer, theirWriter }) {
        writer.write(pattern(600));
        yield* waitAllTasksBlocked();
        expect(writer.transport.writeBufferSize).toBe(0);
        theirWriter.close();
        expect((yield* reader.read()).length).toBe(0);
        writer.close();
        yield* writer.waitClosed();
        yield* theirWriter.waitClosed();
      },
      { limit: 100, window: 500, segment: 100 },
    );
  });

  test("is told by a reset to who writes on", () => {
    withStreams(
      function* ({ reader, writer, theirWriter }) {
        theirWriter.close();
        expect((yield* reader.read()).length).toBe(0);
        expect(now()).toBe(20);
        writer.write("are you there?");
        expect(yield* thrownBy(writer.waitClosed())).toEqual(systemError("ECONNRESET"));
        expect(now()).toBe(60);
      },
      { latency: 20 },
    );
  });

  test("may be as hard as a program wishes", () => {
    withStreams(
      function* ({ reader, writer, theirReader, theirWriter }) {
        writer.write("first");
        theirWriter.getExtraInfo("socket")?.resetAndDestroy();
        expect(yield* thrownBy(reader.read())).toEqual(systemError("ECONNRESET"));
        expect(now()).toBe(20);
        expect((yield* theirReader.read()).length).toBe(0);
      },
      { latency: 20 },
    );
  });
});

describe("a limit", () => {
  test("is kept by readline, as over a socket", () => {
    withStreams(
      function* ({ writer, theirReader }) {
        writer.write("a line that is too long\nshort\n");
        expect(yield* thrownBy(theirReader.readline())).toBeInstanceOf(LimitOverrunError);
        expect(text(yield* theirReader.readline())).toBe("short\n");
      },
      { limit: 10 },
    );
  });

  test("must be one", () => {
    withStreams(function* () {
      expect(() => memoryStreams({ limit: 0 })).toThrow(withCode("LIMIT"));
    });
  });
});

describe("conditions", () => {
  test.each<[keyof NetworkConditions, unknown]>([
    ["latency", -1],
    ["latency", [5, 1]],
    ["latency", [0, Number.POSITIVE_INFINITY]],
    ["latency", Number.NaN],
    ["bandwidth", 0],
    ["loss", 1],
    ["loss", -0.1],
    ["retransmission", 0],
    ["disconnect", 1.1],
    ["disconnectAfter", -1],
    ["segment", 0],
    ["segment", [1.5, 3]],
    ["disconnectAfter", 0.5],
    ["window", 0],
    ["seed", Number.NaN],
  ])("that cannot be are refused: %s: %s", (option, value) => {
    withStreams(function* () {
      expect(() => memoryStreams({ [option]: value })).toThrow(withCode("NETWORK", new RegExp(`^${option} is `)));
    });
  });
});

describe("a seed", () => {
  /** What happens, and when, in a conversation through bad weather. */
  const run = (seed: number): string[] =>
    withStreams(
      function* ({ reader, writer, theirReader, theirWriter }) {
        const log: string[] = [];
        const note = (what: string): void => void log.push(`${now()} ${what}`);
        function* talk(name: string, from: StreamReader, to: StreamWriter): Coroutine<void> {
          try {
            for (let i = 0; i < 50; i++) {
              to.write(`line ${i} of ${name}\n`);
              yield* to.drain();
              note(`${name} ${text(yield* from.readline())}`);
            }
          } catch (error) {
            note(`${name} ${(error as { code: string }).code}`);
          }
        }
        yield* gather(talk("near", reader, writer), talk("far", theirReader, theirWriter));
        return log;
      },
      { latency: [5, 80], bandwidth: 3_000, loss: 0.1, disconnect: 0.001, segment: [1, 40], seed },
    );

  test("that is the same gives the same run, to the millisecond", () => {
    expect(run(3)).toEqual(run(3));
  });

  test("gives each direction its own weather", () => {
    withStreams(
      function* ({ reader, writer, theirReader, theirWriter }) {
        writer.write("x");
        theirWriter.write("x");
        const arrivals = yield* gather(
          [reader, theirReader].map(function* (one) {
            yield* one.read(1);
            return now();
          }),
        );
        expect(arrivals[0]).not.toBe(arrivals[1]);
      },
      { latency: [1, 1_000_000] },
    );
  });

  test("that is another one gives another run", () => {
    expect(new Set([1, 2, 3, 4, 5].map((seed) => run(seed).join("\n"))).size).toBe(5);
  });
});

describe("a task that waits", () => {
  test("may be cancelled while it reads, and no byte is lost", () => {
    withStreams(
      function* ({ writer, theirReader }) {
        writer.write("one line");
        const reading = createTask(theirReader.readline());
        yield* sleep(15);
        reading.cancel();
        yield* thrownBy(reading);
        writer.write(" and its end\n");
        expect(text(yield* theirReader.readline())).toBe("one line and its end\n");
      },
      { latency: 10 },
    );
  });

  test("in drain() may be given up, and what it wrote is still sent", () => {
    withStreams(
      function* ({ writer, theirReader }) {
        writer.write(pattern(100_000));
        const error = yield* thrownBy(waitFor(writer.drain(), 1_000));
        expect(error).toMatchObject({ name: "TimeoutError" });
        expect(Buffer.compare(yield* theirReader.readexactly(100_000), pattern(100_000))).toBe(0);
        expect(now()).toBe(100_000);
      },
      { bandwidth: 1_000 },
    );
  });
});

test("streams in memory work on a loop in real time, too", async () => {
  const { run } = await import("corio");
  const line = await run(function* () {
    const [[reader, writer], [theirReader, theirWriter]] = memoryStreams({ latency: 2, bandwidth: 100_000 });
    const start = getRunningLoop().time();
    writer.write("ping\n");
    theirWriter.write(yield* theirReader.readline());
    const line = text(yield* reader.readline());
    // a timer of the host may come a little early
    expect(getRunningLoop().time() - start).toBeGreaterThanOrEqual(2);
    for (const one of [writer, theirWriter]) one.close();
    for (const one of [writer, theirWriter]) yield* ended(one);
    return line;
  });
  expect(line).toBe("ping\n");
});
