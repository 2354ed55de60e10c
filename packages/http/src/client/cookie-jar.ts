import { CookieJar as ToughCookieJar } from "tough-cookie";

/**
 * The jar that a session keeps its cookies in: tough-cookie's, with all that it can do.
 *
 * @example
 * const cookieJar = new CookieJar();
 * cookieJar.setCookieSync("theme=dark", "https://example.com/");
 * const session = new ClientSession({ cookieJar });
 * @see https://www.rfc-editor.org/rfc/rfc6265
 */
export const CookieJar = ToughCookieJar;
/** An instance of it. */
export type CookieJar = ToughCookieJar;
