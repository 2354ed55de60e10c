import type { Coroutine } from "../tasks/coroutine.js";
import { typeError } from "./corio-error.js";

// A class of errors to select by, or a test.
type ErrorClass<E> = abstract new (...args: never[]) => E;
type Condition<E> = ErrorClass<E> | ((error: unknown) => boolean);

/**
 * Several errors that happened together, as a task group raises them. Its members may be groups themselves.
 *
 * `split` and `subgroup` select members by class or by a test and keep the nesting; `leaves()` flattens it;
 * {@link exceptGroup} is Python's `except*`.
 *
 * @example
 * try {
 *   yield* within(new TaskGroup(), function* (group) { … });
 * } catch (error) {
 *   yield* exceptGroup(error, TypeError, function* (group) { console.error(group.leaves()); });
 * }
 * @see https://docs.python.org/3/library/exceptions.html#exception-groups
 */
export class ExceptionGroup<E = unknown> extends AggregateError {
  override readonly name: string = "ExceptionGroup";
  readonly code: string = "ERR_CORIO_EXCEPTION_GROUP";
  override readonly errors: E[];

  /**
   * @param message what failed
   * @param errors the members, at least one
   */
  constructor(message: string, errors: Iterable<E>, options?: { cause?: unknown }) {
    const members = [...errors];
    if (members.length === 0) {
      throw typeError("EMPTY_GROUP");
    }
    super(members, message, options);
    this.errors = members;
  }

  /** The group of what matches (or `undefined`) and the group of the rest (or `undefined`). Nesting is kept. */
  split(condition: (error: unknown) => boolean): [ExceptionGroup<E> | undefined, ExceptionGroup<E> | undefined];
  split<F extends E>(condition: ErrorClass<F>): [ExceptionGroup<F> | undefined, ExceptionGroup<E> | undefined];
  split(condition: Condition<unknown>): [ExceptionGroup<E> | undefined, ExceptionGroup<E> | undefined] {
    const matches = test(condition);
    if (matches(this)) return [this, undefined];
    const matching: E[] = [];
    const rest: E[] = [];
    for (const error of this.errors) {
      if (error instanceof ExceptionGroup) {
        const [some, others] = (error as ExceptionGroup).split(matches);
        if (some !== undefined) matching.push(some as E);
        if (others !== undefined) rest.push(others as E);
      } else (matches(error) ? matching : rest).push(error);
    }
    return [this.#derive(matching), this.#derive(rest)];
  }

  /** The group of the members that match, or `undefined` if none does. Nesting is kept. */
  subgroup(condition: (error: unknown) => boolean): ExceptionGroup<E> | undefined;
  subgroup<F extends E>(condition: ErrorClass<F>): ExceptionGroup<F> | undefined;
  subgroup(condition: Condition<unknown>): ExceptionGroup<E> | undefined {
    return this.split(condition as (error: unknown) => boolean)[0];
  }

  /** The errors that are no groups, from all levels, in order. */
  leaves(): unknown[] {
    return this.errors.flatMap((error) => (error instanceof ExceptionGroup ? error.leaves() : [error]));
  }

  #derive(members: E[]): ExceptionGroup<E> | undefined {
    if (members.length === 0) return undefined;
    const group = new ExceptionGroup(
      this.message,
      members,
      this.cause === undefined ? undefined : { cause: this.cause },
    );
    if (this.stack !== undefined) group.stack = this.stack;
    return group;
  }
}

function test(condition: Condition<unknown>): (error: unknown) => boolean {
  if (typeof condition !== "function") {
    throw typeError("GROUP_CONDITION");
  }
  // of a class, the prototype cannot be replaced; of a function it can, unless it has none
  const isClass =
    condition.prototype instanceof Error || Object.getOwnPropertyDescriptor(condition, "prototype")?.writable === false;
  return isClass
    ? (error) => error instanceof (condition as ErrorClass<unknown>)
    : (condition as (error: unknown) => boolean);
}

/**
 * Python's `except*`: hands the members of class `errorClass` to `handler` and throws the rest on. An error that is no
 * group counts as a group of one. What the handler throws joins the rest.
 *
 * @param error what a `catch` caught
 * @param errorClass the class of errors to handle
 * @param handler gets an `ExceptionGroup` of the matching part; may be a `function*`
 * @returns a coroutine of what the handler returned, or of `undefined` if nothing matched and nothing was left to throw
 * @throws the part that did not match
 * @example
 * try {
 *   yield* worker();
 * } catch (error) {
 *   yield* exceptGroup(error, TypeError, (group) => console.error(group.errors.length));
 * }
 */
export function* exceptGroup<E, R = void>(
  error: unknown,
  errorClass: ErrorClass<E>,
  handler: (group: ExceptionGroup<E>) => Coroutine<R> | R,
): Coroutine<R | undefined> {
  const group = error instanceof ExceptionGroup ? (error as ExceptionGroup) : undefined;
  const [matching, rest] =
    group !== undefined
      ? group.split(errorClass as ErrorClass<unknown>)
      : error instanceof errorClass
        ? [new ExceptionGroup<unknown>("", [error]), undefined]
        : [undefined, error];
  if (matching === undefined) throw error;
  let result: R;
  try {
    const handled = handler(matching as ExceptionGroup<E>);
    result = isCoroutine(handled) ? yield* handled : handled;
  } catch (thrown) {
    if (rest === undefined || thrown === error) throw thrown;
    throw new ExceptionGroup("", [thrown, rest]);
  }
  if (rest !== undefined) throw rest;
  return result;
}

function isCoroutine<R>(value: Coroutine<R> | R): value is Coroutine<R> {
  return typeof (value as Coroutine<R> | undefined)?.throw === "function";
}
