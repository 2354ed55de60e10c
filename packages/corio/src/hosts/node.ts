import { captureAsyncContext } from "./async-context.js";
import type { AsyncContextRunner, Host } from "./host.js";
import { now, runAt } from "./long-timeout.js";
import { platform } from "./platform.js";

const { setImmediate, process } = platform;

/** Node, and what has Node's `setImmediate` and `process`: Deno and Bun. */
export class NodeHost implements Host {
  // `beforeExit` comes when nothing is left that could call back. One listener serves all loops.
  readonly #idle = new Set<() => void>();
  readonly #onBeforeExit = (): void => {
    for (const idle of [...this.#idle]) idle();
  };

  now(): number {
    return now();
  }

  requestTurn(turn: () => void): void {
    (setImmediate as (callback: () => void) => unknown)(turn);
  }

  requestTurnAt(when: number, turn: () => void): () => void {
    return runAt(when, turn);
  }

  onIdle(idle: () => void): () => void {
    if (this.#idle.size === 0) process?.on("beforeExit", this.#onBeforeExit);
    this.#idle.add(idle);
    return () => {
      if (this.#idle.delete(idle) && this.#idle.size === 0) process?.off("beforeExit", this.#onBeforeExit);
    };
  }

  keepAlive(): () => void {
    return runAt(Number.POSITIVE_INFINITY, () => {});
  }

  captureAsyncContext(): AsyncContextRunner {
    return captureAsyncContext();
  }
}
