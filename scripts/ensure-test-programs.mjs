// What the tests need beyond npm: a browser, and programs of other makers at the other end of a connection. Tests of what
// cannot be had are skipped, and say so; where CI is set, that is a failure.
import { spawnSync } from "node:child_process";
import { delimiter, join } from "node:path";
import { ensurePostgresql } from "../examples/database/ensure-postgresql.mjs";
import { ensureChromium } from "./ensure-chromium.mjs";
import { ensureCommand } from "./ensure-command.mjs";

const peers = (packageName, names) =>
  names.map((it) => () => ensureCommand(it, { neededBy: `Tests of ${packageName}` }));

const programs = [
  ensureChromium,
  ...peers("@corio/node", ["openssl", "socat", "python3"]),
  ...peers("@corio/http", ["nginx", "curl"]),
  () => ensureCommand("python3-aiohttp", { neededBy: "Tests of @corio/http", find: findAiohttp }),
  ensurePostgresql,
];
const problems = [];
for (const ensure of programs) {
  try {
    ensure();
  } catch (error) {
    problems.push(error.message);
  }
}
for (const problem of problems) console.error(problem);
if (problems.length === 0) console.log("all there");
else if (process.env["CI"]) process.exitCode = 1;
else console.error("These tests are skipped.");

/** A Python that has aiohttp: Debian's has, if its package is there, but a version manager's may come first on the PATH. */
function findAiohttp() {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/bin"];
  const pythons = new Set(folders.map((folder) => join(folder, "python3")));
  return [...pythons].find((it) => spawnSync(it, ["-c", "import aiohttp"], { stdio: "ignore" }).status === 0);
}
