import { expect } from "vitest";

/** What `toThrow` takes for an error of corio: its code, and what its message must say. */
export function withCode(code: string, message?: string | RegExp): Error {
  return expect.objectContaining({
    code: `ERR_CORIO_${code}`,
    ...(message !== undefined && { message: expect.stringMatching(message) }),
  });
}
