import { run } from "corio";
import { afterEach, describe, expect, it } from "vitest";
import { runMain } from "../../src/program/run-main.js";
import { ProgramProcess, runProgram } from "./program-process.js";

const cleaning = `
  function* main() {
    try {
      console.log("ready");
      yield* sleep(1e9);
    } finally {
      console.log("cleaning up");
      yield* sleep(20);
      console.log("cleaned up");
    }
  }
  runMain(main);
`;

const CLEANED_UP = "ready\ncleaning up\ncleaned up\n";

// Whoever starts the program, it behaves the same.
describe.each([
  ["under Node", false],
  ["under corio run", true],
])("a program that calls runMain %s", (_kind, supervised) => {
  const start = (source: string): ProgramProcess => new ProgramProcess(source, { supervised });
  const ended = (source: string) => runProgram(source, { supervised });

  it("ends with 0 when main has ended, whatever main returns", async () => {
    expect(await ended(`runMain(function* () { yield* sleep(1); console.log("done"); return 5; });`)).toEqual({
      code: 0,
      signal: null,
      stdout: "done\n",
      stderr: "",
    });
  });

  it("ends with the exit code that main has set", async () => {
    expect(await ended(`runMain(function* () { yield* sleep(1); process.exitCode = 3; });`)).toMatchObject({ code: 3 });
  });

  it("goes on after main for as long as something keeps it alive", async () => {
    const { code, stdout } = await ended(`
      runMain(function* () { setTimeout(() => console.log("last"), 20); console.log("main is done"); });`);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "main is done\nlast\n" });
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("is cancelled by %s, cleans up, and ends with %i", async (signal, code) => {
    const child = start(cleaning);
    await child.wrote("ready");
    child.kill(signal);
    expect(await child.ended).toEqual({ code, signal: null, stdout: CLEANED_UP, stderr: "" });
  });

  it("is ended at once by a second signal", async () => {
    const child = start(cleaning.replace("sleep(20)", "sleep(1e9)"));
    await child.wrote("ready");
    child.kill("SIGINT");
    await child.wrote("cleaning up");
    child.kill("SIGTERM");
    expect(await child.ended).toEqual({ code: 143, signal: null, stdout: "ready\ncleaning up\n", stderr: "" });
  });

  it("ends when main has cleaned up after a signal, even if something else is still open", async () => {
    const child = start(`setInterval(() => {}, 1_000); ${cleaning}`);
    await child.wrote("ready");
    child.kill("SIGTERM");
    expect(await child.ended).toMatchObject({ code: 143, stdout: CLEANED_UP, stderr: "" });
  });

  it("ends with the signal's code also if main swallows the cancellation, whose reason is the signal", async () => {
    const child = start(cleaning.replace("} finally {", "} catch (error) { console.log(error.reason); } finally {"));
    await child.wrote("ready");
    child.kill("SIGINT");
    expect(await child.ended).toMatchObject({
      code: 130,
      stdout: "ready\nSIGINT\ncleaning up\ncleaned up\n",
      stderr: "",
    });
  });

  it("ends with the code that it sets while it cleans up", async () => {
    const child = start(cleaning.replace(`console.log("cleaned up")`, "process.exitCode = 7"));
    await child.wrote("ready");
    child.kill("SIGTERM");
    expect(await child.ended).toMatchObject({ code: 7, stderr: "" });
  });

  it("ends with 1 and shows the error if its cleanup fails", async () => {
    const child = start(cleaning.replace(`console.log("cleaned up")`, `throw new Error("no cleanup")`));
    await child.wrote("ready");
    child.kill("SIGINT");
    const { code, stderr } = await child.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Error: no cleanup\n\s+at main /);
  });

  it("waits for the tasks that main left behind to clean up", async () => {
    const child = start(`
      runMain(function* () {
        createTask(function* () {
          try { yield* sleep(1e9); } finally {
            console.log("cleaning up");
            // which the signal sets
            while (process.exitCode !== 130) yield* sleep(1);
            console.log("cleaned up");
          }
        });
        yield* sleep(1);
        setInterval(() => {}, 1_000);
      });`);
    await child.wrote("cleaning up");
    child.kill("SIGINT");
    expect(await child.ended).toMatchObject({ code: 130, stdout: "cleaning up\ncleaned up\n", stderr: "" });
  });

  it("cancels what main has returned", async () => {
    const child = start(`
      function* work() { try { console.log("ready"); yield* sleep(1e9); } finally { yield* sleep(1); console.log("done"); } }
      runMain(function* () { return createTask(work()); });`);
    await child.wrote("ready");
    child.kill("SIGINT");
    expect(await child.ended).toMatchObject({ code: 130, stdout: "ready\ndone\n", stderr: "" });
  });

  it("cancels every run of the process, and waits for the slowest", async () => {
    const child = start(`
      function* work(name, ms) {
        try { console.log(name, "begun"); yield* sleep(1e9); }
        finally { yield* sleep(ms); console.log(name, "done"); }
      }
      runMain(work("A", 40));
      runMain(work("B", 1));
      run(work("C", 20));`);
    await Promise.all(["A begun", "B begun", "C begun"].map((line) => child.wrote(line)));
    child.kill("SIGINT");
    const { code, stdout, stderr } = await child.ended;
    expect({ code, stderr }).toEqual({ code: 130, stderr: "" });
    expect(stdout.split("\n").slice(3, -1).toSorted()).toEqual(["A done", "B done", "C done"]);
  });

  it("leaves a signal to the program while that listens to it", async () => {
    const child = start(`
      runMain(function* () {
        try {
          const got = new Future();
          addSignalHandler("SIGINT", () => got.setResult());
          console.log("ready");
          yield* got;
          console.log("handled", removeSignalHandler("SIGINT"));
          yield* sleep(1e9);
        } finally { console.log("cleaned up"); }
      });`);
    await child.wrote("ready");
    child.kill("SIGINT");
    await child.wrote("handled true");
    child.kill("SIGINT");
    expect(await child.ended).toMatchObject({ code: 130, stdout: "ready\nhandled true\ncleaned up\n", stderr: "" });
  });

  it("shows an error with its coroutines, its cause and the members of its group, and ends with 1", async () => {
    const { code, stdout, stderr } = await ended(`
      setInterval(() => {}, 1_000);
      function* inner() {
        yield* sleep(1);
        throw new ExceptionGroup("all of it", [new Error("one", { cause: new TypeError("the reason") }), new RangeError("two")]);
      }
      function* outer() { yield* inner(); }
      runMain(outer);`);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^ExceptionGroup: all of it.*\n\s+at inner .*\n\s+at outer /);
    expect(stderr).toMatch(/^├── 1: Error: one\n│ +at inner /m);
    expect(stderr).toMatch(/^│ {3}└── cause: TypeError: the reason\n/m);
    expect(stderr).toMatch(/^└── 2: RangeError: two\n/m);
  });

  it("that fails ends also when nobody reads standard error any more, and does not try to tell for ever", async () => {
    const child = start(`
      runMain(function* () {
        console.log("ready");
        yield* until(new Promise((resolve) => process.stdin.once("data", resolve)));
        throw new Error("unheard");
      });`);
    await child.wrote("ready");
    await child.closeStandardError();
    child.tell("go on");
    expect(await child.ended).toMatchObject({ code: 1, signal: null });
  });

  it("shows an error that is thrown outside of any coroutine", async () => {
    const { code, stderr } = await ended(`
      setTimeout(() => { throw new Error("from a timer"); }, 1);
      runMain(sleep(1e9));`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Error: from a timer\n/);
  });

  it("shows a deadlock", async () => {
    const { code, stderr } = await ended(`runMain(function* () { yield* new Future(); });`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^DeadlockError: /);
  });

  it("shows main's own cancellation", async () => {
    const { code, stderr } = await ended(`runMain(function* () { currentTask().cancel("enough"); yield* sleep(1); });`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^CancelledError: enough\n/);
  });

  it.each([
    ["an error", `throw new Error("the end")`, 1],
    ["a signal", `process.kill(process.pid, "SIGTERM"); yield* sleep(1e9)`, 143],
  ])("writes all of its output before it ends by %s, however slowly that is read", async (_what, end, code) => {
    const child = start(`
      runMain(function* () {
        const paused = new Future();
        addSignalHandler("SIGUSR2", () => paused.setResult());
        console.log("ready");
        yield* paused;
        for (let i = 0; i < 200; i++) process.stdout.write("x".repeat(10_000));
        console.log("last line");
        process.stderr.write("told");
        ${end};
      });`);
    await child.wrote("ready");
    child.pause();
    child.kill("SIGUSR2");
    const told = setInterval(() => {
      if (child.stderr.includes("told")) child.resume();
    }, 5);
    const { stdout, ...how } = await child.ended;
    clearInterval(told);
    expect(how.code).toBe(code);
    expect(stdout.length).toBe("ready\n".length + 2_000_000 + "last line\n".length);
    expect(stdout.endsWith("last line\n")).toBe(true);
  });
});

