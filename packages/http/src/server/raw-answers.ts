import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";

/** @internal Answers what cannot be parsed, or came too slowly, and closes the connection. */
export function answerRaw(socket: Duplex, code: string | undefined): void {
  const status = STATUSES[code ?? ""] ?? 400;
  const text = STATUS_CODES[status] as string;
  // what comes afterwards is read, and dropped: closed with something unread, the connection would take the answer with it
  socket.end(
    `HTTP/1.1 ${status} ${text}\r\nConnection: close\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
  );
  const timer = setTimeout(() => socket.destroy(), LINGER);
  socket.once("close", () => clearTimeout(timer));
}

// In milliseconds.
const LINGER = 1_000;

const STATUSES: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};
