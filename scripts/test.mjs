// Everything that must hold before a change goes in, the quick steps first.
import { runSteps } from "./steps.mjs";

const npm = (name, script) => ({ name, command: ["npm", "run", "--silent", script] });

const ok = await runSteps([
  npm("format", "format:check"),
  npm("build", "build"),
  npm("lint", "lint"),
  npm("types", "typecheck"),
  { name: "programs for tests", command: ["node", "scripts/ensure-test-programs.mjs"], minutes: 8 },
  { ...npm("unit tests and coverage", "coverage"), minutes: 16 },
  npm("public behaviour", "test:public"),
  npm("packages", "check:packages"),
  npm("bundle size", "size"),
  npm("unused code and dependencies", "knip"),
  { ...npm("conformance", "conformance"), minutes: 8 },
]);
process.exitCode = ok ? 0 : 1;
