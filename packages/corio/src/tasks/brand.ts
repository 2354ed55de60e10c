import { misuse, typeError } from "../errors/corio-error.js";
import { thisCopy } from "../errors/this-copy.js";

/**
 * @internal Marks the futures of every copy of corio that a program may have loaded; the value says which copy.
 * Looked at only where something is refused anyway.
 */
export const BRAND: unique symbol = Symbol.for("corio.future") as never;

/** @internal Refuses what is no coroutine, or cannot be awaited, and says what to write instead. */
export function refuse(key: "NOT_COROUTINE" | "NOT_AWAITABLE", call: string, value: unknown): never {
  throw ofAnotherCopy(value) ?? typeError(key, call, value);
}

/** @internal The error for a future that another copy of corio made. */
export function ofAnotherCopy(value: unknown): Error | undefined {
  const copy = (value as { [BRAND]?: unknown } | undefined | null)?.[BRAND];
  return copy === undefined || copy === thisCopy ? undefined : misuse("TWO_COPIES", String(copy), thisCopy);
}
