import { expect, it } from "vitest";
import { formatError } from "../../src/program/format-error.js";

// An error whose stack is one line long.
function make<E extends Error>(error: E): E {
  const head = error.message === "" ? "Error" : `Error: ${error.message}`;
  return Object.assign(error, { stack: `${head}\n    at here (program.ts:1:1)` });
}

it("An error is shown as its stack", () => {
  expect(formatError(make(new Error("boom")))).toBe("Error: boom\n    at here (program.ts:1:1)");
});

it("The name that a class gives its errors heads the stack", () => {
  class OddError extends Error {
    override readonly name = "OddError";
  }
  expect(formatError(new OddError("boom"))).toMatch(/^OddError: boom\n {4}at /);
  expect(formatError(new OddError())).toMatch(/^OddError(: )?\n {4}at /);
});

it("A stack that is missing or that somebody wrote is left as it is", () => {
  expect(formatError(Object.assign(new TypeError("boom"), { stack: undefined }))).toBe("TypeError: boom");
  expect(formatError(Object.assign(new TypeError("boom"), { stack: "my stack" }))).toBe("my stack");
});

it("What an error carries beside its message is shown", () => {
  const error = Object.assign(make(new Error("no file")), { code: "ENOENT", errno: -2 });
  expect(formatError(error)).toBe("Error: no file\n    at here (program.ts:1:1)\n    { code: 'ENOENT', errno: -2 }");
});

it("Causes and members make a tree", () => {
  const group = new AggregateError([make(new Error("one", { cause: make(new Error("deep")) })), "two"], "all of it", {
    cause: make(new Error("first")),
  });
  group.stack = "AggregateError: all of it\n    at here (program.ts:1:1)";
  expect(formatError(group)).toBe(
    [
      "AggregateError: all of it",
      "    at here (program.ts:1:1)",
      "├── cause: Error: first",
      "│       at here (program.ts:1:1)",
      "├── 1: Error: one",
      "│       at here (program.ts:1:1)",
      "│   └── cause: Error: deep",
      "│           at here (program.ts:1:1)",
      "└── 2: thrown: 'two'",
    ].join("\n"),
  );
});

it("Both errors of a SuppressedError are shown", () => {
  const error = Object.assign(make(new Error("both")), {
    name: "SuppressedError",
    error: make(new Error("later")),
    suppressed: make(new Error("earlier")),
  });
  expect(formatError(error)).toMatch(
    /^SuppressedError: both\n[^]*├── error: Error: later\n[^]*└── suppressed: Error: earlier\n/,
  );
});

it("An error that is its own cause is shown once", () => {
  const error = make(new Error("round"));
  error.cause = error;
  expect(formatError(error)).toContain("└── cause: Error: round (the same as above)");
});

it("What is thrown and is no error is shown as a value", () => {
  expect(formatError({ a: 1 })).toBe("thrown: { a: 1 }");
});
