import { misuse, typeError } from "../errors/corio-error.js";

/**
 * @internal Marks the futures of every copy of corio that a program may have loaded; the value says which copy.
 * Looked at only where something is refused anyway.
 */
export const BRAND: unique symbol = Symbol.for("corio.future") as never;

/** @internal */
export const thisCopy = (import.meta as unknown as { url: string }).url;

/** @internal Refuses what is no coroutine, or cannot be awaited, and says what to write instead. */
export function refuse(key: "NOT_COROUTINE" | "NOT_AWAITABLE", call: string, value: unknown): never {
  const copy = (value as { [BRAND]?: unknown } | undefined | null)?.[BRAND];
  throw copy === undefined || copy === thisCopy ? typeError(key, call, value) : misuse("TWO_COPIES", copy, thisCopy);
}
