import type { Future } from "corio";

/** @internal Wakes who waits for a future, if it is not done already. */
export function settle(future: Future<void>): void {
  if (!future.done) future.setResult();
}
