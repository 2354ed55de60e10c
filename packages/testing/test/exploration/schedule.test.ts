import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Deviation, decodeSchedule, encodeSchedule, type Schedule } from "../../src/exploration/schedule.js";

const step = fc.integer({ min: 1, max: 1_000_000 });
const deviation: fc.Arbitrary<Deviation> = fc.oneof(
  fc.record({ kind: fc.constant("order" as const), step, choice: fc.integer({ min: 1, max: 10_000 }) }),
  fc.record({ kind: fc.constant("cancel" as const), step, task: fc.nat(10_000) }),
  fc.record({ kind: fc.constant("time" as const), step }),
);

/** As a run takes them: in order of their steps, at one step what comes before it first, and one who goes first. */
const schedules: fc.Arbitrary<Schedule> = fc
  .array(deviation, { maxLength: 30 })
  .map((all) => all.toSorted((a, b) => a.step - b.step || Number(a.kind === "order") - Number(b.kind === "order")))
  .map((all) => all.filter(({ kind, step: at }, i) => kind !== "order" || all[i + 1]?.step !== at));

describe("a schedule as text", () => {
  test("stands for the schedule that it was made of", () => {
    fc.assert(
      fc.property(schedules, (schedule) => {
        expect(decodeSchedule(encodeSchedule(schedule))).toEqual(schedule);
      }),
      { numRuns: 1_000 },
    );
  });

  test("counts alternatives and tasks from 1, as people do", () => {
    const schedule: Schedule = [
      { kind: "order", step: 12, choice: 2 },
      { kind: "cancel", step: 13, task: 0 },
      { kind: "time", step: 20 },
    ];
    expect(encodeSchedule(schedule)).toBe("12:3,13:c1,20:t");
  });

  test("of the ordinary order is a word", () => {
    expect(encodeSchedule([])).toBe("ordinary");
    expect(decodeSchedule("ordinary")).toEqual([]);
  });

  test.each([
    "",
    " ",
    "ORDINARY",
    "12",
    "12:",
    ":3",
    "12:0",
    // the first alternative is no departure
    "12:1",
    "0:2",
    "-1:2",
    "1.5:2",
    "012:2",
    "12:02",
    "12:c",
    "12:c0",
    "12:x",
    "12:tt",
    "12:3,",
    ",12:3",
    "12:3 ,13:2",
    "12:3;13:2",
    "ordinary,12:3",
    "12:3\n",
    "1e3:2",
    // out of order: who goes first at a step is chosen last
    "5:2,3:2",
    "3:2,3:c1",
    "3:2,3:t",
    "3:2,3:3",
  ])("%j is none, and the error says what is", (text) => {
    expect(() => decodeSchedule(text)).toThrow(
      expect.objectContaining({
        name: "CorioError",
        code: "ERR_CORIO_SCHEDULE",
        message: expect.stringContaining("replay("),
      }),
    );
  });

  test("whatever the text, it is a schedule or refused with that error", () => {
    const texts = fc.oneof(fc.string(), fc.stringMatching(/^[0-9:,ct]{0,12}$/));
    fc.assert(
      fc.property(texts, (text) => {
        let schedule: Schedule;
        try {
          schedule = decodeSchedule(text);
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_CORIO_SCHEDULE" });
          return;
        }
        expect(encodeSchedule(schedule)).toBe(text);
      }),
      { numRuns: 1_000 },
    );
  });
});
