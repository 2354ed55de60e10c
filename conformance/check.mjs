// CPython's tests against the core as it is built, with the tests fetched where that is possible. For a choice of modules
// and for other cores: run.mjs.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const tests = at(".cpython/usr/lib/python3.14/test");
const core = fileURLToPath(import.meta.resolve("corio"));

process.exitCode = existsSync(core) ? await check() : fail("The core is not built: npm run build");

async function check() {
  const fetched = spawnSync(at("get-tests.sh"), [at(".cpython")], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (fetched.status !== 0) {
    const message = `CPython's tests are not there, and cannot be fetched from here${fetched.error ? `: ${fetched.error.message}` : ""}`;
    if (process.env["CI"]) return fail(message);
    console.log(`${message}. Skipped.`);
    console.log("0 passed, 0 failed");
    return 0;
  }
  const child = spawn(process.execPath, [at("run.mjs"), "--core", core, "--tests", tests, "--jobs", "2"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  // The table's last row is the total; the columns have their names in the first.
  const rows = [];
  const ended = new Promise((resolve) => child.on("close", resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    console.log(line);
    if (line.startsWith("| ")) rows.push(line.split("|").map((cell) => cell.trim()));
  }
  const code = await ended;
  const total = rows.at(-1)?.[1] === "total" ? rows.at(-1) : [];
  const count = (column) => Number(total[rows[0]?.indexOf(column)] ?? Number.NaN);
  const [passed, failed] = [count("passed"), count("failed")];
  if (!(passed > 0)) return fail("no test was run");
  // A module that broke down has failed even if none of its tests did.
  const broken = code !== 0 && failed === 0 ? 1 : 0;
  console.log(`${passed} passed, ${failed + broken} failed`);
  return code === 0 ? 0 : 1;
}

function fail(message) {
  console.log(`failed: ${message}`);
  console.log("0 passed, 1 failed");
  return 1;
}
