import { type Coroutine, isCoroutineFunction } from "corio";
import type { LeakOptions } from "../leaks/left-on-loop.js";
import type { Chaos } from "../ready-order/chaos.js";
import { type Settings, TestRun } from "./test-run.js";

/** Options of coroutine tests. */
export interface CoroutineTestOptions extends Chaos {
  /**
   * `"virtual"`, the default: the clock jumps whenever every task waits, as with `VirtualLoop.run`. `"real"`: it is the process's,
   * for tests of what takes real time.
   */
  readonly time?: "virtual" | "real" | undefined;
  /** After how many milliseconds on the test's clock the test is cancelled and fails; default 5,000 in real time, none in virtual time. */
  readonly timeout?: number | undefined;
  /** Real milliseconds after which a test in virtual time is cancelled and fails; default 30,000. */
  readonly realTimeout?: number | undefined;
  /** Whether reports know where tasks and timers were made and where tasks wait; default true. */
  readonly debug?: boolean | undefined;
  /** What the test must not leave behind; default everything, `false` nothing. */
  readonly leaks?: boolean | LeakOptions | undefined;
}

/**
 * Makes of a coroutine function a test for any runner: vitest, node:test, jest, mocha, `bun test`. `@corio/testing/vitest`, `/node-test`
 * and `/jest` have a `test` that needs no wrapping, and fixtures.
 *
 * Each call has a loop of its own, on virtual time unless the options say otherwise. The test fails if the coroutine throws; at
 * once if all tasks wait and nothing can wake them (DeadlockError); if it takes longer than `timeout`; and if it leaves tasks, timers,
 * handles, errors or coroutines behind (LeakError). What is left is cancelled and cleaned up.
 *
 * @param body a `function*`; it gets what the runner passes, such as the rows of `it.each`
 * @param options `time`, `timeout`, `realTimeout`, `debug`, `leaks`, `shuffle`, `lateCancellation`: see {@link CoroutineTestOptions}
 * @returns a function that runs it; its promise rejects if the test fails. It has no parameters, as far as a runner can see
 * @throws a `TypeError` at once for what is no `function*`, and for unknown options
 * @example
 * import { coroutineTest } from "@corio/testing";
 * import { sleep } from "corio";
 * import { it } from "vitest";
 *
 * it("sleeps for a day", coroutineTest(function* () {
 *   yield* sleep(24 * 60 * 60 * 1000);
 * }));
 */
export function coroutineTest<Args extends unknown[]>(
  body: (...args: Args) => Coroutine<unknown>,
  options: CoroutineTestOptions = {},
): (...args: Args) => Promise<void> {
  checkBody(body, "coroutineTest(function* () { … })");
  const settings = settingsOf(options);
  // not `(...args) =>`: vitest reads the list of parameters, and would look for fixtures in it
  return function () {
    const args = arguments as unknown as Args;
    return new TestRun(settings).run(() => body(...args));
  };
}

/** Refuses the body of a test that is no coroutine function. */
export function checkBody(body: unknown, call: string): void {
  if (isCoroutineFunction(body)) return;
  const kind = Object.prototype.toString.call(body);
  let what = typeof body === "function" ? "is a function without a star" : `is ${body === null ? "null" : typeof body}`;
  if (kind === "[object AsyncFunction]") what = "is an async function";
  if (kind === "[object AsyncGeneratorFunction]") what = "is an async function*";
  if (kind === "[object Generator]") what = "is a coroutine already, which could run only once";
  throw Object.assign(
    new TypeError(`the body of this test ${what}: write ${call}, or use the test function of the runner itself`),
    { code: "ERR_CORIO_TEST_BODY" },
  );
}

/** The options with their defaults. */
export function settingsOf(options: CoroutineTestOptions): Settings {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) throw wrong(`there is no option "${name}": the options are ${OPTIONS.join(", ")}`);
  }
  const { time = "virtual", realTimeout = 30_000, debug = true, leaks = true, shuffle, lateCancellation } = options;
  if (time !== "virtual" && time !== "real") throw wrong(`time is "virtual" or "real", not ${String(time)}`);
  const { timeout = time === "real" ? 5_000 : Number.POSITIVE_INFINITY } = options;
  checkMilliseconds("timeout", timeout);
  checkMilliseconds("realTimeout", realTimeout);
  return { time, timeout, realTimeout, debug, leaks: leaksOf(leaks), chaos: { shuffle, lateCancellation } };
}

const OPTIONS = ["time", "timeout", "realTimeout", "debug", "leaks", "shuffle", "lateCancellation"];
const LEAKS = ["tasks", "timers", "errors", "handles"] as const;

function leaksOf(leaks: boolean | LeakOptions): Settings["leaks"] {
  const chosen = typeof leaks === "boolean" ? {} : leaks;
  for (const name of Object.keys(chosen)) {
    if (!LEAKS.some((leak) => leak === name)) {
      throw wrong(`there is no leak check "${name}": there are ${LEAKS.join(", ")}`);
    }
  }
  const { tasks = true, timers = true, errors = true, handles = true } = chosen;
  return leaks === false
    ? { tasks: false, timers: false, errors: false, handles: false }
    : { tasks, timers, errors, handles };
}

function checkMilliseconds(name: string, value: unknown): void {
  if (typeof value !== "number" || !(value > 0))
    throw wrong(`${name} is a number of milliseconds above 0, not ${String(value)}`);
}

function wrong(text: string): TypeError {
  return Object.assign(new TypeError(text), { code: "ERR_CORIO_TEST_OPTION" });
}
