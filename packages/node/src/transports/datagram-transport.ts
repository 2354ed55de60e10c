import type { RemoteInfo, Socket } from "node:dgram";
import { type AddressInfo, isIP } from "node:net";
import type { EventLoop } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import type { DatagramAddress, DatagramProtocol } from "./datagram-protocol.js";
import { closed, opened } from "./open-resources.js";
import { checkBytes, checkLimits, DEFAULT_LIMITS, type WriteBufferLimits } from "./write-buffer.js";

// How many datagrams are kept for a loop that does not run. More are dropped, as the system would drop them.
const KEPT_WHILE_STOPPED = 256;

/** What a datagram endpoint's `getExtraInfo(name)` knows, by name. */
export interface DatagramExtraInfo {
  /** The own address. */
  sockname: AddressInfo;
  /** The remote address, if the endpoint has one. */
  peername: AddressInfo;
  /** Node's socket. To look at, and to set options of: what it receives and sends belongs to the transport. */
  socket: Socket;
}

/**
 * An open UDP socket. What it receives it hands to its {@link DatagramProtocol}. `createDatagramEndpoint` makes it.
 *
 *   open ──close()──> closing: sends what is left ──┐
 *     └──abort(), a protocol that throws ───────────┴──> lost
 *
 * @see https://docs.python.org/3/library/asyncio-protocol.html#datagram-transports
 */
export class DatagramTransport {
  /** The loop that the protocol is called in. */
  readonly loop: EventLoop;
  readonly #socket: Socket;
  #open = true;
  #closing = false;
  #lost = false;
  #error: Error | undefined;
  #protocol: DatagramProtocol | undefined;
  #sockname: AddressInfo | undefined;
  #peername: AddressInfo | undefined;
  // What has arrived. A callback that hands it on is scheduled if and only if there is something, and `_begin` was called.
  #received: [Uint8Array, DatagramAddress][] = [];
  #writingPaused = false;
  #limits = DEFAULT_LIMITS;
  readonly #onSent = (error: Error | null): void => this.#sent(error);

