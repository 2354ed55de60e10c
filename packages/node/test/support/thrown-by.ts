import type { Coroutine } from "corio";
import { expect } from "vitest";

/** Awaits something and gives what it throws. */
export function* thrownBy(awaitable: Iterable<unknown>): Coroutine<unknown> {
  try {
    yield* awaitable as Coroutine<unknown>;
  } catch (error) {
    return error;
  }
  throw new Error("it threw nothing");
}

/** An error of corio: its code, and what its message must say. */
export function withCode(code: string, message?: RegExp): Error {
  return expect.objectContaining({
    code: `ERR_CORIO_${code}`,
    ...(message !== undefined && { message: expect.stringMatching(message) }),
  });
}

/** An error of the system. */
export function systemError(code: string): Error {
  return expect.objectContaining({ code });
}
