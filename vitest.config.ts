import { defineConfig } from "vitest/config";
import { workspacePackages } from "./tools/vitest/workspace-packages.js";

const built = process.env["CORIO_BUILT"] === "1";

export default defineConfig({
  plugins: [workspacePackages({ built })],
  test: {
    include: ["packages/*/test/**/*.test.ts", "examples/test/**/*.test.ts", "tools/**/*.test.ts"],
    // Forks, because a worker thread cannot be started with --expose-gc.
    pool: "forks",
    execArgv: ["--expose-gc"],
    // No test is about how long it takes: this only ends what hangs, on the slowest of machines too.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", "./tools/vitest/tally-reporter.ts"],
    server: {
      // What was built runs as Node itself loads it.
      deps: { external: [/\/packages\/[^/]+\/dist\//] },
    },
    typecheck: {
      enabled: !built,
      include: ["packages/*/test/**/*.test-d.ts"],
      tsconfig: "tsconfig.test-d.json",
    },
    coverage: {
      include: ["packages/*/src/**"],
      reporter: ["text", "html"],
      thresholds: {
        "packages/corio/src/**": { lines: 95, branches: 90 },
      },
    },
  },
});
