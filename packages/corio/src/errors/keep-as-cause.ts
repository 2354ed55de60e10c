/** @internal The error that another one replaces stays visible, as Python's `__context__` is. */
export function keepAsCause(error: unknown, replaced: unknown): void {
  if (!(error instanceof Error) || error === replaced || Object.hasOwn(error, "cause") || !Object.isExtensible(error))
    return;
  for (let cause = replaced; cause instanceof Error; cause = cause.cause) if (cause === error) return;
  Object.defineProperty(error, "cause", { value: replaced, configurable: true, writable: true });
}
