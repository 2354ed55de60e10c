/** Calls a function and gives what it throws; fails if it returns. */
export function thrownBy(call: () => unknown): unknown {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    return error;
  }
  throw new Error(`it threw nothing, and returned ${String(result)}`);
}

/** What a promise is rejected with; fails if it is fulfilled. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  let result: unknown;
  try {
    result = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`it was fulfilled with ${String(result)}`);
}
