import { getSystemErrorMap } from "node:util";

/** What the operating system says about a failed call, in its own words: "no space left on device (ENOSPC)". */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { errno } = error as NodeJS.ErrnoException;
  const [code, words] = (errno === undefined ? undefined : getSystemErrorMap().get(errno)) ?? [];
  return code === undefined ? error.message : `${words} (${code})`;
}
