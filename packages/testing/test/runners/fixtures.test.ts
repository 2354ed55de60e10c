import {
  type Coroutine,
  contextManager,
  createTask,
  currentTask,
  ExceptionGroup,
  getRunningLoop,
  Lock,
  sleep,
  TaskGroup,
  timeout,
  TimeoutError,
} from "corio";
import { describe, expect, it } from "vitest";
import { type TestFunction, testFunction } from "../../src/runners/test-function.js";
import { failureOf } from "./failure-of.js";
import { recordingRunner } from "./recorded-tests.js";

const log: string[] = [];

/** A fixture that logs when it is entered and left. */
function logged(name: string, { enter, exit }: { enter?: Error; exit?: Error } = {}) {
  return contextManager(function* () {
    yield* sleep(1);
    raise(enter);
    log.push(`enter ${name}`);
    try {
      yield name;
    } finally {
      yield* sleep(1);
      log.push(`leave ${name}`);
      raise(exit);
    }
  });
}

function raise(error: Error | undefined): void {
  if (error !== undefined) throw error;
}

/** Declares one test and runs it. */
async function runOne(declare: (test: TestFunction<object>) => void): Promise<void> {
  log.length = 0;
  const runner = recordingRunner();
  declare(testFunction(runner));
  for (const { run } of runner.tests) await run();
}

describe("Fixtures", () => {
  it("are entered in order before the body, on its loop, and left in reverse after it", async () => {
    await runOne((test) =>
      test.extend({ a: logged("a"), b: logged("b") }).extend({ c: logged("c") })("a test", function* ({ a, b, c }) {
        log.push(`body with ${a}, ${b}, ${c} at ${getRunningLoop().time()}`);
        yield* sleep(10);
      }),
    );
    expect(log).toEqual(["enter a", "enter b", "enter c", "body with a, b, c at 3", "leave c", "leave b", "leave a"]);
  });

  it("may use those that were there before", async () => {
    await runOne((test) =>
      test.extend({ database: logged("database") }).extend({
        users: ({ database }) => logged(`users of ${database}`)(),
        groups: contextManager(function* ({ database }: { database: string }) {
          yield `groups of ${database}`;
        }),
      })("a test", function* ({ users, groups }) {
        log.push(users, groups);
      }),
    );
    expect(log).toEqual([
      "enter database",
      "enter users of database",
      "users of database",
      "groups of database",
      "leave users of database",
      "leave database",
    ]);
  });

  it("replace earlier ones of the same name, which they get", async () => {
    await runOne((test) =>
      test.extend({ name: logged("a") }).extend({ name: ({ name }) => logged(`${name}b`)() })(
        "a test",
        function* ({ name }) {
          log.push(name);
        },
      ),
    );
    expect(log).toEqual(["enter a", "enter ab", "ab", "leave ab", "leave a"]);
  });

  it("are made anew for each test, and leave the function that was extended as it is", async () => {
    const runner = recordingRunner();
    const test = testFunction(runner);
    const made: object[] = [];
    const extended = test.extend({
      box: contextManager(function* () {
        const box = {};
        made.push(box);
        yield box;
      }),
    });
    const seen: object[] = [];
    for (const name of ["a", "b"]) {
      extended(name, function* ({ box }) {
        seen.push(box);
      });
    }
    test("c", function* (fixtures) {
      seen.push(fixtures);
    });
    for (const { run } of runner.tests) await run();
    expect(seen).toEqual([...made, {}]);
    expect(new Set(made).size).toBe(2);
  });

  it("may be anything that `within` takes", async () => {
    await runOne((test) =>
      test.extend({
        group: () => new TaskGroup(),
        lock: () => new Lock(),
        limit: () => timeout(1_000),
        plain: () => ({ [Symbol.dispose]: () => void log.push("disposed") }),
        promised: () => ({
          async [Symbol.asyncDispose]() {
            await Promise.resolve();
            log.push("disposed asynchronously");
          },
        }),
      })("a test", function* ({ group, limit, lock }) {
        group.createTask(function* () {
          yield* sleep(10);
          log.push("in the group");
        });
        expect(limit.when).toBe(1_000);
        log.push(`the lock is ${lock === undefined ? "taken" : "given"}`);
      }),
    );
    expect(log.slice(1)).toEqual(["disposed asynchronously", "disposed", "in the group"]);
  });

  it("come after the row in test.each", async () => {
    await runOne((test) =>
      test.extend({ a: logged("a") }).each([[1], [2]])("%s", function* (value, { a }) {
        log.push(`${a}${value}`);
      }),
    );
    expect(log).toEqual(["enter a", "a1", "leave a", "enter a", "a2", "leave a"]);
  });

  it("are inside the time limit of the test, which leaves them", async () => {
    const error = await failureOf(
      runOne((test) =>
        test.extend({ a: logged("a") })("a test", { timeout: 50 }, function* () {
          yield* sleep(100);
        }),
      ),
    );
    expect(error).toBeInstanceOf(TimeoutError);
    expect(log).toEqual(["enter a", "leave a"]);
  });
});

