import { isProgram, programFrames, untilStep } from "./frames.js";

// V8 has them; where they are missing, errors keep the stack that they were made with.
const V8Error = Error as unknown as {
  captureStackTrace?: (target: object, above: (...args: never[]) => unknown) => void;
  stackTraceLimit: number;
};

const FRAMES = 100;
// Longer chains say nothing new: an error that goes round in circles must not grow for ever.
const LONGEST_TEXT = 10_000;

/**
 * Adds to an error's stack the coroutines that wait at this place, when the error reaches them from another task. The stack of
 * the error itself ends at the task in which it was thrown.
 *
 * @param above the function whose frame and all newer ones are left out
 * @param waiter the name of who waits
 */
export function addToStack(error: unknown, waiter: string, above: (...args: never[]) => unknown): void {
  if (!(error instanceof Error) || V8Error.captureStackTrace === undefined) return;
  // who has set that wants none
  if (V8Error.stackTraceLimit === 0) return;
  try {
    const stack = String(error.stack);
    if (stack.length > LONGEST_TEXT || stack.includes(`    awaited in ${waiter}:`)) return;
    const own = untilStep(stack.split("\n")).filter(isProgram);
    const here: { stack?: string } = {};
    const { stackTraceLimit } = V8Error;
    V8Error.stackTraceLimit = FRAMES;
    V8Error.captureStackTrace(here, above);
    V8Error.stackTraceLimit = stackTraceLimit;
    const frames = programFrames(here.stack);
    if (frames.length === 0) return;
    error.stack = [...own, `    awaited in ${waiter}:`, ...frames.map((frame) => `    ${frame}`)].join("\n");
  } catch {
    // a frozen error keeps its stack as it is
  }
}
