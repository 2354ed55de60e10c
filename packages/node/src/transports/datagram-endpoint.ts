import { createSocket, type Socket, type SocketOptions } from "node:dgram";
import { CorioError, type Coroutine, type EventLoop, getRunningLoop, isCancelled } from "corio";
import { getaddrinfo } from "../dns/getaddrinfo.js";
import { fail } from "../errors/fail.js";
import { invalidArgument } from "../errors/invalid-argument.js";
import { checkFactory } from "./create-connection.js";
import type { DatagramProtocol } from "./datagram-protocol.js";
import { DatagramTransport } from "./datagram-transport.js";
import { checkReusePort } from "./reuse-port.js";

/** A host and a port, for a datagram endpoint. */
export interface DatagramHost {
  /** A name, which is resolved once, or an IP address; `"0.0.0.0"` and `"::"` are all of this machine's. */
  readonly host: string;
  /** Of the own address 0 for one that is free: `transport.getExtraInfo("sockname")` tells. */
  readonly port: number;
}

/** What a datagram endpoint is. At least one of `localAddress`, `remoteAddress` and `family` is needed. */
export interface DatagramEndpointOptions {
  /** Where it receives; default a free port of all of this machine's addresses. */
  localAddress?: DatagramHost;
  /** Where it sends to. It receives only from there then, and is told of some datagrams that did not arrive. */
  remoteAddress?: DatagramHost;
  /** 4 or 6 for IPv4 or IPv6; default what the addresses are, IPv4 or IPv6 as the system prefers if a name has both. */
  family?: 4 | 6;
  /**
   * Whether other sockets that say so, too, may have the same address and port, as is needed for multicast. Datagrams that are
   * for one of them may then go to any other, of any program. Default false.
   */
  reuseAddress?: boolean;
  /** Whether several processes may share the port, and what arrives (SO_REUSEPORT), where the system and Node (22.12) can; default false. */
  reusePort?: boolean;
  /** Whether datagrams may be sent to broadcast addresses; default false. */
  allowBroadcast?: boolean;
  /** Whether an IPv6 socket on `"::"` leaves IPv4 alone; default false. */
  ipv6Only?: boolean;
  /** How much the system keeps of what has arrived, in bytes; default the system's. */
  receiveBufferSize?: number;
  /** How much the system keeps of what is to be sent, in bytes; default the system's. */
  sendBufferSize?: number;
  /** How many networks a multicast datagram crosses at most; default 1, this one only. */
  multicastTTL?: number;
  /** Whether multicast datagrams come to this machine, too; default true. */
  multicastLoopback?: boolean;
  /** The own address of the network that multicast goes to, for IPv6 `"::%eth1"`; default the system's choice. */
  multicastInterface?: string;
}

/**
 * Opens a UDP socket.
 *
 * @param protocolFactory makes the protocol; a function, such as `() => new Echo()`
 * @param options `localAddress` for who is asked, `remoteAddress` for who asks: see {@link DatagramEndpointOptions}
 * @returns the transport and the protocol, once `connectionMade` was called
 * @throws Node's error with its `code` (`EADDRINUSE`, `EACCES`, `ENOTFOUND`, …); a `TypeError` without any address; a
 * `CorioError` if the two addresses have no family in common
 *
 * *If cancelled*, nothing is left open.
 * @example
 * // a coroutine that receives: the protocol puts into a queue, and drops what there is no room for
 * const answers = new Queue<Uint8Array>({ maxSize: 100 });
 * const [transport] = yield* createDatagramEndpoint(
 *   () => ({
 *     datagramReceived(data) {
 *       if (!answers.full) answers.putNowait(data);
 *     },
 *   }),
 *   { remoteAddress: { host: "localhost", port: 9999 } },
 * );
 * try {
 *   transport.sendTo("ping");
 *   console.log(yield* waitFor(answers.get(), 1_000));
 * } finally {
 *   transport.close();
 * }
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.create_datagram_endpoint
 */
export function* createDatagramEndpoint<P extends DatagramProtocol>(
  protocolFactory: () => P,
  options: DatagramEndpointOptions,
): Coroutine<[transport: DatagramTransport, protocol: P]> {
  checkFactory(protocolFactory, "createDatagramEndpoint");
  checkOptions(options);
  const transport = yield* openFirst(yield* pathsOf(options), options);
  let protocol: P;
  try {
    protocol = protocolFactory();
  } catch (error) {
    transport.abort();
    throw error;
  }
  transport._begin(protocol, options.remoteAddress !== undefined);
  return [transport, protocol];
}

/** From where to where, in one family. */
interface Path {
  readonly family: 4 | 6;
  readonly local?: DatagramHost | undefined;
  readonly remote?: DatagramHost | undefined;
}

/** The families in which there are all the addresses that are wanted, in the order in which the system gives them. */
function* pathsOf({ localAddress, remoteAddress, family }: DatagramEndpointOptions): Coroutine<Path[]> {
  const local = localAddress && (yield* resolve(localAddress, family));
  const remote = remoteAddress && (yield* resolve(remoteAddress, family));
  const families = [...((remote ?? local)?.keys() ?? [family as 4 | 6])];
  const paths = families
    .filter((one) => local?.has(one) !== false && remote?.has(one) !== false)
    .map((one): Path => ({ family: one, local: local?.get(one), remote: remote?.get(one) }));
  if (paths.length > 0) return paths;
  throw new CorioError(
    "ERR_CORIO_ADDRESS_FAMILY",
    `${localAddress?.host} and ${remoteAddress?.host} have no address of the same family: one is IPv4, the other IPv6`,
  );
}

