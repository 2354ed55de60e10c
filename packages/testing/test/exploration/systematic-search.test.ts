import { explore, type ExploreOptions, type Exploration } from "@corio/testing";
import { type Coroutine, createTask, Event, getRunningLoop, sleep, type Task, wait } from "corio";
import { describe, expect, test } from "vitest";
import { type RunOptions, ScheduleRun } from "../../src/exploration/schedule-run.js";
import type { Steering } from "../../src/exploration/steering.js";

// Programs that write down every step of theirs, so that two runs with the same trace ran in the same order.
type Traced = (log: (text: string) => void) => Coroutine<unknown>;

const NOTHING = { tasks: false, timers: false, errors: false } as const;

describe("the systematic half", () => {
  test.each([
    [1, 3],
    [2, 1],
    [2, 2],
    [2, 4],
    [3, 2],
    [3, 3],
    [4, 1],
  ])("runs %i tasks of %i steps in every order that there is, each once", (tasks, steps) => {
    const program = workers(tasks, steps);
    const { traces, exploration } = explored(program);
    expect(new Set(traces).size).toBe(traces.length);
    expect(new Set(traces)).toEqual(bruteForce(program));
    expect(exploration).toMatchObject({ exhaustive: true, schedules: traces.length });
    // without the steps of the main task, these are the ways to interleave the others
    const interleavings = new Set(traces.map((trace) => trace.replaceAll("m ", "")));
    expect(interleavings.size).toBe(factorial(tasks * steps) / factorial(steps) ** tasks);
  });

  test("lets time pass at every moment at which slow tasks could let it pass", () => {
    function* program(log: (text: string) => void): Coroutine<void> {
      const { time } = timeOf();
      function* sleeper(name: string, ms: number): Coroutine<void> {
        log(`${name} at ${time()}`);
        yield* sleep(ms);
        log(`${name} at ${time()}`);
        yield* sleep(0);
        log(`${name} at ${time()}`);
      }
      const tasks = [createTask(sleeper("a", 10)), createTask(sleeper("b", 20))];
      for (const task of tasks) yield* task;
      log(`main at ${time()}`);
    }
    const { traces, exploration } = explored(program, { slowTasks: true });
    expect(new Set(traces)).toEqual(bruteForce(program, { slowTasks: true }));
    expect(exploration.exhaustive).toBe(true);
    expect(explored(program).exploration.schedules).toBeLessThan(exploration.schedules);
  });

  test("cancels any task at any moment of any order", () => {
    const cancel = true;
    for (const program of [twoWait, twoLookAtEachOther]) {
      const found = new Set(explored(program, { cancel }).traces);
      for (const cancels of [1, 2]) {
        for (const trace of bruteForce(program, { cancel, cancels })) expect(found).toContain(trace);
      }
    }
  });

  test("cancels, lets time pass and changes the order at one moment", () => {
    function* program(log: (text: string) => void): Coroutine<void> {
      const loop = getRunningLoop();
      const sleeper = createTask(function* (): Coroutine<void> {
        try {
          yield* sleep(10);
          log(`slept at ${loop.time()}`);
        } catch {
          log(`cancelled at ${loop.time()}`);
        }
      });
      yield* sleep(0);
      log(`main at ${loop.time()}, ${sleeper.cancelling}`);
      yield* wait([sleeper]);
    }
    const kinds = { cancel: true, slowTasks: true } as const;
    const found = new Set(explored(program, kinds).traces);
    for (const trace of bruteForce(program, { ...kinds, cancels: 1 })) expect(found).toContain(trace);
  });

  test("cancels two tasks at one moment", () => {
    let armed = false;
    function* program(log: (text: string) => void): Coroutine<void> {
      armed = false;
      const tasks: Task<void>[] = [];
      function* sleeper(other: number): Coroutine<void> {
        try {
          yield* sleep(10);
        } catch {
          log(tasks[other]?.cancelling ? "both" : "one");
        }
      }
      tasks.push(createTask(sleeper(1)), createTask(sleeper(0)));
      yield* sleep(1);
      armed = true;
      yield* sleep(0);
      armed = false;
      yield* wait(tasks);
    }
    const { traces, exploration } = explored(program, { cancel: ({ name }) => armed && name !== "main" });
    expect(exploration.exhaustive).toBe(true);
    // "both both": neither had gone on when the other one was cancelled
    expect([...new Set(traces)].toSorted()).toEqual(["", "both both", "one", "one both"]);
  });

  test("cancels a task in the midst of one wait, too, or does not claim to be exhaustive", () => {
    const cancel = (task: Task<unknown>): boolean => task.name === "A" && task.waitingFor !== undefined;
    function* program(log: (text: string) => void): Coroutine<void> {
      const [started, event] = [new Event(), new Event()];
      const a = createTask(
        function* () {
          started.set();
          yield* event.wait();
        },
        { name: "A" },
      );
      yield* started.wait();
      for (let i = 0; i < 3; i++) {
        yield* sleep(0);
        log(String(a.cancelling > 0));
      }
      event.set();
      yield* wait([a]);
      log(a.cancelled ? "cancelled" : "done");
    }
    const { traces, exploration } = explored(program, { cancel });
    const all = bruteForce(program, { cancel, cancels: 1 });
    expect(exploration.exhaustive && [...all].some((trace) => !traces.includes(trace))).toBe(false);
  });

  test("finds each order by the number of its delays: those with fewer come first", () => {
    const program = workers(3, 2);
    const { traces } = explored(program);
    const cheapest = delaysOf(program);
    const delays = traces.map((trace) => cheapest.get(trace) as number);
    expect(delays).toEqual(delays.toSorted((a, b) => a - b));
    expect(delays[0]).toBe(0);
    expect(delays.at(-1)).toBeGreaterThan(3);
  });

  test("respects its bound, and says then that there are more", () => {
    const program = workers(3, 2);
    const cheapest = delaysOf(program);
    for (const bound of [1, 2, 3]) {
      const within = [...cheapest].filter(([, delays]) => delays <= bound).map(([trace]) => trace);
      // the rest is drawn at random, which may hit what the bound excludes: as many as there are within it, twice
      const { traces, exploration } = explored(program, { delays: bound, schedules: 2 * within.length });
      expect(new Set(traces.slice(0, within.length))).toEqual(new Set(within));
      expect(exploration).toEqual({ schedules: 2 * within.length, steps: expect.any(Number), exhaustive: false });
      // also if there were time for more; what comes then is drawn at random
      const more = explored(program, { delays: bound, schedules: 4 * within.length }).traces;
      expect(new Set(more.slice(0, within.length))).toEqual(new Set(within));
      const next = more.slice(within.length, 2 * within.length).map((trace) => cheapest.get(trace) as number);
      expect(next).not.toEqual(next.map(() => bound + 1));
    }
  });

  test("a bound that excludes nothing leaves it exhaustive", () => {
    const { exploration } = explored(workers(2, 2), { delays: 100 });
    expect(exploration.exhaustive).toBe(true);
  });

  test("is left out with a bound of 0", () => {
    const { traces, exploration } = explored(workers(2, 2), { delays: 0, schedules: 200 });
    // the ordinary one, and 199 at random
    expect([traces.length, exploration.exhaustive]).toEqual([200, false]);
    expect(new Set(traces).size).toBe(bruteForce(workers(2, 2)).size);
  });

  test("a bound of 0 is exhaustive where there is only one order", () => {
    expect(explored(workers(1, 3), { delays: 0, schedules: 50 }).exploration).toMatchObject({
      schedules: 1,
      exhaustive: true,
    });
  });

  test("has half of the schedules; where there are fewer of them than that, the others are not drawn at random", () => {
    const all = bruteForce(workers(2, 3)).size;
    expect(explored(workers(2, 3), { schedules: 2 * all }).exploration).toMatchObject({
      schedules: all,
      exhaustive: true,
    });
    expect(explored(workers(2, 3), { schedules: 2 * all - 2 }).exploration).toMatchObject({
      schedules: 2 * all - 2,
      exhaustive: false,
    });
  });

  test("claims to be exhaustive with so many schedules as there are in its half, and not with fewer", () => {
    for (const program of [workers(2, 1), workers(2, 2), workers(3, 1)]) {
      const all = bruteForce(program).size;
      for (let schedules = 1; schedules <= 2 * all; schedules++) {
        expect(explored(program, { schedules }).exploration.exhaustive).toBe(schedules >= 2 * all - 1);
      }
    }
  });

  test("is not exhaustive with one schedule, unless there is only one", () => {
    expect(explored(workers(2, 2), { schedules: 1 }).exploration).toMatchObject({ schedules: 1, exhaustive: false });
    expect(explored(workers(1, 1), { schedules: 1 }).exploration).toMatchObject({ schedules: 1, exhaustive: true });
  });

  test("where there are more orders of one distance than can be run, takes different ones for different seeds", () => {
    const seconds = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => explored(workers(3, 3), { schedules: 4, seed }).traces[1]);
    expect(new Set(seconds).size).toBeGreaterThan(2);
    expect(explored(workers(3, 3), { schedules: 40, seed: 3 })).toEqual(
      explored(workers(3, 3), { schedules: 40, seed: 3 }),
    );
  });
});

