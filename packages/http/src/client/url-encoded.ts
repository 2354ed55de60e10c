import { invalidArgument } from "../errors/invalid-argument.js";

/** What a field of a query or of a form can be; several of one name are an array. */
export type FieldValue = string | number | bigint | boolean;

/** Fields by their names. One that is `undefined` is left out. */
export type Fields = Readonly<Record<string, FieldValue | readonly FieldValue[] | undefined>> | URLSearchParams;

/**
 * @internal `a=1&b=2`, as HTML forms are encoded: in UTF-8, a space as "+".
 *
 * @param option whose they are, for errors
 * @throws a TypeError for what is no field
 * @see https://url.spec.whatwg.org/#application/x-www-form-urlencoded
 */
export function urlEncoded(fields: Fields, option: "params" | "form"): string {
  if (fields instanceof URLSearchParams) return fields.toString();
  if (typeof fields !== "object" || fields === null || Symbol.iterator in fields) {
    throw notFields(option, `not ${Array.isArray(fields) ? "an array" : typeof fields}`);
  }
  const encoded = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (Array.isArray(value)) for (const one of value) encoded.append(name, textOf(one, name, option));
    else encoded.append(name, textOf(value, name, option));
  }
  return encoded.toString();
}

function textOf(value: unknown, name: string, option: "params" | "form"): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean" || typeof value === "bigint" || Number.isFinite(value)) return String(value);
  const what = value === null || typeof value === "number" ? String(value) : typeof value;
  throw notFields(option, `and ${name} is ${what}`);
}

function notFields(option: string, what: string): TypeError {
  return invalidArgument(
    option.toUpperCase(),
    `${option} takes fields of strings, finite numbers, booleans and arrays of those, as { a: 1, b: ["x", "y"] }, or URLSearchParams, ${what}`,
  );
}