describe("A failure with fixtures", () => {
  it("of the body leaves all of them", async () => {
    const failing = new Error("the body's own");
    const error = await failureOf(
      runOne((test) =>
        test.extend({ a: logged("a"), b: logged("b") })("a test", function* () {
          throw failing;
        }),
      ),
    );
    expect(error).toBe(failing);
    expect(error.message).toBe("the body's own");
    expect(log).toEqual(["enter a", "enter b", "leave b", "leave a"]);
  });

  it("of setting one up leaves those that were entered, and does not run the body", async () => {
    const failing = new Error("no database");
    const error = await failureOf(
      runOne((test) =>
        test.extend({ a: logged("a"), b: logged("b", { enter: failing }), c: logged("c") })("a test", function* () {
          log.push("body");
        }),
      ),
    );
    expect(error).toBe(failing);
    expect(log).toEqual(["enter a", "leave a"]);
  });

  it("of leaving one fails the test, and leaves the others", async () => {
    const failing = new Error("cannot close");
    const error = await failureOf(
      runOne((test) =>
        test.extend({ a: logged("a"), b: logged("b", { exit: failing }) })("a test", function* () {
          log.push("body");
        }),
      ),
    );
    expect(error).toBe(failing);
    expect(log).toEqual(["enter a", "enter b", "body", "leave b", "leave a"]);
  });

  it("of the body goes first, and those of leaving are added", async () => {
    const failing = new Error("the body's own");
    const error = await failureOf(
      runOne((test) =>
        test.extend({
          a: logged("a", { exit: new Error("cannot close a") }),
          b: logged("b", { exit: new Error("cannot close b", { cause: "of its own" }) }),
        })("a test", function* () {
          throw failing;
        }),
      ),
    );
    expect(error).toBe(failing);
    expect(error.message).toMatch(
      /^the body's own\n\nLeaving the fixture "b" failed, too:\nError: cannot close b\n(.|\n)*\n\nLeaving the fixture "a" failed, too:\nError: cannot close a\n/,
    );
  });

  it("of setting up goes first, too", async () => {
    const error = await failureOf(
      runOne((test) =>
        test.extend({
          a: logged("a", { exit: new Error("cannot close a") }),
          b: logged("b", { enter: new Error("no b") }),
        })("a test", function* () {}),
      ),
    );
    expect(error.message).toMatch(/^no b\n\nLeaving the fixture "a" failed, too:\nError: cannot close a/);
  });

  it("is not swallowed by a fixture that catches everything", async () => {
    const failing = new Error("the body's own");
    const outside: unknown[] = [];
    const error = await failureOf(
      runOne((test) =>
        test.extend({
          outer: () => ({ enter: () => {}, exit: (thrown: unknown) => void outside.push(thrown) }),
          greedy: contextManager(function* () {
            try {
              yield 1;
            } catch {
              // nothing is wrong
            }
          }),
        })("a test", function* () {
          throw failing;
        }),
      ),
    );
    expect(error).toBe(failing);
    expect(outside).toEqual([failing]);
  });

  it("of a task in a group is the group's", async () => {
    const error = await failureOf(
      runOne((test) =>
        test.extend({ group: () => new TaskGroup() })("a test", function* ({ group }) {
          group.createTask(function* () {
            throw new RangeError("in the group");
          });
          yield* sleep(1_000);
        }),
      ),
    );
    expect(error).toBeInstanceOf(ExceptionGroup);
    expect((error as ExceptionGroup).errors).toEqual([expect.any(RangeError)]);
  });

  it("of the body in a group is in the group, once", async () => {
    const failing = new Error("the body's own");
    const error = await failureOf(
      runOne((test) =>
        test.extend({ group: () => new TaskGroup() })("a test", function* () {
          throw failing;
        }),
      ),
    );
    expect((error as ExceptionGroup).errors).toEqual([failing]);
    expect(error.message).not.toContain("Leaving the fixture");
  });

  it("is none where a group ends its own body", async () => {
    await runOne((test) =>
      test.extend({ group: () => new TaskGroup() })("a test", function* ({ group }) {
        group.cancel();
        yield* sleep(1_000);
      }),
    );
  });

  it("by a fixture's own time limit is a TimeoutError", async () => {
    const run = runOne((test) =>
      test.extend({ limit: () => timeout(10) })("a test", function* () {
        yield* sleep(1_000);
      }),
    );
    await expect(run).rejects.toThrow("timed out after 10 ms");
  });

  it("by what was left behind is told as well, with the tasks of fixtures", async () => {
    const error = await failureOf(
      runOne((test) =>
        test.extend({
          background: contextManager(function* () {
            yield createTask(sleep(100_000), { name: "background" });
          }),
        })("a test", function* () {}),
      ),
    );
    expect(error.message).toMatch(/the test left behind:\n *1 task is pending:\n *background waits/);
  });
});

describe("A fixture that is none", () => {
  const extend = (makers: object) => (): unknown =>
    testFunction(recordingRunner()).extend(makers as Record<string, never>);

  it("is refused at once where that can be seen", () => {
    expect(extend({ database: 3 })).toThrow(
      /^the fixture "database" is number, and a fixture is a function that makes a context manager: write `database: contextManager\(function\* /,
    );
    expect(extend({ database: null })).toThrow("is null");
    expect(extend({ *database() {} })).toThrow('the fixture "database" is a bare function*');
    expect(extend({ database: 3 })).toThrow(expect.objectContaining({ code: "ERR_CORIO_FIXTURE" }));
  });

  it.each<[string, unknown]>([
    ["undefined", undefined],
    ["null", null],
    ["object", {}],
    ["object", { enter: () => {} }],
    ["object", Promise.resolve()],
    ["a coroutine", (function* (): Coroutine<void> {})()],
  ])("fails the test where the function has made %s", async (what, made) => {
    const run = runOne((test) =>
      test.extend({ a: logged("a"), wrong: () => made as Disposable })("a test", function* () {}),
    );
    await expect(run).rejects.toThrow(`the fixture "wrong" has made ${what}, and`);
    expect(log).toEqual(["enter a", "leave a"]);
  });

  it("fails the test with the function's own error", async () => {
    const run = runOne((test) =>
      test.extend({
        wrong: (): Disposable => {
          throw new RangeError(`in ${currentTask().name}`);
        },
      })("a test", function* () {}),
    );
    await expect(run).rejects.toThrow("in the test");
  });
});
