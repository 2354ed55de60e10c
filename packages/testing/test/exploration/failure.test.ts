import { CancelledError, DeadlockError } from "corio";
import { describe, expect, test } from "vitest";
import { asError, type Failure, isAlike } from "../../src/exploration/failure.js";
import { INJECTED, isInjected } from "../../src/exploration/injected-cancellation.js";

describe("asError", () => {
  test("leaves an error as it is", () => {
    const error = new RangeError("far");
    expect(asError(error)).toBe(error);
  });

  test.each([
    ["text", "text"],
    [42, "42"],
    [null, "null"],
    [undefined, "undefined"],
    [Symbol("s"), "Symbol(s)"],
    [10n, "10"],
  ])("says of %s that it is no error, and keeps it as the cause", (thrown, text) => {
    const error = asError(thrown);
    expect(error).toBeInstanceOf(Error);
    expect(error.message).toContain(text);
    expect(error.cause).toBe(thrown);
  });

  test("can take what cannot be made a string", () => {
    const thrown: unknown = Object.create(null);
    expect(asError(thrown).cause).toBe(thrown);
  });
});

describe("isAlike", () => {
  const failure = (kind: Failure["kind"], error: Error): Failure => ({ kind, error });

  test("compares the kind and the name of the error, not its text", () => {
    expect(isAlike(failure("error", new Error("1 of 2")), failure("error", new Error("2 of 2")))).toBe(true);
    expect(isAlike(failure("error", new Error("one")), failure("error", new RangeError("one")))).toBe(false);
    expect(isAlike(failure("leak", new Error("one")), failure("error", new Error("one")))).toBe(false);
    expect(isAlike(failure("deadlock", new DeadlockError("a")), failure("deadlock", new DeadlockError("b")))).toBe(
      true,
    );
  });
});

describe("isInjected", () => {
  test("knows the cancellations that explore made by their reason", () => {
    expect(isInjected(new CancelledError(INJECTED))).toBe(true);
    expect(isInjected(new CancelledError())).toBe(false);
    expect(isInjected(new CancelledError("a cancellation that explore() injected"))).toBe(false);
    expect(isInjected(INJECTED)).toBe(false);
    expect(isInjected(undefined)).toBe(false);
  });

  test("the reason says where it came from", () => {
    expect(String(new CancelledError(INJECTED))).toContain("explore() injected");
  });
});
