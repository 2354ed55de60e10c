/** What a message calls a value: `a promise`, `an array`, `3`. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "function") return `the function ${value.name || "(anonymous)"}`;
  if (typeof value === "object") {
    if (Array.isArray(value)) return "an array";
    if (typeof (value as { then?: unknown }).then === "function") return "a promise";
    const text = value.toString;
    if (typeof text === "function" && text !== Object.prototype.toString) return String(value);
    const name = value.constructor?.name;
    return name && name !== "Object" ? `an object of class ${name}` : "an object";
  }
  return String(value);
}
