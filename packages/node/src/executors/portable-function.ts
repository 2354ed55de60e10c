import { isCoroutineFunction } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import type { ErrorClass } from "./decode-thrown.js";
import { textDefinition } from "./function-text.js";
import type { Definition } from "./protocol.js";
import { targetOf } from "./worker-function.js";

/** @internal A function as it goes to workers: under its number, with its definition where it is not known yet. */
export interface PortableFunction {
  readonly id: number;
  readonly definition: Definition;
  readonly errors: readonly ErrorClass[];
}

/**
 * @internal What a worker needs in order to run a function.
 *
 * @throws a `TypeError` if none can run it
 */
export function portable(fn: unknown): PortableFunction {
  if (typeof fn !== "function") {
    throw invalidArgument("EXECUTOR_FUNCTION", `an executor runs functions, not ${fn === null ? "null" : typeof fn}`);
  }
  const known = byFunction.get(fn);
  if (known !== undefined) return known;
  if (isCoroutineFunction(fn)) {
    throw invalidArgument(
      "EXECUTOR_FUNCTION",
      `${fn.name || "the function"} is a coroutine function: coroutines run on the loop. Await it with yield*; in a worker use an ` +
        "ordinary or an async function",
    );
  }
  const target = targetOf(fn);
  const made =
    target === undefined ? byTextOf(fn) : { id: nextId++, definition: target.definition, errors: target.errors };
  byFunction.set(fn, made);
  return made;
}

// Looked at for every call (benchmark `to-thread`). A function that is written where it is used is another one each time, with
// the same text.
const byFunction = new WeakMap<object, PortableFunction>();
const byText = new Map<string, PortableFunction>();
const MOST_TEXTS = 1_000;
let nextId = 1;

function byTextOf(fn: object): PortableFunction {
  const text = Function.prototype.toString.call(fn);
  const known = byText.get(text);
  if (known !== undefined) return known;
  const definition = textDefinition(text, (fn as { name?: unknown }).name);
  const made = { id: nextId++, definition, errors: [] };
  if (byText.size >= MOST_TEXTS) byText.clear();
  byText.set(text, made);
  return made;
}
