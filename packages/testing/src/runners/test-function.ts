import { type Coroutine, CorioError } from "corio";
import { type CoroutineTestOptions, checkBody, settingsOf } from "./coroutine-test.js";
import { type Extended, type Fixture, type FixtureMakers, fixturesOf, withFixtures } from "./fixtures.js";
import { rowTitle } from "./row-title.js";
import { GRACE, type Settings, TestRun } from "./test-run.js";

/** Declares a test: a name and a `function*`, with options between them if it has any of its own. */
export interface Declare<Args extends unknown[]> {
  (name: string, body: (...args: Args) => Coroutine<unknown>): void;
  (name: string, options: CoroutineTestOptions, body: (...args: Args) => Coroutine<unknown>): void;
}

/**
 * The test function of a runner, for tests that are coroutines. Each runs on a loop of its own; see `coroutineTest` for what
 * makes it fail.
 *
 * @example
 * import { test } from "@corio/testing/vitest";
 * import { contextManager, Queue, sleep, timeout, within } from "corio";
 *
 * const queueTest = test.extend({
 *   queue: contextManager(function* () {
 *     const queue = new Queue<string>();
 *     try {
 *       yield queue;
 *     } finally {
 *       queue.shutdown(true);
 *     }
 *   }),
 * });
 *
 * queueTest("what is put can be got", function* ({ queue }) {
 *   yield* queue.put("text");
 *   yield* within(timeout(1_000), () => queue.get());
 * });
 */
export interface TestFunction<Fixtures> extends Declare<[fixtures: Fixtures]> {
  /** Declares a test that is not run. */
  readonly skip: Declare<[fixtures: Fixtures]>;
  /** Declares a test beside which only others of its kind are run. */
  readonly only: Declare<[fixtures: Fixtures]>;
  /** Declares a test that has to fail. */
  readonly fails: Declare<[fixtures: Fixtures]>;
  /** Notes a test that is to be written. */
  todo(name: string): void;
  /**
   * Declares a test for each row. An array gives its values to the body, each as an argument; the fixtures come last.
   *
   * @param rows values or arrays of values
   * @returns what takes a name and a body; in the name `%s` is a row's next value as text, `%j` as JSON, `%d` as a number, `%#` the
   * number of the row, `$key` a property of a row that is an object
   */
  each<Row extends readonly unknown[] | readonly []>(rows: readonly Row[]): Declare<[...Row, Fixtures]>;
  each<Row>(rows: readonly Row[]): Declare<[row: Row, fixtures: Fixtures]>;
  /** The same with other default options. */
  with(options: CoroutineTestOptions): TestFunction<Fixtures>;
  /**
   * The same with more fixtures: context managers that are entered in order before the body, on the loop of the test, and left in
   * reverse after it, whatever happens. The body gets what they give.
   *
   * @param makers by name, functions that make the managers; they get the fixtures of this test function
   */
  extend<Makers extends FixtureMakers<Fixtures>>(makers: Makers): TestFunction<Extended<Fixtures, Makers>>;
}

/** What a test gets where there are no fixtures. */
export type NoFixtures = object;

/** Declares a test with a runner: its name, what runs it, and after how many milliseconds the runner may give it up. */
export type Register = (name: string, run: () => Promise<void>, timeout: number) => void;

/** The functions of a runner. */
export interface Runner {
  readonly test: Register;
  readonly skip: Register;
  readonly only: Register;
  readonly fails?: Register | undefined;
  todo(name: string): void;
}

/** The test function on a runner. */
export function testFunction(runner: Runner): TestFunction<NoFixtures> {
  return make<NoFixtures>(runner, {}, []);
}

function make<Fixtures>(
  runner: Runner,
  defaults: CoroutineTestOptions,
  fixtures: readonly Fixture[],
): TestFunction<Fixtures> {
  const declaring = <Args extends unknown[]>(register: Register, rows: readonly unknown[] = NO_ROW): Declare<Args> => {
    const spread = rows.every(Array.isArray);
    return (name: string, ...rest: unknown[]) => {
      const body = rest.pop() as (...args: unknown[]) => Coroutine<unknown>;
      const [own = {}] = rest as [CoroutineTestOptions?];
      checkBody(body, `test(${JSON.stringify(name)}, function* () { … })`);
      const settings = settingsOf({ ...defaults, ...own });
      for (const [index, row] of rows.entries()) {
        const title = rows === NO_ROW ? name : rowTitle(name, row, index);
        const values = spread ? (row as unknown[]) : [row];
        const run = (): Promise<void> =>
          new TestRun(settings).run(() =>
            fixtures.length === 0 ? body(...values, {}) : withFixtures(fixtures, (entered) => body(...values, entered)),
          );
        register(title, run, longestOf(settings));
      }
    };
  };
  return Object.assign(declaring<[Fixtures]>(runner.test), {
    skip: declaring<[Fixtures]>(runner.skip),
    only: declaring<[Fixtures]>(runner.only),
    fails: declaring<[Fixtures]>(runner.fails ?? failing(runner.test)),
    todo: (name: string) => runner.todo(name),
    each: <Args extends unknown[]>(rows: readonly unknown[]): Declare<Args> => declaring(runner.test, rows),
    with: (options: CoroutineTestOptions) => make<Fixtures>(runner, { ...defaults, ...options }, fixtures),
    extend: <Makers extends FixtureMakers<Fixtures>>(makers: Makers) =>
      make<Extended<Fixtures, Makers>>(runner, defaults, [...fixtures, ...fixturesOf(makers)]),
  });
}

// a table of one row without values
const NO_ROW: readonly unknown[] = [[]];

// What a runner's timer can take; and what it has to leave for cleanup, whose limits are those of a test run.
const LONGEST = 2 ** 31 - 1;
const FOR_CLEANUP = 3 * GRACE + 5_000;

/** A runner's own time limit must not come before that of the test, which knows what the tasks wait for. */
function longestOf({ time, timeout, realTimeout }: Settings): number {
  return Math.min((time === "real" ? timeout : realTimeout) + FOR_CLEANUP, LONGEST);
}

/** For runners without tests that have to fail. */
function failing(test: Register): Register {
  return (name, run, timeout) => {
    const inverted = async (): Promise<void> => {
      try {
        await run();
      } catch {
        return;
      }
      throw new CorioError("ERR_CORIO_TEST_PASSED", "this test has passed, and it was declared with test.fails");
    };
    test(name, inverted, timeout);
  };
}
