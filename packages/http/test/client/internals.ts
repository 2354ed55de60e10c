import type { RetryPolicy } from "../../src/index.js";
import * as retryPolicy from "../../src/client/retry-policy.js";

// What tests look at inside. The published types do not have it.

export interface Retries {
  readonly attempts: number;
  readonly maxDelay: number;
}

const withRetries: object = retryPolicy;
export const { delayAfter, retriesOf, retryAfter } = withRetries as {
  delayAfter(attempt: number, retries: Retries, random?: () => number): number;
  retriesOf(given: number | RetryPolicy | undefined): Retries;
  retryAfter(header: string | string[] | undefined, now?: number): number | undefined;
};
