import { invalidArgument } from "../errors/invalid-argument.js";

/**
 * Credentials: a name and a password for Basic, or a token for Bearer.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7617
 * @see https://www.rfc-editor.org/rfc/rfc6750
 */
export type Auth = { readonly username: string; readonly password: string } | { readonly bearer: string };

/**
 * @internal The value of the `authorization` header.
 *
 * @throws a TypeError for what cannot be sent: a name with ":", control characters, a token with a space. It does not show them
 */
export function authorizationOf(auth: Auth): string {
  const { username, password, bearer } = (auth ?? {}) as { username?: unknown; password?: unknown; bearer?: unknown };
  if (typeof bearer === "string" && username === undefined && password === undefined) {
    // wider than RFC 6750, which some servers' tokens do not keep to, and without what would end the header
    if (!/^[\x21-\x7e]+$/.test(bearer)) {
      throw invalidAuth("bearer is a token of visible ASCII characters, without spaces");
    }
    return `Bearer ${bearer}`;
  }
  if (typeof username !== "string" || typeof password !== "string" || bearer !== undefined) {
    throw invalidAuth("auth takes { username, password } or { bearer }, all of them strings");
  }
  if (username.includes(":")) throw invalidAuth('a username has no ":", which ends it');
  // oxlint-disable-next-line no-control-regex
  if (/[\0-\x1f\x7f]/.test(username + password)) {
    throw invalidAuth("a username and a password have no control characters, such as line breaks");
  }
  return `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
}

/**
 * @internal Takes the credentials out of a URL, where logs and errors would show them.
 *
 * @returns the value of the `authorization` header, if there were any
 */
export function takeCredentials(url: URL): string | undefined {
  if (url.username === "" && url.password === "") return undefined;
  const auth = { username: decoded(url.username), password: decoded(url.password) };
  url.username = url.password = "";
  return authorizationOf(auth);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a "%" that begins nothing means itself
  }
}

function invalidAuth(message: string): TypeError {
  return invalidArgument("AUTH", message);
}
