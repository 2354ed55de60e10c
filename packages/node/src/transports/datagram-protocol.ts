import type { DatagramTransport } from "./datagram-transport.js";

/** Where a datagram came from: an IP address and a port. As it is it serves as the address of an answer. */
export interface DatagramAddress {
  readonly address: string;
  readonly port: number;
  readonly family: "IPv4" | "IPv6";
}

/**
 * What a datagram endpoint is told. All of it runs inside the loop. What it does not need it leaves out; what it throws is
 * reported to the loop's exception handler, and closes the endpoint.
 *
 *   connectionMade ──> (datagramReceived | errorReceived)* ──> connectionLost
 *
 * @example
 * class Echo implements DatagramProtocol {
 *   #transport: DatagramTransport | undefined;
 *   connectionMade(transport: DatagramTransport): void {
 *     this.#transport = transport;
 *   }
 *   datagramReceived(data: Uint8Array, address: DatagramAddress): void {
 *     this.#transport?.sendTo(data, address);
 *   }
 * }
 * @see https://docs.python.org/3/library/asyncio-protocol.html#asyncio.DatagramProtocol
 */
export interface DatagramProtocol {
  /** The endpoint is open: it can send, and receives. Called once. */
  connectionMade?(transport: DatagramTransport): void;
  /** A datagram has arrived, whole; it may be empty. Some get lost, some come twice, some overtake others: that is UDP. */
  datagramReceived?(data: Uint8Array, address: DatagramAddress): void;
  /**
   * A datagram could not be sent (`EMSGSIZE`, `EACCES`, `ENETUNREACH`, …), or the system has learnt that an earlier one did not
   * arrive (`ECONNREFUSED`, only with a remote address). The endpoint lives on.
   */
  errorReceived?(error: NodeJS.ErrnoException): void;
  /** The endpoint is closed. `error` is what the protocol threw, or `undefined` after `close()` and `abort()`. Called once. */
  connectionLost?(error: Error | undefined): void;
  /** More than the high-water mark is waiting to be sent: send no more for now, or drop. */
  pauseWriting?(): void;
  /** No more than the low-water mark is waiting to be sent. */
  resumeWriting?(): void;
}
