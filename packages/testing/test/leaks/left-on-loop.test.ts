import { LeakError, VirtualLoop } from "@corio/testing";
import { allTasks, createTask, getRunningLoop, sleep } from "corio";
import { describe, expect, it } from "vitest";
import { leftOnLoop, Reports } from "../../src/leaks/left-on-loop.js";

describe("leftOnLoop", () => {
  it("tells of tasks and timers once main has ended, each with where it was made", () => {
    const virtual = new VirtualLoop({ debug: true });
    virtual.runUntilComplete(function* () {
      for (const name of ["first", "second"]) createTask(sleep(1_000), { name });
      getRunningLoop().callLater(1_000 / 3, () => {});
      yield* sleep(0);
    });
    const left = leftOnLoop(virtual.loop);
    expect(left).toEqual([
      expect.stringMatching(
        /^2 tasks are pending:\nfirst waits .*\n *created at .*left-on-loop\.test\.ts.*\nsecond waits .*\n *created /,
      ),
      expect.stringMatching(/^a timer armed for 333\.333 ms on the loop's clock, set at .*left-on-loop\.test\.ts/),
    ]);
    expect(leftOnLoop(virtual.loop, { tasks: false })).toEqual(left.slice(1));
    expect(leftOnLoop(virtual.loop, { timers: false })).toEqual(left.slice(0, 1));
    virtual.close();
    expect(leftOnLoop(virtual.loop)).toEqual([]);
  });

  it("leaves out the task that asks", () => {
    using virtual = new VirtualLoop();
    const left = virtual.runUntilComplete(function* () {
      yield* sleep(0);
      return leftOnLoop(getRunningLoop());
    });
    expect(left).toEqual([]);
  });
});

describe("Reports", () => {
  it("take what is lost, and hand on the rest", () => {
    const warnings: unknown[] = [];
    const reports = new Reports((...parts) => void warnings.push(parts));
    const virtual = new VirtualLoop();
    reports.attach(virtual.loop);
    virtual.runUntilComplete(function* () {
      const { reporter } = getRunningLoop();
      reporter.error("an error");
      reporter.warn("a warning", 1, 2);
      reporter.warn("coroutine 'save' was never awaited: write `yield* save(…)`");
      getRunningLoop().callSoon(function first() {
        throw new Error("of the first");
      });
      getRunningLoop().callSoon(function second() {
        // what is thrown is not always an error
        throw "of the second";
      });
      yield* sleep(0);
      expect(allTasks().size).toBe(1);
    });
    virtual.close();
    expect(reports.lost).toEqual([
      "an error",
      expect.stringMatching(/^coroutine 'save' was never awaited/),
      expect.stringMatching(/^Exception in callback first\nError: of the first\n/),
      "Exception in callback second\nof the second",
    ]);
    expect(reports.cause).toMatchObject({ message: "of the first" });
    expect(warnings).toEqual([["a warning", 1, 2]]);
  });
});

describe("LeakError", () => {
  it("lists what was left, indented, and has it as data that is not printed twice", () => {
    const error = new LeakError("the test", ["one\ntwo", "three"]);
    expect(error.message).toBe("the test left behind:\n  one\n  two\n  three");
    expect(error.leaks).toEqual(["one\ntwo", "three"]);
    expect(Object.keys(error)).not.toContain("leaks");
    expect(error).toMatchObject({ name: "LeakError", code: "ERR_CORIO_LEAK" });
  });
});
