import {
  allTasks,
  allTimers,
  currentTask,
  type EventLoop,
  type ExceptionContext,
  formatTasks,
  type Reporter,
} from "corio";
import { programStack } from "../frames/program-lines.js";

/** What is looked for when a test or an explored program ends. Everything by default. */
export interface LeakOptions {
  /** Tasks that are not done. */
  readonly tasks?: boolean | undefined;
  /** Timers that are armed: of `loop.callLater` and `loop.callAt`. */
  readonly timers?: boolean | undefined;
  /** Errors that nobody retrieved, and coroutines that nobody awaited. */
  readonly errors?: boolean | undefined;
  /**
   * What the process has opened and not closed: sockets, servers, child processes, threads, file watchers, files, timers of
   * `setTimeout` and `setInterval`. Only tests look for it, where the process is Node; not tests that run concurrently.
   */
  readonly handles?: boolean | undefined;
}

/** The tasks and timers that are left on a loop whose main has ended, a text for each. */
export function leftOnLoop(loop: EventLoop, { tasks = true, timers = true }: LeakOptions = {}): string[] {
  const left: string[] = [];
  if (tasks) {
    const current = currentTask(loop);
    const pending = [...allTasks(loop)].filter((task) => task !== current);
    if (pending.length > 0) left.push(`${plural(pending.length, "task")} pending:\n${formatTasks(pending)}`);
  }
  if (timers) {
    for (const timer of allTimers(loop)) {
      const origin = timer.origin === undefined ? "" : `, set ${timer.origin}`;
      left.push(`a timer armed for ${Math.round(timer.when * 1000) / 1000} ms on the loop's clock${origin}`);
    }
  }
  return left;
}

function plural(count: number, noun: string): string {
  return count === 1 ? `1 ${noun} is` : `${count} ${noun}s are`;
}

/** Gathers what a loop reports and no caller can catch. */
export class Reports {
  /** What was lost: errors that nobody retrieved, errors of callbacks, coroutines that nobody awaited. */
  readonly lost: string[] = [];
  /** The first error among them, for its stack. */
  cause: unknown;
  readonly #warn: (message: string, ...details: unknown[]) => void;

  /** @param warn where other reports go, such as debug mode's */
  constructor(warn: (message: string, ...details: unknown[]) => void) {
    this.#warn = warn;
  }

  /** Takes the reports of a loop from now on. */
  attach(loop: EventLoop): void {
    loop.exceptionHandler = (_loop, context) => this.#take(context);
    loop.reporter = this.#reporter;
  }

  readonly #reporter: Reporter = {
    error: (message) => void this.lost.push(message),
    warn: (message, ...details) => {
      if (/^coroutine '.*' was never awaited/.test(message)) this.lost.push(message);
      else this.#warn(message, ...details);
    },
  };

  #take({ message, exception, taskName, origin }: ExceptionContext): void {
    this.cause ??= exception;
    const who = taskName === undefined ? "" : ` of ${taskName}`;
    const where = origin === undefined ? "" : `\ncreated ${origin}`;
    this.lost.push(`${message}${who}${where}\n${programStack(exception)}`);
  }
}
