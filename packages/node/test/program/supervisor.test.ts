import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { ProgramProcess } from "./program-process.js";

const supervisor = new URL("../../dist/program/supervisor.js", import.meta.url);
if (!existsSync(fileURLToPath(supervisor))) throw new Error("these tests run what is built: npm run build");

describe("a supervisor of a whole module", () => {
  it("lets the module run to its end after a signal, then ends the process", async () => {
    const child = new ProgramProcess(`
      const { Supervisor } = await import("${supervisor.href}");
      const supervisor = new Supervisor({ module: true });
      run(function* () { try { console.log("ready"); yield* sleep(1e9); } finally { console.log("cleaned up"); } });
      while (supervisor.runs.size > 0) await new Promise((resolve) => setTimeout(resolve, 1));
      await new Promise((resolve) => setTimeout(resolve, 20));
      console.log("the end", supervisor.signalled, supervisor.runs.everStarted);
      setInterval(() => {}, 1_000);
      supervisor.moduleEnded();`);
    await child.wrote("ready");
    child.kill("SIGINT");
    expect(await child.ended).toMatchObject({
      code: 130,
      stdout: "ready\ncleaned up\nthe end true true\n",
      stderr: "",
    });
  });

  it("goes on watching when no run is going on: a signal then ends the process at once", async () => {
    const child = new ProgramProcess(`
      const { Supervisor } = await import("${supervisor.href}");
      const supervisor = new Supervisor({ module: true });
      await run(sleep(1));
      supervisor.moduleEnded();
      setInterval(() => {}, 1_000);
      setTimeout(() => console.log("ready"), 10);`);
    await child.wrote("ready");
    child.kill("SIGTERM");
    expect(await child.ended).toMatchObject({ code: 143, signal: null, stdout: "ready\n", stderr: "" });
  });

  it("reports errors as it is told", async () => {
    const child = new ProgramProcess(`
      const { Supervisor } = await import("${supervisor.href}");
      new Supervisor({ module: true, report: (error) => console.log("reported", error.message) });
      setInterval(() => {}, 1_000);
      run(function* () { yield* sleep(1); throw new Error("boom"); });`);
    expect(await child.ended).toMatchObject({ code: 1, stdout: "reported boom\n", stderr: "" });
  });
});

describe("the door of commands, @corio/node/program", () => {
  it("has the supervisor and formatError, and loads no corio: the program has its own", async () => {
    const door = new URL("../../dist/program/index.js", import.meta.url);
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--input-type=module",
      "--eval",
      `const door = await import("${door.href}");
       console.log(Object.keys(door).join(), Symbol.for("corio.copies") in globalThis);
       await import("corio");
       console.log(Symbol.for("corio.copies") in globalThis);`,
    ]);
    expect(stdout).toBe("Supervisor,formatError false\ntrue\n");
  });
});
