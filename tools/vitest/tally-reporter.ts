import { relative } from "node:path";
import type { Reporter, TestModule } from "vitest/node";

/** An error as vitest hands it on from a worker. */
interface Failure {
  readonly message?: string;
  readonly cause?: unknown;
  /** The file whose tests ran, of an error outside of any test. */
  readonly VITEST_TEST_PATH?: string;
}

/**
 * Ends the output as every suite here does, for scripts/steps.mjs to read: a line `failed: …` for each failure, then
 * `N passed, N failed`.
 */
export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly Failure[]): void {
    let passed = 0;
    // An error outside of any test, or a file that does not load, is a failure too.
    const failures = errors.map((error) => `outside of any test, in ${fileOf(error)}: ${describe(error)}`);
    for (const module of modules) {
      const file = relative(process.cwd(), module.moduleId);
      for (const error of module.errors()) failures.push(`${file}: ${describe(error)}`);
      for (const test of module.children.allTests()) {
        const { state, errors: thrown = [] } = test.result();
        if (state === "passed") passed++;
        else if (state === "failed") failures.push(`${file} > ${test.fullName}: ${thrown.map(describe).join("; ")}`);
      }
    }
    process.once("exit", () => {
      for (const failure of failures) console.log(`failed: ${failure}`);
      console.log(`${passed} passed, ${failures.length} failed`);
    });
  }
}

function fileOf({ VITEST_TEST_PATH: path }: Failure): string {
  return path === undefined ? "no file" : relative(process.cwd(), path);
}

/** The first lines of the messages of an error and of its causes. */
function describe(error: Failure): string {
  const [line = ""] = (error.message ?? String(error)).split("\n");
  return error.cause instanceof Object ? `${line} (cause: ${describe(error.cause)})` : line;
}
