import { readFileSync } from "node:fs";
import { basename } from "node:path";

/** A `main` that cannot be run. The message shows what to write. */
export class MainError extends Error {
  override readonly name = "MainError";
}

/** A function that the program wants to be run. */
export interface Main {
  readonly make: (args: string[]) => unknown;
  /** Whether it is a main function by its name. A default export with another name must be a coroutine function. */
  readonly isNamed: boolean;
}

/**
 * The program's main function: its export `main`, or its default export.
 *
 * @returns `undefined` if the program has none
 * @throws MainError if there is a `main` that cannot make a coroutine, or one that is neither exported nor used
 */
export function findMain(file: string, namespace: object): Main | undefined {
  const { main: named, default: byDefault } = exportsOf(namespace);
  const main = named ?? (typeof byDefault === "function" ? byDefault : undefined);
  if (main === undefined) {
    if (isMainForgotten(file)) throw new MainError(forgotten(file));
    return undefined;
  }
  if (typeof main !== "function") throw notACoroutine(file, `is ${nameOf(main)}, not a function`);
  const isNamed = main === named || main.name === "main";
  if (isNamed && /^\[object Async(?:Generator)?Function\]$/.test(Object.prototype.toString.call(main))) {
    throw notACoroutine(file, "is an async function");
  }
  return { make: main as Main["make"], isNamed };
}

/** The error for a `main` that returned something else than a coroutine. */
export function notACoroutine(file: string, what: string): MainError {
  return new MainError(
    [
      `the main of ${basename(file)} ${what}. corio runs a generator function. Write:`,
      ...example(file),
      "with `function*` for `async function` and `yield*` for `await`. A promise is awaited by `yield* until(promise)`.",
    ].join("\n"),
  );
}

/** What a value is called in a message. */
export function nameOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (typeof (value as { then?: unknown }).then === "function") return "a promise";
  if (typeof (value as { throw?: unknown }).throw === "function") return "a coroutine";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function forgotten(file: string): string {
  return [`the main of ${basename(file)} is neither exported nor run. Write:`, ...example(file)].join("\n");
}

function example(file: string): string[] {
  const signature = /\.(?:[cm]?ts|tsx)$/.test(file) ? "main(args: string[])" : "main(args)";
  return ["", `    export function* ${signature} {`, "      yield* sleep(1_000);", "    }", ""];
}

// A function main, and no other mention of the name.
function isMainForgotten(file: string): boolean {
  const source = readFileSync(file, "utf8");
  return /^(?:async\s+)?function\s*\*?\s*main\b/m.test(source) && source.match(/\bmain\b/g)?.length === 1;
}

// A module that was compiled to CommonJS has its exports in the default export of its namespace.
function exportsOf(namespace: object): { main?: unknown; default?: unknown } {
  const exported = "default" in namespace ? namespace.default : undefined;
  const isCompiled = typeof exported === "object" && exported !== null && "__esModule" in exported;
  return isCompiled ? (exported as object) : namespace;
}
