import { invalidArgument } from "../errors/invalid-argument.js";

const MAX_REASON = 123;

/**
 * @internal Refuses what must not stand in a close frame.
 *
 * @see https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number
 */
export function checkClose(code: unknown, reason: unknown): void {
  if (!isSendable(code)) {
    throw invalidArgument(
      "WEBSOCKET_CLOSE",
      `close(code) takes 1000 to 1003, 1007 to 1014, or 3000 to 4999 for your own, not ${String(code)}`,
    );
  }
  if (typeof reason !== "string" || Buffer.byteLength(reason) > MAX_REASON) {
    throw invalidArgument("WEBSOCKET_CLOSE", `close(code, reason) takes a string of up to ${MAX_REASON} bytes`);
  }
}

// 1004 is reserved; 1005 and 1006 say that there was no close frame, or no code in it.
function isSendable(code: unknown): boolean {
  if (typeof code !== "number" || !Number.isInteger(code)) return false;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}
