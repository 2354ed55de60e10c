// What the core promises, on the runtime that this is started with: node run.mjs, bun run.mjs, deno run run.mjs
import process from "node:process";
import { runSuite } from "./harness.mjs";

let passed = 0;
let failed = 0;
await runSuite(({ title, error }) => {
  if (error === undefined) {
    passed++;
    return;
  }
  failed++;
  console.log(`failed: ${title}\n${error.replace(/^/gm, "    ")}`);
});
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
