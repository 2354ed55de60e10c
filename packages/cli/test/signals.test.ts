import { describe, expect, it } from "vitest";
import { start } from "./corio-process.js";

const cleaning = `
  import { isCancelled, run, sleep } from "corio";
  export function* main() {
    try {
      console.log("ready");
      yield* sleep(1e9);
    } finally {
      console.log("cleaning up");
      yield* sleep(20);
      console.log("cleaned up");
    }
  }
  void run; void isCancelled;
`;

const kinds: [kind: string, source: string][] = [
  ["that exports main", cleaning],
  ["that awaits run()", `${cleaning} await run(main);`],
  ["that calls run() without awaiting it", `${cleaning} run(main);`],
];

describe.each(kinds)("a program %s", (_kind, source) => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("is cancelled by %s, cleans up, and ends with %i", async (signal, code) => {
    const child = start(source);
    await child.wrote("ready");
    child.kill(signal);
    expect(await child.ended).toEqual({
      code,
      signal: null,
      stdout: "ready\ncleaning up\ncleaned up\n",
      stderr: "",
    });
  });

  it("is ended at once by a second signal", async () => {
    const child = start(source.replace("sleep(20)", "sleep(1e9)"));
    await child.wrote("ready");
    child.kill("SIGINT");
    await child.wrote("cleaning up");
    child.kill("SIGINT");
    expect(await child.ended).toEqual({ code: 130, signal: null, stdout: "ready\ncleaning up\n", stderr: "" });
  });

  it("ends when main has ended, even if something else is still open", async () => {
    const child = start(`setInterval(() => {}, 1_000); ${source}`);
    await child.wrote("ready");
    child.kill("SIGTERM");
    expect(await child.ended).toMatchObject({ code: 143, stdout: "ready\ncleaning up\ncleaned up\n", stderr: "" });
  });

  it("ends with the signal's code also if main swallows the cancellation", async () => {
    const child = start(source.replace("} finally {", "} catch (error) { console.log(error.reason); } finally {"));
    await child.wrote("ready");
    child.kill("SIGINT");
    expect(await child.ended).toMatchObject({
      code: 130,
      stdout: "ready\nSIGINT\ncleaning up\ncleaned up\n",
      stderr: "",
    });
  });

  it("ends with 1 and shows the error if its cleanup fails", async () => {
    const child = start(source.replace(`console.log("cleaned up")`, `throw new Error("no cleanup")`));
    await child.wrote("ready");
    child.kill("SIGINT");
    const { code, stderr } = await child.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Error: no cleanup\n\s+at /);
  });

  it("is left alone while it listens to the signal itself", async () => {
    const child = start(`
      process.once("SIGINT", () => console.log("handled"));
      ${source}
    `);
    await child.wrote("ready");
    child.kill("SIGINT");
    await child.wrote("handled");
    child.kill("SIGINT");
    expect(await child.ended).toMatchObject({
      code: 130,
      stdout: "ready\nhandled\ncleaning up\ncleaned up\n",
      stderr: "",
    });
  });
});

describe("a signal", () => {
  it("cancels each of several runs, and waits for the slowest", async () => {
    const child = start(`
      import { run, sleep } from "corio";
      function* work(name: string, ms: number) {
        try { console.log(name, "ready"); yield* sleep(1e9); }
        finally { yield* sleep(ms); console.log(name, "done"); }
      }
      for (const [name, ms] of [["A", 40], ["B", 1], ["C", 20]] as const) run(work(name, ms));
    `);
    await child.wrote("C ready");
    child.kill("SIGINT");
    const { code, stdout, stderr } = await child.ended;
    expect({ code, stderr }).toEqual({ code: 130, stderr: "" });
    expect(stdout.split("\n").slice(3, -1)).toEqual(["B done", "C done", "A done"]);
  });

  it("lets the cleanup of one run go on when that of another fails", async () => {
    const child = start(`
      import { run, sleep } from "corio";
      function* good() { try { yield* sleep(1e9); } finally { yield* sleep(50); console.log("good is done"); } }
      function* bad() { try { console.log("ready"); yield* sleep(1e9); } finally { throw new Error("bad"); } }
      run(good);
      run(bad);
    `);
    await child.wrote("ready");
    child.kill("SIGINT");
    const { code, stdout, stderr } = await child.ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: "ready\ngood is done\n" });
    expect(stderr).toContain("Error: bad");
  });

  it("lets the program's module run to its end, with another run if it takes one", async () => {
    const child = start(`
      ${cleaning}
      try { await run(main); } catch (error) { console.log("cancelled", isCancelled(error)); }
      await run(function* () { yield* sleep(5); console.log("the end"); });
      setInterval(() => {}, 1_000);
    `);
    await child.wrote("ready");
    child.kill("SIGINT");
    const { code, stdout, stderr } = await child.ended;
    expect({ code, stderr }).toEqual({ code: 130, stderr: "" });
    expect(stdout).toBe("ready\ncleaning up\ncleaned up\ncancelled true\nthe end\n");
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s ends a program without a run at once, with %i", async (signal, code) => {
    const child = start(`
      export function* main() {
        setInterval(() => {}, 1_000);
        setImmediate(() => console.log("main is done"));
      }`);
    await child.wrote("main is done");
    child.kill(signal);
    expect(await child.ended).toEqual({ code, signal: null, stdout: "main is done\n", stderr: "" });
  });

  it("ends a program that still awaits something else at its top level", async () => {
    const child = start(`console.log("ready"); await new Promise((resolve) => setTimeout(resolve, 1e9));`);
    await child.wrote("ready");
    child.kill("SIGTERM");
    expect(await child.ended).toMatchObject({ code: 143, stderr: "" });
  });

  it("leaves the exit code to a program that sets one while it cleans up", async () => {
    const child = start(cleaning.replace(`console.log("cleaned up")`, "process.exitCode = 0"));
    await child.wrote("ready");
    child.kill("SIGTERM");
    expect(await child.ended).toMatchObject({ code: 0, stderr: "" });
  });

  it("cancels, too, when only the package signal-exit listens, which wants no more than to know", async () => {
    const child = start(`
      globalThis[Symbol.for("signal-exit emitter")] = { count: 1 };
      process.on("SIGINT", () => {});
      ${cleaning}
    `);
    await child.wrote("ready");
    child.kill("SIGINT");
    expect(await child.ended).toMatchObject({ code: 130, stdout: "ready\ncleaning up\ncleaned up\n", stderr: "" });
  });
});
