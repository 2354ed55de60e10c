import { AsyncLocalStorage } from "node:async_hooks";
import { readFile } from "node:fs/promises";
import {
  explore,
  exploreAsync,
  type ExplorationError,
  type Program,
  replay,
  replayAsync,
  runVirtually,
  VirtualLoop,
} from "@corio/testing";
import {
  asyncGenerator,
  ContextVar,
  type Coroutine,
  createTask,
  Event,
  ExitStack,
  forEach,
  Future,
  gather,
  getRunningLoop,
  Lock,
  Queue,
  run,
  shield,
  sleep,
  TaskGroup,
  timeout,
  until,
  wait,
  waitFor,
  within,
} from "corio";
import { describe, expect, test } from "vitest";

/** Two tasks that add to a count, with a wait between reading and writing. */
function* lostUpdate(): Coroutine<number> {
  let count = 0;
  function* increment(): Coroutine<void> {
    const before = count;
    yield* sleep(0);
    count = before + 1;
  }
  const tasks = [createTask(increment(), { name: "one" }), createTask(increment(), { name: "two" })];
  for (const task of tasks) yield* task;
  if (count !== 2) throw new Error(`an update was lost: ${count}`);
  return count;
}

/** Fails only if the last of several tasks is the first to go on. */
function* needsAnOrder(): Coroutine<string> {
  let order = "";
  function* worker(name: string): Coroutine<void> {
    yield* sleep(0);
    order += name;
  }
  const tasks = ["a", "b", "c", "d"].map((name) => createTask(worker(name), { name }));
  for (const task of tasks) yield* task;
  if (order.startsWith("dc")) throw new RangeError(order);
  return order;
}

describe("explore", () => {
  test("says how many schedules and steps it ran, and that these were all", () => {
    let runs = 0;
    const exploration = explore(function* () {
      runs++;
      yield* sleep(0);
    });
    expect(exploration).toEqual({ schedules: 1, steps: 3, exhaustive: true });
    expect(runs).toBe(1);
  });

  test("runs 1,000 schedules at most by default, as many as it is told to, and the same ones each time", () => {
    const ordersOf = (options?: Parameters<typeof explore>[1]): string[] => {
      const orders: string[] = [];
      explore(function* () {
        const at = orders.push("") - 1;
        function* worker(name: string): Coroutine<void> {
          for (let i = 0; i < 5; i++) {
            orders[at] += name;
            yield* sleep(0);
          }
        }
        yield* gather(worker("a"), worker("b"), worker("c"), worker("d"));
      }, options);
      return orders;
    };
    expect(ordersOf()).toHaveLength(1_000);
    expect(ordersOf({ schedules: 77 })).toHaveLength(77);
    expect(ordersOf({ schedules: 77, seed: 5 })).toEqual(ordersOf({ schedules: 77, seed: 5 }));
    expect(ordersOf({ schedules: 77, seed: 5 })).not.toEqual(ordersOf({ schedules: 77, seed: 6 }));
    // undefined is the default, as for every option
    expect(ordersOf({ schedules: 50, seed: undefined, delays: undefined })).toEqual(
      ordersOf({ schedules: 50, seed: 1 }),
    );
  });

  test("finds an update that is lost in the ordinary order already", () => {
    const error = failureOf(lostUpdate);
    expect(error).toMatchObject({ kind: "error", seed: "ordinary", schedule: "ordinary", choices: [] });
    expect(error.cause).toMatchObject({ message: "an update was lost: 1" });
  });

  test("finds an order in which a program fails, and leaves out of it what does not matter", () => {
    const error = failureOf(needsAnOrder, { schedules: 5_000 });
    expect(error.kind).toBe("error");
    expect(error.cause).toBeInstanceOf(RangeError);
    const parts = error.schedule.split(",");
    // no single one can be left out
    for (let i = 0; i < parts.length; i++) {
      expect(replay(needsAnOrder, parts.toSpliced(i, 1).join(",") || "ordinary")).not.toMatch(/^dc/);
    }
    expect(error.choices).toHaveLength(parts.length);
  });

  test("at random finds it too, for any seed, and shrinks it to no more", () => {
    const schedules = [1, 2, 3, -4, 2 ** 40].map((seed) => {
      const error = failureOf(needsAnOrder, { delays: 0, schedules: 1_000, seed });
      expect(error.seed).toMatch(new RegExp(`^${seed}/`));
      expect(failureOf(() => needsAnOrder(), { seed: 99 }, error.seed)).toMatchObject({ kind: "error" });
      return error.schedule.split(",").length;
    });
    expect(Math.max(...schedules)).toBeLessThanOrEqual(3);
  });

  test("reports the same each time", () => {
    expect(failureOf(needsAnOrder, { schedules: 5_000 }).message).toBe(
      failureOf(needsAnOrder, { schedules: 5_000 }).message,
    );
  });

  test("runs the program anew each time, on a loop of its own, with nothing left of the run before", () => {
    const loops = new Set();
    explore(
      function* () {
        loops.add(getRunningLoop());
        expect(getRunningLoop().time()).toBe(0);
        const tasks = [createTask(sleep(1_000)), createTask(sleep(1_000))];
        yield* sleep(10);
        for (const task of tasks) task.cancel();
        yield* wait(tasks);
      },
      { schedules: 20 },
    );
    expect(loops.size).toBeGreaterThan(1);
    for (const loop of loops) expect(loop).toMatchObject({ closed: true });
  });

  test("takes a program that is no function* itself, and calls it in its loop", () => {
    expect(explore(() => sleep(1)).exhaustive).toBe(true);
    expect(replay(() => gather(sleep(1, "a"), sleep(2, "b")), "ordinary")).toEqual(["a", "b"]);
    const program = (): Coroutine<number> => {
      const { time } = { time: getRunningLoop().time() };
      return sleep(1, time);
    };
    expect(replay(program, "ordinary")).toBe(0);
  });

  test("reports what is thrown before there is a coroutine like everything else", () => {
    const error = failureOf((): Coroutine<void> => {
      throw new Error("before");
    });
    expect(error.cause).toMatchObject({ message: "before" });
  });

  test("leaves no unhandled rejection and no report on the console behind when a program fails", () => {
    // vitest fails on the former; the latter would go to the loop's reporter, which takes it
    const error = failureOf(function* () {
      createTask(function* (): Coroutine<void> {
        throw new Error("nobody looks");
      });
      yield* sleep(1);
    });
    expect(error).toMatchObject({ kind: "leak" });
    expect(error.message).toContain("nobody looks");
  });
});

