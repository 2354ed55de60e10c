import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const program = fileURLToPath(new URL("./fixtures/ends.mjs", import.meta.url));

// One that is kept alive is killed after a while, and that is an error.
async function printed(...args: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program, ...args], {
    env: { ...process.env, NODE_OPTIONS: "" },
    timeout: 50_000,
  });
  expect(stderr).toBe("");
  return stdout;
}

describe("a process ends", () => {
  test("after toThread", async () => {
    expect(await printed("default", "thread")).toBe("done\n");
  });

  test.each([
    ["whose pool is idle", "idle", "thread"],
    ["whose pool is idle", "idle", "process"],
    ["whose pool was shut down without waiting", "shut-down", "thread"],
    ["whose pool was shut down without waiting", "shut-down", "process"],
    ["whose pool never worked", "never-used", "thread"],
    ["whose worker has printed something", "prints", "thread"],
    ["whose worker has printed something", "prints", "process"],
  ])("%s: %s, %s", async (_, how, kind) => {
    expect(await printed(how, kind)).toBe("done\n");
  });
});
