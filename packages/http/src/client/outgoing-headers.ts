import { validateHeaderName, validateHeaderValue } from "node:http";
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
  const named = new Set<string>();
  for (const [name, value] of Symbol.iterator in given ? given : Object.entries(given)) {
    const key = checkedName(name);
    if (value === undefined || value === null) {
      delete headers[key];
      continue;
    }
    const checked = Array.isArray(value) ? value.map((one) => checkedValue(key, one)) : checkedValue(key, value);
    const before = named.has(key) ? headers[key] : undefined;
    headers[key] = before === undefined ? checked : [before, checked].flat();
    named.add(key);
  }
  return headers;
}

/** What says how a message is framed, or what undici does itself. */
const NOT_TO_BE_SET = new Set(["transfer-encoding", "keep-alive", "upgrade", "expect", "proxy-connection"]);

function checkedName(name: unknown): string {
  try {
    validateHeaderName(name as string);
  } catch {
    throw invalidArgument("HEADER", `${JSON.stringify(name) ?? String(name)} cannot be the name of a header`);
  }
  const key = (name as string).toLowerCase();
  if (NOT_TO_BE_SET.has(key)) {
    throw invalidArgument("HEADER", `${key} cannot be set: it is the session's to say how a request is sent`);
  }
  return key;
}

function checkedValue(name: string, value: unknown): string {
  const text = typeof value === "string" || typeof value === "number" ? String(value) : undefined;
  try {
    validateHeaderValue(name, text as string);
  } catch {
    const why = text === undefined ? `not ${typeof value}` : "and this one has a character that no header can have";
    throw invalidArgument("HEADER", `the value of the header ${name} is a string of one line, ${why}`);
  }
  return text as string;
}