describe("replay", () => {
  test("of the seed and of the schedule of a failure fails likewise", () => {
    const error = failureOf(needsAnOrder, { schedules: 5_000, delays: 0 });
    expect(error.seed).not.toBe(error.schedule);
    for (const seed of [error.seed, error.schedule]) {
      const again = failureOf(needsAnOrder, {}, seed);
      expect(again).toMatchObject({ kind: error.kind, seed });
      expect(again.cause).toBeInstanceOf(RangeError);
    }
    const short = failureOf(needsAnOrder, {}, error.schedule);
    expect([short.schedule, short.timeline, short.choices]).toEqual([error.schedule, error.timeline, error.choices]);
  });

  test("of a failure with cancellations and time that passes too early takes the options that it was found with", () => {
    function* program(): Coroutine<void> {
      const lock = new Lock();
      let held = 0;
      function* short(): Coroutine<void> {}
      function* worker(): Coroutine<void> {
        yield* createTask(short());
        yield* lock.acquire();
        held++;
        // not in a `finally`
        yield* sleep(10);
        held--;
        lock.release();
      }
      yield* wait([createTask(worker()), createTask(worker())], { timeout: 1_000 });
      if (held > 0) throw new Error("still held");
    }
    const options = { cancel: true, slowTasks: true, leaks: { tasks: false } };
    for (const delays of [0, Number.POSITIVE_INFINITY]) {
      const error = failureOf(program, { ...options, delays });
      expect(error.message).toContain("still held");
      expect(error.schedule).toMatch(/c\d/);
      for (const seed of [error.seed, error.schedule]) {
        expect(failureOf(program, options, seed).cause).toMatchObject({ message: "still held" });
      }
    }
  });

  test("returns what the program returns if it passes", () => {
    expect(replay(needsAnOrder, "ordinary")).toBe("abcd");
    expect(replay(needsAnOrder, "6:2")).toBe("bcda");
  });

  test("is what the report tells, and takes no options for a schedule", () => {
    const program = function* (): Coroutine<void> {
      const task = createTask(function* (): Coroutine<void> {
        try {
          yield* sleep(10);
        } catch {
          throw new Error("cancelled");
        }
      });
      yield* task;
    };
    const { message, schedule } = failureOf(program, { cancel: true });
    expect(message).toContain(`replay(program, "${schedule}")`);
    expect(() => replay(program, schedule)).toThrow("cancelled");
  });

  test.each(["2:9", "1000:2", "1000:c1"])("says of %s that it does not fit a program that passes", (schedule) => {
    const program = function* (): Coroutine<void> {
      yield* createTask(sleep(10));
    };
    expect(replay(program, "3:c2")).toBeUndefined();
    expect(() => replay(program, schedule)).toThrow(schedule);
  });

  test("runs the program once", () => {
    let runs = 0;
    replay(function* () {
      runs++;
      yield* sleep(0);
    }, "ordinary");
    expect(runs).toBe(1);
    expect(() =>
      replay(function* () {
        runs++;
        yield* sleep(0);
        throw new Error("fails");
      }, "ordinary"),
    ).toThrow("fails");
    expect(runs).toBe(2);
  });

  test("replayAsync does the same for programs that wait for promises", async () => {
    const program = function* (): Coroutine<string> {
      return yield* until(Promise.resolve("text"));
    };
    expect(await replayAsync(program, "ordinary")).toBe("text");
    expect(() => replay(program, "ordinary")).toThrow(expect.objectContaining({ code: "ERR_CORIO_REAL_WAIT" }));
    await expect(replayAsync(lostUpdate, "ordinary")).rejects.toMatchObject({ kind: "error" });
  });
});

