import { isCancelled } from "../errors/cancelled-error.js";
import { misuse, typeError } from "../errors/corio-error.js";
import { ExceptionGroup } from "../errors/exception-group.js";
import { timedOutAfter } from "../errors/timeout-error.js";
import { requireTask } from "../loop/ensure-future.js";
import type { Handle } from "../scheduling/handle.js";
import { checkMilliseconds } from "../scheduling/scheduler.js";
import { type Coroutine, NOTHING, settled } from "../tasks/coroutine.js";
import type { Task } from "../tasks/task.js";

/**
 * A time limit for a block: when it is up, the block is cancelled, and `within` throws a TimeoutError.
 *
 * @param ms in milliseconds from when it is entered; 0 and below are up at once; `null` sets no limit yet
 * @throws a `RangeError` at once if `ms` is NaN
 * @example
 * yield* within(timeout(3_000), function* (limit) {
 *   const head = yield* readHead();
 *   limit.reschedule(getRunningLoop().time() + 10_000); // the body may take longer
 *   return yield* readBody(head);
 * });
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.timeout
 */
export function timeout(ms: number | null): Timeout {
  check(ms, "timeout(ms)");
  return new Timeout(ms, null);
}

/**
 * A time limit at a point on the loop's clock.
 *
 * @param when in milliseconds, as `loop.time()` has them; `null` sets no limit yet
 * @throws a `RangeError` at once if `when` is NaN
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.timeout_at
 */
export function timeoutAt(when: number | null): Timeout {
  check(when, "timeoutAt(when)");
  return new Timeout(null, when);
}

function check(ms: number | null, call: string): void {
  if (ms === undefined) throw typeError("MILLISECONDS.null", call, ms);
  if (ms !== null) checkMilliseconds(ms, call);
}

type TimeoutState = "created" | "active" | "expiring" | "expired" | "finished";

/**
 * What {@link timeout} makes: a context manager.
 *
 *   created ──enter──> active ──exit──> finished
 *                        └──(time is up: the task is cancelled)──> expiring ──exit──> expired
 *
 * @see https://docs.python.org/3/library/asyncio-task.html#asyncio.Timeout
 */
export class Timeout {
  #state: TimeoutState = "created";
  readonly #delay: number | null;
  #when: number | null;
  #task: Task<unknown> | undefined;
  #enteredAt = 0;
  // how many requests to cancel the task had when the block began: only what comes on top is ours
  #requests = 0;
  #handle: Handle | undefined;

  /** @internal */
  constructor(delay: number | null, when: number | null) {
    this.#delay = delay;
    this.#when = when;
  }

  /** When the time is up, on the loop's clock, in milliseconds; `null` without a limit, and before it is entered. */
  get when(): number | null {
    return this.#when;
  }

  /** Whether the time was up before the block ended. */
  get expired(): boolean {
    return this.#state === "expiring" || this.#state === "expired";
  }

  /**
   * Sets another limit.
   *
   * @param when on the loop's clock, in milliseconds; `null` for no limit
   * @throws a `CorioError` unless the block is running and its time is not up yet
   */
  reschedule(when: number | null): void {
    check(when, "reschedule(when)");
    if (this.#state !== "active") {
      throw misuse("TIMEOUT_STATE", this.#state);
    }
    this.#when = when;
    this.#handle?.cancel();
    const { loop } = this.#task as Task<unknown>;
    if (when === null) this.#handle = undefined;
    else if (when <= loop._look()) this.#handle = loop.callSoon(this.#timeUp);
    else this.#handle = loop.callAt(when, this.#timeUp);
  }

  /** For `within`. */
  enter(): Coroutine<this> {
    if (this.#state !== "created") throw misuse("TIMEOUT_STATE.entered");
    const task = requireTask("Timeout");
    this.#state = "active";
    this.#task = task;
    this.#requests = task.cancelling;
    this.#enteredAt = task.loop._look();
    this.reschedule(this.#delay === null ? this.#when : this.#enteredAt + this.#delay);
    return settled(this);
  }

  /** For `within`. */
  exit(error?: unknown): Coroutine<void> {
    const task = this.#task;
    if (task === undefined) throw misuse("TIMEOUT_STATE", this.#state);
    this.#handle?.cancel();
    this.#handle = undefined;
    if (this.#state === "active") this.#state = "finished";
    else if (this.#state === "expiring") {
      this.#state = "expired";
      const others = task.uncancel() > this.#requests;
      if (error === undefined) task.loop._observer?.timeoutIgnored(task, this.#length());
      else if (!others) this.#translate(error);
    }
    return NOTHING;
  }

  // Nobody else has requested a cancellation, so a CancelledError is the answer to ours.
  #translate(error: unknown): void {
    if (isCancelled(error)) throw timedOutAfter(this.#length(), error);
    this.#insertBelow(error);
    if (error instanceof ExceptionGroup) for (const member of error.errors) this.#insertBelow(member);
  }

  // An error that cleanup threw instead: the time limit is its cause.
  #insertBelow(error: unknown): void {
    const seen = new Set<unknown>();
    for (let above = error; above instanceof Error && !seen.has(above); above = above.cause) {
      seen.add(above);
      const { cause } = above;
      if (!isCancelled(cause)) continue;
      const value = timedOutAfter(this.#length(), cause);
      Reflect.defineProperty(above, "cause", { value, configurable: true, writable: true }); // a frozen error stays as it is
      return;
    }
  }

  #length(): number {
    return Math.max((this.#when ?? this.#enteredAt) - this.#enteredAt, 0);
  }

  readonly #timeUp = (): void => {
    this.#state = "expiring";
    this.#handle = undefined;
    (this.#task as Task<unknown>).cancel();
  };
}
