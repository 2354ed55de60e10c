import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../../../", import.meta.url));
const TESTS = 2_000;

// Both kinds of test in one file, in blocks that take turns, so that a slow moment of the machine is one for both. What is timed is
// the whole of a block, from the end of the one before: what vitest does for each test is in both.
const FILE = `
import { test as coroutineTest } from "@corio/testing/vitest";
import { sleep } from "corio";
import { afterAll, beforeAll, describe, expect, test as plainTest } from "vitest";
import { writeFileSync } from "node:fs";

const took = { plain: 0, coroutine: 0 };
function block(kind, declare) {
  describe(kind, () => {
    let start = 0;
    beforeAll(() => { start = performance.now(); });
    for (let i = 0; i < ${TESTS / 10}; i++) declare(String(i));
    afterAll(() => { took[kind] += performance.now() - start; });
  });
}
for (let i = 0; i < 11; i++) {
  block("plain", (name) => plainTest(name, async () => { await null; expect(1).toBe(1); }));
  block("coroutine", (name) => coroutineTest(name, function* () { yield* sleep(0); expect(1).toBe(1); }));
  // the first ones warm up
  if (i === 0) describe("warm", () => { afterAll(() => { took.plain = took.coroutine = 0; }); plainTest("warm", () => {}); });
}
afterAll(() => writeFileSync(process.env.TOOK, JSON.stringify(took)));
`;

/** Nanoseconds that a passing coroutine test takes longer than a plain one. */
export function measure() {
  mkdirSync(join(repository, "benchmarks/.cache"), { recursive: true });
  const folder = mkdtempSync(join(repository, "benchmarks/.cache/tests-"));
  try {
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    writeFileSync(join(folder, "vitest.config.mjs"), "export default { test: { include: ['*.test.mjs'] } };");
    writeFileSync(join(folder, "many.test.mjs"), FILE);
    const took = join(folder, "took.json");
    const vitest = join(repository, "node_modules/vitest/vitest.mjs");
    execFileSync(process.execPath, [vitest, "run", "--root", folder], {
      env: { ...process.env, TOOK: took },
      stdio: "pipe",
    });
    const { plain, coroutine } = JSON.parse(readFileSync(took, "utf8"));
    return ((coroutine - plain) / TESTS) * 1e6;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
