import type { EventEmitter } from "node:events";
import { Future, getRunningLoop } from "corio";
import { type ArgumentsOf, checkEventSource, type EventSource, listen, listenToErrors } from "./event-source.js";

/**
 * Waits for the next event of an emitter or an event target (elsewhere: fromEvent, pEvent). It listens from this call on, not
 * only when it is awaited.
 *
 * @param emitter an `EventEmitter` or an `EventTarget`
 * @param name the event
 * @returns a future of the array of the event's arguments; of an event target, that is the event itself. Their types are
 * those of an `EventEmitter<Map>`, or what you say: `once<[Socket]>(server, "connection")`
 * @throws as the wait does: what an `EventEmitter` emits as "error" meanwhile, unless that is the event; at once a
 * NoRunningLoopError where no loop is running
 *
 * *If cancelled*, its listeners are removed. They go as well with the event, with an error, and when the loop is closed.
 * @example
 * const [answer] = yield* once<[Buffer]>(process.stdin, "data");
 * console.log(answer.toString());
 * @see https://nodejs.org/api/events.html#eventsonceemitter-name-options
 */
export function once<M extends Record<keyof M, unknown[]>, K extends keyof M>(
  emitter: EventEmitter<M>,
  name: K,
): Future<ArgumentsOf<M, K>>;
export function once<Args extends unknown[] = unknown[]>(
  emitter: NodeJS.EventEmitter,
  name: string | symbol,
): Future<Args>;
export function once<E extends Event = Event>(target: EventTarget, name: string): Future<[event: E]>;
export function once(emitter: EventSource, name: string | symbol): Future<unknown[]> {
  checkEventSource(emitter, "once(emitter, name)");
  return new NextEvent(emitter, name);
}

class NextEvent extends Future<unknown[]> {
  readonly #stops: (() => void)[] = [];

  constructor(emitter: EventSource, name: string | symbol) {
    super({ loop: getRunningLoop() });
    this.#stops.push(
      listen(emitter, name, (...args) => {
        this.#stop();
        // another listener of the same event may have cancelled it
        if (!this.done) this.setResult(args);
      }),
    );
    if (name !== "error") {
      this.#stops.push(
        listenToErrors(emitter, (error) => {
          this.#stop();
          if (!this.done) this.setException(error);
        }),
      );
    }
    this.#stops.push(this.loop.onClose(() => this.#stop()));
  }

  override cancel(reason?: unknown): boolean {
    this.#stop();
    return super.cancel(reason);
  }

  #stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }
}
