import type { Task } from "corio";
import { createTask, type Coroutine, IncompleteReadError, sleep } from "corio";
import { StreamReader } from "@corio/node";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { runCleanly, turns } from "../../../corio/test/support/run-cleanly.js";
import { joined } from "../support/bytes.js";

// Few different bytes, one of them the end of a line, so that separators are found, overlap, and are cut by pieces.
const letter = fc.constantFrom(10, 97, 98);
const piece = fc.array(letter, { maxLength: 6 }).map((letters) => Uint8Array.from(letters));
const separator = fc.array(letter, { minLength: 1, maxLength: 4 }).map((letters) => Uint8Array.from(letters));

type Reading =
  | { readonly do: "read" | "readexactly"; readonly size: number }
  | { readonly do: "readuntil"; readonly separators: Uint8Array[] }
  | { readonly do: "readline" | "readAll" };

const reading: fc.Arbitrary<Reading> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("read" as const), size: fc.nat(7) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("readexactly" as const), size: fc.nat(9) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("readuntil" as const),
      separators: fc.array(separator, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("readline" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("readAll" as const) }) },
);

function* perform(reader: StreamReader, step: Reading): Coroutine<Uint8Array> {
  try {
    if (step.do === "read") return yield* reader.read(step.size);
    if (step.do === "readexactly") return yield* reader.readexactly(step.size);
    if (step.do === "readuntil") return yield* reader.readuntil(step.separators);
    if (step.do === "readline") return yield* reader.readline();
    return yield* reader.read();
  } catch (error) {
    if (error instanceof IncompleteReadError) return error.partial;
    throw error;
  }
}

/** How long the answer must be, going by everything that is still to be read. */
function expectedLength(step: Reading, rest: Buffer): { least: number; most: number } {
  const exactly = (length: number) => ({ least: length, most: length });
  const until = (separators: readonly Uint8Array[]): number => {
    const ends = separators
      .map((one) => ({ at: rest.indexOf(one), length: one.length }))
      .filter(({ at }) => at >= 0)
      .map(({ at, length }) => at + length);
    return Math.min(rest.length, ...ends);
  };
  if (step.do === "read") {
    const most = Math.min(step.size, rest.length);
    return { least: Math.min(1, most), most };
  }
  if (step.do === "readexactly") return exactly(Math.min(step.size, rest.length));
  if (step.do === "readuntil") return exactly(until(step.separators));
  if (step.do === "readline") return exactly(until([Uint8Array.of(10)]));
  return exactly(rest.length);
}

/** Feeds a piece after so many iterations of the loop each. */
function* feed(reader: StreamReader, pieces: readonly [Uint8Array, number][]): Coroutine<void> {
  for (const [data, pause] of pieces) {
    for (let i = 0; i < pause; i++) yield* sleep(0);
    reader.feedData(data);
  }
  reader.feedEof();
}

test("any reads from any pieces, whenever those come, give what they give from one piece", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(piece, fc.nat(3)), { maxLength: 12 }),
      fc.array(reading, { maxLength: 20 }),
      (pieces, readings) => {
        let rest = Buffer.from(joined(pieces.map(([data]) => data)));
        runCleanly(function* () {
          const reader = new StreamReader({ limit: 1_000 });
          const feeder = createTask(feed(reader, pieces));
          for (const step of [...readings, { do: "readAll" as const }]) {
            const got = yield* perform(reader, step);
            const { least, most } = expectedLength(step, rest);
            expect(got.length, step.do).toBeGreaterThanOrEqual(least);
            expect(got.length, step.do).toBeLessThanOrEqual(most);
            expect(Buffer.from(got)).toEqual(rest.subarray(0, got.length));
            rest = rest.subarray(got.length);
          }
          expect(reader.atEof).toBe(true);
          yield* feeder;
        });
      },
    ),
    { numRuns: 400 },
  );
});

test("any reads, cancelled at any moments, give everything in order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(piece, fc.nat(3)), { maxLength: 12 }),
      fc.array(fc.tuple(reading, fc.option(fc.nat(6), { freq: 2 })), { maxLength: 25 }),
      (pieces, readings) => {
        const whole = joined(pieces.map(([data]) => data));
        runCleanly(function* () {
          const reader = new StreamReader({ limit: 1_000 });
          const feeder = createTask(feed(reader, pieces));
          const got: Uint8Array[] = [];
          for (const [step, cancelAfter] of readings) {
            const task: Task<Uint8Array> = createTask(perform(reader, step));
            if (cancelAfter !== null) {
              for (let i = 0; i < cancelAfter && !task.done; i++) yield* sleep(0);
              task.cancel();
              yield* turns(2);
            } else {
              while (!task.done) yield* sleep(0);
            }
            expect(task.done).toBe(true);
            if (!task.cancelled) got.push(task.result());
          }
          got.push(yield* reader.read());
          expect(joined(got)).toEqual(whole);
          yield* feeder;
        });
      },
    ),
    { numRuns: 400 },
  );
});
