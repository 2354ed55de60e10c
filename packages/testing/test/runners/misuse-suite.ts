import { expect } from "vitest";
import type { RunnerProject } from "./runner-project.js";

/** Runs the suite whose only test has an async function for a body, and expects that the runner tells so. */
export async function tellsOfMisuse(project: RunnerProject): Promise<void> {
  const { code, output } = await project.run("misuse");
  expect(output).toContain(
    'the body of this test is an async function: write test("an async function", function* () { … })',
  );
  expect(output).toContain("misuse.test.mjs:3:1");
  expect(code).toBe(1);
}
