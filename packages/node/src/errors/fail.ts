import type { Future } from "corio";

/**
 * @internal Fails a future whose error concerns nobody but who waits for it: if that was cancelled in the same turn, or does not
 * wait any more, the error is not reported as one that was never retrieved.
 */
export function fail(future: Future<unknown>, error: unknown): void {
  if (future.done) return;
  future.setException(error);
  future.exception();
}
