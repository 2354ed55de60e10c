import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

/** @internal Whether it asks for a WebSocket: the only upgrade that this server knows. */
export function isWebSocketRequest({ method, headers }: IncomingMessage): boolean {
  const { upgrade, "content-length": length, "transfer-encoding": encoding } = headers;
  const hasBody = encoding !== undefined || (length !== undefined && length !== "0");
  return method === "GET" && upgrade?.toLowerCase() === "websocket" && !hasBody;
}

/**
 * @internal Puts a request that Node has taken for an upgrade back into its socket, without what asks for that: read once more, it is
 * a request as any other, with its body and with those that come behind it.
 *
 * @param head what Node has read behind the request
 */
export function putBack({ method, url, httpVersion, rawHeaders }: IncomingMessage, socket: Duplex, head: Buffer): void {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const value = rawHeaders[i + 1] as string;
    const lowerCase = name.toLowerCase();
    if (lowerCase === "upgrade" || lowerCase === "http2-settings") continue;
    lines.push(`${name}: ${lowerCase === "connection" ? withoutUpgrade(value) : value}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), head]));
}

function withoutUpgrade(connection: string): string {
  return connection
    .split(",")
    .map((token) => token.trim())
    .filter((token) => !/^(?:upgrade|http2-settings)$/i.test(token))
    .join(", ");
}
