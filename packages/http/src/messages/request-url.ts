/**
 * @internal The URL that a request is for, from the host and the target that it names; as the web has it: normalised, and without
 * the fragment that no client is to send.
 *
 * @param scheme `http` or `https`
 * @param host as {@link isHost} wants it
 * @param target as {@link isTarget} wants it
 */
export function requestUrl(scheme: string, host: string, target: string): string {
  if (target.charCodeAt(0) === SLASH) {
    const origin = originOf(scheme, host);
    return ODD_TARGET.test(target) ? normalised(origin + target) : origin + target;
  }
  return target === "*" ? `${originOf(scheme, host)}/*` : normalised(target);
}

/** @internal Whether it can be the host of a URL, with or without a port: no path, no user, no space. */
export function isHost(host: string): boolean {
  if (host === latestHost) return true;
  if (!HOST.test(host) || !URL.canParse(`http://${host}`)) return false;
  latestHost = host;
  return true;
}

/** @internal Whether it can be the target of a request: a path, a whole URL as to a proxy, or `*`, the server itself. */
export function isTarget(target: string): boolean {
  if (target.charCodeAt(0) === SLASH || target === "*") return true;
  return WHOLE_URL.test(target) && URL.canParse(target);
}

const SLASH = 47;
const HOST = /^(?:[\w.~!$&'()*+,;=%-]+|\[[\d:.A-Fa-f]+\])(?::\d{0,5})?$/;
const WHOLE_URL = /^https?:\/\/[^/?#@\\]+(?:[/?]|$)/i;
// what the URL parser would change: dots between slashes, characters that it escapes or drops
const ODD_TARGET = /[/\\](?:\.|%2e)|[^\x21-\x7e]|["#<>\\^`{|}']/i;

// Most clients of a server name the same host.
let latestHost = "";
let latestOrigin = "";
let latestOriginIsOf = "";

function originOf(scheme: string, host: string): string {
  const name = `${scheme}://${host}`;
  if (name !== latestOriginIsOf) {
    latestOrigin = new URL(name).origin;
    latestOriginIsOf = name;
  }
  return latestOrigin;
}

function normalised(text: string): string {
  // Node reads the bytes of a target as latin1
  const url = new URL(text.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`));
  url.hash = "";
  return url.href;
}
