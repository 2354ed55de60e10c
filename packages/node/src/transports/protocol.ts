import type { Transport } from "./transport.js";

/**
 * What a connection is told: the passive half of a protocol written with callbacks, where streams and coroutines would cost
 * too much. All of it runs inside the loop. What it does not need it leaves out; what it throws is reported to the loop's
 * exception handler, and ends the connection.
 *
 *   connectionMade ──> dataReceived* ──> eofReceived? ──> connectionLost
 *
 * @example
 * class Echo implements Protocol {
 *   #transport: Transport | undefined;
 *   connectionMade(transport: Transport): void {
 *     this.#transport = transport;
 *   }
 *   dataReceived(data: Uint8Array): void {
 *     this.#transport?.write(data);
 *   }
 * }
 * @see https://docs.python.org/3/library/asyncio-protocol.html#asyncio.Protocol
 */
export interface Protocol {
  /** The connection stands. Called once. */
  connectionMade?(transport: Transport): void;
  /** Bytes have arrived, in the order in which they were sent; how they are cut says nothing. */
  dataReceived?(data: Uint8Array): void;
  /** The peer sends no more. The connection is closed then, unless this returns true: half of it stays open for writing. */
  eofReceived?(): boolean | void;
  /** The connection is over. `error` is why, or `undefined` after an orderly end, `close()` and `abort()`. Called once. */
  connectionLost?(error: Error | undefined): void;
  /** More than the high-water mark is waiting to be sent: write no more for now. */
  pauseWriting?(): void;
  /** No more than the low-water mark is waiting to be sent. */
  resumeWriting?(): void;
}
