import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseCommandLine } from "../src/command-line.js";
import { CorioProcess, project } from "./corio-process.js";

describe("what a command line asks for", () => {
  it("takes corio's options before the program", () => {
    expect(parseCommandLine(["run", "--debug", "a.ts"])).toEqual({
      command: "run",
      program: "a.ts",
      args: [],
      debug: true,
    });
  });

  it("leaves everything behind the program to the program", () => {
    const args = ["--debug", "--help", "--", "-x", "007", "", "--no-color"];
    expect(parseCommandLine(["run", "a.ts", ...args])).toEqual({ command: "run", program: "a.ts", args, debug: false });
  });

  it("takes what follows -- as the program, even if it looks like an option", () => {
    const line = { command: "run", program: "--odd.ts", args: ["--", "x"], debug: false };
    expect(parseCommandLine(["run", "--", "--odd.ts", "--", "x"])).toEqual(line);
  });

  it("shows help for itself and for run", () => {
    expect(parseCommandLine(["-h"])).toEqual({ command: "help", topic: "corio" });
    expect(parseCommandLine(["run", "--help", "a.ts"])).toEqual({ command: "help", topic: "run" });
  });

  it.each([
    [[], /a command is missing.*corio run program\.ts/],
    [["run"], /the program is missing/],
    [["run", "--debug"], /the program is missing/],
    [["run", "--"], /the program is missing/],
    [["run", "--watch", "a.ts"], /unknown option --watch.*corio run --help/],
    [["--watch"], /unknown option --watch.*corio --help/],
    [["walk"], /unknown command walk/],
    [["a.ts"], /Write: corio run a\.ts/],
  ])("refuses %j and says what to write", (argv, message) => {
    expect(() => parseCommandLine(argv)).toThrow(message);
  });
});

describe("the command", () => {
  it("prints its help to standard output", async () => {
    const general = await new CorioProcess(["--help"]).ended;
    expect(general).toMatchObject({ code: 0, stderr: "" });
    expect(general.stdout).toContain("run program.ts [arguments]");
    const run = await new CorioProcess(["run", "--help"]).ended;
    expect(run).toMatchObject({ code: 0, stderr: "" });
    expect(run.stdout).toContain("--debug");
  });

  it("prints the version that its package has", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
    expect(await new CorioProcess(["--version"]).ended).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  it.each([
    [["run"], "the program is missing"],
    [["run", "--watch", "a.ts"], "unknown option --watch"],
    [["walk"], "unknown command walk"],
    [["run", "absent.ts"], "there is no file absent.ts"],
    [["run", "program"], "there is no file program. Did you mean program.ts?"],
    [["run", "folder"], "folder is a directory"],
    [["run", "app"], `app is a directory. Name the program in it: corio run ${join("app", "main.ts")}`],
  ])("ends %j with exit code 2 and says why", async (args, message) => {
    const cwd = project({ "program.ts": "", "app/main.ts": "" });
    mkdirSync(join(cwd, "folder"));
    const ended = await new CorioProcess(args, { cwd }).ended;
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr).toContain(`corio: ${message}`);
    expect(ended.stderr).not.toContain("    at ");
  });
});
