import { getRunningLoop, running } from "../scheduling/running.js";
import { checkMilliseconds } from "../scheduling/scheduler.js";
import { OUT, type Timer } from "../scheduling/timers.js";
import { awaitedTwice, type Coroutine, type Resumable, turn } from "../tasks/coroutine.js";
import { DONE, Future, PENDING } from "../tasks/future.js";

/**
 * Waits for a time; other tasks run meanwhile. `sleep(0)` only lets the others have their turn.
 *
 * @param ms in milliseconds; 0 and below give the others a turn, `Infinity` never ends
 * @param result what the coroutine returns; default `undefined`
 * @throws a `RangeError` at once if `ms` is NaN
 *
 * *If cancelled*, its timer goes at once.
 * @example
 * yield* sleep(1_000);
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.sleep
 */
export function sleep(ms: number): Coroutine<void>;
export function sleep<T>(ms: number, result: T): Coroutine<T>;
export function sleep<T>(ms: number, result?: T): Coroutine<T | undefined> {
  checkMilliseconds(ms, "sleep(ms)");
  return new Sleep(ms, result) as unknown as Coroutine<T | undefined>;
}

const NEW = 0;
const WAITING = 1;
const OVER = 2;

class Sleep<T> implements Resumable {
  private readonly _ms: number;
  private readonly _result: T;
  private _timer: SleepTimer | undefined = undefined;
  private _state = NEW;

  constructor(ms: number, result: T) {
    this._ms = ms;
    this._result = result;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<unknown, T> {
    if (this._state === WAITING) {
      this._state = OVER;
      this._timer?.next(undefined);
      return { done: true, value: this._result };
    }
    if (this._state === OVER) throw awaitedTwice("sleep");
    this._state = WAITING;
    if (this._ms <= 0) {
      const { task } = running;
      if (task !== undefined) task.loop._observer?.waits(task);
      turn.asked = true;
      return { done: false, value: undefined };
    }
    const loop = getRunningLoop();
    this._timer = new SleepTimer({ loop });
    loop._addTimer(loop._look() + this._ms, this._timer);
    return this._timer.next(undefined) as IteratorResult<unknown, never>;
  }

  throw(error: unknown): never {
    this._state = OVER;
    this._timer?.cancel();
    throw error;
  }

  return(value?: unknown): IteratorResult<unknown, T> {
    this._state = OVER;
    this._timer?.cancel();
    return { done: true, value: value as T };
  }
}

/** What a sleep waits for: a future that is itself the entry among the timers. */
class SleepTimer extends Future<void> implements Timer {
  /** @internal */
  _order = OUT;

  _run(): void {
    if (this._state === PENDING) this._settle(DONE, undefined);
  }

  override cancel(reason?: unknown): boolean {
    if (!super.cancel(reason)) return false;
    this.loop._timers.callOff(this);
    return true;
  }
}
