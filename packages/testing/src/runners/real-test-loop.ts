import { EventLoop, type Future } from "corio";
import { type Chaos, chaosQueue } from "../ready-order/chaos.js";
import { BegunResources } from "../virtual-time/begun-resources.js";
import { pause } from "../virtual-time/real-turns.js";
import { RealTimeHost } from "./real-time-host.js";
import type { TestLoop } from "./test-loop.js";

// Taken when the module loads: fake timers of a test runner must not freeze this.
const { setTimeout, clearTimeout } = globalThis;
const LONGEST = 2 ** 31 - 1;

/** A test's loop on the time of the process. */
export class RealTestLoop implements TestLoop {
  readonly loop: EventLoop;
  readonly seed: number | undefined;

  /** @param begun what the test has begun: it says whether anything could still wake a task */
  constructor(chaos: Chaos, begun: BegunResources) {
    const { readyQueue, seed } = chaosQueue(chaos);
    this.seed = seed;
    this.loop = new EventLoop({
      debug: false,
      // where nobody can know what is under way, deadlocks are for the time limit
      ...(BegunResources.known && { host: new RealTimeHost(begun) }),
      ...(readyQueue !== undefined && { readyQueue }),
    });
  }

  async drive(future: Future<unknown>, ms: number): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = future.then(
      () => true,
      () => true,
    );
    const limit = new Promise<boolean>((resolve) => {
      if (ms === Number.POSITIVE_INFINITY) return;
      timer = setTimeout(() => resolve(false), Math.min(ms, LONGEST));
      // it keeps nobody from knowing that nothing else is under way
      (timer as { unref?(): void }).unref?.();
    });
    try {
      return await Promise.race([end, limit]);
    } finally {
      clearTimeout(timer);
    }
  }

  lookOn(): Promise<void> {
    return pause(1);
  }
}
