import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Body, runProgram } from "./program.js";

// Random programs of tasks, cancellations, timeouts, groups, gathers, races, locks and queues, on virtual time, against what
// has to hold whatever they do. A program is data (see program.ts), so a failure shrinks to a few steps.

// What once broke. The end of a run reported errors again that a group, a gather or the program itself had seen already.
const failing: Body = [{ do: "group", bodies: [[]], body: [{ do: "throw" }] }];
const regressions: [Body][] = [
  [[{ do: "spawn", body: [{ do: "group", bodies: [failing], body: [] }] }]],
  [[{ do: "spawn", body: [{ do: "gather", bodies: [failing], returnExceptions: false }] }]],
  [[{ do: "spawn", body: [{ do: "race", bodies: [failing] }] }]],
  // a task whose cancellation is answered by the error of the task that it waits for
  [
    [
      { do: "spawn", body: [{ do: "await", which: 0 }, { do: "waitEvent" }] },
      { do: "spawn", body: failing },
    ],
  ],
];

const programs = fc.letrec<{ step: Body[number]; body: Body }>((tie) => {
  const body = tie("body");
  const bodies = fc.array(body, { maxLength: 3 });
  const simple = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant("sleep" as const), ms: fc.nat(4) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("cancel" as const), which: fc.nat(12) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("await" as const), which: fc.nat(12) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("throw" as const) }) },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constantFrom(
          "put" as const,
          "get" as const,
          "putNowait" as const,
          "getNowait" as const,
          "setEvent" as const,
          "clearEvent" as const,
          "waitEvent" as const,
          "waitCondition" as const,
          "notify" as const,
          "barrier" as const,
        ),
      }),
    },
  );
  return {
    step: fc.oneof(
      { depthIdentifier: "program", depthSize: "small", maxDepth: 4 },
      { weight: 10, arbitrary: simple },
      { weight: 4, arbitrary: fc.record({ do: fc.constant("spawn" as const), body }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("lock" as const), which: fc.nat(1), body }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("permit" as const), body }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("timeout" as const), ms: fc.nat(5), body }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("waitFor" as const), ms: fc.nat(5), body }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("attempt" as const), body }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("finally" as const), body, ms: fc.nat(2) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("shield" as const), body }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("group" as const), bodies, body }) },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant("gather" as const), bodies, returnExceptions: fc.boolean() }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("race" as const), bodies }) },
    ),
    body: fc.array(tie("step"), { maxLength: 5, depthIdentifier: "program" }),
  };
});

describe("any program", () => {
  test("ends, with every task, error, permit, item, timer and callback accounted for", async () => {
    await fc.assert(
      fc.asyncProperty(programs.body, async (body) => {
        const outcome = await runProgram(body);
        expect(outcome).toEqual({
          settled: true,
          tasksNotDone: [],
          unaccounted: [],
          unexpected: [],
          clockWentBack: false,
          outOfOrder: [],
          locked: [false, false, false],
          waiting: 0,
          permits: 2,
          itemsMissing: 0,
          timersLeft: 0,
          callbacksLeft: 0,
          alarmsLeft: 0,
          unretrievedLeft: 0,
        });
      }),
      { numRuns: 10_000, examples: regressions },
    );
  });
});
