import {
  AsCompleted,
  asCompleted,
  type Awaitable,
  Barrier,
  BoundedSemaphore,
  Condition,
  CancelledError,
  type Coroutine,
  createTask,
  currentTask,
  describeWait,
  ensureFuture,
  Event,
  Future,
  forEach,
  gather,
  getRunningLoop,
  isCoroutine,
  LifoQueue,
  Lock,
  map,
  PriorityQueue,
  Queue,
  race,
  Semaphore,
  shield,
  sleep,
  type Task,
  TaskGroup,
  until,
  wait,
  waitFor,
  waitsForPromise,
  within,
} from "corio";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { forever } from "../support/later.js";
import { turns } from "../support/run-cleanly.js";
import { runVirtually } from "../support/virtual-loop.js";

/** Starts a task that awaits something, and lets it come to where it waits. */
function* waiting(make: () => Awaitable<unknown>, name = "waiting"): Coroutine<Task<unknown>> {
  const task = createTask(
    function* () {
      const awaitable = make();
      return yield* isCoroutine(awaitable) ? awaitable : ensureFuture(awaitable);
    },
    { name },
  );
  yield* turns();
  return task;
}

/** What is said of a task that awaits this. */
function told(make: () => Awaitable<unknown>): string {
  return runVirtually(function* () {
    return describeWait(yield* waiting(make));
  }).result;
}

/** Tasks a, b, c, … that wait for ever. */
function sleepers(count: number): Task<never>[] {
  return Array.from({ length: count }, (_, i) => createTask(forever(), { name: String.fromCharCode(97 + i) }));
}

describe("describeWait of a task that does not wait", () => {
  test("says how far it is", () => {
    const { result } = runVirtually(function* (): Coroutine<string[]> {
      const said: string[] = [];
      const task = createTask(function* () {
        said.push(describeWait(currentTask()));
        yield;
      });
      said.push(describeWait(task));
      yield;
      said.push(describeWait(task));
      yield* task;
      said.push(describeWait(task));
      return said;
    });
    expect(result).toEqual(["has not started", "is running", "is ready", "has ended"]);
  });

  test("has it started only when it has run: an eager one has, one that was cancelled has not", () => {
    const { result } = runVirtually(function* () {
      const eager = createTask(sleep(0), { eagerStart: true });
      const cancelled = createTask(sleep(0));
      cancelled.cancel();
      const said = [describeWait(eager), describeWait(cancelled)];
      yield;
      return [...said, describeWait(cancelled)];
    });
    expect(result).toEqual(["is ready", "has not started", "was cancelled"]);
  });

  test("says how it ended, in a line, and does not retrieve its error", () => {
    const { result, messages } = runVirtually(function* () {
      const failed = createTask(function* () {
        throw new TypeError("it does not fit\ninto a line");
      });
      const cancelledBy = createTask(function* () {
        throw new CancelledError("enough");
      });
      yield;
      return [failed, cancelledBy].map(describeWait);
    });
    expect(result).toEqual(["has failed: TypeError: it does not fit", "was cancelled"]);
    expect(messages).toEqual(["Task exception was never retrieved"]);
  });

  test("is ready as soon as what it waited for is done", () => {
    const { result } = runVirtually(function* () {
      const future = new Future<void>();
      const lock = new Lock();
      yield* lock.acquire();
      const tasks = [yield* waiting(() => future), yield* waiting(() => lock.acquire())];
      future.setResult();
      lock.release();
      return tasks.map(describeWait);
    });
    expect(result).toEqual(["is ready", "is ready"]);
  });

  test("is ready when its sleep is over and it has not heard of it yet", () => {
    const { result } = runVirtually(function* () {
      const task = createTask(sleep(5), { name: "sleeper" });
      yield;
      const said: string[] = [];
      getRunningLoop().callLater(4, () => said.push(describeWait(task)));
      // set later for the same time, so it is called after the sleep's timer and before the task
      getRunningLoop().callLater(5, () => said.push(describeWait(task)));
      yield* task;
      return said;
    });
    expect(result).toEqual(["waits until 5 ms (a sleep)", "is ready"]);
  });
});

