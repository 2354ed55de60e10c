import { invalidArgument } from "../errors/invalid-argument.js";

/** The headers of a request: an object, pairs, or the web's `Headers`. `undefined` and `null` leave a default out. */
export type RequestHeaders =
  | Readonly<Record<string, string | number | readonly string[] | null | undefined>>
  | Iterable<readonly [string, string]>
  | Headers;

/** @internal By names in lower case. */
export type OutgoingHeaders = Record<string, string | string[]>;

/** @internal `base` with what is given; a name that is given replaces the one of the base. */
export function mergedHeaders(base: OutgoingHeaders, given: RequestHeaders | undefined): OutgoingHeaders {
  const headers = { ...base };
  if (given === undefined) return headers;
  if (typeof given !== "object" || given === null) {
    throw invalidArgument("HEADERS", `headers takes an object, pairs or Headers, not ${String(given)}`);
  }
  const pairs = Symbol.iterator in given ? given : Object.entries(given);
  const named = new Set<string>();
  for (const [name, value] of pairs) {
    const key = name.toLowerCase();
    if (value === undefined || value === null) {
      delete headers[key];
      continue;
    }
    const text = typeof value === "object" ? [...value] : String(value);
    const before = named.has(key) ? headers[key] : undefined;
    headers[key] = before === undefined ? text : [before, text].flat();
    named.add(key);
  }
  return headers;
}
