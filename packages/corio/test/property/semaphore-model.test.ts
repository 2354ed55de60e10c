import { BoundedSemaphore, createTask, Semaphore, type Task } from "corio";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runCleanly, turns } from "../support/run-cleanly.js";

// The same commands for a semaphore and for a plain model of it. Several commands may come before anything runs, so that
// releases and cancellations meet waiters in every state.

type Command = { type: "acquire" | "release" | "run" } | { type: "cancel"; which: number };

const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ type: fc.constantFrom("acquire" as const, "release" as const, "run" as const) }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("cancel" as const), which: fc.nat(20) }) },
  ),
  { maxLength: 50 },
);

describe.each([
  ["Semaphore", Semaphore, false],
  ["BoundedSemaphore", BoundedSemaphore, true],
] as const)("%s", (_, Class, bounded) => {
  test("when all have run, holds what its model holds, and those who wait are the same", () => {
    fc.assert(
      fc.property(fc.nat(3), commands, (permits, program) => {
        runCleanly(function* () {
          const semaphore = new Class(permits);
          const tasks: Task<unknown>[] = [];
          let value = permits;
          let line: number[] = [];
          const holders = new Set<number>();
          const cancelled = new Set<number>();
          const serve = (): void => {
            while (value > 0 && line.length > 0) {
              value--;
              holders.add(line.shift() as number);
            }
          };
          for (const command of [...program, { type: "run" as const }]) {
            switch (command.type) {
              case "acquire":
                line.push(tasks.push(createTask(semaphore.acquire())) - 1);
                // runs up to its wait, so that the line has the order of the calls
                yield* turns(1);
                serve();
                break;
              case "release": {
                const outcome = released(semaphore);
                // what was granted to one who has not run yet counts as taken
                if (bounded && value >= permits) expect(outcome).toBe("RangeError");
                else {
                  expect(outcome).toBe("released");
                  value++;
                  serve();
                }
                break;
              }
              case "cancel": {
                const pending = tasks.flatMap((task, i) => (task.done || cancelled.has(i) ? [] : [i]));
                if (pending.length === 0) break;
                const which = pending[command.which % pending.length] as number;
                tasks[which]?.cancel();
                cancelled.add(which);
                line = line.filter((i) => i !== which);
                // one that was granted a permit and did not run yet hands it on; when, is not the model's to say
                yield* turns();
                if (holders.delete(which)) value++;
                serve();
                break;
              }
              case "run":
                yield* turns();
                expect(semaphore.value).toBe(value);
                expect(semaphore.waiting).toBe(line.length);
                expect(tasks.map((task) => task.done && !task.cancelled)).toEqual(tasks.map((_, i) => holders.has(i)));
                expect(tasks.map((task) => task.cancelled)).toEqual(tasks.map((_, i) => cancelled.has(i)));
                break;
            }
          }
          expect(value + holders.size - permits).toBeGreaterThanOrEqual(0);
          for (const task of tasks) task.cancel();
          yield* turns();
          expect(semaphore.waiting).toBe(0);
        });
      }),
      { numRuns: 600 },
    );
  });
});

function released(semaphore: Semaphore): string {
  try {
    semaphore.release();
    return "released";
  } catch (error) {
    return (error as Error).name;
  }
}