describe("describeWait of a task that waits for a lock", () => {
  test("names who holds it", () => {
    const { result } = runVirtually(function* () {
      const lock = new Lock();
      yield* waiting(() => within(lock, () => sleep(100)), "deposit-1");
      return describeWait(yield* waiting(() => lock.acquire()));
    });
    expect(result).toBe("waits for Lock, held by deposit-1");
  });

  test("says that the holder has ended, or is the task itself", () => {
    const { result } = runVirtually(function* () {
      const [forgotten, own] = [new Lock(), new Lock()];
      yield* waiting(() => forgotten.acquire(), "forgetful");
      const first = yield* waiting(() => forgotten.acquire());
      const second = yield* waiting(function* () {
        yield* own.acquire();
        yield* own.acquire();
      });
      return [describeWait(first), describeWait(second)];
    });
    expect(result).toEqual([
      "waits for Lock, held by forgetful, which has ended",
      "waits for Lock, which it holds itself",
    ]);
  });

  test("says so if no task holds it: between a release and the turn of the next in line, and outside of tasks", () => {
    const { result } = runVirtually(function* () {
      const [released, held] = [new Lock(), new Lock()];
      yield* released.acquire();
      const first = yield* waiting(() => released.acquire());
      const second = yield* waiting(() => released.acquire());
      getRunningLoop().callSoon(() => void held.acquire().next());
      yield;
      const third = yield* waiting(() => held.acquire());
      released.release();
      return [first, second, third].map(describeWait);
    });
    const nobody = "waits for Lock, which no task holds at present";
    expect(result).toEqual(["is ready", nobody, nobody]);
  });

  test("also of a condition, where it waits for the lock again", () => {
    const { result } = runVirtually(function* () {
      const condition = new Condition();
      const task = yield* waiting(() => within(condition, () => condition.wait()));
      const said = [describeWait(task)];
      yield* waiting(
        () =>
          within(condition, function* () {
            condition.notify();
            yield* sleep(100);
          }),
        "notifier",
      );
      return [...said, describeWait(task)];
    });
    expect(result).toEqual(["waits for Condition: nobody has notified it", "waits for Lock, held by notifier"]);
  });

  test("follows the name of the holder", () => {
    const { result } = runVirtually(function* () {
      const lock = new Lock();
      const holder = yield* waiting(() => within(lock, () => sleep(100)), "before");
      const task = yield* waiting(() => lock.acquire());
      holder.name = "after";
      return describeWait(task);
    });
    expect(result).toBe("waits for Lock, held by after");
  });
});

describe("describeWait of a task that waits for another primitive", () => {
  test("says what is missing", () => {
    expect(told(() => new Event().wait())).toBe("waits for Event: it is not set");
    expect(told(() => new Semaphore(0).acquire())).toBe("waits for Semaphore: no permit is free");
    expect(told(() => within(new BoundedSemaphore(0), () => 1))).toBe("waits for Semaphore: no permit is free");
    expect(told(() => new Queue().get())).toBe("waits for Queue.get: the queue is empty");
    expect(told(() => forEach(new LifoQueue(), () => {}))).toBe("waits for Queue.get: the queue is empty");
  });

  test("says how full a queue is", () => {
    const { result } = runVirtually(function* () {
      const queue = new PriorityQueue<number>({ maxSize: 3 });
      for (let i = 0; i < 3; i++) queue.putNowait(i);
      return describeWait(yield* waiting(() => queue.put(4)));
    });
    expect(result).toBe("waits for Queue.put: the queue is full (3 of 3)");
  });

  test("says so if a queue has something, which is for those before it", () => {
    const { result } = runVirtually(function* () {
      const [empty, full] = [new Queue<number>(), new Queue<number>({ maxSize: 1 })];
      full.putNowait(0);
      const getters = [yield* waiting(() => empty.get()), yield* waiting(() => empty.get())];
      const putters = [yield* waiting(() => full.put(1)), yield* waiting(() => full.put(2))];
      empty.putNowait(1);
      full.getNowait();
      return [...getters, ...putters].map(describeWait);
    });
    expect(result).toEqual([
      "is ready",
      "waits for Queue.get: others are before it",
      "is ready",
      "waits for Queue.put: others are before it",
    ]);
  });

  test("says for how many items taskDone() was not called, where a queue is joined", () => {
    const { result } = runVirtually(function* () {
      const queue = new Queue<number>();
      for (let i = 0; i < 3; i++) queue.putNowait(i);
      queue.getNowait();
      queue.taskDone();
      return describeWait(yield* waiting(() => queue.join()));
    });
    expect(result).toBe("waits for Queue.join: taskDone() has to be called for 2 of its items");
  });

  test("says how many are at a barrier, or that its last round has not left", () => {
    const { result } = runVirtually(function* () {
      const barrier = new Barrier(3);
      const first = yield* waiting(() => barrier.wait());
      const said = [describeWait(first)];
      yield* waiting(() => barrier.wait());
      said.push(describeWait(first));
      createTask(() => barrier.wait());
      const late = createTask(() => barrier.wait());
      // the third has come, and the first two have not left
      yield;
      expect(barrier.state).toBe("draining");
      said.push(describeWait(late));
      yield* turns();
      return [...said, describeWait(late)];
    });
    expect(result).toEqual([
      "waits for Barrier: 1 of 3 are there",
      "waits for Barrier: 2 of 3 are there",
      "waits for Barrier: its last round has not left yet",
      "waits for Barrier: 1 of 3 are there",
    ]);
  });
});

