import { type Coroutine, exceptGroup, ExceptionGroup, sleep, TaskGroup, within } from "corio";
import { describe, expect, test } from "vitest";
import { failing, thrownBy } from "../support/later.js";
import { runCleanly } from "../support/run-cleanly.js";
import { withCode } from "../support/with-code.js";

const type = new TypeError("type");
const range = new RangeError("range");
const other = new Error("other");

describe("ExceptionGroup", () => {
  test("is an AggregateError with a message, its errors and a code", () => {
    const cause = new Error("cause");
    const group = new ExceptionGroup("several", new Set([type, range]), { cause });
    expect(group).toBeInstanceOf(AggregateError);
    expect(group).toMatchObject({
      name: "ExceptionGroup",
      message: "several",
      code: "ERR_CORIO_EXCEPTION_GROUP",
      cause,
    });
    expect(group.errors).toEqual([type, range]);
  });

  test("has at least one error", () => {
    expect(() => new ExceptionGroup("none", [])).toThrow(withCode("EMPTY_GROUP", /at least one/));
  });

  test("its members need not be Errors", () => {
    expect(new ExceptionGroup("odd", ["a string", undefined]).errors).toEqual(["a string", undefined]);
  });

  test("leaves gives the errors of all levels, in order", () => {
    const nested = new ExceptionGroup("outer", [type, new ExceptionGroup("inner", [range, other]), type]);
    expect(nested.leaves()).toEqual([type, range, other, type]);
  });

  describe("split", () => {
    test("parts by class", () => {
      const [types, rest] = new ExceptionGroup<Error>("g", [type, range, other]).split(TypeError);
      expect(types?.errors).toEqual([type]);
      expect(rest?.errors).toEqual([range, other]);
    });

    test("parts by a test", () => {
      const [some, rest] = new ExceptionGroup("g", [1, 2, 3]).split((error) => (error as number) > 1);
      expect([some?.errors, rest?.errors]).toEqual([[2, 3], [1]]);
    });

    test("has undefined for an empty part", () => {
      const group = new ExceptionGroup<Error>("g", [range]);
      expect(group.split(TypeError)[0]).toBeUndefined();
      expect(group.split(RangeError)[1]).toBeUndefined();
    });

    test("keeps nesting, message, cause and stack, and leaves the group as it is", () => {
      const cause = new Error("cause");
      const inner = new ExceptionGroup<Error>("inner", [type, range]);
      const group = new ExceptionGroup<Error>("outer", [inner, other], { cause });
      const [types, rest] = group.split(TypeError);
      expect(types).toMatchObject({ message: "outer", cause, stack: group.stack });
      expect(types?.errors).toMatchObject([{ message: "inner", errors: [type] }]);
      expect(rest?.errors).toMatchObject([{ message: "inner", errors: [range] }, other]);
      expect(group.errors).toEqual([inner, other]);
    });

    test("a class of groups takes the group whole", () => {
      const group = new ExceptionGroup<Error>("g", [type]);
      expect(group.split(Error)).toEqual([group, undefined]);
      expect(group.split(ExceptionGroup)[0] === group).toBe(true);
    });

    test("a class that is no Error's is a class all the same", () => {
      class Problem {
        readonly code = 1;
      }
      const problem = new Problem();
      const [problems, rest] = new ExceptionGroup<unknown>("g", [problem, type]).split(Problem);
      expect([problems?.errors, rest?.errors]).toEqual([[problem], [type]]);
    });

    test("an arrow and a function serve as tests", () => {
      function named(error: unknown): boolean {
        return error === type;
      }
      const group = new ExceptionGroup<unknown>("g", [type, other]);
      expect(group.subgroup((error) => error === type)?.errors).toEqual([type]);
      expect(group.subgroup(named)?.errors).toEqual([type]);
    });

    test("what is no class and no function is refused", () => {
      expect(() => new ExceptionGroup("g", [type]).split("TypeError" as never)).toThrow(withCode("GROUP_CONDITION"));
    });
  });

  test("subgroup gives the matching part, or undefined", () => {
    const group = new ExceptionGroup<Error>("g", [new ExceptionGroup("inner", [type]), other]);
    expect(group.subgroup(TypeError)?.leaves()).toEqual([type]);
    expect(group.subgroup(RangeError)).toBeUndefined();
  });
});

describe("exceptGroup", () => {
  test("hands the matching part to the handler, and throws the rest", () => {
    runCleanly(function* () {
      const handled: unknown[] = [];
      const group = new ExceptionGroup<unknown>("g", [type, range]);
      const rest = yield* thrownBy(exceptGroup(group, TypeError, (part) => void handled.push(...part.errors)));
      expect(handled).toEqual([type]);
      expect(rest).toMatchObject({ message: "g", errors: [range] });
    });
  });

  test("gives what the handler returned if nothing is left", () => {
    runCleanly(function* () {
      const group = new ExceptionGroup<unknown>("g", [type]);
      expect(yield* exceptGroup(group, TypeError, () => "handled")).toBe("handled");
    });
  });

  test("the handler may wait", () => {
    const { duration } = runCleanly(function* () {
      const result = yield* exceptGroup(
        new ExceptionGroup("g", [type]),
        TypeError,
        function* (group): Coroutine<number> {
          yield* sleep(5);
          return group.errors.length;
        },
      );
      expect(result).toBe(1);
    });
    expect(duration).toBe(5);
  });

  test("throws what does not match as it is", () => {
    runCleanly(function* () {
      const group = new ExceptionGroup("g", [range]);
      expect(yield* thrownBy(exceptGroup(group, TypeError, () => {}))).toBe(group);
      expect(yield* thrownBy(exceptGroup(range, TypeError, () => {}))).toBe(range);
    });
  });

  test("an error that is no group is handled as a group of one", () => {
    runCleanly(function* () {
      const handled: unknown[] = [];
      yield* exceptGroup(
        type,
        TypeError,
        (group) => void handled.push(group instanceof ExceptionGroup, ...group.errors),
      );
      expect(handled).toEqual([true, type]);
    });
  });

  test("what the handler throws joins the rest", () => {
    runCleanly(function* () {
      const group = new ExceptionGroup<unknown>("g", [type, range]);
      const thrown = yield* thrownBy(
        exceptGroup(group, TypeError, () => {
          throw other;
        }),
      );
      expect(thrown).toMatchObject({ name: "ExceptionGroup", errors: [other, { message: "g", errors: [range] }] });
    });
  });

  test("what the handler throws stands alone where there is no rest", () => {
    runCleanly(function* () {
      expect(yield* thrownBy(exceptGroup(type, TypeError, () => failing(1, other)))).toBe(other);
    });
  });

  test("several in a row take a task group's errors apart", () => {
    runCleanly(function* () {
      const log: string[] = [];
      try {
        yield* within(new TaskGroup(), function* (group) {
          group.createTask(failing(1, type));
          group.createTask(failing(1, range));
        });
      } catch (error) {
        yield* handleBoth(error, log);
      }
      expect(log).toEqual(["types: 1", "ranges: 1"]);
    });
  });
});

function* handleBoth(error: unknown, log: string[]): Coroutine<void> {
  try {
    yield* exceptGroup(error, TypeError, (types) => void log.push(`types: ${types.errors.length}`));
  } catch (rest) {
    yield* exceptGroup(rest, RangeError, (ranges) => void log.push(`ranges: ${ranges.errors.length}`));
  }
}
