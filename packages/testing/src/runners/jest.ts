import { CorioError } from "corio";
import { type NoFixtures, type Register, type TestFunction, testFunction } from "./test-function.js";

export type { CoroutineTestOptions } from "./coroutine-test.js";
export type { Declare, NoFixtures, TestFunction } from "./test-function.js";

/** The `test` or `it` that jest, `bun test` and mocha have as a global; each has some of it. */
interface GlobalTest extends Register {
  readonly skip: Register;
  readonly only: Register;
  readonly failing?: Register;
  todo?(name: string): void;
  (name: string): void;
}

const { test: jestTest, it: jestIt } = globalThis as { test?: GlobalTest; it?: GlobalTest };
const found = jestTest ?? jestIt;
if (found === undefined) {
  throw new CorioError(
    "ERR_CORIO_NO_RUNNER",
    "@corio/testing/jest needs the global `test` or `it` of jest, of `bun test` or of mocha, and there is none: import it in a file that " +
      "such a runner runs, with jest's option `injectGlobals` on. For vitest there is @corio/testing/vitest, for node:test @corio/testing/node-test",
  );
}
const runner = found;

/**
 * jest's `test` for tests that are coroutines: `test("name", function* () { … })`. It takes the global, so `bun test` and mocha
 * serve, too. With jest, start node with `--experimental-vm-modules`: corio's packages are ES modules.
 *
 * @example
 * import { test } from "@corio/testing/jest";
 * import { sleep } from "corio";
 *
 * test("sleeps for a day", function* () {
 *   yield* sleep(24 * 60 * 60 * 1000);
 * });
 */
export const test: TestFunction<NoFixtures> = testFunction({
  test: (name, run, timeout) => runner(name, run, timeout),
  skip: (name, run, timeout) => runner.skip(name, run, timeout),
  only: (name, run, timeout) => runner.only(name, run, timeout),
  fails: runner.failing,
  todo: (name) => (runner.todo === undefined ? runner(name) : runner.todo(name)),
});

/** The same as {@link test}. */
export const it = test;
