import { LeakError } from "@corio/testing";
import { allTasks, type Coroutine, formatTasks, getRunningLoop, sleep } from "corio";
import { heldBy } from "./internals.js";
import { runVirtually, type VirtualOptions, type VirtualRun } from "./virtual-loop.js";

/** Runs main on virtual time, and expects that it succeeds, reports nothing, and leaves no task and no timer. */
export function runCleanly<T>(main: () => Coroutine<T>, options: VirtualOptions = {}): VirtualRun<T> {
  const left: string[] = [];
  const run = runVirtually(function* (): Coroutine<T> {
    const result = yield* main();
    // those of sleeps among them, which `allTimers()` does not list
    const { timers } = heldBy(getRunningLoop());
    if (timers > 0) left.push(`${timers} timers are armed`);
    return result;
  }, options);
  if (run.throws !== undefined) throw run.throws;
  const tasks = formatTasks(allTasks(run.loop));
  if (tasks !== "") left.push(`tasks are pending:\n${tasks}`);
  for (const { message, exception } of run.reports) left.push(`${message}: ${String(exception)}`);
  if (left.length > 0) throw new LeakError("main", left);
  return run;
}

/** Lets everything run that is ready, and what that makes ready, for a few iterations. */
export function* turns(count = 4): Coroutine<void> {
  for (let i = 0; i < count; i++) yield* sleep(0);
}
