/** In what way a program failed. */
export type FailureKind =
  /** It threw. */
  | "error"
  /** All tasks waited, and nothing was left to wake one. */
  | "deadlock"
  /** It did not end within the number of steps. */
  | "unending"
  /** It left tasks, timers or errors that nobody retrieved. */
  | "leak";

/** How a program failed under one schedule. */
export interface Failure {
  readonly kind: FailureKind;
  readonly error: Error;
}

/** Whether two failures are of one kind, so that one serves as an example of the other. */
export function isAlike(one: Failure, other: Failure): boolean {
  return one.kind === other.kind && classesOf(one.error) === classesOf(other.error);
}

/** What kinds of errors an error consists of; how many of each, and in which order, is up to the schedule. */
function classesOf(error: unknown, above: readonly unknown[] = []): string {
  if (!(error instanceof Error)) return typeof error;
  const { name, code } = error as { name: unknown; code?: unknown };
  // a group may be its own member
  const isGroup = error instanceof AggregateError && !above.includes(error);
  const members = isGroup ? error.errors.map((member) => classesOf(member, [...above, error])) : [];
  return [String(name), typeof code === "string" ? code : "", ...new Set(members.toSorted())].join(" ");
}

/** What was thrown, as an error. */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  return new Error(`${textOf(thrown)} was thrown, which is no Error`, { cause: thrown });
}

function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}
