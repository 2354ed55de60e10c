import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server as NetServer, type Socket } from "node:net";
import { type Coroutine, until } from "corio";
import type { Server } from "@corio/node";

// Peers that are made of Node alone, so that what they see is seen by another implementation.

/** The port of a server of ours that listens on one. */
export function portOf(server: Server): number {
  const [socket] = server.sockets;
  return (socket?.address() as AddressInfo | undefined)?.port ?? 0;
}

/** A socket of Node that is connected. What it receives is collected in `received`. */
export interface Peer extends Socket {
  readonly received: Buffer[];
  /** Why it ended, if that was an error. */
  failure?: NodeJS.ErrnoException;
}

/** Connects to a port or a path, without taking anything in until told to. */
export function* connectPeer(to: number | string): Coroutine<Peer> {
  const socket = connect({
    ...(typeof to === "number" ? { port: to, host: "127.0.0.1" } : { path: to }),
    allowHalfOpen: true,
  });
  yield* until(once(socket, "connect"));
  return peerOf(socket);
}

/** What a server of Node sees of one connection. */
function peerOf(socket: Socket): Peer {
  const peer = Object.assign(socket, { received: [] as Buffer[] });
  peer.on("error", (error) => ((peer as Peer).failure = error));
  return peer;
}

/** Takes in all that comes. */
export function collect(peer: Peer): void {
  peer.on("data", (data: Buffer) => peer.received.push(data)).resume();
}

/** Waits until a peer has received the end, and gives all that it has received. */
export function* receivedBy(peer: Peer): Coroutine<string> {
  if (!peer.readableEnded) {
    if (peer.listenerCount("data") === 0) collect(peer);
    peer.resume();
    yield* until(once(peer, "end"));
  }
  return Buffer.concat(peer.received).toString();
}

/** Waits until a socket is closed, however that came. */
export function* closedOf(socket: Socket): Coroutine<void> {
  if (!socket.closed) yield* until(new Promise((resolve) => socket.once("close", resolve)));
}

/** A server of Node on a free port, which is closed with all its connections when the block is left. */
export class NodePeer {
  readonly sockets: Peer[] = [];
  readonly #server: NetServer;
  #next: ((socket: Peer) => void) | undefined;

  constructor(onConnection?: (socket: Peer) => void) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      const peer = peerOf(socket);
      this.sockets.push(peer);
      onConnection?.(peer);
      this.#next?.(peer);
      this.#next = undefined;
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The first connection, or the one that comes. */
  *connection(): Coroutine<Peer> {
    return this.sockets[0] ?? (yield* until(new Promise<Peer>((resolve) => (this.#next = resolve))));
  }

  *enter(): Coroutine<this> {
    this.#server.listen(0, "127.0.0.1");
    yield* until(once(this.#server, "listening"));
    return this;
  }

  *exit(_error: unknown): Coroutine<void> {
    for (const socket of this.sockets) socket.destroy();
    yield* until(new Promise((resolve) => this.#server.close(resolve)));
  }
}
