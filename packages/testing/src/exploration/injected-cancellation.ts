import { CancelledError } from "corio";

/** The reason of a cancellation that the exploration makes. */
export const INJECTED = { toString: () => "a cancellation that explore() injected" };

/** Whether a program ended because of a cancellation that the exploration made: that is no failure of the program. */
export function isInjected(error: unknown): boolean {
  return error instanceof CancelledError && error.reason === INJECTED;
}
