import { realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CorioProcess, corioRun, project, start } from "./corio-process.js";

describe("a program that exports main", () => {
  it("is given its arguments, and process.argv is what Node would make it", async () => {
    const args = ["--help", "--", "-x", "a b", "", "--debug"];
    const cwd = project({
      "program.ts": `
        import { sleep } from "corio";
        export function* main(args: string[]) {
          yield* sleep(1);
          console.log(JSON.stringify({ args, argv: process.argv }));
        }`,
    });
    const { code, stdout, stderr } = await new CorioProcess(["run", "program.ts", ...args], { cwd }).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const program = join(realpathSync(cwd), "program.ts");
    expect(JSON.parse(stdout)).toEqual({ args, argv: [realpathSync(process.execPath), program, ...args] });
  });

  it.each([
    ["a default export", "export default function* (args: string[]) { yield* sleep(1); console.log(...args); }"],
    [
      "one made by coroutine()",
      "export const main = coroutine(function* (args: string[]) { yield* sleep(1); console.log(...args); });",
    ],
    [
      "a default export made by coroutine()",
      "export default coroutine(function* (args: string[]) { yield* sleep(1); console.log(...args); });",
    ],
    [
      "a plain function that returns a coroutine",
      "function* work(args: string[]) { yield* sleep(1); console.log(...args); }\n" +
        "export const main = (args: string[]) => work(args);",
    ],
  ])("may export %s", async (_what, source) => {
    const ended = await corioRun(`import { coroutine, sleep } from "corio"; void coroutine;\n${source}`, {
      args: ["x"],
    });
    expect(ended).toMatchObject({ code: 0, stdout: "x\n", stderr: "" });
  });

  it.each([
    ["async function main() {} export { main };", "is an async function"],
    ["export async function* main() {}", "is an async function"],
    ["export default async function main() {}", "is an async function"],
    ["export const main = () => Promise.resolve();", "returned a promise"],
    ["export function main() {}", "returned undefined"],
    ["export const main = 3;", "is a number, not a function"],
    ["function* main() {}", "is neither exported nor run"],
  ])("is told what to write if it says: %s", async (source, problem) => {
    const ended = await corioRun(source);
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(ended.stderr).toContain(`corio: the main of program.ts ${problem}`);
    expect(ended.stderr).toContain("export function* main(args: string[]) {");
    expect(ended.stderr).not.toContain("    at ");
  });

  it("goes on, like any Node program, while something keeps it alive", async () => {
    const ended = await corioRun(`
      export function* main() {
        setTimeout(() => console.log("later"), 30);
        console.log("main is done");
      }`);
    expect(ended).toMatchObject({ code: 0, stdout: "main is done\nlater\n", stderr: "" });
  });

  it("decides on its exit code", async () => {
    expect(await corioRun(`export function* main() { process.exitCode = 7; }`)).toMatchObject({ code: 7, stderr: "" });
  });
});

describe("a program that calls run() itself", () => {
  it.each([
    ["with a top-level await", "await run(main);"],
    ["without one", "run(main);"],
    ["only as the main program", "if (import.meta.main) await run(main);"],
    ["through process.argv", "if (process.argv[1] === import.meta.filename) run(main);"],
  ])("is run once, %s", async (_how, call) => {
    const ended = await corioRun(
      `
      import { run, sleep } from "corio";
      export function* main() { yield* sleep(1); console.log("main", process.argv.slice(2)); }
      ${call}`,
      { args: ["--help"] },
    );
    expect(ended).toMatchObject({ code: 0, stdout: "main [ '--help' ]\n", stderr: "" });
  });

  it("may be JavaScript, also CommonJS", async () => {
    const source = `run(function* () { yield* sleep(1); console.log("done"); });`;
    const esm = await corioRun(`import { run, sleep } from "corio"; ${source}`, { name: "program.mjs" });
    expect(esm).toMatchObject({ code: 0, stdout: "done\n", stderr: "" });
    // Node 20 warns of every require() of an ES module.
    const commonJs = await corioRun(`const { run, sleep } = require("corio"); ${source}`, { name: "program.cjs" });
    expect(commonJs).toMatchObject({ code: 0, stdout: "done\n" });
  });

  it("ends with 13, as under Node, when its top-level await can no longer end", async () => {
    const ended = await corioRun(`console.log("waiting"); await new Promise(() => {});`);
    expect(ended).toMatchObject({ code: 13, stdout: "waiting\n" });
    expect(ended.stderr).toContain("program.ts waits in a top-level await");
  });
});

describe("any other program", () => {
  it("runs as under Node", async () => {
    expect(await corioRun(`console.log("no corio");`)).toMatchObject({ code: 0, stdout: "no corio\n", stderr: "" });
  });

  it("may end the process, also while it is being loaded", async () => {
    expect(await corioRun(`setTimeout(() => process.exit()); await new Promise(() => {});`)).toMatchObject({ code: 0 });
    expect(await corioRun(`process.exit(5);`)).toMatchObject({ code: 5, stderr: "" });
  });

  it("needs no corio", async () => {
    const cwd = project({ "program.ts": `const text: string = "plain"; console.log(text); export default 3;` });
    rmSync(join(cwd, "node_modules"), { recursive: true });
    const ended = await new CorioProcess(["run", "program.ts"], { cwd }).ended;
    expect(ended).toMatchObject({ code: 0, stdout: "plain\n", stderr: "" });
  });
});

describe("output", () => {
  it("reaches a slow reader in full when an error ends the program", async () => {
    const child = start(`
      export function* main() {
        process.stdout.write("x".repeat(5_000_000) + "end");
        throw new Error("boom");
      }`);
    child.pause();
    const { code, stdout } = await new Promise<Awaited<typeof child.ended>>((resolve) => {
      setImmediate(() => {
        child.resume();
        resolve(child.ended);
      });
    });
    expect(code).toBe(1);
    expect(stdout).toHaveLength(5_000_003);
  });

  it("reaches its reader in full when a signal ends the program", async () => {
    const child = start(`
      import { sleep } from "corio";
      export function* main() {
        try { console.log("ready"); yield* sleep(1e9); }
        finally { process.stdout.write("x".repeat(5_000_000) + "end"); }
      }`);
    await child.wrote("ready");
    child.kill("SIGINT");
    const { code, stdout } = await child.ended;
    expect(code).toBe(130);
    expect(stdout).toHaveLength("ready\n".length + 5_000_003);
  });
});

describe("--debug", () => {
  const slow = `
    import { sleep } from "corio";
    export function* main() {
      yield* sleep(1);
      const end = performance.now() + 150;
      while (performance.now() < end);
      console.log(process.env["CORIO_DEBUG"]);
      yield* sleep(1);
    }`;

  it("switches the debug mode on, which reports what holds the loop up", async () => {
    const ended = await corioRun(slow, { options: ["--debug"] });
    expect(ended).toMatchObject({ code: 0, stdout: "1\n" });
    expect(ended.stderr).toMatch(/1\d\d(\.\d+)? ms/);
  });

  it("holds for a program that calls run() itself, too", async () => {
    const ended = await corioRun(`import { run } from "corio";${slow}\nawait run(main);`, { options: ["--debug"] });
    expect(ended).toMatchObject({ code: 0, stdout: "1\n" });
    expect(ended.stderr).toMatch(/1\d\d(\.\d+)? ms/);
  });

  it("is off without it", async () => {
    expect(await corioRun(slow)).toMatchObject({ code: 0, stdout: "undefined\n", stderr: "" });
  });
});
