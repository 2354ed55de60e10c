import { getRunningLoop, sleep } from "corio";
import { describe, expect, it } from "vitest";
import { testFunction } from "../../src/runners/test-function.js";
import { failureOf } from "./failure-of.js";
import { recordingRunner } from "./recorded-tests.js";

describe("test", () => {
  it("declares tests with the runner's own functions", () => {
    const runner = recordingRunner();
    const test = testFunction(runner);
    test("a", function* () {});
    test("b", { time: "real" }, function* () {});
    test.skip("c", function* () {});
    test.only("d", { timeout: 100 }, function* () {});
    test.fails("e", function* () {});
    test.todo("f");
    expect(runner.tests.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      "test a",
      "test b",
      "skip c",
      "only d",
      "fails e",
      "todo f",
    ]);
  });

  it("runs the body on a loop of its own", async () => {
    const runner = recordingRunner();
    const log: string[] = [];
    testFunction(runner)("a", function* () {
      yield* sleep(1_000);
      log.push(`at ${getRunningLoop().time()}`);
    });
    await runner.tests[0]?.run();
    await runner.tests[0]?.run();
    expect(log).toEqual(["at 1000", "at 1000"]);
  });

  it("gives functions without parameters to the runner, which would take one for a callback", () => {
    const runner = recordingRunner();
    testFunction(runner)("a", function* () {});
    expect(runner.tests[0]?.run).toHaveLength(0);
  });

  it("keeps the runner's own time limit behind that of the test", () => {
    const runner = recordingRunner();
    const test = testFunction(runner);
    test("a", function* () {});
    test("b", { time: "real" }, function* () {});
    test("c", { time: "real", timeout: 60_000 }, function* () {});
    test("d", { realTimeout: Number.POSITIVE_INFINITY }, function* () {});
    const [a, b, c, d] = runner.tests.map(({ timeout }) => timeout);
    expect(a).toBeGreaterThan(30_000 + 3_000);
    expect(b).toBeGreaterThan(5_000 + 3_000);
    expect(c).toBeGreaterThan(60_000 + 3_000);
    // longer is more than a timer can take
    expect(d).toBe(2 ** 31 - 1);
  });

  it("refuses what is no function*, and says what to write", () => {
    const test = testFunction(recordingRunner()) as (...args: unknown[]) => void;
    expect(() => test("a", async () => {})).toThrow(
      `the body of this test is an async function: write test("a", function* () { … }), or use the test function of the runner itself`,
    );
    expect(() => test("a")).toThrow("is undefined");
  });

  it("refuses options that do not exist", () => {
    const test = testFunction(recordingRunner());
    expect(() => test("a", { retries: 3 } as object, function* () {})).toThrow('there is no option "retries"');
    expect(() => test.with({ retries: 3 } as object)("a", function* () {})).toThrow('there is no option "retries"');
  });

  it("inverts tests that have to fail where the runner cannot", async () => {
    const runner = recordingRunner({ fails: false });
    const test = testFunction(runner);
    test.fails("fails", function* () {
      throw new Error("it fails");
    });
    test.fails("passes", function* () {});
    const [fails, passes] = runner.tests;
    await fails?.run();
    expect(passes?.kind).toBe("test");
    await expect(passes?.run()).rejects.toThrow("this test has passed, and it was declared with test.fails");
  });
});

describe("test.with", () => {
  it("sets options that a test may set again", async () => {
    const runner = recordingRunner();
    const test = testFunction(runner).with({ timeout: 10 }).with({ leaks: false });
    function* body() {
      yield* sleep(20);
    }
    test("a", body);
    test("b", { timeout: 100 }, body);
    const [a, b] = runner.tests;
    await expect(a?.run()).rejects.toThrow("did not end within 10 ms");
    await b?.run();
  });
});

describe("test.each", () => {
  it("declares a test for each row, and gives it the values, then the fixtures", async () => {
    const runner = recordingRunner();
    const log: unknown[] = [];
    const test = testFunction(runner).extend({ three: () => ({ enter: () => 3, exit: () => {} }) });
    test.each([
      [1, "a"],
      [2, "b"],
    ])("%d is %s", function* (number, letter, { three }) {
      log.push([number, letter, three]);
    });
    test.each([{ name: "c" }, { name: "d" }])("row %# is $name", { timeout: 10 }, function* ({ name }, fixtures) {
      log.push([name, fixtures]);
    });
    for (const { run } of runner.tests) await run();
    expect(runner.tests.map(({ name }) => name)).toEqual(["1 is a", "2 is b", "row 0 is c", "row 1 is d"]);
    expect(log).toEqual([
      [1, "a", 3],
      [2, "b", 3],
      ["c", { three: 3 }],
      ["d", { three: 3 }],
    ]);
  });

  it("declares none without rows", () => {
    const runner = recordingRunner();
    testFunction(runner).each([])("a", function* () {});
    expect(runner.tests).toEqual([]);
  });

  it("takes rows that are arrays now and then for values", async () => {
    const runner = recordingRunner();
    const log: unknown[] = [];
    testFunction(runner).each([[1], 2])("a", function* (row) {
      log.push(row);
    });
    for (const { run } of runner.tests) await run();
    expect(log).toEqual([[1], 2]);
  });
});

describe("A failure", () => {
  it("of one test does not reach the next", async () => {
    const runner = recordingRunner();
    const test = testFunction(runner);
    test("a", function* () {
      throw new Error("a failed");
    });
    test("b", function* () {});
    const [a, b] = runner.tests;
    expect(await failureOf(a?.run() as Promise<void>)).toMatchObject({ message: "a failed" });
    await b?.run();
  });
});