describe("runMain under Node", () => {
  it("leaves signals and errors to Node when main has ended", async () => {
    const child = new ProgramProcess(`
      runMain(function* () { yield* sleep(1); });
      const timer = setInterval(() => {
        if (process.listenerCount("SIGINT") + process.listenerCount("uncaughtException") > 0) return;
        clearInterval(timer);
        setInterval(() => {}, 1_000);
        console.log(globalThis[Symbol.for("corio.runs")], process.listenerCount("SIGTERM"));
      }, 1);`);
    await child.wrote("undefined 0");
    child.kill("SIGINT");
    expect(await child.ended).toMatchObject({ code: null, signal: "SIGINT" });
  });

  it("may be called again", async () => {
    const child = new ProgramProcess(`
      runMain(function* () { yield* sleep(1); });
      const timer = setInterval(() => {
        if (process.listenerCount("SIGINT") > 0) return;
        clearInterval(timer);
        ${cleaning}
      }, 1);`);
    await child.wrote("ready");
    child.kill("SIGINT");
    expect(await child.ended).toMatchObject({ code: 130, stdout: CLEANED_UP, stderr: "" });
  });

  it("leaves an uncaught error to a program that listens for such", async () => {
    const { code, stdout, stderr } = await runProgram(`
      process.on("uncaughtException", (error) => console.log("caught", error.message));
      setTimeout(() => { throw new Error("from a timer"); }, 1);
      runMain(sleep(50));`);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "caught from a timer\n", stderr: "" });
  });

  it("lets a sibling run that a signal cancels fail in silence, but not one whose cleanup fails", async () => {
    const child = new ProgramProcess(`
      runMain(function* () { try { yield* sleep(1e9); } finally { yield* sleep(20); console.log("main is done"); } });
      run(sleep(1e9));
      run(function* () { try { console.log("ready"); yield* sleep(1e9); } finally { throw new Error("bad"); } });`);
    await child.wrote("ready");
    child.kill("SIGINT");
    const { code, stdout, stderr } = await child.ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: "ready\nmain is done\n" });
    expect(stderr).toMatch(/^Error: bad\n/);
    expect(stderr).not.toContain("CancelledError");
  });

  it("passes its options on to the run", async () => {
    const { stdout } = await runProgram(
      `runMain(function* () { console.log(getRunningLoop().debug); }, { debug: true });`,
    );
    expect(stdout).toBe("true\n");
  });
});

describe("runMain used wrongly", () => {
  const listeners = (): number[] =>
    (["SIGINT", "SIGTERM", "uncaughtException"] as const).map((name) => process.listenerCount(name));
  const before = listeners();
  const expectNoMore = (): void => expect(listeners()).toEqual(before);
  afterEach(expectNoMore);

  it("throws at once, and leaves nothing behind", async () => {
    expect(() => runMain(5 as never)).toThrow(TypeError);
    await run(function* () {
      const coroutine = (function* () {})();
      expect(() => runMain(coroutine)).toThrow(/yield\* main\(\)/);
      expect(coroutine.next().done).toBe(true);
    });
    expect(Reflect.has(globalThis, Symbol.for("corio.runs"))).toBe(false);
  });
});
