/**
 * The root of the errors that corio itself raises while a program runs. What is plainly a mistake in an argument is a
 * `TypeError` or a `RangeError` instead; those carry a `code` too.
 *
 * Every `code` is stable and starts with `ERR_CORIO_`; messages may change between versions.
 */
export class CorioError extends Error {
  override readonly name: string = "CorioError";
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** An argument of the wrong kind: a `TypeError` with a code. The message shows what to write instead. */
export function typeError(code: string, message: string, cause?: unknown): TypeError & { code: string } {
  return Object.assign(new TypeError(message, cause === undefined ? undefined : { cause }), {
    code: `ERR_CORIO_${code}`,
  });
}

/** An argument of the right kind and of an impossible value: a `RangeError` with a code. */
export function rangeError(code: string, message: string): RangeError & { code: string } {
  return Object.assign(new RangeError(message), { code: `ERR_CORIO_${code}` });
}

/** A use that the state of things does not allow. */
export function misuse(code: string, message: string, cause?: unknown): CorioError {
  return new CorioError(`ERR_CORIO_${code}`, message, cause === undefined ? undefined : { cause });
}

/** What a message calls a value: `a promise`, `an array`, `3`. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "function") return `the function ${value.name || "(anonymous)"}`;
  if (typeof value === "object") {
    if (Array.isArray(value)) return "an array";
    if (typeof (value as { then?: unknown }).then === "function") return "a promise";
    const text = (value as object).toString;
    if (typeof text === "function" && text !== Object.prototype.toString) return String(value);
    const name = (value as object).constructor?.name;
    return name && name !== "Object" ? `an object of class ${name}` : "an object";
  }
  return String(value);
}
