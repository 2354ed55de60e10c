import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FAILURES, inOrder, reportsOf } from "./failing-suite.js";
import { tellsOfMisuse } from "./misuse-suite.js";
import { type RunnerProject, runnerProject } from "./runner-project.js";

let project: RunnerProject;
beforeAll(async () => {
  project = await runnerProject("jest");
});
afterAll(() => project.remove());

// As a user does it: `node --experimental-vm-modules node_modules/jest/bin/jest.js`, with `"type": "module"` and the setting
// `"transform": {}` in package.json.
describe("jest", () => {
  it("runs coroutine tests", async () => {
    const { code, output } = await project.run("passing");
    expect(output).toMatch(/Tests: +1 skipped, 1 todo, 11 passed, 13 total/);
    expect(code).toBe(0);
  });

  it("runs the only test", async () => {
    const { code, output } = await project.run("only");
    expect(output).toMatch(/Tests: +1 skipped, 1 passed, 2 total/);
    expect(code).toBe(0);
  });

  it("tells that a body is no function*, and where", () => tellsOfMisuse(project));

  describe("tells of tests that fail", () => {
    let output: string;
    let reports: string[];
    beforeAll(async () => {
      ({ output } = await project.run("failing"));
      reports = reportsOf(output, (title) => `  ● ${title}\n`);
    });

    it.each(FAILURES.map(([title, ...parts], i) => [title, i, parts] as const))("%s", (_title, i, parts) => {
      expect(reports[i]).toMatch(inOrder(parts));
    });

    it("and the next one is clean", () => {
      expect(output).toContain("✓ the next one is clean");
      expect(output).toMatch(/Tests: +15 failed, 1 passed/);
    });
  });
});

describe("@corio/testing/jest", () => {
  it("says that it needs a runner with globals, and which doors there are for others", async () => {
    const globals = globalThis as { test?: unknown; it?: unknown };
    expect(globals.test ?? globals.it).toBeUndefined();
    await expect(import("@corio/testing/jest")).rejects.toThrow(
      /needs the global `test` or `it` of jest, .*For vitest there is @corio\/testing\/vitest, for node:test @corio\/testing\/node-test/,
    );
  });
});
