import { format } from "node:util";
import { type Coroutine, run } from "corio";
import { vi } from "vitest";

/** Runs a program's main coroutine as `corio run` does, and takes down what it prints and what its loop reports. */
export async function realRun(
  main: () => Coroutine<unknown>,
): Promise<{ output: readonly string[]; reports: readonly string[] }> {
  const output: string[] = [];
  const reports: string[] = [];
  const report = (...args: unknown[]): void => void reports.push(format(...args));
  vi.spyOn(console, "log").mockImplementation((...args) => void output.push(format(...args)));
  vi.spyOn(console, "warn").mockImplementation(report);
  vi.spyOn(console, "error").mockImplementation(report);
  try {
    await run(main);
    return { output, reports };
  } finally {
    vi.restoreAllMocks();
  }
}
