import type { EventLoop, Future } from "corio";
import type { Chaos } from "../ready-order/chaos.js";
import { pause } from "../virtual-time/real-turns.js";
import { VirtualLoop } from "../virtual-time/virtual-loop.js";
import type { TestLoop } from "./test-loop.js";

/** A test's loop on virtual time. */
export class VirtualTestLoop implements TestLoop {
  readonly loop: EventLoop;
  readonly seed: number | undefined;
  readonly #virtual: VirtualLoop;
  readonly #realTimeout: number;

  constructor(chaos: Chaos, realTimeout: number) {
    this.#virtual = new VirtualLoop({ debug: false, ...chaos });
    this.#realTimeout = realTimeout;
    ({ loop: this.loop, seed: this.seed } = this.#virtual);
  }

  drive(future: Future<unknown>, ms: number, realMs = this.#realTimeout): Promise<boolean> {
    return this.#virtual.runUntil(future, { until: this.#virtual.time() + ms, realTimeout: realMs });
  }

  async lookOn(): Promise<void> {
    await pause(1);
    this.#virtual.advance(0);
  }
}
