import { test as nodeTest } from "node:test";
import { type NoFixtures, type TestFunction, testFunction } from "./test-function.js";

export type { CoroutineTestOptions } from "./coroutine-test.js";
export type { Declare, NoFixtures, TestFunction } from "./test-function.js";

/**
 * The `test` of node:test for tests that are coroutines: `test("name", function* () { … })`. For `test.only`, start node with
 * `--test-only`.
 *
 * @example
 * import { test } from "@corio/testing/node-test";
 * import { sleep } from "corio";
 *
 * test("sleeps for a day", function* () {
 *   yield* sleep(24 * 60 * 60 * 1000);
 * });
 */
export const test: TestFunction<NoFixtures> = testFunction({
  // node:test has no time limit unless it is told; a function without parameters gets no callback
  test: (name, run) => void nodeTest(name, () => run()),
  skip: (name, run) => void nodeTest.skip(name, () => run()),
  only: (name, run) => void nodeTest.only(name, () => run()),
  todo: (name) => void nodeTest.todo(name),
});

/**
 * The same as {@link test}.
 *
 * @alias
 */
export const it = test;
