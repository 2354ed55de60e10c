import { allTasks, type Coroutine, getRunningLoop, sleep } from "corio";
import { expect } from "vitest";
import { heldBy } from "./internals.js";
import { runVirtually, type VirtualOptions, type VirtualRun } from "./virtual-loop.js";

/** Runs main on virtual time, and expects that it succeeds, reports nothing, and leaves no task and no timer. */
export function runCleanly<T>(main: () => Coroutine<T>, options: VirtualOptions = {}): VirtualRun<T> {
  let timers = -1;
  const run = runVirtually(function* (): Coroutine<T> {
    const result = yield* main();
    timers = heldBy(getRunningLoop()).timers;
    return result;
  }, options);
  if (run.throws !== undefined) throw run.throws;
  expect([...allTasks(run.loop)], "tasks left").toEqual([]);
  expect(timers, "timers left").toBe(0);
  expect(run.reports, "reports").toEqual([]);
  return run;
}

/** Lets everything run that is ready, and what that makes ready, for a few iterations. */
export function* turns(count = 4): Coroutine<void> {
  for (let i = 0; i < count; i++) yield* sleep(0);
}
