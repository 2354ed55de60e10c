import { getRunningLoop, sleep, type TimerHandle } from "corio";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { runCleanly } from "../support/run-cleanly.js";

// Enough timers, and enough of them called off, that what was called off is swept out several times over.
const timers = fc.array(
  fc.record({
    ms: fc.integer({ min: 0, max: 40 }),
    /** When it is called off: at once, after a time, or never. */
    off: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 40 }), fc.constant(null)),
  }),
  { minLength: 0, maxLength: 400, size: "max" },
);

test("timers run at their times, equal ones in the order in which they were set, and those called off not at all", () => {
  fc.assert(
    fc.property(timers, (set) => {
      runCleanly(function* () {
        const loop = getRunningLoop();
        const ran: [number, number][] = [];
        const handles: TimerHandle[] = [];
        for (const [i, { ms }] of set.entries()) handles.push(loop.callAt(ms, () => ran.push([loop.time(), i])));
        for (const [i, { off }] of set.entries()) if (off === 0) handles[i]?.cancel();
        for (let now = 1; now <= 40; now++) {
          yield* sleep(1);
          for (const [i, { off }] of set.entries()) if (off === now) handles[i]?.cancel();
        }
        yield* sleep(1);
        // one that is called off in the same millisecond may have run or not
        const tied = new Set(set.flatMap(({ ms, off }, i) => (off === ms && off > 0 ? [i] : [])));
        const expected = set
          .map(({ ms, off }, i) => ({ ms, i, stays: off === null || off > ms }))
          .filter(({ i, stays }) => stays && !tied.has(i))
          .toSorted((a, b) => a.ms - b.ms || a.i - b.i);
        expect(ran.filter(([, i]) => !tied.has(i))).toEqual(expected.map(({ ms, i }) => [ms, i]));
      });
    }),
    { numRuns: 150 },
  );
});
