import { invalidArgument } from "../errors/invalid-argument.js";
import { PlatformHeaders } from "./platform.js";

/** What headers are made of: an object, pairs, or `Headers`. */
export type HeadersInput = ConstructorParameters<typeof globalThis.Headers>[0];

/**
 * @internal Headers as they are sent: a name in lower case, its value, the next name, … No name is in it twice, apart from
 * `set-cookie`. Never written to once it is made.
 */
export type HeaderList = readonly string[];

/** @internal */
export const NO_HEADERS: HeaderList = [];

/**
 * @internal Checks headers as the platform's `Headers` does, which takes ten times as long to make.
 *
 * @throws a `TypeError` for a name or a value that cannot be sent
 */
export function headerList(input: HeadersInput | undefined): HeaderList {
  if (input === undefined) return NO_HEADERS;
  if (input instanceof PlatformHeaders) return listOf(input);
  if (typeof input !== "object" || input === null) throw notHeaders(input);
  const list: string[] = [];
  if (Symbol.iterator in input) {
    for (const pair of input as Iterable<unknown>) {
      const [name, value, ...more] = pairOf(pair);
      if (name === undefined || value === undefined || more.length > 0) throw notHeaders(pair);
      append(list, name, value);
    }
  } else {
    const record = input as Readonly<Record<string, unknown>>;
    for (const name of Object.keys(record)) append(list, name, record[name]);
  }
  return list;
}

/**
 * @internal The list of what `Headers` has checked, which lets control characters pass.
 *
 * @throws a `TypeError` for a value that cannot be sent
 */
export function listOf(headers: Headers): HeaderList {
  const list: string[] = [];
  for (const [name, value] of headers) list.push(name, checkedValue(name, value));
  return list;
}

/** @internal */
export function headersOf(list: HeaderList): Headers {
  const headers = new PlatformHeaders();
  for (let i = 0; i < list.length; i += 2) headers.append(list[i] as string, list[i + 1] as string);
  return headers;
}

/** @internal The value of a header, whose name is given in lower case. */
export function valueIn(list: HeaderList, name: string): string | undefined {
  for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1];
  return undefined;
}

// RFC 9110, section 5.6.2 and 5.5
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const SPACE_AROUND = /^[\t\n\r ]|[\t\n\r ]$/;

function append(list: string[], given: unknown, content: unknown): void {
  const name = String(given).toLowerCase();
  if (!TOKEN.test(name)) throw invalidArgument("HEADER", `${JSON.stringify(name)} cannot be the name of a header`);
  const value = checkedValue(name, trimmed(String(content)));
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === name && name !== "set-cookie") {
      list[i + 1] = `${list[i + 1]}, ${value}`;
      return;
    }
  }
  list.push(name, value);
}

function checkedValue(name: string, value: string): string {
  if (!NO_VALUE.test(value)) return value;
  throw invalidArgument("HEADER", `the value of the header ${name} has a character that no header can have`);
}

function trimmed(value: string): string {
  return SPACE_AROUND.test(value) ? value.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "") : value;
}

function pairOf(pair: unknown): unknown[] {
  if (typeof pair === "object" && pair !== null && Symbol.iterator in pair) return [...(pair as Iterable<unknown>)];
  throw notHeaders(pair);
}

function notHeaders(value: unknown): TypeError {
  return invalidArgument(
    "HEADER",
    `headers are { name: value }, pairs of name and value, or Headers, not ${value === null ? "null" : typeof value}`,
  );
}
