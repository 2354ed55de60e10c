import type { EncodedError, EncodedThrown } from "./protocol.js";

/**
 * @internal Makes data of what was thrown. Structured clones of errors lose their classes, properties and causes.
 *
 * @param isBeneath whether a line of a stack is the first one of those beneath the function
 */
export function encodeThrown(
  thrown: unknown,
  isBeneath: (line: string) => boolean,
  seen = new Map<object, EncodedThrown>(),
): EncodedThrown {
  if (!(thrown instanceof Error)) return { value: thrown };
  const known = seen.get(thrown);
  if (known !== undefined) return known;
  const error: EncodedError = {
    classes: classesOf(thrown),
    name: textOf(thrown.name),
    message: textOf(thrown.message),
    stack: typeof thrown.stack === "string" ? upTo(thrown.stack, isBeneath) : undefined,
    properties: [],
  };
  const encoded = { error };
  seen.set(thrown, encoded);
  for (const key of Object.keys(thrown)) {
    if (APART.has(key)) continue;
    try {
      error.properties.push([key, (thrown as unknown as Record<string, unknown>)[key]]);
    } catch {
      // a getter that throws has no value to send
    }
  }
  if (Object.hasOwn(thrown, "cause")) error.cause = encodeThrown(thrown.cause, isBeneath, seen);
  const { errors } = thrown as { errors?: unknown };
  if (Object.hasOwn(thrown, "errors") && Array.isArray(errors)) {
    error.errors = errors.map((member) => encodeThrown(member, isBeneath, seen));
  }
  return encoded;
}

const APART = new Set(["message", "stack", "cause", "errors"]);

/** @internal Leaves out what cannot be sent, and puts its text in its place. */
export function makeSendable(encoded: EncodedThrown, canBeSent: (value: unknown) => boolean): EncodedThrown {
  const seen = new Set<EncodedThrown>();
  const visit = (thrown: EncodedThrown): EncodedThrown => {
    if (seen.has(thrown)) return thrown;
    seen.add(thrown);
    if ("value" in thrown) return canBeSent(thrown.value) ? thrown : { value: textOf(thrown.value) };
    const { error } = thrown;
    for (const property of error.properties) if (!canBeSent(property[1])) property[1] = textOf(property[1]);
    if (error.cause !== undefined) error.cause = visit(error.cause);
    if (error.errors !== undefined) error.errors = error.errors.map(visit);
    return thrown;
  };
  return visit(encoded);
}

function classesOf(error: Error): string[] {
  const classes: string[] = [];
  for (let at: object | null = Object.getPrototypeOf(error); at !== null; at = Object.getPrototypeOf(at)) {
    const { constructor } = at;
    if (at === Object.prototype) break;
    if (typeof constructor === "function" && Object.hasOwn(at, "constructor")) classes.push(constructor.name);
  }
  return classes;
}

function upTo(stack: string, isBeneath: (line: string) => boolean): string {
  const lines = stack.split("\n");
  const end = lines.findIndex(isBeneath);
  return end < 0 ? stack : lines.slice(0, end).join("\n");
}

function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}
