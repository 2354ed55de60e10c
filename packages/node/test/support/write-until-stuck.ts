import { type Coroutine, sleep } from "corio";
import type { Transport } from "@corio/node";
import { expect } from "vitest";
import { pattern } from "./bytes.js";

/**
 * Writes to a peer that does not read, until nothing moves any more: the system's buffers are full, and more than the high-water
 * mark waits. Gives how much was written, in pieces of `size` bytes that are all alike.
 */
export function* writeUntilStuck(transport: Transport, size = 50_000): Coroutine<number> {
  const piece = pattern(size);
  let written = 0;
  for (let still = 0, before = -1; still < 30; ) {
    if (transport.writeBufferSize <= transport.writeBufferLimits.high) {
      transport.write(piece);
      written += size;
      expect(written, "the peer takes in everything").toBeLessThan(200_000_000);
    }
    yield* sleep(transport.writeBufferSize > 0 ? 1 : 0);
    still = transport.writeBufferSize === before && before > transport.writeBufferLimits.high ? still + 1 : 0;
    before = transport.writeBufferSize;
  }
  return written;
}
