import { CancelledError } from "../errors/cancelled-error.js";
import { typeError } from "../errors/corio-error.js";
import { keepAsCause } from "../errors/keep-as-cause.js";
import { ensureFuture } from "../loop/ensure-future.js";
import { closeCoroutine, type Coroutine, isCoroutine, NOTHING, Settled } from "../tasks/coroutine.js";
import type { Future } from "../tasks/future.js";
import { isThenable } from "../tasks/promise-future.js";
import type { Enterable, Entered, Manager, Swallows } from "./manager.js";

type Body<M extends readonly unknown[], R> = (...values: { -readonly [K in keyof M]: Entered<M[K]> }) => R;
/** What a body comes to: a coroutine and a future are waited for. */
type Outcome<R> = R extends Coroutine<infer T> ? T : R extends Future<infer T> ? T : R;
type Swallowing<M extends readonly unknown[]> = true extends { [K in keyof M]: Swallows<M[K]> }[number]
  ? undefined
  : never;

/**
 * Runs `body` between entering and leaving context managers: Python's `async with`. The managers are entered from left to
 * right and left in reverse, however the body ends: by a result, an error, a cancellation.
 *
 * @param managersAndBody task groups, timeouts, locks, semaphores, conditions, exit stacks, and native `Disposable` and
 * `AsyncDisposable` objects; last the body, which gets the entered values: a `function*` or, cheaper, an arrow to what makes
 * a coroutine
 * @returns a coroutine of what the body returned; `undefined` if a manager swallowed its error
 * @throws what the body threw, unless a manager swallows or replaces it; what is thrown in leaving, with the body's error as
 * its `cause`
 *
 * *If cancelled*, the body gets the cancellation, and the managers are left as for any error.
 * @example
 * yield* within(timeout(1_000), new TaskGroup(), function* (limit, group) {
 *   group.createTask(worker());
 * });
 * yield* within(lock, () => update(item));
 * @see https://docs.python.org/3/reference/compound_stmts.html#async-with
 */
export function within<const M extends readonly [Enterable, ...Enterable[]], R>(
  ...managersAndBody: [...managers: M, body: Body<M, R>]
): Coroutine<Outcome<R> | Swallowing<M>> {
  const count = managersAndBody.length - 1;
  const body = managersAndBody[count] as Body<M, unknown>;
  if (count < 1 || typeof body !== "function") {
    closeCoroutine(body);
    throw typeError("WITHIN", body);
  }
  for (let i = 0; i < count; i++) checkEnterable(managersAndBody[i]);
  const whole =
    count === 1
      ? withinOne(managersAndBody[0] as Enterable, body as (value: unknown) => unknown)
      : withinAll(managersAndBody.slice(0, -1) as Enterable[], [], body as (...values: unknown[]) => unknown);
  return whole as Coroutine<Outcome<R> | Swallowing<M>>;
}

function* withinAll(
  managers: Enterable[],
  values: unknown[],
  body: (...values: unknown[]) => unknown,
): Coroutine<unknown> {
  const [first, ...rest] = managers;
  return yield* withinOne(first as Enterable, (value) =>
    rest.length === 0 ? body(...values, value) : withinAll(rest, [...values, value], body),
  );
}

function* withinOne(manager: Enterable, body: (value: unknown) => unknown): Coroutine<unknown> {
  const entering = enter(manager);
  const value = entering instanceof Settled ? entering.value : isCoroutine(entering) ? yield* entering : entering;
  let left = false;
  try {
    const made = body(value);
    const result = isCoroutine(made) ? yield* made : isThenable(made) ? yield* ensureFuture(made) : made;
    left = true;
    const leaving = exit(manager, undefined);
    if (leaving !== NOTHING && isCoroutine(leaving)) yield* leaving;
    return result;
  } catch (error) {
    if (left) throw error;
    left = true;
    if (!(yield* leaveWith(manager, error))) throw error;
    return undefined;
  } finally {
    // only when the coroutine is closed: generator.return() runs no catch
    if (!left) yield* leaveClosed(manager);
  }
}

/** Leaves a manager whose block was closed: for it that is a cancellation, so that a transaction is not committed. */
function* leaveClosed(manager: Enterable): Coroutine<void> {
  const closing = new CancelledError();
  try {
    yield* leaveWith(manager, closing);
  } catch (error) {
    if (error !== closing) throw error;
  }
}

/** Leaves a manager after an error. Returns whether it swallowed it. */
function* leaveWith(manager: Enterable, error: unknown): Coroutine<boolean> {
  try {
    const leaving = exit(manager, error === undefined ? typeError("THROWN_UNDEFINED.block") : error);
    return (isCoroutine(leaving) ? yield* leaving : leaving) === true;
  } catch (another) {
    keepAsCause(another, error);
    throw another;
  }
}

/** @internal Refuses what can be neither entered nor disposed of. */
export function checkEnterable(manager: unknown): asserts manager is Enterable {
  if (isManager(manager ?? {})) return;
  const disposable = (manager ?? {}) as Partial<Disposable & AsyncDisposable>;
  const disposes = typeof (disposable[Symbol.dispose] ?? disposable[Symbol.asyncDispose]) === "function";
  // newer engines make every generator disposable
  if (disposes && !isCoroutine(manager)) return;
  closeCoroutine(manager);
  throw typeError("MANAGER", manager);
}

// A disposable may happen to have one of the two methods.
function isManager(manager: object): manager is Manager<unknown> {
  const { enter, exit } = manager as Partial<Manager<unknown>>;
  return typeof enter === "function" && typeof exit === "function";
}

/** @internal */
export function enter(manager: Enterable): unknown {
  return isManager(manager) ? manager.enter() : manager;
}

/** @internal */
export function exit(manager: Enterable, error: unknown): unknown {
  if (isManager(manager)) return manager.exit(error);
  if (Symbol.asyncDispose in manager) return disposeAsync(manager);
  manager[Symbol.dispose]();
  return undefined;
}

function* disposeAsync(manager: AsyncDisposable): Coroutine<void> {
  yield* ensureFuture(manager[Symbol.asyncDispose]());
}
