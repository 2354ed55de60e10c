import { invalidArgument } from "../errors/invalid-argument.js";

// Loaded by every worker. In one thread there may be two copies of this package, of which one marks what the other sends.
const KEY = Symbol.for("corio.transferred");
const scope = globalThis as { [KEY]?: WeakMap<object, readonly object[]> };
const marked = (scope[KEY] ??= new WeakMap());

/** @internal What was marked to be transferred. */
export const transferList = {
  mark(value: object, what: readonly object[] | undefined): void {
    if (typeof value !== "object" || value === null) {
      throw invalidArgument("TRANSFER", "transfer(value) takes an object: other values are always copied");
    }
    if (what !== undefined) marked.set(value, what);
    else marked.set(value, [ArrayBuffer.isView(value) ? value.buffer : value]);
  },

  /** Of these values, once; `undefined` if there is nothing. */
  take(values: readonly unknown[]): object[] | undefined {
    let list: object[] | undefined;
    for (const value of values) {
      if (typeof value !== "object" || value === null) continue;
      const what = marked.get(value);
      if (what === undefined) continue;
      marked.delete(value);
      list = list === undefined ? [...what] : [...list, ...what];
    }
    return list;
  },
};