function workers(tasks: number, steps: number): Traced {
  return function* (log) {
    function* worker(name: string): Coroutine<void> {
      for (let i = 1; i <= steps; i++) {
        log(name + i);
        if (i < steps) yield* sleep(0);
      }
    }
    const all = Array.from({ length: tasks }, (_, i) => createTask(worker("abc"[i] as string)));
    log("m");
    for (const task of all) {
      yield* task;
      log("m");
    }
  };
}

const twoWait: Traced = function* (log) {
  const event = new Event();
  function* waiter(name: string): Coroutine<void> {
    log(`${name} waits`);
    try {
      yield* event.wait();
      log(`${name} goes on`);
    } catch (error) {
      log(`${name} is cancelled`);
      throw error;
    }
  }
  const tasks = [createTask(waiter("a")), createTask(waiter("b"))];
  yield* sleep(0);
  log("set");
  event.set();
  yield* wait(tasks);
  log(`a ${tasks[0]?.cancelled}, b ${tasks[1]?.cancelled}`);
};

/** Each sees whether the other one has been cancelled when it is itself: so it matters that both are at the same moment. */
const twoLookAtEachOther: Traced = function* (log) {
  const tasks: Task<void>[] = [];
  function* sleeper(i: number): Coroutine<void> {
    try {
      yield* sleep(1);
    } finally {
      log(`${i} sees ${tasks[1 - i]?.cancelling}`);
    }
  }
  tasks.push(createTask(sleeper(0)), createTask(sleeper(1)));
  yield* wait(tasks);
};

