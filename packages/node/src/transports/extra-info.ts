import type { AddressInfo, Socket } from "node:net";
import type { Duplex, Readable, Writable } from "node:stream";
import { type CipherNameAndProtocol, type DetailedPeerCertificate, TLSSocket } from "node:tls";

/** What `getExtraInfo(name)` knows, by name. */
export interface ExtraInfo {
  /** The peer's address; a path for Unix sockets that have one. */
  peername: AddressInfo | string;
  /** The own address; a path for Unix sockets that have one. */
  sockname: AddressInfo | string;
  /** Node's socket. To look at, and to set options of: what it receives and sends belongs to the transport. */
  socket: Socket;
  /** Node's stream of a pipe. */
  pipe: Readable | Writable;
  /** The peer's certificate, on TLS. */
  peercert: DetailedPeerCertificate;
  /** The cipher and its protocol version, on TLS. */
  cipher: CipherNameAndProtocol;
  /** What ALPN settled on, on TLS, or `false`. */
  alpnProtocol: string | false | null;
  /** The version of TLS. */
  tlsVersion: string | null;
}

/** @internal The addresses of a connection. */
export type Addresses = Partial<Pick<ExtraInfo, "peername" | "sockname">>;

/** @internal Asked for while it is open: a socket that is closed does not know them any more. */
export function addressesOf(stream: Duplex, path: string | undefined, ownPath: string | undefined): Addresses {
  const socket = stream as Partial<Socket>;
  const addresses: Addresses = {};
  const peer = address(socket.remoteAddress, socket.remotePort, socket.remoteFamily) ?? path;
  const own = address(socket.localAddress, socket.localPort, socket.localFamily) ?? ownPath;
  if (peer !== undefined) addresses.peername = peer;
  if (own !== undefined) addresses.sockname = own;
  return addresses;
}

/** @internal */
export function extraInfo(name: keyof ExtraInfo, stream: Duplex, addresses: Addresses): unknown {
  if (name === "peername" || name === "sockname") return addresses[name];
  if (stream instanceof TLSSocket) {
    if (name === "peercert") {
      const certificate = stream.getPeerCertificate(true);
      return Object.keys(certificate ?? {}).length === 0 ? undefined : certificate;
    }
    if (name === "cipher") return stream.getCipher();
    if (name === "alpnProtocol") return stream.alpnProtocol;
    if (name === "tlsVersion") return stream.getProtocol();
  }
  const isSocket = typeof (stream as Partial<Socket>).setNoDelay === "function";
  if (name === "pipe") return isSocket ? undefined : stream;
  return name === "socket" && isSocket ? stream : undefined;
}

function address(
  host: string | undefined,
  port: number | undefined,
  family: string | undefined,
): AddressInfo | undefined {
  return host === undefined ? undefined : { address: host, port: port as number, family: family as string };
}
