import { isProgram, programFrames } from "./frames.js";

// V8 has them; where they are missing, errors keep the stack that they were made with.
const V8Error = Error as unknown as {
  captureStackTrace?: (target: object, above: (...args: never[]) => unknown) => void;
  stackTraceLimit: number;
};

// Longer chains say nothing new: an error that goes round in circles must not grow for ever.
const LONGEST = 100;

/**
 * Adds to an error's stack the coroutines that wait at this place, when the error reaches them from another task. The stack of
 * the error itself ends at the task in which it was thrown.
 *
 * @param above the function whose frame and all newer ones are left out
 * @param waiter the name of who waits
 */
export function addToStack(error: unknown, waiter: string, above: (...args: never[]) => unknown): void {
  if (!(error instanceof Error) || V8Error.captureStackTrace === undefined) return;
  try {
    const here: { stack?: string } = {};
    const { stackTraceLimit } = V8Error;
    V8Error.stackTraceLimit = LONGEST;
    V8Error.captureStackTrace(here, above);
    V8Error.stackTraceLimit = stackTraceLimit;
    const own = String(error.stack).split("\n").filter(isProgram);
    if (own.length > LONGEST || own.includes(`    awaited in ${waiter}:`)) return;
    const frames = programFrames(here.stack);
    if (frames.length === 0) return;
    error.stack = [...own, `    awaited in ${waiter}:`, ...frames.map((frame) => `    ${frame}`)].join("\n");
  } catch {
    // a frozen error keeps its stack as it is
  }
}
