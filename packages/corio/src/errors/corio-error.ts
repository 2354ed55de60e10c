import type { MESSAGES } from "../diagnostics/messages.js";
import { diagnostics } from "./diagnostics.js";

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

type Key = keyof typeof MESSAGES;
type Details<K extends Key> = Parameters<(typeof MESSAGES)[K]>;

/** @internal The text of an error; the bare code where nothing explains it. */
export function textOf<K extends Key>(key: K, ...details: Details<K>): string {
  return diagnostics.explain?.(key, details) ?? `${codeOf(key)} (attachDiagnostics() explains it)`;
}

/** @internal A use that the state of things does not allow. */
export function misuse<K extends Key>(key: K, ...details: Details<K>): CorioError {
  return new CorioError(codeOf(key), textOf(key, ...details));
}

/** @internal An argument of the wrong kind: a `TypeError` with a code. */
export function typeError<K extends Key>(key: K, ...details: Details<K>): TypeError & { code: string } {
  return Object.assign(new TypeError(textOf(key, ...details)), { code: codeOf(key) });
}

/** @internal An argument of the right kind and of an impossible value: a `RangeError` with a code. */
export function rangeError<K extends Key>(key: K, ...details: Details<K>): RangeError & { code: string } {
  return Object.assign(new RangeError(textOf(key, ...details)), { code: codeOf(key) });
}

function codeOf(key: Key): string {
  return `ERR_CORIO_${key.split(".")[0]}`;
}
