import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FAILURES, inOrder, reportsOf } from "./failing-suite.js";
import { tellsOfMisuse } from "./misuse-suite.js";
import { type RunnerProject, runnerProject } from "./runner-project.js";

let project: RunnerProject;
beforeAll(async () => {
  project = await runnerProject("node");
});
afterAll(() => project.remove());

describe("node:test", () => {
  it("runs coroutine tests", async () => {
    const { code, output } = await project.run("passing");
    expect(output).toMatch(/pass 11\n.*fail 0\n.*cancelled 0\n.*skipped 1\n.*todo 1\n/);
    expect(output).toContain("2 + 3 = 5");
    expect(code).toBe(0);
  });

  it("runs the only test if it is told to look for such", async () => {
    const { code, output } = await project.run("only", "--test-only");
    expect(output).toContain("the only one");
    expect(output).toMatch(/fail 0\n/);
    expect(code).toBe(0);
  });

  it("tells that a body is no function*, and where", () => tellsOfMisuse(project));

  describe("tells of tests that fail", () => {
    let output: string;
    let reports: string[];
    beforeAll(async () => {
      ({ output } = await project.run("failing"));
      // newer Nodes have the reports in the list at the end only
      reports = reportsOf(output.split("failing tests:")[1] ?? "", (title) => `✖ ${title} (`);
    });

    it.each(FAILURES.map(([title, ...parts], i) => [title, i, parts] as const))("%s", (_title, i, parts) => {
      expect(reports[i]).toMatch(inOrder(parts));
    });

    it("which passes and was declared to fail, though node:test has no such thing", () => {
      expect(reports.at(-1)).toContain("this test has passed, and it was declared with test.fails");
    });

    it("and the next one is clean", () => {
      expect(output).toMatch(/✔ the next one is clean/);
      expect(output).toMatch(/pass 1\n.*fail 15\n/);
    });
  });
});
