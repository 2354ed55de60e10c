import type { Coroutine, Future } from "corio";
import type { ExtraInfo } from "../transports/extra-info.js";
import { startTls, type StartTlsOptions } from "../transports/start-tls.js";
import type { Transport } from "../transports/transport.js";
import type { StreamProtocol } from "./stream-protocol.js";

/**
 * What is written to a connection. Made by `openConnection`, by servers and by subprocesses.
 *
 * A context manager: leaving its block closes the connection, after an error without sending what is left.
 *
 * @example
 * const [reader, writer] = yield* openConnection("localhost", 7);
 * yield* within(writer, function* () {
 *   writer.write("hello\n");
 *   yield* writer.drain();
 *   console.log(yield* reader.readline());
 * });
 * @see https://docs.python.org/3/library/asyncio-stream.html#streamwriter
 */
export class StreamWriter {
  readonly #protocol: StreamProtocol;
  #transport: Transport;

  /** @internal */
  constructor(transport: Transport, protocol: StreamProtocol) {
    this.#transport = transport;
    this.#protocol = protocol;
  }

  /** The transport underneath. Another one after `startTls()`. */
  get transport(): Transport {
    return this.#transport;
  }

  /** Whether the connection is closing or closed. */
  get isClosing(): boolean {
    return this.#transport.isClosing;
  }

  /** Whether `writeEof()` has a meaning here. */
  get canWriteEof(): boolean {
    return this.#transport.canWriteEof;
  }

  /**
   * Sends bytes. Does not wait; follow it by `yield* writer.drain()`, so that memory does not fill up when the peer reads
   * slowly. What is written to a connection that is closing or lost is dropped, and `drain()` throws.
   *
   * @param data must not be changed afterwards; a string is sent as UTF-8
   * @throws a `CorioError` after `writeEof()`
   * @see https://docs.python.org/3/library/asyncio-stream.html#asyncio.StreamWriter.write
   */
  write(data: Uint8Array | string): void {
    this.#transport.write(data);
  }

  /** Sends several pieces at once. */
  writelines(pieces: Iterable<Uint8Array | string>): void {
    this.#transport.writelines(pieces);
  }

  /**
   * Waits until it is all right to write on: as long as more than the high-water mark (64 KiB) waits to be sent, until no more
   * than the low-water mark does (16 KiB).
   *
   * @returns what is done at once where nothing has to be waited for
   * @throws what ended the connection, or a ConnectionLostError
   *
   * *If cancelled*, what was written is still sent.
   * @see https://docs.python.org/3/library/asyncio-stream.html#asyncio.StreamWriter.drain
   */
  drain(): Future<void> | Coroutine<void> {
    return this.#protocol.drain(this.#transport);
  }

  /**
   * Sends what is buffered and then the end of this direction; the other one can still be read.
   *
   * @throws a `CorioError` where `canWriteEof` is false
   */
  writeEof(): void {
    this.#transport.writeEof();
  }

  /** Sends what is buffered, then closes the connection. `waitClosed()` waits for that. */
  close(): void {
    this.#transport.close();
  }

  /**
   * Waits until the connection is closed.
   *
   * @throws what ended it, if that was an error
   *
   * *If cancelled*, the connection goes on closing.
   * @see https://docs.python.org/3/library/asyncio-stream.html#asyncio.StreamWriter.wait_closed
   */
  waitClosed(): Future<void> {
    return this.#protocol.waitClosed();
  }

  /** What is known of the connection: `"peername"`, `"sockname"`, `"peercert"` and more, see {@link ExtraInfo}. */
  getExtraInfo<K extends keyof ExtraInfo>(name: K): ExtraInfo[K] | undefined {
    return this.#transport.getExtraInfo(name);
  }

  /**
   * Goes over to TLS on the open connection; the streams stay the same ones. What had arrived and was not read is taken for
   * the beginning of TLS, so nothing that was sent in the clear passes for encrypted.
   *
   * @param options `tls`: Node's options of TLS; for servers the certificate and key. `serverSide`: default whether a server
   * accepted the connection. `tlsHandshakeTimeout`: in milliseconds, default 60,000
   * @throws what the handshake threw; the connection is closed then
   *
   * *If cancelled*, the connection is closed.
   * @see https://docs.python.org/3/library/asyncio-stream.html#asyncio.StreamWriter.start_tls
   */
  *startTls(options: StartTlsOptions = {}): Coroutine<void> {
    const protocol = this.#protocol;
    this.#transport = yield* startTls(this.#transport, protocol, {
      serverSide: protocol.isServerSide,
      ...options,
    });
  }

  /** For `within`. */
  enter(): this {
    return this;
  }

  /** For `within`: closes the connection and waits for its end; after an error without sending what is left. */
  *exit(error: unknown): Coroutine<void> {
    if (error === undefined) this.close();
    else this.#transport.abort();
    try {
      yield* this.#protocol.waitLost();
    } finally {
      this.#transport.abort();
    }
  }
}
