import {
  BoundedSemaphore,
  Condition,
  type Coroutine,
  createTask,
  isCancelled,
  Lock,
  Semaphore,
  sleep,
  type Task,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { randomFrom } from "../support/random.js";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtually } from "../support/virtual-loop.js";

// What every lock has to do, whatever its class, and however it is taken and given back.

interface LockLike extends Disposable {
  acquire(): Coroutine<LockLike>;
  release(): void;
  enter(): Coroutine<void>;
  exit(error?: unknown): Coroutine<void>;
  readonly locked: boolean;
}

interface Subject {
  readonly lock: LockLike;
  /** How many stand in line for it. */
  waiting(): number;
}

type Use = (lock: LockLike, body: () => Coroutine<void>) => Coroutine<void>;

const classes: [string, () => Subject][] = [
  ["Lock", () => lockSubject(new Lock())],
  ["Condition", () => conditionSubject(new Lock())],
  ["Semaphore(1)", () => lockSubject(new Semaphore(1))],
  ["BoundedSemaphore(1)", () => lockSubject(new BoundedSemaphore(1))],
];

const uses: [string, Use][] = [
  [
    "acquire and release",
    function* (lock, body) {
      yield* lock.acquire();
      try {
        yield* body();
      } finally {
        lock.release();
      }
    },
  ],
  ["within", (lock, body) => within(lock, body)],
  [
    "using",
    function* (lock, body) {
      using _ = yield* lock.acquire();
      yield* body();
    },
  ],
  [
    "within, entered through a second level",
    function* (lock, body) {
      yield* within(lock, () => createTask(body));
    },
  ],
];

const subjects = classes.flatMap(([name, make]) =>
  uses.map(([how, use]) => [`${name}, by ${how}`, make, use] as const),
);