describe("a program that is not deterministic", () => {
  const notDeterministic = expect.objectContaining({
    name: "CorioError",
    code: "ERR_CORIO_NOT_DETERMINISTIC",
    message: expect.stringContaining("Math.random()"),
    cause: expect.objectContaining({ message: "now and then" }),
  });

  test("is told so where it fails and then does not", () => {
    let runs = 0;
    const everyFifth = function* (): Coroutine<void> {
      yield* gather(sleep(0), sleep(0));
      if (++runs % 5 === 0) throw new Error("now and then");
    };
    expect(() => explore(everyFifth)).toThrow(notDeterministic);
  });

  test("also where it depends on what an earlier run has left", () => {
    const left: number[] = [];
    const program = function* (): Coroutine<void> {
      left.push(1);
      yield* gather(sleep(0), sleep(0));
      if (left.length === 3) throw new Error("now and then");
    };
    expect(() => explore(program)).toThrow(notDeterministic);
  });

  test("also where it fails each time in another way", () => {
    const errors = [Error, RangeError, SyntaxError, EvalError];
    let runs = 0;
    const program = function* (): Coroutine<void> {
      yield* sleep(0);
      throw new (errors[runs++ % errors.length] as ErrorConstructor)("now and then");
    };
    expect(() => explore(program)).toThrow(notDeterministic);
  });

  test("is explored as well as it goes where its failures do not depend on that", () => {
    const program = function* (): Coroutine<void> {
      for (let i = Math.floor(Math.random() * 3); i >= 0; i--) yield* sleep(0);
      yield* lostUpdate();
    };
    expect(failureOf(program).cause).toMatchObject({ message: "an update was lost: 1" });
  });
});