describe("describeWait of a task that waits for others", () => {
  test("names the task", () => {
    const { result } = runVirtually(function* () {
      const [worker] = sleepers(1);
      return describeWait(yield* waiting(() => worker as Task<never>));
    });
    expect(result).toBe("waits for Task a");
  });

  test("says of a gather how many it gathers, and which of them are not done", () => {
    const { result } = runVirtually(function* () {
      const [a, b, c] = sleepers(3) as [Task<never>, Task<never>, Task<never>];
      const task = yield* waiting(() => gather(a, b, c, sleep(0)), "all");
      const said = [describeWait(task)];
      a.cancel();
      b.cancel();
      return [...said, (yield* turns(), describeWait(task))];
    });
    expect(result).toEqual(["waits for a gather of 4: Task a, Task b and Task c are not done", "was cancelled"]);
  });

  test("counts those that are not done where they are many", () => {
    const { result } = runVirtually(function* () {
      return describeWait(yield* waiting(() => gather(sleepers(4))));
    });
    expect(result).toBe("waits for a gather of 4: 4 of them are not done");
  });

  test("says of a gather, a promise and a future in a gather what they are", () => {
    const { result } = runVirtually(function* () {
      const inner = gather(sleepers(2));
      return describeWait(yield* waiting(() => gather(inner, new Future<void>(), new Promise(() => {}))));
    });
    expect(result).toBe("waits for a gather of 3: a gather of 2, Future and a promise are not done");
  });

  test("is not ended by tasks that are done until the gather has heard of it", () => {
    const { result } = runVirtually(function* () {
      const future = new Future<void>();
      const task = yield* waiting(() => gather(future));
      future.setResult();
      return describeWait(task);
    });
    expect(result).toBe("waits for a gather of 1: 0 of them are not done");
  });

  test("says of wait and of race which are not done", () => {
    const { result } = runVirtually(function* () {
      const [a, b] = sleepers(2) as [Task<never>, Task<never>];
      const tasks = [
        yield* waiting(() => wait([a, b])),
        yield* waiting(() => wait([a], { returnWhen: "FIRST_EXCEPTION" })),
        yield* waiting(() => race(a, b)),
      ];
      return tasks.map(describeWait);
    });
    expect(result).toEqual([
      "waits for wait (ALL_COMPLETED): Task a and Task b are not done",
      "waits for wait (FIRST_EXCEPTION): Task a is not done",
      "waits for wait (FIRST_COMPLETED): Task a and Task b are not done",
    ]);
  });

  test("says of asCompleted which are left", () => {
    const { result } = runVirtually(function* () {
      const results = asCompleted([...sleepers(1), sleep(1)]);
      expect(results).toBeInstanceOf(AsCompleted);
      const task = yield* waiting(function* () {
        for (const next of results) yield* next;
      });
      yield* sleep(2);
      return describeWait(task);
    });
    expect(result).toBe("waits for asCompleted: Task a is not done");
  });

  test("says of a group which of its tasks are not done, once its body has ended", () => {
    const { result } = runVirtually(function* () {
      const said: string[] = [];
      const task = yield* waiting(() =>
        within(new TaskGroup(), function* (group) {
          group.createTask(forever(), { name: "a" });
          group.createTask(sleep(20), { name: "b" });
          yield* sleep(10);
        }),
      );
      said.push(describeWait(task));
      yield* sleep(11);
      said.push(describeWait(task));
      yield* sleep(10);
      said.push(describeWait(task));
      return said;
    });
    expect(result).toEqual([
      "waits until 10 ms (a sleep)",
      "waits for TaskGroup: Task a and Task b are not done",
      "waits for TaskGroup: Task a is not done",
    ]);
  });

  test("says of a shield, and of a time limit that is over, what is behind it", () => {
    const { result } = runVirtually(function* () {
      const [a] = sleepers(1) as [Task<never>];
      const stubborn = createTask(forever([], "stubborn", 100), { name: "stubborn" });
      yield;
      const tasks = [
        yield* waiting(() => shield(a)),
        yield* waiting(() => shield(shield(gather(a)))),
        yield* waiting(() => gather(shield(a))),
        yield* waiting(() => waitFor(stubborn, 0)),
      ];
      const said = tasks.map(describeWait);
      yield* sleep(200);
      return [...said, describeWait(tasks[3] as Task<unknown>)];
    });
    expect(result).toEqual([
      "waits for Task a",
      "waits for a gather of 1: Task a is not done",
      "waits for a gather of 1: Task a is not done",
      "waits for Task stubborn",
      "has failed: TimeoutError: timed out after 0 ms",
    ]);
  });

  test("says of map which of its items it waits for", () => {
    expect(told(() => map([1, 2], () => sleep(50)))).toMatch(
      /^waits for TaskGroup: Task-\d+ and Task-\d+ are not done$/,
    );
    expect(told(() => map([1, 2], () => sleep(50), { concurrency: 1 }))).toBe("waits for Semaphore: no permit is free");
  });
});

