import type { EventLoop } from "../loop/event-loop.js";
import type { Future } from "./future.js";

/**
 * @internal The error of a future that nobody has retrieved yet.
 *
 * It is reported once: when the future is collected, or when the run ends, whichever comes first; retrieving the error
 * drops it. The record never refers to the future, which would keep it from being collected.
 */
export class UnretrievedError {
  readonly #loop: EventLoop;
  readonly #exception: unknown;
  readonly #name: string | undefined;
  readonly #origin: string | undefined;

  constructor(future: Future<unknown>, exception: unknown, name: string | undefined, origin: string | undefined) {
    this.#loop = future.loop;
    this.#exception = exception;
    this.#name = name;
    this.#origin = origin;
    // V8 keeps the frames of a stack that nobody has read, and with them the task: it could not be collected
    if (exception instanceof Error) void exception.stack;
    this.#loop._unretrieved.add(this);
    collected.register(future, this, this);
  }

  /** Somebody has seen the error. */
  drop(): void {
    if (this.#loop._unretrieved.delete(this)) collected.unregister(this);
  }

  report(): void {
    if (!this.#loop._unretrieved.delete(this)) return;
    collected.unregister(this);
    const isTask = this.#name !== undefined;
    this.#loop.callExceptionHandler({
      message: `${isTask ? "Task" : "Future"} exception was never retrieved`,
      exception: this.#exception,
      ...(isTask && { taskName: this.#name }),
      ...(this.#origin !== undefined && { origin: this.#origin }),
    });
  }
}

const collected = new FinalizationRegistry<UnretrievedError>((error) => error.report());
