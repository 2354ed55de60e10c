import {
  BrokenBarrierError,
  CancelledError,
  CorioError,
  DeadlockError,
  IncompleteReadError,
  InvalidStateError,
  isCancelled,
  LimitOverrunError,
  NoRunningLoopError,
  QueueEmpty,
  QueueFull,
  QueueShutDown,
  TimeoutError,
} from "corio";
import { describe, expect, test } from "vitest";

describe("CancelledError", () => {
  test("keeps the reason as it is, and shows it in its message", () => {
    const reason = { why: "object" };
    expect(new CancelledError(reason).reason).toBe(reason);
    expect(new CancelledError("text").message).toBe("text");
    expect(new CancelledError(new Error("of an error")).message).toBe("of an error");
    expect(new CancelledError(null)).toMatchObject({ reason: null, message: "null" });
  });

  test("tells no reason from an empty one", () => {
    expect([new CancelledError().reason, new CancelledError("").reason]).toEqual([undefined, ""]);
  });

  test("takes a reason that has no text", () => {
    expect(new CancelledError(Object.create(null)).message).toMatch(/no text/);
  });

  test("isCancelled tells it from other errors", () => {
    expect(isCancelled(new CancelledError())).toBe(true);
    for (const other of [new TimeoutError(), new Error("CancelledError"), undefined, { name: "CancelledError" }]) {
      expect(isCancelled(other)).toBe(false);
    }
  });
});

describe("every error", () => {
  const errors: [CorioError, string, string][] = [
    [new CancelledError(), "CancelledError", "ERR_CORIO_CANCELLED"],
    [new TimeoutError(), "TimeoutError", "ERR_CORIO_TIMEOUT"],
    [new InvalidStateError(), "InvalidStateError", "ERR_CORIO_INVALID_STATE"],
    [new NoRunningLoopError(), "NoRunningLoopError", "ERR_CORIO_NO_RUNNING_LOOP"],
    [new DeadlockError("stuck"), "DeadlockError", "ERR_CORIO_DEADLOCK"],
    [new BrokenBarrierError(), "BrokenBarrierError", "ERR_CORIO_BROKEN_BARRIER"],
    [new QueueEmpty(), "QueueEmpty", "ERR_CORIO_QUEUE_EMPTY"],
    [new QueueFull(), "QueueFull", "ERR_CORIO_QUEUE_FULL"],
    [new QueueShutDown(), "QueueShutDown", "ERR_CORIO_QUEUE_SHUT_DOWN"],
    [new IncompleteReadError(new Uint8Array(3), 8), "IncompleteReadError", "ERR_CORIO_INCOMPLETE_READ"],
    [new LimitOverrunError("too long", 5), "LimitOverrunError", "ERR_CORIO_LIMIT_OVERRUN"],
  ];

  test.each(errors)("%s is a CorioError with a name and a code", (error, name, code) => {
    expect(error).toBeInstanceOf(CorioError);
    expect(error).toBeInstanceOf(Error);
    expect([error.name, error.code]).toEqual([name, code]);
    expect(error.stack).toContain("errors.test");
  });

  test("keeps the original as its cause", () => {
    const cause = new Error("original");
    expect(new TimeoutError("late", { cause }).cause).toBe(cause);
    expect(new CorioError("ERR_CORIO_X", "x", { cause }).cause).toBe(cause);
  });

  test("says what was read and what was asked for", () => {
    const error = new IncompleteReadError(new Uint8Array([1, 2, 3]), 8);
    expect([error.partial.length, error.expected]).toEqual([3, 8]);
    expect(error.message).toMatch(/3 bytes of 8/);
    expect(new IncompleteReadError(new Uint8Array(), undefined).message).toMatch(/unknown/);
    expect(new LimitOverrunError("too long", 5).consumed).toBe(5);
  });
});
