import type { Register, Runner } from "../../src/runners/test-function.js";

/** A test as a runner was told of it. */
export interface Recorded {
  readonly kind: string;
  readonly name: string;
  readonly run: () => Promise<void>;
  readonly timeout: number;
}

/** A runner that runs nothing, but keeps what it is told. */
export function recordingRunner({ fails = true } = {}): Runner & { readonly tests: Recorded[] } {
  const tests: Recorded[] = [];
  const recording =
    (kind: string): Register =>
    (name, run, timeout) =>
      void tests.push({ kind, name, run, timeout });
  return {
    tests,
    test: recording("test"),
    skip: recording("skip"),
    only: recording("only"),
    ...(fails && { fails: recording("fails") }),
    todo: (name) => void tests.push({ kind: "todo", name, run: () => Promise.resolve(), timeout: 0 }),
  };
}
