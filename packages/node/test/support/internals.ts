import type { Coroutine } from "corio";
import type { StreamReader, Transport } from "@corio/node";
import * as byteQueue from "../../src/streams/byte-queue.js";
import * as eyeballs from "../../src/transports/happy-eyeballs.js";

// What tests look at inside. The published types do not have it.

/** Bytes in the order in which they came. */
export interface ByteQueue {
  readonly length: number;
  push(piece: Uint8Array): void;
  unshift(piece: Uint8Array): void;
  takeSome(size: number): Uint8Array;
  take(size: number): Uint8Array;
  takeAll(): Uint8Array;
  indexOf(pattern: Uint8Array, from: number): number;
}

export const { ByteQueue } = byteQueue as unknown as { ByteQueue: new () => ByteQueue };

const withEyeballs: object = eyeballs;
export const { happyEyeballs } = withEyeballs as {
  happyEyeballs<A extends { readonly family: 4 | 6 }, T extends { destroy(): unknown }>(
    addresses: readonly A[],
    delay: number,
    target: string,
    connect: (address: A) => Coroutine<T>,
  ): Coroutine<T>;
};

/** A transport for a reader that has no connection: it counts what it is told. */
export class CountingTransport {
  paused = false;
  pauses = 0;
  resumes = 0;

  static of(reader: StreamReader): CountingTransport {
    const transport = new CountingTransport();
    const inside = reader as unknown as { _setTransport(transport: Transport): void };
    inside._setTransport(transport as unknown as Transport);
    return transport;
  }

  pauseReading(): void {
    this.paused = true;
    this.pauses++;
  }

  resumeReading(): void {
    this.paused = false;
    this.resumes++;
  }
}
