// What the tests need beyond npm: a browser, and programs of other makers at the other end of a connection. Tests of what
// cannot be had are skipped, and say so; where CI is set, that is a failure.
import { ensurePostgresql } from "../examples/database/ensure-postgresql.mjs";
import { ensureChromium } from "./ensure-chromium.mjs";
import { ensureCommand } from "./ensure-command.mjs";

const peer = (name) => () => ensureCommand(name, { neededBy: "Tests of @corio/node" });

const problems = [];
for (const ensure of [ensureChromium, peer("openssl"), peer("socat"), peer("python3"), ensurePostgresql]) {
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
