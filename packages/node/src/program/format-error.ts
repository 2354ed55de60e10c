import { inspect, types } from "node:util";

/**
 * What is printed of an error that ends the program: its stack as it is, which is the chain of coroutines that it passed
 * through, and below it, as an indented tree, its cause and the members of a group, each with the same.
 */
export function formatError(error: unknown): string {
  return formatNode(error, []).join("\n");
}

function formatNode(error: unknown, ancestors: readonly unknown[]): string[] {
  if (!isError(error)) return `thrown: ${inspect(error)}`.split("\n");
  if (ancestors.includes(error)) return [`${error.name}: ${error.message} (the same as above)`];
  const lines = stackOf(error)
    .split("\n")
    .filter((line) => !RESUMPTION.test(line));
  const properties = ownProperties(error);
  if (Object.keys(properties).length > 0)
    lines.push(
      ...inspect(properties)
        .split("\n")
        .map((line) => `    ${line}`),
    );
  const branches = branchesOf(error);
  for (const [index, [label, branch]] of branches.entries()) {
    const isLast = index === branches.length - 1;
    const [first, ...rest] = formatNode(branch, [...ancestors, error]);
    lines.push(
      `${isLast ? "└──" : "├──"} ${label}${first}`,
      ...rest.map((line) => `${isLast ? "   " : "│  "} ${line}`),
    );
  }
  return lines;
}

// Between a coroutine and the one that awaits it, V8 names the method that resumed it.
const RESUMPTION = /^\s+at (?:\S+\.)?(?:next|throw) \(<anonymous>\)$/;

function isError(value: unknown): value is Error {
  return types.isNativeError(value) || value instanceof Error;
}

// V8 writes the head of a stack when the error is constructed, which is before a class's own `name` is in place.
function stackOf(error: Error): string {
  const head = error.message === "" ? error.name : `${error.name}: ${error.message}`;
  const { stack } = error;
  if (stack === undefined || stack === "") return head;
  const ofBaseClass = [error.message === "" ? "Error" : `Error: ${error.message}`]
    .concat(error instanceof AggregateError ? [`AggregateError: ${error.message}`] : [])
    .find((start) => stack.startsWith(start));
  return ofBaseClass === undefined ? stack : head + stack.slice(ofBaseClass.length);
}

const TOLD = new Set(["name", "message", "stack", "cause", "errors", "error", "suppressed"]);

function ownProperties(error: Error): object {
  return Object.fromEntries(Object.entries(error).filter(([name, value]) => !TOLD.has(name) && value !== undefined));
}

function branchesOf(error: Error): [label: string, error: unknown][] {
  const branches: [string, unknown][] = [];
  if (error.cause !== undefined) branches.push(["cause: ", error.cause]);
  const { errors } = error as { errors?: unknown };
  if (Array.isArray(errors))
    branches.push(...errors.map((member, index): [string, unknown] => [`${index + 1}: `, member]));
  if (error.name === "SuppressedError") {
    const { error: thrown, suppressed } = error as { error?: unknown; suppressed?: unknown };
    branches.push(["error: ", thrown], ["suppressed: ", suppressed]);
  }
  return branches;
}
