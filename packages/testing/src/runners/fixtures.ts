import {
  type Coroutine,
  CorioError,
  type Enterable,
  type Entered,
  isCancelled,
  isCoroutine,
  isCoroutineFunction,
  within,
} from "corio";
import { programStack } from "../frames/program-lines.js";
import { withNote } from "./note.js";

/** Functions that make the context managers of fixtures; each gets the fixtures that were there before `extend`. */
export type FixtureMakers<Fixtures> = { readonly [name: string]: (fixtures: Fixtures) => Enterable };

/** What tests get of such functions: the values that the managers give when they are entered. */
type FixturesOf<Makers> = {
  [Name in keyof Makers]: Makers[Name] extends (fixtures: never) => infer M ? Entered<M> : never;
};

/** A test's fixtures, and those that `extend` adds; one of the same name replaces the earlier one. */
export type Extended<Fixtures, Makers> = {
  [Name in keyof Fixtures | keyof Makers]: Name extends keyof Makers
    ? FixturesOf<Makers>[Name]
    : Name extends keyof Fixtures
      ? Fixtures[Name]
      : never;
};

/** A named function that makes a manager. */
export type Fixture = readonly [name: string, make: (fixtures: never) => Enterable];

/** Takes what was given to `extend`, and refuses what makes no managers. */
export function fixturesOf(makers: FixtureMakers<never>): Fixture[] {
  return Object.entries(makers).map(([name, make]) => {
    if (typeof make !== "function") throw wrongFixture(name, `is ${make === null ? "null" : typeof make}`);
    // it would have to be called to be a manager, and a coroutine is none
    if (isCoroutineFunction(make)) throw wrongFixture(name, "is a bare function*");
    return [name, make];
  });
}

/**
 * Enters the managers in order, runs the body with their values, and leaves them in reverse, however it ends. The test's own error
 * goes first; a manager may put a group of errors in its place that contains it, but none makes a failure disappear.
 */
export function* withFixtures(
  fixtures: readonly Fixture[],
  body: (values: never) => Coroutine<unknown>,
  values: object = {},
): Coroutine<void> {
  const [fixture, ...others] = fixtures;
  if (fixture === undefined) {
    yield* body(values as never);
    return;
  }
  const [name, make] = fixture;
  let failure: { readonly error: unknown } | undefined;
  try {
    yield* within(managerOf(name, make(values as never)), function* (value) {
      try {
        yield* withFixtures(others, body, { ...values, [name]: value });
      } catch (error) {
        failure = { error };
        throw error;
      }
    });
  } catch (error) {
    throw failure === undefined ? error : worse(failure.error, error, name);
  }
  // a cancellation may be one that the manager itself requested
  if (failure !== undefined && !isCancelled(failure.error)) throw failure.error;
}

/** Of what was thrown inside a fixture, and what came out of it. */
function worse(inner: unknown, outer: unknown, name: string): unknown {
  if (outer === inner || isCancelled(inner) || contains(outer, inner)) return outer;
  return withNote(inner, `Leaving the fixture "${name}" failed, too:\n${programStack(outer)}`);
}

/** Whether an error is a group that has another one in it. */
function contains(error: unknown, inner: unknown): boolean {
  return error instanceof AggregateError && error.errors.some((member) => member === inner || contains(member, inner));
}

function managerOf(name: string, made: unknown): Enterable {
  if (isEnterable(made)) return made;
  throw wrongFixture(name, `has made ${isCoroutine(made) ? "a coroutine" : made === null ? "null" : typeof made}`);
}

function isEnterable(made: unknown): made is Enterable {
  if (typeof made !== "object" || made === null || isCoroutine(made)) return false;
  const has = (method: string | symbol): boolean =>
    typeof (made as Record<string | symbol, unknown>)[method] === "function";
  return (has("enter") && has("exit")) || has(Symbol.dispose) || has(Symbol.asyncDispose);
}

function wrongFixture(name: string, what: string): CorioError {
  return new CorioError(
    "ERR_CORIO_FIXTURE",
    `the fixture "${name}" ${what}, and a fixture is a function that makes a context manager: write ` +
      `\`${name}: contextManager(function* () { …; try { yield value } finally { … } })\``,
  );
}
