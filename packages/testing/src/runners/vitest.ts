import { test as vitest } from "vitest";
import { type NoFixtures, type TestFunction, testFunction } from "./test-function.js";

export type { CoroutineTestOptions } from "./coroutine-test.js";
export type { Declare, NoFixtures, TestFunction } from "./test-function.js";

/**
 * vitest's `test` for tests that are coroutines: `test("name", function* () { … })`.
 *
 * @example
 * import { test } from "@corio/testing/vitest";
 * import { sleep } from "corio";
 *
 * test("sleeps for a day", function* () {
 *   yield* sleep(24 * 60 * 60 * 1000);
 * });
 */
export const test: TestFunction<NoFixtures> = testFunction({
  test: vitest,
  skip: vitest.skip,
  only: vitest.only,
  fails: vitest.fails,
  todo: vitest.todo,
});

/**
 * The same as {@link test}.
 *
 * @alias
 */
export const it = test;
