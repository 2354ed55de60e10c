import { invalidArgument } from "../errors/invalid-argument.js";

/**
 * @internal Why a request cannot become a WebSocket: the status and headers to answer with, and a text. `undefined` if it can.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2
 */
export function handshakeRefusal(
  request: Request,
  origins: AllowedOrigins,
): { readonly status: number; readonly headers: Record<string, string>; readonly text: string } | undefined {
  const { headers } = request;
  if (request.method !== "GET" || !hasToken(headers.get("upgrade"), "websocket")) {
    return { status: 426, headers: UPGRADE, text: "A WebSocket is served here, and this is no request for one." };
  }
  if (
    !hasToken(headers.get("connection"), "upgrade") ||
    !/^[+/0-9A-Za-z]{22}==$/.test(headers.get("sec-websocket-key") ?? "")
  ) {
    return {
      status: 400,
      headers: {},
      text: "The request for a WebSocket has no valid Connection or Sec-WebSocket-Key.",
    };
  }
  if (headers.get("sec-websocket-version") !== VERSION) {
    const text = `The version of WebSocket that is spoken here is ${VERSION}.`;
    return { status: 426, headers: { ...UPGRADE, "Sec-WebSocket-Version": VERSION }, text };
  }
  if (!isAllowed(request, origins)) {
    return { status: 403, headers: {}, text: "A WebSocket is not opened for pages of this origin." };
  }
  return undefined;
}

/** @internal `undefined` for the request's own. */
export type AllowedOrigins = ReadonlySet<string> | "*" | undefined;

/** @internal The option `origins`, checked. */
export function allowedOrigins(origins: unknown): AllowedOrigins {
  if (origins === undefined || origins === "*") return origins;
  if (!Array.isArray(origins)) {
    throw invalidArgument(
      "ORIGINS",
      `origins is "*" or an array of origins, ["https://example.com"], not ${String(origins)}`,
    );
  }
  return new Set(origins.map(originOf));
}

const VERSION = "13";
const UPGRADE = { Upgrade: "websocket", Connection: "Upgrade" };

function originOf(given: unknown): string {
  // the origin of what has none, such as a file or a sandboxed frame
  if (given === "null") return given;
  const url = typeof given === "string" && URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || url.origin === "null" || url.pathname !== "/" || url.search !== "") {
    throw invalidArgument("ORIGINS", `an origin has a scheme and a host, "https://example.com", not ${String(given)}`);
  }
  return url.origin;
}

/**
 * A browser says which page's script wants the WebSocket, and opens it to any server, cookies included. The own origin is known
 * by its host only: behind a proxy that speaks TLS, the server itself does not know the scheme.
 */
function isAllowed({ headers, url }: Request, origins: AllowedOrigins): boolean {
  const origin = headers.get("origin");
  // no browser
  if (origin === null || origins === "*") return true;
  if (origins !== undefined) return origins.has(origin);
  if (!URL.canParse(origin)) return false;
  const { protocol, host } = new URL(origin);
  const own = `${protocol}//${headers.get("host") ?? new URL(url).host}`;
  // compared as URLs, for the port of the scheme may be written or not
  return host !== "" && URL.canParse(own) && new URL(own).host === host;
}

function hasToken(list: string | null, token: string): boolean {
  return (list ?? "").split(",").some((item) => item.trim().toLowerCase() === token);
}
