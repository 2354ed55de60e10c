import { type CancelledError, type Coroutine, exceptGroup, ExceptionGroup, isCancelled } from "corio";
import { expectTypeOf, test } from "vitest";

declare const mixed: ExceptionGroup<TypeError | RangeError>;
declare const anything: ExceptionGroup;

test("its errors are typed", () => {
  expectTypeOf(new ExceptionGroup("g", [new TypeError()]).errors).toEqualTypeOf<TypeError[]>();
  expectTypeOf(anything.errors).toEqualTypeOf<unknown[]>();
  expectTypeOf(anything.leaves()).toEqualTypeOf<unknown[]>();
});

test("split and subgroup narrow by class", () => {
  class Own extends Error {
    own = true;
  }
  const [own, rest] = anything.split(Own);
  expectTypeOf(own).toEqualTypeOf<ExceptionGroup<Own> | undefined>();
  expectTypeOf(rest).toEqualTypeOf<ExceptionGroup | undefined>();
  expectTypeOf(anything.subgroup(Own)).toEqualTypeOf<ExceptionGroup<Own> | undefined>();
});

test("a test keeps the type", () => {
  const [some, rest] = mixed.split((error) => error instanceof Error);
  expectTypeOf(some).toEqualTypeOf<ExceptionGroup<TypeError | RangeError> | undefined>();
  expectTypeOf(rest).toEqualTypeOf<ExceptionGroup<TypeError | RangeError> | undefined>();
  expectTypeOf(mixed.subgroup(() => true)).toEqualTypeOf<ExceptionGroup<TypeError | RangeError> | undefined>();
});

test("exceptGroup hands the handler a group of the class, and gives what it returns", () => {
  class Own extends Error {
    own = true;
  }
  expectTypeOf(
    exceptGroup(new Error() as unknown, Own, (group) => {
      expectTypeOf(group).toEqualTypeOf<ExceptionGroup<Own>>();
      return group.errors.length;
    }),
  ).toEqualTypeOf<Coroutine<number | undefined>>();
  expectTypeOf(
    exceptGroup(new Error(), Own, function* (): Coroutine<string> {
      return "handled";
    }),
  ).toEqualTypeOf<Coroutine<string | undefined>>();
});

test("isCancelled narrows", () => {
  const error: unknown = new Error();
  if (isCancelled(error)) {
    expectTypeOf(error).toEqualTypeOf<CancelledError>();
    expectTypeOf(error.reason).toEqualTypeOf<unknown>();
  }
});
