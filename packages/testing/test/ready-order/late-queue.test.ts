import { runVirtually } from "@corio/testing";
import { type Coroutine, createTask, Event, getRunningLoop, sleep, type Task, TaskGroup, wait, within } from "corio";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

const late = { lateCancellation: true } as const;

describe("a loop whose cancellations arrive late", () => {
  test("lets all others that are ready go before a task that is cancelled", () => {
    const log: string[] = [];
    runVirtually(function* () {
      const victim = createTask(waitFor("victim", log));
      yield* sleep(0);
      victim.cancel();
      createTask(say("one", log));
      createTask(say("two", log));
      getRunningLoop().callSoon(() => log.push("callback"));
      yield* wait([victim]);
    }, late);
    expect(log).toEqual(["one", "two", "callback", "victim is cancelled"]);
  });

  test("does so also with what becomes ready meanwhile", () => {
    const log: string[] = [];
    runVirtually(function* () {
      const victim = createTask(waitFor("victim", log));
      yield* sleep(0);
      victim.cancel();
      createTask(say("one", log, 5));
      yield* wait([victim]);
    }, late);
    expect(log).toEqual(["one", "one", "one", "one", "one", "victim is cancelled"]);
  });

  test("holds a cancellation up for so long only, if the others never come to rest", () => {
    let steps = 0;
    runVirtually(function* () {
      const victim = createTask(waitFor("victim", []));
      const spinner = createTask(function* (): Coroutine<void> {
        for (;;) {
          steps++;
          yield* sleep(0);
        }
      });
      yield* sleep(0);
      victim.cancel();
      yield* wait([victim]);
      spinner.cancel();
      yield* wait([spinner]);
    }, late);
    expect(steps).toBeGreaterThan(50);
    expect(steps).toBeLessThan(1_000);
  });

  test("holds up a task as well that was ready already when it was cancelled", () => {
    const log: string[] = [];
    runVirtually(function* () {
      const event = new Event();
      const victim = createTask(function* (): Coroutine<void> {
        try {
          yield* event.wait();
          yield* sleep(1);
        } finally {
          log.push("victim");
        }
      });
      yield* sleep(0);
      event.set();
      createTask(say("one", log));
      victim.cancel();
      yield* wait([victim]);
    }, late);
    expect(log).toEqual(["one", "victim"]);
  });

  test("holds the next one up for as long", () => {
    const steps: number[] = [];
    runVirtually(function* () {
      let spun = 0;
      const spinner = createTask(function* (): Coroutine<void> {
        for (;;) {
          spun++;
          yield* sleep(0);
        }
      });
      for (let i = 0; i < 2; i++) {
        const victim = createTask(waitFor("victim", []));
        yield* sleep(0);
        yield* sleep(0);
        const before = spun;
        victim.cancel();
        yield* wait([victim]);
        steps.push(spun - before);
      }
      spinner.cancel();
      yield* wait([spinner]);
    }, late);
    expect(steps[0]).toBeGreaterThan(50);
    expect(steps[1]).toBe(steps[0]);
  });

  test("cancellations keep their order", () => {
    const log: string[] = [];
    runVirtually(function* () {
      const victims = ["a", "b", "c"].map((name) => createTask(waitFor(name, log)));
      yield* sleep(0);
      for (const victim of victims.toReversed()) victim.cancel();
      yield* wait(victims);
    }, late);
    expect(log).toEqual(["c is cancelled", "b is cancelled", "a is cancelled"]);
  });

  test("is first in, first out where nothing is cancelled", () => {
    const log: string[] = [];
    runVirtually(function* () {
      const tasks = ["a", "b", "c"].map((name) => createTask(say(name, log, 2)));
      yield* wait(tasks);
    }, late);
    expect(log).toEqual(["a", "b", "c", "a", "b", "c"]);
  });

  test("whatever is cancelled, each task runs to its end once", () => {
    const victims = fc.array(fc.record({ steps: fc.nat(4), cancelAt: fc.option(fc.nat(6), { nil: undefined }) }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(victims, fc.nat(1_000), fc.boolean(), (tasks, seed, shuffle) => {
        const ended: number[] = [];
        runVirtually(
          function* () {
            function* body(i: number, steps: number): Coroutine<void> {
              try {
                for (let step = 0; step < steps; step++) yield* sleep(step % 2);
              } finally {
                ended.push(i);
              }
            }
            const all: Task<void>[] = tasks.map(({ steps }, i) => createTask(body(i, steps)));
            yield* sleep(0);
            for (let at = 0; at <= 6; at++) {
              for (const [i, { cancelAt }] of tasks.entries()) if (cancelAt === at) (all[i] as Task<void>).cancel();
              yield* sleep(at % 2);
            }
            if (all.length > 0) yield* wait(all);
          },
          { lateCancellation: true, ...(shuffle && { shuffle: seed }) },
        );
        // shuffled, some are cancelled before they start
        if (!shuffle) expect(ended.toSorted((a, b) => a - b)).toEqual(tasks.map((_, i) => i));
        expect(new Set(ended).size).toBe(ended.length);
      }),
    );
  });

  test("a group whose child fails is left only when the others have cleaned up, however late that is", () => {
    const log: string[] = [];
    const error = new Error("child");
    expect(() =>
      runVirtually(function* () {
        yield* within(new TaskGroup(), function* (group) {
          group.createTask(waitFor("sibling", log));
          group.createTask(function* (): Coroutine<void> {
            yield* sleep(0);
            throw error;
          });
        });
      }, late),
    ).toThrow(expect.objectContaining({ errors: [error] }));
    expect(log).toEqual(["sibling is cancelled"]);
  });
});

function* say(text: string, log: string[], times = 1): Coroutine<void> {
  for (let i = 0; i < times; i++) {
    log.push(text);
    yield* sleep(0);
  }
}

function* waitFor(name: string, log: string[]): Coroutine<void> {
  try {
    yield* new Event().wait();
  } finally {
    log.push(`${name} is cancelled`);
  }
}
