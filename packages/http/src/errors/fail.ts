import type { Future } from "corio";

/** @internal Fails a future whose error concerns nobody but who waits for it: where nobody does any more, it is not reported. */
export function fail(future: Future<unknown>, error: unknown): void {
  if (future.done) return;
  future.setException(error);
  future.exception();
}
