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
const found = jestTest ?? jestIt ?? bunTest();
if (found === undefined) {
  throw new CorioError(
    "ERR_CORIO_NO_RUNNER",
    "@corio/testing/jest needs the global `test` or `it` of jest, of `bun test` or of mocha, and there is none: import it in a file that " +
      "such a runner runs, with jest's option `injectGlobals` on. For vitest there is @corio/testing/vitest, for node:test @corio/testing/node-test",
  );
}
const runner = found;

/** `bun test` has its functions as globals only in the files that it was given. */
function bunTest(): GlobalTest | undefined {
  if (!("Bun" in globalThis)) return undefined;
  try {
    const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);
    return (require("bun:test") as { test: GlobalTest }).test;
  } catch {
    return undefined; // another command of Bun
  }
}

/**
 * jest's `test` for tests that are coroutines: `test("name", function* () { … })`. It takes the global, so mocha serves, too;
 * and `bun test`, which has it elsewhere. With jest, start node with `--experimental-vm-modules`: corio's packages are ES modules.
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

/**
 * The same as {@link test}.
 *
 * @alias
 */
export const it = test;