  /** @internal Receives from here on; `_begin` hands it on. */
  constructor(loop: EventLoop, socket: Socket) {
    this.loop = loop;
    this.#socket = socket;
    socket.on("message", (data, from) => this.#receive(data, from));
    // stays: no error of a socket that was given up may end the process
    socket.on("error", (error) => this.#failed(error));
    socket.on("close", () => this.#closed());
    opened(loop, this);
  }

  /** The protocol that is told what arrives. Another one can be set at any time. */
  get protocol(): DatagramProtocol {
    return this.#protocol as DatagramProtocol;
  }

  set protocol(protocol: DatagramProtocol) {
    this.#protocol = protocol;
  }

  /** Whether it is closing or closed. */
  get isClosing(): boolean {
    return this.#closing;
  }

  /** How many bytes wait to be sent, because the system did not take them at once. */
  get writeBufferSize(): number {
    return this.#open ? this.#socket.getSendQueueSize() : 0;
  }

  /** When the protocol is told to pause and to resume sending. Setting it is asyncio's `set_write_buffer_limits`. */
  get writeBufferLimits(): Required<WriteBufferLimits> {
    return { ...this.#limits };
  }

  set writeBufferLimits(limits: WriteBufferLimits) {
    this.#limits = checkLimits(limits);
  }

  /**
   * What is known of the endpoint.
   *
   * @param name `"sockname"`, `"peername"` or `"socket"`: see {@link DatagramExtraInfo}
   * @returns `undefined` where it has no meaning
   * @see https://docs.python.org/3/library/asyncio-protocol.html#asyncio.BaseTransport.get_extra_info
   */
  getExtraInfo<K extends keyof DatagramExtraInfo>(name: K): DatagramExtraInfo[K] | undefined {
    const known: { [name: string]: unknown } = {
      sockname: this.#sockname,
      peername: this.#peername,
      socket: this.#socket,
    };
    return known[name] as DatagramExtraInfo[K] | undefined;
  }

  /**
   * Sends a datagram. Does not wait: what the system does not take at once is buffered, and what cannot be sent the protocol is
   * told by `errorReceived`. Once the endpoint is closing, nothing is sent any more, and that is no error here.
   *
   * @param data must not be changed afterwards; a string is sent as UTF-8; empty ones are sent, too
   * @param address an IP address and a port, such as `datagramReceived` was given; not needed with a remote address
   * @throws a `TypeError` without an address where one is needed, for a name instead of an IP address, and for another
   * address than the remote one
   * @see https://docs.python.org/3/library/asyncio-protocol.html#asyncio.DatagramTransport.sendto
   */
  sendTo(data: Uint8Array | string, address?: { readonly address: string; readonly port: number }): void {
    checkBytes(data, "sendTo(data)");
    const remote = this.#peername;
    if (address !== undefined) this.#check(address);
    else if (remote === undefined) throw noAddress();
    if (this.#closing) return;
    if (remote !== undefined) this.#socket.send(data, this.#onSent);
    else this.#socket.send(data, (address as DatagramAddress).port, (address as DatagramAddress).address, this.#onSent);
    if (this.#writingPaused || this.#socket.getSendQueueSize() <= this.#limits.high) return;
    this.#writingPaused = true;
    this.#tell("pauseWriting", () => this.#protocol?.pauseWriting?.());
  }

  /**
   * Joins a multicast group: what is sent to it arrives here, if it is sent to this endpoint's port. What else there is of
   * multicast are options of `createDatagramEndpoint`, and methods of `getExtraInfo("socket")`.
   *
   * @param group an IP address, such as `"239.1.2.3"`
   * @param interfaceAddress the own address of the network to join it in, for IPv6 `"::%eth1"`; default the system's choice
   * @throws Node's error with its `code` (`EINVAL` for what is no group, `ENODEV`, …; `ERR_SOCKET_DGRAM_NOT_RUNNING` once it is
   * closed)
   */
  addMembership(group: string, interfaceAddress?: string): void {
    this.#socket.addMembership(group, interfaceAddress);
  }

  /**
   * Leaves a multicast group. Closing leaves all; after it, this does nothing.
   *
   * @param group as in {@link addMembership}
   * @param interfaceAddress as in {@link addMembership}
   * @throws Node's error with its `code` (`EADDRNOTAVAIL` for one that was not joined, …)
   */
  dropMembership(group: string, interfaceAddress?: string): void {
    if (this.#open) this.#socket.dropMembership(group, interfaceAddress);
  }

  /** Sends what is buffered, then closes the endpoint; nothing more is received. */
  close(): void {
    this.#closing = true;
    if (this.#open && this.#socket.getSendQueueCount() === 0) this.#closeSocket();
  }

  /** Closes the endpoint at once; what is buffered is not sent. */
  abort(): void {
    this.#closing = true;
    this.#closeSocket();
  }

  /** @internal Begins: called inside the loop, with a socket that is bound, and connected if it has a remote address. */
  _begin(protocol: DatagramProtocol, connected: boolean): void {
    this.#sockname = this.#socket.address();
    if (connected) this.#peername = this.#socket.remoteAddress();
    this.#protocol = protocol;
    this.#tell("connectionMade", () => protocol.connectionMade?.(this));
    if (this.#received.length > 0) this.loop.callSoon(() => this.#deliver());
  }

  /** @internal The loop is closed, nobody is called any more. One that was told to close still sends what is left. */
  _loopClosed(): void {
    if (!this.#closing) this.abort();
  }

  #check({ address, port }: { readonly address: string; readonly port: number }): void {
    const remote = this.#peername;
    if (remote !== undefined) {
      if (address !== remote.address || port !== remote.port) throw otherAddress(remote);
      return;
    }
    const family = isIP(address);
    if (family === 0) throw notIP(address);
    if (!(Number.isInteger(port) && port > 0 && port < 65_536)) throw notPort(port);
    if (`IPv${family}` !== this.#sockname?.family) throw otherFamily(address);
  }

  #receive(data: Buffer, { address, port, family }: RemoteInfo): void {
    const received = this.#received;
    if (this.#closing || (received.length >= KEPT_WHILE_STOPPED && !this.loop.running)) return;
    received.push([data, { address, port, family }]);
    if (received.length === 1 && this.#protocol !== undefined) this.loop.callFromHost(() => this.#deliver());
  }

  #deliver(): void {
    const received = this.#received;
    this.#received = [];
    for (const [data, address] of received) {
      if (this.#closing) return;
      try {
        this.#protocol?.datagramReceived?.(data, address);
      } catch (error) {
        this.#fail("datagramReceived", error);
      }
    }
  }

  /** Called for each datagram, some time after it was sent, or was not. */
  #sent(error: NodeJS.ErrnoException | null): void {
    if (error !== null && error.code !== "ECANCELED") this.#failed(error); // that one was given up by abort()
    if (!this.#open) return;
    if (this.#writingPaused && this.writeBufferSize <= this.#limits.low) {
      this.#writingPaused = false;
      if (!this.loop.closed) {
        this.loop.callFromHost(() => this.#tell("resumeWriting", () => this.#protocol?.resumeWriting?.()));
      }
    }
    if (this.#closing) this.close();
  }

  #failed(error: Error): void {
    if (this.#protocol === undefined || this.loop.closed) return;
    this.loop.callFromHost(() => {
      if (this.#lost) return;
      const protocol = this.#protocol as DatagramProtocol;
      if (protocol.errorReceived !== undefined) this.#tell("errorReceived", () => protocol.errorReceived?.(error));
      else if (this.loop.debug) {
        this.loop.reporter.warn("a datagram is lost, and its protocol has no errorReceived() to be told", error);
      }
    });
  }

  #closeSocket(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.close();
  }

  #closed(): void {
    this.#open = false;
    this.#closing = true;
    closed(this.loop, this);
    if (this.#protocol === undefined || this.loop.closed) return;
    this.loop.callFromHost(() => {
      this.#lost = true;
      this.#tell("connectionLost", () => this.#protocol?.connectionLost?.(this.#error));
    });
  }

  #tell(method: string, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#fail(method, error);
    }
  }

  #fail(method: string, error: unknown): void {
    this.loop.callExceptionHandler({
      message: `Fatal error: protocol.${method}() call failed`,
      exception: error,
      transport: this,
      protocol: this.#protocol,
    });
    if (error instanceof Error) this.#error ??= error;
    this.abort();
  }
}

function noAddress(): TypeError {
  return invalidArgument(
    "NO_ADDRESS",
    'sendTo(data) without an address needs an endpoint with a remoteAddress; write sendTo(data, { address: "192.0.2.1", port: 53 }) instead',
  );
}

function notIP(address: unknown): TypeError {
  return invalidArgument(
    "ADDRESS",
    `sendTo(data, { address, port }) takes an IP address, not ${JSON.stringify(address)}: resolve a name once, with getaddrinfo(host, port), which gives such addresses`,
  );
}

function notPort(port: unknown): TypeError {
  return invalidArgument("PORT", `the port is a number from 1 to 65535, not ${String(port)}`);
}

function otherFamily(address: string): TypeError {
  return invalidArgument(
    "ADDRESS",
    isIP(address) === 4
      ? `this endpoint speaks IPv6: write "::ffff:${address}" instead of "${address}", or open one with family 4`
      : `this endpoint speaks IPv4, and cannot send to ${address}: open one with family 6`,
  );
}

function otherAddress({ address, port }: AddressInfo): TypeError {
  return invalidArgument(
    "ADDRESS",
    `this endpoint sends only to its remote address, ${address} port ${port}: leave the address away, or open an endpoint without remoteAddress`,
  );
}