describe.each(subjects)("%s", (_, make, use) => {
  test("lets one in at a time, in the order in which they came", () => {
    runCleanly(function* () {
      const { lock, waiting } = make();
      const log: string[] = [];
      const tasks = Array.from({ length: 10 }, (_, i) =>
        createTask(() =>
          use(lock, function* () {
            expect(lock.locked).toBe(true);
            log.push(`${i} in`);
            yield* sleep(i % 3);
            log.push(`${i} out`);
          }),
        ),
      );
      yield* turns(1);
      expect(waiting()).toBe(9);
      for (const task of tasks) yield* task;
      expect(log).toEqual(tasks.flatMap((_, i) => [`${i} in`, `${i} out`]));
      expect([lock.locked, waiting()]).toEqual([false, 0]);
    });
  });

  test("is taken without waiting when it is free", () => {
    runCleanly(function* () {
      const { lock } = make();
      let entered = false;
      const taking = use(lock, function* () {
        entered = true;
      });
      const task = createTask(taking, { eagerStart: true });
      yield* task;
      expect([entered, lock.locked]).toEqual([true, false]);
    });
  });

  test("an error of the body gives it back, and comes out", () => {
    runCleanly(function* () {
      const { lock, waiting } = make();
      const failing = createTask(() =>
        use(lock, function* () {
          yield* turns(1);
          throw new Error("in the body");
        }),
      );
      let after = false;
      const next = createTask(() =>
        use(lock, function* () {
          after = true;
        }),
      );
      yield* next;
      yield* turns();
      expect(String(failing.exception())).toBe("Error: in the body");
      expect([after, lock.locked, waiting()]).toEqual([true, false, 0]);
    });
  });

  test("a cancellation of the body gives it back", () => {
    runCleanly(function* () {
      const { lock, waiting } = make();
      const task = createTask(() => use(lock, () => sleep(1_000)));
      const next = createTask(() => use(lock, () => sleep(1)));
      yield* turns();
      task.cancel();
      yield* next;
      expect([task.cancelled, lock.locked, waiting()]).toEqual([true, false, 0]);
    });
  });

  test("a release wakes exactly one", () => {
    runCleanly(function* () {
      const { lock, waiting } = make();
      yield* lock.acquire();
      let inside = 0;
      const tasks = Array.from({ length: 5 }, () =>
        createTask(() =>
          use(lock, function* () {
            inside++;
            yield* sleep(10);
          }),
        ),
      );
      yield* turns();
      lock.release();
      yield* turns(10);
      expect([inside, waiting(), lock.locked]).toEqual([1, 4, true]);
      for (const task of tasks) yield* task;
      expect(inside).toBe(5);
    });
  });

  test("a newcomer does not overtake those who stand in line", () => {
    runCleanly(function* () {
      const { lock } = make();
      const order: string[] = [];
      const enter = (name: string): Coroutine<void> =>
        use(lock, function* () {
          order.push(name);
          yield* turns(1);
        });
      yield* lock.acquire();
      createTask(() => enter("a"));
      createTask(() => enter("b"));
      yield* turns();
      lock.release();
      yield* enter("newcomer");
      expect(order).toEqual(["a", "b", "newcomer"]);
    });
  });

  // Three stand in line, the one in the place is cancelled; the lock is released before, after, or at the same time.
  const moments: [string, (task: Task<void>, release: () => void) => Coroutine<void>][] = [
    [
      "long before the release",
      function* (task, release) {
        task.cancel();
        yield* turns();
        release();
      },
    ],
    [
      "just before the release",
      function* (task, release) {
        task.cancel();
        release();
      },
    ],
    [
      "just after the release",
      function* (task, release) {
        release();
        task.cancel();
      },
    ],
    [
      "twice around the release",
      function* (task, release) {
        task.cancel();
        release();
        task.cancel();
      },
    ],
  ];
  const cases = moments.flatMap(([when, act]) => [0, 1, 2].map((place) => [place, when, act] as const));
  test.each(cases)("the one in place %i, cancelled %s, leaves no trace", (place, _when, act) => {
    runCleanly(function* () {
      const { lock, waiting } = make();
      const order: number[] = [];
      yield* lock.acquire();
      const tasks = [0, 1, 2].map((i) =>
        createTask(() =>
          use(lock, function* () {
            order.push(i);
            yield* turns(1);
          }),
        ),
      );
      yield* turns();
      yield* act(tasks[place] as Task<void>, () => lock.release());
      yield* turns(20);
      expect(tasks.map((task) => task.cancelled)).toEqual([0, 1, 2].map((i) => i === place));
      expect(order).toEqual([0, 1, 2].filter((i) => i !== place));
      expect([lock.locked, waiting()]).toEqual([false, 0]);
    });
  });

  test("no wake-up is lost under random cancellations, and the order is kept", () => {
    for (let seed = 1; seed <= 40; seed++) {
      runCleanly(function* () {
        const random = randomFrom(seed);
        const { lock, waiting } = make();
        const entered: number[] = [];
        let inside = 0;
        const tasks: Task<void>[] = [];
        for (let i = 0; i < 60; i++) {
          const pause = random(3);
          tasks.push(
            createTask(() =>
              use(lock, function* () {
                expect(++inside).toBe(1);
                entered.push(i);
                try {
                  yield* pause === 0 ? turns(1) : sleep(pause);
                } finally {
                  inside--;
                }
              }),
            ),
          );
          if (random(3) === 0) yield* sleep(random(3));
          while (random(2) === 0) tasks[random(tasks.length)]?.cancel();
        }
        for (const task of tasks) {
          try {
            yield* task;
          } catch (error) {
            if (!isCancelled(error)) throw error;
          }
        }
        expect(entered, `seed ${seed}`).toEqual(entered.toSorted((a, b) => a - b));
        for (const [i, task] of tasks.entries()) if (!task.cancelled) expect(entered).toContain(i);
        expect([lock.locked, waiting(), inside], `seed ${seed}`).toEqual([false, 0, 0]);
        yield* use(lock, function* () {});
      });
    }
  });

  test("taking it twice in one task is a deadlock, and found", () => {
    const { lock, waiting } = make();
    const run = runVirtually(() => use(lock, () => use(lock, function* () {})));
    expect(run.throws).toMatchObject({ name: "DeadlockError" });
    expect([lock.locked, waiting()]).toEqual([false, 0]);
  });
});

function lockSubject(lock: Lock | Semaphore): Subject {
  return { lock, waiting: () => lock.waiting };
}

function conditionSubject(inner: Lock): Subject {
  return { lock: new Condition(inner), waiting: () => inner.waiting };
}
