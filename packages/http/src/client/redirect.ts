import { isUtf8 } from "node:buffer";
import { RedirectError } from "../errors/client-error.js";
import type { OutgoingHeaders } from "./outgoing-headers.js";

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** What belongs to one origin, and is told to no other. */
const OF_THE_ORIGIN = ["authorization", "cookie", "proxy-authorization", "host"];

/** What describes a body. */
const OF_THE_BODY = ["content-type", "content-length", "content-encoding", "content-language", "content-location"];

/** @internal What a redirect changes. */
export interface Hop {
  method: string;
  url: URL;
  headers: OutgoingHeaders;
  hasBody: boolean;
}

/** @internal Where an answer leads, if it is a redirect. */
export function locationOf(status: number, location: string | string[] | undefined): string | undefined {
  return REDIRECTS.has(status) && location !== undefined ? asUtf8(String(location)) : undefined;
}

// Headers are read as Latin-1; where a server has put UTF-8 into one, that is what it means.
function asUtf8(text: string): string {
  if (!/[\x80-\xff]/.test(text)) return text;
  const bytes = Buffer.from(text, "latin1");
  return isUtf8(bytes) ? bytes.toString("utf8") : text;
}

/**
 * @internal The request that follows a redirect.
 *
 * @throws a RedirectError if it leads to what is no HTTP
 * @see https://fetch.spec.whatwg.org/#http-redirect-fetch
 */
export function redirected({ method, url, headers, hasBody }: Hop, status: number, location: string): Hop {
  if (!URL.canParse(location, url.href)) {
    throw new RedirectError(`redirected to ${JSON.stringify(location)}, which is no URL`, url.href);
  }
  const next = new URL(location, url);
  next.username = next.password = next.hash = "";
  if (next.protocol !== "http:" && next.protocol !== "https:") {
    throw new RedirectError(`redirected to ${next.href}, which is not for HTTP`, url.href);
  }
  const hop: Hop = { method, url: next, headers, hasBody };
  const toGet = (status === 303 && method !== "GET" && method !== "HEAD") || (status < 303 && method === "POST");
  if (toGet) {
    hop.method = "GET";
    hop.hasBody = false;
    hop.headers = without(hop.headers, OF_THE_BODY);
  }
  if (next.origin !== url.origin) hop.headers = without(hop.headers, OF_THE_ORIGIN);
  return hop;
}

function without(headers: OutgoingHeaders, names: readonly string[]): OutgoingHeaders {
  const rest = { ...headers };
  for (const name of names) delete rest[name];
  return rest;
}
