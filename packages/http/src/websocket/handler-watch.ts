import type { EventLoop, Task, TimerHandle } from "corio";
import { WebSocketClosedError } from "../errors/websocket-closed-error.js";
import type { ConnectionWatch, WebSocketConnection } from "./websocket-connection.js";

/**
 * @internal Sees to it that a handler does not outlive its connection unnoticed.
 *
 * Who waits for the connection when it ends is told by an error, and so is who comes back to it later: then the handler knows,
 * and does as it likes. It may have work to do first, on what it has received; but one that waits for something else may never
 * come back, as one that only sends what a queue brings.
 *
 *   ended ──> told by an error ──> left alone
 *     ├─ has never received ──> cancelled
 *     └─ has ──(grace, anew for each message that it still takes)──> cancelled
 */
export class HandlerWatch implements ConnectionWatch {
  readonly #loop: EventLoop;
  readonly #task: Task<unknown>;
  readonly #connection: WebSocketConnection;
  readonly #grace: number;
  #receives = false;
  #over = false;
  #told = false;
  #timer: TimerHandle | undefined;

  /** @param grace in milliseconds */
  constructor(loop: EventLoop, task: Task<unknown>, connection: WebSocketConnection, grace: number) {
    this.#loop = loop;
    this.#task = task;
    this.#connection = connection;
    this.#grace = grace;
  }

  receives(): void {
    this.#receives = true;
    if (this.#over && !this.#told) this.#wait();
  }

  told(): void {
    this.#told = true;
    this.#timer?.cancel();
  }

  ended(wasAwaited: boolean): void {
    this.#over = true;
    if (this.#told) return;
    if (this.#receives || wasAwaited) this.#wait();
    else this.#cancel();
  }

  /** The handler has ended. */
  stop(): void {
    this.told();
  }

  #wait(): void {
    this.#timer?.cancel();
    this.#timer = this.#loop.callLater(this.#grace, this.#cancel);
  }

  readonly #cancel = (): void => {
    const { closeCode = 1006, closeReason } = this.#connection;
    this.#task.cancel(new WebSocketClosedError(closeCode, closeReason));
  };
}
