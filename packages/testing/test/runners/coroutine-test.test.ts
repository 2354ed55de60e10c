import { coroutineTest, LeakError, waitAllTasksBlocked } from "@corio/testing";
import {
  type Coroutine,
  coroutine,
  createTask,
  currentTask,
  DeadlockError,
  Event,
  type EventLoop,
  gather,
  getRunningLoop,
  Lock,
  Queue,
  sleep,
  TimeoutError,
  until,
  within,
} from "corio";
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { failureOf } from "./failure-of.js";

const TIMES = ["virtual", "real"] as const;

function raise(message: string): never {
  throw new Error(message);
}

describe("coroutineTest", () => {
  it(
    "is what any runner takes: used in this file",
    coroutineTest(function* () {
      const start = getRunningLoop().time();
      yield* sleep(24 * 60 * 60 * 1000);
      expect(getRunningLoop().time() - start).toBe(24 * 60 * 60 * 1000);
    }),
  );

  it.each([
    [1, 2, 3],
    [20, 30, 50],
  ])(
    "gets the values of it.each: %d + %d = %d",
    coroutineTest(function* (a: number, b: number, sum: number) {
      yield* sleep(1);
      expect(a + b).toBe(sum);
    }),
  );

  it(
    "gets what the runner passes, such as vitest's context",
    coroutineTest(function* (context: { task: { name: string } }) {
      yield* sleep(1);
      expect(context.task.name).toContain("what the runner passes");
    }),
  );

  const log: string[] = [];
  beforeEach(
    coroutineTest(function* () {
      yield* sleep(1);
      log.push("before");
    }),
  );
  afterEach(
    coroutineTest(function* () {
      yield* sleep(1);
      log.push("after");
    }),
  );
  it("serves for beforeEach and afterEach", () => {
    expect(log.at(-1)).toBe("before");
    expect(log).toContain("after");
  });

  it("gives vitest's own fixtures nothing to look for in its parameters", () => {
    const source = String(coroutineTest(function* () {}));
    expect(source).toMatch(/^function ?\(\) \{/);
  });

  it.each(TIMES)("makes a loop for each call, and closes it (%s time)", async (time) => {
    const loops: EventLoop[] = [];
    const run = coroutineTest(
      function* () {
        loops.push(getRunningLoop());
        yield* sleep(1);
      },
      { time },
    );
    expect(run).toHaveLength(0);
    await run();
    await run();
    expect(new Set(loops).size).toBe(2);
    expect(loops.map((loop) => loop.closed)).toEqual([true, true]);
  });

  it("drops what the body returns", async () => {
    await expect(
      coroutineTest(function* () {
        return 3;
      })(),
    ).resolves.toBeUndefined();
  });

  it.each(TIMES)("allows real promises and real I/O (%s time)", async (time) => {
    await coroutineTest(
      function* () {
        const text = yield* until(readFile(new URL(import.meta.url), "utf8"));
        expect(text).toContain("allows real promises");
        expect(yield* until(new Promise((resolve) => void setTimeout(() => resolve("later"), 30)))).toBe("later");
      },
      { time },
    )();
  });

  it(
    "runs on virtual time that can be waited for",
    coroutineTest(function* () {
      const queue = new Queue<string>();
      const task = createTask(queue.get());
      yield* waitAllTasksBlocked();
      expect(queue.getters).toBe(1);
      queue.putNowait("text");
      expect(yield* task).toBe("text");
    }),
  );

  it(
    "runs on real time if it is told to",
    coroutineTest(
      function* () {
        const start = performance.now();
        yield* sleep(30);
        // timers may fire early by one
        expect(performance.now() - start).toBeGreaterThanOrEqual(29);
      },
      { time: "real" },
    ),
  );

  it.each(TIMES)("is not held up by the fake timers of a runner (%s time)", async (time) => {
    vi.useFakeTimers();
    try {
      await coroutineTest(
        function* () {
          yield* sleep(20);
        },
        { time },
      )();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("A test that fails", () => {
  it.each(TIMES)("throws the error of its body itself, with its stack (%s time)", async (time) => {
    const error = new Error("the body's own");
    const { stack } = error;
    const run = coroutineTest(
      function* () {
        yield* sleep(1);
        throw error;
      },
      { time },
    );
    expect(await failureOf(run())).toBe(error);
    expect(error.message).toBe("the body's own");
    expect(error.stack).toBe(stack);
  });

  it("may throw what is no error", async () => {
    const run = coroutineTest(function* () {
      throw "a text";
    });
    await expect(run()).rejects.toBe("a text");
  });

  it("keeps its message and its stack first where it left something behind as well", async () => {
    const error = new TypeError("the body's own");
    const { stack } = error;
    const run = coroutineTest(function* () {
      createTask(sleep(1_000), { name: "forgotten" });
      yield* sleep(1);
      throw error;
    });
    expect(await failureOf(run())).toBe(error);
    expect(error.message).toMatch(
      /^the body's own\n\nthe test left behind:\n {2}1 task is pending:\n {2}forgotten waits until/,
    );
    expect(error.stack?.startsWith(`${stack}\n\nthe test left behind:`)).toBe(true);
  });

  it("becomes an error where it threw none and left something behind", async () => {
    const run = coroutineTest(function* () {
      createTask(sleep(1_000), { name: "forgotten" });
      throw "a text";
    });
    const error = await failureOf(run());
    expect(error.message).toMatch(/^the test threw a text\n\nthe test left behind:/);
    expect(error.cause).toBe("a text");
  });

  it("may throw an error that cannot be changed", async () => {
    const error = Object.freeze(new Error("frozen"));
    const run = coroutineTest(function* () {
      createTask(sleep(1_000));
      throw error;
    });
    expect(await failureOf(run())).toBe(error);
  });

  it("says that a task of its own was cancelled", async () => {
    const run = coroutineTest(function* () {
      currentTask().cancel("by itself");
      yield* sleep(1);
    });
    await expect(run()).rejects.toThrow("by itself");
  });

  it("fails by parameters that do not fit, too", async () => {
    const run = coroutineTest(function* ({ a }: { a: number }) {
      yield* sleep(a);
    });
    await expect((run as () => Promise<void>)()).rejects.toThrow(TypeError);
  });
});

describe.each(TIMES)("A deadlock in %s time", (time) => {
  it("fails the test with every task, what it waits for, and who holds it", async () => {
    const log: string[] = [];
    const run = coroutineTest(
      function* () {
        const lock = new Lock();
        function* holder(): Coroutine<void> {
          yield* within(lock, () => new Event().wait());
        }
        createTask(holder, { name: "holder" });
        yield* sleep(1);
        try {
          yield* lock.acquire();
        } finally {
          yield* sleep(1);
          log.push("cleaned up");
        }
      },
      { time },
    );
    const error = await failureOf(run());
    expect(error).toBeInstanceOf(DeadlockError);
    expect(error.message).toMatch(/the test waits for Lock, held by holder\n.*coroutine-test\.test\.ts/);
    expect(error.message).toMatch(
      /holder waits for Event: it is not set\n(.*coroutine-test\.test\.ts.*\n)+ *created at .*coroutine-test/,
    );
    // listed once is enough
    expect(error.message).not.toContain("is pending");
    expect(log).toEqual(["cleaned up"]);
  });

  it("does not name the runner's own code as where the test was made", async () => {
    const run = coroutineTest(
      function* () {
        yield* new Event().wait();
      },
      { time },
    );
    const { message } = await failureOf(run());
    expect(message).not.toMatch(/testing\/(src|dist)/);
  });

  it("ends the test although its cleanup deadlocks, too", async () => {
    const run = coroutineTest(
      function* () {
        try {
          yield* new Event().wait();
        } finally {
          yield* new Event().wait();
        }
      },
      { time },
    );
    const error = await failureOf(run());
    expect(error).toBeInstanceOf(DeadlockError);
  });

  it("is found where the test waits for a promise that nobody settles", async () => {
    const run = coroutineTest(
      function* () {
        yield* until(new Promise(() => {}));
      },
      { time },
    );
    await expect(run()).rejects.toThrow(/the test waits for a promise/);
  });

  it("is none while something outside holds the loop", async () => {
    const run = coroutineTest(
      function* () {
        const event = new Event();
        const hold = getRunningLoop().hold();
        // an unreferenced timer is one that nobody can count on
        setTimeout(() => {
          event.set();
          hold[Symbol.dispose]();
        }, 40).unref();
        yield* event.wait();
      },
      { time },
    );
    await run();
  });
});

describe.each(TIMES)("A time limit in %s time", (time) => {
  it("cancels the test, and tells what its tasks wait for", async () => {
    const log: string[] = [];
    const run = coroutineTest(
      function* () {
        createTask(sleep(Number.POSITIVE_INFINITY), { name: "endless" });
        try {
          for (;;) yield* sleep(10);
        } finally {
          yield* sleep(20);
          log.push("cleaned up");
        }
      },
      { time, timeout: 50 },
    );
    const error = await failureOf(run());
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error.message).toMatch(
      /^the test did not end within 50 ms \(loop time\)\. Its tasks:\n {2}the test waits until .* \(a sleep\)\n/,
    );
    expect(error.message).toMatch(/\n {2}endless waits .* \(a sleep\)\n/);
    expect(error.message).toMatch(/coroutine-test\.test\.ts:\d+/);
    expect(log).toEqual(["cleaned up"]);
    expect(error.cause).toBeUndefined();
  });

  it("is a failure although the test swallows the cancellation and ends", async () => {
    const run = coroutineTest(
      function* () {
        try {
          for (;;) yield* sleep(10);
        } catch {
          // swallowed
        }
      },
      { time, timeout: 30 },
    );
    vi.spyOn(console, "warn").mockImplementation(() => {});
    await expect(run()).rejects.toThrow("did not end within 30 ms");
    expect(console.warn).toHaveBeenCalledWith(expect.stringContaining("swallowed the CancelledError"));
    vi.restoreAllMocks();
  });

  it("has the error of the cleanup as its cause", async () => {
    const run = coroutineTest(
      function* () {
        try {
          for (;;) yield* sleep(10);
        } finally {
          raise("in the cleanup");
        }
      },
      { time, timeout: 30 },
    );
    const error = await failureOf(run());
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error.cause).toMatchObject({ message: "in the cleanup" });
  });

  it("gives up a test that does not end within another second", async () => {
    const run = coroutineTest(
      function* () {
        for (;;) {
          try {
            yield* sleep(1_000_000);
          } catch {
            // it will not go
          }
        }
      },
      { time, timeout: 30 },
    );
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const error = await failureOf(run());
    vi.restoreAllMocks();
    expect(error.message).toContain("did not end within 30 ms");
    expect(error.message).toMatch(
      /what was still there 1000 ms after it was cancelled:\n *the test waits .* \(a sleep\)/,
    );
    expect(error.cause).toBeUndefined();
  });

  it("leaves a test alone that ends in time", async () => {
    await coroutineTest(
      function* () {
        yield* sleep(10);
      },
      { time, timeout: 10_000 },
    )();
  });
});

describe("Limits of virtual time", () => {
  it("are exact: a test may take as long as the limit says", async () => {
    const sleeping = (ms: number) =>
      coroutineTest(
        function* () {
          yield* sleep(ms);
        },
        { timeout: 1_000 },
      );
    await sleeping(1_000)();
    await expect(sleeping(1_001)()).rejects.toThrow(TimeoutError);
  });

  it("do not hide a deadlock", async () => {
    const run = coroutineTest(
      function* () {
        yield* new Event().wait();
      },
      { timeout: 1_000 },
    );
    await expect(run()).rejects.toThrow(DeadlockError);
  });

  it("are of real time for a test that goes round in circles", async () => {
    const log: string[] = [];
    const run = coroutineTest(
      function* () {
        try {
          for (;;) yield* sleep(0);
        } finally {
          log.push("cleaned up");
        }
      },
      { realTimeout: 30 },
    );
    const error = await failureOf(run());
    expect(error.message).toMatch(/^the run has not ended after 30 ms of real time/);
    expect(error.message).toContain("the test is ready");
    expect(log).toEqual(["cleaned up"]);
  });
});

describe.each(TIMES)("A test that leaves something behind in %s time", (time) => {
  const leakOf = async (body: () => Coroutine<unknown>, options: object = {}): Promise<LeakError> => {
    const error = await failureOf(coroutineTest(body, { time, ...options })());
    expect(error).toBeInstanceOf(LeakError);
    expect(error.message).toMatch(/^the test left behind:\n/);
    return error as LeakError;
  };

  it("fails for a task, and says where it was created and where it waits", async () => {
    const { leaks } = await leakOf(function* () {
      function* worker(): Coroutine<void> {
        yield* sleep(1_000);
      }
      createTask(worker, { name: "worker" });
      yield* sleep(1);
    });
    expect(leaks).toHaveLength(1);
    expect(leaks[0]).toMatch(
      /^1 task is pending:\nworker waits until .* \(a sleep\)\n *at worker \(.*coroutine-test\.test\.ts.*\n *created at .*coroutine-test\.test\.ts/,
    );
  });

  it("fails for a timer that is armed, and says where it was set", async () => {
    const { leaks } = await leakOf(function* () {
      getRunningLoop().callLater(1_000, () => {});
      yield* sleep(1);
    });
    expect(leaks).toEqual([
      expect.stringMatching(/^a timer armed for [\d.]+ ms on the loop's clock, set at .*coroutine-test\.test\.ts/),
    ]);
  });

  it("fails for an error that nobody retrieved, and says whose it is", async () => {
    const { leaks, cause } = await leakOf(function* () {
      function* failing(): Coroutine<void> {
        throw new Error("nobody looks");
      }
      createTask(failing, { name: "failing" });
      yield* sleep(1);
    });
    expect(leaks).toEqual([
      expect.stringMatching(
        /^Task exception was never retrieved of failing\ncreated at .*coroutine-test\.test\.ts.*\nError: nobody looks\n *at failing/,
      ),
    ]);
    expect(leaks[0]).not.toMatch(/corio\/(src|dist)|node:/);
    expect(cause).toMatchObject({ message: "nobody looks" });
  });

  it("fails for an error of a callback", async () => {
    const { leaks } = await leakOf(function* () {
      getRunningLoop().callSoon(function onData() {
        throw new Error("in a callback");
      });
      yield* sleep(1);
    });
    expect(leaks).toEqual([expect.stringMatching(/^Exception in callback onData\nError: in a callback/)]);
  });

  it("fails for a coroutine that nobody awaited", async () => {
    const save = coroutine(function* save() {
      yield* sleep(1);
    });
    const { leaks } = await leakOf(function* () {
      save();
      yield* sleep(1);
    });
    expect(leaks).toEqual([expect.stringContaining("coroutine 'save' was never awaited")]);
  });

  it("says what did not go when it was cancelled", async () => {
    const { leaks } = await leakOf(function* () {
      function* stubborn(): Coroutine<void> {
        for (;;) {
          try {
            yield* sleep(Number.POSITIVE_INFINITY);
          } catch {
            // it will not go
          }
        }
      }
      createTask(stubborn, { name: "stubborn" });
      yield* sleep(1);
    });
    expect(leaks).toEqual([
      expect.stringContaining("1 task is pending:\nstubborn waits"),
      expect.stringMatching(/^what was still there 1000 ms after it was cancelled:\nstubborn waits/),
    ]);
  });

  it("has what it left cancelled and cleaned up", async () => {
    const log: string[] = [];
    await leakOf(function* () {
      function* worker(): Coroutine<void> {
        try {
          yield* sleep(100_000);
        } finally {
          yield* sleep(1);
          log.push("cleaned up");
        }
      }
      createTask(worker);
      getRunningLoop().callLater(1, () => log.push("the timer has fired"));
      yield* sleep(0);
    });
    expect(log).toEqual(["cleaned up"]);
  });

  it("has the errors of that cleanup reported", async () => {
    const { leaks } = await leakOf(function* () {
      function* worker(): Coroutine<void> {
        try {
          yield* sleep(100_000);
        } finally {
          raise("in the cleanup");
        }
      }
      createTask(worker, { name: "worker" });
      yield* sleep(0);
    });
    expect(leaks[1]).toMatch(/never retrieved of worker\n(.|\n)*in the cleanup/);
  });

  it("passes where the option `leaks` allows it", async () => {
    function* body(): Coroutine<void> {
      createTask(sleep(1_000));
      getRunningLoop().callLater(1_000, () => {});
      yield* sleep(1);
    }
    await coroutineTest(body, { time, leaks: false })();
    await coroutineTest(body, { time, leaks: { tasks: false, timers: false } })();
    expect((await leakOf(body, { leaks: { tasks: false } })).leaks).toHaveLength(1);
    expect((await leakOf(body, { leaks: { timers: false } })).leaks).toHaveLength(1);
  });

  it("reports errors as usual where the option `leaks` allows them", async () => {
    const reports = vi.spyOn(console, "error").mockImplementation(() => {});
    await coroutineTest(
      function* () {
        getRunningLoop().callSoon(() => {
          throw new Error("in a callback");
        });
        yield* sleep(1);
      },
      { time, leaks: { errors: false } },
    )();
    expect(reports).toHaveBeenCalledWith(expect.stringContaining("Exception in callback"), expect.anything());
    vi.restoreAllMocks();
  });

  it("does not fail the next one", async () => {
    await leakOf(function* () {
      createTask(sleep(1_000));
      setInterval(() => {}, 1_000);
    });
    await coroutineTest(
      function* () {
        yield* sleep(1);
      },
      { time },
    )();
  });

  it("does not lose origins to the option `debug: false`, which has none", async () => {
    const { leaks } = await leakOf(
      function* () {
        createTask(sleep(1_000), { name: "worker" });
        yield* sleep(1);
      },
      { debug: false },
    );
    expect(leaks).toEqual([expect.stringMatching(/^1 task is pending:\nworker waits until [\d,.]+ ms \(a sleep\)$/)]);
  });
});

describe("Disorder", () => {
  const orderOf = async (options: object): Promise<string> => {
    const order: number[] = [];
    await coroutineTest(function* () {
      yield* gather(
        Array.from({ length: 8 }, (_, i) =>
          (function* (): Coroutine<void> {
            yield* sleep(0);
            order.push(i);
          })(),
        ),
      );
    }, options)();
    return order.join("");
  };

  it.each(TIMES)("shuffles by a seed (%s time)", async (time) => {
    expect(await orderOf({ time })).toBe("01234567");
    const shuffled = await orderOf({ time, shuffle: 3 });
    expect(shuffled).not.toBe("01234567");
    expect(await orderOf({ time, shuffle: 3 })).toBe(shuffled);
  });

  it("is told of, with its seed, when the test fails", async () => {
    const run = coroutineTest(
      function* () {
        yield* sleep(1);
        throw new Error("the body's own");
      },
      { shuffle: true },
    );
    expect((await failureOf(run())).message).toMatch(
      /^the body's own\n\nThe order was shuffled: `shuffle: \d+` repeats it\.$/,
    );
  });

  it(
    "makes cancellations late",
    coroutineTest(
      function* () {
        const log: string[] = [];
        function* worker(): Coroutine<void> {
          try {
            yield* sleep(1_000);
          } finally {
            log.push("cancelled");
          }
        }
        const task = createTask(worker);
        yield* sleep(0);
        task.cancel();
        createTask(function* () {
          yield* sleep(0);
          log.push("another");
        });
        yield* sleep(10);
        expect(log).toEqual(["another", "cancelled"]);
      },
      { lateCancellation: true },
    ),
  );
});

describe("Wrong use", () => {
  const wrong =
    (body: unknown): (() => unknown) =>
    () =>
      coroutineTest(body as () => Coroutine<void>);

  it("is refused at once, with the right way", () => {
    expect(wrong(async () => {})).toThrow(
      /the body of this test is an async function: write coroutineTest\(function\* \(\) \{ … \}\), or use the test function of the runner itself/,
    );
    expect(wrong(async function* () {})).toThrow("is an async function*");
    expect(wrong(() => {})).toThrow("is a function without a star");
    expect(wrong(undefined)).toThrow("is undefined");
    expect(wrong(null)).toThrow("is null");
    expect(wrong((function* () {})())).toThrow("is a coroutine already, which could run only once");
    expect(wrong(() => {})).toThrow(expect.objectContaining({ code: "ERR_CORIO_TEST_BODY" }));
  });

  it("takes what coroutine() makes of a function*", async () => {
    await coroutineTest(
      coroutine(function* () {
        yield* sleep(1);
      }),
    )();
  });

  it("of options is refused at once", () => {
    const options = (given: object) => () => coroutineTest(function* () {}, given);
    expect(options({ timout: 3 })).toThrow(/there is no option "timout": the options are time, timeout, /);
    expect(options({ time: "fake" })).toThrow(`time is "virtual" or "real", not fake`);
    expect(options({ timeout: 0 })).toThrow("timeout is a number of milliseconds above 0, not 0");
    expect(options({ timeout: Number.NaN })).toThrow("not NaN");
    expect(options({ realTimeout: "30" })).toThrow("realTimeout is a number of milliseconds above 0, not 30");
    expect(options({ leaks: { task: false } })).toThrow(
      `there is no leak check "task": there are tasks, timers, errors, handles`,
    );
    expect(options({ timout: 3 })).toThrow(expect.objectContaining({ code: "ERR_CORIO_TEST_OPTION" }));
  });

  it(
    "inside a running loop is refused",
    coroutineTest(function* () {
      const run = coroutineTest(function* () {});
      const error = yield* until(failureOf(run()));
      expect(error).toMatchObject({ code: "ERR_CORIO_INSIDE_LOOP" });
    }),
  );
});
