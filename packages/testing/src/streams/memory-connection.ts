import type { EventLoop } from "corio";
import { Line } from "./line.js";
import { MemorySocket, type SocketName } from "./memory-socket.js";
import type { CheckedConditions } from "./network-conditions.js";
import { systemError } from "./system-error.js";
import { Weather } from "./weather.js";

/** What a connection is told of itself when it is made. */
export interface ConnectionOptions {
  readonly loop: EventLoop;
  readonly conditions: CheckedConditions;
  /** Its number in its network. */
  readonly number: number;
  /** The names of the side that connects, and of the one that accepts. */
  readonly names?: readonly [near: SocketName, far: SocketName] | undefined;
  /** Whether nothing arrives before {@link MemoryConnection.mend}. */
  readonly cut?: boolean | undefined;
  /** Called when both sides are closed. */
  readonly onOver?: (() => void) | undefined;
}

/** Two sockets, and the lines between them. */
export class MemoryConnection {
  readonly loop: EventLoop;
  /** The side that connects. */
  readonly near: MemorySocket;
  /** The side that accepts. */
  readonly far: MemorySocket;
  /** How many bytes may still arrive before it breaks. */
  lifetime: number;
  /** From `near` to `far`. */
  readonly there: Line;
  /** From `far` to `near`. */
  readonly back: Line;
  readonly #onOver: (() => void) | undefined;

  constructor({ loop, conditions, number, names, cut = false, onOver }: ConnectionOptions) {
    this.loop = loop;
    this.#onOver = onOver;
    const weather = new Weather(conditions, 2 * number);
    this.lifetime = weather.lifetime();
    const lineTo = (socket: () => MemorySocket, its: Weather): Line =>
      new Line(loop, conditions, its, { receive: (piece) => socket().receive(piece), break: () => this.break() }, cut);
    this.there = lineTo(() => this.far, weather);
    this.back = lineTo(() => this.near, new Weather(conditions, 2 * number + 1));
    this.near = new MemorySocket(this, this.there, this.back, names?.[0]);
    this.far = new MemorySocket(this, this.back, this.there, names?.[1]);
    MemorySocket.join(this.near, this.far);
  }

  /** Breaks it: both sides get ECONNRESET now. */
  break(): void {
    this.near.fail(systemError("ECONNRESET", "read"));
    this.far.fail(systemError("ECONNRESET", "read"));
  }

  /** Nothing arrives from now on. */
  cut(): void {
    this.there.cut();
    this.back.cut();
  }

  /** Ends {@link cut}. */
  mend(): void {
    this.there.mend();
    this.back.mend();
  }

  /** One of the sockets is closed. Nothing is left when the second one is. */
  closed(): void {
    if (!this.near.destroyed || !this.far.destroyed) return;
    this.there.stop();
    this.back.stop();
    this.#onOver?.();
  }
}
