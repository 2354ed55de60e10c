/**
 * Adds to an error what else went wrong. Its message goes first, and so do the frames of its stack: runners show where a test
 * failed by the first of them.
 *
 * @returns the error; for what was thrown and is no error, a new one
 */
export function withNote(error: unknown, note: string): unknown {
  if (!(error instanceof Error)) return withNote(new Error(`the test threw ${String(error)}`, { cause: error }), note);
  const { message, stack } = error;
  Reflect.defineProperty(error, "message", { value: `${message}\n\n${note}`, configurable: true, writable: true });
  if (stack !== undefined) {
    Reflect.defineProperty(error, "stack", { value: `${stack}\n\n${note}`, configurable: true, writable: true });
  }
  return error;
}
