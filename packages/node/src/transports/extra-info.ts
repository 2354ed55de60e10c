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

/** @internal `path` and `ownPath`: of Unix sockets, which do not tell themselves. */
export function extraInfo(
  name: keyof ExtraInfo,
  stream: Duplex,
  { path, ownPath }: { readonly path?: string | undefined; readonly ownPath?: string | undefined },
): unknown {
  const socket = stream as Partial<Socket>;
  if (name === "peername") return address(socket.remoteAddress, socket.remotePort, socket.remoteFamily) ?? path;
  if (name === "sockname") return address(socket.localAddress, socket.localPort, socket.localFamily) ?? ownPath;
  if (stream instanceof TLSSocket) {
    if (name === "peercert") {
      const certificate = stream.getPeerCertificate(true);
      return Object.keys(certificate ?? {}).length === 0 ? undefined : certificate;
    }
    if (name === "cipher") return stream.getCipher();
    if (name === "alpnProtocol") return stream.alpnProtocol;
    if (name === "tlsVersion") return stream.getProtocol();
  }
  const isSocket = typeof socket.setNoDelay === "function";
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
