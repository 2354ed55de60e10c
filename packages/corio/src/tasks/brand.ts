import { describe, misuse, typeError } from "../errors/corio-error.js";

/**
 * @internal Marks the futures of every copy of corio that a program may have loaded; the value says which copy.
 * Looked at only where something is refused anyway.
 */
export const BRAND: unique symbol = Symbol.for("corio.future") as never;

/** @internal */
export const thisCopy = (import.meta as unknown as { url: string }).url;

/** @internal Refuses what is no coroutine, and says what to write instead. */
export function notCoroutine(value: unknown, call: string): never {
  throwIfOfAnotherCopy(value);
  const kind = describe(value);
  const remedy =
    kind === "a promise"
      ? "; `until(promise)` makes a future of a promise, and a coroutine function is written function*, not async"
      : typeof value === "function"
        ? "; it takes a `function*`, or what calling one gives"
        : ": write function* main() { … } and give it main or main()";
  throw typeError("NOT_COROUTINE", `${call}: a coroutine was expected, got ${kind}${remedy}`);
}

/** @internal Refuses what cannot be awaited, and says what can. */
export function notAwaitable(value: unknown, call: string): never {
  throwIfOfAnotherCopy(value);
  const hint = typeof value === "function" ? "; call it first" : "";
  throw typeError(
    "NOT_AWAITABLE",
    `${call}: a coroutine, a future or a promise (an awaitable) is required, got ${describe(value)}${hint}`,
  );
}

function throwIfOfAnotherCopy(value: unknown): void {
  const copy = (value as { [BRAND]?: unknown } | undefined | null)?.[BRAND];
  if (copy === undefined || copy === thisCopy) return;
  throw misuse(
    "TWO_COPIES",
    `this future was made by a second copy of corio: ${String(copy)}, while this one is ${thisCopy}. ` +
      "Let both parts of the program resolve to one (npm dedupe, or corio as a peer dependency)",
  );
}
