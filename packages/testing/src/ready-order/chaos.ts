import type { ReadyQueue } from "corio";
import { randomFrom } from "../random/random.js";
import { ChoosingQueue } from "./choosing-queue.js";
import { LateQueue } from "./late-queue.js";

/** Disorder within what asyncio guarantees, so that no test leans on what only happens to be so. */
export interface Chaos {
  /**
   * Shuffles what is ready: tasks run in any order, callbacks keep theirs. A number is the seed of the order, `true` takes a new
   * one each time; default false.
   */
  readonly shuffle?: boolean | number | undefined;
  /** Makes every cancellation arrive late, after all else that is ready; default false. */
  readonly lateCancellation?: boolean | undefined;
}

/** What a loop with this chaos needs, and the seed of its order. */
export function chaosQueue({ shuffle, lateCancellation }: Chaos): { readyQueue?: ReadyQueue; seed?: number } {
  const shuffled = shuffle !== undefined && shuffle !== false;
  if (!shuffled && !lateCancellation) return {};
  const seed = shuffle === true ? newSeed() : Number(shuffle);
  const random = randomFrom(seed);
  const order = new ChoosingQueue(shuffled ? (queue) => random(queue.alternatives) : () => 0);
  return { readyQueue: lateCancellation ? new LateQueue(order) : order, ...(shuffled && { seed }) };
}

function newSeed(): number {
  return Math.floor(Math.random() * 1_000_000);
}
