import { allTasks, type Coroutine, EventLoop, type ExceptionContext, run } from "corio";
import { expect } from "vitest";
import { expectClosed, openHandles } from "./open-handles.js";

/** What the loop was told, where no caller could catch it. */
export interface Report {
  readonly message: string;
  readonly exception: unknown;
  readonly context: ExceptionContext | undefined;
}

/** How a run with real connections may end. */
export interface ConnectedOptions {
  /** What is to be reported, in order; default nothing. */
  reports?: readonly (string | RegExp)[];
  debug?: boolean;
}

/**
 * Runs main on a loop of this process, and expects that it succeeds, that nothing is reported, or just what was announced,
 * and that no socket is left open, those of peers included.
 */
export async function runConnected<T>(
  main: (reports: readonly Report[]) => Coroutine<T>,
  { reports: announced = [], debug = false }: ConnectedOptions = {},
): Promise<Awaited<T>> {
  const before = openHandles();
  const reports: Report[] = [];
  const guard = new AbortController();
  const alarm = setTimeout(() => guard.abort(new Error(`main hangs:\n${waiting(loop)}`)), HANGS_AFTER);
  const loop = reportingLoop(reports, debug);
  let result: Awaited<T>;
  try {
    result = await run(() => main(reports), { loopFactory: () => loop, signal: guard.signal });
  } catch (error) {
    if (reports.length > 0) console.error("reported before main failed:", reports);
    throw error;
  } finally {
    clearTimeout(alarm);
  }
  await expectClosed(before);
  expectReports(reports, announced);
  return result;
}

/** Expects that just so much was reported. */
export function expectReports(reports: readonly Report[], announced: readonly (string | RegExp)[]): void {
  const expected = announced.map((message) =>
    typeof message === "string" ? expect.stringContaining(message) : expect.stringMatching(message),
  );
  const got = reports.map(
    ({ message, exception }) => `${message}${exception === undefined ? "" : `: ${String(exception)}`}`,
  );
  expect(got, "reports").toEqual(expected);
}

/** A loop that notes what it is told. */
export function reportingLoop(reports: Report[], debug = false): EventLoop {
  const loop = new EventLoop({ debug });
  loop.exceptionHandler = (_loop, context) =>
    void reports.push({ message: context.message, exception: context.exception, context });
  const note = (message: string, exception?: unknown): void =>
    void reports.push({ message, exception, context: undefined });
  loop.reporter = { error: note, warn: note };
  return loop;
}

/** Milliseconds; less than vitest's limit, so that the error says what waits. */
const HANGS_AFTER = 30_000;

function waiting(loop: EventLoop): string {
  return [...allTasks(loop)].map((task) => `${task.name}: ${task.getStack().join(" < ")}`).join("\n");
}