describe("misuse", () => {
  const program = function* (): Coroutine<void> {
    yield* sleep(0);
  };

  test.each([
    ["a coroutine", program(), /not explore\(program\(\)\)/],
    ["nothing", undefined, /takes a function\*/],
    ["an object", {}, /takes a function\*/],
  ])("%s is no program", (_, value, remedy) => {
    const refused = expect.objectContaining({
      name: "TypeError",
      code: "ERR_CORIO_EXPLORE",
      message: expect.stringMatching(remedy),
    });
    expect(() => explore(value as never)).toThrow(refused);
    expect(() => replay(value as never, "ordinary")).toThrow(refused);
  });

  test.each([
    ["an async function", async () => {}],
    ["a function that returns nothing", () => {}],
    ["a function that returns a number", () => 5],
  ])("%s makes no coroutine", (_, value) => {
    expect(() => explore(value as never)).toThrow(/explore\(program\) takes a function\*/);
  });

  test.each([
    [{ schedules: 0 }],
    [{ schedules: -1 }],
    [{ schedules: Number.NaN }],
    [{ schedules: "10" }],
    [{ delays: -1 }],
    [{ delays: Number.NaN }],
    [{ maxSteps: 0 }],
    [{ maxSteps: Number.NaN }],
    [{ seed: Number.NaN }],
    [{ seed: 1.5 }],
    [{ seed: Number.POSITIVE_INFINITY }],
    [{ seed: "1" }],
  ])("%o is refused", (options) => {
    const [option] = Object.keys(options) as [string];
    const refused = expect.objectContaining({ name: "RangeError", message: expect.stringContaining(option) });
    expect(() => explore(program, options as never)).toThrow(refused);
  });

  test.each(["", "rubbish", "1/2", "1/2/3/4", "x/1/2", "NaN/1/2", "12", "0:2"])(
    "%j is neither seed nor schedule",
    (text) => {
      expect(() => replay(program, text)).toThrow(expect.objectContaining({ code: "ERR_CORIO_SCHEDULE" }));
    },
  );

  test("neither is what is no text", () => {
    for (const value of [undefined, null, 5, {}]) {
      expect(() => replay(program, value as never)).toThrow(expect.objectContaining({ code: "ERR_CORIO_SCHEDULE" }));
    }
  });

  test("inside of a running loop it is refused, and the loop goes on", async () => {
    const inside = expect.objectContaining({
      name: "CorioError",
      message: expect.stringContaining("while another loop is running"),
    });
    const result = await run(function* () {
      expect(() => explore(program)).toThrow(inside);
      yield* sleep(0);
      return "goes on";
    });
    expect(result).toBe("goes on");
    runVirtually(function* () {
      expect(() => explore(program)).toThrow(inside);
      yield* sleep(0);
    });
  });

  test("inside of a program that is explored it is a failure of that program", () => {
    const error = failureOf(function* () {
      explore(program);
      yield* sleep(0);
    });
    expect(error.message).toContain("while another loop is running");
  });

  test("between the runs of other loops it is none", () => {
    using virtual = new VirtualLoop();
    const future = virtual.start(sleep(10));
    virtual.advance(5);
    expect(explore(program).exhaustive).toBe(true);
    virtual.advance(5);
    expect(future.done).toBe(true);
  });
});

describe("explore, of a program that waits for a promise", () => {
  const remedy = expect.objectContaining({
    name: "CorioError",
    code: "ERR_CORIO_REAL_WAIT",
    message: expect.stringContaining("await exploreAsync(program)"),
  });
  const one = (): Promise<number> => Promise.resolve(1);

  test.each<[string, Program<unknown>]>([
    ["itself", () => waitsFor(() => until(one()))],
    ["with a signal", () => waitsFor(() => until(one))],
    ["in a gather", () => gather(until(one()), sleep(0))],
    ["in wait", () => waitsFor(() => wait([until(one())]))],
    ["behind a shield", () => waitsFor(() => shield(until(one())))],
    ["in a task", () => waitsFor(() => createTask(() => waitsFor(() => until(one()))))],
    [
      "in a task, while it sleeps",
      () =>
        gather(
          createTask(() => waitsFor(() => until(one()))),
          sleep(10),
        ),
    ],
    ["with a time limit", () => within(timeout(100), () => waitsFor(() => until(one())))],
    ["in waitFor", () => waitFor(until(one()), 100)],
    ["in a group", () => within(new TaskGroup(), (group) => void group.createTask(() => waitsFor(() => until(one()))))],
  ])("%s, refuses it and says what to write", (_, program) => {
    expect(() => explore(program)).toThrow(remedy);
  });

  function* waitsFor<T>(make: () => Coroutine<T> | Future<T>): Coroutine<T> {
    return yield* make() as Coroutine<T>;
  }
});

