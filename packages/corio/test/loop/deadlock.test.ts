import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BuiltCore, buildCore } from "../support/built-core.js";

let core: BuiltCore;

beforeAll(async () => {
  core = await buildCore();
});

afterAll(() => core?.remove());

const IMPORTS = 'import { run, sleep, until, Future, createTask, getRunningLoop, EventLoop } from "corio";\n';

async function program(body: string): Promise<{ code: number; lines: string[]; stderr: string }> {
  const { code, stdout, stderr } = await core.runProgram(IMPORTS + body);
  return { code, lines: stdout.trim().split("\n"), stderr };
}

describe("a process in which nothing is left that could call back", () => {
  test("ends a run with a DeadlockError that lists the tasks, after its finally", async () => {
    const { code, lines } = await program(`
      try {
        await run(function* () {
          createTask(function* () { yield* new Future(); }, { name: "worker" });
          try { yield* new Future(); } finally { yield* sleep(5); console.log("cleaned up"); }
        });
      } catch (error) {
        console.log(error.code);
        console.log(error.message.split("\\n")[2]);
      }`);
    expect([code, ...lines]).toEqual([
      0,
      "cleaned up",
      "ERR_CORIO_DEADLOCK",
      "  worker waits for Future: nobody is known who would set it",
    ]);
  });

  test("says who holds what, and who waits for whom in a circle", async () => {
    const { lines } = await program(`
      import { Lock, within, TaskGroup } from "corio";
      const [left, right] = [new Lock(), new Lock()];
      const both = (first, second) => within(first, function* () { yield; yield* within(second, () => {}); });
      try {
        await run(function* () {
          yield* within(new TaskGroup(), function* (group) {
            group.createTask(both(left, right), { name: "a" });
            group.createTask(both(right, left), { name: "b" });
          });
        });
      } catch (error) {
        console.log(error.message);
      }`);
    expect(lines).toEqual([
      "deadlock: nothing is left that could wake the tasks that this run waits for",
      "  Task-1 waits for TaskGroup: Task a and Task b are not done",
      "  a waits for Lock, held by b",
      "  b waits for Lock, held by a",
      "  a and b wait for each other: a waits for Lock, held by b; b waits for Lock, held by a",
      "If something outside wakes them, hold the loop meanwhile: `using _ = getRunningLoop().hold()`",
    ]);
  });

  test("says under CORIO_DEBUG=1 where each task waits and was created", async () => {
    const { stdout } = await core.runProgram(
      `${IMPORTS}
      function* main() { yield* createTask(function* worker() { yield* new Future(); }, { name: "worker" }); }
      try { await run(main); } catch (error) { console.log(error.message); }`,
      { env: { CORIO_DEBUG: "1" } },
    );
    expect(stdout.replaceAll(/\(?[^ (]*:\d+:\d+\)?/g, "here").split("\n")).toEqual([
      "deadlock: nothing is left that could wake the tasks that this run waits for",
      "  Task-1 waits for Task worker",
      "      at main here",
      expect.stringMatching(/^ {6}created at .*here$/),
      "  worker waits for Future: nobody is known who would set it",
      expect.stringMatching(/^ {6}at .*worker.* here$/),
      "      created at main here",
      "If something outside wakes them, hold the loop meanwhile: `using _ = getRunningLoop().hold()`",
      "",
    ]);
  });

  test("says what a cleanup waits for that does not end", async () => {
    const { lines } = await program(`
      try {
        await run(function* () {
          createTask(function* () { try { yield* sleep(1e6); } finally { yield* new Future(); } }, { name: "stuck" });
          yield* sleep(1);
        });
      } catch (error) { console.log(error.message); }`);
    expect(lines.slice(1, 3).toSorted()).toEqual([
      expect.stringMatching(/^ {2}Task-\d+ waits for Task stuck$/),
      "  stuck waits for Future: nobody is known who would set it",
    ]);
  });

  test("exits with an error where nobody catches it, instead of in silence", async () => {
    const { code, stderr } = await program("await run(function* () { yield* new Future(); });");
    expect(code).toBe(1);
    expect(stderr).toContain("DeadlockError");
  });

  test("gives each of twenty runs its own error, and leaves no listener", async () => {
    const { code, lines } = await program(`
      const runs = Array.from({ length: 20 }, (_, i) =>
        run(function* () { yield* createTask(function* () { yield* new Future(); }, { name: "worker " + i + "." }); }));
      const outcomes = await Promise.allSettled(runs);
      const own = outcomes.every(({ reason }, i) =>
        reason.code === "ERR_CORIO_DEADLOCK" && reason.message.match(/worker \\d+\\./g).every((name) => name === "worker " + i + "."));
      console.log(own, process.listenerCount("beforeExit"));`);
    expect([code, ...lines]).toEqual([0, "true 0"]);
  });

  test("finds a run that waits for a promise nobody settles", async () => {
    const { lines } = await program(`
      try { await run(function* () { yield* until(new Promise(() => {})); }); } catch (error) { console.log(error.code); }`);
    expect(lines).toEqual(["ERR_CORIO_DEADLOCK"]);
  });

  test("rejects at once the second time", async () => {
    const { lines } = await program(`
      try {
        await run(function* () { for (let i = 1; ; i++) { try { yield* new Future(); } catch { console.log("cancelled", i); } } });
      } catch (error) { console.log(error.code); }`);
    expect(lines[0]).toBe("cancelled 1");
    expect(lines.at(-1)).toBe("ERR_CORIO_DEADLOCK");
  });

  test("{ deadlock: false } lets the process end", async () => {
    const { code, lines } = await program(`
      process.on("exit", () => console.log("exit"));
      run(function* () { try { yield* new Future(); } finally { console.log("finally"); } }, { deadlock: false });`);
    expect([code, ...lines]).toEqual([0, "exit"]);
  });
});

describe("a process in which something could still call back", () => {
  test("has no deadlock beside a listening server", async () => {
    const { code, lines } = await program(`
      import { createServer } from "node:http";
      const server = createServer().listen(0);
      const outcome = await Promise.race([
        run(function* () { yield* new Future(); }).then(() => "done", (error) => error.code),
        new Promise((resolve) => setTimeout(resolve, 150, "still waits").unref()),
      ]);
      console.log(outcome);
      process.exit(0);`);
    expect([code, ...lines]).toEqual([0, "still waits"]);
  });

  test("has none while a timer of the program is left, and finds one after it", async () => {
    const { lines } = await program(`
      setTimeout(() => console.log("timer"), 50);
      try { await run(function* () { yield* new Future(); }); } catch (error) { console.log(error.code); }`);
    expect(lines).toEqual(["timer", "ERR_CORIO_DEADLOCK"]);
  });

  test("waits for a signal that hold() declares", async () => {
    const { code, lines } = await program(`
      const result = await run(function* () {
        const loop = getRunningLoop();
        const future = new Future();
        const held = loop.hold();
        process.on("SIGUSR2", () => future.setResult("signalled"));
        const killer = new Promise((resolve) => setTimeout(() => resolve(process.kill(process.pid, "SIGUSR2")), 50).unref());
        try { return yield* future; } finally { held[Symbol.dispose](); }
      });
      console.log(result);
      process.removeAllListeners("SIGUSR2");`);
    expect([code, ...lines]).toEqual([0, "signalled"]);
  });

  test("ends after its run: neither the loop nor a held one that was let go keeps it alive", async () => {
    const { code, lines } = await program(`
      await run(function* () { getRunningLoop().hold()[Symbol.dispose](); createTask(sleep(60_000)); yield* sleep(1); });
      process.on("exit", () => console.log("ended"));`);
    expect([code, ...lines]).toEqual([0, "ended"]);
  });
});

describe("a process under CORIO_DEBUG=1", () => {
  test("has loops in debug mode; CORIO_DEBUG=0 and none do not", async () => {
    const source = `${IMPORTS}console.log(new EventLoop().debug, new EventLoop({ debug: false }).debug);`;
    const on = await core.runProgram(source, { env: { CORIO_DEBUG: "1" } });
    const off = await core.runProgram(source, { env: { CORIO_DEBUG: "0" } });
    const none = await core.runProgram(source, { env: { CORIO_DEBUG: "" } });
    expect([on, off, none].map(({ stdout }) => stdout.trim())).toEqual(["true false", "false false", "false false"]);
  });
});

describe("the package", () => {
  test("serves require() as well, and starts nothing by being loaded", async () => {
    const { stdout, stderr } = await core.runProgram(`
      import { createRequire } from "node:module";
      const before = process.listenerCount("beforeExit");
      const corio = createRequire(import.meta.url)("corio");
      const same = corio.run === (await import("corio")).run;
      console.log(same, process.listenerCount("beforeExit") - before);`);
    expect(stderr.replaceAll(/.*(ExperimentalWarning|trace-warnings).*\n/g, "")).toBe("");
    expect(stdout.trim()).toBe("true 0");
  });
});
