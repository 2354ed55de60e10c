import type { Context } from "../context/context.js";
import type { Scheduler } from "./scheduler.js";
import { OUT } from "./timers.js";

/**
 * A callback that a loop is going to call.
 *
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.Handle
 */
export class Handle {
  /** @internal */
  readonly _loop: Scheduler;
  /** @internal `undefined` once it was cancelled: nothing that it refers to is kept alive. */
  _callback: (() => void) | undefined;
  /** @internal */
  readonly _context: Context;

  /** @internal */
  constructor(loop: Scheduler, callback: () => void, context: Context) {
    this._loop = loop;
    this._callback = callback;
    this._context = context;
  }

  /** Calls the callback off. Does nothing if it has run. */
  cancel(): void {
    this._callback = undefined;
  }

  /** Whether it was cancelled. */
  get cancelled(): boolean {
    return this._callback === undefined;
  }

  /** @internal */
  _run(): void {
    const callback = this._callback;
    if (callback === undefined) return;
    try {
      this._context.run(callback);
    } catch (exception) {
      this._loop.callExceptionHandler({
        message: `Exception in callback ${callback.name || "(anonymous)"}`,
        exception,
        handle: this,
      });
    }
  }
}

/**
 * A callback that a loop is going to call at a time.
 *
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.TimerHandle
 */
export class TimerHandle extends Handle {
  /** When it is due, on the loop's clock, in milliseconds. */
  readonly when: number;
  /** @internal */
  _order = OUT;

  /** @internal */
  constructor(loop: Scheduler, when: number, callback: () => void, context: Context) {
    super(loop, callback, context);
    this.when = when;
  }

  /** Where `callLater` or `callAt` was called, a frame such as `at main (file.ts:3:5)`; known in debug mode only. */
  get origin(): string | undefined {
    return this._loop._observer?.originOf(this);
  }

  override cancel(): void {
    this._loop._timers.callOff(this);
    super.cancel();
  }
}
