import { VirtualLoop as TestLoop } from "@corio/testing";
import { EventLoop, type ExceptionContext, type Main, ManualHost } from "corio";
import { afterEach } from "vitest";
import { hostOf } from "./internals.js";

/** What a loop's reporter was told, or what its exception handler took. */
interface Report {
  readonly kind: "error" | "warn" | "exception";
  readonly message: string;
  /** The exception of an exception handler's context. */
  readonly exception?: unknown;
  /** What an exception handler was given. */
  readonly context?: ExceptionContext;
  /** What a reporter was given besides the message. */
  readonly details?: readonly unknown[];
}

/** A loop on virtual time, and what was reported on it. */
export interface VirtualLoop {
  readonly host: ManualHost;
  readonly loop: EventLoop;
  readonly reports: Report[];
}

export interface VirtualOptions {
  debug?: boolean;
  /** Where the clock stands at first, in milliseconds; default 0. */
  time?: number;
  /** Called with the loop before main starts. */
  prepare?: (virtual: VirtualLoop) => void;
}

/** How a run on virtual time ended. */
export interface VirtualRun<T> extends VirtualLoop {
  /** What main returned. Throws what main threw, so that no failed assertion in main goes unseen. */
  readonly result: Awaited<T>;
  /** What main threw; `undefined` if it returned. */
  readonly throws: unknown;
  /** How long it took, in virtual milliseconds. */
  readonly duration: number;
  /** The messages of the reports. */
  readonly messages: readonly string[];
}

/**
 * A loop whose reports are kept, on a host that the test drives by hand, turn by turn.
 *
 * @param options `turnBudget`: in milliseconds of the virtual clock, which stands still while callbacks run, so that any but 0 is a
 * whole turn
 */
export function virtualLoop(options: { debug?: boolean; time?: number; turnBudget?: number } = {}): VirtualLoop {
  const { debug = false, time, turnBudget } = options;
  const host = new ManualHost(time);
  return reporting(host, new EventLoop({ host, debug, ...(turnBudget !== undefined && { turnBudget }) }));
}

/**
 * Runs main on a loop of `@corio/testing` until it is done, and closes the loop; tasks that are left stay as they are.
 * Synchronous: no promise gets its say. A main that fails fails the test, unless the test looks at `throws` or `result`.
 */
export function runVirtually<T>(main: Main<T>, options: VirtualOptions = {}): VirtualRun<T> {
  const [test, virtual] = begin(options);
  let outcome: Outcome<T>;
  try {
    outcome = { result: test.runUntilComplete(main) };
  } catch (throws) {
    outcome = { throws };
  }
  return ended(test, virtual, options, outcome);
}

/** The same for tests with real promises and timers: the clock moves on when none of them is under way. */
export async function runVirtuallyWithPromises<T>(main: Main<T>, options: VirtualOptions = {}): Promise<VirtualRun<T>> {
  const [test, virtual] = begin(options);
  let outcome: Outcome<T>;
  try {
    outcome = { result: await test.run(main) };
  } catch (throws) {
    outcome = { throws };
  }
  return ended(test, virtual, options, outcome);
}

/** Lets the reactions of promises run, and the host's own events. */
export function drainPromises(): Promise<void> {
  return new Promise((resolve) => void realImmediate(resolve));
}

const realImmediate = setImmediate;

interface Outcome<T> {
  readonly result?: Awaited<T>;
  readonly throws?: unknown;
}

function begin({ debug = false, time, prepare }: VirtualOptions): [TestLoop, VirtualLoop] {
  const test = new TestLoop({ debug, startTime: time });
  const virtual = reporting(hostOf(test.loop), test.loop);
  prepare?.(virtual);
  return [test, virtual];
}

function reporting(host: ManualHost, loop: EventLoop): VirtualLoop {
  const reports: Report[] = [];
  const report =
    (kind: "error" | "warn") =>
    (message: string, ...details: unknown[]): void =>
      void reports.push({ kind, message, details });
  loop.reporter = { error: report("error"), warn: report("warn") };
  loop.exceptionHandler = (_loop, context) =>
    void reports.push({ kind: "exception", message: context.message, exception: context.exception, context });
  return { host, loop, reports };
}

// Runs that failed, while nothing has looked at how they ended.
const unseen = new Map<object, unknown>();

afterEach(() => {
  const [first] = unseen.values();
  unseen.clear();
  if (first !== undefined) throw first;
});

function ended<T>(
  test: TestLoop,
  virtual: VirtualLoop,
  { time = 0 }: VirtualOptions,
  { result, throws }: Outcome<T>,
): VirtualRun<T> {
  const duration = test.time() - time;
  // a run that was given up
  if (virtual.loop.running) test.close();
  virtual.loop.close();
  const run = {
    ...virtual,
    duration,
    get result(): Awaited<T> {
      unseen.delete(run);
      if (throws !== undefined) throw throws;
      return result as Awaited<T>;
    },
    get throws(): unknown {
      unseen.delete(run);
      return throws;
    },
    get messages(): readonly string[] {
      return virtual.reports.map(({ message }) => message);
    },
  };
  if (throws !== undefined) unseen.set(run, throws);
  return run;
}
