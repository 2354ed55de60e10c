import {
  allTasks,
  asCompleted,
  type Coroutine,
  coroutine,
  createTask,
  currentTask,
  Event,
  formatTasks,
  Future,
  gather,
  Lock,
  race,
  shield,
  sleep,
  type Task,
  TaskGroup,
  wait,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { turns } from "../support/run-cleanly.js";
import { runVirtually } from "../support/virtual-loop.js";

/** What is said of the tasks that a program starts, when they have come to where they wait. */
function formatted(program: () => Coroutine<unknown>, debug = false): string {
  return runVirtually(
    function* () {
      yield* program();
      yield* turns();
      return formatTasks([...allTasks()].filter((task) => task !== currentTask()));
    },
    { debug },
  ).result;
}

/** Only the lines about circles. */
function circles(program: () => Coroutine<unknown>): string[] {
  return formatted(program)
    .split("\n")
    .filter((line) => /waits? for (each other|itself)/.test(line));
}

function start<T>(name: string, main: () => Coroutine<T>): Task<T> {
  return createTask(main, { name });
}

/** Tasks of which each takes its own lock and then that of the next one. */
function* philosophers(names: readonly string[]): Coroutine<void> {
  const locks = names.map(() => new Lock());
  for (const [i, name] of names.entries()) {
    start(name, () =>
      within(locks[i] as Lock, function* () {
        yield;
        yield* (locks[(i + 1) % names.length] as Lock).acquire();
      }),
    );
  }
}

describe("formatTasks", () => {
  test("has a line for each task, and is empty without any", () => {
    expect(
      formatted(function* () {
        start("worker", () => sleep(1_000));
        start("waiter", () => new Event().wait());
      }),
    ).toBe("worker waits until 1,000 ms (a sleep)\nwaiter waits for Event: it is not set");
    expect(formatTasks([])).toBe("");
  });

  test("says below each task where it waits: the coroutines that know their names", () => {
    const inner = coroutine(function* inner() {
      yield* new Future<void>();
    });
    const outer = coroutine(function* outer() {
      yield* inner();
    });
    expect(
      formatted(function* () {
        start("worker", outer);
      }),
    ).toBe("worker waits for Future: nobody is known who would set it\n    at inner\n    at outer");
  });

  test("says in debug mode the places, and where each was created", () => {
    const text = formatted(function* program() {
      start("worker", function* work() {
        yield* new Event().wait();
      });
    }, true);
    const lines = text.replaceAll(/\(.*format-tasks\.test\.ts:\d+:\d+\)/g, "(here)").split("\n");
    expect(lines).toEqual([
      "worker waits for Event: it is not set",
      expect.stringMatching(/^ {4}at .*\(here\)$/),
      "    created at start (here)",
    ]);
  });

  test("takes any tasks, also those that are done and that run", () => {
    const { result } = runVirtually(function* () {
      const task = start("done", () => sleep(0));
      yield* task;
      currentTask().name = "main";
      return formatTasks([task, currentTask()]);
    });
    expect(result).toMatch(/^done has ended\nmain is running(\n {4}at .*)+$/);
  });

  test("reads the timers once, however many tasks sleep", () => {
    const lines = formatted(function* () {
      for (let i = 0; i < 20_000; i++) start(`t${i}`, () => sleep(1_000 + i));
    }).split("\n");
    expect(lines).toHaveLength(20_000);
    expect(lines.at(-1)).toBe("t19999 waits until 20,999 ms (a sleep)");
  });
});

describe("formatTasks, of tasks in a circle", () => {
  test("says so of two that wait for each other's lock", () => {
    expect(circles(() => philosophers(["a", "b"]))).toEqual([
      "a and b wait for each other: a waits for Lock, held by b; b waits for Lock, held by a",
    ]);
  });

  test("says so of three, once, at the end", () => {
    const text = formatted(() => philosophers(["a", "b", "c"]));
    expect(text.split("\n")).toEqual([
      "a waits for Lock, held by b",
      "b waits for Lock, held by c",
      "c waits for Lock, held by a",
      "a, b and c wait for each other: a waits for Lock, held by b; b waits for Lock, held by c; c waits for Lock, held by a",
    ]);
  });

  test("says so of one that waits for itself", () => {
    expect(
      circles(function* () {
        start("a", function* () {
          const lock = new Lock();
          yield* lock.acquire();
          yield* lock.acquire();
        });
      }),
    ).toEqual(["a waits for itself: a waits for Lock, which it holds itself"]);
  });

  test("says so of tasks that await each other, and of the members of a gather", () => {
    expect(
      circles(function* () {
        const tasks: Task<void>[] = [];
        tasks.push(
          start("a", function* () {
            yield* tasks[1] as Task<void>;
          }),
          start("b", function* () {
            yield* gather(shield(tasks[0] as Task<void>), sleep(1_000));
          }),
        );
      }),
    ).toEqual([
      expect.stringMatching(
        /^a and b wait for each other: a waits for Task b; b waits for a gather of 2: Task a and Task-\d+ are not done$/,
      ),
    ]);
  });

  test("says so of a group whose task wants the lock that its block holds", () => {
    expect(
      circles(function* () {
        const lock = new Lock();
        start("block", () =>
          within(lock, new TaskGroup(), function* (_, group) {
            group.createTask(() => lock.acquire(), { name: "member" });
          }),
        );
      }),
    ).toEqual([
      "block and member wait for each other: block waits for TaskGroup: Task member is not done; member waits for Lock, held by block",
    ]);
  });

  test("says so of wait for all, and of the last one that a wait for the first can wait for", () => {
    const waits: ((a: Task<void>, b: Task<void>) => Coroutine<unknown>)[] = [
      (a, b) => wait([a, b]),
      (a) => wait([a], { returnWhen: "FIRST_COMPLETED" }),
      (a) => race(a),
      function* (a) {
        for (const next of asCompleted([a])) yield* next;
      },
    ];
    for (const waitFor of waits) {
      expect(
        circles(function* () {
          const tasks: Task<void>[] = [];
          tasks.push(
            start("a", function* () {
              yield* tasks[1] as Task<void>;
            }),
            start("b", function* () {
              yield* waitFor(tasks[0] as Task<void>, tasks[2] as Task<void>);
            }),
            start("c", () => sleep(1_000)),
          );
        }),
      ).toEqual([expect.stringMatching(/^a and b wait for each other: /)]);
    }
  });

  test("says nothing of who waits for the first of several, of which another may come", () => {
    expect(
      circles(function* () {
        const tasks: Task<unknown>[] = [];
        tasks.push(
          start("a", function* () {
            yield* tasks[1] as Task<unknown>;
          }),
          start("b", function* () {
            yield* wait([tasks[0] as Task<unknown>, tasks[2] as Task<unknown>], { returnWhen: "FIRST_COMPLETED" });
          }),
          start("c", () => sleep(1_000)),
        );
      }),
    ).toEqual([]);
  });

  test("says nothing of a lock whose owner has ended, of a chain, and of a knot that others only wait for", () => {
    expect(
      circles(function* () {
        const [lost, held] = [new Lock(), new Lock()];
        start("forgetful", () => lost.acquire());
        yield;
        const first = start("first", () => within(held, () => lost.acquire()));
        yield;
        start("second", () => held.acquire());
        start("third", function* () {
          yield* first;
        });
      }),
    ).toEqual([]);
    expect(
      circles(function* () {
        yield* philosophers(["a", "b"]);
        const [a] = [...allTasks()].filter(({ name }) => name === "a");
        start("bystander", function* () {
          yield* a as Task<unknown>;
        });
      }),
    ).toEqual(["a and b wait for each other: a waits for Lock, held by b; b waits for Lock, held by a"]);
  });

  test("has every circle that a task is in, where it is the link between them", () => {
    expect(
      circles(function* () {
        const tasks: Task<unknown>[] = [];
        const at = (i: number): Task<unknown> => tasks[i] as Task<unknown>;
        tasks.push(
          start("a", function* () {
            yield* at(1);
          }),
          start("b", function* () {
            yield* gather(at(0), at(2));
          }),
          start("c", function* () {
            yield* at(1);
          }),
        );
      }),
    ).toEqual([
      expect.stringMatching(/^a and b wait for each other/),
      expect.stringMatching(/^b and c wait for each other/),
    ]);
  });

  test("finds one among tasks of which only a part is asked for", () => {
    const { result } = runVirtually(function* () {
      yield* philosophers(["a", "b"]);
      yield* turns();
      return formatTasks([...allTasks()].filter(({ name }) => name === "b"));
    });
    expect(result).toBe(
      "b waits for Lock, held by a\nb and a wait for each other: b waits for Lock, held by a; a waits for Lock, held by b",
    );
  });

  test("is found among 20,000 that wait for each other in a row", () => {
    const found = circles(function* () {
      const tasks: Task<void>[] = [];
      for (let i = 0; i < 20_000; i++) {
        tasks.push(
          start(`t${i}`, function* () {
            yield* tasks[i + 1] ?? (tasks[19_999 - 1] as Task<void>);
          }),
        );
      }
    });
    expect(found).toEqual([
      "t19998 and t19999 wait for each other: t19998 waits for Task t19999; t19999 waits for Task t19998",
    ]);
  });
});