describe("describeWait of a task that waits for the world", () => {
  test("says when a sleep ends, on the loop's clock", () => {
    expect(told(() => sleep(5_000))).toBe("waits until 5,000 ms (a sleep)");
    expect(told(() => sleep(0.25))).toBe("waits until 0.25 ms (a sleep)");
    expect(told(() => sleep(Number.POSITIVE_INFINITY))).toBe("waits until ∞ ms (a sleep)");
  });

  test("knows a promise", () => {
    const never = new Promise<void>(() => {});
    expect(told(() => until(never))).toBe("waits for a promise");
    expect(told(() => until(() => never))).toBe("waits for a promise");
    expect(told(() => gather(never))).toBe("waits for a gather of 1: a promise is not done");
    expect(told(() => never)).toBe("waits for a promise");
  });

  test("knows nobody who would set a future, and says its class", () => {
    class Answer extends Future<void> {}
    expect(told(() => new Future())).toBe("waits for Future: nobody is known who would set it");
    expect(told(() => new Answer())).toBe("waits for Answer: nobody is known who would set it");
  });
});

test.each<[wait: string, make: () => Awaitable<unknown>, answer: boolean]>([
  ["a promise", () => until(new Promise<void>(() => {})), true],
  ["a gather of promises", () => gather(until(new Promise<void>(() => {})), sleep(1)), true],
  ["the first of several, one a promise", () => wait([until(new Promise<void>(() => {}))]), true],
  ["a promise with a limit", () => waitFor(until(new Promise<void>(() => {})), 10), true],
  ["a shielded promise", () => shield(until(new Promise<void>(() => {}))), true],
  [
    "a task that waits for a promise, which is asked itself",
    () => createTask(until(new Promise<void>(() => {}))),
    false,
  ],
  ["a sleep", () => sleep(1), false],
  ["a future", () => new Future<void>(), false],
  ["an event", () => new Event().wait(), false],
])("waitsForPromise of a task that waits for %s", (_wait, make, answer) => {
  runVirtually(function* () {
    expect(waitsForPromise(yield* waiting(make))).toBe(answer);
  });
});

test("util.inspect says in a word what a task waits for", () => {
  const { result } = runVirtually(function* () {
    const lock = new Lock();
    yield* lock.acquire();
    const tasks = [
      yield* waiting(() => new Queue().get()),
      yield* waiting(() => lock.acquire()),
      yield* waiting(() => new Event().wait()),
      yield* waiting(() => sleep(5)),
      yield* waiting(() => gather(sleep(5))),
      yield* waiting(() => new Promise(() => {})),
      yield* waiting(() => shield(sleep(5))),
    ];
    return tasks.map((task) => inspect(task));
  });
  expect(result).toEqual([
    "Task waiting { pending, waiting for Queue.get }",
    "Task waiting { pending, waiting for Lock }",
    "Task waiting { pending, waiting for Event }",
    "Task waiting { pending, waiting for a sleep }",
    "Task waiting { pending, waiting for a gather of 1 }",
    "Task waiting { pending, waiting for a promise }",
    expect.stringMatching(/^Task waiting { pending, waiting for Task-\d+ }$/),
  ]);
});
