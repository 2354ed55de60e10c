import type { Duplex } from "node:stream";
import { type Coroutine, getRunningLoop } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import {
  type ClientTlsOptions,
  type Connected,
  connectHost,
  type ConnectOptions,
  connectPath,
} from "../transports/connect.js";
import { type Origin, Transport } from "../transports/transport.js";
import { StreamProtocol } from "./stream-protocol.js";
import { checkLimit, DEFAULT_LIMIT, type StreamReader } from "./stream-reader.js";
import type { StreamWriter } from "./stream-writer.js";

/** Options of what is read from. */
export interface StreamLimit {
  /** How many bytes `readline` and `readuntil` may look through, and half of what is buffered at most; default 64 KiB. */
  limit?: number;
}

/**
 * Connects to a host.
 *
 * @param host a name or an address; of a name all addresses are tried, of both families (RFC 8305)
 * @param port from 1 to 65535
 * @param options `tls`, `limit` (in bytes) and more: see {@link ConnectOptions} and {@link StreamLimit}
 * @returns a reader and a writer
 * @throws Node's error with its `code` (`ECONNREFUSED`, `ENOTFOUND`, …), an AggregateError with one if several addresses were
 * tried; a TimeoutError if the handshake of TLS took too long
 *
 * *If cancelled*, nothing is left open.
 * @example
 * const [reader, writer] = yield* openConnection("example.com", 443, { tls: true });
 * yield* within(writer, function* () {
 *   writer.write("HEAD / HTTP/1.0\r\nHost: example.com\r\n\r\n");
 *   yield* writer.drain();
 *   console.log(yield* reader.readline());
 * });
 * @see https://docs.python.org/3/library/asyncio-stream.html#asyncio.open_connection
 */
export function openConnection(
  host: string,
  port: number,
  options: ConnectOptions & StreamLimit = {},
): Coroutine<[reader: StreamReader, writer: StreamWriter]> {
  return open(connectHost(host, port, options), checkLimit(options.limit ?? DEFAULT_LIMIT));
}

/**
 * Connects to a Unix socket.
 *
 * @param path of the socket; on Windows of a named pipe
 * @param options `limit` (in bytes), and `tls`, which needs the server's name: see {@link ClientTlsOptions}
 * @returns a reader and a writer
 * @throws Node's error with its `code` (`ENOENT`, `ECONNREFUSED`, …)
 *
 * *If cancelled*, nothing is left open.
 * @example
 * const [reader, writer] = yield* openUnixConnection("/run/service.sock");
 * @see https://docs.python.org/3/library/asyncio-stream.html#asyncio.open_unix_connection
 */
export function openUnixConnection(
  path: string,
  options: ClientTlsOptions & StreamLimit = {},
): Coroutine<[reader: StreamReader, writer: StreamWriter]> {
  return open(connectPath(path, options), checkLimit(options.limit ?? DEFAULT_LIMIT));
}

/**
 * Takes a stream of Node that stands already, and goes both ways, for a connection: a channel of SSH, one end of a
 * `duplexPair()`, a socket that another library has opened. From here on the stream belongs to the connection: closing one
 * closes the other.
 *
 * @param stream a `Duplex` from which nobody reads yet, with `allowHalfOpen`, as is its default
 * @param options `limit` (in bytes): see {@link StreamLimit}
 * @returns a reader and a writer
 * @throws a TypeError for what is no such stream
 * @example
 * const [near, far] = duplexPair(); // of node:stream
 * const [reader, writer] = streamsOver(near);
 * far.end("hello");
 * console.log((yield* reader.read()).length); // 5
 * writer.close();
 */
export function streamsOver(stream: Duplex, options: StreamLimit = {}): [reader: StreamReader, writer: StreamWriter] {
  const limit = checkLimit(options.limit ?? DEFAULT_LIMIT);
  if (typeof stream?.write === "function" && typeof stream.resume === "function") return begin(stream, limit);
  throw invalidArgument("DUPLEX", "streamsOver(stream) takes a Duplex of Node, which can be read and written");
}

function* open(connecting: Coroutine<Connected>, limit: number): Coroutine<[StreamReader, StreamWriter]> {
  const { socket, ...origin } = yield* connecting;
  return begin(socket, limit, origin);
}

function begin(stream: Duplex, limit: number, origin?: Origin): [StreamReader, StreamWriter] {
  const loop = getRunningLoop();
  const protocol = new StreamProtocol(loop, limit);
  new Transport(loop, stream, origin)._begin(protocol);
  return [protocol.reader, protocol.writer];
}
