// Breaks the core in known ways, in a copy, and shows which of them the exploration of its primitives finds, and how soon.
//
//   node packages/testing/mutations/run.mjs            all of them
//   node packages/testing/mutations/run.mjs barrier    those whose name has this word
//
// Ends with 1 if one is not found within a minute, or if the tests fail without any.
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { mutations } from "./mutations.mjs";

const LIMIT = 60_000;

const root = fileURLToPath(new URL("../../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "corio-mutations-"));
const source = join(folder, "src");

/** Makes a fresh copy of the core, with a mutation in it. */
function makeCore(mutation) {
  rmSync(source, { recursive: true, force: true });
  cpSync(join(root, "packages/corio/src"), source, { recursive: true });
  if (mutation === undefined) return;
  const { name, file, text, by } = mutation;
  const path = join(source, file);
  const parts = readFileSync(path, "utf8").split(text);
  if (parts.length !== 2) throw new Error(`${name}: its text stands ${parts.length - 1} times in ${file}, not once`);
  writeFileSync(path, parts.join(by));
}

/** Runs explored tests on the copy, until the first that fails; by default all of them. */
async function explore({ tests = [""], schedules, limit }) {
  const report = join(folder, "report.json");
  rmSync(report, { force: true });
  const start = performance.now();
  const vitest = spawn(
    process.execPath,
    [
      "node_modules/vitest/vitest.mjs",
      "run",
      ...tests.map((test) => `packages/corio/test/explored/${test}`),
      "--typecheck.enabled=false",
      "--bail=1",
      "--reporter=json",
      `--outputFile=${report}`,
    ],
    {
      cwd: root,
      // of its own, so that its workers can be ended with it
      detached: true,
      stdio: "ignore",
      env: {
        ...process.env,
        CORIO_CORE: source,
        ...(schedules !== undefined && { CORIO_SCHEDULES: String(schedules) }),
      },
    },
  );
  const timer = setTimeout(() => process.kill(-Number(vitest.pid), "SIGKILL"), limit);
  const code = await new Promise((resolve) => vitest.once("exit", resolve));
  clearTimeout(timer);
  return { code, seconds: (performance.now() - start) / 1_000, failed: code === null ? [] : failedTests(report) };
}

function failedTests(report) {
  const { testResults } = JSON.parse(readFileSync(report, "utf8"));
  return testResults.flatMap(({ name, message, assertionResults }) => {
    // with a message it could not be loaded; without one it was not its turn before the first failure
    if (assertionResults.length === 0 && message !== "") throw new Error(`${name} did not run: ${message}`);
    const failed = assertionResults.filter(({ status }) => status === "failed");
    return failed.map(({ title }) => `${basename(name, ".test.ts")}, ${title}`);
  });
}

function row(name, ordinary, found, seconds) {
  console.log(`| ${name} | ${ordinary} | ${found} | ${seconds} |`);
}

async function main() {
  makeCore(undefined);
  // few schedules: that it passes all of them is for the tests themselves to show
  const sound = await explore({ schedules: 500, limit: 2 * LIMIT });
  if (sound.code !== 0) {
    console.log(`failed: the tests fail without a mutation: ${sound.failed.join("; ") || "they did not end"}`);
    return false;
  }
  console.log(`Without a mutation the tests pass, in ${sound.seconds.toFixed(1)} s.\n`);

  const [word = ""] = process.argv.slice(2);
  const chosen = mutations.filter(({ name }) => name.toLowerCase().includes(word.toLowerCase()));
  row("the mistake", "in the ordinary order", "found by", "after");
  row("---", "---", "---", "---:");
  let missed = 0;
  for (const mutation of chosen) {
    const { name, tests } = mutation;
    makeCore(mutation);
    const ordinary = await explore({ tests, schedules: 1, limit: LIMIT });
    const { failed, seconds } = await explore({ tests, limit: LIMIT });
    if (failed.length === 0) missed++;
    const found = failed.length === 0 ? "**missed**" : failed[0];
    row(name, ordinary.failed.length === 0 ? "passes" : "fails", found, `${seconds.toFixed(1)} s`);
  }
  console.log(`\n${chosen.length - missed} of ${chosen.length} found`);
  return missed === 0;
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
