import { typeError } from "../errors/corio-error.js";
import { requireTask } from "../loop/ensure-future.js";
import type { Reporter } from "../loop/event-loop.js";
import { nameOf } from "../diagnostics/inspect.js";
import { running } from "../scheduling/running.js";
import { Future } from "../tasks/future.js";
import { Task } from "../tasks/task.js";

/** A future, where it is, and who waits for it, who waits for them, and so on. */
export interface CallGraph {
  readonly future: Future<unknown>;
  /** Of a task: where it is, innermost first, as `task.getStack()` says. */
  readonly callStack: readonly string[];
  readonly awaitedBy: readonly CallGraph[];
}

/**
 * Captures who waits for a future or a task.
 *
 * @param future default the current task
 * @param options `limit`: at most so many lines of each stack
 * @throws a `TypeError` for what is no future; a `CorioError` where there is no current task
 * @see https://docs.python.org/3/library/asyncio-graph.html#asyncio.capture_call_graph
 */
export function captureCallGraph(
  future: Future<unknown> = requireTask("captureCallGraph()"),
  options?: { limit?: number },
): CallGraph {
  if (!(future instanceof Future)) {
    throw typeError("CALL_GRAPH", future);
  }
  return capture(future, options, new Set());
}

/** @param path those that led here: in a circle of tasks that wait for each other it ends */
function capture(
  future: Future<unknown>,
  options: { limit?: number } | undefined,
  path: Set<Future<unknown>>,
): CallGraph {
  path.add(future);
  const awaiters = [...future.awaitedBy].filter((awaiter) => !path.has(awaiter));
  const awaitedBy = awaiters.map((awaiter) => capture(awaiter, options, path));
  path.delete(future);
  return { future, callStack: future instanceof Task ? future.getStack(options) : [], awaitedBy };
}

/**
 * The call graph of a future or a task as text.
 *
 * @param future default the current task
 * @returns lines, indented by level; an empty text where there is no current task
 * @see https://docs.python.org/3/library/asyncio-graph.html#asyncio.format_call_graph
 */
export function formatCallGraph(future?: Future<unknown>, options?: { limit?: number }): string {
  if (future === undefined && running.task === undefined) return "";
  return lines(captureCallGraph(future, options), "").join("\n");
}

/**
 * Reports the call graph of a future or a task.
 *
 * @param future default the current task
 * @param options `reporter`: default that of the future's loop
 * @see https://docs.python.org/3/library/asyncio-graph.html#asyncio.print_call_graph
 */
export function printCallGraph(future?: Future<unknown>, options?: { limit?: number; reporter?: Reporter }): void {
  const text = formatCallGraph(future, options);
  const reporter = options?.reporter ?? (future ?? requireTask("printCallGraph()")).loop.reporter;
  reporter.warn(text);
}

function lines(graph: CallGraph, indent: string): string[] {
  const stack = graph.callStack.map((line) => `${indent}    ${line}`);
  const awaiters = graph.awaitedBy.flatMap((awaiter) => lines(awaiter, `${indent}    `));
  return [
    `${indent}* ${nameOf(graph.future)}`,
    ...(stack.length > 0 ? [`${indent}  + Call stack:`, ...stack] : []),
    ...(awaiters.length > 0 ? [`${indent}  + Awaited by:`, ...awaiters] : []),
  ];
}
