/**
 * Holds the thread for a time, as Python's `time.sleep()` does: no task runs meanwhile, no timer fires, no request is
 * answered. Programs that want the loop to go on say `yield* sleep(ms)`.
 */
export function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.max(ms, 0));
}