function explored(program: Traced, options: ExploreOptions = {}): { traces: string[]; exploration: Exploration } {
  const logs: string[][] = [];
  const exploration = explore(
    () => {
      const log: string[] = [];
      logs.push(log);
      return program((text) => log.push(text));
    },
    { leaks: false, schedules: 100_000, ...options },
  );
  return { traces: logs.map((log) => log.join(" ")), exploration };
}

interface Kinds extends Partial<Pick<RunOptions, "cancel" | "slowTasks">> {
  /** How many cancellations a run has at most. */
  readonly cancels?: number;
}

/** Runs a program under every sequence of decisions that can be made; knows nothing of how explore goes about it. */
function bruteForce(program: Traced, kinds: Kinds = {}): Set<string> {
  return new Set(everyRun(program, kinds).map(({ trace }) => trace));
}

/** For each trace the number of alternatives that were passed over in it. */
function delaysOf(program: Traced): Map<string, number> {
  return new Map(everyRun(program, {}).map(({ trace, delays }) => [trace, delays]));
}

function everyRun(
  program: Traced,
  { cancel = false, slowTasks = false, cancels = 0 }: Kinds,
): { trace: string; delays: number }[] {
  const runs: { trace: string; delays: number }[] = [];
  const decisions: { taken: number; of: number }[] = [];
  do {
    let next = 0;
    let cancelsLeft = cancels;
    let delays = 0;
    const decide = (of: number): number => {
      if (of < 2) return 0;
      if (next === decisions.length) decisions.push({ taken: 0, of });
      const decision = decisions[next++] as { taken: number; of: number };
      expect(decision.of).toBe(of);
      return decision.taken;
    };
    const steering: Steering = {
      before({ step, alternatives, timeMayPass, cancellable }) {
        const tasks = cancelsLeft > 0 ? cancellable() : [];
        const time = slowTasks && alternatives > 0 && timeMayPass;
        const decision = decide(1 + tasks.length + (time ? 1 : 0));
        if (decision === 0) return undefined;
        if (decision > tasks.length) return { kind: "time", step };
        cancelsLeft--;
        return { kind: "cancel", step, task: tasks[decision - 1] as number };
      },
      choose({ alternatives }) {
        const choice = decide(alternatives);
        delays += choice;
        return choice;
      },
    };
    const log: string[] = [];
    const options = { cancel, slowTasks, maxSteps: 1_000, leaks: NOTHING };
    const run = new ScheduleRun(() => program((text) => log.push(text)), bound(steering), options);
    for (const _ of run.run());
    runs.push({ trace: log.join(" "), delays });
    while (decisions.length > 0) {
      const last = decisions.at(-1) as { taken: number; of: number };
      if (++last.taken < last.of) break;
      decisions.pop();
    }
  } while (decisions.length > 0);
  return runs;
}

/** A steering that is handed a situation whose methods stand alone. */
function bound(steering: Steering): Steering {
  return {
    before: (situation) =>
      steering.before({
        step: situation.step,
        alternatives: situation.alternatives,
        timeMayPass: situation.timeMayPass,
        list: () => situation.list(),
        cancellable: () => situation.cancellable(),
      }),
    choose: (situation) => steering.choose(situation),
  };
}

function timeOf(): { time: () => number } {
  const loop = getRunningLoop();
  return { time: () => loop.time() };
}

function factorial(n: number): number {
  return n < 2 ? 1 : n * factorial(n - 1);
}
