import type { LoopObserver } from "../scheduling/scheduler.js";
import type { EventLoop } from "../loop/event-loop.js";
import type { Task } from "../tasks/task.js";

/** What explains and watches, as opposed to what does the work. */
export interface Diagnostics {
  /** The text of an error. */
  explain(key: string, details: readonly unknown[]): string;
  /** What debug mode adds to a loop. */
  debugMode(loop: EventLoop): LoopObserver;
  /** Every task with what it waits for. */
  deadlockReport(loop: EventLoop): string;
  /** A value as a report shows it. */
  show(value: unknown): string;
  /** Where a task is, innermost first. */
  stackOf(task: Task<unknown>): string[];
  /** Adds those who wait here to the stack of an error that reaches them from another task. */
  addToStack(error: unknown, waiter: string, above: (...args: never[]) => unknown): void;
}

/**
 * @internal The diagnostics, once they are attached. The package's door attaches them when it is loaded; a bundler leaves them
 * out, as long as the program does not call `attachDiagnostics()`, and then errors have their codes for messages.
 */
export const diagnostics: Partial<Diagnostics> = {};
