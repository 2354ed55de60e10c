import { contextFor } from "../context/context.js";
import { Handle, type TimerHandle } from "../scheduling/handle.js";
import type { Ready } from "../scheduling/ready-queue.js";
import type { LoopObserver } from "../scheduling/scheduler.js";
import { OUT, type Timer } from "../scheduling/timers.js";
import type { EventLoop } from "../loop/event-loop.js";
import type { Future } from "../tasks/future.js";
import { Task } from "../tasks/task.js";
import { describeReady } from "./describe-ready.js";
import { describeWait } from "./describe-wait.js";
import { programFrames } from "./frames.js";

interface Trace {
  readonly stack?: string;
}

/**
 * @internal What debug mode adds to a loop: callbacks that hold it for long are named; tasks and timer handles know where they were
 * made, and tasks where they wait; cancellations that were swallowed, or that take long, and timeouts without effect are told.
 */
export class DebugMode implements LoopObserver {
  readonly #loop: EventLoop;
  readonly #origins = new WeakMap<object, Trace>();
  readonly #places = new WeakMap<Future<unknown>, Trace>();
  readonly #cancelled = new Map<Task<unknown>, Timer>();

  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  run(entry: Ready): void {
    const start = this.#loop.time();
    entry._run();
    const duration = this.#loop.time() - start;
    if (duration < this.#loop.slowCallbackDuration) return;
    this.#loop.reporter.warn(
      `Executing ${this.#name(entry)} took ${duration.toFixed(1)} ms: the loop could do nothing else`,
    );
  }

  taskMade(task: Task<unknown>): void {
    this.#origins.set(task, trace(DebugMode.prototype.taskMade));
  }

  timerMade(handle: TimerHandle): void {
    this.#origins.set(handle, trace(DebugMode.prototype.timerMade));
  }

  waits(task: Task<unknown>): void {
    this.#places.set(task, trace(DebugMode.prototype.waits));
  }

  cancelRequested(task: Task<unknown>): void {
    if (this.#cancelled.has(task) || this.#loop.closed) return;
    const loop = this.#loop;
    const ms = loop.slowCancellationDuration;
    const report = (): void => {
      const where = loop.running ? task.getStack().map((line) => `\n    ${line}`) : [];
      loop.reporter.warn(
        `${this.#name(task)} still runs ${ms} ms after it was cancelled; it ${describeWait(task)}${where.join("")}`,
      );
    };
    const handle = new Handle(loop, report, contextFor(undefined));
    // not `callLater`: it is none of the program's timers, which `allTimers()` lists
    const timer: Timer = { _order: OUT, _run: () => handle._run() };
    loop._addTimer(loop._look() + ms, timer);
    this.#cancelled.set(task, timer);
  }

  taskEnds(task: Task<unknown>, normally: boolean): void {
    this.#places.delete(task);
    const timer = this.#cancelled.get(task);
    if (timer !== undefined) this.#loop._timers.callOff(timer);
    this.#cancelled.delete(task);
    if (!normally || task.cancelling === 0) return;
    this.#loop.reporter.warn(
      `${this.#name(task)} was cancelled and ended normally: a catch swallowed the CancelledError. ` +
        "Write `if (isCancelled(error)) throw error` in it",
    );
  }

  timeoutIgnored(task: Task<unknown>, ms: number): void {
    this.#loop.reporter.warn(
      `a timeout of ${ms} ms expired in ${this.#name(task)}, and its body ended normally all the same: ` +
        "a catch swallowed the CancelledError",
    );
  }

  originOf(made: Future<unknown> | TimerHandle): string | undefined {
    return programFrames(this.#origins.get(made)?.stack)[0];
  }

  placeOf(task: Task<unknown>): string[] | undefined {
    const place = this.#places.get(task);
    return place && programFrames(place.stack);
  }

  #name(entry: Ready): string {
    const origin = entry instanceof Task ? this.originOf(entry) : undefined;
    return `${describeReady(entry)}${origin === undefined ? "" : ` (created ${origin})`}`;
  }
}

/** The stack from here; the engine writes it out only if it is asked for. */
function trace(above: (...args: never[]) => unknown): Trace {
  const { captureStackTrace } = Error as unknown as { captureStackTrace?: (target: object, above: unknown) => void };
  if (captureStackTrace === undefined) return new Error();
  const target: Trace = {};
  captureStackTrace(target, above);
  return target;
}
