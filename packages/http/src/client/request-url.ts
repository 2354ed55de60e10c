import { invalidArgument } from "../errors/invalid-argument.js";
import { takeCredentials } from "./auth.js";
import { type Fields, urlEncoded } from "./url-encoded.js";

/** What is added to the query of a URL: fields by their names, or `URLSearchParams`. A field that is `undefined` is left out. */
export type QueryParams = Fields;

/**
 * @internal The URLs of a session's requests.
 *
 * A relative one stands on the base as a link stands on its page (`new URL(url, base)`): on `https://api.example/v1/`, `users` is
 * `/v1/users`, and `/users` is `/users`. Without the slash at the end, `v1` is a file, which `users` takes the place of.
 */
export class RequestUrls {
  /** The credentials that the base had in it, as a header has them. */
  readonly authorization: string | undefined;
  readonly #base: string | undefined;
  readonly #origin: string | undefined;
  // scheme and host of the base: what begins with one slash goes behind it
  readonly #root: string = "";

  /** @throws a TypeError if the base is no URL for HTTP */
  constructor(base?: string | URL) {
    if (base === undefined) return;
    const url = parse(base, undefined, "baseUrl");
    this.authorization = takeCredentials(url);
    if (url.search === "") url.search = ""; // takes away a "?" that nothing follows
    this.#base = url.href;
    this.#origin = url.origin;
    this.#root = url.href.slice(0, url.href.length - (url.pathname + url.search).length);
  }

  /** Whether a URL leads to the origin of the base; without one, every URL does. */
  isOfTheBase(url: URL): boolean {
    return this.#origin === undefined || url.origin === this.#origin;
  }

  /**
   * The URL of a request, without a fragment, which no server is told. It is the caller's.
   *
   * @param params added to its query, as it stands
   * @throws a TypeError if it is no URL for HTTP, or is relative and there is no base
   */
  resolve(url: string | URL, params?: QueryParams): URL {
    const resolved =
      this.#base !== undefined && typeof url === "string" && isPath(url)
        ? parse(this.#root + url, undefined, "url") // half the work of parsing it on the base
        : parse(url, this.#base, "url");
    if (params !== undefined) append(resolved, urlEncoded(params, "params"));
    return resolved;
  }
}

function parse(url: string | URL, base: string | undefined, option: "url" | "baseUrl"): URL {
  if (typeof url !== "string" && !(url instanceof URL)) {
    throw invalidArgument(CODES[option], `${option} is a string or a URL, not ${url === null ? "null" : typeof url}`);
  }
  let parsed: URL;
  try {
    parsed = new URL(typeof url === "string" ? url : url.href, base);
  } catch {
    // not Node's error: it shows the whole input, password included
    throw invalidArgument(
      CODES[option],
      `${option} is not a URL: ${shown(String(url))}${
        option === "url" && base === undefined ? "; a relative one needs a session with a `baseUrl`" : ""
      }`,
    );
  }
  const { protocol } = parsed;
  if (protocol !== "http:" && protocol !== "https:") {
    throw invalidArgument(CODES[option], `${option} begins with http:// or https://, not with ${protocol}`);
  }
  if (parsed.href.includes("#")) parsed.hash = "";
  return parsed;
}

const CODES = { url: "URL", baseUrl: "BASE_URL" } as const;

// "//host" and, as the standard drops tabs and line breaks, "/\t/host" lead to another host.
function isPath(url: string): boolean {
  if (url.charCodeAt(0) !== 0x2f) return false;
  const second = url.charCodeAt(1);
  return second !== 0x2f && second !== 0x5c && !(second <= 0x20);
}

// Not by searchParams, which would encode the whole query anew: a signed one would not be valid any more.
function append(url: URL, query: string): void {
  if (query === "") return;
  const { search } = url;
  url.search = search === "" || search.endsWith("&") ? search + query : `${search}&${query}`;
}

function shown(url: string): string {
  const text = url.replace(/(^|\/\/)[^/?#]*@/, "$1");
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
