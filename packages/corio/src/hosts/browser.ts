import type { Host } from "./host.js";
import { now, runAt } from "./long-timeout.js";
import { platform } from "./platform.js";

/** Browsers and their workers. A message to itself is the soonest callback that lets the page paint and handle events. */
export class BrowserHost implements Host {
  readonly #turns: (() => void)[] = [];
  readonly #channel = new platform.MessageChannel();

  constructor() {
    this.#channel.port1.onmessage = () => this.#turns.shift()?.();
  }

  now(): number {
    return now();
  }

  requestTurn(turn: () => void): void {
    this.#turns.push(turn);
    this.#channel.port2.postMessage(undefined);
  }

  requestTurnAt(when: number, turn: () => void): () => void {
    return runAt(when, turn);
  }
}