/** The first address of each family. */
function* resolve({ host, port }: DatagramHost, family: 0 | 4 | 6 = 0): Coroutine<Map<4 | 6, DatagramHost>> {
  const first = new Map<4 | 6, DatagramHost>();
  for (const found of yield* getaddrinfo(host, port, { family })) {
    if (!first.has(found.family)) first.set(found.family, { host: found.address, port });
  }
  return first;
}

function* openFirst(paths: readonly Path[], options: DatagramEndpointOptions): Coroutine<DatagramTransport> {
  const loop = getRunningLoop();
  const errors: unknown[] = [];
  for (const path of paths) {
    const socket = createSocket(socketOptions(path.family, options));
    // Made before there is anything to receive, so that nothing is missed.
    const transport = new DatagramTransport(loop, socket);
    let isOpen = false;
    try {
      yield* bind(loop, socket, path);
      configure(socket, options);
      if (path.remote !== undefined) yield* connect(loop, socket, path.remote);
      isOpen = true;
      return transport;
    } catch (error) {
      if (isCancelled(error)) throw error;
      errors.push(error); // another family may do better
    } finally {
      if (!isOpen) transport.abort();
    }
  }
  throw errors[0];
}

function socketOptions(
  family: 4 | 6,
  { reuseAddress, reusePort, ipv6Only, receiveBufferSize, sendBufferSize }: DatagramEndpointOptions,
): SocketOptions {
  return {
    type: family === 6 ? "udp6" : "udp4",
    ...(reuseAddress === undefined ? {} : { reuseAddr: reuseAddress }),
    ...(reusePort === undefined ? {} : { reusePort }),
    ...(ipv6Only === undefined ? {} : { ipv6Only }),
    ...(receiveBufferSize === undefined ? {} : { recvBufferSize: receiveBufferSize }),
    ...(sendBufferSize === undefined ? {} : { sendBufferSize }),
    // Only IP addresses come here. Node's own look-up would put off each datagram, even so.
    lookup: (address, _options, callback) => callback(null, address, family),
  };
}

function* bind(loop: EventLoop, socket: Socket, { family, local }: Path): Coroutine<void> {
  const bound = loop.createFuture<void>();
  const onListening = (): void => {
    if (!bound.done) bound.setResult();
  };
  const onError = (error: Error): void => {
    fail(bound, error);
  };
  socket.on("listening", onListening).on("error", onError);
  try {
    if (local !== undefined) socket.bind({ address: local.host, port: local.port });
    // exclusive: not to be shared with the other workers of a cluster, who would get the answers
    else socket.bind({ address: family === 6 ? "::" : "0.0.0.0", port: 0, exclusive: true });
    yield* bound;
  } finally {
    socket.off("listening", onListening).off("error", onError);
  }
}

function* connect(loop: EventLoop, socket: Socket, { host, port }: DatagramHost): Coroutine<void> {
  const connected = loop.createFuture<void>();
  socket.connect(port, host, (error?: Error) => {
    if (connected.done) return;
    if (error instanceof Error) fail(connected, error);
    else connected.setResult();
  });
  yield* connected;
}

function configure(socket: Socket, options: DatagramEndpointOptions): void {
  const { allowBroadcast, multicastTTL, multicastLoopback, multicastInterface } = options;
  if (allowBroadcast !== undefined) socket.setBroadcast(allowBroadcast);
  if (multicastTTL !== undefined) socket.setMulticastTTL(multicastTTL);
  if (multicastLoopback !== undefined) socket.setMulticastLoopback(multicastLoopback);
  if (multicastInterface !== undefined) socket.setMulticastInterface(multicastInterface);
}

function checkOptions(options: DatagramEndpointOptions | undefined): void {
  const { localAddress, remoteAddress, family, reusePort } = options ?? {};
  if (localAddress === undefined && remoteAddress === undefined && family === undefined) {
    throw invalidArgument(
      "NO_ADDRESS",
      'createDatagramEndpoint needs to know what to open: { localAddress: { host: "127.0.0.1", port: 9999 } } to be asked, { remoteAddress: { host, port } } to ask, { family: 4 } to send to anybody',
    );
  }
  if (family !== undefined && family !== 4 && family !== 6) {
    throw invalidArgument("FAMILY", `family is 4 or 6, not ${String(family)}`);
  }
  checkHost("localAddress", localAddress, 0);
  checkHost("remoteAddress", remoteAddress, 1);
  checkReusePort(reusePort);
}

function checkHost(name: string, address: DatagramHost | undefined, lowestPort: number): void {
  if (address === undefined) return;
  const { host, port } = (address ?? {}) as Partial<DatagramHost>;
  if (typeof host !== "string" || host === "") {
    throw invalidArgument("HOST", `${name} is { host: "127.0.0.1", port: 9999 }: a name or an IP address, and a port`);
  }
  if (!(Number.isInteger(port) && (port as number) >= lowestPort && (port as number) < 65_536)) {
    throw invalidArgument("PORT", `the port of ${name} is a number from ${lowestPort} to 65535, not ${String(port)}`);
  }
}
