/**
 * @internal Which part of a value cannot be cloned, as a reader would look for it: `"arguments[1].onDone is a function"`.
 * `undefined` if it is none.
 *
 * @param clone throws for what cannot be cloned
 */
export function findUncloneable(
  value: unknown,
  path: string,
  clone: (value: unknown) => unknown,
  seen = new Set<unknown>(),
): string | undefined {
  if (seen.has(value) || seen.size > LIMIT) return undefined;
  try {
    clone(value);
    return undefined;
  } catch {
    seen.add(value);
    for (const [key, member] of membersOf(value)) {
      const found = findUncloneable(member, `${path}${key}`, clone, seen);
      if (found !== undefined) return found;
    }
    return `${path} is ${describe(value)}`;
  }
}

// How many values are looked into, at most.
const LIMIT = 10_000;

function membersOf(value: unknown): [key: string, member: unknown][] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.map((member, i) => [`[${i}]`, member]);
  if (value instanceof Map) {
    return [...value].flatMap(([key, member]) => [
      [".keys()", key],
      [`.get(${typeof key === "string" ? JSON.stringify(key) : typeof key})`, member],
    ]);
  }
  if (value instanceof Set) return [...value].map((member) => [".values()", member]);
  const keys = Object.keys(value);
  return keys.map((key) => [
    /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`,
    (value as Record<string, unknown>)[key],
  ]);
}

function describe(value: unknown): string {
  if (typeof value === "function") return `a function${value.name === "" ? "" : ` (${value.name})`}`;
  if (typeof value === "symbol") return "a symbol";
  if (typeof value !== "object" || value === null) return `of type ${typeof value}`;
  if (ArrayBuffer.isView(value) && value.buffer instanceof SharedArrayBuffer) {
    return `${article(value.constructor.name)} in shared memory`;
  }
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    return `${article(value.constructor.name)} that was transferred before`;
  }
  const { constructor } = value as { constructor?: { name?: unknown } };
  const name = typeof constructor?.name === "string" && constructor.name !== "" ? constructor.name : "object";
  return article(name);
}

function article(noun: string): string {
  return `${/^[AEIOU]/i.test(noun) ? "an" : "a"} ${noun}`;
}
