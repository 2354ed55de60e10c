import { EventLoop, type ExceptionContext, type Future, type Main, ManualHost } from "corio";
import { afterEach } from "vitest";

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
  /** In milliseconds of the virtual clock, which stands still while callbacks run: any budget is a whole turn. */
  turnBudget?: number;
  /** Whether a deadlock is an error, default true. */
  deadlock?: boolean;
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

/** A loop on virtual time whose reports are kept. */
export function virtualLoop(options: VirtualOptions = {}): VirtualLoop {
  const host = new ManualHost(options.time);
  const { debug = false, turnBudget } = options;
  const loop = new EventLoop({ host, debug, ...(turnBudget !== undefined && { turnBudget }) });
  const reports: Report[] = [];
  const reporting =
    (kind: "error" | "warn") =>
    (message: string, ...details: unknown[]): void =>
      void reports.push({ kind, message, details });
  loop.reporter = { error: reporting("error"), warn: reporting("warn") };
  loop.exceptionHandler = (_loop, context) =>
    void reports.push({ kind: "exception", message: context.message, exception: context.exception, context });
  return { host, loop, reports };
}

/**
 * Runs main on virtual time until it is done, and closes the loop. Synchronous: no promise gets its say. A main that fails
 * fails the test, unless the test looks at `throws` or `result`.
 */
export function runVirtually<T>(main: Main<T>, options: VirtualOptions = {}): VirtualRun<T> {
  const virtual = virtualLoop(options);
  const future = begin(virtual, main, options);
  while (!future.done && virtual.host.step());
  return ended(virtual, future, options);
}

/** The same for tests with real promises, whose reactions run before each step of the host. */
export async function runVirtuallyWithPromises<T>(main: Main<T>, options: VirtualOptions = {}): Promise<VirtualRun<T>> {
  const virtual = virtualLoop(options);
  const future = begin(virtual, main, options);
  const giveUpAt = realNow() + GIVE_UP_AFTER;
  while (!future.done && realNow() < giveUpAt) {
    await drainPromises();
    if (!future.done && !virtual.host.step() && options.deadlock !== false) break;
  }
  return ended(virtual, future, options);
}

/** Lets the reactions of promises run, and the host's own events. */
export function drainPromises(): Promise<void> {
  return new Promise((resolve) => void realImmediate(resolve));
}

/** Milliseconds of real time; less than vitest's limit, so that the error says what is wrong. */
const GIVE_UP_AFTER = 50_000;
const realImmediate = setImmediate;
const realNow = performance.now.bind(performance);

function begin<T>(virtual: VirtualLoop, main: Main<T>, options: VirtualOptions): Future<Awaited<T>> {
  options.prepare?.(virtual);
  const awaitable = typeof main === "function" ? main() : main;
  return virtual.loop.start(awaitable, options.deadlock === undefined ? {} : { deadlock: options.deadlock });
}

// Runs that failed, while nothing has looked at how they ended.
const unseen = new Map<object, unknown>();

afterEach(() => {
  const [first] = unseen.values();
  unseen.clear();
  if (first !== undefined) throw first;
});

function ended<T>(virtual: VirtualLoop, future: Future<Awaited<T>>, { time = 0 }: VirtualOptions): VirtualRun<T> {
  const { loop, host, reports } = virtual;
  if (!future.done) {
    throw new Error(`main is not done at ${host.now()} ms, and the host has nothing left to run`);
  }
  const duration = host.now() - time;
  let result: Awaited<T> | undefined;
  let throws: unknown;
  try {
    result = future.result();
  } catch (error) {
    throws = error;
  }
  loop.close();
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
      return reports.map(({ message }) => message);
    },
  };
  if (throws !== undefined) unseen.set(run, throws);
  return run;
}