describe("exploreAsync", () => {
  test("explores programs that wait for promises, and for chains of them", async () => {
    let passed = 0;
    const { schedules } = await exploreAsync(
      function* () {
        function* worker(n: number): Coroutine<number> {
          const doubled = yield* until(Promise.resolve(n).then((x) => x * 2));
          for (let i = 0; i < 3; i++) yield* until(chain(20));
          return doubled;
        }
        const results = yield* gather(worker(1), worker(2), worker(3));
        expect(results).toEqual([2, 4, 6]);
        passed++;
      },
      { schedules: 200 },
    );
    // promises settle in their own order, so these are the orders in which the workers begin
    expect([schedules, passed]).toEqual([6, 6]);
    async function chain(length: number): Promise<void> {
      for (let i = 0; i < length; i++) await Promise.resolve();
    }
  });

  test("does what explore does for programs without promises", async () => {
    expect(await exploreAsync(needsAnOrder, { schedules: 10 })).toEqual(explore(needsAnOrder, { schedules: 10 }));
    const error = failureOf(needsAnOrder, { schedules: 5_000 });
    await expect(exploreAsync(needsAnOrder, { schedules: 5_000 })).rejects.toMatchObject({
      message: error.message,
      seed: error.seed,
      schedule: error.schedule,
    });
  });

  test("finds a race around a promise, and replayAsync repeats it", async () => {
    function* program(): Coroutine<void> {
      let count = 0;
      function* increment(): Coroutine<void> {
        const before = count;
        yield* until(Promise.resolve());
        count = before + 1;
      }
      yield* gather(increment(), increment());
      if (count !== 2) throw new Error("lost");
    }
    const error: ExplorationError = await exploreAsync(program).then(
      () => expect.fail("it passes"),
      (thrown) => thrown as ExplorationError,
    );
    expect(error.message).toContain("lost");
    await expect(replayAsync(program, error.schedule)).rejects.toMatchObject({
      kind: "error",
      cause: { message: "lost" },
    });
  });

  test.each<[string, string, () => Coroutine<unknown>]>([
    [
      "a promise that is rejected",
      "error",
      function* () {
        yield* until(Promise.reject(new Error("rejected")));
      },
    ],
    [
      "a task that is left waiting for a promise",
      "leak",
      function* () {
        createTask(function* (): Coroutine<void> {
          yield* until(new Promise<void>(() => {}));
        });
        yield* sleep(0);
      },
    ],
    [
      "a promise that nobody settles",
      "deadlock",
      function* () {
        yield* until(new Promise<void>(() => {}));
      },
    ],
    [
      "an end that never comes",
      "unending",
      function* () {
        for (;;) yield* until(Promise.resolve());
      },
    ],
  ])("fails for %s", async (_, kind, program) => {
    await expect(exploreAsync(program, { maxSteps: 500, schedules: 10 })).rejects.toMatchObject({ kind });
  });

  test("waits for real timers and files, and for who holds the loop", async () => {
    const program = function* (): Coroutine<string> {
      yield* until(new Promise<void>((resolve) => void setTimeout(resolve, 15)));
      for (let i = 0; i < 10; i++) yield* until(new Promise<void>((resolve) => void setImmediate(resolve)));
      const text = yield* until(readFile(new URL(import.meta.url), "utf8"));
      const loop = getRunningLoop();
      const hold = loop.hold();
      const woken = new Future<void>();
      setTimeout(() => woken.setResult(), 5);
      yield* woken;
      hold[Symbol.dispose]();
      return text.slice(0, 6);
    };
    expect(await replayAsync(program, "ordinary")).toBe("import");
    expect((await exploreAsync(program, { schedules: 3 })).schedules).toBeLessThanOrEqual(3);
  });

  test("does not let virtual time pass while a real timer is under way", async () => {
    const result = await replayAsync(function* () {
      return yield* within(timeout(1), () => real());
      function* real(): Coroutine<string> {
        return yield* until(new Promise<string>((resolve) => void setTimeout(resolve, 20, "came")));
      }
    }, "ordinary");
    expect(result).toBe("came");
  });

  test("misuse rejects, or throws, as explore does", async () => {
    const refused = async (value: unknown): Promise<void> => void (await exploreAsync(value as never));
    await expect(refused(undefined)).rejects.toMatchObject({ code: "ERR_CORIO_EXPLORE" });
    await expect(refused(async () => {})).rejects.toThrow(/takes a function\*/);
  });
});

