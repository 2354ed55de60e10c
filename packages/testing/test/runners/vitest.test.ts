import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FAILURES, inOrder, reportsOf } from "./failing-suite.js";
import { tellsOfMisuse } from "./misuse-suite.js";
import { type RunnerProject, runnerProject } from "./runner-project.js";

let project: RunnerProject;
beforeAll(async () => {
  project = await runnerProject("vitest");
});
afterAll(() => project.remove());

describe("vitest", () => {
  it("runs coroutine tests", async () => {
    const { code, output } = await project.run("passing");
    expect(output).toMatch(/Tests +10 passed \| 1 expected fail \| 1 skipped \| 1 todo \(13\)/);
    expect(code).toBe(0);
  });

  it("runs the only test", async () => {
    const { code, output } = await project.run("only");
    expect(output).toMatch(/Tests +1 passed \| 1 skipped/);
    expect(code).toBe(0);
  });

  it("tells that a body is no function*, and where", () => tellsOfMisuse(project));

  describe("tells of tests that fail", () => {
    let output: string;
    let reports: string[];
    beforeAll(async () => {
      ({ output } = await project.run("failing"));
      reports = reportsOf(output, (title) => ` FAIL  failing.test.mjs > ${title}\n`);
    });

    it.each(FAILURES.map(([title, ...parts], i) => [title, i, parts] as const))("%s", (_title, i, parts) => {
      expect(reports[i]).toMatch(inOrder(parts));
    });

    it("and the next one is clean", () => {
      expect(output).toContain("✓ the next one is clean");
      expect(output).toMatch(/Tests +15 failed \| 1 passed/);
    });

    it("shows the line that matters", () => {
      const shown = (i: number): string | undefined => /❯.*\n(?:.*\n)*? +(\d+\|.*)\n +\|/.exec(reports[i] ?? "")?.[1];
      expect(shown(0)).toContain('assert.equal("one", "two"');
      expect(shown(1)).toContain("yield* lock.acquire()");
      expect(shown(3)).toContain("yield* sleep(20)");
      expect(shown(5)).toContain("yield* sleep(60_000)");
      expect(shown(9)).toContain("nobody has looked at this");
      expect(shown(11)).toContain("this goes first");
    });
  });
});
