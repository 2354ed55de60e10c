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

const classes = [
  [new CancelledError(), "CancelledError", "ERR_CORIO_CANCELLED"],
  [new TimeoutError(), "TimeoutError", "ERR_CORIO_TIMEOUT"],
  [new InvalidStateError(), "InvalidStateError", "ERR_CORIO_INVALID_STATE"],
  [new NoRunningLoopError(), "NoRunningLoopError", "ERR_CORIO_NO_RUNNING_LOOP"],
  [new DeadlockError("text"), "DeadlockError", "ERR_CORIO_DEADLOCK"],
  [new BrokenBarrierError(), "BrokenBarrierError", "ERR_CORIO_BROKEN_BARRIER"],
  [new QueueEmpty(), "QueueEmpty", undefined],
  [new QueueFull(), "QueueFull", undefined],
  [new QueueShutDown(), "QueueShutDown", undefined],
  [new IncompleteReadError(new Uint8Array(1), 2), "IncompleteReadError", undefined],
  [new LimitOverrunError("text", 1), "LimitOverrunError", undefined],
] as const;

describe("errors of corio", () => {
  test.each(classes)("%s has one root, its name, and a stable code", (error, name, code) => {
    expect(error).toBeInstanceOf(CorioError);
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe(name);
    expect(error.constructor.name).toBe(name);
    expect(error.code).toMatch(/^ERR_CORIO_[A-Z_]+$/);
    if (code !== undefined) expect(error.code).toBe(code);
    expect(String(error.stack)).toContain("corio-error.test.ts");
  });

  test("keep the original as their cause", () => {
    const cause = new Error("original");
    expect(new CorioError("ERR_CORIO_X", "text", { cause }).cause).toBe(cause);
    expect(new TimeoutError("text", { cause }).cause).toBe(cause);
    expect("cause" in new CorioError("ERR_CORIO_X", "text")).toBe(false);
  });

  test("have a text that tells the remedy", () => {
    expect(new NoRunningLoopError().message).toContain("const loop = getRunningLoop()");
    expect(new BrokenBarrierError().message).toContain("barrier.reset()");
    expect(new InvalidStateError().message).not.toBe("");
  });
});

describe("CancelledError", () => {
  test("keeps its reason raw, and has it as its text", () => {
    const error = new Error("the user left");
    const reasons: [unknown, string][] = [
      [undefined, ""],
      ["", ""],
      ["why", "why"],
      [null, "null"],
      [0, "0"],
      [error, "the user left"],
      [Object.create(null), expect.any(String) as string],
      [Symbol("s"), "Symbol(s)"],
    ];
    for (const [reason, text] of reasons) {
      const cancelled = new CancelledError(reason);
      expect(cancelled.reason).toBe(reason);
      expect(cancelled.message).toEqual(text);
    }
  });

  test("is what isCancelled knows, and nothing else is", () => {
    expect(isCancelled(new CancelledError())).toBe(true);
    for (const other of [
      new Error("x"),
      new TimeoutError(),
      new DOMException("x", "AbortError"),
      undefined,
      null,
      "x",
    ]) {
      expect(isCancelled(other)).toBe(false);
    }
  });
});
