import { type AsyncContextRunner, type Host, NodeHost } from "corio";
import type { BegunResources } from "../virtual-time/begun-resources.js";
import { nextTurn, pause } from "../virtual-time/real-turns.js";

// Each lets the process handle what has arrived, and the reactions of promises run.
const ROUNDS = 3;
// How many milliseconds pass at most between two looks at whether anything is under way.
const LONGEST_PAUSE = 16;

/**
 * Node as a host that knows when nothing is left that could wake its loop: no turn is requested, no alarm is set, nobody holds
 * the loop, and nothing that was begun since the test began is under way in the process. A process as a whole never comes to
 * rest while a test runner is in it, so its `beforeExit` tells nothing.
 *
 *   loop starts ──> looks ──(something comes, or is under way)──> pause ──> looks …
 *                     └──(nothing)──> idle
 */
export class RealTimeHost implements Host {
  readonly #node = new NodeHost();
  readonly #begun: BegunResources;
  readonly #idle = new Set<() => void>();
  // turns that were requested, alarms that are set
  #coming = 0;
  #holds = 0;
  #pause = 1;
  #looking = false;

  constructor(begun: BegunResources) {
    this.#begun = begun;
  }

  now(): number {
    return this.#node.now();
  }

  requestTurn(turn: () => void): void {
    this.#coming++;
    this.#pause = 1;
    this.#node.requestTurn(() => {
      this.#coming--;
      turn();
    });
  }

  requestTurnAt(when: number, turn: () => void): () => void {
    if (when === Number.POSITIVE_INFINITY) return () => {};
    let armed = true;
    this.#coming++;
    const disarm = (): void => {
      if (armed) this.#coming--;
      armed = false;
    };
    const callOff = this.#begun.unseen(() =>
      this.#node.requestTurnAt(when, () => {
        disarm();
        turn();
      }),
    );
    return () => {
      disarm();
      callOff();
    };
  }

  onIdle(idle: () => void): () => void {
    this.#idle.add(idle);
    void this.#look();
    return () => void this.#idle.delete(idle);
  }

  keepAlive(): () => void {
    this.#holds++;
    const letGo = this.#begun.unseen(() => this.#node.keepAlive());
    let held = true;
    return () => {
      if (held) this.#holds--;
      held = false;
      letGo();
    };
  }

  captureAsyncContext(): AsyncContextRunner {
    return this.#node.captureAsyncContext();
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    while (this.#idle.size > 0) {
      for (let i = 0; i < ROUNDS; i++) await nextTurn();
      if (this.#rests) for (const idle of [...this.#idle]) idle();
      if (this.#idle.size > 0) await pause(this.#pause);
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    }
    this.#looking = false;
  }

  get #rests(): boolean {
    return this.#coming === 0 && this.#holds === 0 && this.#begun.activity === "none";
  }
}