describe("programs of all kinds", () => {
  test("with asynchronous generators, stacks of managers, groups, time limits and queues are explored", () => {
    const numbers = asyncGenerator(function* (count: number) {
      for (let i = 0; i < count; i++) {
        yield* sleep(1);
        yield i;
      }
    });
    function* program(): Coroutine<void> {
      const queue = new Queue<number>({ maxSize: 2 });
      const seen: number[] = [];
      const left: string[] = [];
      yield* within(new ExitStack(), function* (stack) {
        stack.defer(() => void left.push("stack"));
        yield* within(timeout(1_000), function* () {
          yield* within(new TaskGroup(), function* (group) {
            group.createTask(function* (): Coroutine<void> {
              yield* forEach(numbers(5), (n) => queue.put(n));
            });
            group.createTask(function* (): Coroutine<void> {
              while (seen.length < 5) seen.push(yield* queue.get());
            });
          });
        });
      });
      expect([seen, left]).toEqual([[0, 1, 2, 3, 4], ["stack"]]);
    }
    expect(explore(program)).toMatchObject({ schedules: 4, exhaustive: true });
    expect(explore(program, { delays: 0, schedules: 50 }).schedules).toBe(50);
  });

  test("see their own context variables, and none of another run or of who explores", () => {
    const variable = new ContextVar<string>("variable", { default: "none" });
    explore(
      function* () {
        expect(variable.get()).toBe("none");
        variable.set("main");
        function* child(name: string): Coroutine<void> {
          expect(variable.get()).toBe("main");
          variable.set(name);
          yield* sleep(0);
          expect(variable.get()).toBe(name);
        }
        yield* gather(child("a"), child("b"));
        expect(variable.get()).toBe("main");
      },
      { schedules: 50 },
    );
    expect(variable.get()).toBe("none");
  });

  test("run in the asynchronous context of who explores", async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen = new Set<string | undefined>();
    const program = function* (): Coroutine<void> {
      yield* sleep(1);
      seen.add(storage.getStore());
      yield* sleep(0);
      seen.add(storage.getStore());
    };
    storage.run("sync", () => explore(program));
    await storage.run("async", () => exploreAsync(program));
    expect([...seen]).toEqual(["sync", "async"]);
  });

  test("that were found to hang at their end are abandoned, and do not disturb the next", () => {
    const program = function* (): Coroutine<void> {
      createTask(function* (): Coroutine<void> {
        for (;;) {
          try {
            yield* new Event().wait();
          } catch {
            // stays
          }
        }
      });
      yield* sleep(0);
    };
    expect(failureOf(program).kind).toBe("leak");
    expect(explore(program, { leaks: false, schedules: 10 }).schedules).toBeGreaterThan(0);
    expect(explore(lostUpdateFixed).exhaustive).toBe(true);
    function* lostUpdateFixed(): Coroutine<void> {
      const lock = new Lock();
      let count = 0;
      function* increment(): Coroutine<void> {
        yield* within(lock, function* () {
          const before = count;
          yield* sleep(0);
          count = before + 1;
        });
      }
      yield* gather(increment(), increment());
      expect(count).toBe(2);
    }
  });

  test("leave nothing on the heap, however many schedules are run", () => {
    const { gc } = globalThis as unknown as { gc(): void };
    function* program(): Coroutine<void> {
      const queue = new Queue<number>({ maxSize: 1 });
      function* producer(): Coroutine<void> {
        for (let i = 0; i < 3; i++) yield* queue.put(i);
      }
      function* consumer(): Coroutine<void> {
        for (let i = 0; i < 3; i++) yield* queue.get();
      }
      yield* gather(producer(), producer(), consumer(), consumer());
    }
    const schedules = 50_000;
    explore(program, { schedules: 500 });
    gc();
    const before = process.memoryUsage().heapUsed;
    let runs = 0;
    let most = 0;
    explore(
      () => {
        if (++runs % 10_000 === 0) {
          gc();
          most = Math.max(most, process.memoryUsage().heapUsed - before);
        }
        return program();
      },
      { schedules, seed: 3 },
    );
    expect(runs).toBe(schedules);
    // what the search has yet to try takes some, and no more of it is kept than can be run: under a kilobyte each
    expect(most).toBeLessThan(schedules * 1_000);
    gc();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000);
  });
});

function failureOf(
  program: Program<unknown>,
  options: Parameters<typeof explore>[1] = {},
  seed?: string,
): ExplorationError {
  try {
    if (seed === undefined) explore(program, options);
    else replay(program, seed, options);
  } catch (error) {
    expect(error).toMatchObject({ name: "ExplorationError", code: "ERR_CORIO_EXPLORATION" });
    return error as ExplorationError;
  }
  return expect.fail("the program passes");
}
