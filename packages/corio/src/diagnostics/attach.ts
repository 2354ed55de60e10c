import { diagnostics } from "../errors/diagnostics.js";
import { Future } from "../tasks/future.js";
import { addToStack } from "./await-stack.js";
import { DebugMode } from "./debug-mode.js";
import { deadlockReport } from "./deadlock-report.js";
import { describe } from "./describe.js";
import { inspectFuture, nameOf, stateOf } from "./inspect.js";
import { MESSAGES } from "./messages.js";
import { stackOf } from "./task-stack.js";

const texts = MESSAGES as unknown as Record<string, (...details: readonly unknown[]) => string>;

/**
 * Attaches what explains: the texts of errors, debug mode, the list of tasks in a deadlock, stacks across tasks, inspection.
 *
 * Loading the package does so. A bundler drops it, because the package calls all of its modules free of side effects: that
 * keeps what a page has to load small, and errors have their codes for messages. A bundled program that wants the texts calls
 * this function first.
 *
 * @example
 * attachDiagnostics();
 */
export function attachDiagnostics(): void {
  diagnostics.explain = (key, details) => texts[key]?.(...details) ?? key;
  diagnostics.debugMode = (loop) => new DebugMode(loop);
  diagnostics.deadlockReport = deadlockReport;
  diagnostics.show = (value) =>
    value instanceof Future ? `${nameOf(value)} (${stateOf(value, String)})` : describe(value);
  diagnostics.stackOf = stackOf;
  diagnostics.addToStack = addToStack;
  Object.defineProperty(Future.prototype, Symbol.for("nodejs.util.inspect.custom"), {
    value(
      this: Future<unknown>,
      _depth: number,
      options: object,
      inspect: (value: unknown, options: object) => string,
    ) {
      return inspectFuture(this, options, inspect);
    },
    configurable: true,
    writable: true,
  });
}

attachDiagnostics();
