import { CorioError, ExceptionGroup, TimeoutError } from "corio";
import type { EncodedError, EncodedThrown } from "./protocol.js";

/** A class of errors that both sides know. */
export type ErrorClass = abstract new (...args: never[]) => Error;

/**
 * @internal What a worker threw. An error gets the first of its classes that is known here by its name: one of `known`, of
 * JavaScript, or of corio.
 *
 * @param where is told in its stack
 */
export function decodeThrown(
  thrown: EncodedThrown,
  where: string,
  known: readonly ErrorClass[],
  seen = new Map<EncodedThrown, unknown>(),
): unknown {
  if ("value" in thrown) return thrown.value;
  if (seen.has(thrown)) return seen.get(thrown);
  const { error: encoded } = thrown;
  const error = emptyError(encoded, known);
  seen.set(thrown, error);
  for (const [key, value] of encoded.properties) {
    define(error, key, { value, enumerable: true });
  }
  if (error.name !== encoded.name) define(error, "name", { value: encoded.name });
  if (encoded.stack !== undefined) {
    // the frames above this line are the worker's, what is added below it is this side's
    define(error, "stack", { value: `${encoded.stack}\n    at <${where}>` });
  }
  if (encoded.cause !== undefined) define(error, "cause", { value: decodeThrown(encoded.cause, where, known, seen) });
  if (encoded.errors !== undefined) {
    define(error, "errors", { value: encoded.errors.map((member) => decodeThrown(member, where, known, seen)) });
  }
  return error;
}

const BUILT_IN: Record<string, ErrorClass> = {
  Error,
  TypeError,
  RangeError,
  SyntaxError,
  ReferenceError,
  EvalError,
  URIError,
  AggregateError,
  // not CancelledError: nothing here was cancelled
  CorioError,
  TimeoutError,
  ExceptionGroup,
};

// Its constructor is not called, which may want anything; its prototype is what makes `instanceof` work.
function emptyError({ classes, name, message }: EncodedError, known: readonly ErrorClass[]): Error {
  if (classes.includes("DOMException")) return new DOMException(message, name);
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    const error = new Error(message);
    for (const className of classes) {
      const found = known.find((candidate) => candidate.name === className) ?? builtIn(className);
      if (found === undefined) continue;
      Object.setPrototypeOf(error, found.prototype as object);
      break;
    }
    return error;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function builtIn(name: string): ErrorClass | undefined {
  return Object.hasOwn(BUILT_IN, name) ? BUILT_IN[name] : undefined;
}

function define(error: Error, key: string, { value, enumerable = false }: PropertyDescriptor): void {
  Object.defineProperty(error, key, { value, enumerable, configurable: true, writable: true });
}
